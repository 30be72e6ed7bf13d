"""What is done at the desk is in force at a worker: page, topic, the next listing's verdict."""

import asyncio
import dataclasses
import time
from pathlib import Path

from streams.desk.app import desk_app
from streams.desk.lists import Lists
from streams.desk.trials import Trials
from streams.notices.casebook.database import Casebook
from streams.screening.topics import ScreeningTopics
from streams.watchlist.mirror import Mirror
from tests.kafka.test_live_rules import WITHIN_S, Verdicts, all_at_another, versions_of
from tests.kafka.test_screening_worker import Launch, launch, listing, topics
from tests.support.broker import Broker, send
from tests.support.desk import Browser, add_accounts, house_over
from tests.support.lists import pack_text
from tests.unit.streams.desk.test_rules import seen, upload
from tests.unit.streams.desk.test_watchlist import FIELDS

__all__ = ["launch", "topics"]

OFFERED = "Hand carved elephant ivory netsuke, 52 g"
OUGHT = {"must_hit": [{"title": OFFERED}], "must_not_hit": [{"title": "A blue mug"}]}


async def ended(browser: Browser, where: str) -> str:
    """The part about the back-test, once it has come to an end."""
    async with asyncio.timeout(60):
        while "hx-get" in (page := (await browser.get(f"{where}/progress")).text):
            await asyncio.sleep(0.2)
    return page


async def test_what_two_people_release_at_the_desk_rules_the_next_listing(
    broker: Broker, topics: ScreeningTopics, launch: Launch, tmp_path: Path
) -> None:
    bootstrap = broker.bootstrap
    await send(
        bootstrap, topics.listings, *(listing(number, OFFERED) for number in range(3)), listing(9, "Mug")
    )
    worker = launch(real=True, TAKIN_PUBLISH_CLEAR="1")
    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}")
    add_accounts(casebook)
    lists = Lists(Mirror(bootstrap, topic=topics.watchlist), Trials(bootstrap, topics))
    app = desk_app(dataclasses.replace(house_over(casebook, tmp_path), lists=lists))
    ada, lena = Browser(app, casebook, "analyst"), Browser(app, casebook, "lead")
    try:
        text = pack_text("zero-tolerance", 9, tests=OUGHT)
        drafted = await upload(ada, text)
        assert drafted.status_code == 303, drafted.text
        where = drafted.headers["location"].partition("?")[0]
        shown = await ended(ada, where)
        assert "<strong>3</strong> of 4 listings would be judged otherwise" in shown
        assert "notify → review" in shown
        told = {"target": "active", "reason": "antique netsuke are for a person"}
        assert (await ada.post(f"{where}/propose", told)).status_code == 303

        await worker.ready()
        async with Verdicts(bootstrap, topics) as verdicts:
            assert {one["outcome"] for one in await verdicts.on_every_partition(OFFERED)} == {"notify"}
            before = await versions_of([worker])
            released = await lena.post(f"{where}/release", seen(await lena.get(where)))
            began = time.monotonic()
            assert released.headers["location"] == f"{where}?said=released"
            await all_at_another([worker], before)
            assert time.monotonic() - began < WITHIN_S
            found = await verdicts.on_every_partition(OFFERED)
            assert {one["outcome"] for one in found} == {"review"}
            assert {rule["pack"] for one in found for rule in one["rules"]} == {"zero-tolerance@9"}

            before = await versions_of([worker])
            added = await ada.post("/watchlist", {**FIELDS, "value": "moon biscuit"})
            assert added.status_code == 303
            await all_at_another([worker], before)
            found = await verdicts.on_every_partition("A moon biscuit, 3 pieces")
            assert {one["outcome"] for one in found} == {"review"}
        assert "moon biscuit" in (await lena.get("/watchlist")).text
    finally:
        await lists.aclose()
        casebook.close()
