"""Which files of evidence belong to which case; the files lie in :mod:`streams.notices.evidence`."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from streams.notices.casebook import sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Transaction


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One file of evidence."""

    notice_id: str
    case_id: str
    kind: str
    """``listing_page``: what a look at the listing was answered with."""
    sha256: str
    media_type: str
    size: int
    captured_at: datetime
    captured_by: str


_COLUMNS = (
    t.evidence.c.notice_id,
    t.evidence.c.case_id,
    t.evidence.c.kind,
    t.evidence.c.sha256,
    t.evidence.c.media_type,
    t.evidence.c.size,
    t.evidence.c.captured_at,
    t.evidence.c.captured_by,
)


def add(tx: Transaction, exhibit: Exhibit) -> None:
    """Keep who captured what, when. The file is on the disk already."""
    done = tx.execute(
        sa.insert(t.evidence).values(
            notice_id=exhibit.notice_id,
            case_id=exhibit.case_id,
            kind=exhibit.kind,
            sha256=exhibit.sha256,
            media_type=exhibit.media_type,
            size=exhibit.size,
            captured_at=exhibit.captured_at,
            captured_by=exhibit.captured_by,
        )
    )
    [evidence_id] = done.inserted_primary_key or (None,)
    sealing.keep(tx, sealing.EVIDENCE, evidence_id, at=exhibit.captured_at, actor=exhibit.captured_by)


def of_notice(tx: Transaction, notice_id: str) -> tuple[Exhibit, ...]:
    """What was captured for a notice, in order."""
    rows = tx.execute(
        sa.select(*_COLUMNS).where(t.evidence.c.notice_id == notice_id).order_by(t.evidence.c.evidence_id)
    )
    return tuple(Exhibit(*row) for row in rows)


def every_hash(tx: Transaction) -> tuple[str, ...]:
    """The names of all files that must be there."""
    return tuple(
        row.sha256 for row in tx.execute(sa.select(t.evidence.c.sha256).distinct().order_by("sha256"))
    )
