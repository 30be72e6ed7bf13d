"""The guards over real connections: HTTP to a practice platform and to a dead one, and real mail.

The oracle is what arrived: the sandbox's journal, the mailbox, the dead server's own list.
"""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from connectors.channels.mail_message import message_id
from connectors.platform_config import PlatformConfig
from connectors.sandbox.records import RequestReceived
from connectors.sandbox.scenario_file import parse_scenario
from connectors.sandbox.service import Sandbox
from streams.notices import acts, handlers
from streams.notices.answers import Answers
from streams.notices.bridge import make_bridge, policy_of
from streams.notices.casebook import cases, channels, deliveries, outbox, sealing, tasks
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.viewer import Viewer
from streams.notices.clock import DeadlineClock
from streams.notices.dispatcher import Dispatcher
from streams.notices.guards.keeper import Keeper
from streams.notices.handlers import Desk
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics
from streams.notices.sender import demonstration_sender
from tests.contracts.rude_server import Asked, Manners, RudeServer, answer, rude_server
from tests.contracts.test_mail_channel import Mailbox, mail_server
from tests.support.notices import LAW, make_detection

SECRET = "whsec_" + base64.b64encode(b"practice".ljust(32, b".")).decode()
SCENARIO = (
    f"description: one that takes notices and says nothing\nplatforms:\n"
    f"  - {{name: live, secret: {SECRET}, temper: [{{do: silent}}]}}\n"
)


def config(name: str, base_url: str, **more: Any) -> PlatformConfig:
    return PlatformConfig.model_validate(
        {
            "name": name,
            "kind": "sandbox",
            "base_url": base_url,
            "private_address": True,
            "dev_only": True,
            "secret": SECRET,
            "webhook_secret": SECRET,
            "rate_per_s": 1_000,
            "timeouts": {"total_s": 1.0, "read_s": 1.0},
            "delivery": {"retry_schedule_s": [0.2, 0.2, 0.2, 0.2, 0.2, 0.2], "poll_first_s": 600},
            **more,
        }
    )


def mail_options(port: int) -> dict[str, Any]:
    return {
        "to": ["abuse@live.example"],
        "sender": "takin@monitor.example",
        "host": "127.0.0.1",
        "port": port,
        "tls": "none",
    }


class Running:
    """The sending half of the service on one casebook."""

    def __init__(self, casebook: Casebook, configs: Sequence[PlatformConfig], **options: Any) -> None:
        self.casebook = casebook
        sink = options.get("sink")
        ways = options.get("ways")
        self.bridge = make_bridge(configs, sink=sink, ways=ways(casebook) if ways else None)
        sender = replace(demonstration_sender(reply_base=None), test_mode=sink is not None)
        self.desk = Desk(
            platforms={one.name: replace(policy_of(one), redelivers=True) for one in configs},
            sender=sender,
            law=LAW,
            render=self.bridge.render,
            follow_up=self.bridge.render_follow_up,
            fallback=self.bridge.render_fallback,
        )
        self.registry = CollectorRegistry()
        self.metrics = NoticeMetrics(self.registry)
        answers = Answers(casebook, self.bridge, self.metrics, changed=Bell())
        self.dispatchers = [
            Dispatcher(
                casebook, self.desk, self.bridge, self.metrics, worker=f"w{number}", answered=answers.bell
            )
            for number in range(options.get("dispatchers", 1))
        ]
        bells = tuple(one.bell for one in self.dispatchers)
        self.steps = [
            *(one.step for one in self.dispatchers),
            answers.step,
            DeadlineClock(casebook, self.desk, self.metrics, drain=answers.drain, fired=bells[0]).step,
            Keeper(casebook, self.desk, self.metrics, bells=bells).step,
        ]

    async def notify(self, platform: str, listing_id: str, base_url: str, **shown: Any) -> str:
        detection = make_detection(
            listing_id,
            platform=platform,
            url=f"{base_url}/listing/{listing_id}",
            observed_at=datetime.now(UTC),
            **shown,
        )
        taken = await self.casebook.run(handlers.take_detection, detection, self.desk, now=datetime.now(UTC))
        assert taken.notice_id is not None, taken.why
        for one in self.dispatchers:
            one.bell.ring()
        return taken.notice_id

    async def act(self, function: Any, *args: Any, **options: Any) -> Any:
        return await self.casebook.run(function, *args, now=datetime.now(UTC), **options)


@contextlib.asynccontextmanager
async def running(path: Path, configs: Sequence[PlatformConfig], **options: Any) -> AsyncIterator[Running]:
    casebook = Casebook.open(f"sqlite:///{path / 'casebook.db'}")
    service = Running(casebook, configs, **options)

    async def keep_on(step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await step()

    parts = [asyncio.create_task(keep_on(step)) for step in service.steps]
    try:
        yield service
        for part in parts:
            if part.done():
                part.result()
    finally:
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
        for one in service.dispatchers:
            await one.drain(2.0)
        await service.bridge.aclose()
        verdict = casebook.answer(sealing.verify)
        casebook.close()
    assert verdict.breaks == ()


@contextlib.asynccontextmanager
async def practice(listings: int) -> AsyncIterator[Sandbox]:
    rows = [
        {"id": str(number), "title": "Carved ivory figure", "text": "Old carved ivory.", "platform": "live"}
        for number in range(listings)
    ]
    async with Sandbox(parse_scenario(SCENARIO, source="test"), rows) as sandbox:
        yield sandbox


def arrived(sandbox: Sandbox, *outcomes: str) -> list[RequestReceived]:
    return [one for one in sandbox.journal.requests if one.outcome in outcomes]


async def until(true: Callable[[], bool], within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def desk_that(manners: Manners) -> AsyncIterator[RudeServer]:
    async with rude_server() as server:
        server.manners = manners
        yield server


async def never_answers(_: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def test_a_dead_platform_does_not_delay_another_and_is_soon_left_alone(tmp_path: Path) -> None:
    async with practice(20) as sandbox, desk_that(never_answers) as dead:
        live_url = sandbox.base_urls["live"]
        breaker = {"failures": 4, "open_s": 60}
        configs = [config("live", live_url), config("dead", dead.url, breaker=breaker)]
        async with running(tmp_path, configs) as service:
            for number in range(20):
                await service.notify("dead", str(number), dead.url)
            await asyncio.sleep(0.5)  # every place of the dead one is taken
            asked: dict[str, datetime] = {}
            for number in range(20):
                notice_id = await service.notify("live", str(number), live_url)
                asked[notice_id] = datetime.now(UTC)
            await until(lambda: len(arrived(sandbox, "accepted")) == 20)
            with service.casebook.read() as tx:
                keys = {cases.notice_by_id(tx, one).idempotency_key: at for one, at in asked.items()}
            delays = sorted(
                (one.at - keys[one.key or ""]).total_seconds() for one in arrived(sandbox, "accepted")
            )
            await until(lambda: service.casebook.answer(channels.breakers) != {})
            await asyncio.sleep(1.5)
            tries = len(dead.asked)
            states = service.casebook.answer(channels.breakers)
        print(f"live: median {delays[10]:.3f} s, longest {delays[-1]:.3f} s; dead: {tries} tries")
    assert delays[-1] < 1.0
    assert states["dead", "own"].state == "open"
    assert tries <= 4 + 4, "the failures that open it, and those under way at that moment"


async def test_the_kill_switch_takes_effect_within_a_second_in_running_dispatchers(tmp_path: Path) -> None:
    async with practice(60) as sandbox:
        url = sandbox.base_urls["live"]
        async with running(tmp_path, [config("live", url)], dispatchers=2) as service:
            for number in range(10):
                await service.notify("live", str(number), url)
            await until(lambda: len(arrived(sandbox, "accepted")) == 10)
            await service.act(acts.stop_sending, "platform", "live", by="Ada", reason="their desk asked")
            stopped_at = datetime.now(UTC)
            for number in range(10, 40):
                await service.notify("live", str(number), url)
            await asyncio.sleep(1.5)
            late = [one for one in arrived(sandbox, "accepted") if one.at > stopped_at + timedelta(seconds=1)]
            during = len(arrived(sandbox, "accepted"))
            await service.act(acts.resume_sending, "platform", "live", by="Ada")
            await until(lambda: len(arrived(sandbox, "accepted")) == 40)
        effects = sandbox.journal.effects()
    assert late == []
    assert during == 10, "what was queued after the stop did not go at all"
    assert len(effects) == 40
    assert set(effects.values()) == {1}


async def test_silence_brings_a_reminder_then_a_letter_then_tasks_and_a_withdrawal_ends_it(
    tmp_path: Path,
) -> None:
    box = Mailbox()
    async with practice(1) as sandbox, mail_server(box) as port:
        url = sandbox.base_urls["live"]
        one = config(
            "live",
            url,
            sla={"policy": "test", "source": "clause 4", "acknowledge_s": 60, "decide_s": 3},
            mail=mail_options(port),
            escalation=[
                {"step": "reminder", "at": 0.5},
                {"step": "contact", "at": 1.0, "to": "named.person@live.example"},
                {"step": "manager", "at": 1.4},
                {"step": "regulator", "at": 50},
            ],
        )
        async with running(tmp_path, [one]) as service:
            notice_id = await service.notify("live", "0", url)
            await until(lambda: bool(arrived(sandbox, "reminded")))
            await until(lambda: bool(box.taken))
            await until(lambda: bool(service.casebook.answer(tasks.waiting)))
            with service.casebook.read() as tx:
                notice = cases.notice_by_id(tx, notice_id)
            done = await service.act(
                acts.withdraw, notice_id, service.desk, by="Ada", reason="the permit is genuine"
            )
            await until(lambda: bool(arrived(sandbox, "withdrawn")))
        reminded, withdrawn = arrived(sandbox, "reminded"), arrived(sandbox, "withdrawn")
    assert notice.sent_at is not None
    late = [(reminded[0].at - notice.sent_at).total_seconds() - 1.5]
    print(f"the reminder arrived {late[0] * 1000:.0f} ms after it was due")
    assert 0 <= late[0] < 1.0
    assert [r.key for r in reminded] == [w.key for w in withdrawn] == [notice.idempotency_key]
    assert done.told
    [(_, to)] = box.envelopes
    letter = message_from_bytes(box.taken[0])
    assert to == ("named.person@live.example",)
    assert notice.human_reference in letter["Subject"]
    assert letter["In-Reply-To"] == message_id(notice.idempotency_key, "takin@monitor.example")
    assert letter["Message-ID"] != letter["In-Reply-To"]
    assert b"No decision" in box.taken[0] or b"no decision" in box.taken[0]


@pytest.mark.parametrize("how", ["gone", "dead"])
async def test_a_closed_channel_is_left_for_mail_with_the_same_notice_once(tmp_path: Path, how: str) -> None:
    box = Mailbox()
    manners = answer(410) if how == "gone" else never_answers
    async with desk_that(manners) as server, mail_server(box) as port:
        fallback = {"kind": "email", "after_s": 1.0}
        one = config(
            "live",
            server.url,
            mail=mail_options(port),
            fallback=fallback,
            breaker={"failures": 1, "open_s": 60},
        )
        async with running(tmp_path, [one]) as service:
            notice_id = await service.notify("live", "0", server.url)
            await until(lambda: bool(box.taken))
            await asyncio.sleep(1.0)
            with service.casebook.read() as tx:
                notice = cases.notice_by_id(tx, notice_id)
            entries = service.casebook.answer(outbox.of_notice, notice_id)
        asked = len(server.asked)
    assert [(e.purpose, e.state) for e in entries] == [(None, "dead"), ("fallback", "delivered")]
    assert notice.delivery == "accepted"
    assert box.effects == {message_id(notice.idempotency_key, "takin@monitor.example")}
    assert len(box.taken) == 1
    assert asked == 1


async def test_test_mode_reaches_no_desk_and_no_mailbox(tmp_path: Path) -> None:
    box = Mailbox()
    async with desk_that(answer(202, b"{}")) as server, mail_server(box) as port:
        real = config("live", server.url, mail=mail_options(port)).model_copy(update={"dev_only": False})
        sink = tmp_path / "sink"
        async with running(tmp_path, [real], sink=sink) as service:
            notice_id = await service.notify("live", "0", server.url)
            with service.casebook.read() as tx:
                notice = cases.notice_body(tx, notice_id)
            await until((sink / "live" / f"{notice.idempotency_key}.body").exists)
            await asyncio.sleep(0.3)
            with service.casebook.read() as tx:
                row = cases.notice_by_id(tx, notice_id)
                [item] = cases.items_of_notice(tx, notice_id)
    assert "lifecycle:test" in notice.tags
    assert (sink / "live" / f"{notice.idempotency_key}.body").read_bytes() == notice.to_bytes()
    assert server.asked == []
    assert box.taken == []
    assert row.delivery == "accepted"
    assert item.acknowledged_at is None, "a folder acknowledges nothing"


async def test_a_notice_that_is_sent_again_arrives_and_stays_one(tmp_path: Path) -> None:
    viewer = Viewer("a1", "kim", "Kim", "platform", "live")
    async with practice(1) as sandbox:
        url = sandbox.base_urls["live"]
        async with running(tmp_path, [config("live", url)]) as service:
            notice_id = await service.notify("live", "0", url)
            await until(lambda: len(arrived(sandbox, "accepted")) == 1)
            await until(lambda: bool(service.casebook.answer(cases.notice_by_id, notice_id).sent_at))
            await service.act(acts.redeliver, notice_id, service.desk, by=viewer)
            await until(lambda: len(sandbox.journal.requests) == 2)
            tried = timedelta(minutes=1)
            await until(
                lambda: all(
                    one.result
                    for one in service.casebook.answer(
                        deliveries.tries, viewer, since=datetime.now(UTC) - tried, limit=9
                    )
                )
            )
            log = service.casebook.answer(deliveries.tries, viewer, since=datetime.now(UTC) - tried, limit=9)
        first, again = sandbox.journal.requests
        effects = sandbox.journal.effects()
    assert (again.key, again.sha256, again.attempt) == (first.key, first.sha256, 2)
    assert set(effects.values()) == {1}
    assert [(one.purpose, one.http_status) for one in log] == [("redelivery", 202), (None, 202)]
