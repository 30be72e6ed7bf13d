"""Entries as people look for them: filtered, in an order, a page at a time. Pure: the time is an argument."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, get_args

from schemas.watchlist import EntryKind, WatchlistEntry

Standing = Literal["live", "shadow", "quarantined", "expired", "retired"]
STANDINGS: Mapping[Standing, str] = {
    "live": "live",
    "shadow": "shadow: counts only",
    "quarantined": "quarantined by the flood guard",
    "expired": "expired",
    "retired": "retired",
}
KINDS: tuple[str, ...] = get_args(EntryKind)
ORDERS: Mapping[str, str] = {"newest": "newest first", "value": "by value", "expires": "next to expire first"}
PAGE = 100


def standing(entry: WatchlistEntry, now: datetime) -> Standing:
    """Where an entry stands: what workers make of it at that moment."""
    if entry.state in ("retired", "quarantined"):
        return entry.state
    if entry.expires_at is not None and entry.expires_at <= now:
        return "expired"
    return "shadow" if entry.state == "shadow" else "live"


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody looks for. Each field stands in the page's address; empty: anything."""

    q: str = ""
    """Part of the value, reason, source, taxon, product, id, or of who added it; case does not matter."""
    standing: str = ""
    kind: str = ""
    outcome: str = ""
    platform: str = ""
    order: str = "newest"
    page: int = 1

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "Asked":
        """From an address; what is not understood counts as not asked."""
        told: dict[str, Any] = {one.name: given.get(one.name, "").strip()[:200] for one in fields(cls)}
        if told["order"] not in ORDERS:
            told["order"] = "newest"
        number = told["page"]
        told["page"] = int(number) if number.isascii() and number.isdigit() and 0 < len(number) < 6 else 1
        return cls(**told)

    @property
    def anything(self) -> bool:
        """Whether no filter is set."""
        return not (self.q or self.standing or self.kind or self.outcome or self.platform)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of what was looked for."""

    lines: tuple[WatchlistEntry, ...]
    count: int
    """Of all that meet the filters."""
    pages: int


def chosen(entries: Iterable[WatchlistEntry], asked: Asked, now: datetime) -> list[WatchlistEntry]:
    """All that meet the filters, in the order asked for."""
    words = asked.q.casefold()
    found = [
        one
        for one in entries
        if asked.standing in ("", standing(one, now))
        and asked.kind in ("", one.kind)
        and asked.outcome in ("", one.outcome)
        and asked.platform in ("", one.platform or "")
        and (not words or words in _searched(one))
    ]
    found.sort(key=lambda one: one.entry_id)
    if asked.order == "value":
        found.sort(key=lambda one: one.value.casefold())
    elif asked.order == "expires":
        found.sort(key=lambda one: (one.expires_at is None, one.expires_at or one.added_at))
    else:
        found.sort(key=lambda one: one.added_at, reverse=True)
    return found


def page(entries: Iterable[WatchlistEntry], asked: Asked, now: datetime) -> Found:
    """One page; a number beyond the last gives the last."""
    found = chosen(entries, asked, now)
    pages = max(1, -(-len(found) // PAGE))
    at = min(asked.page, pages) - 1
    return Found(tuple(found[at * PAGE : (at + 1) * PAGE]), len(found), pages)


def counts(entries: Iterable[WatchlistEntry], now: datetime) -> dict[Standing, int]:
    """How many stand where."""
    told: dict[Standing, int] = dict.fromkeys(STANDINGS, 0)
    for one in entries:
        told[standing(one, now)] += 1
    return told


def _searched(one: WatchlistEntry) -> str:
    parts = (one.value, one.reason, one.source, one.taxon, one.product, one.entry_id, one.added_by)
    return "\n".join(part for part in parts if part).casefold()


def differences(before: WatchlistEntry, after: WatchlistEntry) -> tuple[tuple[str, str, str], ...]:
    """The fields that differ: name, before, after, in words."""
    told = []
    for name in WatchlistEntry.model_fields:
        one, other = getattr(before, name), getattr(after, name)
        if one != other:
            told.append((name, _word(one), _word(other)))
    return tuple(told)


def _word(value: Any) -> str:
    if value is None:
        return "–"
    return value.isoformat() if isinstance(value, datetime) else str(value)
