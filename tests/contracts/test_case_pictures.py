"""A case has the hashes of its listing's pictures, sealed with its verdicts; on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from schemas.detection import Detection
from schemas.listing import Image
from streams.notices import acts, handlers
from streams.notices.casebook import desk_pages, erasure, events, sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.desk_pages import CasePage
from streams.notices.casebook.viewer import Viewer
from tests.support.notices import at, make_desk
from tests.support.postgres import PostgresServer
from tests.unit.streams.notices.test_pictures import ONE, TWO, found, verdict

DESK = make_desk()
OFFICER = Viewer("a", "ada", "Ada", "officer")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def casebook(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Casebook]:
    url = f"sqlite:///{tmp_path / 'casebook.db'}"
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.fresh_database(
            server.template("casebook", lambda address: Casebook.open(address).close())
        )
    book = Casebook.open(url)
    yield book
    book.close()


BARE = verdict(Image(url=ONE), Image(url=TWO))
KNOWN = verdict(Image(url=ONE, fetched=found("a", -10)), Image(url=TWO))


def take(casebook: Casebook, detection: Detection, seconds: float) -> handlers.Taken:
    return casebook.decide(handlers.take_detection, detection, DESK, now=at(seconds))


def page(casebook: Casebook, case_id: str) -> CasePage:
    with casebook.read() as tx:
        shown = desk_pages.case(tx, OFFICER, case_id)
    assert shown is not None
    return shown


@pytest.mark.parametrize("outcome", ["notify", "review"])
def test_what_is_found_after_the_case_opened_joins_its_evidence(casebook: Casebook, outcome: str) -> None:
    bare, known = (one.model_copy(update={"outcome": outcome}) for one in (BARE, KNOWN))
    opened = take(casebook, bare, 0)
    assert opened.case_id is not None
    before = page(casebook, opened.case_id).pictures
    joined = take(casebook, known, 20)
    after = page(casebook, opened.case_id).pictures

    assert (joined.case_id, joined.notice_id) == (opened.case_id, None)
    assert [(row.url, row.fetched) for row in before.rows] == [(ONE, None), (TWO, None)]
    assert [(row.url, row.fetched) for row in after.rows] == [(ONE, found("a", -10)), (TWO, None)]
    with casebook.read() as tx:
        told = [event.data for event in events.of_case(tx, opened.case_id) if event.type == "detected"]
        verdict_of_the_chain = sealing.verify(tx)
    assert [(one["pictures"], one["pictures_fetched"]) for one in told] == [(2, 0), (2, 1)]
    assert verdict_of_the_chain.holds


def test_a_hash_that_was_changed_later_is_found_by_the_audit(casebook: Casebook) -> None:
    taken = take(casebook, KNOWN, 0)
    other = verdict(Image(url=ONE, fetched=found("b", -10)), Image(url=TWO)).to_bytes()
    with casebook.engine.begin() as connection:
        connection.execute(sa.update(t.detection).values(body=other))
    with casebook.read() as tx:
        breaks = [one.what for one in sealing.verify(tx).breaks]

    assert taken.case_id is not None
    assert breaks == [f"detection:{KNOWN.detection_id} was changed after it was sealed"]


def test_a_case_whose_listing_names_no_picture_says_so(casebook: Casebook) -> None:
    taken = take(casebook, verdict(), 0)
    assert taken.case_id is not None

    assert page(casebook, taken.case_id).pictures.rows == ()
    with casebook.read() as tx:
        told = [event.data for event in events.of_case(tx, taken.case_id) if event.type == "detected"]
    assert [(one["pictures"], one["pictures_fetched"]) for one in told] == [(0, 0)]


def test_what_was_erased_of_pictures_is_gone_and_counted(casebook: Casebook) -> None:
    taken = take(casebook, KNOWN.model_copy(update={"outcome": "review"}), 0)
    assert taken.case_id is not None
    casebook.decide(acts.dismiss, taken.case_id, by="Ada", reason="a reproduction", now=at(5))
    decision = erasure.Decision("de_1", "request", "Ada", "a request", "GDPR Article 17")
    casebook.decide(erasure.erase, decision, case_ids=[taken.case_id], now=at(10))
    left = page(casebook, taken.case_id).pictures

    assert (left.verdicts, left.erased, left.rows) == (1, 1, ())
