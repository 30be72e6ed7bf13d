"""What a person does to a case; every test runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from schemas.follow_up import FollowUp
from streams.notices import acts, handlers
from streams.notices.casebook import cases, deadlines, events, inbox, looks, outbox, sealing, tasks
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.outbox import AttemptResult, Leased
from streams.notices.handlers import Accepted
from streams.notices.item import Item, Look
from tests.support.fresh import fresh_url
from tests.support.notices import T0, at, make_desk, make_detection, make_response


def by_desk(follow_up: FollowUp, recipient: str | None) -> tuple[bytes, str] | None:
    return None if recipient else (follow_up.to_bytes(), "application/json")


DESK = replace(make_desk(), follow_up=by_desk)
MUTE = make_desk()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def casebook(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Casebook]:
    book = Casebook.open(fresh_url(request, tmp_path), migrate=False)
    yield book
    verdict = book.answer(sealing.verify)
    book.close()
    assert verdict.breaks == ()


def in_review(casebook: Casebook, listing_id: str = "1", version: str = "v1") -> str:
    detection = make_detection(listing_id, outcome="review", version=version)
    taken = casebook.decide(handlers.take_detection, detection, DESK, now=T0)
    assert taken.case_id is not None
    return taken.case_id


def noticed(casebook: Casebook, listing_id: str = "1") -> tuple[str, str]:
    taken = casebook.decide(handlers.take_detection, make_detection(listing_id), DESK, now=T0)
    assert taken.notice_id
    assert taken.case_id
    return taken.notice_id, taken.case_id


def lease(casebook: Casebook, seconds: float = 0) -> tuple[Leased, ...]:
    return casebook.decide(
        handlers.start_attempts,
        slots={"market": 10},
        now=at(seconds),
        hold_for=timedelta(seconds=10),
        worker="w1",
        desk=DESK,
    )


def deliver(casebook: Casebook, one: Leased, seconds: float = 1) -> None:
    receipt = make_response(kind="receipt", outcome=None, received=seconds, key=one.notice_key)
    taken = casebook.decide(
        handlers.delivered,
        one,
        AttemptResult("accepted", None, 202),
        Accepted(receipt if one.purpose is None else None, at(seconds), "DESK-1"),
        DESK,
        now=at(seconds),
    )
    assert taken


def sent(casebook: Casebook) -> tuple[str, str]:
    ids = noticed(casebook)
    [one] = lease(casebook)
    deliver(casebook, one)
    return ids


def types(casebook: Casebook, case_id: str) -> list[str]:
    with casebook.read() as tx:
        return [event.type for event in events.of_case(tx, case_id)]


def item(casebook: Casebook, notice_id: str) -> Item:
    with casebook.read() as tx:
        [found] = cases.items_of_notice(tx, notice_id)
    return found


def entries(casebook: Casebook, notice_id: str) -> list[tuple[str | None, str]]:
    return [(one.purpose, one.state) for one in casebook.answer(outbox.of_notice, notice_id)]


def test_an_approved_case_gets_its_notice_which_names_the_reviewer(casebook: Casebook) -> None:
    case_id = in_review(casebook)

    taken = casebook.decide(acts.approve, case_id, DESK, by=" Ada  Example ", now=at(5))

    with casebook.read() as tx:
        notice = cases.notice_body(tx, taken.notice_id or "")
        [approved] = [one for one in events.of_case(tx, case_id) if one.type == "approved"]
    assert notice.detection.method == "automated_and_reviewed"
    assert notice.detection.reviewer == "Ada Example"
    assert (approved.actor, approved.data["by"]) == ("person:Ada Example", "Ada Example")
    assert [one.notice_id for one in lease(casebook, 6)] == [taken.notice_id]


def test_a_case_is_approved_once(casebook: Casebook) -> None:
    case_id = in_review(casebook)
    casebook.decide(acts.approve, case_id, DESK, by="Ada", now=at(5))

    with pytest.raises(acts.ActRefused, match="not in review: its status is approved"):
        casebook.decide(acts.approve, case_id, DESK, by="Ben", now=at(6))


def test_what_a_notice_lacks_is_said_to_whoever_approves_and_changes_nothing(casebook: Casebook) -> None:
    case_id = in_review(casebook)
    nowhere = replace(DESK, platforms={})

    with pytest.raises(acts.ActRefused, match="no way to reach this platform"):
        casebook.decide(acts.approve, case_id, nowhere, by="Ada", now=at(5))

    assert types(casebook, case_id)[-1] == "sent_to_review"


def test_a_dismissed_case_sends_nothing_whatever_is_found_later(casebook: Casebook) -> None:
    case_id = in_review(casebook)
    casebook.decide(acts.dismiss, case_id, by="Ada", reason="vegetable ivory", now=at(5))

    later = casebook.decide(handlers.take_detection, make_detection("1", version="v2"), DESK, now=at(9))

    assert later.result == "joined"
    assert lease(casebook, 10) == ()
    with casebook.read() as tx:
        [event] = [one for one in events.of_case(tx, case_id) if one.type == "dismissed"]
    assert (event.actor, event.data) == ("person:Ada", {"reason": "vegetable ivory", "by": "Ada"})


@pytest.mark.parametrize(("by", "reason"), [("", "why"), (" \u200b ", "why"), ("Ada", "  ")], ids=repr)
def test_an_act_needs_a_person_and_a_reason(casebook: Casebook, by: str, reason: str) -> None:
    case_id = in_review(casebook)

    with pytest.raises(acts.ActRefused):
        casebook.decide(acts.dismiss, case_id, by=by, reason=reason, now=at(5))

    assert types(casebook, case_id)[-1] == "sent_to_review"


def test_a_second_notice_for_an_open_one_is_refused_with_the_earlier_reference(casebook: Casebook) -> None:
    notice_id, case_id = noticed(casebook)
    with casebook.write() as tx:
        cases.set_status(tx, case_id, "review", now=at(1))
        reference = cases.notice_by_id(tx, notice_id).human_reference

    with pytest.raises(acts.ActRefused, match=f"{reference} of 2026-03-02 09:00:00 UTC; it is still open"):
        casebook.decide(acts.approve, case_id, DESK, by="Ada", now=at(5))


def test_a_refused_notice_is_written_again_only_after_the_window_as_a_revision(casebook: Casebook) -> None:
    notice_id, case_id = sent(casebook)
    with casebook.read() as tx:
        key = cases.notice_by_id(tx, notice_id).idempotency_key
    refusal = make_response(outcome="refused_insufficient", received=60, key=key)
    casebook.decide(handlers.apply_response, refusal, now=at(60))
    with casebook.write() as tx:
        cases.set_status(tx, case_id, "review", now=at(61))

    with pytest.raises(acts.ActRefused, match="within 24 hours"):
        casebook.decide(acts.approve, case_id, DESK, by="Ada", now=at(3_600))
    again = casebook.decide(acts.approve, case_id, DESK, by="Ada", now=at(86_401))

    with casebook.read() as tx:
        notice = cases.notice_body(tx, again.notice_id or "")
    assert (notice.round, notice.revision) == (1, 2)
    assert notice.idempotency_key != key


def test_a_notice_withdrawn_before_anybody_had_it_is_never_sent(casebook: Casebook) -> None:
    notice_id, case_id = noticed(casebook)

    done = casebook.decide(acts.withdraw, notice_id, DESK, by="Ada", reason="a permit came", now=at(1))

    assert (done.told, done.by_person) == (False, False)
    assert lease(casebook, 2) == ()
    assert entries(casebook, notice_id) == [(None, "void")]
    assert types(casebook, case_id)[-2:] == ["withdrawn", "case_closed"]


def test_a_withdrawal_tells_the_platform_once_and_ends_every_clock(casebook: Casebook) -> None:
    notice_id, case_id = sent(casebook)

    done = casebook.decide(acts.withdraw, notice_id, DESK, by="Ada", reason="a permit came", now=at(30))
    with pytest.raises(acts.ActRefused, match="withdrawn already"):
        casebook.decide(acts.withdraw, notice_id, DESK, by="Ada", reason="again", now=at(31))
    [errand] = lease(casebook, 32)
    deliver(casebook, errand, 33)

    told = FollowUp.from_bytes(errand.body)
    with casebook.read() as tx:
        running = [d.kind for d in deadlines.of_item(tx, notice_id, case_id) if d.state == "pending"]
        row = cases.notice_by_id(tx, notice_id)
    assert done.told
    assert (told.kind, told.notice_key, told.reason) == ("withdrawal", row.idempotency_key, "a permit came")
    assert errand.idempotency_key != row.idempotency_key
    assert running == []
    assert row.sent_at == at(1), "the notice's own times are not the withdrawal's"
    assert entries(casebook, notice_id) == [(None, "delivered"), ("withdrawal", "delivered")]
    assert types(casebook, case_id)[-1] == "follow_up_sent"
    assert casebook.answer(looks.next_look) is None


def test_nothing_that_comes_after_a_withdrawal_sends_or_counts(casebook: Casebook) -> None:
    notice_id, _ = sent(casebook)
    with casebook.read() as tx:
        key = cases.notice_by_id(tx, notice_id).idempotency_key
    casebook.decide(acts.withdraw, notice_id, MUTE, by="Ada", reason="a permit came", now=at(30))

    late = make_response(outcome="actioned_removed", received=50, key=key)
    casebook.decide(handlers.apply_response, late, now=at(50))
    replayed = casebook.decide(handlers.take_detection, make_detection("1"), DESK, now=at(60))
    newer = casebook.decide(handlers.take_detection, make_detection("1", version="v9"), DESK, now=at(61))
    fired = casebook.decide(handlers.fire_deadlines, DESK, now=at(90_000))

    assert (replayed.result, newer.result, fired) == ("repeated", "joined", 0)
    assert (item(casebook, notice_id).claim, item(casebook, notice_id).outcome) == ("void", "withdrawn")
    assert lease(casebook, 90_000) == ()


def test_a_look_under_way_at_the_withdrawal_is_the_last_one(casebook: Casebook) -> None:
    notice_id, case_id = sent(casebook)
    found = item(casebook, notice_id)
    casebook.decide(acts.withdraw, notice_id, DESK, by="Ada", reason="a permit came", now=at(30))

    due = looks.LookDue(notice_id, case_id, "market", "1", found.url, found.content_hash)
    casebook.decide(
        handlers.take_look,
        due,
        Look("online", "test", at(31)),
        DESK,
        now=at(31),
        http_status=200,
        body_sha256=None,
        observer="verifier",
    )

    assert casebook.answer(looks.next_look) is None


def test_a_platform_that_takes_no_withdrawal_is_told_by_a_person(casebook: Casebook) -> None:
    notice_id, _ = sent(casebook)

    done = casebook.decide(acts.withdraw, notice_id, MUTE, by="Ada", reason="a permit came", now=at(30))

    assert (done.told, done.by_person) == (False, True)
    assert [one.step for one in casebook.answer(tasks.waiting)] == ["withdrawal"]


def test_a_withdrawal_that_cannot_be_delivered_becomes_a_task(casebook: Casebook) -> None:
    notice_id, case_id = sent(casebook)
    casebook.decide(acts.withdraw, notice_id, DESK, by="Ada", reason="a permit came", now=at(30))
    [errand] = lease(casebook, 31)

    refused = AttemptResult("refused", "not_found", 404)
    state = casebook.decide(handlers.not_delivered, errand, refused, DESK, now=at(32), chance=Random(1))

    assert state == "dead"
    assert len(casebook.answer(tasks.waiting)) == 1
    assert types(casebook, case_id)[-1] == "follow_up_failed"
    with casebook.read() as tx:
        assert cases.notice_by_id(tx, notice_id).delivery == "accepted"


def test_a_notice_that_is_being_sent_is_not_withdrawn_behind_its_back(casebook: Casebook) -> None:
    notice_id, _ = noticed(casebook)
    lease(casebook)

    with pytest.raises(acts.ActRefused, match="being sent at this moment"):
        casebook.decide(acts.withdraw, notice_id, DESK, by="Ada", reason="a permit came", now=at(1))


@pytest.mark.parametrize(
    ("word", "claim", "event"),
    [
        ("restricted-in-part", "restricted", "partially_restricted"),
        ("restricted-in-territory", "restricted", "partially_restricted"),
        ("seller-only", "restricted", "partially_restricted"),
        ("kept-lawful", "refused", "refused"),
        ("counter-notice", "countered", "countered"),
        ("appeal", "countered", "countered"),
        ("reinstated", "reinstated", "reinstated"),
        ("needs-information", "need_info", "information_requested"),
    ],
)
def test_what_a_platform_said_by_telephone_counts_like_any_answer(
    casebook: Casebook, word: str, claim: str, event: str
) -> None:
    notice_id, case_id = sent(casebook)

    changed = casebook.decide(acts.enter_answer, notice_id, word, by="Ada", now=at(40), said_at=at(20))
    again = casebook.decide(acts.enter_answer, notice_id, word, by="Ada", now=at(41), said_at=at(20))

    assert (changed, again) == (1, 0)
    assert item(casebook, notice_id).claim == claim
    assert types(casebook, case_id).count(event) == 1
    assert casebook.answer(inbox.counts)["applied"][0] == 1
    assert "new" not in casebook.answer(inbox.counts)


def test_a_counter_notice_after_a_removal_and_the_decision_on_it_are_in_order(casebook: Casebook) -> None:
    notice_id, _ = sent(casebook)
    words = [("removed", 20), ("counter-notice", 30), ("reinstated", 40)]

    for word, seconds in reversed(words):  # as they may well be entered
        casebook.decide(
            acts.enter_answer, notice_id, word, by="Ada", now=at(50 + seconds), said_at=at(seconds)
        )

    assert item(casebook, notice_id).claim == "reinstated"


@pytest.mark.parametrize("word", ["", "deleted", "REMOVED"])
def test_a_word_that_nobody_knows_is_refused_with_those_that_there_are(casebook: Casebook, word: str) -> None:
    notice_id, _ = sent(casebook)

    with pytest.raises(acts.ActRefused, match="use one of received, in-review"):
        casebook.decide(acts.enter_answer, notice_id, word, by="Ada", now=at(40))
