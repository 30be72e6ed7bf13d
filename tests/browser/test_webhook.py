"""A platform's person moves its webhook in a browser, before a real practice platform on a real port."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect

from connectors.platform_config import PlatformConfig
from connectors.sandbox.records import RequestReceived
from connectors.sandbox.scenario_file import parse_scenario
from connectors.sandbox.service import Sandbox
from streams.desk.service import outlets_of
from streams.notices.bridge import make_bridge
from streams.notices.casebook.database import Casebook
from tests.browser.test_paths import ready
from tests.contracts.test_guards_on_the_wire import SCENARIO, SECRET
from tests.support.desk import PASSWORD
from tests.support.desk_server import desk_server


@contextmanager
def practice() -> Iterator[Sandbox]:
    """A practice platform in a thread of its own, until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="practice-platform", daemon=True)
    thread.start()
    sandbox = Sandbox(parse_scenario(SCENARIO, source="test"), [])
    try:
        asyncio.run_coroutine_threadsafe(sandbox.__aenter__(), loop).result(30)
        yield sandbox
        asyncio.run_coroutine_threadsafe(sandbox.__aexit__(None, None, None), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


def test_a_new_address_is_proposed_tested_and_used_by_keyboard(
    chromium: Browser, casebook: Casebook, tmp_path: Path
) -> None:
    with practice() as sandbox:
        moved = sandbox.base_urls["live"]
        config = PlatformConfig(
            name="market-silent",
            kind="sandbox",
            base_url="http://127.0.0.1:9",
            private_address=True,
            dev_only=True,
            secret=(SECRET,),
            self_service=True,
            self_service_hosts=(moved.removeprefix("http://"),),
        )
        outlets = outlets_of([config], make_bridge([config]))
        with desk_server(casebook, tmp_path, outlets=outlets) as (url, _):
            context = chromium.new_context(base_url=url)
            context.set_default_timeout(15_000)
            page = context.new_page()
            page.goto("/login?then=/webhook")
            page.fill("#login", "market-silent")
            page.fill("#password", PASSWORD)
            page.keyboard.press("Enter")
            expect(page.get_by_role("heading", level=1)).to_have_text("Webhook of market-silent")
            ready(page)
            page.get_by_role("button", name="Send a test").press("Enter")
            expect(page.get_by_role("status")).to_contain_text("no connection could be made")

            page.get_by_label("Address below which").fill(moved)
            page.keyboard.press("Enter")
            page.get_by_role("button", name="Test it", exact=True).press("Enter")
            expect(page.get_by_role("status")).to_contain_text("The test of the new address was taken")
            page.get_by_role("button", name="Use it from now on").press("Enter")
            expect(page.get_by_role("status")).to_contain_text("Notices go there from now on")
            expect(page.get_by_role("heading", level=1)).to_be_visible()

            page.get_by_role("button", name="Make a new secret").press("Enter")
            secret = page.get_by_role("status").locator("code").inner_text()
            page.get_by_role("button", name="Test the new secret alone").press("Enter")
            expect(page.get_by_role("status")).to_contain_text("the signature did not hold")
            expect(page.locator("main")).not_to_contain_text(secret)
            context.close()
        asked: list[RequestReceived] = list(sandbox.journal.requests)
        assert [one.outcome for one in asked] == ["tested", "unsigned"]
