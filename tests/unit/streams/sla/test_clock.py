"""What stops and restarts a clock, and how a deadline stands."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from streams.sla.calendar import Calendar
from streams.sla.clock import ClockEvent, Due, Extension, Limit, due, share, state

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ANY = Calendar()


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def event(kind: str, hours: float, **more: object) -> ClockEvent:
    return ClockEvent(kind, at(hours), **more)  # type: ignore[arg-type]


def reckon(limit: Limit, *events: ClockEvent) -> Due:
    return due(limit, T0, events, ANY)


ASKED, TOLD = event("information_requested", 4), event("information_given", 10)


class TestNeedInformation:
    @pytest.mark.parametrize(("rule", "hours"), [("run", 24), ("pause", 30), ("restart", 34)])
    def test_each_rule_has_its_own_deadline(self, rule: str, hours: float) -> None:
        found = reckon(Limit(24, need_info=rule), ASKED, TOLD)  # type: ignore[arg-type]

        assert found.due_at == at(hours)

    @pytest.mark.parametrize("rule", ["pause", "restart"])
    def test_until_we_answer_nothing_is_due(self, rule: str) -> None:
        found = reckon(Limit(24, need_info=rule), ASKED)  # type: ignore[arg-type]

        assert (found.due_at, found.stopped_at) == (None, at(4))
        assert state(found, at(1_000)) == "paused"
        assert found.elapsed(at(1_000)) == timedelta(hours=1_000)

    @pytest.mark.parametrize("rule", ["pause", "restart"])
    def test_going_on_without_us_never_starts_it_anew(self, rule: str) -> None:
        dropped = event("request_dropped", 10)

        assert reckon(Limit(24, need_info=rule), ASKED, dropped).due_at == at(30)  # type: ignore[arg-type]

    def test_a_question_after_the_deadline_excuses_nothing(self) -> None:
        found = reckon(Limit(3, need_info="restart"), ASKED, TOLD)

        assert (found.due_at, state(found, at(5))) == (at(3), "breached")

    def test_a_question_at_the_very_moment_still_stops_it(self) -> None:
        assert reckon(Limit(4, need_info="pause"), ASKED).due_at is None
        assert reckon(Limit(4, need_info="pause"), ASKED, TOLD).due_at == at(10)

    def test_a_question_from_before_the_start_stops_it_from_the_start(self) -> None:
        found = reckon(Limit(24, need_info="pause"), event("information_requested", -5), TOLD)

        assert found.due_at == at(34)

    def test_a_second_question_stops_it_again_and_repeats_change_nothing(self) -> None:
        again = (event("information_requested", 12), event("information_given", 13))
        events = (ASKED, event("information_requested", 5), TOLD, event("information_given", 11), *again)

        found = {
            reckon(Limit(24, need_info="pause"), *order, *order[:2]).due_at for order in permutations(events)
        }

        assert found == {at(31)}

    def test_an_answer_nobody_asked_for_changes_nothing(self) -> None:
        assert reckon(Limit(24, need_info="restart"), TOLD).due_at == at(24)

    def test_raw_time_is_counted_from_the_first_start(self) -> None:
        found = reckon(Limit(24, need_info="restart"), ASKED, TOLD)

        assert (found.started_at, found.elapsed(at(34))) == (at(10), timedelta(hours=34))

    def test_working_days_on_which_it_stood_are_not_charged(self) -> None:
        # Monday 9:00; asked on Tuesday, told on Thursday: Friday, then Monday is the second day.
        berlin = Calendar("Europe/Berlin", "DE")
        events = (event("information_requested", 26), event("information_given", 74))

        found = due(Limit(2, "working_days", "pause"), T0, events, berlin)

        assert found.due_at == datetime(2026, 3, 9, 23, tzinfo=UTC)


class TestExtension:
    LIMIT = Limit(24, need_info="pause", extensions=(Extension("storm", 10), Extension("court", 5)))

    def test_it_is_capped_per_ground(self) -> None:
        events = [event("extended", n, ground="storm", amount=4) for n in (1, 2, 3, 4)]

        found = reckon(self.LIMIT, *events, event("extended", 5, ground="court", amount=1))

        assert (found.due_at, found.why) == (at(35), "extended")

    def test_an_unknown_ground_is_refused(self) -> None:
        with pytest.raises(ValueError, match="storm, court"):
            reckon(self.LIMIT, event("extended", 1, ground="holidays", amount=1))

    def test_it_comes_too_late_after_the_deadline(self) -> None:
        assert reckon(self.LIMIT, event("extended", 25, ground="storm", amount=9)).due_at == at(24)

    def test_it_adds_up_with_a_pause(self) -> None:
        assert reckon(self.LIMIT, ASKED, event("extended", 6, ground="storm", amount=2), TOLD).due_at == at(
            32
        )


class TestHold:
    def test_while_it_lasts_nothing_is_due_and_then_the_whole_limit_runs(self) -> None:
        held = reckon(Limit(24), event("hold_set", 2))

        assert (held.due_at, state(held, at(500))) == (None, "exempt")
        assert reckon(Limit(24), event("hold_set", 2), event("hold_lifted", 50)).due_at == at(74)

    def test_it_outranks_a_question_and_both_must_end(self) -> None:
        limit = Limit(24, need_info="pause")
        held = event("hold_set", 5)

        both = reckon(limit, ASKED, held)
        asked_still = reckon(limit, ASKED, held, event("hold_lifted", 8))

        assert state(both, at(6)) == "exempt"
        assert (state(asked_still, at(9)), asked_still.due_at) == ("paused", None)
        assert reckon(limit, ASKED, held, event("hold_lifted", 8), TOLD).due_at == at(34)

    def test_a_deadline_missed_before_it_stays_missed(self) -> None:
        assert state(reckon(Limit(24), event("hold_set", 25)), at(26)) == "breached"


class TestState:
    @pytest.mark.parametrize(
        ("hours", "expected"),
        [
            (0, "on_track"),
            (17.99, "on_track"),
            (18, "due_soon"),
            (21.59, "due_soon"),
            (21.6, "at_risk"),
            (24, "at_risk"),
            (24.0001, "breached"),
        ],
    )
    def test_it_follows_from_the_share_that_has_run(self, hours: float, expected: str) -> None:
        assert state(reckon(Limit(24)), at(hours)) == expected

    def test_standing_time_is_no_part_of_the_share(self) -> None:
        found = reckon(Limit(24, need_info="pause"), ASKED, TOLD)

        assert share(found, at(10)) == pytest.approx(4 / 24)
        assert share(found, at(30)) == pytest.approx(1)

    def test_done_in_time_is_met_and_later_is_not(self) -> None:
        found = reckon(Limit(24))

        assert state(found, at(99), met_at=at(24)) == "met"
        assert state(found, at(99), met_at=at(24.0001)) == "breached"
        assert state(reckon(Limit(24, need_info="pause"), ASKED), at(99), met_at=at(5)) == "met"

    def test_nothing_promised_is_none(self) -> None:
        assert state(None, T0) == "none"
