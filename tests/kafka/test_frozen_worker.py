"""A real screening worker that is stopped in its tracks is killed, comes back, and screens on."""

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from connectors.sandbox.scenario_file import load_scenario
from streams.local.machine import Machine, prepare
from streams.local.supervisor import Supervisor

pytestmark = [pytest.mark.kafka, pytest.mark.long]


async def test_a_worker_under_sigstop_is_started_again_and_gets_on(tmp_path: Path) -> None:
    machine = Machine(data_dir=tmp_path, source=None, stock=None, scenario=load_scenario("demo"))
    prepared = prepare(machine)
    wanted = {"kafka", "topics", "screening"}
    services = [
        replace(service, frozen_after_s=6.0 if service.name == "screening" else None)
        for service in prepared.services
        if service.name in wanted
    ]
    said: list[str] = []

    async with Supervisor(services, log_dir=tmp_path / "logs", say=said.append) as supervisor:
        first = supervisor.pid_of("screening")
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        async with asyncio.timeout(60):
            while not (supervisor.is_ready("screening") and supervisor.pid_of("screening") != first):
                await asyncio.sleep(0.2)
        async with httpx.AsyncClient(trust_env=False) as client:
            url = f"http://127.0.0.1:{prepared.ports['screening']}/health"
            async with asyncio.timeout(60):
                while True:
                    found = (await client.get(url)).json()
                    if found["ok"] and len(found["partitions"]) == 4:
                        break
                    await asyncio.sleep(0.5)

    assert any("screening: answered nothing for 6 s and was killed" in line for line in said)
