"""The trusted flagger's yearly report: Article 22(3) of Regulation (EU) 2022/2065. Pure.

The number of notices by provider, by type of content and by action taken, and how independence is
kept. No personal data: it counts groups that hold nothing about a seller, a listing or one of us.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas.notice import TrustedFlagger
from streams.notices.casebook.published import ItemGroup
from streams.reports.document import Document, Table

VERSION = 1
KINDS = ("trusted_flagger", "art16")
"""Kinds of notice that the report is about; an authority's orders are not a flagger's notices."""
CATEGORY = "STATEMENT_CATEGORY_ANIMAL_WELFARE"
KEYWORD = "KEYWORD_UNLAWFUL_SALE_ANIMALS"
"""As the DSA Transparency Database names such content."""
ACTIONS: Mapping[str, str] = {
    "actioned_removed": "removed",
    "actioned_disabled": "access disabled",
    "actioned_geo": "access disabled in a territory",
    "actioned_partial": "restricted in part",
    "account_action_only": "account restricted",
    "refused_lawful": "no action: held to be lawful",
    "refused_insufficient": "no action: notice insufficient",
    "refused_not_hosted": "no action: not hosted",
    "already_gone": "gone before the notice",
    "duplicate": "joined to an earlier notice",
    "impossible": "could not act",
    "withdrawn": "notice withdrawn",
    "void": "notice withdrawn",
}
OPEN = "no decision known"
DEFINITIONS = {
    "notices": "notices that the provider had, by the time they were written",
    "items": "listings in them; each stands in one row",
    "action": "the provider's own decision; what we saw ourselves is in seen_removed",
    "type": "specimen and CITES Appendix; all are of one category and keyword of the EU's database",
}


def action_of(group: ItemGroup) -> str:
    """What the provider did, in words for the public."""
    if group.content == "pre_gone":
        return ACTIONS["already_gone"]
    return ACTIONS.get(group.outcome or "", OPEN)


def type_of(group: ItemGroup) -> str:
    """What was offered, from reference data alone."""
    appendix = f", CITES Appendix {group.appendix}" if group.appendix else ""
    return f"{group.product or 'specimen not named'}{appendix}"


def document(
    groups: Iterable[ItemGroup],
    notices: Sequence[tuple[str, str, int]],
    *,
    organisation: str,
    status: TrustedFlagger | None,
    providers: Mapping[str, str],
    independence: str,
    now: datetime,
    period: Mapping[str, str | None],
) -> Document:
    """The report. ``providers`` are the platforms' legal names; ``independence`` is the given text."""
    reached = [group for group in groups if group.reached and group.kind in KINDS]
    by_provider: Counter[str] = Counter()
    for platform, kind, count in notices:
        if kind in KINDS:
            by_provider[platform] += count
    rows: Counter[tuple[str, str, str]] = Counter()
    seen: Counter[str] = Counter()
    for group in reached:
        rows[group.platform, type_of(group), action_of(group)] += group.items
        if group.content in ("offline_monitoring", "offline_confirmed", "reappeared"):
            seen[group.platform] += group.items
    items: Counter[str] = Counter()
    for (platform, _, _), count in rows.items():
        items[platform] += count
    figures: dict[str, Any] = {
        "organisation": organisation,
        "status": status.model_dump(mode="json") if status else None,
        "category": CATEGORY,
        "keyword": KEYWORD,
        "independence_sha256": hashlib.sha256(independence.encode()).hexdigest(),
        "notices": sum(by_provider.values()),
        "items": sum(items.values()),
        "by_provider": [
            {
                "provider": name,
                "legal_name": providers.get(name),
                "notices": by_provider[name],
                "items": items[name],
                "seen_removed": seen[name],
            }
            for name in sorted({*by_provider, *items})
        ],
        "by_type": [{"type": name, "items": count} for name, count in _summed(rows, 1)],
        "by_action": [{"action": name, "items": count} for name, count in _summed(rows, 2)],
        "rows": [
            {"provider": provider, "type": kind, "action": action, "items": count}
            for (provider, kind, action), count in sorted(rows.items())
        ],
    }
    return Document(
        name="trusted-flagger",
        title=f"Report under Article 22(3) of Regulation (EU) 2022/2065: {organisation}",
        version=VERSION,
        period=period,
        as_of=now,
        figures=figures,
        definitions=DEFINITIONS,
        tables=_tables(figures),
        texts=(("How independence is kept", independence),),
        extra={"independence": independence},
    )


def _summed(rows: Mapping[tuple[str, str, str], int], part: int) -> list[tuple[str, int]]:
    found: Counter[str] = Counter()
    for key, count in rows.items():
        found[key[part]] += count
    return sorted(found.items())


def _tables(figures: Mapping[str, Any]) -> tuple[Table, ...]:
    def rows(name: str, *columns: str) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(str(row[column] or "-") for column in columns) for row in figures[name])

    provider = ("provider", "legal_name", "notices", "items", "seen_removed")
    return (
        Table("By provider", provider, rows("by_provider", *provider)),
        Table("By type of content", ("type", "items"), rows("by_type", "type", "items")),
        Table("By action taken", ("action", "items"), rows("by_action", "action", "items")),
        Table(
            "Each provider, type and action",
            ("provider", "type", "action", "items"),
            rows("rows", "provider", "type", "action", "items"),
        ),
    )
