"""A post's whole way on real servers: firehose, Kafka, screening, a report in Ozone, what a moderator does,
and what our own looks see. The oracle for reports is Ozone's own list of events.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from schemas.listing import Listing
from schemas.topics import LISTINGS
from streams.local.machine import Machine
from streams.notices.casebook import figures, sealing
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.figures import ItemTimes
from tests.support.atproto import PASSWORD, Account, AtprotoNetwork, sender_file
from tests.support.broker import read_all
from tests.support.machine import running

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(240)]

OFFER = "Genuine elephant ivory bangle, {n} g, antique, for sale. DM me"
QUICK: dict[str, Any] = {
    "sla": {"policy": "test", "source": "test", "acknowledge_s": 60, "decide_s": 60, "remove_s": 60},
    "probe": {
        "schedule_s": [0.5 * n for n in range(1, 101)],
        "gone_apart_s": 0.4,
        "unknown_again_s": 0.5,
        "mismatch_after_s": 5,
    },
    "delivery": {"retry_schedule_s": [0.5, 1, 2], "poll_first_s": 0.5, "poll_longest_s": 1},
}


def write_files(folder: Path, network: AtprotoNetwork, reporter: Account, **options: Any) -> Path:
    """The platforms file, and the app password beside it."""
    secret = folder / "app-password"
    secret.write_text(PASSWORD)
    entry = network.platform(
        "net",
        identifier=reporter.handle,
        moderation_did=network.moderation_did,
        api_key=f"file:{secret}",
        **QUICK,
        **options,
    )
    platforms = folder / "platforms.yaml"
    platforms.write_text(yaml.safe_dump({"platforms": [entry]}))
    return platforms


class Watching:
    """The casebook as it fills."""

    def __init__(self, casebook: Casebook) -> None:
        self._casebook = casebook

    def items(self) -> dict[str, list[ItemTimes]]:
        """Every item by listing, in rounds."""
        found: dict[str, list[ItemTimes]] = {}
        for one in self._casebook.answer(figures.item_times):
            found.setdefault(one.listing_id, []).append(one)
        return {uri: sorted(items, key=lambda one: one.round) for uri, items in found.items()}

    async def until(
        self, uri: str, true: Callable[[ItemTimes], object], *, within_s: float = 40
    ) -> ItemTimes:
        """The first round's item as soon as it is so."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    items = self.items().get(uri)
                    if items and true(items[0]):
                        return items[0]
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pytest.fail(f"not reached: {self.items().get(uri)}")


async def test_a_post_s_way_and_what_moderators_do_about_it(atproto: AtprotoNetwork, tmp_path: Path) -> None:
    network = atproto
    moderator, reporter = network.moderator(), network.moderator("reporter")
    seller, suspended = network.account("seller"), network.account("seller")
    platforms = write_files(tmp_path, network, reporter, team_member=True, start="oldest")
    machine = Machine(
        data_dir=tmp_path / "takin",
        source="net",
        stock=None,
        scenario=None,
        platforms_file=platforms,
        sender_file=sender_file(tmp_path),
        follow=True,
    )
    async with running(machine) as (supervisor, prepared, casebook):
        watching = Watching(casebook)
        removed, refused, reinstated, deleted = (seller.write(OFFER.format(n=40 + n)) for n in range(4))
        by_suspended = suspended.write(OFFER.format(n=60))
        plain = seller.post("Ivory lace wedding dress, size 12")
        edited = seller.post("Something old")
        seller.edit(edited, OFFER.format(n=70))
        network.settle()

        for post in (removed, refused, reinstated, deleted, by_suspended):
            await watching.until(post["uri"], lambda one: one.acknowledged_at)
        await watching.until(edited, lambda one: one.acknowledged_at)

        # One report each, on exactly the state that was seen, with our reference in its text.
        for post in (removed, refused, reinstated, deleted, by_suspended):
            [report] = network.reports(moderator, post["uri"])
            assert report["subject"]["cid"] == post["cid"]
            assert report["event"]["reportType"].endswith("#reasonRuleProhibitedSales")
            [item] = watching.items()[post["uri"]]
            assert item.reference in report["event"]["comment"]
        [report] = network.reports(moderator, edited)
        assert report["subject"]["cid"] == current_cid(network, edited)
        assert network.reports(moderator, plain) == []

        network.act(moderator, "modEventTakedown", removed["uri"], removed["cid"])
        network.act(moderator, "modEventAcknowledge", refused["uri"], refused["cid"])
        network.act(moderator, "modEventTakedown", reinstated["uri"], reinstated["cid"])
        network.act(moderator, "modEventTakedown", suspended.did)
        seller.delete(deleted["uri"])
        network.settle()

        item = await watching.until(removed["uri"], lambda one: one.removal_verified_at and one.decided_at)
        assert item.outcome == "actioned_removed"
        assert item.removal_claimed_at
        item = await watching.until(refused["uri"], lambda one: one.decided_at)
        assert (item.outcome, item.removal_verified_at) == ("refused_lawful", None)
        item = await watching.until(
            by_suspended["uri"], lambda one: one.removal_verified_at and one.decided_at
        )
        assert item.outcome == "actioned_removed"
        item = await watching.until(deleted["uri"], lambda one: one.removal_verified_at)
        assert (item.decided_at, item.outcome) == (None, None)

        await watching.until(reinstated["uri"], lambda one: one.removal_verified_at)
        network.act(moderator, "modEventReverseTakedown", reinstated["uri"], reinstated["cid"])
        await watching.until(reinstated["uri"], lambda one: one.reappeared_at)

        # What is counted on /metrics follows the casebook by as long as the relay takes to publish it.
        expected = {"acknowledged": 6, "removal_seen": 4}
        said = await metrics_reaching(prepared.ports["notices"], expected)
        assert all(said[measure] >= count for measure, count in expected.items()), said

        # The server goes away and comes back: the connector goes on from its cursor.
        network.restart()
        late = seller.write(OFFER.format(n=90))
        await watching.until(late["uri"], lambda one: one.acknowledged_at)
        assert len(network.reports(moderator, late["uri"])) == 1
        assert supervisor.pid_of("connect") is not None
        breaks = casebook.answer(sealing.verify).breaks
        listings = [
            Listing.from_bytes(r.value or b"") for r in await read_all(prepared.bootstrap, LISTINGS.name)
        ]

    assert breaks == ()
    assert [one.gone for one in listings if one.listing_id == deleted["uri"]] == [None, True]
    handles = {one.seller.account_id: one.seller.handle for one in listings if one.seller}
    assert (handles[seller.did], handles[suspended.did]) == (seller.handle, suspended.handle)


async def metrics(port: int) -> dict[str, float]:
    """How many response times of each kind stand on ``/metrics`` for the network."""
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    rows = re.findall(r"^takin_response_seconds_count\{(.*)\} (\S+)$", text, re.MULTILINE)
    found: dict[str, float] = {}
    for labels, count in rows:
        if 'platform="net"' in labels:
            kind = re.search(r'measure="(\w+)"', labels)
            found[kind[1] if kind else labels] = float(count)
    return found


async def metrics_reaching(
    port: int, least: Mapping[str, float], *, within_s: float = 15
) -> dict[str, float]:
    """What stands on ``/metrics`` once every measure is at its least, or after that long."""
    until = asyncio.get_running_loop().time() + within_s
    while True:
        said = dict.fromkeys(least, 0.0) | await metrics(port)
        if all(said[one] >= least[one] for one in least) or asyncio.get_running_loop().time() > until:
            return said
        await asyncio.sleep(0.2)


def current_cid(network: AtprotoNetwork, uri: str) -> str:
    """The CID that the data server has now."""
    did, collection, key = uri.removeprefix("at://").split("/")
    query = {"repo": did, "collection": collection, "rkey": key}
    answer = network.http.get(f"{network.pds}/xrpc/com.atproto.repo.getRecord", params=query)
    return str(answer.json()["cid"])
