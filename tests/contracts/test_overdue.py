"""What is late and still open, in order, and what the ladder does next about it; on both databases."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from streams.notices import handlers
from streams.notices.casebook import overdue
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.outbox import AttemptResult
from streams.notices.casebook.viewer import Viewer
from streams.notices.handlers import Accepted, Desk
from streams.notices.next_step import NextStep, missed_duties, next_step
from streams.notices.policy import SlaTerms
from tests.contracts.test_guards import DECIDE_S, DESK, LADDER, answered, desk_with, fire, lease, noticed
from tests.support.fresh import fresh_url
from tests.support.notices import at

OFFICER = Viewer("a", "officer", "Officer", "officer")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def casebook(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Casebook]:
    book = Casebook.open(fresh_url(request, tmp_path), migrate=False)
    yield book
    book.close()


def sent(casebook: Casebook, listing_id: str = "1", desk: Desk = DESK, seconds: float = 0) -> tuple[str, str]:
    """A notice that was taken, and not acknowledged."""
    ids = noticed(casebook, listing_id, desk, at(seconds))
    for one in lease(casebook, seconds, desk):
        taken, nothing_said = AttemptResult("accepted", None, 202), Accepted(None, at(seconds), "DESK-1")
        casebook.decide(handlers.delivered, one, taken, nothing_said, desk, now=at(seconds))
    return ids


def coming(casebook: Casebook) -> list[NextStep]:
    found = casebook.answer(overdue.listed, OFFICER, limit=9)
    return [next_step(one, LADDER) for one in found]


def test_the_next_step_is_the_one_that_is_then_taken_and_at_that_time(casebook: Casebook) -> None:
    sent(casebook)
    assert coming(casebook) == [], "nothing is late yet"
    seen: list[tuple[str | None, str, str | None, tuple[str, ...]]] = []
    # Acknowledging was due before: the first step is still to come when the listing is already late.
    now = 0.3 * DECIDE_S
    while True:
        fire(casebook, now)
        [one] = coming(casebook)
        if one.stand != "waits":
            break
        seen.append((one.step, one.means, one.to, one.following))
        assert one.at is not None
        now = (one.at - at(0)) / timedelta(seconds=1)
        fire(casebook, now - 1)
        assert coming(casebook) == [one], "not before its time"

    assert seen == [
        ("reminder", "channel", None, ("contact", "manager", "regulator")),
        ("contact", "letter", "named.person@market.example", ("manager", "regulator")),
        ("manager", "person", None, ("regulator",)),
        ("regulator", "person", None, ()),
    ]
    [line] = casebook.answer(overdue.listed, OFFICER, limit=9)
    assert (one.stand, [name for name, _ in one.taken]) == ("ended", [step for step, *_ in seen])
    assert [waiting.step for waiting in line.waiting] == ["manager", "regulator"]
    assert [kind for kind, _ in missed_duties(line)] == ["acknowledge", "decide"]
    assert line.since == missed_duties(line)[0][1]


def test_a_step_whose_clock_stands_has_no_time(casebook: Casebook) -> None:
    desk = desk_with(ladder=LADDER, terms=SlaTerms(need_info="pause"))
    notice_id, _ = sent(casebook, desk=desk)
    fire(casebook, 0.3 * DECIDE_S)
    answered(casebook, notice_id, 0.31 * DECIDE_S, kind="need_info", outcome="need_info")

    [one] = coming(casebook)

    assert (one.stand, one.step, one.at) == ("stands", "reminder", None)


def test_an_answer_ends_the_ladder_but_not_what_we_see(casebook: Casebook) -> None:
    notice_id, _ = sent(casebook)
    fire(casebook, 0.3 * DECIDE_S)
    answered(casebook, notice_id, 0.4 * DECIDE_S, outcome="actioned_removed")

    [one] = coming(casebook)

    assert (one.stand, one.step) == ("decided", None)


def test_without_a_ladder_nothing_comes_next(casebook: Casebook) -> None:
    sent(casebook, desk=desk_with())
    fire(casebook, 2 * DECIDE_S)

    assert [one.stand for one in coming(casebook)] == ["none"]


def test_a_refusal_settles_it(casebook: Casebook) -> None:
    notice_id, _ = sent(casebook)
    fire(casebook, 0.3 * DECIDE_S)
    answered(casebook, notice_id, 0.4 * DECIDE_S, outcome="refused_lawful")

    assert coming(casebook) == []


def test_the_longest_overdue_stands_first_and_pages_join(casebook: Casebook) -> None:
    for number in range(3):
        sent(casebook, str(number), seconds=number)
    fire(casebook, 0.5 * DECIDE_S)
    whole = casebook.answer(overdue.listed, OFFICER, limit=9)
    pages: list[overdue.Overdue] = []
    after: overdue.Place | None = None
    for _ in range(4):
        page = casebook.answer(overdue.listed, OFFICER, limit=1, after=after)
        pages += page
        after = (page[0].since, page[0].notice_id, page[0].case_id) if page else after

    assert pages == list(whole)
    assert [one.listing_id for one in whole] == ["0", "1", "2"]
    assert casebook.answer(overdue.listed, OFFICER, platform="other", limit=9) == ()
    written = at(1)
    later = casebook.answer(overdue.listed, OFFICER, since=written, limit=9)
    assert [one.listing_id for one in later] == ["1", "2"]
    earlier = casebook.answer(overdue.listed, OFFICER, until=written, limit=9)
    assert [one.listing_id for one in earlier] == ["0"]


def test_the_list_is_the_same_in_whatever_pieces_it_is_walked(
    casebook: Casebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        sent(casebook, str(number), seconds=number)
    fire(casebook, 1.5 * DECIDE_S)  # every listing has missed more than one duty
    wanted = (
        partial(overdue.listed),
        partial(overdue.listed, since=at(1)),
        partial(overdue.listed, until=at(3)),
        partial(overdue.listed, since=at(1), until=at(2)),
        partial(overdue.listed, platform="other"),
    )
    whole = [casebook.answer(one, OFFICER, limit=9) for one in wanted]
    monkeypatch.setattr(overdue, "WALKED", 1)
    monkeypatch.setattr(overdue, "MOST_WALKED", 1)

    for limit in (1, 2, 9):
        found = [casebook.answer(one, OFFICER, limit=limit) for one in wanted]
        assert found == [lines[:limit] for lines in whole]
    assert [len(lines) for lines in whole] == [4, 3, 3, 1, 0]
