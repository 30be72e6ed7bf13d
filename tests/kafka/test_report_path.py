"""A partner's report with its picture, over HTTP and Kafka into the casebook, while processes are killed.

The oracle is the sender's own list of what was acknowledged.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from connectors.intake_keys import hash_key
from schemas.report import Report
from schemas.topics import CATALOGUE
from streams.contacts.keys import Contact, read_keys
from streams.local.kafka import LocalKafka
from streams.local.ports import free_port
from streams.local.topics import apply
from streams.notices.casebook import filed
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.viewer import Viewer
from streams.notices.evidence import EvidenceStore
from tests.support.broker import read_all
from tests.support.pictures import drawn, encoded

TOKEN = "tk_" + "k" * 43
REPORTS = 24
WHO = Contact("Canary Example", "canary@reporter.example")
ANALYST = Viewer("a", "kim", "Kim", "analyst")


class Killable:
    """A command of ours that is killed and started again."""

    def __init__(self, *arguments: str, environment: dict[str, str], log: Path) -> None:
        self._arguments = arguments
        self._environment = environment
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as sink:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "streams.cli", *self._arguments),
                env={**os.environ, **self._environment},
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )

    async def kill(self) -> None:
        assert self._process is not None
        assert self._process.returncode is None, self._log.read_text()[-2_000:]
        os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


@contextlib.asynccontextmanager
async def running(*processes: Killable) -> AsyncIterator[None]:
    for one in processes:
        await one.start()
    try:
        yield
    finally:
        for one in processes:
            await one.kill()


async def patiently(
    client: httpx.AsyncClient, method: str, path: str, wanted: int, **sent: object
) -> httpx.Response:
    """As a sender who knows the contract: whatever is not the wanted status is tried again."""
    while True:
        with contextlib.suppress(httpx.TransportError):
            reply = await client.request(method, path, **sent)  # type: ignore[arg-type]
            if reply.status_code == wanted:
                return reply
            assert reply.status_code in (404, 503), reply.text
        await asyncio.sleep(0.1)


async def test_what_was_acknowledged_is_in_the_casebook_whatever_was_killed(
    own_broker: LocalKafka, tmp_path: Path
) -> None:
    await apply(own_broker.bootstrap, CATALOGUE)
    keys, platforms = tmp_path / "keys.yaml", tmp_path / "platforms.yaml"
    keys.write_text(
        f"keys:\n  - {{id: k, sha256: {hash_key(TOKEN)}, organisation: Trust, roles: [reports],"
        f" rate_per_s: 1000, burst: 1000}}\n"
    )
    platforms.write_text(
        "platforms:\n  - {name: market, kind: sandbox, base_url: 'http://127.0.0.1:9', private_address: true,"
        " dev_only: true, secret: whsec_" + "c2hv" * 10 + "}\n"
    )
    data = tmp_path / "data"
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": own_broker.bootstrap,
        "TAKIN_DATA_DIR": str(data),
        "TAKIN_PLATFORMS_FILE": str(platforms),
    }
    port = free_port()
    intake = Killable(
        *(
            "intake",
            "--keys",
            str(keys),
            "--port",
            str(port),
            "--metrics-port",
            "0",
            "--follow",
            "--pictures",
        ),
        environment=environment,
        log=tmp_path / "intake.log",
    )
    notices = Killable(
        *("notices", "serve", "--port", "0", "--metrics-port", "0"),
        environment=environment,
        log=tmp_path / "notices.log",
    )
    casebook = Casebook.open(f"sqlite:///{data / 'casebook.db'}")
    headers = {"authorization": f"Bearer {TOKEN}"}
    acknowledged: dict[str, bytes] = {}

    async def send(client: httpx.AsyncClient, number: int) -> None:
        picture = encoded(drawn(number, 60, 80))
        named = await patiently(client, "POST", "/v1/reports/pictures", 201, content=picture)
        report = {
            "url": f"https://m.example/{number}",
            "what": f"A tusk, number {number}.",
            "reporter": {"kind": "citizen", "name": WHO.name, "email": WHO.email},
            "pictures": [named.json()["picture"]],
        }
        reply = await patiently(client, "POST", "/v1/reports", 202, json=report)
        acknowledged[reply.json()["reference"]] = picture

    try:
        async with (
            running(intake, notices),
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=10) as client,
            asyncio.timeout(120),
        ):
            await send(client, 0)
            sending = asyncio.gather(*(send(client, number) for number in range(1, REPORTS)))
            for process in (intake, notices, intake):
                before = len(acknowledged)
                while len(acknowledged) == before and not sending.done():
                    await asyncio.sleep(0.001)
                await process.kill()
                await process.start()
            await sending
            followed = [
                await patiently(client, "GET", f"/v1/reports/{reference}", 200) for reference in acknowledged
            ]
        waiting = await casebook.look(filed.listed, ANALYST, waiting=True, limit=1_000)
    finally:
        casebook.close()

    ring = read_keys(data / "contact.keys")
    assert {ring.decrypt(one.report.report_id, one.contact or "") for one in waiting} == {WHO}
    kept = files_in(tmp_path)
    log = await read_all(own_broker.bootstrap, "reports")
    kept |= {f"offset {one.offset}": one.value for one in log}
    assert len(kept) > REPORTS
    sung = [name for name, content in kept.items() if b"canary" in content.lower()]
    assert sung == [], "neither the database's file, nor Kafka, nor a log has who reported in clear"
    assert len(acknowledged) == REPORTS
    assert {reply.json()["progress"] for reply in followed} == {"received"}
    assert sorted(one.report.what for one in waiting) == sorted(
        f"A tusk, number {n}." for n in range(REPORTS)
    )
    evidence = EvidenceStore(data / "evidence")
    assert all(evidence.get(sha256) for one in waiting for sha256 in _kept(one.report))


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def _kept(report: Report) -> tuple[str, ...]:
    assert len(report.kept) == 1, "it came with a picture"
    return report.kept
