"""Reporters' contacts in the casebook: with which key each is encrypted, and putting them under another."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from schemas.report import Report
from streams.notices.casebook import report_tables as r
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.filed import key_of

_f = r.filed_report.c


@dataclass(frozen=True, slots=True)
class Kept:
    """How many contacts are kept how."""

    by_key: dict[str, int]
    """Key id: contacts encrypted with it."""
    unlooked: int
    """Reports of a version that encrypted nothing: their contacts, where they have any, are in clear."""


def kept(tx: Transaction) -> Kept:
    """Count them; nothing where the tables are of a version before."""
    if not _is_there(tx):
        return Kept({}, 0)
    counted = {
        row[0]: row[1]
        for row in tx.execute(sa.select(_f.contact_key, sa.func.count()).group_by(_f.contact_key))
    }
    unlooked = counted.pop(None, 0)
    counted.pop("", None)
    return Kept(counted, unlooked)


def _is_there(tx: Transaction) -> bool:
    found = sa.inspect(tx)
    if not found.has_table(r.filed_report.name):
        return False
    return "contact_key" in {column["name"] for column in found.get_columns(r.filed_report.name)}


def under_other_keys(tx: Transaction, key_id: str, *, after: str, limit: int) -> tuple[tuple[str, str], ...]:
    """Report and contact of those that are encrypted with another key, in order, from after a report."""
    rows = tx.execute(
        sa.select(_f.report_id, _f.contact)
        .where(_f.contact_key.not_in(["", key_id]), _f.contact.is_not(None), _f.report_id > after)
        .order_by(_f.report_id)
        .limit(limit)
    )
    return tuple((row.report_id, row.contact) for row in rows)


def replace(tx: Transaction, report_id: str, was: str, contact: str) -> bool:
    """Keep the same contact under another key; ``False``: it is not there so any more."""
    done = tx.execute(
        sa.update(r.filed_report)
        .where(_f.report_id == report_id, _f.contact == was)
        .values(contact=contact, contact_key=key_of(contact))
    )
    return bool(done.rowcount)


def unlooked(tx: Transaction, *, after: str, limit: int) -> tuple[str, ...]:
    """Reports of a version that encrypted nothing, in order, from after one."""
    query = sa.select(_f.report_id).where(_f.contact_key.is_(None), _f.report_id > after)
    return tuple(tx.execute(query.order_by(_f.report_id).limit(limit)).scalars())


def to_hide(tx: Transaction, report_ids: Sequence[str]) -> tuple[Report, ...]:
    """Those of the reports that hold a contact in clear, held until the transaction ends; the others are
    marked as having none."""
    rows = tx.execute(
        sa.select(_f.report_id, _f.body)
        .where(_f.report_id.in_(report_ids), _f.contact_key.is_(None))
        .order_by(_f.report_id)
        .with_for_update()
    ).all()
    reports = [Report.from_bytes(row.body) for row in rows]
    clear = tuple(one for one in reports if one.reporter.name is not None or one.reporter.email is not None)
    none = [one.report_id for one in reports if one not in clear]
    if none:
        tx.execute(sa.update(r.filed_report).where(_f.report_id.in_(none)).values(contact_key=""))
    return clear
