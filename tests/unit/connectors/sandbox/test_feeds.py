from typing import Any

import feedparser
import pytest

from connectors.sandbox import feeds
from tests.unit.connectors.sandbox.desk_client import one_platform, shop

ROWS: list[dict[str, Any]] = [
    {
        "id": f"L{n}",
        "title": f"title {n}",
        "text": f"text {n}",
        "price": {"amount": "5", "currency": "EUR"},
        "seller": {"handle": "s"},
        "category": "Carvings",
        "posted_at": f"2026-01-0{n}T00:00:00Z",
    }
    for n in range(1, 6)
]


async def test_json_feed_carries_what_the_listing_shows() -> None:
    async with shop(one_platform("{do: silent}"), ROWS) as (_, desk):
        reply = await desk.http.get(f"{desk.base_url}/feed.json")
        feed = reply.json()
        item = feed["items"][0]

        assert reply.headers["content-type"] == "application/feed+json; charset=utf-8"
        assert feed["version"] == "https://jsonfeed.org/version/1.1"
        assert [i["id"] for i in feed["items"]] == ["L5", "L4", "L3", "L2", "L1"]
        assert (item["title"], item["content_text"]) == ("title 5", "text 5")
        assert item["date_published"] == "2026-01-05T00:00:00+00:00"
        assert item["authors"] == [{"name": "s"}]
        assert item["_listing"]["price"] == {"amount": "5", "currency": "EUR"}
        assert item["_listing"]["category"] == "Carvings"


async def test_rss_and_atom_can_be_read_and_followed() -> None:
    async with shop(one_platform("{do: silent}"), ROWS) as (_, desk):
        for kind in ("rss", "atom"):
            url, found = f"{desk.base_url}/feed.{kind}?since=0&limit=2", []
            while url:
                feed = feedparser.parse((await desk.http.get(url)).content)
                assert not feed.bozo
                found += [(entry.title, entry.link.rpartition("/")[2]) for entry in feed.entries]
                url = next((link.href for link in feed.feed.links if link.rel == "next"), "")

            assert found == [(f"title {n}", f"L{n}") for n in range(1, 6)]


async def test_since_shows_what_changed_and_the_cursor_goes_on() -> None:
    async with shop(one_platform("{do: silent}"), ROWS) as (_, desk):
        first = await desk.http.get(f"{desk.base_url}/feed.json?since=0")
        cursor = first.headers["takin-cursor"]
        empty = await desk.http.get(f"{desk.base_url}/feed.json?since={cursor}")
        await desk.http.put(f"{desk.base_url}/stock/L2", json={"title": "changed"})
        await desk.http.delete(f"{desk.base_url}/stock/L3")
        changed = await desk.http.get(f"{desk.base_url}/feed.json?since={cursor}")

        assert (empty.json()["items"], empty.headers["takin-cursor"]) == ([], cursor)
        assert [(i["id"], i["title"]) for i in changed.json()["items"]] == [("L2", "changed")]
        assert [i["id"] for i in (await desk.http.get(f"{desk.base_url}/feed.json")).json()["items"]] == [
            "L2",
            "L5",
            "L4",
            "L1",
        ]


async def test_what_has_not_changed_is_304() -> None:
    async with shop(one_platform("{do: silent}"), ROWS) as (_, desk):
        url = f"{desk.base_url}/feed.json"
        etag = (await desk.http.get(url)).headers["etag"]
        assert (await desk.http.get(url, headers={"if-none-match": etag})).status_code == 304
        await desk.http.delete(f"{desk.base_url}/stock/L3")
        assert (await desk.http.get(url, headers={"if-none-match": etag})).status_code == 200


async def test_a_cursor_that_is_none_is_refused() -> None:
    async with shop(one_platform("{do: silent}"), ROWS) as (_, desk):
        for query in ("since=x", "since=-1", "limit=1.5", "before=", "since=9999999999999999999"):
            assert (await desk.http.get(f"{desk.base_url}/feed.json?{query}")).status_code == 400


async def test_a_large_sitemap_is_an_index_of_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "SITEMAP_SIZE", 2)
    async with shop(one_platform("{do: silent}"), ROWS) as (_, desk):
        index = (await desk.http.get(f"{desk.base_url}/sitemap.xml")).text
        parts = [(await desk.http.get(f"{desk.base_url}/sitemap-{n}.xml")) for n in (1, 2, 3, 4)]

        assert index.count("<sitemap>") == 3
        assert [part.text.count("<url>") for part in parts] == [2, 2, 1, 0]
        assert parts[3].status_code == 404
        assert "Sitemap: " in (await desk.http.get(f"{desk.base_url}/robots.txt")).text
