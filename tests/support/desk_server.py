"""A desk on a real port, in a thread of its own, for tests that use a browser."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from connectors.serving import RunningServer, serve
from streams.desk.app import desk_app
from streams.desk.board import Board
from streams.desk.house import House
from streams.desk.lists import Lists
from streams.desk.outlets import Outlet, Outlets
from streams.notices.casebook import accounts
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.viewer import ROLES
from streams.notices.reply_link import ReplyLinks
from tests.support.desk import HASH, house_over
from tests.support.desk_story import TEMPERS, story_desk
from tests.support.lists import QuickTrials, story_topic


def story_accounts(casebook: Casebook) -> None:
    """Somebody of each role; for each platform of the story one."""
    logins = [(role, role, None) for role in ROLES if role != "platform"]
    for login, role, platform in [*logins, *((name, "platform", name) for name in TEMPERS)]:
        casebook.decide(
            accounts.add,
            login=login,
            name=login,
            role=role,  # type: ignore[arg-type]
            platform=platform,
            password_hash=HASH,
            now=datetime.now(UTC),
        )


def story_outlets(some: Outlets | None) -> Outlets:
    """Where the story's platforms are notified; ``market-silent`` may change it."""
    assert some is not None
    own = {name: name == "market-silent" for name in TEMPERS}
    return replace(
        some,
        platforms={name: Outlet(f"https://{name}.example", testable=True, own=own[name]) for name in TEMPERS},
    )


@contextmanager
def desk_server(
    casebook: Casebook, folder: Path, *, outlets: Outlets | None = None
) -> Iterator[tuple[str, House]]:
    """Serve the desk on a free loopback port until the block ends; its address, and its parts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="desk-server", daemon=True)
    thread.start()

    def clock() -> datetime:
        return datetime.now(UTC)

    topic = story_topic()
    lists = Lists(topic, QuickTrials(topic))
    house = replace(house_over(casebook, folder, clock=clock), acts=story_desk(), lists=lists)
    house = replace(house, outlets=outlets if outlets is not None else story_outlets(house.outlets))
    house = replace(house, board=Board(casebook, clock=clock))

    async def start() -> RunningServer:
        return await serve(desk_app(house), "127.0.0.1", 0, purpose="the desk under test")

    try:
        server = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
        try:
            yield server.url, replace(house, links=ReplyLinks(server.url, house.links.key))
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
