"""What a platform's configuration says of its time becomes limits, calendar and question rule."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.registry import load_platforms
from schemas.errors import OperatorError
from streams.notices.bridge import policy_of
from streams.notices.policy import PlatformPolicy, SlaTerms, due_dates, limit_of
from streams.sla.calendar import Calendar
from streams.sla.clock import Limit

FILE = """
platforms:
  - name: example-market
    kind: sandbox
    base_url: https://desk.example.org/
    secret: env:SECRET
    {country}
    sla: {{{sla}}}
"""
NAMED = "policy: p, source: clause 4, "
DAYS = NAMED + "clock: business, decide_s: 86400, remove_s: 432000"
FRIDAY = datetime(2026, 4, 3, 8, 0, tzinfo=UTC)


def policy(tmp_path: Path, sla: str, country: str = "country: DE") -> PlatformPolicy:
    file = tmp_path / "platforms.yaml"
    file.write_text(FILE.format(sla=sla, country=country), encoding="utf-8")
    [config] = load_platforms(file)
    return policy_of(config)


def test_seconds_by_the_wall_are_what_they_were(tmp_path: Path) -> None:
    found = policy(tmp_path, NAMED + "acknowledge_s: 0.5, remove_s: 7201")

    assert found.terms == SlaTerms()
    assert found.sla is not None
    assert found.sla.clock == "wall"
    assert [due_at.isoformat() for _, _, due_at in due_dates(found.sla, [("acknowledge", FRIDAY)])] == [
        "2026-04-03T08:00:00.500000+00:00"
    ]
    assert limit_of(found.sla, "decide", found.terms) is None


def test_working_days_are_those_of_the_platforms_country(tmp_path: Path) -> None:
    found = policy(tmp_path, DAYS + ", need_info: pause")

    assert found.terms == SlaTerms("working_days", Calendar("Europe/Berlin", "DE"), "pause")
    assert found.sla is not None
    assert found.sla.clock == "business"
    assert limit_of(found.sla, "remove", found.terms) == Limit(5, "working_days", "pause")
    # Good Friday; Monday is Easter Monday: Tuesday is the first working day, and the next Monday the fifth.
    [(_, _, decide), (_, _, remove)] = due_dates(
        found.sla, [("decide", FRIDAY), ("remove", FRIDAY)], found.terms
    )
    assert decide == datetime(2026, 4, 7, 22, tzinfo=UTC)
    assert remove == datetime(2026, 4, 13, 22, tzinfo=UTC)


def test_zone_and_calendar_can_be_named(tmp_path: Path) -> None:
    named = policy(tmp_path, DAYS + ", zone: America/Denver, calendar: US-CO", "country: US")
    weekends = policy(tmp_path, DAYS + ", zone: Asia/Dubai, calendar: none", "")

    assert named.terms.calendar == Calendar("America/Denver", "US-CO")
    assert weekends.terms.calendar == Calendar("Asia/Dubai", None)


def test_a_regime_sets_limits_clock_and_question_rule(tmp_path: Path) -> None:
    order = policy(tmp_path, "regime: tco-removal-order", "")
    notice = policy(tmp_path, "regime: gpsr-notice, calendar: DE-BY")

    assert order.sla is not None
    assert notice.sla is not None
    assert (order.sla.policy, order.sla.remove_s, order.terms.need_info) == (
        "tco-removal-order",
        3_600,
        "restart",
    )
    assert "unchecked" in notice.sla.source
    assert limit_of(notice.sla, "decide", notice.terms) == Limit(3, "working_days", "run")
    assert notice.terms.calendar == Calendar("Europe/Berlin", "DE-BY")


@pytest.mark.parametrize(
    ("sla", "country", "told"),
    [
        (DAYS, "country: US", "example-market, sla: .*US has no single time zone.*zone"),
        (DAYS, "", "example-market, sla: .*country is not known"),
        (DAYS + ", zone: Europe/Berlin", "", "example-market, sla: .*calendar"),
        (DAYS + ", zone: Mars/Base", "country: DE", "example-market, sla, zone: .*Mars/Base"),
        (DAYS + ", calendar: DE-XX", "country: DE", "example-market, sla, calendar: .*DE-XX"),
        (NAMED + "clock: business, remove_s: 3600", "country: DE", "multiple of 86400"),
        (NAMED + "remove_s: 3600, zone: Europe/Berlin", "country: DE", "clock: business"),
        (NAMED + "remove_s: 3600, need_info: stop", "country: DE", "need_info"),
        ("policy: p, remove_s: 3600", "", "source is needed"),
        ("regime: tco-removal-order, remove_s: 7200", "", "the row sets the others"),
        ("regime: nothing", "", "example-market, sla: .*'nothing'.*tco-removal-order"),
        ("regime: netzdg-other", "country: DE", "example-market, sla: .*2024-05-13"),
        ("regime: gpsr-notice", "country: US", "example-market, sla: gpsr-notice: .*no single time zone"),
    ],
)
def test_what_cannot_be_counted_is_said_before_anything_is_sent(
    sla: str, country: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(OperatorError, match=told) as caught:
        policy(tmp_path, sla, country)
    assert "\n" not in str(caught.value)
