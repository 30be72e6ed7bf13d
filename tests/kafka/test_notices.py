"""The notice service end to end: real Kafka in, real HTTP out and back, both databases.

The oracle is the sandbox's own journal, never our counters.
"""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from connectors.http import Reply, their_time
from connectors.platform_config import PlatformConfig
from connectors.sandbox.scenario_file import parse_scenario
from connectors.sandbox.service import Sandbox
from schemas.case_event import CaseEvent
from schemas.dead_letter import DeadLetter
from schemas.detection import Detection
from schemas.report import Report
from schemas.topics import AUDIT_CHECKPOINTS, CASE_EVENTS, CATALOGUE, DEAD_LETTERS, DETECTIONS, REPORTS
from streams.local.kafka import LocalKafka
from streams.local.ports import free_port
from streams.local.topics import apply
from streams.notices import clock
from streams.notices.casebook import events, figures, filed, sealing
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.viewer import Viewer
from streams.notices.checkpoints import CheckpointLog, check_log, make_key
from streams.notices.notary import Pace
from streams.notices.sender import demonstration_sender
from streams.notices.service import Checkpoints, NoticeService
from tests.support.broker import read_all
from tests.support.notices import LAW, make_detection

pytestmark = pytest.mark.kafka
ANALYST = Viewer("a", "kim", "Kim", "analyst")

TEMPERS = {
    "prompt": "{do: prompt, after_s: 0.2}",
    "liar": "{do: says_removed_and_isnt, after_s: 0.2}",
    "silent": "{do: silent}",
    "relister": "{do: relists, after_s: 0.2, back_after_s: 6, rounds: 1}",
}


def secret_of(name: str) -> str:
    """A secret for practice, another for each platform."""
    return "whsec_" + base64.b64encode(name.encode().ljust(32, b".")).decode()


SCENARIO = "description: four tempers, quick\nplatforms:\n" + "".join(
    f"  - {{name: {name}, secret: {secret_of(name)}, temper: [{temper}]}}\n"
    for name, temper in TEMPERS.items()
)


def config_for(sandbox: Sandbox, name: str) -> PlatformConfig:
    secret = secret_of(name)
    return PlatformConfig.model_validate(
        {
            "name": name,
            "kind": "sandbox",
            "base_url": sandbox.base_urls[name],
            "private_address": True,
            "dev_only": True,
            "secret": secret,
            "webhook_secret": secret,
            "rate_per_s": 100,
            "sla": {"policy": "test", "source": "test", "acknowledge_s": 5, "decide_s": 6, "remove_s": 8},
            "probe": {
                "schedule_s": [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 12, 14, 16],
                "gone_apart_s": 0.3,
                "unknown_again_s": 0.5,
                "mismatch_after_s": 0.5,
            },
            "delivery": {"retry_schedule_s": [0.2, 0.5, 1, 2], "poll_first_s": 1, "poll_longest_s": 2},
        }
    )


def detection_for(sandbox: Sandbox, platform: str, listing_id: str) -> Detection:
    url = f"{sandbox.base_urls[platform]}/listing/{listing_id}"
    return make_detection(listing_id, platform=platform, url=url, observed_at=datetime.now(UTC))


def stock(platform: str, *listing_ids: str) -> list[dict[str, str]]:
    return [
        {"id": one, "title": "Carved ivory figure", "text": "Old carved ivory.", "platform": platform}
        for one in listing_ids
    ]


async def until(true: Callable[[], Awaitable[bool]], within_s: float = 90) -> None:
    async with asyncio.timeout(within_s):
        while not await true():
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def serving(
    sandbox: Sandbox, kafka: LocalKafka, url: str, checkpoints: Checkpoints | None = None
) -> AsyncIterator[None]:
    port = free_port()
    service = NoticeService(
        bootstrap=kafka.bootstrap,
        casebook_url=url,
        platforms=[config_for(sandbox, name) for name in sandbox.base_urls],
        sender=demonstration_sender(reply_base=f"http://127.0.0.1:{port}"),
        law=LAW,
        receiver_host="127.0.0.1",
        receiver_port=port,
        observability_host="127.0.0.1",
        observability_port=0,
        checkpoints=checkpoints,
    )
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def publish(kafka: LocalKafka, *values: bytes, topic: str = DETECTIONS.name) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value, key=b"k")


def report(n: int) -> Report:
    return Report.model_validate(
        {
            "report_id": f"r_{n:020d}",
            "received_at": datetime.now(UTC),
            "reporter": {"kind": "partner", "organisation": "Example Society"},
            "url": f"https://market.example/{n}",
            "what": "A tusk.",
        }
    )


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def casebook_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'casebook.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


async def test_said_and_seen_are_measured_apart_for_each_temper(
    own_broker: LocalKafka, casebook_url: str, tmp_path: Path
) -> None:
    await apply(own_broker.bootstrap, CATALOGUE)
    log = CheckpointLog(tmp_path / "away" / "checkpoints.jsonl")
    key = make_key(tmp_path / "audit-key.pem")
    checkpoints = Checkpoints(tmp_path / "audit-key.pem", log.path, Pace(timedelta(seconds=1), 50))
    names = tuple(TEMPERS)
    rows = [row for name in names for row in stock(name, f"{name}-1", f"{name}-2")]
    async with Sandbox(parse_scenario(SCENARIO, source="test"), rows) as sandbox:
        async with serving(sandbox, own_broker, casebook_url, checkpoints):
            await publish(
                own_broker,
                *(detection_for(sandbox, row["platform"], row["id"]).to_bytes() for row in rows),
                b"\xff not a detection",
            )
            reports = [report(n).to_bytes() for n in range(400)]  # more than an hour's allowance of the form
            await publish(own_broker, *reports, b"not a report", *reports[:3], topic=REPORTS.name)
            casebook = Casebook.open(casebook_url)

            async def all_told() -> bool:
                totals = casebook.answer(figures.totals)
                return (
                    totals.sent == 10
                    and totals.seen_removed == 6
                    and totals.mismatches == 2
                    and totals.reappeared == 2
                    and totals.deadlines_missed == 6
                    and casebook.answer(filed.count_waiting, ANALYST) == len(reports)
                )

            try:
                await until(all_told)
            except TimeoutError:
                pytest.fail(f"not reached: {casebook.answer(figures.totals)}")
        # The service is stopped: what it did is on record everywhere.
        signed, wrong = log.read()
        verdict = casebook.answer(sealing.verify, signed)
        times = casebook.answer(figures.item_times)
        unpublished = casebook.answer(events.unpublished, 10)
        casebook.close()
        effects = sandbox.journal.effects()

    by_platform = {name: [one for one in times if one.platform == name] for name in names}
    told = await read_all(own_broker.bootstrap, AUDIT_CHECKPOINTS.name)
    assert wrong == check_log(signed, key) == verdict.breaks == ()
    assert verdict.covered == verdict.rows
    assert len(signed) > 1
    # At least once: one whose acknowledgement was cut off by the stop is told again.
    assert list(dict.fromkeys(r.value for r in told)) == [one.to_bytes() for one in signed]
    assert unpublished == ()
    assert len(effects) == 10
    assert set(effects.values()) == {1}
    assert all(one.removal_verified_at and not one.mismatch_at for one in by_platform["prompt"])
    assert all(one.mismatch_at and not one.removal_verified_at for one in by_platform["liar"])
    assert all(one.decided_at is None and one.late == 2 for one in by_platform["silent"])
    assert sorted(one.round for one in by_platform["relister"]) == [1, 1, 2, 2]

    # At least once here, too: an event may be told again, to the byte, and readers go by its number.
    told_events = dict.fromkeys(r.value for r in await read_all(own_broker.bootstrap, CASE_EVENTS.name))
    published = [CaseEvent.from_bytes(value) for value in told_events]
    for case_id in {event.case_id for event in published}:
        numbers = [event.sequence for event in published if event.case_id == case_id]
        assert numbers == list(range(1, len(numbers) + 1))
    letters = [
        DeadLetter.from_bytes(one.value) for one in await read_all(own_broker.bootstrap, DEAD_LETTERS.name)
    ]
    assert sorted((one.reason, one.topic) for one in letters) == [
        ("wrong_shape", DETECTIONS.name),
        ("wrong_shape", REPORTS.name),
    ]


async def test_by_a_clock_that_platforms_contradict_nothing_is_sent_and_by_the_right_one_at_once(
    own_broker: LocalKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await apply(own_broker.bootstrap, CATALOGUE)
    apart = timedelta(hours=2)

    def other_time(reply: Reply) -> datetime | None:
        theirs = their_time(reply)
        return theirs and theirs + apart

    monkeypatch.setattr("connectors.witnesses.their_time", other_time)
    monkeypatch.setattr(clock, "UNSURE_AGAIN", timedelta(seconds=1))
    url = f"sqlite:///{tmp_path / 'casebook.db'}"
    async with (
        Sandbox(parse_scenario(SCENARIO, source="test"), stock("prompt", "prompt-1")) as sandbox,
        serving(sandbox, own_broker, url),
    ):
        await publish(own_broker, detection_for(sandbox, "prompt", "prompt-1").to_bytes())
        await asyncio.sleep(5)
        by_the_wrong_one = dict(sandbox.journal.effects())
        apart = timedelta(0)

        async def sent() -> bool:
            return bool(sandbox.journal.effects())

        await until(sent, within_s=30)

    assert by_the_wrong_one == {}
