"""A casebook with a few cases in it, of every kind of row that is sealed."""

from datetime import timedelta
from random import Random

from schemas.report import Report, Reporter
from streams.notices import acts, handlers
from streams.notices.acts import webhooks
from streams.notices.casebook import (
    accounts,
    cases,
    erasure,
    exhibits,
    filed,
    frozen,
    inbox,
    legal_holds,
    list_changes,
    looks,
    outbox,
    tasks,
)
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.exhibits import Exhibit
from streams.notices.casebook.frozen import Frozen
from streams.notices.casebook.outbox import AttemptResult, Leased
from streams.notices.casebook.viewer import Viewer
from streams.notices.handlers import Accepted
from streams.notices.handlers.follow_ups import follow_up_key
from streams.notices.item import Look
from tests.support.notices import T0, at, make_desk, make_detection, make_response

DESK = make_desk()


def fill(casebook: Casebook, listings: int, *, page: str = "c" * 64) -> list[str]:
    """Write that many notices, deliver them, answer, look, and let deadlines pass; returns their ids.

    ``page`` is the hash of the evidence that every notice gets.
    """
    notices = []
    for number in range(listings):
        taken = casebook.decide(handlers.take_detection, make_detection(str(number)), DESK, now=T0)
        assert taken.notice_id is not None
        notices.append(taken.notice_id)
    for seconds in (0, 20):
        for one in _lease(casebook, seconds, listings):
            if seconds == 0 and notices.index(one.notice_id) % 3 == 0:
                failed = AttemptResult("retry", "server_error", 503)
                casebook.decide(
                    handlers.not_delivered, one, failed, DESK, now=at(seconds + 1), chance=Random(1)
                )
                continue
            receipt = make_response(
                kind="receipt", outcome=None, received=seconds + 1, key=one.idempotency_key
            )
            casebook.decide(
                handlers.delivered,
                one,
                AttemptResult("accepted", None, 202, reply=b'{"ok":true}'),
                Accepted(receipt, at(seconds + 1), "DESK-1"),
                DESK,
                now=at(seconds + 1),
            )
    for number, notice_id in enumerate(notices):
        with casebook.read() as tx:
            key = cases.notice_by_id(tx, notice_id).idempotency_key
            [item] = cases.items_of_notice(tx, notice_id)
        response = make_response(key=key, received=60 + number, response_id=f"r{number}")
        casebook.decide(
            inbox.store,
            platform="market",
            channel="webhook",
            source_id=f"s/{number}",
            received_at=response.received_at,
            body=response.to_bytes(),
            headers={"Content-Type": "application/json"},
        )
        casebook.decide(handlers.apply_response, response, now=response.received_at)
        for seconds in (200, 300):
            due = looks.LookDue(notice_id, item.case_id, "market", item.listing_id, item.url, "a" * 64)
            casebook.decide(
                handlers.take_look,
                due,
                Look("offline" if number % 2 else "online", "test", at(seconds)),
                DESK,
                now=at(seconds),
                http_status=404,
                body_sha256="b" * 64,
                observer="verifier",
            )
        exhibit = Exhibit(
            notice_id, item.case_id, "listing_page", page, "application/warc", 10, at(200), "verifier"
        )
        casebook.decide(exhibits.add, exhibit)
    report = Frozen("sla", "2026-02", at(3_000), "A. Person", "d" * 64, b"{}", b"[]", 1, "e" * 64)
    assert casebook.decide(frozen.freeze, report)
    casebook.decide(handlers.fire_deadlines, DESK, now=at(4_000))
    guard(casebook, notices[0])
    return notices


def guard(casebook: Casebook, notice_id: str) -> None:
    """One act of every kind that keeps notices back, and what follows a notice."""
    with casebook.read() as tx:
        [item] = cases.items_of_notice(tx, notice_id)
        key = cases.notice_by_id(tx, notice_id).idempotency_key
    case_id = item.case_id
    decide = casebook.decide
    ada = Viewer("a1", "ada", "Ada", "analyst")
    decide(accounts.log_access, ada, act="case", subject=case_id, now=at(4_102))
    report = Report(
        report_id="r_" + "A" * 20,
        received_at=at(4_103),
        reporter=Reporter(kind="citizen"),
        url="https://market.example/listing/7",
        what="A tusk",
        picture_sha256="d" * 64,
    )
    decide(filed.file, report, origin="o", allowance=filed.Allowance(), picture_size=9, now=at(4_103))
    decide(filed.decide, report.report_id, "merged", by="ada", case_id=case_id, reason="it", now=at(4_104))
    kim = Viewer("a2", "kim", "Kim", "platform", "market")
    decide(webhooks.propose_address, "market", "https://desk.example", by=kim, now=at(4_103))
    hours = timedelta(hours=1)
    decide(webhooks.make_secret, "market", sealed="s", mark="m", overlap=hours, by=kim, now=at(4_103))
    decide(webhooks.give_up_secret, "market", by=kim, now=at(4_103))
    answer = casebook.answer(inbox.new, limit=1)[0].inbox_id
    decide(inbox.finish, answer, state="quarantined", reason="unmapped", now=at(4_103))
    decide(acts.read_again, answer, by="Ada", reason="a new word", now=at(4_103))
    decide(acts.stop_sending, "rule", "ivory", by="Ada", reason="wrong rule", now=at(4_103))
    decide(acts.resume_sending, "rule", "ivory", by="Ada", now=at(4_104))
    decide(acts.approve_excess, "market", 5, by="Ada", reason="seizure", now=at(4_105))
    until = at(9_000)
    decide(acts.allow_rule, "market", "ivory", by="Ada", reason="mended", until=until, now=at(4_106))
    decide(
        tasks.add,
        notice_id=notice_id,
        case_id=case_id,
        platform="market",
        step="regulator",
        why="silence",
        now=at(4_107),
    )
    task = casebook.answer(tasks.waiting)[0]
    decide(acts.finish_task, task.task_id, by="Ada", note="telephoned", now=at(4_108))
    decide(
        outbox.add,
        idempotency_key=follow_up_key("reminder", key, "reminder"),
        notice_id=notice_id,
        platform="market",
        purpose="reminder",
        recipient=None,
        body=b"{}",
        content_type="application/json",
        now=at(4_107),
    )
    decide(legal_holds.place, case_id, by="Ada", reason="a court asks", now=at(4_109))
    decide(legal_holds.lift, case_id, by="Ben", reason="the court is done", now=at(4_109))
    decision = erasure.Decision("de_1", "request", "Ada", "a request", "GDPR Article 17")
    decide(erasure.erase, decision, report_ids=[report.report_id], now=at(4_109))
    entry = decide(
        acts.change_entry,
        "e-1",
        target="active",
        body=b"{}",
        writes=b"[]",
        replaces=b"[]",
        by="Ada",
        reason="seen",
        now=at(4_109),
    )
    decide(list_changes.finish, entry.change_id, how="written", now=at(4_109))
    decide(acts.ask_hold, case_id, by="Ada", reason="case 17", expires_at=at(9_000), now=at(4_110))
    decide(acts.confirm_hold, case_id, by="Ben", now=at(4_111))
    decide(acts.release_hold, case_id, by="Ada", now=at(4_112))


def _lease(casebook: Casebook, seconds: float, most: int) -> tuple[Leased, ...]:
    return casebook.decide(
        handlers.start_attempts,
        slots={"market": most},
        now=at(seconds),
        hold_for=timedelta(seconds=10),
        worker="w1",
        desk=DESK,
    )
