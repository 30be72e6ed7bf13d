"""The casebook and the handlers over it: every test runs on SQLite and on PostgreSQL."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from prometheus_client import CollectorRegistry

from schemas.errors import OperatorError
from schemas.notice import SlaPromise
from streams import cli
from streams.notices import handlers
from streams.notices.casebook import (
    cases,
    deadlines,
    events,
    figures,
    inbox,
    looks,
    offsets,
    outbox,
    sealing,
    tables,
)
from streams.notices.casebook.database import Casebook, Transaction
from streams.notices.casebook.outbox import AttemptResult, Leased
from streams.notices.clock import DeadlineClock
from streams.notices.handlers import Accepted
from streams.notices.intake import Batch, Record, take_batch
from streams.notices.item import Item, Look
from streams.notices.item import is_open as item_is_open
from streams.notices.metrics import NoticeMetrics
from streams.notices.policy import SlaTerms
from streams.sla.calendar import Calendar
from tests.support.notices import T0, at, make_desk, make_detection, make_listing, make_response
from tests.support.postgres import PostgresServer

DESK = make_desk()
LEASE = timedelta(seconds=10)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'casebook.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.fresh_database(server.template("casebook", lambda address: Casebook.open(address).close()))


@pytest.fixture
def casebook(url: str) -> Iterator[Casebook]:
    book = Casebook.open(url)
    yield book
    book.close()


def noticed(casebook: Casebook, listing_id: str = "1", **changes: object) -> str:
    detection = make_detection(listing_id, **changes)  # type: ignore[arg-type]
    taken = casebook.decide(handlers.take_detection, detection, DESK, now=T0)
    assert taken.result == "noticed"
    assert taken.notice_id is not None
    return taken.notice_id


def lease(casebook: Casebook, seconds: float = 0, worker: str = "w1") -> tuple[Leased, ...]:
    return casebook.decide(
        handlers.start_attempts,
        slots={"market": 10},
        now=at(seconds),
        hold_for=LEASE,
        worker=worker,
        desk=DESK,
    )


def deliver(casebook: Casebook, one: Leased, seconds: float = 1) -> bool:
    receipt = make_response(kind="receipt", outcome=None, received=seconds, key=one.idempotency_key)
    return casebook.decide(
        handlers.delivered,
        one,
        AttemptResult("accepted", None, 202),
        Accepted(receipt, at(seconds), "DESK-1"),
        DESK,
        now=at(seconds),
    )


def sent(casebook: Casebook, listing_id: str = "1") -> str:
    notice_id = noticed(casebook, listing_id)
    [one] = [one for one in lease(casebook) if one.notice_id == notice_id]
    assert deliver(casebook, one)
    return notice_id


def look(casebook: Casebook, notice_id: str, state: str, seconds: float) -> list[str]:
    with casebook.read() as tx:
        [item] = cases.items_of_notice(tx, notice_id)
    due = looks.LookDue(notice_id, item.case_id, item.platform, item.listing_id, item.url, item.content_hash)
    happened = casebook.decide(
        handlers.take_look,
        due,
        Look(state, "test", at(seconds)),  # type: ignore[arg-type]
        DESK,
        now=at(seconds),
        http_status=200,
        body_sha256=None,
        observer="verifier",
    )
    return [one.type for one in happened]


def item(casebook: Casebook, notice_id: str) -> Item:
    with casebook.read() as tx:
        [found] = cases.items_of_notice(tx, notice_id)
    return found


def answer(casebook: Casebook, notice_id: str, **changes: object) -> int:
    with casebook.read() as tx:
        key = cases.notice_by_id(tx, notice_id).idempotency_key
    response = make_response(key=key, **changes)  # type: ignore[arg-type]
    return casebook.decide(handlers.apply_response, response, now=response.received_at)


def states(casebook: Casebook, notice_id: str) -> dict[str, str]:
    with casebook.read() as tx:
        [found] = cases.items_of_notice(tx, notice_id)
        return {d.kind: d.state for d in deadlines.of_item(tx, notice_id, found.case_id)}


def types(casebook: Casebook, listing_id: str = "1") -> list[str]:
    with casebook.read() as tx:
        case = cases.hold_by_listing(tx, "market", listing_id) if casebook.is_sqlite else None
        case_id = (
            case.case_id
            if case
            else tx.execute(
                sa.select(tables.case.c.case_id).where(tables.case.c.listing_id == listing_id)
            ).scalar_one()
        )
        return [event.type for event in events.of_case(tx, case_id)]


class TestSchema:
    def test_the_migrations_make_exactly_the_tables_of_the_code(self, casebook: Casebook) -> None:
        with casebook.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})

            differences = compare_metadata(context, tables.metadata)

        assert differences == []

    def test_opening_twice_changes_nothing(self, url: str, casebook: Casebook) -> None:
        noticed(casebook)
        Casebook.open(url).close()

        with casebook.read() as tx:
            assert figures.totals(tx).notices == 1

    def test_newer_tables_are_refused_in_a_sentence(self, url: str, casebook: Casebook) -> None:
        with casebook.write() as tx:
            tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))

        with pytest.raises(OperatorError, match="9999"):
            Casebook.open(url)

    def test_instants_keep_their_microseconds_and_zone(self, casebook: Casebook) -> None:
        moment = at(0.123456)
        with casebook.write() as tx:
            offsets.take_lease(tx, "x", "me", now=moment, hold_for=timedelta(0))

        with casebook.read() as tx:
            assert tx.execute(sa.select(tables.lease.c.until)).scalar_one() == moment


class TestIntake:
    def test_a_detection_opens_one_case_and_writes_one_notice(self, casebook: Casebook) -> None:
        notice_id = noticed(casebook)

        with casebook.read() as tx:
            notice = cases.notice_body(tx, notice_id)
            totals = figures.totals(tx)
        assert (totals.cases, totals.notices, totals.waiting) == (1, 1, 1)
        assert notice.items[0].quotes[0].text == "ivory"
        assert types(casebook) == ["case_opened", "detected", "approved", "notice_queued"]

    def test_the_same_detection_again_changes_nothing(self, casebook: Casebook) -> None:
        noticed(casebook)

        taken = casebook.decide(handlers.take_detection, make_detection(), DESK, now=at(9))

        assert taken.result == "repeated"
        assert types(casebook) == ["case_opened", "detected", "approved", "notice_queued"]

    def test_a_new_verdict_on_a_noticed_listing_joins_its_case(self, casebook: Casebook) -> None:
        noticed(casebook)

        again = make_detection(version="v2", title="Carved ivory figure, reduced")
        taken = casebook.decide(handlers.take_detection, again, DESK, now=at(9))

        assert taken.result == "joined"
        with casebook.read() as tx:
            assert figures.totals(tx).notices == 1

    def test_review_waits_for_a_person_and_sends_nothing(self, casebook: Casebook) -> None:
        taken = casebook.decide(handlers.take_detection, make_detection(outcome="review"), DESK, now=T0)

        assert taken.result == "review"
        with casebook.read() as tx:
            assert figures.totals(tx).waiting == 0

    def test_a_platform_that_nobody_can_reach_goes_to_review(self, casebook: Casebook) -> None:
        taken = casebook.decide(handlers.take_detection, make_detection(platform="elsewhere"), DESK, now=T0)

        assert taken.result == "review"

    def test_a_rule_without_a_known_law_never_reaches_a_platform(self, casebook: Casebook) -> None:
        desk = handlers.Desk(DESK.platforms, DESK.sender, {}, DESK.render)

        taken = casebook.decide(handlers.take_detection, make_detection(), desk, now=T0)

        assert taken.result == "review"

    def test_batch_and_offset_are_one(self, casebook: Casebook) -> None:
        record = Record(0, 7, None, b"")
        batch = Batch(((record, make_detection()),), {0: (None, 8)})
        casebook.decide(take_batch, batch, DESK, now=T0)

        with pytest.raises(offsets.OffsetTaken):
            casebook.decide(
                take_batch,
                Batch(((record, make_detection("2")),), {0: (None, 8)}),
                DESK,
                now=T0,
            )

        with casebook.read() as tx:
            assert offsets.next_offsets(tx, "detections") == {0: 8}
            assert figures.totals(tx).cases == 1

    def test_replaying_the_topic_sends_nothing_again(self, casebook: Casebook) -> None:
        for listing_id in "1234":
            sent(casebook, listing_id)
        for listing_id in "1234":
            look(casebook, _notice(casebook, listing_id), "offline", 100)
            look(casebook, _notice(casebook, listing_id), "offline", 200)

        for listing_id in "1234":
            casebook.decide(handlers.take_detection, make_detection(listing_id), DESK, now=at(300))
            older = make_detection(listing_id, version="v2")
            casebook.decide(handlers.take_detection, older, DESK, now=at(300))

        with casebook.read() as tx:
            totals = figures.totals(tx)
        assert (totals.notices, totals.waiting) == (4, 0)

    def test_shown_again_after_its_removal_starts_the_next_round(self, casebook: Casebook) -> None:
        notice_id = sent(casebook)
        look(casebook, notice_id, "offline", 100)
        look(casebook, notice_id, "offline", 200)

        seen_again = make_detection(version="v2", observed_at=at(900))
        taken = casebook.decide(handlers.take_detection, seen_again, DESK, now=at(901))

        assert taken.result == "noticed"
        with casebook.read() as tx:
            notice = cases.notice_body(tx, str(taken.notice_id))
        assert (notice.round, notice.relisting_of) == (2, notice_id)

    def test_two_processes_open_one_case(self, casebook: Casebook) -> None:
        results: list[str] = []

        def take(version: str) -> None:
            detection = make_detection(version=version)
            results.append(casebook.decide(handlers.take_detection, detection, DESK, now=T0).result)

        threads = [threading.Thread(target=take, args=(f"v{n}",)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(results) == ["joined"] * 5 + ["noticed"]


def _notice(casebook: Casebook, listing_id: str) -> str:
    with casebook.read() as tx:
        return str(
            tx.execute(
                sa.select(tables.notice_item.c.notice_id).where(tables.notice_item.c.listing_id == listing_id)
            ).scalar_one()
        )


class TestDelivery:
    def test_a_leased_notice_is_not_given_to_another_sender(self, casebook: Casebook) -> None:
        noticed(casebook)

        assert len(lease(casebook)) == 1
        assert lease(casebook, 5, "w2") == ()

    def test_a_silent_senders_try_is_made_again_and_its_late_result_counts_for_nothing(
        self, casebook: Casebook
    ) -> None:
        noticed(casebook)
        [first] = lease(casebook)

        [second] = lease(casebook, 11, "w2")

        assert (second.attempt, second.idempotency_key, second.body) == (2, first.idempotency_key, first.body)
        assert deliver(casebook, first, 12) is False
        assert deliver(casebook, second, 13) is True
        with casebook.read() as tx:
            assert [w.state for w in outbox.waiting(tx)] == ["delivered"]
            results = tx.execute(sa.select(tables.attempt.c.result).order_by(tables.attempt.c.number))
            assert results.scalars().all() == ["late", "accepted"]

    def test_a_prolonged_lease_holds(self, casebook: Casebook) -> None:
        noticed(casebook)
        [one] = lease(casebook)
        casebook.decide(outbox.prolong, {one.idempotency_key: one.token}, until=at(60))

        assert lease(casebook, 30, "w2") == ()

    def test_a_failed_try_waits_and_asks_no_earlier_than_told(self, casebook: Casebook) -> None:
        noticed(casebook)
        [one] = lease(casebook)

        state = casebook.decide(
            handlers.not_delivered,
            one,
            AttemptResult("retry", "throttled", 429, 40.0),
            DESK,
            now=at(1),
            chance=Random(1),
        )

        assert state == "queued"
        assert lease(casebook, 40.9) == ()
        assert len(lease(casebook, 41)) == 1

    def test_tries_end_and_the_notice_is_undeliverable_and_can_be_put_back(self, casebook: Casebook) -> None:
        noticed(casebook)
        now, state = 0.0, ""
        for _ in range(3):
            [one] = lease(casebook, now)
            state = casebook.decide(
                handlers.not_delivered,
                one,
                AttemptResult("retry", "connect"),
                DESK,
                now=at(now),
                chance=Random(1),
            )
            now += 60

        assert state == "dead"
        assert lease(casebook, now) == ()
        casebook.decide(outbox.requeue, one.idempotency_key, now=at(now))
        [again] = lease(casebook, now)
        assert (again.body, again.attempt) == (one.body, 4)

    def test_a_refused_notice_is_not_tried_again(self, casebook: Casebook) -> None:
        notice_id = noticed(casebook)
        [one] = lease(casebook)

        casebook.decide(
            handlers.not_delivered,
            one,
            AttemptResult("refused", "invalid", 422),
            DESK,
            now=at(1),
            chance=Random(1),
        )

        assert lease(casebook, 9_999) == ()
        assert states(casebook, notice_id) == {"acknowledge": "cancelled"}

    def test_each_platform_has_its_own_places(self, casebook: Casebook) -> None:
        for listing_id in "12345":
            noticed(casebook, listing_id)

        leased = casebook.decide(
            handlers.start_attempts,
            slots={"market": 2, "other": 9},
            now=T0,
            hold_for=LEASE,
            worker="w",
            desk=DESK,
        )

        assert len(leased) == 2


@pytest.mark.parametrize(
    ("stated", "counts_from"),
    [
        pytest.param(None, 9, id="it says nothing: the 2xx"),
        pytest.param(3, 3, id="an earlier try had arrived"),
        pytest.param(-60, 0, id="its clock is behind: not before our first try"),
        pytest.param(60, 9, id="its clock is ahead: not after our 2xx"),
    ],
)
def test_the_platforms_time_starts_when_it_had_the_notice(stated: float | None, counts_from: float) -> None:
    said = None if stated is None else at(stated)

    assert handlers.received_by(said, first_attempt_at=T0, accepted_at=at(9)) == at(counts_from)


class TestAnswers:
    def test_the_same_answer_twice_is_one_transition(self, casebook: Casebook) -> None:
        notice_id = sent(casebook)

        assert answer(casebook, notice_id, received=60) == 1
        assert answer(casebook, notice_id, received=60) == 0
        assert types(casebook).count("removal_claimed") == 1

    def test_the_inbox_keeps_one_of_a_repeated_webhook(self, casebook: Casebook) -> None:
        def store(tx: sa.Connection) -> bool:
            return inbox.store(
                tx,
                platform="market",
                channel="webhook",
                source_id="msg_1",
                received_at=T0,
                body=b"{}",
                headers={"Authorization": "secret", "webhook-id": "msg_1"},
            )

        assert [casebook.decide(store), casebook.decide(store)] == [True, False]
        [received] = casebook.answer(inbox.new, limit=9)
        assert received.headers == {"webhook-id": "msg_1"}

    def test_an_answer_to_a_notice_we_never_sent_is_kept_for_a_person(self, casebook: Casebook) -> None:
        with casebook.write() as tx:
            inbox.store(
                tx,
                platform="market",
                channel="webhook",
                source_id="m",
                received_at=T0,
                body=b"{}",
                headers={},
            )
        [received] = casebook.answer(inbox.new, limit=9)

        result = casebook.decide(handlers.take_inbox, received, [make_response()], now=T0)

        assert result == "quarantined"
        assert casebook.answer(inbox.new, limit=9) == ()

    def test_an_answer_that_was_set_aside_is_shown_and_read_again_with_its_time_of_receipt(
        self,
        url: str,
        casebook: Casebook,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        casebook.decide(
            inbox.store,
            platform="market",
            channel="webhook",
            source_id="m",
            received_at=T0,
            body=b'{"word": "\x1b[2Jgone"}',
            headers={},
        )
        [received] = casebook.answer(inbox.new, limit=9)
        why = {"state": "quarantined", "reason": "unmapped", "detail": "no such word"}
        casebook.decide(inbox.finish, received.inbox_id, now=at(5), **why)
        monkeypatch.setenv("DATABASE_URL", url)
        number = str(received.inbox_id)

        assert cli.main(["notices", "answers", "--show", number]) == 0
        shown = capsys.readouterr().out
        who = ["--as", "Ada", "--reason", "the word is in the table"]
        assert cli.main(["notices", "answers", "--again", number, *who]) == 0
        [again] = casebook.answer(inbox.new, limit=9)

        assert "unmapped: no such word" in shown
        assert "\\x1b[2Jgone" in shown
        assert again == received
        assert cli.main(["notices", "answers", "--again", number, *who]) == 2
        assert "No answer" in capsys.readouterr().err
        assert casebook.answer(sealing.verify).breaks == ()

    def test_an_answer_about_another_platforms_notice_is_refused(self, casebook: Casebook) -> None:
        notice_id = sent(casebook)
        with casebook.read() as tx:
            key = cases.notice_by_id(tx, notice_id).idempotency_key
        foreign = make_response(key=key).model_copy(update={"platform": "other"})

        with pytest.raises(handlers.UnknownNotice):
            casebook.decide(handlers.apply_response, foreign, now=T0)


class TestDeadlines:
    def test_silence_fires_each_deadline_once(self, casebook: Casebook) -> None:
        notice_id = noticed(casebook)
        lease(casebook)

        assert casebook.decide(handlers.fire_deadlines, DESK, now=at(59.9)) == 0
        assert casebook.decide(handlers.fire_deadlines, DESK, now=at(60)) == 1
        assert casebook.decide(handlers.fire_deadlines, DESK, now=at(61)) == 0
        assert states(casebook, notice_id) == {"acknowledge": "missed"}

    def test_after_a_stop_overdue_ones_fire_at_once_with_both_times(self, casebook: Casebook) -> None:
        sent(casebook)

        casebook.decide(handlers.fire_deadlines, DESK, now=at(9_999))

        with casebook.read() as tx:
            rows = tx.execute(sa.select(tables.deadline).where(tables.deadline.c.state == "missed")).all()
        assert {(r.kind, r.due_at, r.fired_at) for r in rows} == {
            ("decide", at(601), at(9_999)),
            ("remove", at(3_601), at(9_999)),
        }

    def test_an_answer_in_time_that_is_applied_late_rescinds_the_breach(self, casebook: Casebook) -> None:
        notice_id = sent(casebook)
        casebook.decide(handlers.fire_deadlines, DESK, now=at(700))

        answer(casebook, notice_id, received=600)

        assert states(casebook, notice_id)["decide"] == "met"
        assert "deadline_rescinded" in types(casebook)

    def test_an_answer_too_late_rescinds_nothing(self, casebook: Casebook) -> None:
        notice_id = sent(casebook)
        casebook.decide(handlers.fire_deadlines, DESK, now=at(700))

        answer(casebook, notice_id, received=602)

        assert states(casebook, notice_id)["decide"] == "missed"

    def test_a_late_answer_applied_before_firing_still_fires(self, casebook: Casebook) -> None:
        notice_id = sent(casebook)
        answer(casebook, notice_id, received=602)

        casebook.decide(handlers.fire_deadlines, DESK, now=at(603))

        assert states(casebook, notice_id)["decide"] == "missed"

    def test_only_what_was_seen_meets_the_removal_deadline(self, casebook: Casebook) -> None:
        notice_id = sent(casebook)
        answer(casebook, notice_id, received=60)
        assert states(casebook, notice_id)["remove"] == "pending"

        look(casebook, notice_id, "offline", 100)
        look(casebook, notice_id, "offline", 200)

        assert states(casebook, notice_id)["remove"] == "met"

    def test_gone_from_sight_when_due_waits_for_proof_and_then_is_met(self, casebook: Casebook) -> None:
        notice_id = sent(casebook)
        look(casebook, notice_id, "offline", 3_600)

        casebook.decide(handlers.fire_deadlines, DESK, now=at(3_602))
        assert states(casebook, notice_id)["remove"] == "watching"

        look(casebook, notice_id, "offline", 3_700)
        assert states(casebook, notice_id)["remove"] == "met"

    def test_gone_from_sight_when_due_but_back_at_the_next_look_is_missed(self, casebook: Casebook) -> None:
        notice_id = sent(casebook)
        look(casebook, notice_id, "offline", 3_600)
        casebook.decide(handlers.fire_deadlines, DESK, now=at(3_602))

        look(casebook, notice_id, "online", 3_700)

        assert states(casebook, notice_id)["remove"] == "missed"

    def test_a_refusal_ends_the_duty_to_remove(self, casebook: Casebook) -> None:
        notice_id = sent(casebook)

        answer(casebook, notice_id, outcome="refused_lawful", received=50)

        assert states(casebook, notice_id) == {"acknowledge": "met", "decide": "met", "remove": "cancelled"}

    def test_a_look_is_planned_for_the_moment_the_removal_is_due(self, casebook: Casebook) -> None:
        notice_id = sent(casebook)
        look(casebook, notice_id, "online", 950)

        with casebook.read() as tx:
            assert looks.next_look(tx) == at(3_601)


def ask(casebook: Casebook, notice_id: str, seconds: float, **changes: object) -> None:
    answer(casebook, notice_id, kind="need_info", outcome=None, received=seconds, **changes)


def tell(casebook: Casebook, notice_id: str, seconds: float) -> int:
    return casebook.decide(
        handlers.information_given, notice_id, given_at=at(seconds), sha256="0" * 64, actor="person"
    )


def rows(casebook: Casebook, notice_id: str) -> dict[str, tuple[str, object]]:
    with casebook.read() as tx:
        [found] = cases.items_of_notice(tx, notice_id)
        return {d.kind: (d.state, d.due_at) for d in deadlines.of_item(tx, notice_id, found.case_id)}


def events_of(casebook: Casebook, notice_id: str, kind: str) -> list[dict[str, object]]:
    with casebook.read() as tx:
        [found] = cases.items_of_notice(tx, notice_id)
        return [dict(e.data) for e in events.of_case(tx, found.case_id) if e.type == kind]


def fire(casebook: Casebook, seconds: float) -> int:
    return casebook.decide(handlers.fire_deadlines, DESK, now=at(seconds))


class TestQuestions:
    """The platform asks for information; decide is due 600 s and remove 3,600 s after :01."""

    @pytest.fixture
    def terms(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        def agree(need_info: str, **more: object) -> None:
            terms = SlaTerms(need_info=need_info, **more)  # type: ignore[arg-type]
            monkeypatch.setitem(globals(), "DESK", make_desk(terms=terms))

        return agree

    @pytest.mark.parametrize(
        ("rule", "decide", "remove"), [("run", 601, 3_601), ("pause", 801, 3_801), ("restart", 900, 3_900)]
    )
    def test_each_rule_moves_the_deadlines_as_was_agreed(
        self, casebook: Casebook, terms: Callable[..., None], rule: str, decide: float, remove: float
    ) -> None:
        terms(rule)
        notice_id = sent(casebook)

        ask(casebook, notice_id, 100)
        tell(casebook, notice_id, 300)

        found = rows(casebook, notice_id)
        assert found["acknowledge"][0] == "met"
        assert found["decide"] == ("pending", at(decide))
        assert found["remove"] == ("pending", at(remove))

    def test_while_it_waits_for_us_nothing_fires_and_then_once(
        self, casebook: Casebook, terms: Callable[..., None]
    ) -> None:
        terms("pause")
        notice_id = sent(casebook)
        ask(casebook, notice_id, 100)

        assert fire(casebook, 1_000_000) == 0
        assert {rows(casebook, notice_id)[kind][0] for kind in ("decide", "remove")} == {"paused"}
        tell(casebook, notice_id, 1_000_000)
        assert fire(casebook, 1_000_500) == 0
        assert fire(casebook, 1_000_501) == 1
        assert fire(casebook, 1_000_502) == 0
        assert rows(casebook, notice_id)["decide"] == ("missed", at(1_000_501))

    def test_every_move_is_an_event_that_says_why(
        self, casebook: Casebook, terms: Callable[..., None]
    ) -> None:
        terms("restart")
        notice_id = sent(casebook)
        ask(casebook, notice_id, 100)
        tell(casebook, notice_id, 300)

        told = [e for e in events_of(casebook, notice_id, "deadline_set") if e["kind"] == "decide"]

        assert [(e.get("why"), e["due_at"]) for e in told] == [
            (None, at(601).isoformat()),
            ("paused", None),
            ("restarted", at(900).isoformat()),
        ]
        assert (told[0]["limit"], told[0]["unit"], told[0]["need_info"]) == (600 / 3_600, "hours", "restart")
        assert "information_given" in types(casebook)

    def test_a_decision_without_our_information_ends_the_pause(
        self, casebook: Casebook, terms: Callable[..., None]
    ) -> None:
        terms("restart")
        notice_id = sent(casebook)
        ask(casebook, notice_id, 100)

        answer(casebook, notice_id, received=5_000)

        assert rows(casebook, notice_id)["decide"] == ("met", at(5_501))
        assert rows(casebook, notice_id)["remove"] == ("pending", at(8_501))

    def test_a_question_in_time_that_is_applied_late_rescinds_the_breach(
        self, casebook: Casebook, terms: Callable[..., None]
    ) -> None:
        terms("pause")
        notice_id = sent(casebook)
        assert fire(casebook, 700) == 1

        ask(casebook, notice_id, 600)
        assert rows(casebook, notice_id)["decide"][0] == "paused"
        assert len(events_of(casebook, notice_id, "deadline_rescinded")) == 1

        tell(casebook, notice_id, 800)
        assert rows(casebook, notice_id)["decide"] == ("pending", at(801))

    def test_a_question_after_the_deadline_excuses_nothing(
        self, casebook: Casebook, terms: Callable[..., None]
    ) -> None:
        terms("pause")
        notice_id = sent(casebook)
        fire(casebook, 700)

        ask(casebook, notice_id, 650)

        assert rows(casebook, notice_id)["decide"] == ("missed", at(601))
        assert rows(casebook, notice_id)["remove"][0] == "paused"

    @pytest.mark.parametrize(
        ("rule", "expected", "rescinded"),
        [("pause", ("missed", at(651)), 0), ("restart", ("pending", at(1_250)), 1)],
    )
    def test_a_question_heard_of_after_our_answer_counts_for_its_time(
        self,
        casebook: Casebook,
        terms: Callable[..., None],
        rule: str,
        expected: tuple[str, object],
        rescinded: int,
    ) -> None:
        terms(rule)
        notice_id = sent(casebook)
        fire(casebook, 620)
        tell(casebook, notice_id, 650)
        question = make_response(kind="need_info", outcome=None, received=600, key=_key(casebook, notice_id))

        casebook.decide(handlers.apply_response, question, now=at(700))

        assert rows(casebook, notice_id)["decide"] == expected
        assert len(events_of(casebook, notice_id, "deadline_rescinded")) == rescinded

    def test_a_question_after_the_decision_stops_no_removal(
        self, casebook: Casebook, terms: Callable[..., None]
    ) -> None:
        terms("pause")
        notice_id = sent(casebook)
        answer(casebook, notice_id, received=60)

        ask(casebook, notice_id, 100)

        assert rows(casebook, notice_id)["remove"] == ("pending", at(3_601))

    def test_in_whatever_order_it_is_applied_the_deadlines_are_the_same(
        self, casebook: Casebook, terms: Callable[..., None]
    ) -> None:
        terms("pause")
        orders = list(permutations(("ask", "tell", "again", "decide")))
        ended = set()
        for number, order in enumerate(orders):
            notice_id = sent(casebook, str(number))
            for step in (*order, *order):
                if step == "ask":
                    ask(casebook, notice_id, 100)
                elif step == "again":
                    ask(casebook, notice_id, 400, response_id=f"again-{number}")
                elif step == "decide":
                    answer(casebook, notice_id, received=500)
                elif step in order and not events_of(casebook, notice_id, "information_given"):
                    tell(casebook, notice_id, 300)
            ended.add(tuple(sorted(rows(casebook, notice_id).items())))

        # Met before a question was applied, or after: the verdict is one; the removal's time too.
        assert {dict(one)["remove"] for one in ended} == {("pending", at(3_901))}
        assert {dict(one)["decide"][0] for one in ended} == {"met"}

    def test_an_echo_of_a_settled_question_stops_nothing(
        self, casebook: Casebook, terms: Callable[..., None]
    ) -> None:
        terms("pause")
        notice_id = sent(casebook)
        ask(casebook, notice_id, 100)
        tell(casebook, notice_id, 300)

        ask(casebook, notice_id, 350, said=100, response_id="polled")

        assert rows(casebook, notice_id)["decide"] == ("pending", at(801))

    def test_a_question_that_overtakes_the_receipt_stops_the_clock_from_its_start(
        self, casebook: Casebook, terms: Callable[..., None]
    ) -> None:
        terms("pause")
        notice_id = noticed(casebook)
        [one] = lease(casebook)
        ask(casebook, notice_id, 0.5)
        assert deliver(casebook, one)

        assert rows(casebook, notice_id)["decide"][0] == "paused"
        tell(casebook, notice_id, 1_000)
        assert rows(casebook, notice_id)["decide"] == ("pending", at(1_600))

    def test_a_changed_agreement_moves_no_running_deadline(
        self, casebook: Casebook, terms: Callable[..., None]
    ) -> None:
        terms("pause")
        notice_id = sent(casebook)
        terms("restart")

        ask(casebook, notice_id, 100)
        tell(casebook, notice_id, 300)

        assert rows(casebook, notice_id)["decide"] == ("pending", at(801))

    def test_a_look_is_planned_for_the_new_moment(
        self, casebook: Casebook, terms: Callable[..., None]
    ) -> None:
        terms("pause")
        notice_id = sent(casebook)
        ask(casebook, notice_id, 100)
        tell(casebook, notice_id, 300)
        look(casebook, notice_id, "online", 950)

        with casebook.read() as tx:
            assert looks.next_look(tx) == at(3_801)

    def test_gone_while_the_clock_stands_is_in_time(
        self, casebook: Casebook, terms: Callable[..., None]
    ) -> None:
        terms("pause")
        notice_id = sent(casebook)
        ask(casebook, notice_id, 100)
        look(casebook, notice_id, "offline", 90_000)
        look(casebook, notice_id, "offline", 90_100)

        assert rows(casebook, notice_id)["remove"][0] == "met"

    def test_working_days_end_at_the_addressees_midnight(
        self, casebook: Casebook, terms: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        promise = SlaPromise(policy="p", source="s", remove_s=2 * 86_400, clock="business")
        agreed = SlaTerms("working_days", Calendar("Europe/Berlin", "DE"), "pause")
        monkeypatch.setitem(globals(), "DESK", make_desk(sla=promise, terms=agreed))
        notice_id = sent(casebook)  # on Monday, 2 March 2026

        assert rows(casebook, notice_id) == {
            "remove": ("pending", datetime(2026, 3, 4, 23, tzinfo=UTC)),
        }
        ask(casebook, notice_id, 86_400)
        tell(casebook, notice_id, 2 * 86_400)  # on Wednesday: Thursday and Friday are its two days
        assert rows(casebook, notice_id)["remove"] == ("pending", datetime(2026, 3, 6, 23, tzinfo=UTC))
        [first, *_] = events_of(casebook, notice_id, "deadline_set")
        assert "tzdata" in str(first["edition"])


@pytest.mark.slow
class TestStoppedService:
    async def test_a_thousand_overdue_deadlines_fire_once_each_within_two_seconds(
        self, url: str, casebook: Casebook
    ) -> None:
        def silence(tx: Transaction) -> None:
            for number in range(1_000):
                handlers.take_detection(tx, make_detection(str(number)), DESK, now=T0)
            handlers.start_attempts(
                tx, slots={"market": 1_000}, now=T0, hold_for=LEASE, worker="w1", desk=DESK
            )

        async def nothing_to_drain(_: datetime) -> int:
            return 0

        casebook.decide(silence)
        # A busy machine only adds to the wall clock; where all the work is this process's own, count that.
        clock_s = time.process_time if url.startswith("sqlite") else time.monotonic
        started = clock_s()
        restarted = [Casebook.open(url) for _ in range(2)]  # two services at once
        clocks = [
            DeadlineClock(
                book,
                DESK,
                NoticeMetrics(CollectorRegistry()),
                drain=nothing_to_drain,
                tick_s=0,
                clock=lambda: at(86_400),
            )
            for book in restarted
        ]
        await asyncio.gather(*(clock.step() for clock in clocks))
        took = clock_s() - started
        for book in restarted:
            book.close()

        with casebook.read() as tx:
            states = tx.execute(
                sa.select(tables.deadline.c.state, sa.func.count()).group_by(tables.deadline.c.state)
            ).all()
            missed = tx.execute(
                sa.select(tables.case_event.c.case_id).where(tables.case_event.c.type == "deadline_missed")
            ).scalars()
            cases_missed = list(missed)
        assert [tuple(row) for row in states] == [("missed", 1_000)]
        assert (len(cases_missed), len(set(cases_missed))) == (1_000, 1_000)
        assert took < 2, took


class TestLooks:
    def test_back_again_starts_the_next_round_by_itself(self, casebook: Casebook) -> None:
        notice_id = sent(casebook)
        look(casebook, notice_id, "offline", 100)
        look(casebook, notice_id, "offline", 200)

        look(casebook, notice_id, "online", 5_000)

        [second] = lease(casebook, 5_001)
        with casebook.read() as tx:
            notice = cases.notice_body(tx, second.notice_id)
        assert (notice.round, notice.relisting_of) == (2, notice_id)
        assert "appearance 2" in notice.reasons
        assert second.idempotency_key != _key(casebook, notice_id)

    def test_gone_before_it_was_sent_is_not_sent(self, casebook: Casebook) -> None:
        notice_id = noticed(casebook)
        look(casebook, notice_id, "offline", 1)

        look(casebook, notice_id, "offline", 100)

        assert lease(casebook, 200) == ()
        with casebook.read() as tx:
            assert cases.notice_by_id(tx, notice_id).delivery == "void"

    def test_one_look_at_a_time(self, casebook: Casebook) -> None:
        sent(casebook)

        first = casebook.decide(looks.lease, now=at(2), hold_for=LEASE, limit=5)
        second = casebook.decide(looks.lease, now=at(3), hold_for=LEASE, limit=5)

        assert (len(first), len(second)) == (1, 0)


def _key(casebook: Casebook, notice_id: str) -> str:
    with casebook.read() as tx:
        return cases.notice_by_id(tx, notice_id).idempotency_key


class TestAudit:
    def test_the_chain_holds_over_a_cases_life(self, casebook: Casebook) -> None:
        notice_id = sent(casebook)
        answer(casebook, notice_id, received=60)
        look(casebook, notice_id, "offline", 100)

        verdict = casebook.answer(sealing.verify)

        assert verdict.rows > verdict.things > len(types(casebook))
        assert verdict.breaks == ()

    @pytest.mark.parametrize(
        "tampering",
        [
            pytest.param("UPDATE audit SET actor = 'me' WHERE position = 2", id="a changed row"),
            pytest.param("DELETE FROM audit WHERE position = 3", id="a removed row"),
            pytest.param(
                "DELETE FROM audit WHERE position = (SELECT max(position) FROM audit)", id="a cut tail"
            ),
            pytest.param(
                "UPDATE case_event SET body = (SELECT e.body FROM case_event AS e WHERE e.sequence = 1)",
                id="a changed event",
            ),
            pytest.param("DELETE FROM case_event WHERE sequence = 2", id="a removed event"),
            pytest.param("UPDATE audit_head SET position = position + 1", id="a moved head"),
        ],
    )
    def test_tampering_shows(self, casebook: Casebook, tampering: str) -> None:
        sent(casebook)
        with casebook.write() as tx:
            tx.execute(sa.text(tampering))

        assert casebook.answer(sealing.verify).breaks != ()


def standing_of(casebook: Casebook) -> tuple[int, int]:
    """Deadlines that run, and those that are late, over all platforms and duties."""
    with casebook.read() as tx:
        rows = figures.deadlines_standing(tx)
    return sum(row.pending for row in rows), sum(row.late for row in rows)


class TestFigures:
    def test_open_in_sql_is_open_in_the_decision(self, casebook: Casebook) -> None:
        refused, gone, silent, back = (sent(casebook, listing_id) for listing_id in "1234")
        answer(casebook, refused, outcome="refused_lawful")
        for seconds in (100, 200):
            look(casebook, gone, "offline", seconds)
            look(casebook, back, "offline", seconds)
        look(casebook, back, "online", 900)

        with casebook.read() as tx:
            [market] = figures.open_notices(tx)
            every = [item(casebook, n) for n in (refused, gone, silent, back)]
        assert market.count == sum(item_is_open(one) for one in every) == 1

    def test_a_missed_deadline_is_late_as_long_as_its_notice_is_open(self, casebook: Casebook) -> None:
        open_one, removed = sent(casebook, "1"), sent(casebook, "2")
        before = standing_of(casebook)

        casebook.decide(handlers.fire_deadlines, DESK, now=at(10_000_000))
        missed = standing_of(casebook)
        for seconds in (10_000_100, 10_000_200):
            look(casebook, removed, "offline", seconds)

        late = [sum(state == "missed" for state in states(casebook, n).values()) for n in (open_one, removed)]
        assert min(late) > 0
        assert (before[0] > 0, before[1]) == (True, 0)
        assert missed[1] == sum(late)
        assert standing_of(casebook)[1] == late[0]

    def test_events_are_published_in_order_and_once_marked_not_again(self, casebook: Casebook) -> None:
        sent(casebook)

        waiting = casebook.answer(events.unpublished, 100)
        casebook.decide(events.mark_published, [one.position for one in waiting])

        assert [one.type for one in waiting] == types(casebook)
        assert casebook.answer(events.unpublished, 100) == ()

    def test_one_relay_at_a_time(self, casebook: Casebook) -> None:
        def take(holder: str, seconds: float) -> bool:
            return casebook.decide(
                offsets.take_lease, "relay", holder, now=at(seconds), hold_for=timedelta(seconds=30)
            )

        assert [take("a", 0), take("b", 1), take("a", 20), take("b", 40), take("b", 51)] == [
            True,
            False,
            True,
            False,
            True,
        ]


@pytest.mark.parametrize(
    "address",
    [
        "mysql://host/db",
        "sqlite://",
        "not a url",
        "postgresql://nobody:nothing@127.0.0.1:1/none",
        "sqlite:////dev/null/casebook.db",
    ],
)
def test_a_wrong_address_is_one_sentence(address: str) -> None:
    with pytest.raises(OperatorError) as caught:
        Casebook.open(address)

    assert "\n" not in str(caught.value)
    assert "nothing" not in str(caught.value)


def test_listing_text_reaches_the_notice_unchanged() -> None:
    hostile = make_listing(title="<script>\u202eivory\x00")

    assert make_detection(title=hostile.title).listing.title == hostile.title


def test_writers_that_want_each_others_cases_do_not_wait_for_ever(casebook: Casebook) -> None:
    """Delivery, looks, deadlines and intake at once over the same cases, from many threads."""
    names = [str(number) for number in range(12)]
    for name in names:
        noticed(casebook, name)
    notices = {name: _notice(casebook, name) for name in names}
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        chance = Random(seed)
        try:
            for step in range(12):
                batch = [make_detection(name, version=f"v{seed}-{step}") for name in chance.sample(names, 6)]
                moves = {seed: (None if step == 0 else step, step + 1)}
                casebook.decide(
                    take_batch,
                    Batch(tuple((Record(seed, step, None, b""), one) for one in batch), moves),
                    DESK,
                    now=at(step),
                )
                look(casebook, notices[chance.choice(names)], "online", step)
                for one in lease(casebook, 20 * step, f"w{seed}"):
                    deliver(casebook, one, 20 * step + 1)
                casebook.decide(handlers.fire_deadlines, DESK, now=at(9_999))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    verdict = casebook.answer(sealing.verify, ())
    assert failures == []
    assert verdict.breaks == ()
    assert verdict.rows > 200
    assert casebook.retried <= 1
