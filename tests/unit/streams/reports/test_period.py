"""Which time a report is about."""

from datetime import UTC, datetime

import pytest

from schemas.errors import OperatorError
from streams.reports.period import between, named
from tests.support.notices import T0, at


@pytest.mark.parametrize(
    ("name", "since", "until"),
    [
        ("2026", (2026, 1, 1), (2027, 1, 1)),
        ("2026-Q1", (2026, 1, 1), (2026, 4, 1)),
        ("2026-Q4", (2026, 10, 1), (2027, 1, 1)),
        ("2026-02", (2026, 2, 1), (2026, 3, 1)),
        ("2026-12", (2026, 12, 1), (2027, 1, 1)),
    ],
)
def test_named_periods(name: str, since: tuple[int, int, int], until: tuple[int, int, int]) -> None:
    found = named(name)

    assert (found.since, found.until) == (datetime(*since, tzinfo=UTC), datetime(*until, tzinfo=UTC))


@pytest.mark.parametrize(
    "name", ["", "2026-13", "2026-00", "2026-Q5", "26", "2026-1", "1999-10", "2026-10-05"]
)
def test_what_is_no_period_is_said_to_be_none(name: str) -> None:
    with pytest.raises(OperatorError, match="2026-Q4"):
        named(name)


def test_times() -> None:
    assert between("36h", None, at(36 * 3_600)).since == T0
    assert between("2026-03-02T09:00:00+00:00", None, at(0)).since == T0
    assert between("2026-03-02", "2026-03-03", at(0)).until == datetime(2026, 3, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "until", "told"),
    [
        ("yesterday", None, "--since 'yesterday'"),
        (None, "soon", "--until 'soon'"),
        ("999999d", None, "is not a time"),
        ("1d", "2d", "exchange them"),
    ],
)
def test_what_is_no_time_is_told(since: str | None, until: str | None, told: str) -> None:
    with pytest.raises(OperatorError, match=told):
        between(since, until, T0)
