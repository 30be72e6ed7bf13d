"""Our side of what platforms publish under Implementing Regulation (EU) 2024/2835. Pure.

A platform's own report says how many notices it had and what it did; these are the same quantities as we
know them for our own notices, so that the two can be laid side by side. The names and definitions of the
template's columns were **not checked against the Official Journal**: each row says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas.response import ACTED
from streams.notices.casebook.published import Decision
from streams.reports.document import Document, Table
from streams.reports.sla import SlaReport, span

VERSION = 1
UNCHECKED = "unchecked"
ACTS = ACTED | {"actioned_geo", "actioned_partial", "account_action_only"}
INDICATORS: Mapping[str, str] = {
    "notices_article_16": "notices submitted under Article 16, of this notifier",
    "notices_trusted_flaggers": "of these, by a trusted flagger",
    "items": "specific items of information in them",
    "actions_law": "items acted on because they break the law, as the platform states",
    "actions_terms": "items acted on because they break its terms, as the platform states",
    "actions_ground_not_stated": "items acted on without a stated ground",
    "automated_decisions": "decisions that the platform says were taken by automated means",
    "visibility_restrictions": "items whose visibility was restricted",
    "account_restrictions": "items for which an account was restricted",
    "median_time_to_action_s": "median time from receipt to decision, open ones counted as open (seconds)",
    "median_time_to_receipt_s": "median time from the first try to the first answer (seconds)",
}
DEFINITIONS = {
    "status": "unchecked: the template's own column was not compared with ours word by word",
    "median": "Kaplan-Meier; a platform's own template may count finished ones only",
    **INDICATORS,
}


def document(
    sla: SlaReport,
    notices: Sequence[tuple[str, str, int]],
    decided: Iterable[Decision],
    *,
    now: datetime,
    period: Mapping[str, str | None],
) -> Document:
    """The columns, one row a platform and indicator."""
    found = tuple(decided)
    platforms = [
        {"platform": row.platform, **_of(row.platform, row.counts["sent"], notices, found), **_times(row)}
        for row in sla.platforms
    ]
    figures: dict[str, Any] = {"regulation": "(EU) 2024/2835", "status": UNCHECKED, "platforms": platforms}
    rows = tuple(
        (one["platform"], name, _shown(name, one[name]), meaning, UNCHECKED)
        for one in platforms
        for name, meaning in INDICATORS.items()
    )
    return Document(
        name="transparency",
        title="Our side of platforms' reports under Implementing Regulation (EU) 2024/2835 (unchecked)",
        version=VERSION,
        period=period,
        as_of=now,
        figures=figures,
        definitions=DEFINITIONS,
        tables=(Table("", ("platform", "indicator", "ours", "meaning", "column"), rows),),
    )


def _of(
    platform: str, items: int, notices: Sequence[tuple[str, str, int]], decided: Sequence[Decision]
) -> dict[str, Any]:
    sent = {kind: count for name, kind, count in notices if name == platform}
    theirs = [one for one in decided if one.platform == platform]
    acted = [one for one in theirs if one.outcome in ACTS]
    flagged = sent.get("trusted_flagger", 0)
    return {
        "notices_article_16": flagged + sent.get("art16", 0),
        "notices_trusted_flaggers": flagged,
        "items": items,
        "actions_law": sum(one.ground == "law" for one in acted),
        "actions_terms": sum(one.ground == "tos" for one in acted),
        "actions_ground_not_stated": sum(one.ground is None for one in acted),
        "automated_decisions": sum(one.automated is True for one in theirs),
        "visibility_restrictions": sum(_visibility(one) for one in acted),
        "account_restrictions": sum("account" in one.measures for one in acted),
    }


def _visibility(one: Decision) -> bool:
    return any(measure.startswith("visibility_") for measure in one.measures)


def _times(row: Any) -> dict[str, float | None]:
    return {
        "median_time_to_action_s": row.measures["decided"].median_s,
        "median_time_to_receipt_s": row.measures["acknowledged"].median_s,
    }


def _shown(name: str, value: Any) -> str:
    return span(value) if name.endswith("_s") else str(value)
