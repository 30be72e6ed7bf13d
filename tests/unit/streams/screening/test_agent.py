"""What becomes of a batch: decided in order, published, acknowledged, then done, and never before."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from prometheus_client import CollectorRegistry

from schemas.dead_letter import DeadLetter
from schemas.detection import Detection, Match, RuleFinding
from schemas.listing import Listing, content_hash
from streams.screening.agent import BatchScreener, RuleFlood
from streams.screening.decision import MAX_OUTPUT_BYTES, Decision, Desk, Reckoning, Record, decide
from streams.screening.lossless.batch import Batch
from streams.screening.lossless.book import Book
from streams.screening.metrics import ScreeningMetrics
from streams.screening.output import Output
from streams.screening.progress import Tally, progress_message
from streams.screening.topics import ScreeningTopics
from streams.screening.verdict import RuleFailed, RuleInForce, Screener, Verdict

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PART = TopicPartition("listings", 2)
TOPICS = ScreeningTopics()
DESK = Desk(TOPICS, "worker-1", frozenset({"practice"}))
FINDING = RuleFinding(
    rule_id="ivory", pack="zero", title="Ivory", outcome="notify", severity="critical", zero_tolerance=True
)


@dataclass(frozen=True)
class Row:
    """A record as aiokafka gives it, as far as it is looked at."""

    offset: int
    value: bytes | None
    key: bytes | None = b"k"
    topic: str = "listings"
    partition: int = 2


class TitleScreener:
    """The title says what the verdict is, or what goes wrong."""

    version = "rules-1"

    def rules_in_force(self) -> tuple[RuleInForce, ...]:
        return ()

    def screen(self, listing: Listing, now: datetime, *, told: bool = True) -> Verdict:
        match listing.title:
            case "fails":
                raise RuleFailed("ivory", "the price has no currency")
            case "raises":
                raise ZeroDivisionError(listing.description)
            case "explains too much":
                return Verdict("notify", "high", 1.0, None, None, (), (), "x" * 9_000)
            case "matches too much":
                match_ = Match(
                    field="title", start=0, end=1, quote="x" * 2_000, term="x", kind="product", ref="x"
                )
                matches = (match_,) * (MAX_OUTPUT_BYTES // 2_000)
                return Verdict("notify", "high", 1.0, None, None, matches, (), "Too much.")
            case "clear":
                return Verdict("clear", "normal", 0.0, None, None, (), (), "Nothing.")
        return Verdict("notify", "critical", 0.9, None, None, (), (FINDING,), "Ivory is offered.")


def listing(number: int = 1, **changes: Any) -> Listing:
    return Listing.sealed(
        **{
            "platform": "practice",
            "listing_id": f"L-{number}",
            "url": "https://practice.example/1",
            "title": "ivory",
            "observed_at": NOW,
            "connector": "file",
            "run_id": "r1",
            **changes,
        }
    )


def row(offset: int = 0, **changes: Any) -> Row:
    return Row(offset, listing(offset, **changes).to_bytes())


def one(record: Row, desk: Desk = DESK) -> Decision:
    return decide(record, TitleScreener(), NOW, desk)


def letter(decision: Decision) -> DeadLetter:
    assert decision.output is not None
    assert decision.output.topic == TOPICS.dead_letters
    return DeadLetter.from_bytes(decision.output.value)


# -- one record ------------------------------------------------------------------------------------


def test_a_match_becomes_a_detection_with_coordinates_snapshot_and_envelope() -> None:
    decision = one(row(7))

    assert decision.outcome == "notify"
    assert decision.output is not None
    assert decision.output.topic == TOPICS.detections
    assert decision.output.key == b"practice:L-7"
    detection = Detection.from_bytes(decision.output.value)
    assert (detection.source.topic, detection.source.partition, detection.source.offset) == ("listings", 2, 7)
    assert detection.listing == listing(7)
    assert detection.ruleset_version == "rules-1"
    assert dict(decision.output.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": detection.detection_id.encode(),
        "ce_source": b"takin/screening",
        "ce_type": b"takin.detection.v1",
        "ce_time": b"2026-11-23T12:00:00+00:00",
        "content-type": b"application/json",
    }


def test_reading_a_record_again_gives_the_same_detection_id() -> None:
    first, second = (one(Row(offset, listing().to_bytes())) for offset in (3, 9))

    assert first.output is not None
    assert second.output is not None
    assert (
        Detection.from_bytes(first.output.value).detection_id
        == Detection.from_bytes(second.output.value).detection_id
    )


def test_a_wrong_content_hash_cannot_make_two_snapshots_look_the_same() -> None:
    forged = [
        listing(description=text).model_copy(update={"content_hash": "0" * 64}) for text in ("one", "two")
    ]
    outputs = [one(Row(0, each.to_bytes())).output for each in forged]

    detections = [Detection.from_bytes(output.value) for output in outputs if output is not None]
    assert len({detection.detection_id for detection in detections}) == 2
    assert [each.content_hash for each in detections] == [content_hash(each) for each in forged]
    assert all(each.listing.content_hash == each.content_hash for each in detections)


def test_a_clear_listing_is_only_counted() -> None:
    decision = one(row(title="clear"))

    assert (decision.outcome, decision.output) == ("clear", None)


def test_a_clear_listing_is_published_when_asked_for() -> None:
    decision = one(row(title="clear"), Desk(TOPICS, "w", None, publish_clear=True))

    assert decision.output is not None
    assert Detection.from_bytes(decision.output.value).outcome == "clear"


@pytest.mark.parametrize(
    ("record", "reason", "says"),
    [
        pytest.param(row(title="fails"), "rule_failed", "rule ivory: the price has no currency", id="rule"),
        pytest.param(
            row(title="raises", description="secret"), "rule_failed", "ZeroDivisionError", id="raises"
        ),
        pytest.param(row(title="explains too much"), "rule_failed", "ValidationError", id="bad verdict"),
        pytest.param(Row(0, b"{"), "not_json", "not JSON", id="not JSON"),
        pytest.param(row(platform="elsewhere"), "unknown_platform", "elsewhere", id="unknown platform"),
    ],
)
def test_what_cannot_be_decided_is_set_aside_with_its_bytes(record: Row, reason: str, says: str) -> None:
    told = letter(one(record))

    assert told.reason == reason
    assert says in told.detail
    assert "secret" not in told.detail
    assert (told.stage, told.topic, told.partition, told.offset) == ("screening", "listings", 2, 0)
    assert told.value == record.value
    assert told.replayable


def test_setting_a_record_aside_again_gives_the_same_id() -> None:
    assert letter(one(Row(5, b"{"))).dead_letter_id == letter(one(Row(5, b"{"))).dead_letter_id
    assert letter(one(Row(5, b"{"))).dead_letter_id != letter(one(Row(6, b"{"))).dead_letter_id


def test_a_detection_larger_than_kafka_takes_is_set_aside() -> None:
    told = letter(one(row(title="matches too much")))

    assert told.reason == "too_large"


def test_the_longest_listing_that_can_be_read_still_becomes_a_detection() -> None:
    images = [{"url": "https://x.example/" + "y" * 4_000}] * 90
    value = listing(images=images, description="象" * 200_000).to_bytes()
    assert 950_000 < len(value) < 1_000_000

    assert one(Row(0, value)).outcome == "notify"


# -- a batch ---------------------------------------------------------------------------------------


@dataclass
class Post:
    """A publisher whose acknowledgements come when the test says so."""

    sent: list[Output] = field(default_factory=list)
    acks: list["asyncio.Future[None]"] = field(default_factory=list)

    async def send(self, output: Output) -> "asyncio.Future[None]":
        self.sent.append(output)
        self.acks.append(asyncio.get_running_loop().create_future())
        return self.acks[-1]

    async def acknowledge(self) -> None:
        for ack in self.acks:
            if not ack.done():
                ack.set_result(None)
        await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class NoLog:
    """A log that is only opened."""

    async def start_reading(self, partition: TopicPartition) -> tuple[int, int | None]:
        return 0, None

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        raise AssertionError("nothing is missing")

    async def first_at(self, partition: TopicPartition, offset: int) -> int | None:
        raise AssertionError("nothing is missing")

    async def commit(self, offsets: Any) -> None:
        raise AssertionError("nothing is committed here")


async def no_announcement(runs: Any) -> None:
    raise AssertionError("nothing is announced here")


def no_leaving(why: str) -> None:
    raise AssertionError(why)


class WhenTold:
    """Decides where it is asked, or when a test lets it."""

    def __init__(self) -> None:
        self.asked = 0
        self.held: dict[int, asyncio.Event] = {}
        self.failing: set[int] = set()

    def hold(self) -> asyncio.Event:
        """Keep the next batch until the event is set."""
        return self.held.setdefault(self.asked, asyncio.Event())

    async def decide(self, records: Sequence[Record], screener: Screener) -> Reckoning:
        number, self.asked = self.asked, self.asked + 1
        if number in self.held:
            await self.held[number].wait()
        if number in self.failing:
            raise OSError("no more processes")
        return Reckoning(decide(record, screener, NOW, DESK) for record in records)


@dataclass
class Bench:
    """A batch screener on a real book, without Kafka."""

    post: Post = field(default_factory=Post)
    floods: list[RuleFlood] = field(default_factory=list)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    flood_limit: int = 3
    decider: WhenTold = field(default_factory=WhenTold)

    def __post_init__(self) -> None:
        self.book = Book(NoLog(), no_announcement, no_leaving)
        self.screener = BatchScreener(
            DESK,
            TitleScreener,
            self.decider,
            self.post,
            ScreeningMetrics(self.registry, DESK.known_platforms),
            flood_limit=self.flood_limit,
            flooded=self.floods.append,
            now=lambda: NOW,
        )

    async def batch(self, *records: Row) -> Batch:
        if self.book.ledger(PART) is None:
            await self.book.open(PART)
        admitted = await self.book.admit(PART, records)
        assert admitted is not None
        return admitted

    async def take(self, *records: Row) -> None:
        """Take a batch of these and let it come as far as it does by itself."""
        await self.screener.take(await self.batch(*records))
        await settle()

    @property
    def low(self) -> int | None:
        ledger = self.book.ledger(PART)
        return None if ledger is None else ledger.low

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


async def test_a_batch_is_done_only_when_every_output_is_acknowledged() -> None:
    bench = Bench()
    await bench.take(row(0), row(1), row(2, title="clear"))

    assert (len(bench.post.sent), bench.low) == (2, 0)
    bench.post.acks[0].set_result(None)
    await settle()
    assert bench.low == 0
    await bench.post.acknowledge()

    assert bench.low == 3


async def test_a_batch_without_outputs_is_done_at_once() -> None:
    bench = Bench()
    await bench.take(row(0, title="clear"))

    assert bench.low == 1


async def test_outputs_keep_their_order_across_batches() -> None:
    bench = Bench()
    await bench.take(row(0), row(1))
    await bench.take(row(2), row(3))

    assert [output.key for output in bench.post.sent] == [b"practice:L-%d" % n for n in range(4)]


async def test_a_batch_that_is_decided_first_waits_for_the_one_before() -> None:
    bench = Bench()
    first = bench.decider.hold()
    await bench.take(row(0))
    await bench.take(row(1))
    assert bench.decider.asked == 2
    assert bench.post.sent == []

    first.set()
    await settle()

    assert [output.key for output in bench.post.sent] == [b"practice:L-0", b"practice:L-1"]


async def test_a_batch_that_fails_lets_none_after_it_overtake_one_before_it() -> None:
    bench = Bench()
    first = bench.decider.hold()
    bench.decider.failing.add(1)
    elsewhere = TopicPartition("listings", 3)
    await bench.book.open(elsewhere)
    await bench.take(row(0))
    failing = await bench.book.admit(elsewhere, [Row(0, listing(9).to_bytes(), partition=3)])
    assert failing is not None
    await bench.screener.take(failing)
    await settle()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bench.take(row(1)), 0.05)
    assert bench.post.sent == []

    first.set()
    await bench.take(row(2))

    assert [output.key for output in bench.post.sent] == [b"practice:L-0", b"practice:L-2"]


async def test_no_more_than_two_batches_are_in_hand() -> None:
    bench = Bench()
    held = bench.decider.hold()
    await bench.take(row(0))
    await bench.take(row(1))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bench.take(row(2)), 0.05)

    held.set()
    await bench.take(row(3))

    assert [output.key for output in bench.post.sent] == [b"practice:L-0", b"practice:L-1", b"practice:L-3"]


async def test_of_a_batch_that_was_taken_away_while_it_was_decided_nothing_is_sent() -> None:
    bench = Bench()
    held = bench.decider.hold()
    await bench.take(row(0))
    bench.book.drop()

    held.set()
    await settle()

    assert bench.post.sent == []


async def test_an_output_that_is_not_acknowledged_makes_the_batch_come_again() -> None:
    bench = Bench()
    await bench.take(row(0), row(1))
    bench.post.acks[0].set_result(None)
    bench.post.acks[1].set_exception(KafkaTimeoutError())
    await settle()

    assert bench.book.ledger(PART) is None
    assert bench.book.counts.failures == 1
    assert bench.value("takin_listings_screened_total", platform="practice", outcome="notify") == 0


async def test_a_detection_that_the_broker_refuses_as_too_large_is_set_aside() -> None:
    bench = Bench()
    await bench.take(row(0))
    bench.post.acks[0].set_exception(MessageSizeTooLargeError())
    await settle()
    assert bench.low == 0
    await bench.post.acknowledge()

    told = DeadLetter.from_bytes(bench.post.sent[-1].value)
    assert (told.reason, told.offset) == ("too_large", 0)
    assert bench.low == 1


async def test_poison_leaves_its_neighbours_untouched() -> None:
    bench = Bench()
    await bench.take(row(0), Row(1, b"\xff"), row(2, title="fails"), row(3))
    await bench.post.acknowledge()

    assert [output.topic for output in bench.post.sent] == [
        TOPICS.detections,
        TOPICS.dead_letters,
        TOPICS.dead_letters,
        TOPICS.detections,
    ]
    assert bench.low == 4


async def test_a_run_of_rule_failures_stops_the_line_before_the_batch_is_set_aside() -> None:
    bench = Bench(flood_limit=3)
    await bench.take(row(0, title="fails"), row(1), row(2, title="fails"))
    await bench.post.acknowledge()
    assert (len(bench.post.sent), bench.floods) == (3, [])

    await bench.take(row(3, title="fails"), row(4, title="raises"), row(5))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bench.take(row(6)), 0.05)

    assert len(bench.post.sent) == 3
    assert bench.low == 3
    assert not bench.book.busy
    assert [flood.exit_code for flood in bench.floods] == [3]
    assert "3 listings in a row" in str(bench.floods[0])


async def test_bad_records_are_not_a_run_of_rule_failures() -> None:
    bench = Bench(flood_limit=3)
    await bench.take(*(Row(offset, b"{") for offset in range(10)))
    await bench.post.acknowledge()

    assert bench.floods == []
    assert bench.low == 10


async def test_a_stale_batch_is_not_screened() -> None:
    bench = Bench()
    batch = await bench.batch(row(0))
    bench.book.drop()

    await bench.screener.take(batch)

    assert bench.post.sent == []


async def test_what_was_done_is_counted_once_by_platform_outcome_rule_and_reason() -> None:
    bench = Bench()
    await bench.take(row(0), row(1, title="clear"), Row(2, b"{"), row(3, platform="elsewhere"))
    await bench.post.acknowledge()

    counted = {
        "notify": bench.value("takin_listings_screened_total", platform="practice", outcome="notify"),
        "clear": bench.value("takin_listings_screened_total", platform="practice", outcome="clear"),
        "not_json": bench.value("takin_dead_letters_total", stage="screening", reason="not_json"),
        "unknown": bench.value("takin_dead_letters_total", stage="screening", reason="unknown_platform"),
        "ivory": bench.value(
            "takin_rule_matches_total", pack="zero", rule_id="ivory", outcome="notify", shadow="false"
        ),
        "aged": bench.value("takin_event_age_seconds_count"),
    }
    assert counted == {"notify": 1, "clear": 1, "not_json": 1, "unknown": 1, "ivory": 1, "aged": 2}


def test_of_a_batch_only_what_is_told_of_is_kept() -> None:
    clear, notify = one(row(1, title="clear")), one(row(2))
    unreadable = one(Row(3, b"{"))
    watched = Decision("clear", None, "practice", entries=("entry-1",))

    reckoning = Reckoning([clear, notify, clear, unreadable, watched])

    assert [(one.place, one.output, one.reason, one.entries) for one in reckoning.told] == [
        (1, notify.output, None, ()),
        (3, unreadable.output, "not_json", ()),
        (4, None, None, ("entry-1",)),
    ]
    assert reckoning.outcomes == {
        ("practice", "clear"): 3,
        ("practice", "notify"): 1,
        (None, "set_aside"): 1,
    }
    assert (reckoning.decided, reckoning.entries(), len(reckoning.observed)) == (5, ["entry-1"], 3)


async def test_a_platform_that_is_not_configured_is_counted_as_other() -> None:
    registry = CollectorRegistry()
    metrics = ScreeningMetrics(registry, frozenset({"practice"}))

    metrics.decided(Reckoning(Decision("clear", None, f"platform-{n}") for n in range(50)), NOW)

    label = {"platform": "other", "outcome": "clear"}
    assert registry.get_sample_value("takin_listings_screened_total", label) == 50


def test_progress_adds_up_the_batches_and_names_each_rule_set_once() -> None:
    tallies = [
        Tally.of("rules-1", [("notify", 1), ("clear", 1), ("set_aside", 1)]),
        Tally.of("rules-1", [("clear", 1)]),
        Tally.of("rules-2", [("review", 1), ("monitor", 1)]),
    ]

    told = progress_message("listings", 2, 10, 17, tallies, worker="w", now=NOW)

    assert json.loads(told.to_bytes()) == {
        "schema_version": 1,
        "topic": "listings",
        "partition": 2,
        "first_offset": 10,
        "next_offset": 17,
        "decided": 6,
        "notify": 1,
        "review": 1,
        "monitor": 1,
        "clear": 2,
        "set_aside": 1,
        "ruleset_versions": ["rules-1", "rules-2"],
        "worker": "w",
        "decided_at": "2026-11-23T12:00:00Z",
    }
