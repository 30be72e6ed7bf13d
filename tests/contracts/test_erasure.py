"""Personal data goes, and the chain says what went: on SQLite and on PostgreSQL."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from streams.notices import handlers
from streams.notices.casebook import (
    erasure,
    erasure_search,
    erasure_tables,
    figures,
    frozen,
    legal_holds,
    sealing,
)
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.erasure import Decision, NotErasable
from streams.notices.casebook.frozen import Frozen
from streams.notices.chain import ERASED
from streams.notices.intake import Batch, PrivacyKeyMissing, Record, take_batch, take_reports
from streams.privacy.erase import Asked, run
from streams.privacy.keys import PrivacyKeys
from streams.reports.frozen import corrections, facts_of
from streams.reports.ledger import Ledger
from tests.support.erasable import (
    DESK,
    LONG,
    Offer,
    event_types,
    finished_case,
    make_report,
    offer,
    where_named,
)
from tests.support.notices import T0, at, make_detection
from tests.support.postgres import PostgresServer

DECISION = Decision("de_1", "request", "Ada", "the person asked", "GDPR Article 17(1)(a)")
PAGE = b"WARC/1.1 a page"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def casebook(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Casebook]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'casebook.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.fresh_database(
            server.template("casebook", lambda address: Casebook.open(address).close())
        )
    book = Casebook.open(url)
    yield book
    book.close()


def erase(casebook: Casebook, *case_ids: str, seconds: float = LONG + 1) -> erasure.Erased:
    return casebook.decide(erasure.erase, DECISION, case_ids=case_ids, now=at(seconds))


def facts(casebook: Casebook) -> list[tuple[Any, ...]]:
    """What figures rest on, without the ids of listings."""
    with casebook.read() as tx:
        return sorted((one[0], *one[2:]) for one in figures.item_facts(tx))


def test_nothing_that_names_a_person_is_left_and_the_chain_holds(casebook: Casebook) -> None:
    case_id = finished_case(casebook, page=PAGE)
    before = facts(casebook)
    tables = {place.partition(".")[0] for place in where_named(casebook)}
    assert tables == {
        *("case_", "detection", "notice", "notice_item", "outbox", "attempt", "inbox", "response"),
        *("case_event", "filed_report", "hold", "answer_reading"),
    }

    gone = erase(casebook, case_id)

    assert where_named(casebook) == set()
    assert len(gone.files) == 1
    verdict = casebook.answer(sealing.verify)
    assert verdict.breaks == ()
    assert verdict.erased == len(gone.things) > 20
    assert facts(casebook) == before
    assert list(event_types(casebook, case_id))[-1] == "erased"


def test_a_person_is_told_what_was_erased_when_by_whom_and_why(casebook: Casebook) -> None:
    erase(casebook, finished_case(casebook, "1"), seconds=LONG + 5)
    erase(casebook, finished_case(casebook, "2"), seconds=LONG + 6)

    [told] = casebook.answer(lambda tx: tuple(erasure.decisions(tx)))
    assert (told.at, told.by, told.why) == (at(LONG + 5), "Ada", "the person asked")
    assert (told.cases, told.reports) == (2, 2)


TAMPERINGS: dict[str, Callable[[sa.Connection, str], None]] = {
    "a tombstone is removed": lambda tx, _: (tx.execute(sa.delete(erasure_tables.erasure)), None)[1],
    "a tombstone names another reason": lambda tx, _: (
        tx.execute(sa.update(erasure_tables.erasure).values(why="nothing")),
        None,
    )[1],
    "a tombstone names one thing more": lambda tx, _: _one_more(tx),
    "a body goes without a tombstone": lambda tx, other: (
        tx.execute(sa.update(t.detection).where(t.detection.c.case_id == other).values(body=b"{}")),
        None,
    )[1],
    "a row goes without a tombstone": lambda tx, other: (
        tx.execute(sa.delete(t.evidence).where(t.evidence.c.case_id == other)),
        None,
    )[1],
    "what is left is changed": lambda tx, other: (
        tx.execute(
            sa.update(t.notice_item).where(t.notice_item.c.case_id != other).values(url="https://a.example")
        ),
        None,
    )[1],
    "what was erased is put back": lambda tx, _: (
        tx.execute(sa.update(t.attempt).values(reply=b"{}")),
        None,
    )[1],
}


def _one_more(tx: sa.Connection) -> None:
    body = json.loads(tx.execute(sa.select(erasure_tables.erasure.c.body)).scalar_one())
    body.append(["event:c_none/1", "0" * 64, None])
    tx.execute(sa.update(erasure_tables.erasure).values(body=json.dumps(body).encode()))


def test_an_erasure_covers_only_what_it_names(casebook: Casebook) -> None:
    other = finished_case(casebook, "2", page=b"another")
    erase(casebook, finished_case(casebook, "1", page=PAGE))
    assert casebook.answer(sealing.verify).holds

    unseen = []
    for name, tampering in TAMPERINGS.items():
        with casebook.engine.connect() as connection:
            before = connection.begin()
            tampering(connection, other)
            if sealing.verify(connection).holds:
                unseen.append(name)
            before.rollback()

    assert unseen == []
    assert casebook.answer(sealing.verify).holds


def test_one_who_may_write_cannot_erase_without_saying_so(casebook: Casebook) -> None:
    """Through the front door: a row is sealed anew as erased, and no tombstone names it."""
    case_id = finished_case(casebook)
    with casebook.write() as tx:
        tx.execute(sa.update(t.detection).where(t.detection.c.case_id == case_id).values(body=b"{}"))
        [key] = tx.execute(sa.select(t.detection.c.detection_id)).scalars()
        sealing.keep(tx, sealing.DETECTION, key, at=T0, act=ERASED, plain=True)

    [found] = casebook.answer(sealing.verify).breaks
    assert "no tombstone says so" in found.what


def test_a_tombstone_of_what_was_never_sealed_so_shows(casebook: Casebook) -> None:
    erase(casebook, finished_case(casebook))
    with casebook.write() as tx:
        _one_more(tx)
        [key] = tx.execute(sa.select(erasure_tables.erasure.c.erasure_id)).scalars()
        tx.execute(sa.delete(erasure_tables.erasure).where(erasure_tables.erasure.c.erasure_id != key))
        sealing.keep(tx, sealing.ERASURE, key, at=T0)

    found = [one.what for one in casebook.answer(sealing.verify).breaks]
    assert any("names event:c_none/1, which was not sealed" in one for one in found)


def test_what_was_changed_is_not_covered_up_by_erasing_it(casebook: Casebook) -> None:
    case_id = finished_case(casebook)
    with casebook.engine.connect() as connection, connection.begin():
        connection.execute(sa.update(t.response).values(outcome="refused_lawful"))

    with pytest.raises(NotErasable, match="is not what was sealed"):
        erase(casebook, case_id)
    assert where_named(casebook)


def test_what_is_erased_was_sealed_under_a_salt_that_goes_with_it(casebook: Casebook) -> None:
    case_id = finished_case(casebook)
    with casebook.read() as tx:
        [key] = tx.execute(sa.select(t.detection.c.detection_id)).scalars()
        [before] = sealing.rows_about(tx, [f"detection:{key}"])
    assert before.salt is not None

    erase(casebook, case_id)

    with casebook.read() as tx:
        first, second = sealing.rows_about(tx, [f"detection:{key}"])
    assert (first.act, first.hash) == (before.act, before.hash)
    assert (first.salt, second.salt, second.act.act) == (None, None, ERASED)


def test_a_casebook_from_before_salts_holds_and_is_erased_from_all_the_same(
    casebook: Casebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(sealing, "fresh_salt", lambda: None)
        case_id = finished_case(casebook)
    with casebook.read() as tx:
        assert {row.salt for row in sealing.audit_rows(tx)} == {None}
    assert casebook.answer(sealing.verify).holds

    erase(casebook, case_id)

    assert casebook.answer(sealing.verify).holds
    assert where_named(casebook) == set()


@pytest.mark.parametrize("state", ["review", "notice under way", "legal hold"])
def test_what_is_open_or_under_a_legal_hold_is_refused_with_a_reason(casebook: Casebook, state: str) -> None:
    if state == "legal hold":
        case_id = finished_case(casebook)
        casebook.decide(legal_holds.place, case_id, by="Ada", reason="court of Brno", now=at(500))
        why = "is under legal hold by Ada: court of Brno"
    else:
        outcome = "review" if state == "review" else "notify"
        taken = casebook.decide(
            handlers.take_detection, make_detection("canary-9", outcome=outcome), DESK, now=T0
        )
        case_id = str(taken.case_id)
        why = "waits for a person" if state == "review" else "still owes a removal"

    with pytest.raises(NotErasable, match=why):
        erase(casebook, case_id)
    assert where_named(casebook)
    assert casebook.answer(lambda tx: tuple(erasure.decisions(tx))) == ()


def test_a_lifted_hold_holds_nothing(casebook: Casebook) -> None:
    case_id = finished_case(casebook)
    casebook.decide(legal_holds.place, case_id, by="Ada", reason="a court", now=at(500))
    casebook.decide(legal_holds.lift, case_id, by="Ben", reason="it is over", now=at(501))

    erase(casebook, case_id)

    assert casebook.answer(sealing.verify).holds


def test_a_frozen_period_keeps_its_figures_and_says_nothing_of_corrections(casebook: Casebook) -> None:
    case_id = finished_case(casebook)
    with casebook.read() as tx:
        rows = [facts_of(one) for one in figures.item_times(tx)]
    items = json.dumps(rows, sort_keys=True).encode()
    assert casebook.decide(
        frozen.freeze, Frozen("sla", "2026-03", at(LONG), "Ada", "d" * 64, b"{}", items, 1, "e" * 64)
    )

    erase(casebook, case_id)

    with casebook.read() as tx:
        kept = frozen.find(tx, "sla", "2026-03")
        now = figures.item_times(tx)
    assert kept is not None
    assert corrections(json.loads(kept.items), now) == ()
    assert (kept.document, kept.checksum) == (b"{}", "d" * 64)
    assert casebook.answer(sealing.verify).holds


def test_a_ledger_that_follows_counts_nothing_twice(casebook: Casebook) -> None:
    case_id = finished_case(casebook)
    ledger = Ledger(casebook)
    before = ledger.report(since=None, until=None, now=at(LONG + 9))

    erase(casebook, case_id)

    assert ledger.report(since=None, until=None, now=at(LONG + 9)) == before


def test_an_erased_case_is_shown_and_erased_again_without_harm(casebook: Casebook) -> None:
    case_id = finished_case(casebook)
    erase(casebook, case_id)

    again = erase(casebook, case_id, seconds=LONG + 2)

    assert again.things == ()
    assert casebook.answer(sealing.verify).holds


def test_an_account_is_found_by_its_id_its_handle_and_in_reports(casebook: Casebook) -> None:
    case_id = finished_case(casebook)
    finished_case(casebook, "2", seller="somebody")
    for name in ("canary-seller", "Canary-Seller", "canary-seller-4711"):
        found = casebook.answer(erasure_search.of_seller, "market", name)
        assert (found.case_ids, len(found.report_ids)) == ((case_id,), 1), name
    assert casebook.answer(erasure_search.of_seller, "elsewhere", "canary-seller").case_ids == ()
    assert casebook.answer(erasure_search.of_seller, "market", "canary").case_ids == ()
    names = {"canary-seller": "canary-seller-4711", "somebody": "somebody-4711"}
    assert {one.name for one in casebook.answer(erasure_search.handles)} == set(names)
    assert {one.name for one in casebook.answer(erasure_search.account_ids)} == set(names.values())


def test_what_was_erased_does_not_come_back_from_the_log_and_what_is_new_does(casebook: Casebook) -> None:
    keys = PrivacyKeys((b"k" * 32,))
    case_id = finished_case(casebook)
    asked = Asked(seller=("market", "canary-seller"))
    run(casebook, asked, DECISION, keys, now=at(LONG + 1), apply=True)
    shown = offer("1")
    elsewhere: Offer = {**shown, "listing_id": "canary-77", "url": "https://market.example/77"}
    again = make_detection(version="v2", **shown)
    other = make_detection(**elsewhere)
    later = make_detection(version="v2", **shown, observed_at=at(LONG + 2))
    stranger = make_detection("5", version="v2")

    def take(with_keys: PrivacyKeys | None) -> list[str]:
        records = tuple((Record(0, n, None, b""), one) for n, one in enumerate((again, other, stranger)))
        with casebook.write() as tx:
            return [one.result for one in take_batch(tx, Batch(records, {}), DESK, now=T0, keys=with_keys)]

    with pytest.raises(PrivacyKeyMissing):
        take(None)
    assert sorted(take(keys)) == ["erased", "erased", "noticed"]
    assert where_named(casebook) == set()
    mine, strange = (
        make_report("8"),
        make_report("9").model_copy(update={"listing": None, "url": "https://a.example"}),
    )
    reports = tuple((Record(0, n, None, b""), one) for n, one in enumerate((mine, strange)))
    assert casebook.decide(take_reports, Batch(reports, {}), now=T0, keys=keys) == ("erased", "filed")

    new = Batch(((Record(0, 9, None, b""), later),), {})
    [taken] = casebook.decide(take_batch, new, DESK, now=at(LONG + 3), keys=keys)
    assert taken.result == "noticed"
    assert taken.case_id != case_id
    assert "case_.seller" in where_named(casebook)
