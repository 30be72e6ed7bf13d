"""A notice before it goes: what a form changes in it, what of it is shown, and the seal that ties the two."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

from schemas.notice import LegalBasis, Notice
from streams.desk import view
from streams.desk.gate import Form
from streams.desk.keys import DeskKeys
from streams.notices.acts import Preview
from streams.notices.editing import ACTIONS, Edits, QuotePlace, actions_for, explanation, place_of, plain
from streams.notices.handlers.drafting import Draft

LASTS = timedelta(minutes=20)
"""A preview this old is not sent any more: its notice would be dated too far back."""
MOST_SHOWN = 30_000
HIDDEN_LINK = "(a reply link that only the platform gets)"


def sealed(keys: DeskKeys, case_id: str, seen: Preview) -> str:
    """What a form carries, so that what is sent is what was shown."""
    return keys.seal(json.dumps([case_id, seen.notice_id, seen.at.isoformat(), seen.sha256]))


def unsealed(keys: DeskKeys, token: str, case_id: str, *, now: datetime) -> Preview | None:
    """What a form carried; ``None``: none of ours, of another case, or too old."""
    text = keys.open(token) if token.isascii() and len(token) < 2_000 else None
    if text is None:
        return None
    of_case, notice_id, at, sha256 = json.loads(text)
    seen = Preview(notice_id, datetime.fromisoformat(at), sha256)
    return seen if of_case == case_id and timedelta(0) <= now - seen.at <= LASTS else None


def read_edits(form: Form) -> Edits:
    """What a form changes; a form without the fields changes nothing."""
    words = plain(form.one("explanation"))
    action = next((one for one in ACTIONS if one == form.one("action")), None)
    return Edits(
        explanation=None if "explanation" not in _names(form) or _mark(words) == form.one("was") else words,
        legal_basis=form.all("basis") if form.one("basis_given") else None,
        action=action,
        left_out=frozenset(_places(form.all("quote")) - _places(form.all("keep"))),
    )


def _names(form: Form) -> frozenset[str]:
    return frozenset(name for name, _ in form.fields)


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _places(values: tuple[str, ...]) -> set[QuotePlace]:
    found = set()
    for value in values:
        start, end, field, listing_id = (value.split("|", 3) + [""] * 4)[:4]
        if start.isdecimal() and end.isdecimal() and len(start + end) < 20:
            found.add(QuotePlace(listing_id, field, int(start), int(end)))
    return found


@dataclass(frozen=True, slots=True)
class Words:
    """A quote that may be left out."""

    value: str
    text: str
    meaning: str
    kept: bool


@dataclass(frozen=True, slots=True)
class Editor:
    """The fields of the form, filled."""

    explanation: str
    was: str
    """Marks the explanation as it was shown, so that showing it is not changing it."""
    basis: tuple[tuple[LegalBasis, bool, bool], ...]
    """Each provision, whether it is named, and whether a rule or the agreement proposes it."""
    actions: tuple[str, ...]
    action: str
    quotes: tuple[Words, ...]


def editor(as_written: Notice, edits: Edits, choice: Mapping[str, LegalBasis], *, now: datetime) -> Editor:
    """The form for a notice; pure."""
    proposed = {one.id for one in as_written.legal_basis}
    named = proposed if edits.legal_basis is None else set(edits.legal_basis)
    first = sorted(choice.values(), key=lambda one: one.id not in proposed)
    original = plain(view.shown(explanation(as_written)))
    quotes = []
    for item in as_written.items:
        for quote in item.quotes:
            place = place_of(item, quote)
            value = f"{place.start}|{place.end}|{place.field}|{place.listing_id}"
            quotes.append(Words(value, quote.text, quote.meaning, place not in edits.left_out))
    return Editor(
        explanation=original if edits.explanation is None else edits.explanation,
        was=_mark(original),
        basis=tuple((one, one.id in named, one.id in proposed) for one in first),
        actions=actions_for(as_written, now),
        action=edits.action or as_written.requested_action,
        quotes=tuple(quotes),
    )


@dataclass(frozen=True, slots=True)
class Carried:
    """A notice's body as a person reads it."""

    content_type: str
    size: int
    """Bytes."""
    sha256: str
    subject: str | None
    text: str


def carried(drafted: Draft) -> Carried | None:
    """The body as the platform's channel takes it, without what lets its holder answer as the platform."""
    if drafted.body is None or drafted.sha256 is None or drafted.notice is None:
        return None
    subject, text = as_read(drafted.body, drafted.content_type)
    if drafted.notice.reply_page:
        text = text.replace(drafted.notice.reply_page, HIDDEN_LINK)
    if len(text) > MOST_SHOWN:
        text = text[:MOST_SHOWN] + "\n… (the rest is not shown)"
    return Carried(drafted.content_type, len(drafted.body), drafted.sha256, subject, text)


def as_read(body: bytes, content_type: str) -> tuple[str | None, str]:
    """Subject, where there is one, and text of a body."""
    if content_type.startswith("message/"):
        return _mail(body)
    if content_type.startswith("application/json"):
        return None, json.dumps(_short(json.loads(body)), ensure_ascii=False, indent=1)
    return None, body.decode("utf-8", "replace")


def _mail(body: bytes) -> tuple[str, str]:
    message = message_from_bytes(body, policy=policy.default)
    parts = [part for part in message.walk() if not part.is_multipart()]
    read = [part.get_content() for part in parts if part.get_content_type() == "text/plain"]
    beside = [part.get_content_type() for part in parts if part.get_content_type() != "text/plain"]
    enclosed = f"\n\nEnclosed: {', '.join(beside)}" if beside else ""
    return str(message["subject"] or ""), "\n\n".join(str(one) for one in read) + enclosed


def _short(value: Any) -> Any:
    """The value with what is encoded in it named instead of shown."""
    if isinstance(value, dict):
        return {name: _short(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_short(one) for one in value]
    if isinstance(value, str) and _is_encoded(value):
        return f"({len(value)} characters of base64)"
    return value


def _is_encoded(text: str) -> bool:
    if len(text) < 200 or not text.isascii() or " " in text:
        return False
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True
