"""The SLA report: how long each platform took, as it says and as we saw. Pure.

Five figures, each its own: time to acknowledgement, to decision, to removal as the platform
claims it, to removal as our own looks saw it, and what is still open. Medians and 90th
percentiles are over finished ones only; the open ones stand beside them.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from schemas.message import canonical_json
from schemas.response import REFUSED
from streams.notices.casebook.figures import ItemTimes
from streams.notices.item import FINAL_CLAIMS, GONE


@dataclass(frozen=True, slots=True)
class Spread:
    """Times of one kind, in seconds."""

    n: int
    median_s: float | None
    p90_s: float | None
    open: int
    """Sent, and this has not happened yet."""


@dataclass(frozen=True, slots=True)
class PlatformFigures:
    """One platform's row."""

    platform: str
    notices: int
    sent: int
    undeliverable: int
    acknowledged: Spread
    decided: Spread
    removed_claimed: Spread
    removed_seen: Spread
    refused: int
    already_gone: int
    claim_mismatch: int
    """Said to be removed, and seen online after."""
    reappeared: int
    still_open: int
    late: int
    """Items with a deadline that passed unmet."""
    oldest_open_s: float | None


def quantile(sorted_values: Sequence[float], share: float) -> float | None:
    """Linear interpolation between closest ranks (Hyndman and Fan's type 7)."""
    if not sorted_values:
        return None
    place = (len(sorted_values) - 1) * share
    low = int(place)
    high = min(low + 1, len(sorted_values) - 1)
    return sorted_values[low] + (sorted_values[high] - sorted_values[low]) * (place - low)


def spread(times: Iterable[timedelta | None], *, sent: int) -> Spread:
    """Median and 90th percentile of those that happened."""
    seconds = sorted(time.total_seconds() for time in times if time is not None)
    return Spread(
        n=len(seconds),
        median_s=_rounded(quantile(seconds, 0.5)),
        p90_s=_rounded(quantile(seconds, 0.9)),
        open=max(0, sent - len(seconds)),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _since(start: datetime | None, end: datetime | None) -> timedelta | None:
    return None if start is None or end is None else end - start


def is_open(item: ItemTimes) -> bool:
    """Sent, and neither seen removed nor ended; as :func:`streams.notices.item.is_open`."""
    return (
        item.sent_at is not None
        and item.content not in GONE
        and item.content != "pre_gone"
        and item.reappeared_at is None
        and item.claim not in FINAL_CLAIMS
    )


def figures(items: Iterable[ItemTimes], *, now: datetime) -> tuple[PlatformFigures, ...]:
    """One row a platform. ``items`` come sorted by platform."""
    return tuple(
        _platform(name, tuple(found), now=now) for name, found in groupby(items, key=lambda i: i.platform)
    )


def _platform(name: str, items: Sequence[ItemTimes], *, now: datetime) -> PlatformFigures:
    sent = [item for item in items if item.sent_at is not None]
    # What was gone before the notice arrived says nothing about the platform's speed.
    timed = [item for item in sent if item.content != "pre_gone" and item.claim != "already_gone"]
    openly = [item for item in items if is_open(item)]
    oldest = min((item.sent_at for item in openly if item.sent_at is not None), default=None)
    seen = [item for item in timed if item.removal_verified_at is not None]
    return PlatformFigures(
        platform=name,
        notices=len(items),
        sent=len(sent),
        undeliverable=sum(item.delivery == "failed_permanent" for item in items),
        acknowledged=spread((_since(i.first_attempt_at, i.acknowledged_at) for i in sent), sent=len(sent)),
        decided=spread((_since(i.sent_at, i.decided_at) for i in timed), sent=len(timed)),
        removed_claimed=spread((_since(i.sent_at, i.claimed_effective_at) for i in timed), sent=len(timed)),
        removed_seen=spread((_since(i.sent_at, i.first_offline_at) for i in seen), sent=len(timed)),
        refused=sum(item.outcome in REFUSED for item in items),
        already_gone=sum(item.content == "pre_gone" or item.claim == "already_gone" for item in items),
        claim_mismatch=sum(item.mismatch_at is not None for item in items),
        reappeared=sum(item.reappeared_at is not None for item in items),
        still_open=len(openly),
        late=sum(item.late > 0 for item in items),
        oldest_open_s=None if oldest is None else round((now - oldest).total_seconds(), 3),
    )


def as_json(rows: Sequence[PlatformFigures], *, now: datetime, period: dict[str, Any]) -> dict[str, Any]:
    """The report as a document; ``checksum`` is SHA-256 over the canonical JSON of ``platforms``."""
    platforms = [_row(row) for row in rows]
    return {
        "report": "sla",
        "version": 1,
        "made_at": now.isoformat(),
        "period": period,
        "unit": "seconds",
        "definitions": DEFINITIONS,
        "platforms": platforms,
        "checksum": hashlib.sha256(canonical_json(platforms)).hexdigest(),
    }


DEFINITIONS = {
    "acknowledged": "first try to deliver -> first answer of any kind, by our clock",
    "decided": "notice taken (2xx) -> first reasoned outcome, by our clock at receipt",
    "removed_claimed": "notice taken (2xx) -> the moment the platform says the listing went, by its clock",
    "removed_seen": "notice taken (2xx) -> first look that found it gone, later confirmed by another look",
    "late": "listings with at least one deadline that passed unmet",
    "still_open": "neither seen removed nor refused, ended or withdrawn",
}


def _row(row: PlatformFigures) -> dict[str, Any]:
    def one(value: Spread) -> dict[str, Any]:
        return {"n": value.n, "median_s": value.median_s, "p90_s": value.p90_s, "open": value.open}

    return {
        "platform": row.platform,
        "notices": row.notices,
        "sent": row.sent,
        "undeliverable": row.undeliverable,
        "acknowledged": one(row.acknowledged),
        "decided": one(row.decided),
        "removed_claimed": one(row.removed_claimed),
        "removed_seen": one(row.removed_seen),
        "refused": row.refused,
        "already_gone": row.already_gone,
        "claim_mismatch": row.claim_mismatch,
        "reappeared": row.reappeared,
        "still_open": row.still_open,
        "late": row.late,
        "oldest_open_s": row.oldest_open_s,
    }


HEADINGS = (
    "platform",
    "sent",
    "acknowledged",
    "decided",
    "removed (said)",
    "removed (seen)",
    "refused",
    "untrue",
    "back",
    "open",
    "late",
)


def as_table(rows: Sequence[PlatformFigures]) -> str:
    """The report for a terminal: ``median / p90 (n)`` for each time."""
    lines = [HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]

    def shown(line: Sequence[str]) -> str:
        first, *rest = zip(line, widths, strict=True)
        return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([shown(lines[0]), rule, *(shown(line) for line in lines[1:])])


def _cells(row: PlatformFigures) -> tuple[str, ...]:
    return (
        row.platform,
        str(row.sent),
        _spread_cell(row.acknowledged),
        _spread_cell(row.decided),
        _spread_cell(row.removed_claimed),
        _spread_cell(row.removed_seen),
        str(row.refused),
        str(row.claim_mismatch),
        str(row.reappeared),
        str(row.still_open),
        str(row.late),
    )


def _spread_cell(value: Spread) -> str:
    if value.n == 0:
        return "-"
    return f"{span(value.median_s)} / {span(value.p90_s)} ({value.n})"


def span(seconds: float | None) -> str:
    """A time for people: ``0.4s``, ``12s``, ``3m20s``, ``5h10m``, ``2d3h``."""
    if seconds is None:
        return "-"
    sign = "-" if seconds < 0 else ""
    seconds = abs(seconds)
    if seconds < 9.95:
        return f"{sign}{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{sign}{whole}s"
    if whole < 3_600:
        return f"{sign}{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{sign}{whole // 3_600}h{whole % 3_600 // 60:02d}m"
    return f"{sign}{whole // 86_400}d{whole % 86_400 // 3_600}h"
