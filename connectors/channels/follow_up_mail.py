"""What follows a notice as one mail, in the notice's thread. Pure: the same one gives the same bytes.

``In-Reply-To`` names the notice's mail; where the notice went another way the reference in the
subject joins the two.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from connectors.channels.letter import follow_up_letter, information_letter
from connectors.channels.mail_message import KEY_HEADER, message_id
from connectors.channels.plain import plain_line
from connectors.platform_config import MailOptions
from schemas.follow_up import FollowUp, FollowUpKind, Information

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
    test = "[TEST] " if "lifecycle:test" in follow_up.tags else ""
    return _in_thread(
        follow_up_letter(follow_up, languages, templates),
        subject=f"{test}{SUBJECTS[follow_up.kind]} {follow_up.human_reference}",
        key=follow_up.key,
        notice_key=follow_up.notice_key,
        at=follow_up.at,
        ours=plain_line(follow_up.sender.organisation, 100),
        options=options,
        to=to,
        reply_to=reply_to,
    )


def information_mail(
    information: Information, options: MailOptions, languages: Sequence[str], *, reply_to: str | None = None
) -> bytes:
    """What the desk had asked for about a notice, as a mail in its thread, with CRLF line ends.

    Its ``Message-ID`` is the information's key: the same words sent again are recognised, others are not
    taken for them.

    Raises:
        PlatformRefused: ``invalid``: it is too long.
    """
    notice = information.notice
    test = "[TEST] " if "lifecycle:test" in notice.tags else ""
    return _in_thread(
        information_letter(notice.human_reference, information.text, languages),
        subject=f"{test}Information on notice {notice.human_reference}",
        key=information.key,
        notice_key=notice.idempotency_key,
        at=information.at,
        ours=plain_line(notice.sender.organisation, 100),
        options=options,
        to=options.to,
        reply_to=reply_to,
    )


def _in_thread(
    text: str,
    *,
    subject: str,
    key: str,
    notice_key: str,
    at: datetime,
    ours: str,
    options: MailOptions,
    to: Sequence[str],
    reply_to: str | None,
) -> bytes:
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = str(Address(display_name=ours, addr_spec=options.sender))
    message["To"] = ", ".join(to)
    message["Reply-To"] = reply_to or options.sender
    message["Subject"] = plain_line(subject, 200)
    message["Date"] = format_datetime(at)
    message["Message-ID"] = message_id(key, options.sender)
    thread = message_id(notice_key, options.sender)
    message["In-Reply-To"] = thread
    message["References"] = thread
    message[KEY_HEADER] = notice_key
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text, cte="quoted-printable")
    raw = message.as_bytes()
    for name in (b"Message-ID", b"In-Reply-To", b"References"):
        # Folded right after its name, as the standard library does it, not every server finds the id again.
        raw = raw.replace(b"\r\n" + name + b":\r\n <", b"\r\n" + name + b": <", 1)
    return raw
