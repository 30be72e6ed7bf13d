"""Working days and local dates, with dates that are known from elsewhere."""

from datetime import UTC, date, datetime, timedelta

import pytest

from schemas.errors import OperatorError
from streams.sla.calendar import Calendar, check_region
from streams.sla.zones import day_exists, localise, zone, zone_of_country


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def easter_monday(year: int) -> date:
    """Gauss's rule as Butcher wrote it, plus one day."""
    a, b, c = year % 19, year // 100, year % 100
    d, e, f = b // 4, b % 4, (b + 8) // 25
    h = (19 * a + b - d - (b - f + 1) // 3 + 15) % 30
    i, k = c // 4, c % 4
    ell = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * ell) // 451
    month, day = divmod(h + ell - 7 * m + 114, 31)
    return date(year, month, day + 1) + timedelta(days=1)


BERLIN = Calendar("Europe/Berlin", "DE")


class TestWorkingDays:
    @pytest.mark.parametrize("year", range(2020, 2041))
    def test_germany_keeps_its_nine_national_holidays(self, year: int) -> None:
        monday = easter_monday(year)
        kept = {
            date(year, 1, 1),
            monday - timedelta(days=3),
            monday,
            date(year, 5, 1),
            monday + timedelta(days=38),
            monday + timedelta(days=49),
            date(year, 10, 3),
            date(year, 12, 25),
            date(year, 12, 26),
        }
        every = [date(year, 1, 1) + timedelta(days=n) for n in range(365)]

        off = {day for day in every if not BERLIN.is_working_day(day)}

        assert off == {day for day in every if day in kept or day.weekday() >= 5}

    def test_a_state_has_more(self) -> None:
        epiphany = date(2026, 1, 6)

        assert BERLIN.is_working_day(epiphany)
        assert not Calendar("Europe/Berlin", "DE-BY").is_working_day(epiphany)

    def test_a_holiday_kept_in_the_year_before_counts_there(self) -> None:
        assert not Calendar("America/New_York", "US").is_working_day(date(2021, 12, 31))

    def test_a_weekend_is_the_regions_own(self) -> None:
        assert not Calendar("Asia/Riyadh", "SA").is_working_day(date(2026, 11, 6))  # a Friday
        assert Calendar("Asia/Riyadh", "SA").is_working_day(date(2026, 11, 8))  # a Sunday

    def test_without_a_region_only_weekends_are_free(self) -> None:
        assert Calendar("Europe/Berlin").is_working_day(date(2026, 12, 25))
        assert not Calendar("Europe/Berlin").is_working_day(date(2026, 12, 26))

    def test_a_date_that_never_was_is_no_day(self) -> None:
        apia = zone("Pacific/Apia")

        assert not day_exists(date(2011, 12, 30), apia)
        assert day_exists(date(2011, 12, 29), apia)
        assert day_exists(date(2011, 12, 31), apia)
        assert not Calendar("Pacific/Apia").is_working_day(date(2011, 12, 30))


class TestReach:
    def test_the_day_of_receipt_is_not_counted_and_the_last_one_wholly(self) -> None:
        # Wednesday 23 December, 10:00 in Berlin: Thursday is one; Christmas, the weekend; Monday is two.
        assert BERLIN.reach(utc("2026-12-23T09:00"), 2, "working_days") == utc("2026-12-28T23:00")

    def test_days_over_a_change_of_clocks_end_at_local_midnight(self) -> None:
        assert BERLIN.reach(utc("2026-03-27T10:00"), 2, "days") == utc("2026-03-29T22:00")

    def test_hours_do_not_know_of_clocks_or_holidays(self) -> None:
        start = utc("2026-03-28T23:30:00.000001")

        assert BERLIN.reach(start, 24, "hours") - start == timedelta(hours=24)

    def test_the_date_is_the_one_on_the_addressees_wall(self) -> None:
        late = utc("2026-06-10T15:30")  # 11 June, 0:30 in Tokyo

        assert Calendar("Asia/Tokyo", "JP").reach(late, 1, "working_days") == utc("2026-06-12T15:00")
        assert BERLIN.reach(late, 1, "working_days") == utc("2026-06-11T22:00")

    @pytest.mark.parametrize("unit", ["hours", "days", "working_days"])
    @pytest.mark.parametrize("amount", [0, -1, float("nan"), float("inf"), 1e9])
    def test_senseless_amounts_are_refused(self, amount: float, unit: str) -> None:
        with pytest.raises(ValueError, match="a limit"):
            BERLIN.reach(utc("2026-01-01"), amount, unit)  # type: ignore[arg-type]

    def test_half_days_are_refused(self) -> None:
        with pytest.raises(ValueError, match="whole"):
            BERLIN.reach(utc("2026-01-01"), 1.5, "days")


class TestLocalTime:
    def test_what_is_shown_twice_is_the_later(self) -> None:
        # Havana, 2 November 2025: 1:00 becomes 0:00, so midnight comes twice.
        assert localise(wall("2025-11-02"), zone("America/Havana")) == utc("2025-11-02T05:00")

    def test_what_is_left_out_is_the_first_moment_after(self) -> None:
        # Havana, 9 March 2025: 0:00 becomes 1:00. Berlin, 29 March: 2:00 becomes 3:00.
        assert localise(wall("2025-03-09"), zone("America/Havana")) == utc("2025-03-09T05:00")
        assert localise(wall("2026-03-29T02:40"), zone("Europe/Berlin")) == utc("2026-03-29T01:00")

    def test_zones_come_from_the_pinned_package_alone(self) -> None:
        for hostile in (
            "../../etc/passwd",
            "/etc/localtime",
            "Europe/../Europe/Berlin",
            "",
            "zone.tab",
            "\x00",
        ):
            with pytest.raises(OperatorError, match="IANA"):
                zone(hostile)

    def test_a_country_with_one_clock_has_a_zone_and_others_must_name_it(self) -> None:
        found = {country: zone_of_country(country) for country in ("DE", "JP", "US", "AU", "ZZ")}

        assert found == {"DE": "Europe/Berlin", "JP": "Asia/Tokyo", "US": None, "AU": None, "ZZ": None}

    @pytest.mark.parametrize("region", ["ZZ", "DE-ZZ", "--", "de"])
    def test_a_region_without_holidays_is_one_sentence(self, region: str) -> None:
        with pytest.raises(OperatorError, match="ISO 3166"):
            check_region(region)
