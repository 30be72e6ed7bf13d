"""What visitors see, also of listings that would rather be something else."""

import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from selectolax.lexbor import LexborHTMLParser

from connectors.sandbox.scenario import Scenario
from tests.unit.connectors.sandbox.desk_client import STOCK, one_platform, shop, until

EVIL = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)> \u202e\u2066\u0000\u0007\u0085\ufffe '\"&"
)
HOSTILE: dict[str, Any] = {
    "id": "a/../b?c#d%2F &\"'<\u202e",
    "title": EVIL,
    "text": EVIL + "\n" + "\u200b" * 5_000,
    "category": EVIL,
    "price": {"amount": "1.50", "currency": "EUR"},
    "seller": {"handle": EVIL, "profile_url": "javascript:alert(3)"},
    "contacts": [{"kind": "phone", "value": EVIL}],
    "location": EVIL,
    "ships_to": [EVIL],
    "images": [{"url": "javascript:alert(4)"}, {"url": 'https://img.example/"onerror=alert(5)'}],
    "permit_statement": EVIL,
    "posted_at": "2026-02-01T10:00:00+01:00",
    "lang": "en",
}


def quiet() -> Scenario:
    return one_platform("{do: silent}")


async def test_a_listing_page_says_what_is_offered_for_people_and_programs() -> None:
    row = {
        "id": "L1",
        "title": "Carved tusk",
        "text": "real ivory",
        "price": {"amount": "99.5", "currency": "USD"},
        "seller": {"handle": "seller-7", "profile_url": "https://shop.example/seller-7"},
        "posted_at": "2026-02-01T10:00:00Z",
        "ships_to": ["DE"],
        "language": "en",
    }
    async with shop(quiet(), [row]) as (_, desk):
        reply = await desk.page("L1")
        tree = LexborHTMLParser(reply.text)
        node = tree.css_first('script[type="application/ld+json"]')
        assert node is not None
        product = json.loads(node.text())

        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        assert tree.css_first("h1").text() == "Carved tusk"  # type: ignore[union-attr]
        assert (product["@type"], product["productID"]) == ("Product", "L1")
        assert (product["name"], product["description"]) == ("Carved tusk", "real ivory")
        offer = product["offers"]
        assert (offer["price"], offer["priceCurrency"]) == ("99.5", "USD")
        assert offer["seller"]["name"] == "seller-7"
        assert offer["url"] == f"{desk.base_url}/listing/L1"


async def test_hostile_text_stays_text_everywhere() -> None:
    async with shop(quiet(), [HOSTILE]) as (_, desk):
        await desk.notice(HOSTILE["id"], human_reference="TKN-TEST-0002")
        html_pages = [
            await desk.page(HOSTILE["id"]),
            await desk.http.get(f"{desk.base_url}/listings"),
            await desk.http.get(f"{desk.base_url}/desk"),
            await desk.http.get(f"{desk.base_url}/"),
        ]
        for reply in html_pages:
            assert reply.status_code == 200
            tree = LexborHTMLParser(reply.text)
            kinds = [script.attributes.get("type") for script in tree.css("script")]
            assert set(kinds) <= {"application/ld+json"}
            assert tree.css("img, iframe, object, embed, svg") == []
            assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe]", reply.text)
            for node in tree.css("*"):
                for name, value in node.attributes.items():
                    assert not name.startswith("on")
                    assert not (value or "").strip().lower().startswith("javascript:")
        shown = LexborHTMLParser(html_pages[0].text)
        product = json.loads(shown.css_first('script[type="application/ld+json"]').text())  # type: ignore[union-attr]
        # A program gets the very characters; a person gets what can be shown, kept apart by <bdi>.
        assert (product["productID"], product["name"]) == (HOSTILE["id"], EVIL)
        assert "\u202e" in shown.css_first("h1 bdi").text()  # type: ignore[union-attr]
        for name in ("feed.rss", "feed.atom", "sitemap.xml"):
            ElementTree.fromstring((await desk.http.get(f"{desk.base_url}/{name}")).content)
        item = (await desk.http.get(f"{desk.base_url}/feed.json")).json()["items"][0]
        assert (item["id"], item["title"]) == (HOSTILE["id"], EVIL)
        assert (await desk.http.get(item["url"])).status_code == 200


@pytest.mark.parametrize(
    ("after", "status", "mark"),
    [("404", 404, "no such page"), ("410", 410, "gone"), ("notice", 200, "has been removed")],
)
async def test_a_removed_page_is_gone_in_the_platforms_way(after: str, status: int, mark: str) -> None:
    scenario = one_platform("{do: prompt, after_s: 0}", platform=f"pages: {{after_removal: {after}}}")
    async with shop(scenario) as (sandbox, desk):
        key, _ = await desk.notice("L1")
        await until(lambda: sandbox.journal.words(key))
        reply = await desk.page("L1")

        assert reply.status_code == status
        assert mark in reply.text
        assert "Carved tusk" not in reply.text
        assert "ld+json" not in reply.text
        assert (await desk.page("never")).status_code == 404
        assert "/listing/L1<" not in (await desk.http.get(f"{desk.base_url}/sitemap.xml")).text
        assert "L1" not in [
            i["id"] for i in (await desk.http.get(f"{desk.base_url}/feed.json")).json()["items"]
        ]


async def test_a_login_wall_hides_some_listings_also_when_they_are_gone() -> None:
    for how, status in (("page", 200), ("redirect", 302)):
        pages = f"pages: {{login_wall: {how}, login_wall_when: {{listing: 'L[12]'}}}}"
        scenario = one_platform("{do: prompt, after_s: 0}", platform=pages)
        async with shop(scenario) as (sandbox, desk):
            before = await desk.page("L1")
            key, _ = await desk.notice("L1")
            await until(lambda: sandbox.journal.words(key))  # noqa: B023
            after = await desk.page("L1")

            assert (before.status_code, before.text) == (after.status_code, after.text)
            assert before.status_code == status
            assert "Carved" not in before.text
            assert (await desk.page("L3")).status_code == 200
            wall = await desk.page("L1", follow_redirects=True)
            assert 'type="password"' in wall.text


async def test_visits_are_noted_with_who_came() -> None:
    async with shop(quiet()) as (sandbox, desk):
        await desk.page("L1", headers={"user-agent": "takin-probe/1"})
        await desk.page("nope")
        await desk.http.head(f"{desk.base_url}/listing/L2")

        seen = [(v.listing_id, v.status) for v in sandbox.journal.views()]
        assert seen == [("L1", 200), ("nope", 404), ("L2", 200)]
        assert len(sandbox.journal.views(agent_contains="takin-probe")) == 1


async def test_the_index_pages_through_all_listings() -> None:
    stock = [{"id": f"L{n}", "title": f"t{n}"} for n in range(120)]
    async with shop(quiet(), stock) as (_, desk):
        url, found = f"{desk.base_url}/listings", []
        while url:
            tree = LexborHTMLParser((await desk.http.get(url)).text)
            found += [link.text() for link in tree.css("li a")]
            link = tree.css_first('a[rel="next"]')
            url = desk.base_url + str(link.attributes["href"]) if link else ""

        assert found == [f"t{n}" for n in reversed(range(120))]


async def test_the_shelf_takes_new_listings_and_gives_them_up() -> None:
    async with shop(quiet(), []) as (_, desk):
        shelf = f"{desk.base_url}/stock"
        put = await desk.http.post(shelf, json={"id": "x/1", "title": "one"})
        assert put.status_code == 201
        assert put.json() == {"listing_id": "x/1", "url": f"{desk.base_url}/listing/x%2F1", "cursor": 1}
        assert (await desk.http.put(f"{shelf}/x%2F1", json={"title": "two"})).status_code == 201
        assert "two" in (await desk.page("x/1")).text
        assert (await desk.http.delete(f"{shelf}/x%2F1")).status_code == 204
        assert (await desk.http.delete(f"{shelf}/x%2F1")).status_code == 404
        assert (await desk.page("x/1")).status_code == 404
        assert (await desk.http.post(shelf, json={"title": "no id"})).status_code == 422
        assert await desk.http.post(shelf, content=b"{", headers={"content-type": "application/json"})
        assert (await desk.http.post(shelf, content=b'{"id":"x"}')).status_code == 415
        assert (await desk.http.post(shelf, json={"id": "x", "text": "y" * 1_100_000})).status_code == 413


async def test_the_shelf_is_for_this_machine_only() -> None:
    async with shop(quiet(), []) as (_, desk):
        # A page of somebody else's that resolves its own name to loopback sends its own Host.
        reply = await desk.http.post(
            f"{desk.base_url}/stock", json={"id": "x"}, headers={"host": "evil.example"}
        )

        assert reply.status_code == 403


async def test_the_first_page_says_how_to_begin_and_loads_nothing_from_elsewhere() -> None:
    async with shop(quiet()) as (_, desk):
        for path in ("/", "/desk", "/contract", "/listings"):
            reply = await desk.http.get(desk.base_url + path)
            assert reply.status_code == 200
            tree = LexborHTMLParser(reply.text)
            assert tree.css("script, link[href], [src]") == []
        welcome = (await desk.http.get(desk.base_url)).text
        for part in ("curl", "first-notice.sh", "/openapi.json", "/contract", "/desk"):
            assert part in welcome


async def test_the_stock_may_be_large_and_feeds_still_page() -> None:
    stock = [{**STOCK[0], "id": f"L{n}"} for n in range(130)]
    async with shop(quiet(), stock) as (_, desk):
        url, found = f"{desk.base_url}/feed.json?since=0&limit=50", []
        while url:
            feed = (await desk.http.get(url)).json()
            found += [item["id"] for item in feed["items"]]
            url = feed.get("next_url", "")

        assert found == [f"L{n}" for n in range(130)]
