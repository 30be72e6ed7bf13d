"""The products of a page become listings once, and again only when they have changed."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.http import Reply
from connectors.sources.page import PageSource
from tests.unit.connectors.sources.test_feed import _Client, read

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
URL = "https://shop.example/listing/1"


def source(client: _Client) -> PageSource:
    return PageSource(URL, platform="shop", client=client, now=lambda: NOW, run_id="run-1")  # type: ignore[arg-type]


def page(*products: dict[str, Any], **headers: str) -> Reply:
    blocks = "".join(
        f'<script type="application/ld+json">{json.dumps({"@type": "Product", **one})}</script>'
        for one in products
    )
    return Reply(200, headers, f'<html lang="vi">{blocks}</html>'.encode(), True)


async def test_a_product_becomes_a_listing_of_this_page() -> None:
    (listing,), aside, _ = await read(source(_Client(page({"sku": "1", "name": "ngà voi"}))))  # type: ignore[arg-type]

    assert aside == []
    assert (listing.key, listing.url, listing.title, listing.language) == ("shop:1", URL, "ngà voi", "vi")
    assert (listing.connector, listing.run_id) == ("page", "run-1")


async def test_it_is_published_again_only_when_it_has_changed() -> None:
    same = page({"sku": "1", "name": "a"}, etag='"1"')
    client = _Client(same, same, page({"sku": "1", "name": "b"}), Reply(304, {}, b"", True))
    made = source(client)
    counts = []
    cursor: str | None = None
    for _ in range(4):
        listings, _, cursor = await read(made, cursor)  # type: ignore[arg-type]
        counts.append(len(listings))

    assert counts == [1, 0, 1, 0]
    assert client.asked[1]["If-None-Match"] == '"1"'


async def test_a_product_that_cannot_be_a_listing_is_set_aside_and_its_neighbour_kept() -> None:
    reply = page({"sku": "x" * 600}, {"sku": "2", "offers": {"price": "?"}, "image": ["http://[::1"]})
    listings, aside, cursor = await read(source(_Client(reply)))  # type: ignore[arg-type]
    _, again, _ = await read(source(_Client(reply)), cursor)  # type: ignore[arg-type]

    assert [listing.listing_id for listing in listings] == ["2"]
    assert (aside, again) == (["wrong_shape"], [])


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(200, {}, b"<html>no product</html>", True), PlatformRefused),
        (Reply(404, {}, b"", True), PlatformRefused),
        (Reply(503, {}, b"", True), PlatformUnavailable),
        (Reply(200, {}, b"", False), PlatformUnavailable),
    ],
)
async def test_trouble_is_told(reply: Reply, error: type[Exception]) -> None:
    with pytest.raises(error):
        await read(source(_Client(reply)))  # type: ignore[arg-type]
