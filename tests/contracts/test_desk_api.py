"""Both sides of the desk API at once: our connector against the sandbox platform, over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.http import OutboundClient
from connectors.platform import Delivery, Observation, Platform, ProbeTarget
from connectors.platform_config import PlatformConfig
from connectors.registry import build
from connectors.sandbox import example
from connectors.sandbox.scenario_file import parse_scenario
from connectors.sandbox.service import Sandbox
from connectors.sources.feed import FeedSource
from connectors.sources.page import PageSource
from schemas.follow_up import Information
from schemas.listing import SHOWN, Listing
from schemas.notice import Notice
from streams.connect.sources import Wanted, open_source

SECRET = "whsec_" + "c2hv" * 10
ROW = {
    "id": "a/b 1",
    "title": "Резная кость",
    "text": "Two\nlines <b>",
    "price": {"amount": "12.50", "currency": "EUR"},
    "seller": {"handle": "dealer-17", "profile_url": "https://p.example/u/17"},
    "contacts": [{"kind": "handle", "value": "@dealer"}],
    "category": "Antiques > Carvings",
    "location": "Köln",
    "ships_to": ["AT", "CH"],
    "shipping_method": "parcel",
    "images": [{"url": "https://p.example/1.jpg"}, {"url": "https://p.example/2.jpg"}],
    "language": "ru",
    "permit_statement": "papers",
    "posted_at": "2026-11-01T10:00:00Z",
}


def scenario(**platform: Any) -> Any:
    whole = {
        "description": "one platform",
        "platforms": [
            {"name": "practice", "secret": SECRET, "temper": [{"do": "prompt", "after_s": 0.1}], **platform}
        ],
    }
    return parse_scenario(json.dumps(whole), source="test")


class Bench:
    """A sandbox with one platform and our connector to it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.url = sandbox.base_urls["practice"]
        self.config = PlatformConfig(
            name="practice",
            kind="sandbox",
            base_url=self.url,
            private_address=True,
            dev_only=True,
            secret=(SECRET,),
            webhook_secret=(SECRET,),
            rate_per_s=1_000,
        )
        self.platform: Platform = build(self.config)
        body = example.notice(sandbox.platforms["practice"], datetime.now(UTC))
        assert body is not None
        self.notice = body
        self.key = str(body["idempotency_key"])
        item = body["items"][0]
        self.target = ProbeTarget(item["listing_id"], item["url"], item["content_hash"])

    def delivery(self, **changes: Any) -> Delivery:
        body = json.dumps({**self.notice, **changes}).encode()
        return Delivery(str(changes.get("idempotency_key", self.key)), body, "application/json", 1, 5.0)

    async def until(self, seen: Callable[[Observation], bool]) -> Observation:
        found = await self.platform.probe(self.target)
        async with asyncio.timeout(10):
            while not seen(found):
                await asyncio.sleep(0.05)
                found = await self.platform.probe(self.target)
        return found


@pytest.fixture
def temper() -> dict[str, Any]:
    return {}


@pytest.fixture
async def bench(temper: dict[str, Any]) -> AsyncIterator[Bench]:
    async with Sandbox(scenario(**temper), [ROW, {"id": "2", "title": "another"}]) as sandbox:
        made = Bench(sandbox)
        yield made
        await made.platform.aclose()


async def test_a_notice_is_taken_answered_and_the_page_is_gone(bench: Bench) -> None:
    assert (await bench.platform.probe(bench.target)).reason == "page_shown"
    assert await bench.platform.poll(bench.key) is None

    first = await bench.platform.submit(bench.delivery())
    again = await bench.platform.submit(bench.delivery())
    gone = await bench.until(lambda seen: seen.state == "offline")
    polled = await bench.platform.poll(bench.key)

    assert first.platform_reference == again.platform_reference
    assert (first.http_status, first.duplicate, again.duplicate) == (202, False, False)
    assert first.received_at is not None
    assert gone.reason in ("not_found", "gone")
    assert polled is not None
    outcomes = {one.item_id: one.outcome for one in bench.platform.parse(polled) if one.kind == "decision"}
    assert outcomes == {bench.notice["items"][0]["item_id"]: "actioned_removed"}
    assert bench.sandbox.journal.effects() == {bench.key: 1}


async def test_the_same_key_with_other_bytes_is_a_conflict(bench: Bench) -> None:
    await bench.platform.submit(bench.delivery())

    with pytest.raises(PlatformRefused) as refusal:
        await bench.platform.submit(bench.delivery(severity="high"))
    assert (refusal.value.reason, refusal.value.http_status) == ("conflict", 409)


@pytest.mark.parametrize("temper", [{"temper": [{"do": "silent"}]}])
async def test_a_second_notice_on_an_open_matter_is_a_duplicate(bench: Bench) -> None:
    first = await bench.platform.submit(bench.delivery())
    second = await bench.platform.submit(bench.delivery(idempotency_key="n1_" + "b" * 52, revision=2))

    assert second.duplicate
    assert second.platform_reference == first.platform_reference


async def test_a_notice_that_lacks_something_is_told_by_pointers(bench: Bench) -> None:
    with pytest.raises(PlatformRefused) as refusal:
        await bench.platform.submit(bench.delivery(reasons=""))

    assert refusal.value.reason == "invalid"
    assert any(unmet.path.startswith("/reasons") for unmet in refusal.value.unmet)


async def test_our_signature_is_what_lets_us_in(bench: Bench) -> None:
    other = build(bench.config.model_copy(update={"secret": ("whsec_" + "b3Ro" * 10,)}))
    with pytest.raises(PlatformRefused) as refusal:
        await other.submit(bench.delivery())
    await other.aclose()

    assert refusal.value.reason == "unauthorised"


@pytest.mark.parametrize(
    "temper",
    [
        {"trouble": [{"do": "throttles", "tries": 1, "retry_after_s": 1, "form": form}]}
        for form in ("seconds", "date")
    ],
)
async def test_when_throttled_we_come_back_no_earlier_than_told(bench: Bench) -> None:
    with pytest.raises(PlatformUnavailable) as throttled:
        await bench.platform.submit(bench.delivery())
    wait = throttled.value.retry_after_s
    assert wait is not None
    await asyncio.sleep(wait + 0.1)
    await bench.platform.submit(bench.delivery())

    assert bench.sandbox.journal.effects() == {bench.key: 1}


@pytest.mark.parametrize(
    "temper",
    [{"temper": [{"do": "needs_information", "ask_after_s": 0.05, "then": "removes", "then_after_s": 0.05}]}],
)
async def test_a_question_is_seen_and_answered(bench: Bench) -> None:
    await bench.platform.submit(bench.delivery())
    async with asyncio.timeout(10):
        while True:
            polled = await bench.platform.poll(bench.key)
            assert polled is not None
            if any(one.kind == "need_info" for one in bench.platform.parse(polled)):
                break
            await asyncio.sleep(0.05)
    notice = Notice.model_validate({**bench.notice})
    information = Information(
        key="i1_" + "a" * 52, notice=notice, text="The second picture shows the grain.", at=datetime.now(UTC)
    )
    rendered = bench.platform.render_information(information)
    delivery = Delivery(information.key, rendered.body, rendered.content_type, 1, 5.0)
    first = await bench.platform.inform(delivery, bench.key)
    again = await bench.platform.inform(delivery, bench.key)
    assert first.http_status == again.http_status == 202

    assert (await bench.until(lambda seen: seen.state == "offline")).state == "offline"


@pytest.mark.parametrize(
    ("temper", "seen"),
    [
        ({"pages": {"login_wall": "page"}}, ("unknown", "login_wall")),
        ({"pages": {"login_wall": "redirect"}}, ("unknown", "redirected")),
    ],
)
async def test_a_login_wall_is_not_taken_for_a_removal(bench: Bench, seen: tuple[str, str]) -> None:
    found = await bench.platform.probe(bench.target)

    assert (found.state, found.reason) == seen


@pytest.mark.parametrize("temper", [{"pages": {"after_removal": "notice"}}])
async def test_a_page_that_says_removed_is_gone(bench: Bench) -> None:
    await bench.platform.submit(bench.delivery())

    assert (await bench.until(lambda seen: seen.state == "offline")).reason == "removed_notice"


async def test_every_way_of_reading_shows_the_same_listing(bench: Bench, tmp_path: Any) -> None:
    """The platform's feed through its connector, the plain feed, the page, and the file behind them."""
    address = f"{bench.url}/listing/a%2Fb%201"
    file = tmp_path / "stock.jsonl"
    file.write_text(json.dumps({**ROW, "platform": "practice"}) + "\n")
    client = bench.platform._pages  # type: ignore[attr-defined]
    assert isinstance(client, OutboundClient)

    def now() -> datetime:
        return datetime.now(UTC)

    wanted = Wanted(f"file:{file}")
    readers = {
        "connector": bench.platform.fetch(None),
        "feed": FeedSource(f"{bench.url}/feed.json", platform="practice", client=client, now=now).read(None),
        "page": PageSource(address, platform="practice", client=client, now=now).read(None),
        "file": open_source(wanted, (bench.config,), run_id="r", now=now).source.read(None),
    }
    found: dict[str, Listing] = {}
    for name, pages in readers.items():
        async for page in pages:
            assert page.set_aside == ()
            found.update((name, one) for one in page.listings if one.listing_id == ROW["id"])

    shown = {name: one.model_dump(mode="json", include=set(SHOWN)) for name, one in found.items()}
    assert shown["file"]["url"] == address
    assert shown["connector"] == shown["file"]
    assert shown["feed"] == shown["file"]
    assert shown["page"] == shown["file"]
    assert len({one.content_hash for one in found.values()}) == 1


async def test_reading_goes_on_from_the_cursor(bench: Bench) -> None:
    pages = [page async for page in bench.platform.fetch(None)]
    cursor = pages[-1].cursor
    nothing = [listing async for page in bench.platform.fetch(cursor) for listing in page.listings]
    bench.sandbox.platforms["practice"].put_on_shelf(b'{"id": "3", "title": "new"}')
    new = [listing.listing_id async for page in bench.platform.fetch(cursor) for listing in page.listings]

    assert sorted(one.listing_id for page in pages for one in page.listings) == ["2", "a/b 1"]
    assert nothing == []
    assert new == ["3"]
