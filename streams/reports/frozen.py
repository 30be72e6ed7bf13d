"""A period's report as it was frozen, and what has changed since. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from schemas.errors import OperatorError
from streams.notices.casebook.figures import ItemTimes
from streams.notices.casebook.frozen import Frozen
from streams.reports.document import Document, Table

FACTS = (
    "delivery",
    "sent_at",
    "first_attempt_at",
    "claim",
    "outcome",
    "acknowledged_at",
    "decided_at",
    "removal_claimed_at",
    "claimed_effective_at",
    "content",
    "first_offline_at",
    "removal_verified_at",
    "reappeared_at",
    "mismatch_at",
    "late",
)
"""What a figure rests on. One more look at a listing that is still online is no correction."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One fact of one listing that is another now."""

    platform: str
    reference: str
    listing_id: str
    round: int
    fact: str
    frozen: Any
    now: Any

    def as_json(self) -> dict[str, Any]:
        """Under stable names."""
        return {name: getattr(self, name) for name in self.__slots__}


def facts_of(item: ItemTimes) -> dict[str, Any]:
    """What is kept of one listing when its period is frozen."""
    return {
        "platform": item.platform,
        "notice_id": item.notice_id,
        "reference": item.reference,
        "listing_id": item.listing_id,
        "round": item.round,
        **{name: _plain(getattr(item, name)) for name in FACTS},
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def corrections(kept: Iterable[Mapping[str, Any]], items: Iterable[ItemTimes]) -> tuple[Correction, ...]:
    """What differs between what was kept and what the casebook says now, by platform and listing."""
    then = {_key(one): one for one in kept}
    present = {_key(one): one for one in map(facts_of, items)}
    found: list[Correction] = []
    for key in sorted({*then, *present}):
        found.extend(_differences(then.get(key), present.get(key)))
    return tuple(found)


def _key(facts: Mapping[str, Any]) -> tuple[str, str, str]:
    return facts["platform"], facts["notice_id"], facts["listing_id"]


def _differences(then: Mapping[str, Any] | None, present: Mapping[str, Any] | None) -> Iterator[Correction]:
    one = then or present or {}
    about = (one["platform"], one["reference"], one["listing_id"], one["round"])
    if then is None or present is None:
        yield Correction(*about, "listing", *("present" if side else "absent" for side in (then, present)))
        return
    for name in FACTS:
        if then[name] != present[name]:
            yield Correction(*about, name, then[name], present[name])


def table(found: Iterable[Correction]) -> Table:
    """For people."""
    rows = tuple(
        (
            one.reference,
            one.platform,
            one.listing_id,
            str(one.round),
            one.fact,
            _said(one.frozen),
            _said(one.now),
        )
        for one in found
    )
    heading = ("notice", "platform", "listing", "round", "fact", "when frozen", "now")
    return Table("Corrections since it was frozen (the figures above are the frozen ones)", heading, rows)


def _said(value: Any) -> str:
    return "-" if value is None else str(value)


def document_of(kept: Frozen) -> Document:
    """The report as it was frozen.

    Raises:
        OperatorError: it is not what was frozen.
    """
    document = Document.from_bytes(kept.document)
    if document.checksum != kept.checksum:
        raise OperatorError(
            f"The frozen report of {kept.period} is not what was frozen: see `takin audit verify`."
        )
    return document


def as_frozen(kept: Frozen, items: Iterable[ItemTimes]) -> Document:
    """The report as it was frozen, with what has changed since beside it.

    Raises:
        OperatorError: it is not what was frozen.
    """
    document = document_of(kept)
    changed = corrections(json.loads(kept.items), items)
    facts = {
        "at": kept.frozen_at.isoformat(),
        "by": kept.frozen_by,
        "audit_position": kept.audit_position,
        "audit_hash": kept.audit_hash,
    }
    said = (
        f"Frozen {kept.frozen_at:%Y-%m-%d %H:%M:%S} UTC by {kept.frozen_by}, when the audit chain ended "
        f"with row {kept.audit_position} ({kept.audit_hash}). {len(changed)} corrections since."
    )
    return replace(
        document,
        tables=(*document.tables, table(changed)),
        texts=(*document.texts, ("Frozen", said)),
        extra={"frozen": facts, "corrections": [one.as_json() for one in changed]},
    )
