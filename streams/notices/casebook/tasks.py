"""What only a person can do about a notice: a letter that no channel carries, a call that is due."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
import uuid_utils

from streams.notices.casebook import guard_tables as g
from streams.notices.casebook import sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.cases import insert_new
from streams.notices.casebook.database import Transaction


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do."""

    task_id: str
    notice_id: str
    case_id: str
    platform: str
    step: str
    why: str
    due_at: datetime
    reference: str


def add(
    tx: Transaction, *, notice_id: str, case_id: str, platform: str, step: str, why: str, now: datetime
) -> bool:
    """A person has to act from now; ``False``: the same was asked before."""
    task_id = f"tk_{uuid_utils.uuid7().hex}"
    fresh = insert_new(
        tx,
        g.task,
        {
            "task_id": task_id,
            "notice_id": notice_id,
            "case_id": case_id,
            "platform": platform,
            "step": step,
            "why": why[:2_000],
            "due_at": now,
        },
    )
    if fresh:
        sealing.keep(tx, sealing.TASK, task_id, at=now)
    return fresh


def waiting(tx: Transaction, *, platform: str | None = None) -> tuple[Task, ...]:
    """What waits for a person, the oldest first."""
    query = (
        sa.select(
            g.task.c.task_id,
            g.task.c.notice_id,
            g.task.c.case_id,
            g.task.c.platform,
            g.task.c.step,
            g.task.c.why,
            g.task.c.due_at,
            t.notice.c.human_reference,
        )
        .join(t.notice, t.notice.c.notice_id == g.task.c.notice_id)
        .where(g.task.c.done_at.is_(None))
        .order_by(g.task.c.due_at, g.task.c.task_id)
    )
    if platform is not None:
        query = query.where(g.task.c.platform == platform)
    return tuple(Task(*row) for row in tx.execute(query))


def finish(tx: Transaction, task_id: str, *, by: str, note: str, now: datetime) -> bool:
    """Somebody did it; ``False``: it was done, or is not there."""
    changed = tx.execute(
        sa.update(g.task)
        .where(g.task.c.task_id == task_id, g.task.c.done_at.is_(None))
        .values(done_by=by, done_at=now, note=note)
    )
    if changed.rowcount:
        sealing.keep(tx, sealing.TASK_DONE, task_id, at=now, actor=f"person:{by}")
    return bool(changed.rowcount)
