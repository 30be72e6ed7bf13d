"""Kept listings on a real broker under another entry or pack; what is published is marked."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.detection import Detection
from schemas.errors import OperatorError
from schemas.watchlist import RulePackRelease
from streams.screening.backtest import backtest, replay, span_of
from streams.screening.kept_listing import kept_with_rules
from streams.screening.retroactive import Changed
from streams.screening.topics import ScreeningTopics
from tests.kafka.test_screening_worker import entry, listing, topics
from tests.support.broker import Broker, read_all, send
from tests.unit.streams.screening.test_releases import pack_text, release

__all__ = ["topics"]

pytestmark = pytest.mark.usefixtures("loaded_once")

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def keep(broker: Broker, topics: ScreeningTopics) -> None:
    await send(
        broker.bootstrap,
        topics.listings,
        listing(1, "A moon biscuit, 3 pieces"),
        listing(2, "Hand carved elephant ivory netsuke, 52 g"),
        (b"x", b"{"),
        listing(3, "A blue ceramic mug"),
        listing(1, "A moon biscuit, 3 pieces"),
    )
    await send(broker.bootstrap, topics.watchlist, entry("e-1", "moon biscuit"), entry("e-2", "mug"))


async def test_a_new_entry_finds_what_is_kept_and_publishes_only_when_told(
    broker: Broker, topics: ScreeningTopics
) -> None:
    await keep(broker, topics)
    told: list[Changed] = []

    test, published = await replay(
        broker.bootstrap, "e-1", LONG_AGO, told.append, publish=False, topics=topics
    )

    assert [(one.listing.listing_id, one.before.outcome, one.after.outcome) for one in told] == [
        ("L-1", "clear", "review")
    ]
    assert (test.listings, test.repeated, test.unreadable, published) == (3, 1, 1, 0)
    assert await read_all(broker.bootstrap, topics.detections) == []

    for _ in range(2):
        _, published = await replay(
            broker.bootstrap, "e-1", LONG_AGO, told.append, publish=True, topics=topics
        )
        assert published == 1
    first, again = (
        Detection.from_bytes(record.value) for record in await read_all(broker.bootstrap, topics.detections)
    )
    assert first.retroactive
    assert first.detection_id == again.detection_id
    assert first.ruleset_version == test.after.version
    assert "e-1" in first.explanation


async def test_a_kept_listing_is_explained_by_its_id_under_the_rules_in_force(
    broker: Broker, topics: ScreeningTopics
) -> None:
    await keep(broker, topics)
    _, value = listing(1, "A moon biscuit, the last piece")
    await send(broker.bootstrap, topics.listings, (b"another key", value))

    for wanted in ("L-1", "practice:L-1"):
        found, screener = await kept_with_rules(broker.bootstrap, wanted, LONG_AGO, topics=topics)
        verdict = screener.screen(found[0], datetime.now(UTC))

        assert [one.title for one in found] == ["A moon biscuit, the last piece"]
        assert verdict.entries == ("e-1",)
        assert "which is on the watchlist as e-1" in verdict.explanation
    with pytest.raises(OperatorError, match="No listing practice:L-9 was written"):
        await kept_with_rules(broker.bootstrap, "practice:L-9", LONG_AGO, topics=topics)


async def test_only_what_was_written_since_then_is_read(broker: Broker, topics: ScreeningTopics) -> None:
    await keep(broker, topics)
    soon = datetime.now(UTC) + timedelta(hours=1)

    test, _ = await replay(broker.bootstrap, "e-1", soon, print, publish=False, topics=topics)

    assert test.listings == 0


async def test_an_entry_that_is_unknown_or_not_in_force_is_not_published(
    broker: Broker, topics: ScreeningTopics
) -> None:
    await keep(broker, topics)
    await send(broker.bootstrap, topics.watchlist, entry("e-3", "moon", state="quarantined"))

    for entry_id, said in (("none", "no entry"), ("e-3", "quarantined")):
        with pytest.raises(OperatorError, match=said):
            await replay(broker.bootstrap, entry_id, LONG_AGO, print, publish=True, topics=topics)


async def test_a_candidate_pack_is_compared_listing_by_listing_and_nothing_is_published(
    broker: Broker, topics: ScreeningTopics, tmp_path: Path
) -> None:
    await keep(broker, topics)
    file = tmp_path / "own.yaml"
    file.write_text(pack_text("zero-tolerance", 9))
    told: list[Changed] = []

    test = await backtest(broker.bootstrap, file, LONG_AGO, told.append, topics=topics)

    (row,) = [one.row() for one in told]
    assert (row["listing"], row["before"]["outcome"], row["after"]["outcome"]) == (
        "practice:L-2",
        "notify",
        "review",
    )
    assert row["after"]["rules"] == ["zero-tolerance@9/bangles.offered"]
    assert test.summary()["changes"] == {"notify -> review": 1}
    assert json.dumps(row)
    with pytest.raises(OperatorError, match="in shadow"):
        await backtest(broker.bootstrap, None, LONG_AGO, print, topics=topics)

    shadow: RulePackRelease = release(
        pack_text("zero-tolerance", 9), pack="zero-tolerance", version=9, state="shadow"
    )
    await send(broker.bootstrap, topics.watchlist, (shadow.key.encode(), shadow.to_bytes()))
    promoted = await backtest(broker.bootstrap, None, LONG_AGO, print, topics=topics)
    assert promoted.changes == {"notify -> review": 1}
    assert await read_all(broker.bootstrap, topics.detections) == []


@pytest.mark.parametrize(
    ("text", "span"), [("30m", timedelta(minutes=30)), ("7d", timedelta(days=7)), ("2w", timedelta(weeks=2))]
)
def test_spans_are_said_shortly(text: str, span: timedelta) -> None:
    assert span_of(text) == span


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "0d", "7d ", "999999d", "٧d"])
def test_a_span_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(OperatorError, match="--since"):
        span_of(text)
