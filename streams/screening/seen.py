"""What the watchlist adds to a verdict, and how a place becomes a match."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.detection import Match, Outcome, RuleFinding, Severity
from schemas.watchlist import WatchlistEntry
from streams.screening.lexicon import Cue, Term, quote
from streams.screening.matching import Found
from streams.screening.rules import ORDER
from streams.screening.text import Folded

MATCHES_LIMIT = 60
NOTIFY_CONFIDENCE = 0.9
"""A watchlist entry that is less sure than this leads to review at most."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A watchlist entry that the listing matches."""

    entry: WatchlistEntry
    term: Term | None
    found: Found | None
    match: Match | None = None
    """Of what was found otherwise than by a term."""
    how: str = ""
    """How near it comes, where that is not plain."""


def shown(entry: WatchlistEntry, field: str, quote: str, start: int = 0) -> Match:
    """The match of an entry that was found otherwise than by a term."""
    where: Any = field
    return Match.model_construct(
        field=where,
        start=start,
        end=start + len(quote),
        quote=quote[:2_000],
        term=entry.value[:512],
        kind="watchlist",
        ref=f"watchlist:{entry.entry_id}"[:256],
        disguised=False,
    )


def _term_for(one: Found) -> Term:
    """The term to show for a place: what names a taxon or product before what merely indicates."""
    return next((term for term in one.terms if not isinstance(term.meaning, Cue)), one.terms[0])


def match_of(one: Found, fields: Mapping[str, Folded], term: Term | None = None) -> Match:
    """The match for a place, as it stands in the detection."""
    folded = one.folded or fields[one.field]
    start, end = folded.span(one.start, one.end)
    return quote(
        term or _term_for(one),
        one.field,
        start,
        end,
        folded.original[start:end],
        disguised=one.disguised,
    )


def with_watchlist(
    seen: Sequence[Seen],
    fields: Mapping[str, Folded],
    matches: list[Match],
    findings: list[RuleFinding],
    extra: list[str],
    so_far: tuple[Outcome, Severity],
) -> tuple[Outcome, Severity]:
    """Add what the watchlist says to the verdict so far.

    Of shadow entries only a finding is told: neither evidence nor explanation may rest on them.
    """
    outcome, severity = so_far
    findings.extend(_entry_finding(one.entry) for one in seen if not one.entry.kind.startswith("not_"))
    active = [one for one in seen if one.entry.state == "active"]
    negative = [one for one in active if one.entry.kind.startswith("not_")]
    for one in active:
        entry = one.entry
        if one.term is not None and one.found is not None:
            match = match_of(one.found, fields, one.term)
        elif one.match is not None:
            match = one.match
        else:
            continue
        if len(matches) < 2 * MATCHES_LIMIT:
            matches.append(match)
        if entry.kind.startswith("not_"):
            continue
        says = f"shows the image {match.quote}" if match.field == "image" else f"says “{match.quote}”"
        how = f"; {one.how}" if one.how else ""
        extra.append(
            f"The listing {says}, which is on the watchlist as {entry.entry_id} "
            f"({entry.reason}; source: {entry.source}{how})."
        )
        wanted: Outcome = entry.outcome
        if wanted == "notify" and entry.confidence < NOTIFY_CONFIDENCE:
            wanted = "review"
            extra.append(f"That entry is {entry.confidence:.0%} sure, which is not enough for a notice.")
        if not negative and ORDER[wanted] > ORDER[outcome]:
            outcome, severity = wanted, "high" if severity == "normal" else severity
    if negative and outcome == "notify":
        outcome = "review"
    for one in negative:
        extra.append(f"On the negative list as {one.entry.entry_id}: {one.entry.reason}.")
    return outcome, severity


def _entry_finding(entry: WatchlistEntry) -> RuleFinding:
    return RuleFinding.model_construct(
        rule_id=f"watchlist.{entry.kind.replace('_', '-')}",
        pack="watchlist",
        title=entry.reason[:512],
        outcome=entry.outcome,
        severity="high",
        zero_tolerance=False,
        legal_basis=(),
        shadow=entry.state != "active",
    )
