"""A notice about several listings: each is seen, answered and counted by itself, or all at once."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI

from schemas.notice import Notice
from streams.desk.answer_routes import MOST_AT_ONCE
from streams.notices import acts
from streams.notices.casebook import cases, desk_lists, desk_pages
from streams.notices.casebook.database import Casebook
from tests.support.desk import (
    NOW,
    Browser,
    Filled,
    api_token,
    deliver,
    house_over,
    two_platforms,
    viewer_of,
)

NONCE = "n" * 20


@pytest.fixture
def notice(casebook: Casebook, filled: Filled) -> Notice:
    """Delivered to the first platform, about two listings."""
    desk = two_platforms()
    wanted = [filled.review[0], filled.review[2]]
    notice_id = casebook.decide(acts.approve_together, wanted, desk, by="analyst", now=NOW)
    deliver(casebook, desk, "market", NOW + timedelta(minutes=1))
    with casebook.read() as tx:
        return cases.notice_body(tx, notice_id)


def standing(casebook: Casebook, notice: Notice) -> list[tuple[str, str | None]]:
    page = casebook.answer(desk_pages.notice, viewer_of(casebook, "market"), notice.notice_id)
    assert page is not None
    return [(item.claim, item.outcome) for item in page.items]


async def test_each_listing_has_its_own_page_text_and_evidence(
    app: FastAPI, casebook: Casebook, notice: Notice
) -> None:
    browser = Browser(app, casebook, "market")

    pages = [
        (await browser.get(f"/notices/{notice.human_reference}?item={item.item_id}")).text
        for item in notice.items
    ]
    captured = [
        (await browser.get(f"/notices/{notice.human_reference}/evidence/{one.sha256}")).json()["listing_id"]
        for one in notice.evidence
    ]

    for place, (item, page) in enumerate(zip(notice.items, pages, strict=True), 1):
        assert f"Listing {place} of 2" in page
        assert f'<bdi class="raw">{item.listing_id}</bdi>' in page
        assert f'name="item_id" value="{item.item_id}"' in page
        assert len(re.findall("data-key=", page)) == len(set(re.findall('data-key="(.)"', page)))
    assert captured == [item.listing_id for item in notice.items]


async def test_an_answer_to_one_listing_leaves_the_other_and_leads_to_it(
    app: FastAPI, casebook: Casebook, notice: Notice
) -> None:
    browser, (one, other) = Browser(app, casebook, "market"), notice.items
    where = f"/notices/{notice.human_reference}/answer"
    kept = {"answer": "kept", "kept_because": "lawful", "reasons_kept": "Papers were shown."}

    first = await browser.post(
        where, {"answer": "removed", "item_id": one.item_id, "nonce": NONCE, "go_on": "1"}
    )
    half = standing(casebook, notice)
    second = await browser.post(where, {**kept, "item_id": other.item_id, "nonce": NONCE, "go_on": "1"})

    assert first.headers["location"].startswith(f"/notices/{notice.human_reference}?item={other.item_id}&")
    assert half == [("removed", "actioned_removed"), ("none", None)]
    assert standing(casebook, notice) == [("removed", "actioned_removed"), ("refused", "refused_lawful")]
    assert notice.human_reference not in second.headers["location"]


async def test_an_answer_without_a_listing_is_for_all(
    app: FastAPI, casebook: Casebook, notice: Notice
) -> None:
    page = await Browser(app, casebook, "market").get(f"/notices/{notice.human_reference}")
    answer = await Browser(app, casebook, "market").post(
        f"/notices/{notice.human_reference}/answer", {"answer": "removed", "nonce": NONCE}
    )

    assert "all 2 listings at once" in page.text
    assert 'name="item_id"' not in page.text
    assert answer.status_code == 303
    assert standing(casebook, notice) == [("removed", "actioned_removed")] * 2
    again = (await Browser(app, casebook, "market").get(f"/notices/{notice.human_reference}")).text
    assert again.count("removed <small>by desk</small>") == 1, "an answer about both is said once"


async def test_the_inbox_has_a_line_for_each_and_answers_what_is_chosen(
    app: FastAPI, casebook: Casebook, notice: Notice
) -> None:
    browser = Browser(app, casebook, "market")
    lines = casebook.answer(desk_lists.inbox, viewer_of(casebook, "market"), waiting=False, limit=99)
    theirs = [line for line in lines if line.reference == notice.human_reference]
    page = (await browser.get("/inbox")).text

    chosen = [f"{notice.human_reference}/{item.item_id}" for item in notice.items]
    answer = await browser.post("/inbox/answer", {"answer": "removed", "nonce": NONCE, "notice": chosen})

    assert [(line.listings, line.item_id in chosen[0] + chosen[1]) for line in theirs] == [(2, True)] * 2
    assert {line.listings for line in lines if line not in theirs} == {1}
    assert all(f'value="{one}"' in page for one in chosen)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/inbox?said=removed&n=2"
    assert standing(casebook, notice) == [("removed", "actioned_removed")] * 2
    assert MOST_AT_ONCE >= 2


async def test_the_api_shows_and_answers_each_listing(
    app: FastAPI, casebook: Casebook, notice: Notice
) -> None:
    client = Browser(app, casebook).client
    client.headers["authorization"] = f"Bearer {api_token(casebook, 'market')}"
    where = f"/api/v1/notices/{notice.human_reference}"
    item = notice.items[1]

    taken = await client.post(f"{where}/answers", json={"answer": "not_ours", "item_id": item.item_id})
    again = await client.post(f"{where}/answers", json={"answer": "not_ours", "item_id": item.item_id})
    unknown = await client.post(f"{where}/answers", json={"answer": "removed", "item_id": "i_" + "0" * 32})
    found = (await client.get(where)).json()
    listed = (await client.get("/api/v1/notices?limit=100")).json()["notices"]

    assert (taken.status_code, again.json()["repeated"]) == (200, True)
    assert (unknown.status_code, unknown.json()["code"]) == (422, "no_such_item")
    assert [(one["item_id"], one["said"], one["outcome"]) for one in found["items"]] == [
        (notice.items[0].item_id, "none", None),
        (item.item_id, "refused", "refused_not_hosted"),
    ]
    assert {one["kind"] for one in found["items"][0]["due"]} == {"acknowledge", "decide", "remove"}
    assert [one["item_id"] for one in listed if one["reference"] == notice.human_reference] == [
        notice.items[0].item_id
    ]


async def test_the_reply_link_answers_one_listing_or_all(
    app: FastAPI, casebook: Casebook, notice: Notice, tmp_path: Path
) -> None:
    house = house_over(casebook, tmp_path)
    link = house.links.link(notice_id=notice.notice_id, platform="market", issued_at=NOW)
    browser, (one, other) = Browser(app, casebook), notice.items

    page = await browser.get(f"{link}?item={other.item_id}")
    [action] = set(re.findall(r'action="(/r/[^"]+)"', page.text))
    answer = await browser.post(action, {"answer": "removed", "item_id": other.item_id, "nonce": NONCE})
    foreign = await browser.get(f"{link}?item=i_{'0' * 32}")

    assert "Listing 2 of 2" in page.text
    assert answer.status_code == 200
    assert standing(casebook, notice) == [("none", None), ("removed", "actioned_removed")]
    assert foreign.status_code == 404
    assert one.item_id in page.text


@pytest.mark.parametrize("visitor", ["market", "bazaar"])
async def test_a_listing_of_another_notice_is_no_listing_of_this_one(
    app: FastAPI, casebook: Casebook, filled: Filled, notice: Notice, visitor: str
) -> None:
    browser = Browser(app, casebook, visitor)
    mine, item = filled.references[visitor][2], notice.items[0].item_id

    shown = await browser.get(f"/notices/{mine}?item={item}")
    answered = await browser.post(
        f"/notices/{mine}/answer", {"answer": "removed", "item_id": item, "nonce": NONCE}
    )
    chosen = await browser.post(
        "/inbox/answer", {"answer": "removed", "nonce": NONCE, "notice": [f"{mine}/{item}"]}
    )

    assert [one.status_code for one in (shown, answered, chosen)] == [404, 422, 404]
    assert standing(casebook, notice) == [("none", None)] * 2
