"""The regimes file: what it says, and what is said of a wrong one."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.errors import OperatorError
from streams.sla.calendar import Calendar
from streams.sla.clock import Extension, Limit
from streams.sla.regimes import Regimes, built_in, calendar_of, load_regimes, parse_regimes

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ROW = """
  - id: {id}
    regime: {regime}
    platforms: {platforms}
    kinds: {kinds}
    clock: wall
    unit: hours
    limits: {{remove: {hours}}}
    need_info: run
    source: clause 1
    valid_from: {since}
    checked: true
"""


def row(**changes: object) -> str:
    fields: dict[str, object] = {
        "id": "one",
        "regime": "R",
        "platforms": "[]",
        "kinds": "[]",
        "hours": 1,
        "since": "2020-01-01",
    }
    return ROW.format(**{**fields, **changes})


def parse(*rows: str) -> Regimes:
    return parse_regimes("rows:" + "".join(rows), "mine.yaml")


def found(rows: Regimes, **changes: object) -> str | None:
    wanted: dict[str, object] = {"platform": "market", "severity": "high", "kind": "art16", "at": NOW}
    chosen = rows.find("R", **{**wanted, **changes})  # type: ignore[arg-type]
    return chosen.id if chosen else None


class TestBuiltIn:
    def test_one_hour_that_a_clarification_restarts(self) -> None:
        row = built_in().find("TCO", platform="any", severity="high", kind="tco_order", at=NOW)

        assert row is not None
        assert row.limit("remove") == Limit(1, "hours", "restart")
        assert row.limit("decide") is None

    def test_what_is_unchecked_says_so(self) -> None:
        unchecked = {row.id for row in built_in().rows if not row.checked}

        assert {"gpsr-order", "gpsr-notice", "australia-regulator", "default-platform"} <= unchecked

    def test_a_law_that_ended_is_found_for_its_own_time_only(self) -> None:
        def at(year: int) -> object:
            when = datetime(year, 1, 1, tzinfo=UTC)
            return built_in().find("NetzDG", platform="any", severity="critical", kind="art16", at=when)

        assert at(2023) is not None
        assert at(2025) is None

    def test_every_row_names_its_source_and_makes_a_calendar(self) -> None:
        for row in built_in().rows:
            assert row.source
            row.calendar_for(country="DE")

    def test_the_addressees_country_gives_zone_and_holidays(self) -> None:
        row = built_in().find("GPSR", platform="any", severity="high", kind="art16", at=NOW)

        assert row is not None
        assert row.calendar_for(country="DE") == Calendar("Europe/Berlin", "DE")
        assert row.calendar_for(country="US", zone="America/Denver") == Calendar("America/Denver", "US")
        assert row.calendar_for(country="DE", calendar="DE-BY").region == "DE-BY"


class TestChoice:
    def test_the_closest_row_wins(self) -> None:
        rows = parse(
            row(id="all"),
            row(id="kind", kinds="[art16]"),
            row(id="market", platforms="[market]"),
            row(id="later", platforms="[market]", since="2025-01-01"),
            row(id="future", platforms="[market]", since="2027-01-01"),
        )

        assert found(rows) == "later"
        assert found(rows, platform="other") == "kind"
        assert found(rows, platform="other", kind="tos_flag") == "all"

    def test_a_regime_that_nobody_named_never_applies(self) -> None:
        assert parse(row(regime="S")).find("R", platform="m", severity="high", kind="art16", at=NOW) is None


class TestErrors:
    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (("clock: wall", "clock: sundial"), r"mine.yaml, row 2 \(two\), clock:"),
            (("unit: hours", "unit: working_days"), r"row 2 \(two\), the row as a whole: .*business"),
            (("remove: 1", "remove: -1"), r"row 2 \(two\), limits.remove:"),
            (("remove: 1", "erase: 1"), r"row 2 \(two\), limits.erase"),
            (("need_info: run", "need_info: maybe"), r"row 2 \(two\), need_info:"),
            (("    source: clause 1\n", ""), r"row 2 \(two\), source: .*required"),
            (("checked: true", "checked: true\n    zone: Mars/Base"), r"row 2 \(two\), zone: .*Mars/Base"),
            (("checked: true", "checked: true\n    calendar: ZZ"), r"row 2 \(two\), calendar: .*ZZ"),
            (("checked: true", "checked: true\n    colour: red"), r"row 2 \(two\), colour:"),
            (("id: two", "id: one"), r"row 2 \(one\), id:"),
            (("2020-01-01", "2020-01-01\n    valid_to: 2019-01-01"), "valid_to"),
        ],
    )
    def test_row_and_field_are_named(self, change: tuple[str, str], told: str) -> None:
        second = row(id="two")
        assert change[0] in second

        with pytest.raises(OperatorError, match=told) as caught:
            parse(row(id="one"), second.replace(*change))
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        "text", ["", "[]", "rows: 3", "rows: [", "rows: []\nmore: 1", "rows: [3]", "rows: [{}]"]
    )
    def test_what_is_no_regimes_file_is_one_sentence(self, text: str, tmp_path: Path) -> None:
        file = tmp_path / "r.yaml"
        file.write_text(text)

        with pytest.raises(OperatorError, match=r"r\.yaml"):
            load_regimes(file)

    def test_a_missing_file_is_one_sentence(self, tmp_path: Path) -> None:
        with pytest.raises(OperatorError, match="cannot be read"):
            load_regimes(tmp_path / "none.yaml")

    def test_extensions_reach_the_limit(self) -> None:
        text = row().replace("checked: true", "checked: true\n    extensions: [{ground: storm, at_most: 5}]")

        limit = parse(text).rows[0].limit("remove")

        assert limit is not None
        assert limit.extensions == (Extension("storm", 5),)

    def test_days_without_a_known_zone_are_refused(self) -> None:
        with pytest.raises(OperatorError, match="US has no single time zone"):
            calendar_of("market", "days", country="US", zone=None, region=None)
        with pytest.raises(OperatorError, match="country is not known"):
            calendar_of("market", "working_days", country=None, zone=None, region="DE")
