"""A period's SLA report, made ready to be frozen: by ``takin report freeze`` and by the desk alike."""

import json
from collections.abc import Mapping
from datetime import datetime

from schemas.errors import OperatorError
from streams.local.visible import visible
from streams.notices.casebook import figures, sealing
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.frozen import Frozen
from streams.reports import sla
from streams.reports.frozen import facts_of
from streams.reports.league import MINIMUM
from streams.reports.period import Period
from streams.sla.calendar import Calendar


def prepare(
    tx: Transaction,
    period: Period,
    *,
    by: str,
    now: datetime,
    calendars: Mapping[str, Calendar],
    minimum: int = MINIMUM,
) -> Frozen:
    """The report of a named period as of ``now``, to be kept by
    :func:`streams.notices.casebook.frozen.freeze`.

    Everything is read in one view: the chain's head is of the very rows that the figures rest on.

    Raises:
        OperatorError: nobody is named, the period has no name or is not over, or there is no audit chain.
    """
    who = visible(" ".join(by.split()))
    if not who or len(who) > 200:
        raise OperatorError("--as NAME says who freezes the period: give a name of at most 200 characters.")
    if period.name is None or period.until is None:
        raise OperatorError("Only a named period can be frozen: 2026, 2026-Q4 or 2026-10.")
    if period.until > now:
        raise OperatorError(
            f"{period.name} is not over before {period.until:%Y-%m-%d %H:%M} UTC: freeze it then."
        )
    items = figures.item_times(tx, since=period.since, until=period.until)
    head = sealing.head(tx)
    if head is None:
        raise OperatorError(
            "The audit chain has no head, so nothing can be frozen: see `takin audit verify`."
        )
    found = sla.report(items, now=now, calendars=calendars, minimum=minimum)
    document = sla.document(found, now=now, period=period.as_json())
    return Frozen(
        report="sla",
        period=period.name,
        frozen_at=now,
        frozen_by=who,
        checksum=document.checksum,
        document=document.to_bytes(),
        items=json.dumps([facts_of(item) for item in items], sort_keys=True).encode(),
        audit_position=head.position,
        audit_hash=head.hash,
    )


def frozen_already(kept: Frozen | None) -> OperatorError:
    """Why a period is not frozen a second time."""
    assert kept is not None, "what could not be kept is there"
    return OperatorError(
        f"{kept.period} was frozen {kept.frozen_at:%Y-%m-%d %H:%M} UTC by {kept.frozen_by} and stays so: "
        f"`takin report sla --period {kept.period}` shows it with what has changed since."
    )
