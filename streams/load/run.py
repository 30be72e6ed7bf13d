"""A whole machine of its own, a measured load through it, and the account."""

import asyncio
import functools
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from connectors.sandbox.journal import Journal
from connectors.sandbox.scenario_file import parse_scenario
from streams.load.judgement import Measured
from streams.load.sending import Sent, listings, send, watch
from streams.load.weighing import Burden, Scales
from streams.local.machine import Machine, prepare
from streams.local.supervisor import Supervisor

PLATFORM = "load-platform"
SCENARIO = {
    "description": "takes every notice and removes the listing at once",
    "platforms": [
        {
            "name": PLATFORM,
            "secret": "whsec_bG9hZC1wbGF0Zm9ybS1rZXktZm9yLXByYWN0aWNlLW9ubHk=",
            "temper": [{"do": "prompt", "after_s": 0.5}],
        }
    ],
}
WARM_UP_S = 3.0
TELL_S = 10.0
"""So often it is said how far it is."""
NOT_NEEDED = frozenset({"desk", "auditor"})


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be sent."""

    rate: float
    listings: int
    offers: float
    """Share of the listings."""
    workers: int
    wait_s: float
    """How long the last listings may take."""


async def run(
    load: Load, folder: Path, say: Callable[[str], None], tell: Callable[[str], None] = lambda _: None
) -> Measured:
    """Start everything in ``folder``, warm up, measure, and stop everything.

    ``say`` is given what each service does, ``tell`` how far it is.

    Raises:
        OperatorError: a service could not start.
    """
    machine = Machine(
        data_dir=folder,
        source=None,
        stock=_stock(load, folder / "stock.jsonl"),
        scenario=parse_scenario(yaml.safe_dump(SCENARIO), source="takin load"),
        screening_workers=load.workers,
    )
    prepared = prepare(machine)
    document = yaml.safe_load(prepared.platforms_file.read_text("utf-8"))
    document["platforms"][0]["rate_per_s"] = 1_000
    prepared.platforms_file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    services = [service for service in prepared.services if service.name not in NOT_NEEDED]
    async with Supervisor(services, log_dir=folder / "logs", say=say) as supervisor:
        sent, ready = Sent(), asyncio.Event()
        # Kafka's own process only starts Java, which is what weighs.
        weighed = {service.name for service in services if not service.once} - {"kafka"}
        scales = Scales(
            {s.name: functools.partial(supervisor.pid_of, s.name) for s in services if s.name in weighed}
        )
        watching = asyncio.create_task(watch(prepared.bootstrap, sent, ready))
        beside = [watching]
        try:
            await asyncio.wait_for(ready.wait(), 30)
            base = str(document["platforms"][0]["base_url"])
            await _warm_up(prepared.bootstrap, load, base)
            beside.append(asyncio.create_task(scales.weigh()))
            offers = round(load.listings * load.offers)
            tell(f"sending {load.listings:,} listings, {load.rate:g} a second, {offers:,} of them offers")
            beside.append(asyncio.create_task(tell_again(load, sent, tell)))
            await send(
                prepared.bootstrap, listings(load.listings, offers, PLATFORM, base, "load"), load.rate, sent
            )
            journal = folder / "sandbox" / "journal.jsonl"
            await _until_done(sent, journal, load.wait_s)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
    return account(load, sent, journal, scales.burdens())


def _warming(load: Load) -> tuple[int, int]:
    count = max(1, int(load.rate * WARM_UP_S))
    return count, max(1, count // 50)


def _stock(load: Load, file: Path) -> Path:
    """What the platform shows: the offers, so that it hosts what a notice is about."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    measured = (load.listings, round(load.listings * load.offers))
    with file.open("w", encoding="utf-8") as out:
        for (count, offers), run_id in ((_warming(load), "warm-up"), (measured, "load")):
            for listing, offer in listings(count, offers, PLATFORM, "https://load.example", run_id):
                if offer:
                    row = {"id": listing.listing_id, "title": listing.title, "text": listing.description}
                    out.write(json.dumps(row) + "\n")
    return file


async def _warm_up(bootstrap: str, load: Load, base: str) -> None:
    """The first listings find cold caches and empty connections; they are not measured."""
    await send(bootstrap, listings(*_warming(load), PLATFORM, base, "warm-up"), load.rate, Sent())
    await asyncio.sleep(1)


async def tell_again(load: Load, sent: Sent, tell: Callable[[str], None]) -> None:
    """Say how far it is, for ever."""
    while True:
        await asyncio.sleep(TELL_S)
        tell(how_far(load, sent))


def how_far(load: Load, sent: Sent) -> str:
    """What was sent and what became of it, in a line; made without going through all of them."""
    decided = max(0, len(sent.decided) - _warming(load)[0])  # the warm-up's were decided first
    return (
        f"{len(sent.due):,} of {load.listings:,} sent, {decided:,} decided, "
        f"{len(sent.offers.keys() & sent.detected.keys()):,} of {len(sent.offers):,} offers detected, "
        f"at most {1000 * sent.late_s:.0f} ms behind"
    )


async def _until_done(sent: Sent, journal: Path, within_s: float) -> None:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if sent.due.keys() <= sent.decided:
            noticed = {listing for _, listing in Journal.load(journal).noticed_listings()}
            if sent.offers.keys() <= noticed:
                return
        await asyncio.sleep(0.5)


def account(load: Load, sent: Sent, journal: Path, burdens: Mapping[str, Burden]) -> Measured:
    """What came of every listing, by Kafka's log and the platform's journal."""
    told = Journal.load(journal)
    arrived: dict[str, float] = {}
    for request in told.requests:
        for item in request.accepted.items if request.accepted else ():
            arrived.setdefault(item.listing_id, request.at.timestamp())
    return Measured(
        rate=load.rate,
        reached=len(sent.due) / sent.seconds,
        listings=load.listings,
        offers=len(sent.offers),
        late_ms=1000 * sent.late_s,
        decided=len(sent.due.keys() & sent.decided),
        detected_s=[sent.detected[name] - due for name, due in sent.offers.items() if name in sent.detected],
        noticed_s=[arrived[name] - due for name, due in sent.offers.items() if name in arrived],
        twice=sum(times > 1 for times in told.effects().values()),
        burdens=burdens,
    )
