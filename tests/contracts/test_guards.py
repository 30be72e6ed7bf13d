"""Stops, holds, caps, breakers, fallback, the ladder and the sender's record, on SQLite and PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from schemas.follow_up import FollowUp
from schemas.notice import Notice
from streams.notices import acts, handlers
from streams.notices.casebook import (
    cases,
    channels,
    deadlines,
    events,
    holds,
    looks,
    outbox,
    quality,
    sealing,
    tasks,
)
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.outbox import AttemptResult, Leased
from streams.notices.guards.breaker import BreakerPolicy
from streams.notices.guards.keeper import guarding, renew_records
from streams.notices.handlers import Accepted, Desk
from streams.notices.handlers.fallback import leave_dead_channels
from streams.notices.item import Look
from streams.notices.policy import Step, StopLine
from tests.support.fresh import fresh_url
from tests.support.notices import SLA, T0, at, make_desk, make_detection, make_response

LADDER = (
    Step("reminder", 0.5),
    Step("contact", 1.0, "named.person@market.example"),
    Step("manager", 1.5),
    Step("regulator", 3.0),
)
DECIDE_S = SLA.decide_s or 0


def by_channel(follow_up: FollowUp, recipient: str | None) -> tuple[bytes, str]:
    return follow_up.to_bytes(), "application/json"


def by_other_channel(notice: Notice) -> tuple[bytes, str]:
    return b"letter about " + notice.human_reference.encode(), "message/rfc822"


def desk_with(**platform: Any) -> Desk:
    return replace(make_desk(**platform), follow_up=by_channel, fallback=by_other_channel)


DESK = desk_with(ladder=LADDER, other_way=True)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def casebook(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Casebook]:
    book = Casebook.open(fresh_url(request, tmp_path), migrate=False)
    yield book
    verdict = book.answer(sealing.verify)
    book.close()
    assert verdict.breaks == (), "every act is sealed as it stands"


def noticed(
    casebook: Casebook, listing_id: str = "1", desk: Desk = DESK, now: datetime = T0
) -> tuple[str, str]:
    taken = casebook.decide(handlers.take_detection, make_detection(listing_id), desk, now=now)
    assert taken.notice_id is not None, taken.why
    assert taken.case_id is not None
    return taken.notice_id, taken.case_id


def lease(casebook: Casebook, seconds: float = 0, desk: Desk = DESK, most: int = 10) -> tuple[Leased, ...]:
    return casebook.decide(
        handlers.start_attempts,
        slots={"market": most},
        now=at(seconds),
        hold_for=timedelta(seconds=10),
        worker="w1",
        desk=desk,
    )


def deliver(casebook: Casebook, one: Leased, seconds: float, desk: Desk = DESK) -> bool:
    receipt = make_response(kind="receipt", outcome=None, received=seconds, key=one.notice_key)
    return casebook.decide(
        handlers.delivered,
        one,
        AttemptResult("accepted", None, 202),
        Accepted(receipt if one.purpose in (None, "fallback") else None, at(seconds), "DESK-1"),
        desk,
        now=at(seconds),
    )


def fail(casebook: Casebook, one: Leased, seconds: float, desk: Desk = DESK, **result: Any) -> str:
    ended = AttemptResult(**{"result": "retry", "reason": "timeout", **result})
    return casebook.decide(handlers.not_delivered, one, ended, desk, now=at(seconds), chance=Random(1))


def sent(casebook: Casebook, desk: Desk = DESK) -> tuple[str, str]:
    ids = noticed(casebook, desk=desk)
    [one] = lease(casebook, desk=desk)
    assert deliver(casebook, one, 0, desk)
    return ids


def answered(casebook: Casebook, notice_id: str, seconds: float, **changes: Any) -> None:
    with casebook.read() as tx:
        key = cases.notice_by_id(tx, notice_id).idempotency_key
    response = make_response(key=key, received=seconds, **changes)
    casebook.decide(handlers.apply_response, response, now=at(seconds))


def fire(casebook: Casebook, seconds: float, desk: Desk = DESK) -> int:
    return casebook.decide(handlers.fire_deadlines, desk, now=at(seconds))


def types(casebook: Casebook, case_id: str) -> list[str]:
    with casebook.read() as tx:
        return [event.type for event in events.of_case(tx, case_id)]


def rows(casebook: Casebook, ids: tuple[str, str]) -> dict[str, tuple[str, datetime]]:
    with casebook.read() as tx:
        return {one.kind: (one.state, one.due_at) for one in deadlines.of_item(tx, *ids)}


def steps(casebook: Casebook, ids: tuple[str, str]) -> dict[str, tuple[str, float]]:
    found = rows(casebook, ids)
    return {
        kind.removeprefix("escalation."): (state, (due_at - T0).total_seconds())
        for kind, (state, due_at) in found.items()
        if kind.startswith("escalation.")
    }


# ---------------------------------------------------------------------------- the ladder


def test_each_step_of_the_ladder_is_taken_once_on_silence(casebook: Casebook) -> None:
    ids = sent(casebook)
    taken: list[tuple[str | None, str | None]] = []

    for share in (0.4, 0.5, 0.5, 0.9, 1.0, 1.0, 1.5, 2.9, 3.0, 3.0, 9.0):
        fire(casebook, share * DECIDE_S)
        for one in lease(casebook, share * DECIDE_S):
            assert deliver(casebook, one, share * DECIDE_S)
            taken.append((one.purpose, one.recipient))

    waiting = casebook.answer(tasks.waiting)
    assert taken == [("reminder", None), ("escalation", "named.person@market.example")]
    assert [one.step for one in waiting] == ["manager", "regulator"], (
        "no address: a person's, nothing is sent"
    )
    assert {name: state for name, (state, _) in steps(casebook, ids).items()} == dict.fromkeys(
        ("reminder", "contact", "manager", "regulator"), "done"
    )
    assert types(casebook, ids[1]).count("escalation_due") == 2


def test_a_reminder_carries_the_notices_reference_and_a_key_of_its_own(casebook: Casebook) -> None:
    notice_id, case_id = sent(casebook)
    fire(casebook, 0.5 * DECIDE_S)
    [one] = lease(casebook, 0.5 * DECIDE_S)

    told = FollowUp.from_bytes(one.body)
    with casebook.read() as tx:
        notice = cases.notice_by_id(tx, notice_id)
        [queued] = [e for e in events.of_case(tx, case_id) if e.type == "follow_up_queued"]
    assert (told.kind, told.human_reference, told.notice_key) == (
        "reminder",
        notice.human_reference,
        notice.idempotency_key,
    )
    assert told.key == one.idempotency_key != notice.idempotency_key
    assert told.due_at == at(DECIDE_S)
    assert queued.data["step"] == "reminder"


def test_a_step_that_fell_due_while_the_service_was_down_is_taken_once_at_its_start(
    casebook: Casebook,
) -> None:
    sent(casebook)

    fired = [fire(casebook, 1.2 * DECIDE_S) for _ in range(4)]

    assert [one.purpose for one in lease(casebook, 1.2 * DECIDE_S)] == ["reminder", "escalation"]
    assert fired[-1] == 0


@pytest.mark.parametrize("outcome", ["refused_lawful", "actioned_removed", "already_gone"])
def test_the_ladder_ends_when_the_platform_decides(casebook: Casebook, outcome: str) -> None:
    ids = sent(casebook)
    answered(casebook, ids[0], 100, outcome=outcome)

    fire(casebook, 9 * DECIDE_S)

    assert lease(casebook, 9 * DECIDE_S) == ()
    assert steps(casebook, ids)["reminder"][0] == "cancelled"
    assert casebook.answer(tasks.waiting) == ()


def test_the_ladder_ends_when_the_listing_is_seen_removed(casebook: Casebook) -> None:
    ids = sent(casebook)
    with casebook.read() as tx:
        [item] = cases.items_of_notice(tx, ids[0])
    for seconds in (10, 100):
        due = looks.LookDue(*ids, "market", "1", item.url, item.content_hash)
        casebook.decide(
            handlers.take_look,
            due,
            Look("offline", "test", at(seconds)),
            DESK,
            now=at(seconds),
            http_status=404,
            body_sha256=None,
            observer="verifier",
        )
        if seconds == 10:
            fire(casebook, 0.5 * DECIDE_S)
            assert lease(casebook, 0.5 * DECIDE_S) == (), "gone from sight: nobody is reminded of that"

    assert steps(casebook, ids)["reminder"][0] == "cancelled"


@pytest.mark.parametrize(("need_info", "moved"), [("pause", 200), ("restart", 250), ("run", 0)])
def test_the_next_step_stands_while_the_platform_waits_for_us(
    casebook: Casebook, need_info: Any, moved: int
) -> None:
    from streams.notices.policy import SlaTerms

    desk = desk_with(ladder=LADDER, terms=SlaTerms(need_info=need_info))
    ids = sent(casebook, desk)
    answered(casebook, ids[0], 50, kind="need_info", outcome="need_info")
    asked = steps(casebook, ids)["reminder"][0]

    casebook.decide(handlers.information_given, ids[0], given_at=at(250), sha256="a" * 64, actor="person:Ada")

    assert asked == ("pending" if need_info == "run" else "paused")
    assert steps(casebook, ids)["reminder"] == ("pending", 0.5 * DECIDE_S + moved)


def test_a_platform_without_a_promise_is_not_pressed(casebook: Casebook) -> None:
    desk = desk_with(ladder=LADDER, sla=None)
    ids = sent(casebook, desk)

    assert steps(casebook, ids) == {}


# ---------------------------------------------------------------------------- holds


def hold(casebook: Casebook, case_id: str, seconds: float, *, until: float) -> None:
    casebook.decide(acts.ask_hold, case_id, by="Ada", reason="case 17", expires_at=at(until), now=at(seconds))
    casebook.decide(acts.confirm_hold, case_id, by="Ben", now=at(seconds))


@pytest.mark.parametrize("name", ["Ada", "ADA", " a d a ", "ada\u200b"])
def test_a_hold_needs_two_different_people(casebook: Casebook, name: str) -> None:
    _, case_id = noticed(casebook)
    casebook.decide(acts.ask_hold, case_id, by="Ada", reason="case 17", expires_at=at(900), now=T0)

    with pytest.raises(acts.ActRefused) as refused:
        casebook.decide(acts.confirm_hold, case_id, by=name, now=at(1))

    assert refused.value.reason == "same_person"
    assert len(lease(casebook, 2)) == 1, "what nobody confirmed holds nothing"


def test_nothing_is_sent_about_a_held_case_until_the_hold_lapses(casebook: Casebook) -> None:
    notice_id, case_id = noticed(casebook)
    noticed(casebook, "2")
    hold(casebook, case_id, 1, until=600)

    during = lease(casebook, 2)
    kept = casebook.answer(outbox.of_notice, notice_id)
    casebook.decide(acts.lapse_holds, now=at(599))
    before = lease(casebook, 599)
    casebook.decide(acts.lapse_holds, now=at(600))
    after = lease(casebook, 601)

    assert [one.notice_id for one in during] != [notice_id]
    assert len(during) == 1, "the other case is not held"
    assert [(one.state, one.last_reason) for one in kept] == [("held", "hold")]
    assert notice_id not in [one.notice_id for one in before]
    assert notice_id in [one.notice_id for one in after]
    assert types(casebook, case_id)[-4:] == ["hold_asked", "hold_confirmed", "hold_ended", "deadline_set"]


def test_a_try_under_way_when_the_hold_comes_is_the_last_one_until_it_ends(casebook: Casebook) -> None:
    _, case_id = noticed(casebook)
    [one] = lease(casebook)
    hold(casebook, case_id, 1, until=600)
    fail(casebook, one, 2)

    during = lease(casebook, 60)
    casebook.decide(acts.release_hold, case_id, by="Ada", now=at(61))

    assert during == ()
    assert [again.attempt for again in lease(casebook, 62)] == [2]


def test_a_held_case_gets_no_notice_whoever_asks(casebook: Casebook) -> None:
    review = casebook.decide(handlers.take_detection, make_detection("7", outcome="review"), DESK, now=T0)
    assert review.case_id is not None
    hold(casebook, review.case_id, 1, until=600)

    found = casebook.decide(handlers.take_detection, make_detection("7", version="v2"), DESK, now=at(2))
    with pytest.raises(acts.ActRefused, match="held until 2026-03-02 09:10 UTC"):
        casebook.decide(acts.approve, review.case_id, DESK, by="Cem", now=at(3))

    assert found.result == "review"
    assert lease(casebook, 4) == ()


def test_deadlines_stand_during_a_hold_and_run_anew_after_it(casebook: Casebook) -> None:
    ids = sent(casebook)
    hold(casebook, ids[1], 100, until=90_000)
    during = rows(casebook, ids)

    silent = fire(casebook, 80_000)
    casebook.decide(acts.release_hold, ids[1], by="Ada", now=at(80_000))

    after = rows(casebook, ids)
    assert {during[kind][0] for kind in ("decide", "remove")} == {"paused"}
    assert silent == 0
    assert after["decide"] == ("pending", at(80_000 + DECIDE_S))
    assert after["remove"] == ("pending", at(80_000 + (SLA.remove_s or 0)))
    assert steps(casebook, ids)["reminder"] == ("pending", 80_000 + 0.5 * DECIDE_S)
    assert [one.step[:4] for one in casebook.answer(tasks.waiting)] == ["hold"], "the platform is to be told"


def test_a_hold_is_asked_for_once_and_ends_once(casebook: Casebook) -> None:
    _, case_id = noticed(casebook)
    hold(casebook, case_id, 1, until=600)

    with pytest.raises(acts.ActRefused, match="has a hold already, asked for by Ada"):
        casebook.decide(acts.ask_hold, case_id, by="Cem", reason="x", expires_at=at(700), now=at(2))
    casebook.decide(acts.release_hold, case_id, by="Cem", now=at(3))
    with pytest.raises(acts.ActRefused, match="no open hold"):
        casebook.decide(acts.release_hold, case_id, by="Cem", now=at(4))

    assert casebook.answer(holds.every_open) == ()


@pytest.mark.parametrize("until", [-1, 0, 400 * 86_400])
def test_a_hold_has_an_expiry_in_the_near_future(casebook: Casebook, until: float) -> None:
    _, case_id = noticed(casebook)

    with pytest.raises(acts.ActRefused, match="ends in the future"):
        casebook.decide(acts.ask_hold, case_id, by="Ada", reason="x", expires_at=at(until), now=T0)


# ---------------------------------------------------------------------------- stops


@pytest.mark.parametrize(("scope", "name"), [("all", ""), ("platform", "market"), ("rule", "ivory")])
def test_the_kill_switch_stops_the_next_lease_and_loses_nothing(
    casebook: Casebook, scope: Any, name: str
) -> None:
    noticed(casebook)
    noticed(casebook, "2")
    [first, _] = lease(casebook, 0)
    casebook.decide(acts.stop_sending, scope, name, by="Ada", reason="wrong rule", now=at(1))
    noticed(casebook, "3")
    fail(casebook, first, 2)

    during = lease(casebook, 30)
    casebook.decide(acts.resume_sending, scope, name, by="Ada", now=at(40))
    after = lease(casebook, 41)

    assert during == ()
    assert len(after) == 3, "the one that failed, the one whose sender died, and the new one"


@pytest.mark.parametrize(("scope", "name"), [("platform", "other"), ("rule", "rhino")])
def test_a_stop_elsewhere_stops_nothing_here(casebook: Casebook, scope: Any, name: str) -> None:
    noticed(casebook)
    casebook.decide(acts.stop_sending, scope, name, by="Ada", reason="x", now=T0)

    assert len(lease(casebook, 1)) == 1


def test_a_withdrawal_goes_even_when_its_rule_is_stopped_and_its_case_held(casebook: Casebook) -> None:
    ids = sent(casebook)
    hold(casebook, ids[1], 10, until=900)
    casebook.decide(acts.stop_sending, "rule", "ivory", by="Ada", reason="wrong rule", now=at(11))
    casebook.decide(acts.withdraw, ids[0], DESK, by="Ada", reason="wrong rule", now=at(12))

    assert [one.purpose for one in lease(casebook, 13)] == ["withdrawal"]


def test_replaying_the_topic_after_a_withdrawal_a_hold_or_a_stop_sends_nothing(casebook: Casebook) -> None:
    everything = [make_detection(str(number)) for number in range(4)]
    ids = [noticed(casebook, str(number)) for number in range(4)]
    for one in lease(casebook):
        deliver(casebook, one, 0)
    casebook.decide(acts.withdraw, ids[0][0], DESK, by="Ada", reason="x", now=at(1))
    hold(casebook, ids[1][1], 2, until=900)
    casebook.decide(acts.stop_sending, "rule", "ivory", by="Ada", reason="x", now=at(3))

    replayed = [casebook.decide(handlers.take_detection, one, DESK, now=at(5)).result for one in everything]
    casebook.decide(acts.resume_sending, "rule", "ivory", by="Ada", now=at(6))
    casebook.decide(acts.release_hold, ids[1][1], by="Ben", now=at(7))
    again = [casebook.decide(handlers.take_detection, one, DESK, now=at(8)).result for one in everything]

    assert set(replayed) == set(again) == {"repeated"}
    assert [one.purpose for one in lease(casebook, 9)] == ["withdrawal"]


def test_a_stop_is_set_once_and_lifted_once(casebook: Casebook) -> None:
    casebook.decide(acts.stop_sending, "all", by="Ada", reason="x", now=T0)

    with pytest.raises(acts.ActRefused, match="stopped already: everything"):
        casebook.decide(acts.stop_sending, "all", by="Ben", reason="y", now=at(1))
    casebook.decide(acts.resume_sending, "all", by="Ben", now=at(2))
    with pytest.raises(acts.ActRefused, match="Nothing is stopped there"):
        casebook.decide(acts.resume_sending, "all", by="Ben", now=at(3))


# ---------------------------------------------------------------------------- caps


CAPPED = desk_with(daily_notices=2, daily_requests=6)


def test_a_daily_cap_lets_so_many_new_notices_go_and_two_people_let_more(casebook: Casebook) -> None:
    for number in range(6):
        noticed(casebook, str(number), CAPPED)

    first = lease(casebook, 0, CAPPED)
    second = lease(casebook, 1, CAPPED)
    alone = casebook.decide(acts.approve_excess, "market", 3, by="Ada", reason="seizure", now=at(2))
    third = lease(casebook, 3, CAPPED)
    with pytest.raises(acts.ActRefused, match="another person has to"):
        casebook.decide(acts.approve_excess, "market", 3, by="A D A", reason="seizure", now=at(4))
    both = casebook.decide(acts.approve_excess, "market", 1, by="Ben", reason="seizure", now=at(5))
    fourth = lease(casebook, 6, CAPPED)

    assert [len(one) for one in (first, second, third, fourth)] == [2, 0, 0, 1]
    assert (alone.approved, alone.waits) == (0, True)
    assert (both.approved, both.waits) == (1, False), "the smaller of two people's numbers"


def test_a_retry_is_no_new_notice_but_counts_as_a_request(casebook: Casebook) -> None:
    noticed(casebook, "1", CAPPED)
    noticed(casebook, "2", CAPPED)
    tries = 0
    for seconds in range(0, 600, 60):
        for one in lease(casebook, seconds, CAPPED):
            tries += 1
            casebook.decide(
                outbox.settle,
                one,
                AttemptResult("retry", "throttled", 429),
                now=at(seconds + 1),
                state="queued",
                next_at=at(seconds + 2),
            )

    tomorrow = lease(casebook, 86_400, CAPPED)

    assert tries == 6
    assert len(tomorrow) == 2


# ---------------------------------------------------------------------------- breaker and fallback


QUICK = BreakerPolicy(failures=2, open_for=timedelta(seconds=30))
FALLING = desk_with(breaker=QUICK, other_way=True, fallback_after=timedelta(seconds=120))


def test_a_dead_platform_is_left_alone_and_tried_with_one_notice_at_a_time(casebook: Casebook) -> None:
    for number in range(5):
        noticed(casebook, str(number), FALLING)
    for one in lease(casebook, 0, FALLING, most=2):
        fail(casebook, one, 1, FALLING)

    closed = lease(casebook, 10, FALLING)
    trial = lease(casebook, 32, FALLING)
    during = lease(casebook, 33, FALLING)
    fail(casebook, trial[0], 34, FALLING)
    longer = lease(casebook, 65, FALLING)
    again = lease(casebook, 95, FALLING)
    deliver(casebook, again[0], 96, FALLING)
    open_again = lease(casebook, 97, FALLING)

    assert closed == during == longer == ()
    assert len(trial) == len(again) == 1
    assert len(open_again) == 4
    assert casebook.answer(channels.breakers) == {}


def test_a_restart_does_not_hammer_a_dead_platform(casebook: Casebook) -> None:
    noticed(casebook, desk=FALLING)
    noticed(casebook, "2", FALLING)
    for one in lease(casebook, 0, FALLING):
        fail(casebook, one, 1, FALLING)

    # Whoever asks next knows nothing but the casebook.
    assert lease(casebook, 12, FALLING) == ()
    [state] = casebook.answer(channels.breakers).values()
    assert (state.state, state.failures, state.opened_at) == ("open", 2, at(1))


def test_too_many_and_refused_are_answers_and_open_nothing(casebook: Casebook) -> None:
    for number in range(4):
        noticed(casebook, str(number), FALLING)
    for one in lease(casebook, 0, FALLING):
        fail(casebook, one, 1, FALLING, reason="throttled", http_status=429)

    assert casebook.answer(channels.breakers) == {}


@pytest.mark.parametrize(
    ("result", "goes_on"),
    [
        ({"result": "gone", "reason": "not_found", "http_status": 410}, True),
        ({"result": "refused", "reason": "not_found", "http_status": 404}, True),
        ({"result": "refused", "reason": "invalid", "http_status": 422}, False),
        ({"result": "refused", "reason": "unauthorised", "http_status": 401}, False),
    ],
    ids=["410", "404", "422", "401"],
)
def test_a_closed_channel_is_left_for_the_other_one_and_a_refused_notice_is_not(
    casebook: Casebook, result: dict[str, Any], goes_on: bool
) -> None:
    notice_id, case_id = noticed(casebook, desk=FALLING)
    [one] = lease(casebook, 0, FALLING)

    state = fail(casebook, one, 1, FALLING, **result)

    other = lease(casebook, 2, FALLING)
    assert state == ("fallback" if goes_on else "dead")
    assert [one.purpose for one in other] == (["fallback"] if goes_on else [])
    assert ("fallback_used" in types(casebook, case_id)) == goes_on
    if goes_on:
        assert other[0].notice_key == one.notice_key
        assert other[0].body.startswith(b"letter about TKN-")
        assert deliver(casebook, other[0], 3, FALLING)
        with casebook.read() as tx:
            row = cases.notice_by_id(tx, notice_id)
        assert (row.delivery, row.sent_at) == ("accepted", at(3))
        assert [(e.purpose, e.state) for e in casebook.answer(outbox.of_notice, notice_id)] == [
            (None, "dead"),
            ("fallback", "delivered"),
        ]


def test_what_waits_for_a_channel_that_has_long_been_dead_goes_the_other_way_once(casebook: Casebook) -> None:
    for number in range(3):
        noticed(casebook, str(number), FALLING)
    for one in lease(casebook, 0, FALLING, most=2):
        fail(casebook, one, 1, FALLING)

    early = casebook.decide(leave_dead_channels, FALLING, now=at(100))
    late = casebook.decide(leave_dead_channels, FALLING, now=at(121))
    again = casebook.decide(leave_dead_channels, FALLING, now=at(122))

    assert (early, late, again) == (0, 3, 0)
    assert [one.purpose for one in lease(casebook, 123, FALLING)] == ["fallback"] * 3
    assert lease(casebook, 124, FALLING) == ()


def test_the_fallback_is_used_once_and_its_end_is_the_deliverys(casebook: Casebook) -> None:
    notice_id, case_id = noticed(casebook, desk=FALLING)
    [one] = lease(casebook, 0, FALLING)
    fail(casebook, one, 1, FALLING, result="gone", reason="not_found", http_status=410)
    [other] = lease(casebook, 2, FALLING)

    state = fail(casebook, other, 3, FALLING, result="refused", reason="not_found", http_status=550)

    assert state == "dead"
    assert types(casebook, case_id).count("fallback_used") == 1
    assert "delivery_failed" in types(casebook, case_id)
    with casebook.read() as tx:
        assert cases.notice_by_id(tx, notice_id).delivery == "failed_permanent"


def test_health_falls_with_failures_and_with_what_waits(casebook: Casebook) -> None:
    ids = [noticed(casebook, str(number), FALLING) for number in range(2)]
    whole = casebook.answer(guarding, FALLING, now=T0).health("market", T0)
    for one in lease(casebook, 0, FALLING):
        fail(casebook, one, 1, FALLING)

    failing = casebook.answer(guarding, FALLING, now=at(2)).health("market", at(2))
    stale = casebook.answer(guarding, FALLING, now=at(86_400)).health("market", at(86_400))

    assert len(ids) == 2
    assert whole == 1.0
    assert 0.3 < failing < 0.4
    assert stale == 0.0


# ---------------------------------------------------------------------------- the sender's record


LINED = desk_with(quality=StopLine(least_n=10))


def decided(casebook: Casebook, number: int, word: str) -> None:
    notice_id, _ = noticed(casebook, f"q{number}", LINED)
    for one in lease(casebook, number, LINED):
        deliver(casebook, one, number, LINED)
    outcome = None if word == "reinstated" else word
    if word == "reinstated":
        answered(casebook, notice_id, number + 0.1, outcome="actioned_removed")
    kind = "reinstated" if word == "reinstated" else "decision"
    answered(casebook, notice_id, number + 0.2, kind=kind, outcome=outcome)


@pytest.mark.parametrize(
    ("words", "stops"),
    [
        (["actioned_removed"] * 20, None),
        (["actioned_removed"] * 18 + ["refused_lawful"] * 2, None),
        (["actioned_removed"] * 17 + ["refused_lawful"] * 3, "85.0%"),
        (["actioned_removed"] * 18 + ["reinstated"] * 2, "10.0% of 20 were overturned"),
        (["refused_lawful"] * 9, None),
        (["already_gone"] * 20, None),
    ],
    ids=["all good", "at the line", "below", "overturned", "too few", "says nothing"],
)
def test_a_rule_that_a_platform_turns_down_too_often_needs_a_person(
    casebook: Casebook, words: list[str], stops: str | None
) -> None:
    for number, word in enumerate(words):
        decided(casebook, number, word)
    casebook.decide(renew_records, LINED, now=at(100))

    taken = casebook.decide(handlers.take_detection, make_detection("next"), LINED, now=at(101))

    assert taken.result == ("noticed" if stops is None else "review")
    if stops is not None:
        assert taken.why is not None
        assert stops in taken.why
        assert taken.case_id is not None
        until = at(101) + timedelta(days=7)
        casebook.decide(
            acts.allow_rule, "market", "ivory", by="Ada", reason="mended", until=until, now=at(102)
        )
        after = casebook.decide(handlers.take_detection, make_detection("more"), LINED, now=at(103))
        by_hand = casebook.decide(acts.approve, taken.case_id, LINED, by="Ada", now=at(104))
        assert after.result == by_hand.result == "noticed"


def test_a_record_is_of_the_last_90_days(casebook: Casebook) -> None:
    for number in range(12):
        decided(casebook, number, "refused_lawful")
    casebook.decide(renew_records, LINED, now=at(100))
    [before] = casebook.answer(quality.standings)

    casebook.decide(renew_records, LINED, now=at(0) + timedelta(days=91))

    assert before.below is not None
    assert casebook.answer(quality.standings) == ()
