"""Rows of cases, detections, notices and their items."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
import uuid_utils
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from schemas.detection import Detection
from schemas.notice import Notice
from streams.notices.casebook import guard_tables as g
from streams.notices.casebook import sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction
from streams.notices.item import Item


@dataclass(frozen=True, slots=True)
class Case:
    """A case's row."""

    case_id: str
    platform: str
    listing_id: str
    url: str
    round: int
    status: str
    severity: str


_CASE = (
    t.case.c.case_id,
    t.case.c.platform,
    t.case.c.listing_id,
    t.case.c.url,
    t.case.c.round,
    t.case.c.status,
    t.case.c.severity,
)


def insert_new(tx: Transaction, table: sa.Table, values: dict[str, Any]) -> bool:
    """Insert unless a row with the same unique values is there; says whether it was inserted."""
    return tx.execute(_insert_new(table, tx.dialect.name), values).first() is not None


@cache
def _insert_new(table: sa.Table, dialect: str) -> sa.Executable:
    insert = sqlite_insert if dialect == "sqlite" else pg_insert
    return insert(table).on_conflict_do_nothing().returning(next(iter(table.primary_key.columns)))


def by_id(tx: Transaction, case_id: str) -> Case | None:
    """A case as it stands, held by nobody."""
    row = tx.execute(sa.select(*_CASE).where(t.case.c.case_id == case_id)).one_or_none()
    return Case(*row) if row else None


def hold(tx: Transaction, case_id: str) -> Case:
    """Read a case and keep others from changing it until the transaction ends."""
    return Case(*tx.execute(_HOLD, {"of_case": case_id}).one())


# Made once: making a statement takes longer than running it.
_HOLD = sa.select(*_CASE).where(t.case.c.case_id == sa.bindparam("of_case")).with_for_update()
_HOLD_MANY = (
    sa.select(t.case.c.case_id)
    .where(t.case.c.case_id.in_(sa.bindparam("case_ids", expanding=True)))
    .order_by(t.case.c.case_id)
    .with_for_update()
)
_HOLD_BY_LISTING = (
    sa.select(*_CASE)
    .where(
        t.case.c.platform == sa.bindparam("of_platform"), t.case.c.listing_id == sa.bindparam("of_listing")
    )
    .with_for_update()
)
_OF_NOTICES = (
    sa.select(t.notice_item.c.case_id)
    .where(t.notice_item.c.notice_id.in_(sa.bindparam("notice_ids", expanding=True)))
    .distinct()
)


def hold_all(tx: Transaction, listings: Sequence[tuple[str, str]]) -> None:
    """Hold the cases that these (platform, listing id) have, in the one order that everybody uses.

    Processes that take hold of several cases in different orders can wait for each other in a ring.
    """
    if not listings or tx.dialect.name == "sqlite":  # SQLite has one writer at a time anyway
        return
    found = tx.execute(
        sa.select(t.case.c.case_id).where(sa.tuple_(t.case.c.platform, t.case.c.listing_id).in_(listings))
    )
    hold_many(tx, found.scalars().all())


def hold_many(tx: Transaction, case_ids: Collection[str]) -> None:
    """:func:`hold` for several cases, always in one order, so that two holders never block each other."""
    tx.execute(_HOLD_MANY, {"case_ids": list(case_ids)}).all()


def hold_of_notices(tx: Transaction, notice_ids: Collection[str]) -> None:
    """:func:`hold_many` for the cases that several notices are about."""
    hold_many(tx, tx.execute(_OF_NOTICES, {"notice_ids": list(notice_ids)}).scalars().all())


def hold_by_listing(tx: Transaction, platform: str, listing_id: str) -> Case | None:
    """The one case of a listing, held; ``None``: there is none yet."""
    row = tx.execute(_HOLD_BY_LISTING, {"of_platform": platform, "of_listing": listing_id}).one_or_none()
    return Case(*row) if row else None


def item_known(tx: Transaction, item_id: str) -> bool:
    """Whether a notice had this item, also where its case was erased."""
    found = tx.execute(sa.select(t.notice_item.c.item_id).where(t.notice_item.c.item_id == item_id).limit(1))
    return found.first() is not None


def open_case(tx: Transaction, detection: Detection, *, status: str, now: datetime, number: int = 1) -> Case:
    """A new case for the detection's listing, or the one that another process has just opened.

    ``number`` is its first round: a listing that comes back after its case was erased goes on counting.
    """
    listing = detection.listing
    insert_new(
        tx,
        t.case,
        {
            "case_id": f"c_{uuid_utils.uuid7().hex}",
            "platform": detection.platform,
            "listing_id": detection.listing_id,
            "url": listing.url,
            "round": number,
            "status": status,
            "severity": detection.severity,
            "taxon": detection.taxon.scientific_name if detection.taxon else None,
            "appendix": detection.taxon.appendix if detection.taxon else None,
            "product": detection.specimen.product if detection.specimen else None,
            "seller": listing.seller.handle if listing.seller else None,
            "opened_at": now,
            "updated_at": now,
            "sequence": 0,
        },
    )
    case = hold_by_listing(tx, detection.platform, detection.listing_id)
    if case is None:
        raise AssertionError("a case that was inserted is not there")
    return case


def set_status(
    tx: Transaction, case_id: str, status: str, *, now: datetime, reason: str | None = None
) -> None:
    """Move the case's own dimension."""
    values = {"case_ids": [case_id], "new_status": status, "reason": reason, "now": now}
    tx.execute(_SET_STATUS, values)


_SET_STATUS = (
    sa.update(t.case)
    .where(t.case.c.case_id.in_(sa.bindparam("case_ids", expanding=True)))
    .values(
        status=sa.bindparam("new_status"),
        close_reason=sa.bindparam("reason"),
        updated_at=sa.bindparam("now", type_=t.UtcInstant()),
    )
)


def set_status_of_many(tx: Transaction, case_ids: Collection[str], status: str, *, now: datetime) -> None:
    """:func:`set_status` for several cases at once."""
    values = {"case_ids": list(case_ids), "new_status": status, "reason": None, "now": now}
    tx.execute(_SET_STATUS, values)


def start_round(tx: Transaction, case_id: str, number: int) -> None:
    """The listing is back: the case's next appearance begins."""
    tx.execute(sa.update(t.case).where(t.case.c.case_id == case_id).values(round=number))


def known_detection(tx: Transaction, detection_id: str) -> bool:
    """Whether this verdict was taken already."""
    found = tx.execute(
        sa.select(t.detection.c.detection_id).where(t.detection.c.detection_id == detection_id)
    )
    return found.one_or_none() is not None


def add_detection(tx: Transaction, case_id: str, detection: Detection, *, now: datetime) -> bool:
    """Keep the verdict; ``False``: it was there."""
    fresh = insert_new(
        tx,
        t.detection,
        {
            "detection_id": detection.detection_id,
            "case_id": case_id,
            "outcome": detection.outcome,
            "ruleset_version": detection.ruleset_version,
            "content_hash": detection.content_hash,
            "observed_at": detection.listing.observed_at,
            "recorded_at": now,
            "body": detection.to_bytes(),
        },
    )
    if fresh:
        sealing.keep(tx, sealing.DETECTION, detection.detection_id, at=now)
    return fresh


def latest_detection(tx: Transaction, case_id: str) -> Detection:
    """The newest verdict on the case's listing."""
    row = tx.execute(
        sa.select(t.detection.c.body)
        .where(t.detection.c.case_id == case_id)
        .order_by(t.detection.c.observed_at.desc(), t.detection.c.recorded_at.desc())
        .limit(1)
    ).one()
    return Detection.from_bytes(row.body)


def add_notice(
    tx: Transaction,
    notice: Notice,
    *,
    case_ids: Sequence[str],
    body: bytes,
    content_type: str,
    body_sha256: str,
    next_poll_at: datetime | None,
) -> None:
    """Store a notice, its items and its place in the outbox.

    Raises:
        sqlalchemy.exc.IntegrityError: a notice for one of the listings with the same round, legal
            basis, action and revision is there already.
    """
    platform = notice.addressee.platform
    now = notice.issued_at
    basis = ",".join(sorted(entry.id for entry in notice.legal_basis))
    tx.execute(
        sa.insert(t.notice).values(
            notice_id=notice.notice_id,
            human_reference=notice.human_reference,
            idempotency_key=notice.idempotency_key,
            platform=platform,
            round=notice.round,
            revision=notice.revision,
            severity=notice.severity,
            kind=notice.kind,
            queued_at=now,
            delivery="queued",
            next_poll_at=next_poll_at,
            polls=0,
            body=notice.to_bytes(),
        )
    )
    tx.execute(
        sa.insert(t.notice_item),
        [
            {
                "item_id": item.item_id,
                "notice_id": notice.notice_id,
                "case_id": case_id,
                "platform": platform,
                "listing_id": item.listing_id,
                "url": item.url,
                "content_hash": item.content_hash,
                "round": item.round,
                "legal_basis": basis,
                "action": notice.requested_action,
                "revision": notice.revision,
                "claim": "none",
                "content": "unseen",
                "last_online_at": item.last_seen_online_at,
                "next_look_at": now,
            }
            for item, case_id in zip(notice.items, case_ids, strict=True)
        ],
    )
    rules = [
        {"notice_id": notice.notice_id, "rule_id": rule} for rule in dict.fromkeys(notice.detection.rule_ids)
    ]
    if rules:
        tx.execute(sa.insert(g.notice_rule), rules)
    tx.execute(
        sa.insert(t.outbox).values(
            idempotency_key=notice.idempotency_key,
            notice_id=notice.notice_id,
            platform=platform,
            body=body,
            body_sha256=body_sha256,
            content_type=content_type,
            state="queued",
            queued_at=now,
            next_at=now,
        )
    )
    sealing.keep(tx, sealing.NOTICE, notice.notice_id, at=now)
    for case_id in case_ids:
        sealing.keep(tx, sealing.ITEM, notice.notice_id, case_id, at=now)
        sealing.keep(tx, sealing.ITEM_STATE, notice.notice_id, case_id, at=now)
    sealing.keep(tx, sealing.OUTBOX, notice.idempotency_key, at=now)


_ITEM = (
    t.notice_item.c.notice_id,
    t.notice_item.c.case_id,
    t.notice_item.c.item_id,
    t.notice_item.c.platform,
    t.notice_item.c.listing_id,
    t.notice_item.c.url,
    t.notice_item.c.content_hash,
    t.notice_item.c.round,
    t.notice.c.queued_at,
    t.notice.c.first_attempt_at,
    t.notice.c.sent_at,
    t.notice_item.c.claim,
    t.notice_item.c.claim_rank,
    t.notice_item.c.outcome,
    t.notice_item.c.acknowledged_at,
    t.notice_item.c.decided_at,
    t.notice_item.c.removal_claimed_at,
    t.notice_item.c.claimed_effective_at,
    t.notice_item.c.content,
    t.notice_item.c.last_online_at,
    t.notice_item.c.first_offline_at,
    t.notice_item.c.offline_looks,
    t.notice_item.c.removal_verified_at,
    t.notice_item.c.reappeared_at,
    t.notice_item.c.mismatch_at,
    t.notice_item.c.closed_at,
    t.notice_item.c.looks,
)
_ITEMS = sa.select(*_ITEM).join(t.notice, t.notice.c.notice_id == t.notice_item.c.notice_id)


def item_of(tx: Transaction, notice_id: str, case_id: str) -> Item:
    """One item's state. The caller holds the case."""
    return Item(*tx.execute(_ITEM_OF, {"of_notice": notice_id, "of_case": case_id}).one())


_ITEM_OF = _ITEMS.where(
    t.notice_item.c.notice_id == sa.bindparam("of_notice"),
    t.notice_item.c.case_id == sa.bindparam("of_case"),
)
_ITEMS_OF_NOTICES = _ITEMS.where(t.notice_item.c.notice_id.in_(sa.bindparam("notice_ids", expanding=True)))


def items_of_notice(tx: Transaction, notice_id: str) -> tuple[Item, ...]:
    """All items of a notice, by case id, so that several cases are always held in one order."""
    rows = tx.execute(_ITEMS.where(t.notice_item.c.notice_id == notice_id).order_by(t.notice_item.c.case_id))
    return tuple(Item(*row) for row in rows)


def items_of_notices(tx: Transaction, notice_ids: Collection[str]) -> dict[tuple[str, str], Item]:
    """Items of several notices, by notice and case. The caller holds the cases."""
    rows = tx.execute(_ITEMS_OF_NOTICES, {"notice_ids": list(notice_ids)})
    found = (Item(*row) for row in rows)
    return {(item.notice_id, item.case_id): item for item in found}


def items_of_case(tx: Transaction, case_id: str) -> tuple[Item, ...]:
    """The case's item in each of its notices, in order. The caller holds the case."""
    rows = tx.execute(
        _ITEMS.where(t.notice_item.c.case_id == case_id).order_by(
            t.notice_item.c.round, t.notice_item.c.revision
        )
    )
    return tuple(Item(*row) for row in rows)


def latest_item(tx: Transaction, case_id: str) -> Item | None:
    """The item of the case's newest notice; ``None``: no notice was written yet."""
    row = tx.execute(_LATEST_ITEM, {"of_case": case_id}).one_or_none()
    return Item(*row) if row else None


_LATEST_ITEM = (
    _ITEMS.where(t.notice_item.c.case_id == sa.bindparam("of_case"))
    .order_by(t.notice_item.c.round.desc(), t.notice_item.c.revision.desc())
    .limit(1)
)


_KEPT_ON_ITEM = (
    "claim",
    "claim_rank",
    "outcome",
    "acknowledged_at",
    "decided_at",
    "removal_claimed_at",
    "claimed_effective_at",
    "content",
    "last_online_at",
    "first_offline_at",
    "offline_looks",
    "removal_verified_at",
    "reappeared_at",
    "mismatch_at",
    "closed_at",
    "looks",
)


_SAVE_ITEM = (
    sa.update(t.notice_item)
    .where(
        t.notice_item.c.notice_id == sa.bindparam("of_notice"),
        t.notice_item.c.case_id == sa.bindparam("of_case"),
    )
    .values({name: sa.bindparam(f"new_{name}") for name in _KEPT_ON_ITEM})
)


def save_item(tx: Transaction, item: Item) -> None:
    """Write an item's state back. The caller holds the case."""
    save_items(tx, [item])


def save_items(tx: Transaction, items: Sequence[Item]) -> None:
    """:func:`save_item` for several items. The caller holds their cases."""
    if not items:
        return
    tx.execute(
        _SAVE_ITEM,
        [
            {
                "of_notice": item.notice_id,
                "of_case": item.case_id,
                **{f"new_{name}": getattr(item, name) for name in _KEPT_ON_ITEM},
            }
            for item in items
        ],
    )
    for item in items:
        sealing.keep(tx, sealing.ITEM_STATE, item.notice_id, item.case_id)


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """What handlers need of a notice's row."""

    notice_id: str
    idempotency_key: str
    human_reference: str
    platform: str
    severity: str
    queued_at: datetime
    first_attempt_at: datetime | None
    sent_at: datetime | None
    delivery: str
    polls: int
    next_poll_at: datetime | None
    round: int
    platform_reference: str | None = None


_NOTICE = (
    t.notice.c.notice_id,
    t.notice.c.idempotency_key,
    t.notice.c.human_reference,
    t.notice.c.platform,
    t.notice.c.severity,
    t.notice.c.queued_at,
    t.notice.c.first_attempt_at,
    t.notice.c.sent_at,
    t.notice.c.delivery,
    t.notice.c.polls,
    t.notice.c.next_poll_at,
    t.notice.c.round,
    t.notice.c.platform_reference,
)


def notice_by_key(tx: Transaction, key: str) -> NoticeRow | None:
    """The notice with this idempotency key."""
    row = tx.execute(sa.select(*_NOTICE).where(t.notice.c.idempotency_key == key)).one_or_none()
    return NoticeRow(*tuple(row)) if row else None


def keys_that_start(tx: Transaction, start: str) -> tuple[tuple[str, str], ...]:
    """Idempotency key and platform of the notices whose key starts so; two at most, which are too many."""
    rows = tx.execute(
        sa.select(t.notice.c.idempotency_key, t.notice.c.platform)
        .where(t.notice.c.idempotency_key.startswith(start, autoescape=True))
        .limit(2)
    )
    return tuple((key, platform) for key, platform in rows if key.startswith(start))


def notices_by_keys(tx: Transaction, keys: Collection[str]) -> dict[str, NoticeRow]:
    """The notices with these idempotency keys, by key; unknown ones are missing."""
    rows = tx.execute(_NOTICES_BY_KEYS, {"keys": list(keys)})
    found = (NoticeRow(*tuple(row)) for row in rows)
    return {notice.idempotency_key: notice for notice in found}


_NOTICES_BY_KEYS = sa.select(*_NOTICE).where(
    t.notice.c.idempotency_key.in_(sa.bindparam("keys", expanding=True))
)
_NOTICE_BY_ID = sa.select(*_NOTICE).where(t.notice.c.notice_id == sa.bindparam("of_notice"))


def notice_by_id(tx: Transaction, notice_id: str) -> NoticeRow:
    """The notice with this id."""
    row = tx.execute(_NOTICE_BY_ID, {"of_notice": notice_id}).one()
    return NoticeRow(*tuple(row))


def save_notice(tx: Transaction, notice_id: str, **values: Any) -> None:
    """Change columns of a notice's row."""
    tx.execute(sa.update(t.notice).where(t.notice.c.notice_id == notice_id).values(**values))
    # That it came back, or waits again, counts in figures: who keeps them learns of it by the chain.
    if not values.keys().isdisjoint({*sealing.NOTICE_STATE.content, "delivery"}):
        sealing.keep(tx, sealing.NOTICE_STATE, notice_id)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A notice that its platform has taken."""

    notice_id: str
    sent_at: datetime
    platform_received_at: datetime | None
    platform_reference: str | None
    next_poll_at: datetime | None


def save_arrivals(tx: Transaction, arrivals: Sequence[Arrival]) -> None:
    """Write down what is known of notices since their platforms took them."""
    tx.execute(
        sa.update(t.notice)
        .where(t.notice.c.notice_id == sa.bindparam("of_notice"))
        .values(
            delivery="accepted",
            **{
                name: sa.bindparam(f"new_{name}")
                for name in ("sent_at", "platform_received_at", "platform_reference", "next_poll_at")
            },
        ),
        [
            {
                "of_notice": one.notice_id,
                "new_sent_at": one.sent_at,
                "new_platform_received_at": one.platform_received_at,
                "new_platform_reference": one.platform_reference,
                "new_next_poll_at": one.next_poll_at,
            }
            for one in arrivals
        ],
    )
    for one in arrivals:
        sealing.keep(tx, sealing.NOTICE_STATE, one.notice_id)


def notice_body(tx: Transaction, notice_id: str) -> Notice:
    """The notice as it was written."""
    row = tx.execute(sa.select(t.notice.c.body).where(t.notice.c.notice_id == notice_id)).one()
    return Notice.from_bytes(row.body)


def revision_of(tx: Transaction, notice_id: str) -> int:
    """Which revision of its round a notice is."""
    found: int = tx.execute(
        sa.select(t.notice.c.revision).where(t.notice.c.notice_id == notice_id)
    ).scalar_one()
    return found


def find_notice(tx: Transaction, reference: str) -> str | None:
    """The notice id behind a human reference, a notice id or an idempotency key."""
    found: str | None = tx.execute(
        sa.select(t.notice.c.notice_id).where(
            sa.or_(
                t.notice.c.human_reference == reference.upper(),
                t.notice.c.notice_id == reference,
                t.notice.c.idempotency_key == reference,
            )
        )
    ).scalar_one_or_none()
    return found
