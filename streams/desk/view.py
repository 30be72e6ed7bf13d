"""What pages show, as values: words for states, times in words, marked text. Pure."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import urlsplit

from schemas.notice import Quote
from streams.local.visible import visible

CLAIMS = {
    "none": "no answer yet",
    "receipted": "received",
    "in_review": "being looked at",
    "need_info": "asks for information",
    "removed": "removed",
    "restricted": "restricted",
    "refused": "kept online",
    "already_gone": "was gone already",
    "impossible": "says it cannot act",
    "duplicate": "known already",
    "void": "void",
    "countered": "seller objected",
    "reinstated": "put back online",
    "unknown": "an answer we cannot read",
}
CONTENTS = {
    "unseen": "not looked at yet",
    "online": "online",
    "offline_unconfirmed": "gone at one look",
    "offline_monitoring": "gone, confirmed",
    "offline_confirmed": "gone for good",
    "reappeared": "back online",
    "pre_gone": "gone before our notice",
}
OUTCOMES = {
    "actioned_removed": "removed",
    "actioned_disabled": "disabled",
    "actioned_geo": "blocked in some countries",
    "actioned_partial": "restricted in part",
    "account_action_only": "seller's account limited",
    "refused_lawful": "kept: lawful",
    "refused_not_hosted": "not on this platform",
    "refused_insufficient": "kept: the notice shows too little",
    "already_gone": "was gone already",
    "need_info": "asks for information",
    "impossible": "cannot act",
    "duplicate": "known already",
    "withdrawn": "withdrawn",
    "void": "void",
    "unknown": "unknown",
    "expired_no_answer": "no answer in time",
}
ANSWERS = {
    "received": "received",
    "removed": "removed",
    "restricted": "restricted",
    "kept": "kept online",
    "need_information": "need information",
    "not_ours": "not ours",
    "already_gone": "was gone already",
}
DUTIES = {"acknowledge": "to acknowledge", "decide": "to decide", "remove": "to remove"}
FIELDS = {
    "title": "Title",
    "description": "Description",
    "category": "Category",
    "seller": "Seller",
    "contact": "Contact",
    "image": "Image",
    "permit_statement": "What the seller says of permits",
}
SOON = timedelta(hours=24)
"""A deadline this near counts as at risk in the inbox."""


def shown(text: str) -> str:
    """Text from outside with everything that would hide, reorder or control written as an escape.

    A page shows emoji and scripts that join letters by U+200C and U+200D; those two stay.
    """
    if text.isprintable():
        return text
    return "".join(
        one
        if one in "\n\u200c\u200d" or one.isprintable() or unicodedata.category(one) == "Zs"
        else visible(one)
        for one in text.replace("\r\n", "\n")
    )


def safe_link(url: str) -> str | None:
    """The address if a page may link to it: http or https, nothing hidden in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    plain = url.isprintable() and not any(one.isspace() for one in url)
    return url if parts.scheme in ("http", "https") and parts.netloc and plain else None


def span_words(span: timedelta) -> str:
    """A span for people: ``3 days 4 h``, ``2 h 10 min``, ``45 s``."""
    seconds = int(abs(span).total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3_600:
        return f"{seconds // 60} min"
    if seconds < 2 * 86_400:
        minutes = seconds % 3_600 // 60
        return f"{seconds // 3_600} h" + (f" {minutes} min" if minutes else "")
    hours = seconds % 86_400 // 3_600
    return f"{seconds // 86_400} days" + (f" {hours} h" if hours else "")


@dataclass(frozen=True, slots=True)
class Due:
    """A deadline as a page shows it: a word, and a class for the eye; never the colour alone."""

    at: datetime | None
    words: str
    level: str
    """``overdue``, ``soon``, ``calm``, ``none``, ``met``, ``paused``."""


def due(at: datetime | None, now: datetime) -> Due:
    """A deadline in words."""
    if at is None:
        return Due(None, "no agreed deadline", "none")
    if at <= now:
        return Due(at, f"overdue by {span_words(now - at)}", "overdue")
    return Due(at, f"{span_words(at - now)} left", "soon" if at - now <= SOON else "calm")


def deadline(state: str, due_at: datetime, now: datetime) -> Due:
    """One duty's deadline in words, by its state."""
    if state == "met":
        return Due(due_at, "met in time", "met")
    if state == "missed":
        return Due(due_at, f"missed {span_words(now - due_at)} ago", "overdue")
    if state == "paused":
        return Due(due_at, "paused: waits for our information", "paused")
    if state == "watching":
        return Due(due_at, "gone from sight; being confirmed", "met")
    if state == "cancelled":
        return Due(due_at, "no longer owed", "none")
    return due(due_at, now)


def utc(at: datetime | None, *, seconds: bool = False) -> str:
    """An instant as a page shows it."""
    if at is None:
        return "–"
    return (
        f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        if seconds
        else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a listing's text; ``numbers`` are the quotes that it is part of."""

    text: str
    numbers: tuple[int, ...] = ()


def marked(text: str, quotes: Sequence[tuple[int, Quote]]) -> tuple[Piece, ...]:
    """The text cut at the borders of the quotes, which count code points; quotes may overlap.

    A quote whose words are not what stands there is left unmarked: it is of another snapshot.
    """
    true = [
        (number, one)
        for number, one in quotes
        if 0 <= one.start < one.end <= len(text) and text[one.start : one.end] == one.text
    ]
    borders = sorted({0, len(text), *(one.start for _, one in true), *(one.end for _, one in true)})
    return tuple(
        Piece(text[start:end], tuple(number for number, one in true if one.start <= start and end <= one.end))
        for start, end in pairwise(borders)
    )
