"""Cases that share a seller, a contact or a picture are linked; on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from schemas.listing import Contact, Image, Seller
from streams.notices import handlers
from streams.notices.casebook import cases, desk_pages, events, links, looks
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.outbox import AttemptResult
from streams.notices.casebook.viewer import Viewer
from streams.notices.handlers import Accepted
from streams.notices.item import Look
from tests.support.notices import at, make_desk, make_detection, make_response
from tests.support.postgres import PostgresServer

DESK = make_desk()
PICTURE = "0123456789abcdef" * 4


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


def take(casebook: Casebook, listing_id: str, seconds: float = 0, **changes: Any) -> str:
    detection = make_detection(listing_id, **changes)
    taken = casebook.decide(handlers.take_detection, detection, DESK, now=at(seconds))
    assert taken.case_id is not None
    return taken.case_id


def told(casebook: Casebook, case_id: str) -> list[dict[str, Any]]:
    with casebook.read() as tx:
        return [event.data for event in events.of_case(tx, case_id) if event.type == "linked"]


def deliver(casebook: Casebook) -> None:
    """Deliver the one notice that waits."""
    [one] = casebook.decide(
        handlers.start_attempts,
        slots={"market": 10},
        now=at(1),
        hold_for=timedelta(seconds=10),
        worker="w",
        desk=DESK,
    )
    receipt = make_response(kind="receipt", outcome=None, received=1, key=one.idempotency_key)
    assert casebook.decide(
        handlers.delivered,
        one,
        AttemptResult("accepted", None, 202),
        Accepted(receipt, at(1), "DESK-1"),
        DESK,
        now=at(1),
    )


def see_gone(casebook: Casebook, case_id: str) -> str:
    """Two looks that find the listing gone; the notice's reference."""
    with casebook.read() as tx:
        item = cases.latest_item(tx, case_id)
        assert item is not None
        reference = cases.notice_by_id(tx, item.notice_id).human_reference
    due = looks.LookDue(item.notice_id, case_id, item.platform, item.listing_id, item.url, item.content_hash)
    for seconds, state in ((2, "online"), (100, "offline"), (400, "offline")):
        casebook.decide(
            handlers.take_look,
            due,
            Look(state, "test", at(seconds)),  # type: ignore[arg-type]
            DESK,
            now=at(seconds),
            http_status=404,
            body_sha256=None,
            observer="verifier",
        )
    return reference


def test_the_same_seller_elsewhere_is_linked_and_the_notice_says_so(casebook: Casebook) -> None:
    first = take(casebook, "1", seller=Seller(handle="Old Curios"))
    deliver(casebook)
    reference = see_gone(casebook, first)

    second = take(casebook, "2", 500, seller=Seller(handle="old curios"))
    unrelated = take(casebook, "3", 500, seller=Seller(handle="somebody else"))

    assert told(casebook, first) == []
    assert told(casebook, second) == [{"joins": ["seller"], "cases": [first], "after_removal": 1}]
    assert told(casebook, unrelated) == []
    with casebook.read() as tx:
        of_second = cases.latest_item(tx, second)
        assert of_second is not None
        reasons = cases.notice_body(tx, of_second.notice_id).reasons
    assert (
        f"It shares the seller with the listing of our notice {reference}, which we saw removed by "
        "2026-03-02 09:06:40 UTC." in reasons
    )


def test_a_picture_that_was_made_anew_is_found_on_another_platform(casebook: Casebook) -> None:
    cropped = f"{int(PICTURE, 16) ^ 0b1011 << 200:064x}"
    other = f"{int(PICTURE, 16) ^ (1 << 40) - 1:064x}"  # shares bands, and 40 bits differ
    first = take(casebook, "1", images=(Image(url="https://a.example/1", perceptual_hash=f"pdq:{PICTURE}"),))
    second = take(
        casebook,
        "2",
        platform="bazaar",
        images=(Image(url="https://b.example/1", perceptual_hash=f"pdq:{cropped}"),),
    )
    third = take(casebook, "3", images=(Image(url="https://a.example/3", perceptual_hash=f"pdq:{other}"),))

    assert told(casebook, second) == [{"joins": ["picture"], "cases": [first], "after_removal": 0}]
    assert told(casebook, third) == []


def test_it_is_told_once_and_the_page_shows_both_sides_as_far_as_one_may_see(casebook: Casebook) -> None:
    phone = (Contact(kind="phone", value="+84 90 555 01 99"),)
    mine = take(casebook, "1", contacts=phone)
    theirs = take(casebook, "2", platform="bazaar", contacts=phone)
    take(casebook, "1", 60, contacts=phone, version="v2")

    assert told(casebook, mine) == []
    assert [fact["cases"] for fact in told(casebook, theirs)] == [[mine]]
    officer = Viewer("a", "kim", "Kim", "officer")
    market = Viewer("b", "ann", "Ann", "platform", "market")
    with casebook.read() as tx:
        page = desk_pages.case(tx, officer, mine)
        own = desk_pages.case(tx, market, mine)
    assert page is not None
    assert [(one.case_id, one.joins, one.platform) for one in page.linked] == [
        (theirs, ("contact",), "bazaar")
    ]
    assert own is not None
    assert own.linked == ()


def test_of_a_dealer_with_very_many_the_newest_are_told(casebook: Casebook) -> None:
    many = [take(casebook, str(n), n, seller=Seller(handle="dealer")) for n in range(links.MOST + 5)]

    assert told(casebook, many[-1])[0]["cases"] == many[-2 : -links.MOST - 2 : -1]


def test_a_listing_that_shares_nothing_costs_no_question_about_others(casebook: Casebook) -> None:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    sa.event.listen(casebook.engine, "before_cursor_execute", note)
    take(casebook, "1", seller=Seller(handle="alone", account_id="a-1"))
    assert asked
    assert not [statement for statement in asked if "row_number" in statement]

    take(casebook, "2", seconds=1, seller=Seller(handle="alone", account_id="a-1"))
    assert [statement for statement in asked if "row_number" in statement]
