"""A mail from a citizen as a report: what they write and forward, the first link in it, the pictures. Pure.

A forwarded message is what the report is about, so unlike in an answer to a notice what is quoted counts. An
automaton's mail is no report, or two automata would write to each other for ever (RFC 3834).
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from email.message import Message
from email.utils import getaddresses

from connectors.channels.mail_reading import leaf_text, leaves, read_letter
from connectors.channels.plain import plain_line, plain_text
from connectors.intake_pictures import MAX_PICTURE
from connectors.markup import text_lines
from schemas.references import characters
from schemas.report import MOST_PICTURES, Report, Reporter, ReportPicture

LONGEST_REPORT = 25 * 1024 * 1024
"""Bytes of a mail with pictures; what most mail servers let through at all."""
MOST_WORDS = 20_000
"""Characters of a report's text."""
_MOST_READ = 200_000
_ADDRESS = re.compile(r"[^@\s<>]{1,64}@[^@\s<>]{1,253}\.[^@\s<>.]{1,63}")
_LINK = re.compile(r"https?://[^\s<>\"'\])]{3,4000}", re.IGNORECASE)
_HREF = re.compile(r"href\s*=\s*[\"'](https?://[^\s<>\"']{3,4000})", re.IGNORECASE)


class NoReport(ValueError):
    """A mail that is no report."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        """``automatic``, ``no_sender`` or ``empty``."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a mail tells."""

    sender: str
    name: str | None
    subject: str
    text: str
    link: str | None
    message_id: str
    pictures: tuple[bytes, ...]
    """As they came, and whatever they are; at most five, of at most 10 MB each."""


def read_report_mail(raw: bytes) -> Told:
    """Take a mail apart, within the bounds of :mod:`connectors.channels.mail_reading` for parts and text.

    Raises:
        UnreadableAnswer: it is no mail, or beyond those bounds.
        NoReport
    """
    letter = read_letter(raw, longest=LONGEST_REPORT)
    if letter.kind != "written":
        raise NoReport("automatic")
    name, sender = _sender(letter.mail)
    text, link = _words(letter.mail)
    pictures = _pictures(letter.mail)
    if not text and not pictures:
        raise NoReport("empty")
    return Told(sender, name, letter.subject, text, link, letter.message_id, pictures)


def report_of(
    told: Told, pictures: tuple[ReportPicture, ...], *, secret: bytes, raw: bytes, now: datetime
) -> Report:
    """The report under an id that nobody can guess and that a second delivery of the mail has too."""
    words = f"{told.subject}\n\n{told.text}".strip() or "Pictures without a word."
    return Report(
        report_id=_report_id(told, secret, raw),
        received_at=now,
        reporter=Reporter(kind="citizen", name=told.name, email=told.sender),
        url=told.link or told.subject or "A message without a link",
        where=None if told.link else told.subject or None,
        what=words[:MOST_WORDS],
        pictures=pictures,
    )


def _report_id(told: Told, secret: bytes, raw: bytes) -> str:
    named = told.message_id or hashlib.sha256(raw).hexdigest()
    # With the sender: nobody keeps another's report away by taking its Message-ID.
    code = hmac.digest(secret, f"{told.sender}\0{named}".encode("utf-8", "replace"), "sha256")
    return "r_" + base64.b32encode(code).decode()[:20]


def _sender(mail: Message) -> tuple[str | None, str]:
    found = getaddresses([str(value) for value in mail.get_all("From", [])])
    addresses = {address.lower(): name for name, address in found if _ADDRESS.fullmatch(address)}
    if len(addresses) != 1:
        raise NoReport("no_sender")
    [(address, name)] = addresses.items()
    return plain_line(name, 200) or None, address


def _words(mail: Message) -> tuple[str, str | None]:
    """All that is written in it, the forwarded too, and the first link."""
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    for part in leaves(mail):
        if part.get_content_disposition() != "attachment" and part.get_content_type() in texts:
            texts[part.get_content_type()].append(leaf_text(part))
    plain = "\n\n".join(texts["text/plain"]).strip()[:_MOST_READ]
    html = texts["text/html"]
    if not plain:
        plain = "\n\n".join(text_lines(one, frozenset({"head"})) for one in html).strip()[:_MOST_READ]
    links = _LINK.findall(plain) or [characters(one) for text in html for one in _HREF.findall(text)]
    link = plain_line(links[0].rstrip(".,;:!?"), 4_000) if links else None
    return plain_text(plain)[:MOST_WORDS], link


def _pictures(mail: Message) -> tuple[bytes, ...]:
    found: list[bytes] = []
    for part in mail.walk():
        if part.is_multipart() or len(found) == MOST_PICTURES:
            continue
        named = part.get_content_type() == "application/octet-stream" and part.get_filename()
        if part.get_content_maintype() != "image" and not named:
            continue
        content = part.get_payload(decode=True)
        if isinstance(content, bytes) and 0 < len(content) <= MAX_PICTURE:
            found.append(content)
    return tuple(found)
