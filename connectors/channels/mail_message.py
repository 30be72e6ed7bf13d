"""A notice as one mail: human text, ARF part (RFC 5965), XARF v4 and the whole notice as JSON. Pure.

The same notice gives the same bytes: ``Message-ID`` is made of the key, ``Date`` is when the notice
was issued, and the boundary is made of the key too. All of it is 7-bit ASCII on the wire.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.mime.multipart import MIMEMultipart
from email.utils import format_datetime
from pathlib import Path

from connectors.channels.letter import letter
from connectors.channels.plain import plain_line
from connectors.channels.xarf_report import as_uri, xarf_report
from connectors.http import USER_AGENT
from connectors.platform_config import MailOptions
from schemas.notice import Notice

_KEY = re.compile(r"n1_[a-z2-7]{52}")
LONGEST_URI = 900
"""Of the machine part, whose lines end at 998 characters and cannot be folded inside a URI; a longer one
stands in the other parts."""
KEY_HEADER = "X-Takin-Key"


def message_id(idempotency_key: str, sender: str) -> str:
    """``Message-ID`` of the notice's mail: the same for every attempt, so that a repeat is recognised."""
    return f"<{idempotency_key}@{sender.rpartition('@')[2].lower()}>"


def is_notice_key(key: str) -> bool:
    """Whether it is the idempotency key of a notice."""
    return _KEY.fullmatch(key) is not None


def keys_in(text: str, sender: str) -> tuple[str, ...]:
    """Keys of our mails that the text names by their whole ``Message-ID``, in order."""
    domain = sender.rpartition("@")[2].lower()
    return (
        tuple(
            dict.fromkeys(key for key in _KEY.findall(text) if message_id(key, sender)[1:-1] in text.lower())
        )
        if domain
        else ()
    )


def mail(
    notice: Notice,
    options: MailOptions,
    languages: Sequence[str],
    templates: Path | None = None,
    *,
    reply_to: str | None = None,
) -> bytes:
    """The whole message with CRLF line ends; ``reply_to`` is where answers come, if not to the sender.

    Raises:
        PlatformRefused: ``invalid``: no valid XARF report can be made of it, or a template is faulty.
    """
    key = notice.idempotency_key
    boundary = "=_takin_" + hashlib.sha256(key.encode()).hexdigest()[:40]
    whole = MIMEMultipart("report", boundary=boundary, policy=policy.SMTP, report_type="feedback-report")
    reporter = plain_line(notice.reporter.organisation, 100)
    # Header objects refuse line breaks by themselves; `plain_line` has taken everything else out.
    whole["From"] = str(Address(display_name=reporter, addr_spec=options.sender))
    whole["To"] = ", ".join(options.to)
    whole["Reply-To"] = reply_to or options.sender
    whole["Subject"] = plain_line(_subject(notice), 200)
    whole["Date"] = format_datetime(notice.issued_at)
    whole["Message-ID"] = message_id(key, options.sender)
    whole[KEY_HEADER] = key
    whole["Auto-Submitted"] = "auto-generated"
    text = EmailMessage(policy=policy.SMTP)
    text.set_content(letter(notice, languages, templates), cte="quoted-printable")
    del text["MIME-Version"]
    whole.attach(text)
    whole.attach(_feedback(notice))
    whole.attach(_file("xarf.json", xarf_report(notice)))
    whole.attach(_file("notice.json", json.loads(notice.to_bytes())))
    # Folded right after its name, as the standard library does it, not every server finds the id again.
    return whole.as_bytes(policy=policy.SMTP).replace(b"\r\nMessage-ID:\r\n <", b"\r\nMessage-ID: <", 1)


def _subject(notice: Notice) -> str:
    test = "[TEST] " if "lifecycle:test" in notice.tags else ""
    return f"{test}Notice {notice.human_reference}: protected wildlife, listing {notice.items[0].listing_id}"


def _feedback(notice: Notice) -> Message:
    part = Message(policy=policy.SMTP)
    part["Content-Type"] = "message/feedback-report"
    lines = [
        "Feedback-Type: other",
        f"User-Agent: {USER_AGENT}",
        "Version: 1",
        f"Arrival-Date: {format_datetime(notice.items[0].last_seen_online_at)}",
        *(f"Reported-URI: {uri}" for item in notice.items if len(uri := as_uri(item.url)) <= LONGEST_URI),
        f"Incidents: {len(notice.items)}",
    ]
    part.set_payload("\r\n".join(lines) + "\r\n")
    return part


def _file(name: str, content: object) -> EmailMessage:
    part = EmailMessage(policy=policy.SMTP)
    raw = json.dumps(content, indent=1).encode()
    part.set_content(raw, maintype="application", subtype="json", filename=name, cte="base64")
    del part["MIME-Version"]
    return part
