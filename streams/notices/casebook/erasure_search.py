"""Where the casebook holds something about one seller."""

import json
from dataclasses import dataclass

import sqlalchemy as sa

from schemas.detection import Detection
from schemas.listing import Seller
from schemas.report import Report
from streams.notices.casebook import report_tables as r
from streams.notices.casebook import tables as t
from streams.notices.casebook.bytes_search import contains
from streams.notices.casebook.database import Transaction
from streams.privacy.marks import is_of, same


@dataclass(frozen=True, slots=True)
class OfSeller:
    """Everything about one account on one platform."""

    case_ids: tuple[str, ...]
    report_ids: tuple[str, ...]
    sellers: tuple[Seller, ...]
    """The account as it was shown, each way once."""


def of_seller(tx: Transaction, platform: str, name: str) -> OfSeller:
    """By the account's id, its handle or its profile's address. Reads every body of the platform that holds
    it."""
    found: dict[Seller, None] = {}
    theirs: set[str] = set()
    d, f = t.detection.c, r.filed_report.c
    bodies = sa.or_(*(contains(tx, d.body, one) for one in _written(name)))
    handles = sa.func.lower(t.case.c.seller) == same(name).lower()
    rows = tx.execute(
        sa.select(d.case_id, d.body)
        .join(t.case, t.case.c.case_id == d.case_id)
        .where(t.case.c.platform == platform, sa.or_(bodies, handles))
    )
    for row in rows:
        seller = Detection.from_bytes(row.body).listing.seller
        if seller is not None and is_of(seller, name):
            theirs.add(row.case_id)
            found[seller] = None
    reports: set[str] = set()
    told = sa.or_(*(contains(tx, f.body, one) for one in _written(name)))
    for row in tx.execute(sa.select(f.report_id, f.body).where(told)):
        listing = Report.from_bytes(row.body).listing
        if listing is not None and listing.platform == platform and is_of(listing.seller, name):
            reports.add(row.report_id)
    return OfSeller(tuple(sorted(theirs)), tuple(sorted(reports)), tuple(found))


@dataclass(frozen=True, slots=True)
class Named:
    """A seller of one case by one name."""

    name: str
    platform: str
    case_id: str


def handles(tx: Transaction) -> tuple[Named, ...]:
    """The handle of every case's seller."""
    c = t.case.c
    rows = tx.execute(sa.select(c.seller, c.platform, c.case_id).where(c.seller.is_not(None)))
    return tuple(Named(*tuple(row)) for row in rows)


def account_ids(tx: Transaction) -> tuple[Named, ...]:
    """The account id of every case's seller. Reads every verdict."""
    found: dict[Named, None] = {}
    for row in tx.execute(sa.select(t.detection.c.case_id, t.detection.c.body)).yield_per(500):
        listing = Detection.from_bytes(row.body).listing
        if listing.seller is not None and listing.seller.account_id:
            found[Named(listing.seller.account_id, listing.platform, row.case_id)] = None
    return tuple(found)


def _written(name: str) -> tuple[bytes, ...]:
    """A name as messages hold it, in the cases in which handles are mostly written."""
    forms = dict.fromkeys((name, name.lower(), name.upper(), name.title()))
    return tuple(json.dumps(one, ensure_ascii=False)[1:-1].encode() for one in forms)


def offers_of(tx: Transaction, case_ids: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    """Platform, id and address of every listing that these cases were about."""
    c = t.case.c
    rows = tx.execute(sa.select(c.platform, c.listing_id, c.url).where(c.case_id.in_(case_ids)))
    return tuple((row.platform, row.listing_id, row.url) for row in rows)
