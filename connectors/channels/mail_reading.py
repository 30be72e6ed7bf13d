"""A mail that came in, as far as it is read: to whom it went, of what kind it is, what is new in it. Pure.

Mail is written by anybody. Size, depth and number of parts are bounded before it is taken apart; what
cannot be read is :class:`connectors.errors.UnreadableAnswer` with a reason and never a guess.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Literal

from connectors.channels.plain import plain_line, plain_text
from connectors.errors import UnreadableAnswer
from connectors.markup import text_lines

LONGEST = 4 * 1024 * 1024
"""Bytes of a mail that are read."""
LONGEST_TEXT = 100_000
DEEPEST = 12
MOST_PARTS = 200
MOST_HEADERS = 1_000
_RECIPIENTS = ("To", "Cc", "Delivered-To", "X-Original-To", "X-Delivered-To", "Envelope-To", "Resent-To")
_BOUNDARY = re.compile(rb"boundary\s*=", re.IGNORECASE)
_QUOTED_FROM_HERE = re.compile(r"-{3,}|_{5,}|(From|Von|De|Da|发件人|Từ)\s?[::]", re.IGNORECASE)

Kind = Literal["bounce", "feedback", "automatic", "written"]


@dataclass(frozen=True, slots=True)
class Letter:
    """What is read of a mail."""

    kind: Kind
    """``automatic``: an automaton's reply (RFC 3834), whatever it says."""
    recipients: tuple[str, ...]
    from_domain: str
    message_id: str
    subject: str
    written_at: datetime | None
    """As its ``Date`` says; absent where that is none or has no zone."""
    text: str
    """What is new in it: without what is quoted."""
    mail: Message


def read_letter(raw: bytes, *, longest: int = LONGEST) -> Letter:
    """Take a mail of at most ``longest`` bytes apart.

    Raises:
        UnreadableAnswer: ``wrong_shape``.
    """
    mail = _parsed(raw, longest)
    try:
        kind = _kind(mail)
        text = "" if kind in ("bounce", "feedback") else _text(mail)
        return Letter(
            kind=kind,
            recipients=tuple(str(value) for name in _RECIPIENTS for value in mail.get_all(name, [])),
            from_domain=_domain(mail),
            message_id=plain_line(str(mail.get("Message-ID", "")), 500),
            subject=plain_line(str(mail.get("Subject", "")), 300),
            written_at=_date(mail),
            text=_new(text),
            mail=mail,
        )
    except (MessageError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        # The standard library promises no closed set of errors for what it is given to read.
        raise UnreadableAnswer("wrong_shape", f"the mail cannot be read: {type(error).__name__}") from error


def _parsed(raw: bytes, longest: int) -> Message:
    if len(raw) > longest:
        raise UnreadableAnswer("wrong_shape", f"the mail has more than {longest:,} bytes")
    if len(_BOUNDARY.findall(raw)) > MOST_PARTS:
        raise UnreadableAnswer("wrong_shape", f"the mail has more than {MOST_PARTS} boundaries")
    try:
        mail = message_from_bytes(raw, policy=policy.compat32)
    except (RecursionError, MessageError, ValueError, LookupError) as error:
        raise UnreadableAnswer("wrong_shape", f"the mail cannot be read: {type(error).__name__}") from error
    if not mail.keys() or len(mail.keys()) > MOST_HEADERS:
        raise UnreadableAnswer("wrong_shape", "the mail has no header, or too many")
    _bounded(mail)
    return mail


def _bounded(mail: Message) -> None:
    waiting, seen = [(mail, 0)], 0
    while waiting:
        part, depth = waiting.pop()
        seen += 1
        if depth > DEEPEST or seen > MOST_PARTS:
            raise UnreadableAnswer("wrong_shape", "the mail has too many parts, or one in another too deep")
        if part.is_multipart():
            waiting += [(inner, depth + 1) for inner in part.get_payload() if isinstance(inner, Message)]


def _kind(mail: Message) -> Kind:
    if mail.get_content_type() == "multipart/report":
        report = mail.get_param("report-type")
        match report.lower() if isinstance(report, str) else "":
            case "delivery-status":
                return "bounce"
            case "feedback-report":
                return "feedback"
            case "disposition-notification":
                return "automatic"
    submitted = str(mail.get("Auto-Submitted", "no")).partition(";")[0].strip().lower()
    precedence = str(mail.get("Precedence", "")).strip().lower()
    odd = any(mail.get(name) is not None for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Response-From"))
    if submitted not in ("no", "") or precedence in ("auto_reply", "bulk", "junk", "list") or odd:
        return "automatic"
    # A mail from nobody is an automaton's (RFC 5321, section 4.5.5).
    return "automatic" if str(mail.get("Return-Path", "")).strip() == "<>" else "written"


def _domain(mail: Message) -> str:
    found = getaddresses([str(value) for value in mail.get_all("From", [])])
    domains = {address.rpartition("@")[2].lower() for _, address in found if "@" in address}
    # Several senders are none that could be checked.
    return domains.pop() if len(domains) == 1 else ""


def _date(mail: Message) -> datetime | None:
    try:
        found = parsedate_to_datetime(str(mail.get("Date", "")))
    except (ValueError, TypeError, IndexError):
        return None
    return found if found.tzinfo is not None else None


def _text(mail: Message) -> str:
    plain, html = "", ""
    for part in leaves(mail):
        if part.get_filename() or part.get_content_disposition() == "attachment":
            continue
        if part.get_content_type() == "text/plain" and not plain:
            plain = leaf_text(part)
        elif part.get_content_type() == "text/html" and not html:
            html = leaf_text(part)
    if plain.strip() or not html:
        return plain
    return text_lines(html, frozenset({"head", "blockquote"}))


def leaves(mail: Message) -> Iterator[Message]:
    """Its parts that are text."""
    for part in mail.walk():
        # What was forwarded or returned is not what was written.
        if not part.is_multipart() and part.get_content_maintype() == "text":
            yield part


def leaf_text(part: Message) -> str:
    """What a part says, at most :data:`LONGEST_TEXT` characters; what its charset cannot read is replaced."""
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    charset = part.get_content_charset() or "utf-8"
    try:
        return raw.decode(charset, "replace")[:LONGEST_TEXT]
    except LookupError:
        return raw.decode("utf-8", "replace")[:LONGEST_TEXT]


def _new(text: str) -> str:
    """The lines above what is quoted."""
    lines = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        bare = line.strip()
        if _QUOTED_FROM_HERE.match(bare):
            break
        if not bare.startswith(">"):
            lines.append(bare)
    return plain_text("\n".join(lines)).strip()
