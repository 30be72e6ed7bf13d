"""The notary over a real casebook: signs in time, goes on after a restart, signs nothing tampered with."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry

from schemas.checkpoint import AuditCheckpoint
from streams.notices import handlers, notary
from streams.notices.casebook import sealing
from streams.notices.casebook.database import Casebook
from streams.notices.chain import AuditRow
from streams.notices.checkpoints import CheckpointLog, check_log
from streams.notices.metrics import NoticeMetrics
from streams.notices.notary import Notary, Pace
from tests.support.casebooks import DESK, fill
from tests.support.notices import T0, at, make_detection

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


@pytest.fixture
def casebook(tmp_path: Path) -> Iterator[Casebook]:
    book = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}")
    yield book
    book.close()


class Bench:
    """A notary with a clock of its own."""

    def __init__(self, casebook: Casebook, folder: Path) -> None:
        self.casebook = casebook
        self.log = CheckpointLog(folder / "checkpoints.jsonl")
        self.now = T0
        self.published: list[AuditCheckpoint] = []
        self.notary = self.start("w1")

    def start(self, worker: str) -> Notary:
        made = Notary(
            self.casebook,
            KEY,
            self.log,
            self._publish,
            NoticeMetrics(CollectorRegistry()),
            worker=worker,
            pace=Pace(timedelta(minutes=1), 100),
            tick_s=0.001,
            clock=lambda: self.now,
        )
        made.resume()
        return made

    async def _publish(self, checkpoint: AuditCheckpoint) -> None:
        self.published.append(checkpoint)

    async def step_at(self, when: datetime) -> int:
        self.now = when
        await self.notary.step()
        return len(self.log.read()[0]) if self.log.path.exists() else 0


@pytest.fixture
def bench(casebook: Casebook, tmp_path: Path) -> Bench:
    return Bench(casebook, tmp_path)


def detect(casebook: Casebook, listing_id: str) -> None:
    casebook.decide(handlers.take_detection, make_detection(listing_id), DESK, now=T0)


async def test_new_rows_are_signed_after_a_minute_or_when_they_are_many(
    casebook: Casebook, bench: Bench
) -> None:
    assert await bench.step_at(T0) == 0
    detect(casebook, "1")
    assert await bench.step_at(at(1)) == 1
    detect(casebook, "2")
    assert await bench.step_at(at(30)) == 1
    assert await bench.step_at(at(61)) == 2
    assert await bench.step_at(at(500)) == 2
    for number in range(20):
        detect(casebook, f"many-{number}")
    assert await bench.step_at(at(501)) == 3

    found, breaks = bench.log.read()
    assert breaks == check_log(found, KEY.public_key()) == ()
    assert bench.published == list(found)
    verdict = casebook.answer(sealing.verify, found)
    assert verdict.breaks == ()
    assert verdict.covered == verdict.rows


async def test_after_a_restart_it_reads_only_what_is_new(
    casebook: Casebook, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(casebook, 2)
    await bench.step_at(T0)
    [first], _ = bench.log.read()
    read: list[int] = []
    whole = sealing.audit_rows

    def counted(tx: sa.Connection, *, after: int = 0, limit: int | None = None) -> Iterator[AuditRow]:
        read.append(after)
        return whole(tx, after=after, limit=limit)

    monkeypatch.setattr(sealing, "audit_rows", counted)
    detect(casebook, "another")
    bench.notary = bench.start("w1")
    assert await bench.step_at(at(120)) == 2

    assert read == [first.size - 1]
    assert bench.published == [first, first, bench.log.read()[0][1]]  # again: it may not have been told
    monkeypatch.undo()
    assert casebook.answer(sealing.verify, bench.log.read()[0]).breaks == ()


async def test_a_long_chain_is_read_in_pieces(
    casebook: Casebook, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notary, "AT_ONCE", 7)
    fill(casebook, 2)

    await bench.step_at(T0)

    [one], _ = bench.log.read()
    assert one.size == casebook.answer(sealing.verify).rows


@pytest.mark.parametrize(
    "tampering",
    [
        pytest.param("UPDATE audit SET actor = 'me' WHERE position > (SELECT max(position) FROM audit) - 2"),
        pytest.param("DELETE FROM audit WHERE position = (SELECT max(position) FROM audit) - 1"),
        pytest.param("UPDATE audit_head SET position = 1"),
        pytest.param("DELETE FROM audit_head"),
    ],
)
async def test_a_tampered_chain_is_not_signed(casebook: Casebook, bench: Bench, tampering: str) -> None:
    detect(casebook, "1")
    await bench.step_at(T0)
    detect(casebook, "2")
    with casebook.engine.connect() as connection, connection.begin():
        connection.execute(sa.text(tampering))

    assert await bench.step_at(at(100)) == 1
    assert bench.notary.broken
    assert await bench.step_at(at(200)) == 1


async def test_a_chain_that_lost_its_signed_tail_is_not_signed_on(casebook: Casebook, bench: Bench) -> None:
    detect(casebook, "1")
    await bench.step_at(T0)
    with casebook.engine.connect() as connection, connection.begin():
        last, before = connection.execute(
            sa.text("SELECT position, previous FROM audit ORDER BY position DESC LIMIT 1")
        ).one()
        connection.execute(sa.text("DELETE FROM audit WHERE position = :last"), {"last": last})
        connection.execute(
            sa.text("UPDATE audit_head SET position = :last - 1, hash = :before"),
            {"last": last, "before": before},
        )

    bench.notary = bench.start("w1")
    assert await bench.step_at(at(100)) == 1
    assert bench.notary.broken == f"{last} rows were read before and are not there any more"


async def test_one_notary_signs_and_another_takes_over_from_the_file(
    casebook: Casebook, bench: Bench
) -> None:
    first, second = bench.notary, bench.start("w2")
    detect(casebook, "1")
    await bench.step_at(T0)
    bench.notary = second
    detect(casebook, "2")
    assert await bench.step_at(at(1)) == 1
    assert await bench.step_at(at(100)) == 2  # the first one's lease ran out
    detect(casebook, "3")
    bench.notary = first
    await bench.step_at(at(101))
    assert await bench.step_at(at(200)) == 3

    found, _ = bench.log.read()
    assert check_log(found, KEY.public_key()) == ()


async def test_a_stop_signs_what_is_young(casebook: Casebook, bench: Bench) -> None:
    detect(casebook, "1")
    await bench.step_at(T0)
    detect(casebook, "2")
    await bench.step_at(at(1))

    await bench.notary.flush()

    found, _ = bench.log.read()
    assert found[-1].size == casebook.answer(sealing.verify).rows


async def test_a_stop_in_the_middle_of_writing_does_not_give_a_number_twice(
    casebook: Casebook, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    append = bench.log.append

    def slow(checkpoint: AuditCheckpoint) -> None:
        begun.set()
        go_on.wait(10)
        append(checkpoint)

    detect(casebook, "1")
    monkeypatch.setattr(bench.log, "append", slow)
    step = asyncio.create_task(bench.step_at(at(1)))
    await asyncio.to_thread(begun.wait, 10)
    step.cancel()
    await asyncio.wait([step])
    detect(casebook, "2")
    flushing = asyncio.create_task(bench.notary.flush())
    await asyncio.sleep(0.05)
    go_on.set()
    await flushing

    signed, wrong = bench.log.read()
    assert (wrong, check_log(signed, KEY.public_key())) == ((), ())
    assert [one.number for one in signed] == [1, 2]
    assert bench.published[-1] == signed[-1]
