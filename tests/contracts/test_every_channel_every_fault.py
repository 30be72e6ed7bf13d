"""The table: every channel that talks to a server, under every fault of that server.

What brings the notice is what runs in production: casebook, dispatcher, bridge, channel. In each cell it
is asked of the receiver's own journal: one effect for the notice's key, the same bytes in every try, no
call before the time that was asked for; and of the kernel: the process grew by less than 10 MB.
"""

import asyncio
import itertools
import json
import shutil
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from connectors.platform_config import PlatformConfig
from connectors.registry import build
from streams.notices import handlers
from streams.notices.bridge import Bridge, desk_of
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Casebook
from streams.notices.dispatcher import Dispatcher
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics
from streams.notices.sender import demonstration_sender
from tests.contracts import manners
from tests.contracts.receivers import (
    HTTP_KINDS,
    LATE_S,
    Fault,
    Journal,
    http_receiver,
    mail_receiver,
)
from tests.contracts.rude_server import Asked, answer
from tests.contracts.test_platforms import tls  # noqa: F401 - a fixture
from tests.support.notices import LAW, make_detection
from tests.support.resident import resident_growth

POST = "at://did:plc:aaaaaaaaaaaaaaaaaaaaaaaa/app.bsky.feed.post/3aaaaaaaaaa2a"
CID = "bafyreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
ENVIRONMENT = {"KEY": "canary-api-key-0123456789", "SECRET": "whsec_" + b64encode(b"k" * 32).decode()}
ROOM = 10_000_000
"""Bytes by which the process may grow."""

PATIENT = {"connect_s": 10, "read_s": 10, "write_s": 10, "pool_s": 10, "total_s": 20}
IMPATIENT = {"connect_s": 0.4, "read_s": 0.4, "write_s": 0.4, "pool_s": 0.4, "total_s": 0.5}
"""For answers that never come."""
SCALED = {"connect_s": 2, "read_s": 2, "write_s": 2, "pool_s": 2, "total_s": 2}
"""For the answer that comes just in time: 1 s of 2 s here, 29 s of 30 s in the long test."""


# ---- what is brought, and by whom -------------------------------------------------------------------


def config(kind: str, url: str, timeouts: Mapping[str, float], **more: Any) -> PlatformConfig:
    return PlatformConfig.model_validate(
        {
            "name": "market",
            "kind": kind,
            "base_url": url,
            "private_address": True,
            "rate_per_s": 1_000,
            "timeouts": timeouts,
            "delivery": {"retry_schedule_s": [0.05] * 20},
            "breaker": {"failures": 1_000},
            **more,
        }
    )


Casebooks = Callable[[], Path]


@pytest.fixture(scope="module")
def casebooks(tmp_path_factory: pytest.TempPathFactory) -> Casebooks:
    """Makes a file with an empty casebook each time."""
    folder, numbers = tmp_path_factory.mktemp("casebooks"), itertools.count()
    Casebook.open(f"sqlite:///{folder / 'empty.db'}").close()

    def another() -> Path:
        return Path(shutil.copy(folder / "empty.db", folder / f"{next(numbers)}.db"))

    return another


@dataclass
class Service:
    """The part of the notice service that delivers."""

    casebook: Casebook
    dispatcher: Dispatcher

    def state(self) -> str:
        with self.casebook.read() as tx:
            return str(tx.execute(sa.select(t.outbox.c.state)).scalar_one())

    async def until_settled(self) -> str:
        """Run until nothing waits any more; what became of the notice."""
        async with asyncio.timeout(90):
            while (state := self.state()) in ("queued", "leased"):
                await self.dispatcher.step()
        return state

    async def after_tries(self, count: int) -> str:
        """Run until so many tries have ended; the notice's state then."""
        ended = sa.select(sa.func.count()).where(t.attempt.c.finished_at.is_not(None))
        async with asyncio.timeout(90):
            while True:
                with self.casebook.read() as tx:
                    if tx.execute(ended).scalar_one() >= count:
                        return self.state()
                await self.dispatcher.step()


@asynccontextmanager
async def running(
    file: Path, platform: PlatformConfig, *, with_notice: bool = True
) -> AsyncIterator[Service]:
    """The service over this casebook, in which one notice waits."""
    casebook = Casebook.open(f"sqlite:///{file}", threads=1, migrate=False)
    bridge = Bridge({platform.name: build(platform, environment=ENVIRONMENT)})
    sender = demonstration_sender(reply_base="http://127.0.0.1:1")
    desk = desk_of([platform], bridge, sender=sender, law=LAW)
    if with_notice:
        seller = {"account_id": "7"}
        detection = make_detection(POST, revision=CID, url="https://market.example/listing/1", seller=seller)
        taken = casebook.decide(handlers.take_detection, detection, desk, now=datetime.now(UTC))
        assert taken.result == "noticed", taken
    metrics = NoticeMetrics(CollectorRegistry())
    dispatcher = Dispatcher(casebook, desk, bridge, metrics, worker="w", answered=Bell(), tick_s=0.02)
    try:
        yield Service(casebook, dispatcher)
    finally:
        await dispatcher.drain(1.0)
        await bridge.aclose()
        casebook.close()


# ---- faults ----------------------------------------------------------------------------------------


async def _until_a_date(status: int, asked: Asked, writer: asyncio.StreamWriter) -> None:
    # A date has whole seconds: this one is between one and two seconds away.
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    await answer(status, b"", ("retry-after", later))(asked, writer)


UNMET = json.dumps({"unmetRequirements": [{"code": "c", "path": "/items/0", "message": "No."}]}).encode()


@dataclass(frozen=True)
class Cell:
    """One fault and what must come of it."""

    fault: Fault
    becomes: str = "delivered"
    tries: int | None = None
    """How often the notice is brought; absent: as often as it takes."""
    wait_s: float = 0.0
    """Least time between two calls while the fault lasts."""
    timeouts: Mapping[str, float] | None = None


ERRORS: dict[str, Cell] = {
    "accepted": Cell(Fault(answer(500), times=0), tries=1),
    "422": Cell(Fault(answer(422, UNMET), takes=False), becomes="dead", tries=1),
    "429": Cell(Fault(answer(429), takes=False), tries=3),
    "500": Cell(Fault(answer(500))),
    "502": Cell(Fault(answer(502, b"<html>bad gateway</html>"))),
    "503": Cell(Fault(answer(503))),
    "reset before the answer": Cell(Fault(manners.resets_before)),
    "reset in the answer": Cell(Fault(manners.resets_in_the_middle)),
}
WAITS: dict[str, Cell] = {
    "429 for seconds": Cell(
        Fault(answer(429, b"", ("retry-after", "1")), takes=False, times=1), tries=2, wait_s=1.0
    ),
    "429 until a date": Cell(Fault(partial(_until_a_date, 429), takes=False, times=1), tries=2, wait_s=1.0),
    "503 for seconds": Cell(Fault(answer(503, b"", ("retry-after", "1")), times=1), wait_s=1.0),
    "503 until a date": Cell(Fault(partial(_until_a_date, 503), times=1), wait_s=1.0),
}
SLOW: dict[str, Cell] = {
    "slow-loris head": Cell(Fault(manners.trickles_the_head), timeouts=IMPATIENT),
    "slow-loris body": Cell(Fault(manners.trickles_the_body), timeouts=IMPATIENT),
    "silence": Cell(Fault(manners.never_answers), timeouts=IMPATIENT),
}
FLOODS: dict[str, Cell] = {
    "1 GB answer": Cell(Fault(manners.sends_a_gigabyte)),
    "endless chunks": Cell(Fault(manners.sends_endless_chunks)),
    "gzip bomb": Cell(Fault(answer(202, manners.BOMB, ("content-encoding", "gzip")))),
    "not JSON": Cell(Fault(answer(202, b"<html>please log in</html>"))),
}
FAULTS = {"errors": ERRORS, "waits": WAITS, "slow": SLOW, "floods": FLOODS}


# ---- over HTTP -------------------------------------------------------------------------------------


def must_hold(cell: Cell, journal: Journal, became: str) -> None:
    """What every cell must show."""
    effects = 1 if became == "delivered" or cell.fault.takes else 0
    assert became == cell.becomes
    assert len(journal.effects) == effects, journal.effects
    assert len(journal.bodies) <= 1, "another body under the same key"
    if cell.tries is not None:
        assert journal.tries == cell.tries
    if cell.wait_s:
        gap = journal.calls[1] - journal.calls[0]
        assert gap >= cell.wait_s, f"called again after {gap:.2f} s"


Stage = AbstractAsyncContextManager[tuple[Service, Journal]]
Staged = Mapping[str, tuple[Cell, Stage]]
"""Cells by name, each with the service and the receiver that play it."""


@asynccontextmanager
async def over_http(kind: str, cell: Cell, file: Path) -> AsyncIterator[tuple[Service, Journal]]:
    """A receiver of the kind, and the service with a notice for it."""
    receiver = HTTP_KINDS[kind]
    async with http_receiver(receiver, cell.fault) as (url, journal):
        platform = config(kind, url, cell.timeouts or PATIENT, **receiver.config(url))
        async with running(file, platform) as service:
            yield service, journal


async def play(staged: Staged, room: int = ROOM) -> None:
    """Several cells at once; together they may need no more memory than one may."""
    async with AsyncExitStack() as stack:
        ready = {
            name: (cell, *await stack.enter_async_context(stage)) for name, (cell, stage) in staged.items()
        }
        with resident_growth() as growth:
            became = await asyncio.gather(*(service.until_settled() for _, service, _ in ready.values()))
    broken = {}
    for (name, (cell, _, journal)), state in zip(ready.items(), became, strict=True):
        try:
            must_hold(cell, journal, state)
        except AssertionError as error:
            broken[name] = str(error)
    assert broken == {}
    assert growth.peak < room


@pytest.fixture(scope="module", autouse=True)
def warm(casebooks: Casebooks) -> None:
    """What is loaded once, at the first notice of all, is not what an answer costs."""
    http, mail = ERRORS["accepted"], MAIL_FAULTS["accepted"]
    staged: dict[str, tuple[Cell, Stage]] = {"mail": (mail, by_mail(mail, casebooks()))}
    for kind, number in itertools.product(HTTP_KINDS, range(2)):
        staged[f"{kind} {number}"] = (http, over_http(kind, http, casebooks()))
    asyncio.run(play(staged, room=100_000_000))


@pytest.mark.parametrize("group", FAULTS)
@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_one_effect_no_early_call_and_little_memory(
    kind: str, group: str, casebooks: Casebooks
) -> None:
    await play({name: (cell, over_http(kind, cell, casebooks())) for name, cell in FAULTS[group].items()})


async def test_409_is_a_receipt_where_the_receiver_names_the_matter(casebooks: Casebooks) -> None:
    """And where it names none, nobody tries again: a person looks."""
    cells = {
        kind: Cell(Fault(answer(409, one.knows("42"))), tries=1)
        if one.knows
        else Cell(Fault(answer(409, b"{}")), becomes="dead", tries=1)
        for kind, one in HTTP_KINDS.items()
    }
    await play({kind: (cell, over_http(kind, cell, casebooks())) for kind, cell in cells.items()})


def just_in_time(kind: str, after_s: float, timeouts: Mapping[str, float], tries: int | None) -> Cell:
    """An answer at the very end of the time that it has."""

    async def late(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(after_s)
        await answer(*HTTP_KINDS[kind].accepts("42"))(asked, writer)

    return Cell(Fault(late, times=1), timeouts=timeouts, tries=tries)


async def test_an_answer_just_in_time_counts(casebooks: Casebooks) -> None:
    cells = {kind: just_in_time(kind, LATE_S, SCALED, None) for kind in HTTP_KINDS}
    await play({kind: (cell, over_http(kind, cell, casebooks())) for kind, cell in cells.items()})


@pytest.mark.long
async def test_an_answer_after_29_seconds_is_the_only_try(casebooks: Casebooks) -> None:
    whole = {"connect_s": 5, "read_s": 30, "write_s": 10, "pool_s": 5, "total_s": 30}
    cells = {kind: just_in_time(kind, 29, whole, 1) for kind in HTTP_KINDS}
    await play({kind: (cell, over_http(kind, cell, casebooks())) for kind, cell in cells.items()})


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_a_certificate_that_nobody_vouches_for_gets_nothing(
    kind: str,
    casebooks: Casebooks,
    tls: tuple[ssl.SSLContext, Path],  # noqa: F811 - the fixture
) -> None:
    """And once the right authority is named, the notice that waits goes out, once."""
    receiver, cell, file = HTTP_KINDS[kind], Cell(Fault(answer(500), times=0), tries=1), casebooks()
    async with http_receiver(receiver, cell.fault, tls[0]) as (url, journal):
        stranger = config(kind, url, PATIENT, **receiver.config(url))
        async with running(file, stranger) as service:
            assert await service.after_tries(3) in ("queued", "leased")
        assert journal.calls == []
        known = stranger.model_copy(update={"ca_file": tls[1]})
        async with running(file, known, with_notice=False) as service:
            became = await service.until_settled()

    must_hold(cell, journal, became)


# ---- by mail ---------------------------------------------------------------------------------------

MAIL_FAULTS: dict[str, Cell] = {
    "accepted": Cell(Fault("250 OK", times=0), tries=1),
    "greylisted (450 to RCPT)": Cell(Fault("rcpt 450 4.2.0 greylisted", takes=False), tries=1),
    "mailbox full (452 to RCPT)": Cell(Fault("rcpt 452 4.2.2 full", takes=False), tries=1),
    "no such mailbox (550 to RCPT)": Cell(
        Fault("rcpt 550 5.1.1 no such mailbox", takes=False), becomes="dead", tries=0
    ),
    "takes no mail (556 to RCPT)": Cell(
        Fault("rcpt 556 5.1.10 null MX", takes=False), becomes="dead", tries=0
    ),
    "taken, then 421": Cell(Fault("421 4.3.2 closing")),
    "taken, then 451": Cell(Fault("451 4.3.0 local error")),
    "refused as spam (554 after DATA)": Cell(Fault("554 5.7.1 spam", takes=False), becomes="dead", tries=1),
    "too large (552 after DATA)": Cell(Fault("552 5.3.4 too large", takes=False), becomes="dead", tries=1),
    "reset before the greeting": Cell(Fault("reset before", takes=False), tries=1),
    "dropped in the middle of DATA": Cell(Fault("mid-DATA", takes=False), tries=1),
    "taken, then reset": Cell(Fault("lost")),
    "taken, then silence": Cell(Fault("slow"), timeouts=IMPATIENT),
    "taken, then 1 GB of reply": Cell(Fault("endless")),
    "taken, answer just in time": Cell(Fault("late", times=1), timeouts=SCALED),
}


def mail_config(port: int, timeouts: Mapping[str, float], encryption: str) -> PlatformConfig:
    options = {
        "to": ["abuse@market.example"],
        "sender": "takin@monitor.example",
        "host": "127.0.0.1",
        "port": port,
        "tls": encryption,
    }
    return config("email", "https://market.example", timeouts, mail=options)


@asynccontextmanager
async def by_mail(cell: Cell, file: Path) -> AsyncIterator[tuple[Service, Journal]]:
    """A mail server, and the service with a notice for it."""
    async with (
        mail_receiver(cell.fault) as (port, journal),
        running(file, mail_config(port, cell.timeouts or PATIENT, "none")) as service,
    ):
        yield service, journal


async def test_a_mail_has_one_effect_whatever_the_server_does(casebooks: Casebooks) -> None:
    await play({name: (cell, by_mail(cell, casebooks())) for name, cell in MAIL_FAULTS.items()})


@pytest.mark.parametrize("offered", [False, True], ids=["no STARTTLS", "a stranger's certificate"])
async def test_a_mail_server_without_the_right_tls_gets_nothing(
    offered: bool,
    casebooks: Casebooks,
    tls: tuple[ssl.SSLContext, Path],  # noqa: F811 - the fixture
) -> None:
    options = {"tls_context": tls[0]} if offered else {}
    async with (
        mail_receiver(Fault("250 OK", times=0), **options) as (port, journal),
        running(casebooks(), mail_config(port, PATIENT, "starttls")) as service,
    ):
        state = await service.after_tries(2)

    assert (journal.tries, journal.effects) == (0, {})
    assert len(journal.calls) >= 2
    assert state in ("queued", "leased")
