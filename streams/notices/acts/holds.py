"""Hold ("do not take down yet"): one person asks, another confirms, and it ends at its expiry."""

from datetime import datetime, timedelta

from streams.notices import timing
from streams.notices.acts.identity import one_person
from streams.notices.acts.people import ActRefused, actor, person_named, reason_given
from streams.notices.casebook import cases, events, holds, kept_back, tasks
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.holds import Hold
from streams.notices.item import Happening

LONGEST_HOLD = timedelta(days=366)


def ask_hold(
    tx: Transaction, case_id: str, *, by: str, reason: str, expires_at: datetime, now: datetime
) -> Hold:
    """Ask that nothing be sent about a case until ``expires_at``; in force once another confirms it.

    Where there are accounts, each of the two is one of them.

    Raises:
        ActRefused: as :func:`~streams.notices.acts.identity.one_person`;
            ``held``: a hold is open already; ``expired``: the expiry is past or too far off.
    """
    person, why = one_person(tx, by).name, reason_given(reason)
    if not now < expires_at <= now + LONGEST_HOLD:
        raise ActRefused("expired", f"A hold ends in the future, within {LONGEST_HOLD.days} days: say when.")
    cases.hold(tx, case_id)
    if holds.ask(tx, case_id, reason=why, by=person, expires_at=expires_at, now=now) is None:
        found = _open(tx, case_id)
        state = "confirmed" if found.confirmed_at else "not confirmed yet"
        raise ActRefused(
            "held",
            f"The case has a hold already, asked for by {found.asked_by} at "
            f"{found.asked_at:%Y-%m-%d %H:%M:%S} UTC, {state}: confirm or release that one.",
        )
    facts = {"reason": why, "by": person, "expires_at": expires_at.isoformat()}
    _record(tx, case_id, Happening("hold_asked", now, facts), person, now=now)
    return _open(tx, case_id)


def confirm_hold(tx: Transaction, case_id: str, *, by: str, now: datetime) -> Hold:
    """A second person confirms: from now nothing is sent about the case, and its deadlines stand.

    Where the platform has a notice already, telling it to wait is a task for a person.

    Raises:
        ActRefused: as :func:`~streams.notices.acts.identity.one_person`;
            ``not_held``; ``same_person``; ``held``: it is confirmed already; ``expired``
    """
    confirming = one_person(tx, by)
    person = confirming.name
    cases.hold(tx, case_id)
    hold = _open(tx, case_id)
    if hold.confirmed_at is not None:
        raise ActRefused("held", f"The hold is in force: {hold.confirmed_by} confirmed it.")
    if hold.expires_at <= now:
        raise ActRefused("expired", "The hold has expired before it was confirmed: ask for it anew.")
    if confirming.is_named(hold.asked_by):
        raise ActRefused(
            "same_person", f"{hold.asked_by} asked for this hold: another person has to confirm it."
        )
    holds.confirm(tx, hold, by=person, now=now)
    facts = {"by": person, "asked_by": hold.asked_by, "expires_at": hold.expires_at.isoformat()}
    _record(tx, case_id, Happening("hold_confirmed", now, facts), person, now=now)
    kept_back.held(tx, now=now)
    _reckon(tx, case_id, actor(person), now=now)
    item = cases.latest_item(tx, case_id)
    if item is not None and item.first_attempt_at is not None and item.closed_at is None:
        tasks.add(
            tx,
            notice_id=item.notice_id,
            case_id=case_id,
            platform=item.platform,
            step=f"hold:{hold.hold_id[:16]}",
            why="the case is held, and the platform has the notice already: tell it to wait",
            now=now,
        )
    return _open(tx, case_id)


def release_hold(tx: Transaction, case_id: str, *, by: str, now: datetime) -> Hold:
    """End a hold, or drop one that nobody confirmed: what waited goes on, deadlines run anew.

    Raises:
        ActRefused: ``not_held``
    """
    person = person_named(by)
    cases.hold(tx, case_id)
    hold = _open(tx, case_id)
    how = "dropped" if hold.confirmed_at is None else "released"
    _end(tx, hold, by=person, how=how, who=actor(by), now=now)
    return hold


def lapse_holds(tx: Transaction, *, now: datetime, who: str = "notices") -> int:
    """End every hold whose time is over; returns how many there were."""
    found = holds.expired(tx, now=now)
    for hold in found:
        cases.hold(tx, hold.case_id)
        how = "dropped" if hold.confirmed_at is None else "lapsed"
        _end(tx, hold, by=who, how=how, who=who, now=now)
    return len(found)


def _end(tx: Transaction, hold: Hold, *, by: str, how: str, who: str, now: datetime) -> None:
    if not holds.end(tx, hold, by=by, how=how, now=now, actor=who):
        return
    happening = Happening("hold_ended", now, {"how": how, "by": by})
    events.append(tx, case_id=hold.case_id, happenings=[happening], now=now, actor=who)
    if hold.confirmed_at is not None:
        kept_back.let_go(tx)
        _reckon(tx, hold.case_id, who, now=now)


def _open(tx: Transaction, case_id: str) -> Hold:
    found = holds.open_hold(tx, case_id)
    if found is None:
        raise ActRefused(
            "not_held", f"The case {case_id} has no open hold.", command="See `takin notices guards`."
        )
    return found


def _record(tx: Transaction, case_id: str, happening: Happening, by: str, *, now: datetime) -> None:
    events.append(tx, case_id=case_id, happenings=[happening], now=now, actor=actor(by))


def _reckon(tx: Transaction, case_id: str, who: str, *, now: datetime) -> None:
    """Deadlines of every notice of the case, as the holds on record make them."""
    for item in cases.items_of_case(tx, case_id):
        happened = timing.reckon(tx, item, now=now)
        events.append(tx, case_id=case_id, happenings=happened, now=now, actor=who, notice_id=item.notice_id)
