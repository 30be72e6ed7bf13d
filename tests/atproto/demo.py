"""A network of the AT Protocol to watch: ``make demo-atproto``.

Starts a real data server, app view and Ozone on this machine, and all of Takin. Posts are written; offers
among them are found in the firehose, reported to Ozone, and moderators do with them what moderators do. It
ends by itself with the table of how long it took.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from schemas.errors import OperatorError
from streams.local.machine import Machine
from streams.local.show import EventTail
from streams.notices.casebook import figures
from streams.notices.casebook.database import Casebook
from streams.reports import sla
from tests.atproto.test_path import write_files
from tests.support.atproto import Account, AtprotoNetwork, Servers, sender_file
from tests.support.machine import running
from tests.support.postgres import PostgresMissing, PostgresServer

OFFERS = (
    ("is taken down", "Genuine elephant ivory bangle, 120 g, antique, for sale. DM me"),
    ("is kept", "Hand carved elephant ivory netsuke, 40 g, for sale, ships worldwide"),
    ("is taken down and comes back", "Genuine rhino horn, raw, 300 g, discreet shipping"),
    ("is deleted by its author", "Pangolin scales, dried, 3 kg available, DM for price"),
)
INNOCENT = (
    "Ivory lace wedding dress, size 12, worn once",
    "Reading a book about the ivory trade. Grim.",
    "Tagua nut buttons: vegetable ivory, no elephants involved",
    "It rains again",
)
WITHIN_S = 60.0


class Play:
    """The network's people, and what they do."""

    def __init__(self, network: AtprotoNetwork, casebook: Casebook) -> None:
        self._network = network
        self._casebook = casebook
        self._tail = EventTail(casebook, say)

    async def run(self, moderator: Account) -> None:
        """All of it, one act after the other."""
        seller, other = self._network.account("seller"), self._network.account("seller")
        for text in INNOCENT:
            seller.post(text)
        posts = [seller.write(text) for _, text in OFFERS]
        by_other = other.write("Genuine elephant ivory bangle, 90 g, antique, for sale. DM me")
        say(
            f"{seller.handle} and {other.handle} write "
            f"{len(INNOCENT) + len(posts) + 1} posts, 5 of them offers"
        )
        self._network.settle()
        await self._until("every offer is reported", lambda: self._count("acknowledged_at") == 5)
        [report] = self._network.reports(moderator, posts[0]["uri"])
        say(f"\nwhat Ozone's moderators read:\n\n{report['event']['comment']}\n")

        removed, kept, back, deleted = posts
        say("moderators take two posts down, keep one, suspend an account; an author deletes a post")
        self._network.act(moderator, "modEventTakedown", removed["uri"], removed["cid"])
        self._network.act(moderator, "modEventAcknowledge", kept["uri"], kept["cid"])
        self._network.act(moderator, "modEventTakedown", back["uri"], back["cid"])
        self._network.act(moderator, "modEventTakedown", other.did)
        seller.delete(deleted["uri"])
        await self._until("four are seen gone", lambda: self._count("removal_verified_at") == 4)
        say("a moderator thinks again and puts one back")
        self._network.act(moderator, "modEventReverseTakedown", back["uri"], back["cid"])
        await self._until("it is seen again", lambda: self._count("reappeared_at") == 1)
        self._network.settle()
        by_now = figures_of(self._casebook)
        say("\n" + sla.as_table(sla.report(by_now, now=datetime.now(UTC))))
        assert by_other["uri"] in {one.listing_id for one in by_now}

    def _count(self, happened: str) -> int:
        return sum(1 for one in figures_of(self._casebook) if getattr(one, happened))

    async def _until(self, what: str, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not true():
            if time.monotonic() > deadline:
                raise OperatorError(f"After {WITHIN_S:.0f} s it is not so that {what}: see the logs.")
            await self._tail.step()
            await asyncio.sleep(0.2)
        await self._tail.step()


def figures_of(casebook: Casebook) -> Any:
    """Every item of every notice."""
    return casebook.answer(figures.item_times)


def say(line: str) -> None:
    """To whoever watches."""
    print(line, flush=True)


async def play(network: AtprotoNetwork, folder: Path) -> None:
    """Takin beside the network, and the play."""
    moderator, reporter = network.moderator(), network.moderator("takin")
    platforms = write_files(folder, network, reporter, team_member=True, start="oldest")
    machine = Machine(
        data_dir=folder / "takin",
        source="net",
        stock=None,
        scenario=None,
        platforms_file=platforms,
        sender_file=sender_file(folder),
        follow=True,
    )
    say(f"data server {network.pds}, app view {network.app_view}, Ozone {network.ozone}")
    async with running(machine, lambda _: None) as (_, prepared, casebook):
        say(f"Takin runs; its desk is at http://127.0.0.1:{prepared.ports['desk']}\n")
        await Play(network, casebook).run(moderator)


def main() -> int:
    """Start the servers, play, stop them."""
    postgres = servers = None
    with tempfile.TemporaryDirectory(prefix="takin-demo-") as folder:
        try:
            postgres = PostgresServer()
            postgres.start()
            servers = Servers(postgres)
            asyncio.run(play(servers.start(), Path(folder)))
        except (OperatorError, PostgresMissing, RuntimeError) as error:
            print(f"takin: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130
        finally:
            if servers is not None:
                servers.stop()
            if postgres is not None:
                postgres.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
