"""What the sandbox told anyone survives its death."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.sandbox.journal import Journal, JournalFile
from connectors.sandbox.records import Started, Stopped
from schemas.errors import OperatorError
from tests.unit.connectors.sandbox.desk_client import (
    SECRET,
    STOCK,
    DeskClient,
    notice_body,
    one_platform,
    receiver,
    shop,
    until,
)

LAUNCH = (
    "import typer; from connectors.sandbox.commands import register; app = typer.Typer(); "
    "app.callback()(lambda: None); register(app); app()"
)


class Process:
    """A real ``takin sandbox`` in a session of its own."""

    def __init__(self, folder: Path, scenario: str) -> None:
        self.folder = folder
        self.ports = folder / "ports.json"
        self.journal_path = folder / "state" / "journal.jsonl"
        (folder / "scenario.yaml").write_text(scenario)
        (folder / "stock.jsonl").write_text("".join(json.dumps(row) + "\n" for row in STOCK))
        self.running: subprocess.Popen[bytes] | None = None
        self.kills = 0

    async def start(self) -> str:
        """Its platform's address, once it listens."""
        # In a new folder the file cannot be an old one; a restarted process takes it away first.
        self.ports.unlink(missing_ok=True)
        arguments = ["--scenario", self.folder / "scenario.yaml", "--stock", self.folder / "stock.jsonl"]
        arguments += ["--state", self.folder / "state", "--ports-file", self.ports]
        self.running = subprocess.Popen(  # noqa: ASYNC220 - the loop has nothing else to do
            [sys.executable, "-c", LAUNCH, "sandbox", *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        await until(lambda: self.ports.exists() or self.running.poll() is not None, within_s=20)  # type: ignore[union-attr]
        return str(json.loads(self.ports.read_text())["shop"])

    def end(self, number: signal.Signals) -> int:
        assert self.running is not None
        self.kills += number == signal.SIGKILL
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.running.pid, number)
        return self.running.wait(timeout=10)

    @property
    def journal(self) -> Journal:
        return Journal.load(self.journal_path)


@contextlib.asynccontextmanager
async def process(folder: Path, scenario: str) -> AsyncIterator[tuple[Process, httpx.AsyncClient]]:
    running = Process(folder, scenario)
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        try:
            yield running, http
        finally:
            if running.running is not None and running.running.poll() is None:
                running.end(signal.SIGKILL)


async def test_kill_9_loses_nothing_that_was_told_and_doubles_nothing(tmp_path: Path) -> None:
    scenario = (
        f"platforms:\n  - name: shop\n    secret: {SECRET}\n"
        "    temper: [{do: silent, when: {listing: L8}}, {do: prompt, after_s: 0.4}]\n"
        "    trouble: [{do: flaky, every: 3, how: reset_after}]\n"
        "    answers: {retry_after_s: [0.1, 0.2, 0.3, 0.5, 1, 2]}\n"
    )
    async with receiver() as answers, process(tmp_path, scenario) as (sandbox, http):
        url = await sandbox.start()
        desk = DeskClient(url, http)
        bodies = {n: notice_body(url, f"L{n}", reply_to=answers.url) for n in range(1, 9)}
        receipts: dict[int, Any] = {}
        for _ in range(3):
            for number, body in bodies.items():
                # A kill in the middle of the first two rounds; the unanswered are sent again in the next.
                if number == 4 and sandbox.kills < 2:
                    sandbox.end(signal.SIGKILL)
                    assert await sandbox.start() == url
                with contextlib.suppress(httpx.TransportError):
                    reply = await desk.submit(body)
                    assert reply.status_code == 202, reply.text
                    assert receipts.setdefault(number, reply.json()) == reply.json()
        assert len(receipts) == len(bodies)
        await until(
            lambda: len({body["data"]["item"]["item_id"] for body in answers.genuine()}) == 7, within_s=60
        )
        await until(lambda: not sandbox.journal.undelivered(), within_s=60)

        keys = {body["idempotency_key"] for body in bodies.values()}
        journal = sandbox.journal
        assert journal.effects() == dict.fromkeys(keys, 1)
        assert sorted(len(journal.words(key)) for key in keys) == [0, *[1] * 7]
        assert len({headers["webhook-id"] for headers, _ in answers.came}) == 7
        assert {n: (await desk.page(f"L{n}")).status_code for n in (1, 8)} == {1: 404, 8: 200}
        assert await desk.word(bodies[8]["idempotency_key"]) == "RECEIVED"
        assert len([r for r in journal.records if isinstance(r, Started)]) == 3
        assert not [r for r in journal.records if isinstance(r, Stopped)]
        assert sandbox.end(signal.SIGTERM) == 0
        assert isinstance(sandbox.journal.records[-1], Stopped)


async def test_a_restart_carries_on_with_keys_pages_plans_and_ports(tmp_path: Path) -> None:
    scenario = one_platform("{do: slow, after_s: 4, when: {listing: L2}}, {do: prompt, after_s: 0}")
    async with shop(scenario, state_dir=tmp_path) as (sandbox, desk):
        url = desk.base_url
        body = notice_body(url, "L1")
        first = (await desk.submit(body)).json()
        slow, _ = await desk.notice("L2")
        await desk.http.delete(f"{url}/stock/L3")
        await desk.http.post(f"{url}/stock", json={"id": "new", "title": "put later"})
        await until(lambda: sandbox.journal.words(body["idempotency_key"]))
        feed = (await desk.http.get(f"{url}/feed.json?since=0")).content
    async with shop(scenario, state_dir=tmp_path) as (sandbox, desk):
        assert desk.base_url == url
        again = await desk.submit(body)
        assert (again.json(), again.headers["idempotent-replayed"]) == (first, "true")
        assert (await desk.submit({**body, "reasons": "Other."})).json()["code"] == "key_reused"
        assert [(await desk.page(f"L{n}")).status_code for n in (1, 2, 3, 4)] == [404, 200, 404, 200]
        assert "put later" in (await desk.page("new")).text
        assert (await desk.http.get(f"{url}/feed.json?since=0")).content == feed

        await until(lambda: sandbox.journal.words(slow))
        assert (await desk.page("L2")).status_code == 404
        assert (await desk.notice("L5"))[1].json()["reference"] == "SHOP-000003"


async def test_what_fell_due_while_it_was_away_happens_at_once_and_once(tmp_path: Path) -> None:
    scenario = one_platform("{do: prompt, after_s: 0.3}")
    async with receiver() as answers:
        async with shop(scenario, state_dir=tmp_path) as (_, desk):
            key, _ = await desk.notice("L1", reply_to=answers.url)
        await asyncio.sleep(0.4)
        for _ in range(2):
            async with shop(scenario, state_dir=tmp_path) as (sandbox, _):
                await until(lambda: sandbox.journal.words(key))
                await asyncio.sleep(0.1)

        assert answers.words() == ["REMOVED"]
        assert [said.word for said in sandbox.journal.words(key)] == ["REMOVED"]


async def test_a_webhook_on_its_way_is_sent_after_a_restart(tmp_path: Path) -> None:
    scenario = one_platform("{do: prompt, after_s: 0}", platform="answers: {retry_after_s: [0.5, 0.5]}")
    async with receiver(500) as answers:
        async with shop(scenario, state_dir=tmp_path) as (sandbox, desk):
            await desk.notice("L1", reply_to=answers.url)
            await until(lambda: sandbox.journal.webhooks() != ())
        async with shop(scenario, state_dir=tmp_path) as (sandbox, _):
            await until(lambda: not sandbox.journal.undelivered())

        assert [(s.attempt, s.result) for s in sandbox.journal.webhooks()] == [
            (1, "retrying"),
            (2, "delivered"),
        ]


async def test_a_question_and_its_answer_survive(tmp_path: Path) -> None:
    scenario = one_platform("{do: needs_information, ask_after_s: 0, then_after_s: 0.5, timeout_s: 0.7}")
    async with shop(scenario, state_dir=tmp_path) as (sandbox, desk):
        key, _ = await desk.notice("L1")
        await until(lambda: sandbox.journal.words(key))
    async with shop(scenario, state_dir=tmp_path) as (_, desk):
        assert (await desk.inform(key, "Here.")).status_code == 202
    async with shop(scenario, state_dir=tmp_path) as (sandbox, _):
        await until(lambda: len(sandbox.journal.words(key)) == 2)
        await asyncio.sleep(0.2)

        assert [said.word for said in sandbox.journal.words(key)] == ["NEED_MORE_INFORMATION", "REMOVED"]


async def test_throttling_goes_on_counting(tmp_path: Path) -> None:
    scenario = one_platform(platform="trouble: [{do: throttles, tries: 1, retry_after_s: 0}]")
    async with shop(scenario, state_dir=tmp_path) as (_, desk):
        body = notice_body(desk.base_url, "L1")
        assert (await desk.submit(body)).status_code == 429
    async with shop(scenario, state_dir=tmp_path) as (_, desk):
        assert (await desk.submit(body)).status_code == 202


async def test_another_stock_file_adds_and_brings_nothing_back(tmp_path: Path) -> None:
    scenario = one_platform("{do: prompt, after_s: 0}")
    async with shop(scenario, state_dir=tmp_path) as (sandbox, desk):
        key, _ = await desk.notice("L1")
        await until(lambda: sandbox.journal.words(key))
        cursor = (await desk.http.get(f"{desk.base_url}/feed.json")).headers["takin-cursor"]
    more = [*STOCK[:2], {"id": "L9", "title": "new"}]
    async with shop(scenario, more, state_dir=tmp_path) as (_, desk):
        feed = (await desk.http.get(f"{desk.base_url}/feed.json?since={cursor}")).json()

        assert [item["id"] for item in feed["items"]] == ["L2", "L9"]
        assert [(await desk.page(i)).status_code for i in ("L1", "L2", "L9")] == [404, 200, 200]


async def test_a_port_that_somebody_else_took_is_told(tmp_path: Path) -> None:
    async with shop(one_platform(), state_dir=tmp_path) as (_, desk):
        port = int(desk.base_url.rpartition(":")[2])
    taken = await asyncio.start_server(lambda r, w: None, "127.0.0.1", port)
    with pytest.raises(OperatorError, match=f"{port} is already in use"):
        async with shop(one_platform(), state_dir=tmp_path):
            pass
    taken.close()
    # The failed start let the journal go.
    async with shop(one_platform(), state_dir=tmp_path):
        pass


async def test_a_full_disk_ends_the_sandbox_and_nothing_is_said_to_be_taken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(OSError, match="No space left"):  # noqa: PT012 - raised on leaving
        async with shop(one_platform()) as (sandbox, desk):
            full = JournalFile(Path("/dev/full"))
            sandbox.platforms["shop"]._journal = full
            _, reply = await desk.notice("L1")
            assert reply.status_code == 500
            full.close()
            with pytest.raises(OSError, match="No space left"):
                await sandbox.failed()
    assert caplog.records == []
