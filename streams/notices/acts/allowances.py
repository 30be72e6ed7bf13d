"""A person lets a rule go on below its stop line, or has taken a step that waited for one."""

from datetime import datetime, timedelta

from streams.notices.acts.people import ActRefused, person_named, reason_given
from streams.notices.casebook import quality, tasks
from streams.notices.casebook.database import Transaction

LONGEST_ALLOWANCE = timedelta(days=90)


def allow_rule(
    tx: Transaction, platform: str, rule_id: str, *, by: str, reason: str, until: datetime, now: datetime
) -> datetime:
    """Let a rule's notices to a platform go without a person until then, whatever its record is.

    Raises:
        ActRefused: ``expired``: the end is past or too far off
    """
    person, why = person_named(by), reason_given(reason)
    if not now < until <= now + LONGEST_ALLOWANCE:
        raise ActRefused("expired", f"It ends in the future, within {LONGEST_ALLOWANCE.days} days: say when.")
    quality.allow(tx, platform=platform, rule_id=rule_id, reason=why, by=person, until=until, now=now)
    return until


def finish_task(tx: Transaction, task_id: str, *, by: str, note: str, now: datetime) -> None:
    """A step that waited for a person was taken.

    Raises:
        ActRefused: ``done``: it was done before, or there is no such task
    """
    person, what = person_named(by), reason_given(note)
    if not tasks.finish(tx, task_id, by=person, note=what, now=now):
        raise ActRefused(
            "done", f"No task {task_id} waits.", command="See `takin notices list --escalations`."
        )
