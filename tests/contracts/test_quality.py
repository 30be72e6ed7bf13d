"""The week's sample and what is said of it; every test runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streams.notices import acts, handlers
from streams.notices.casebook import sampling, sealing
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.viewer import Viewer
from tests.support.fresh import fresh_url
from tests.support.notices import make_desk, make_detection

WEDNESDAY = datetime(2026, 3, 4, 12, tzinfo=UTC)
LATER = WEDNESDAY + timedelta(days=7)
WEEK = sampling.week_of(WEDNESDAY)
DESK = make_desk()
ADA, BEN = (Viewer(name, name, name, "analyst") for name in ("Ada", "Ben"))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def casebook(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Casebook]:
    book = Casebook.open(fresh_url(request, tmp_path), migrate=False)
    yield book
    verdict = book.answer(sealing.verify)
    book.close()
    assert verdict.breaks == ()


def write(
    casebook: Casebook, number: int, *, approved_by: str | None = None, at: datetime = WEDNESDAY
) -> str:
    outcome = "review" if approved_by else "notify"
    found = make_detection(str(number), outcome=outcome)
    taken = casebook.decide(handlers.take_detection, found, DESK, now=at)
    if approved_by:
        taken = casebook.decide(acts.approve, str(taken.case_id), DESK, by=approved_by, now=at)
    return str(taken.notice_id)


def drawn(casebook: Casebook, week: sampling.Week = WEEK) -> tuple[sampling.Sampled, ...]:
    return casebook.answer(sampling.sample, BEN, week)


def check(casebook: Casebook, notice_id: str, viewer: Viewer = BEN, **changes: object) -> None:
    given = {"right": True, "reason": "it offers ivory", "now": LATER, **changes}
    casebook.decide(acts.check_quality, viewer, WEEK, notice_id, **given)  # type: ignore[arg-type]


def test_a_weeks_sample_is_the_same_whenever_it_is_drawn_and_of_both_kinds(casebook: Casebook) -> None:
    write(casebook, 200, at=WEEK.until)
    write(casebook, 201, at=WEEK.since - timedelta(seconds=1))
    assert drawn(casebook) == ()
    automatic = {write(casebook, number) for number in range(13)}
    approved = {write(casebook, 100 + number, approved_by="Ada") for number in range(4)}
    first = drawn(casebook)
    check(casebook, first[0].notice_id)
    again = drawn(casebook)

    chosen = [one.notice_id for one in first]
    assert [one.notice_id for one in again] == chosen
    assert chosen == sorted(chosen, key=lambda one: sampling.place_in(WEEK, one))
    assert (len(set(chosen) & automatic), len(set(chosen) & approved)) == (sampling.EACH, 4)
    assert [one.reviewer for one in first if one.notice_id in approved] == ["Ada"] * 4
    other = sorted(automatic, key=lambda one: sampling.place_in(sampling.week_of(WEEK.until), one))
    assert other != sorted(automatic, key=lambda one: sampling.place_in(WEEK, one)), "each week draws anew"


def test_a_verdict_is_kept_once_sealed_and_given_by_another_person(casebook: Casebook) -> None:
    by_rule, approved = write(casebook, 1), write(casebook, 2, approved_by="Ben")
    check(casebook, by_rule, right=False, reason="a  plastic\ncopy")
    check(casebook, approved, ADA)

    [one, other] = casebook.answer(sampling.verdicts, since=WEDNESDAY)
    assert (one.notice_id, one.right, one.reason) == (by_rule, False, "a plastic copy")
    assert (one.by, one.automatic, one.rules) == ("Ben", True, ("ivory",))
    assert (other.notice_id, other.right, other.automatic) == (approved, True, False)
    assert {found.notice_id: found.verdict for found in drawn(casebook)} == {by_rule: one, approved: other}
    assert casebook.answer(sampling.verdicts, since=LATER + timedelta(seconds=1)) == ()


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("same_person", {"viewer": Viewer("x", "ada ", "x", "analyst")}),
        ("no_reason", {"reason": " "}),
        ("not_sampled", {"now": WEEK.until - timedelta(seconds=1)}),
        ("not_sampled", {"notice_id": "another"}),
        ("not_sampled", {"viewer": Viewer("x", "x", "x", "platform", "bazaar")}),
    ],
    ids=["who approved it", "no reason", "week not over", "not drawn", "not theirs to see"],
)
def test_what_says_nothing_is_refused(casebook: Casebook, reason: str, changes: dict[str, object]) -> None:
    given = {"notice_id": write(casebook, 1, approved_by="Ada"), **changes}

    with pytest.raises(acts.ActRefused) as refused:
        check(casebook, **given)  # type: ignore[arg-type]

    assert refused.value.reason == reason
    assert casebook.answer(sampling.verdicts, since=WEDNESDAY) == ()


def test_a_second_verdict_is_refused(casebook: Casebook) -> None:
    notice_id = write(casebook, 1)
    check(casebook, notice_id)

    with pytest.raises(acts.ActRefused, match="Ben has looked at") as refused:
        check(casebook, notice_id, ADA, right=False)

    assert refused.value.reason == "done"
    assert [one.right for one in casebook.answer(sampling.verdicts, since=WEDNESDAY)] == [True]


@pytest.mark.parametrize(
    ("name", "since"),
    [
        ("2026-W01", "2025-12-29"),
        ("2026-W53", "2026-12-28"),
        ("2027-W53", None),
        ("2026-W00", None),
        ("x", None),
    ],
)
def test_weeks_are_those_of_iso_8601(name: str, since: str | None) -> None:
    week = sampling.week_named(name)

    assert (week and f"{week.since:%Y-%m-%d}") == since
    assert week is None or (week.name, week.until - week.since) == (name, timedelta(days=7))
