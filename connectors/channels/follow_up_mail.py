"""What follows a notice as one mail, in the notice's thread. Pure: the same one gives the same bytes.

``In-Reply-To`` names the notice's mail; where the notice went another way the reference in the
subject joins the two.
"""

from collections.abc import Mapping, Sequence
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from connectors.channels.letter import follow_up_letter
from connectors.channels.mail_message import KEY_HEADER, message_id
from connectors.channels.plain import plain_line
from connectors.platform_config import MailOptions
from schemas.follow_up import FollowUp, FollowUpKind

SUBJECTS: Mapping[FollowUpKind, str] = {
    "reminder": "Reminder of notice",
    "escalation": "No decision on notice",
    "withdrawal": "Withdrawn: notice",
}


def follow_up_mail(
    follow_up: FollowUp,
    options: MailOptions,
    languages: Sequence[str],
    to: Sequence[str],
    templates: Path | None = None,
    *,
    reply_to: str | None = None,
) -> bytes:
    """The whole message with CRLF line ends.

    Raises:
        PlatformRefused: ``invalid``: a template is faulty.
    """
    message = EmailMessage(policy=policy.SMTP)
    ours = plain_line(follow_up.sender.organisation, 100)
    message["From"] = str(Address(display_name=ours, addr_spec=options.sender))
    message["To"] = ", ".join(to)
    message["Reply-To"] = reply_to or options.sender
    test = "[TEST] " if "lifecycle:test" in follow_up.tags else ""
    message["Subject"] = plain_line(f"{test}{SUBJECTS[follow_up.kind]} {follow_up.human_reference}", 200)
    message["Date"] = format_datetime(follow_up.at)
    message["Message-ID"] = message_id(follow_up.key, options.sender)
    thread = message_id(follow_up.notice_key, options.sender)
    message["In-Reply-To"] = thread
    message["References"] = thread
    message[KEY_HEADER] = follow_up.notice_key
    message["Auto-Submitted"] = "auto-generated"
    text = follow_up_letter(follow_up, languages, templates)
    message.set_content(text, cte="quoted-printable")
    raw = message.as_bytes()
    for name in (b"Message-ID", b"In-Reply-To", b"References"):
        # Folded right after its name, as the standard library does it, not every server finds the id again.
        raw = raw.replace(b"\r\n" + name + b":\r\n <", b"\r\n" + name + b": <", 1)
    return raw
