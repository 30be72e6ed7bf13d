"""Two cases about one matter become one; every test runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from streams.notices import acts, handlers
from streams.notices.casebook import cases, events, review, sealing
from streams.notices.casebook.database import Casebook
from tests.support.fresh import fresh_url
from tests.support.notices import T0, at, make_desk, make_detection

DESK = make_desk()
TOLD = {"by": "Ada", "reason": "the same carving, offered twice"}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def casebook(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Casebook]:
    book = Casebook.open(fresh_url(request, tmp_path), migrate=False)
    yield book
    verdict = book.answer(sealing.verify)
    book.close()
    assert verdict.breaks == ()


def in_review(casebook: Casebook, listing_id: str, platform: str = "market") -> str:
    found = make_detection(listing_id, outcome="review", platform=platform)
    return str(casebook.decide(handlers.take_detection, found, DESK, now=T0).case_id)


def told(casebook: Casebook, case_id: str) -> list[tuple[str, dict[str, object]]]:
    with casebook.read() as tx:
        return [(event.type, event.data) for event in events.of_case(tx, case_id)]


def refused(casebook: Casebook, case_id: str, into: str, **changes: str) -> str:
    with pytest.raises(acts.ActRefused) as error:
        casebook.decide(acts.merge, case_id, into, now=at(5), **{**TOLD, **changes})
    return error.value.reason


def test_the_closed_case_points_at_the_other_and_both_keep_their_time_lines(casebook: Casebook) -> None:
    one, other = in_review(casebook, "1"), in_review(casebook, "2")
    before = told(casebook, one), told(casebook, other)

    casebook.decide(acts.merge, one, other, now=at(5), **TOLD)

    after = told(casebook, one), told(casebook, other)
    assert after[0] == [*before[0], ("merged", {"into": other, **TOLD})]
    url = "https://market.example/listing/1"
    assert after[1] == [*before[1], ("merged", {"from": one, "url": url, **TOLD})]
    with casebook.read() as tx:
        assert review.merged_into(tx, one) == other
        assert review.merged_into(tx, other) is None
        assert [found.case_id for found in review.in_review(tx)] == [other]


def test_nothing_is_sent_for_it_also_when_its_listing_is_found_again(casebook: Casebook) -> None:
    one, other = in_review(casebook, "1"), in_review(casebook, "2")
    casebook.decide(acts.merge, one, other, now=at(5), **TOLD)

    again = make_detection("1", version="v2")
    taken = casebook.decide(handlers.take_detection, again, DESK, now=at(60))
    noticed = casebook.decide(acts.approve, other, DESK, by="Ada", now=at(61))

    assert (taken.case_id, taken.result, taken.notice_id) == (one, "joined", None)
    assert noticed.notice_id
    with casebook.read() as tx:
        assert cases.latest_item(tx, one) is None
        assert tx.exec_driver_sql("SELECT count(*) FROM outbox").scalar_one() == 1
    with pytest.raises(acts.ActRefused, match="its status is merged"):
        casebook.decide(acts.approve, one, DESK, by="Ada", now=at(62))


def test_what_cannot_be_merged_is_refused_and_changes_nothing(casebook: Casebook) -> None:
    one, other, far = in_review(casebook, "1"), in_review(casebook, "2"), in_review(casebook, "3", "bazaar")
    gone, held, closed = (in_review(casebook, number) for number in ("4", "5", "6"))
    noticed = str(casebook.decide(handlers.take_detection, make_detection("7"), DESK, now=T0).case_id)
    casebook.decide(acts.dismiss, gone, now=at(1), **TOLD)
    ends = T0 + timedelta(hours=2)
    casebook.decide(acts.ask_hold, held, by="Ada", reason="unit X asks", expires_at=ends, now=at(1))
    casebook.decide(acts.merge, closed, one, now=at(1), **TOLD)
    before = [told(casebook, case_id) for case_id in (one, other, far, gone, held, closed, noticed)]

    assert refused(casebook, one, one) == "same_case"
    assert refused(casebook, one, far) == "other_platform"
    assert refused(casebook, one, gone) == "decided"
    assert refused(casebook, one, closed) == "decided"
    assert refused(casebook, held, one) == "held"
    assert refused(casebook, noticed, one) == "not_in_review"
    assert refused(casebook, one, other, reason=" ") == "no_reason"
    assert [told(casebook, case_id) for case_id in (one, other, far, gone, held, closed, noticed)] == before


def test_a_case_that_has_a_notice_is_merged_only_when_it_was_withdrawn(casebook: Casebook) -> None:
    other = in_review(casebook, "2")
    taken = casebook.decide(handlers.take_detection, make_detection("1"), DESK, now=T0)
    case_id, notice_id = str(taken.case_id), str(taken.notice_id)
    casebook.decide(cases.set_status, case_id, "review", now=at(1))
    standing = refused(casebook, case_id, other)

    casebook.decide(acts.withdraw, notice_id, DESK, by="Ada", reason="twice", now=at(2))
    casebook.decide(cases.set_status, case_id, "review", now=at(3))
    casebook.decide(acts.merge, case_id, other, now=at(5), **TOLD)

    assert standing == "noticed_already"
    assert told(casebook, case_id)[-1][0] == "merged"
