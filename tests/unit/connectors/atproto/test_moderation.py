"""What a moderation desk's events mean for our report."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.atproto.moderation import MEANING, SILENT, History, Step, history_bytes, read_history
from connectors.errors import UnreadableAnswer
from connectors.platform import RawAnswer
from schemas.response import PlatformResponse

T0 = datetime(2026, 3, 9, 8, tzinfo=UTC)
KEY = "n1_" + "a" * 52


def read(*steps: tuple[str, bool] | tuple[str, bool, tuple[str, ...]]) -> tuple[PlatformResponse, ...]:
    history = History(
        key=KEY,
        report=7,
        reported_at=T0,
        steps=tuple(
            Step(
                id=8 + n,
                type=kind,
                account=account,
                at=T0 + timedelta(minutes=n + 1),
                labels=more[0] if more else (),
            )
            for n, (kind, account, *more) in enumerate(steps)
        ),
    )
    return read_history(RawAnswer("net", "poll_1", "poll", T0, history_bytes(history)), "net")


def outcomes(*steps: Any) -> list[tuple[str, str | None]]:
    first, *others = read(*steps)
    assert (first.kind, first.platform_reference) == ("receipt", "7")
    return [(one.kind, one.outcome) for one in others]


TAKEN = ("modEventTakedown", False)
CLOSED = ("modEventAcknowledge", False)
BACK = ("modEventReverseTakedown", False)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], []),
        ([TAKEN], [("decision", "actioned_removed")]),
        ([TAKEN, CLOSED], [("decision", "actioned_removed")]),
        ([CLOSED], [("decision", "refused_lawful")]),
        ([CLOSED, TAKEN], [("decision", "refused_lawful"), ("decision", "actioned_removed")]),
        (
            [TAKEN, BACK, CLOSED],
            [("decision", "actioned_removed"), ("reinstated", None), ("decision", "refused_lawful")],
        ),
        ([("modEventTakedown", True)], [("decision", "actioned_removed")]),
        ([("modEventEscalate", False)], [("status", None)]),
        ([("modEventLabel", False, ("spam",)), CLOSED], [("decision", "actioned_partial")]),
        ([("modEventLabel", False, ())], []),
    ],
)
def test_a_review_is_told_as_what_it_did(steps: list[Any], expected: list[tuple[str, str | None]]) -> None:
    assert outcomes(*steps) == expected


def test_the_same_history_read_twice_gives_the_same_answers_and_a_longer_one_keeps_them() -> None:
    short, long = read(TAKEN), read(TAKEN, BACK)

    assert [one.response_id for one in long][: len(short)] == [one.response_id for one in short]
    assert len({one.response_id for one in long}) == 3
    assert [one.said_at for one in long] == [T0, T0 + timedelta(minutes=1), T0 + timedelta(minutes=2)]


def test_an_event_that_nobody_mapped_is_never_guessed() -> None:
    with pytest.raises(UnreadableAnswer) as refused:
        read(("modEventFrobnicate", False))

    assert refused.value.reason == "unmapped"


def test_no_event_is_both_told_and_passed_over() -> None:
    assert {kind for kind, _ in MEANING} & SILENT == set()
