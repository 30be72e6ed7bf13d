"""What is peculiar to one API, beside what tests/contracts/test_shelves.py asks of each."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import ConnectorError, PlatformRefused, PlatformUnavailable
from connectors.pace import window_s
from connectors.platform import Page
from connectors.registry import load_platforms
from connectors.shelves.reddit import Reddit
from connectors.shelves.vk import VK
from connectors.shelves.youtube import YouTube
from schemas.errors import OperatorError
from streams.connect.sources import Opened
from tests.contracts.rude_server import Asked, answer, rude_server
from tests.contracts.test_shelves import Clock, Reader, opened
from tests.support.shelf_servers import Dialect, Request, Stocked, reddit, vk, youtube

BASE = "https://shop.example"


async def read_into(pages: list[Page], made: Opened) -> None:
    """One pass; what it gave before it failed stays in ``pages``."""
    try:
        async for page in made.source.read(None):
            pages.append(page)
    finally:
        await made.close()  # type: ignore[misc]


async def failing(name: str, status: int, body: Any) -> ConnectorError:
    async with rude_server() as server:
        server.answers(status, json.dumps(body).encode())
        with pytest.raises(ConnectorError) as error:
            await Reader(name, server.url).pages()
    return error.value


@pytest.mark.parametrize(
    ("code", "kind", "reason", "wait"),
    [
        (6, PlatformUnavailable, "throttled", 1.0),
        (9, PlatformUnavailable, "throttled", 60.0),
        (10, PlatformUnavailable, "server_error", None),
        (29, PlatformUnavailable, "throttled", 3_600.0),
        (5, PlatformRefused, "unauthorised", None),
        (15, PlatformRefused, "unauthorised", None),
        (14, PlatformRefused, "refused", None),
    ],
)
async def test_vk_says_what_is_wrong_in_an_answer_with_status_200(
    code: int, kind: type[Exception], reason: str, wait: float | None
) -> None:
    error = await failing("vk", 200, {"error": {"error_code": code, "error_msg": "words of theirs"}})

    assert (type(error), error.reason) == (kind, reason)
    assert getattr(error, "retry_after_s", None) == wait
    assert "words of theirs" not in str(error)


def of_youtube(reason: str) -> dict[str, Any]:
    return {"error": {"code": 403, "errors": [{"reason": reason}]}}


@pytest.mark.parametrize(
    ("reason", "kind"), [("quotaExceeded", PlatformUnavailable), ("keyInvalid", PlatformRefused)]
)
async def test_youtube_s_spent_quota_is_not_a_key_that_is_not_taken(
    reason: str, kind: type[Exception]
) -> None:
    error = await failing("youtube", 403, of_youtube(reason))

    assert isinstance(error, kind)


@pytest.mark.parametrize(
    ("name", "dialect", "closed", "told", "status", "body"),
    [
        ("youtube", youtube, "comments:v1", "commentThreads", 403, of_youtube("commentsDisabled")),
        ("youtube", youtube, "channel:UC1", "commentThreads", 404, of_youtube("channelNotFound")),
        ("reddit", reddit, "r/closed", "/r/closed/", 403, {"reason": "private", "error": 403}),
        ("reddit", reddit, "r/closed", "/r/closed/", 404, {"reason": "banned", "error": 404}),
        ("vk", vk, "wall:-7", "wall.get", 200, {"error": {"error_code": 15}}),
        ("vk", vk, "wall:-7", "wall.get", 200, {"error": {"error_code": 18}}),
    ],
)  # fmt: skip
async def test_one_closed_place_stops_no_other_search(
    name: str, dialect: Dialect, closed: str, told: str, status: int, body: Any
) -> None:
    asked_for = "r/carving" if name == "reddit" else "carving"
    async with rude_server() as server:
        api = Stocked(dialect)
        strict = api.manners(server.url)
        api.fill(3)

        async def manners(asked: Asked, writer: asyncio.StreamWriter) -> None:
            refused = answer(status, json.dumps(body).encode())
            await (refused if told in asked.target else strict)(asked, writer)

        server.manners = manners
        for words in ([closed, asked_for], [asked_for, closed]):
            assert len(await Reader(name, server.url, {"words": words}).titles()) == 3
        with pytest.raises(PlatformRefused):
            await Reader(name, server.url, {"words": [closed, closed]}).titles()


def test_a_search_of_youtube_costs_a_hundred_units_and_comments_one() -> None:
    shelf = YouTube()
    search, comments = shelf.first("carving"), shelf.first("comments:abc")

    assert (search.cost, comments.cost) == (100, 1)
    further = shelf.read({"items": [], "nextPageToken": "t"}, search).next
    assert further is not None
    assert further.cost == 100
    assert comments.query["videoId"] == "abc"
    assert shelf.first("channel:UC7").query["allThreadsRelatedToChannelId"] == "UC7"


async def test_a_search_of_youtube_is_a_hundred_off_what_is_left_of_the_day() -> None:
    async with rude_server() as server:
        server.manners = Stocked(youtube).manners(server.url)
        made = opened("youtube", server.url, Clock())
        left: list[int] = [made.source.calls_left]  # type: ignore[attr-defined]
        [_ async for _ in made.source.read(None)]
        left.append(made.source.calls_left)  # type: ignore[attr-defined]
        await made.close()  # type: ignore[misc]

    assert left == [10_000, 9_900]


def test_a_comment_on_a_video_is_a_listing_with_its_own_address() -> None:
    said = {
        "textOriginal": "ivory, write to me",
        "authorDisplayName": "@example",
        "authorChannelId": {"value": "UC8"},
        "publishedAt": "2026-03-09T08:00:00Z",
    }
    row = {"id": "c1", "snippet": {"videoId": "v1", "topLevelComment": {"snippet": said}}}
    fields = YouTube().fields(row, BASE)

    assert fields["url"] == f"{BASE}/watch?v=v1&lc=c1"
    assert fields["description"] == "ivory, write to me"
    assert fields["seller"] == {"handle": "@example", "account_id": "UC8"}


def test_vk_reads_walls_and_goods_too_and_repeats_rows_at_the_border() -> None:
    shelf = VK()
    wall, market = shelf.first("wall:-55"), shelf.first("market:-55 bone carving")
    further = shelf.read({"response": {"items": [{}] * 100}}, wall).next
    goods = {"id": 3, "owner_id": -55, "title": "t", "price": {"amount": "1250", "currency": {"name": "RUB"}}}

    assert (wall.path, wall.query["owner_id"]) == ("/method/wall.get", "-55")
    assert (market.query["owner_id"], market.query["q"]) == ("-55", "bone carving")
    assert further is not None
    assert further.query["offset"] == 95
    assert shelf.read({"response": {"items": [{}] * 99}}, wall).next is None
    assert shelf.fields(goods, BASE)["url"] == f"{BASE}/market-55?w=product-55_3"
    assert str(shelf.fields(goods, BASE)["price"]["amount"]) == "12.50"


def test_reddit_is_asked_for_posts_for_comments_or_for_words() -> None:
    shelf = Reddit()
    comment = {"kind": "t1", "data": {"name": "t1_9", "body": "ivory", "permalink": "/r/x/comments/1/_/9/"}}

    assert shelf.first("r/carving").path == "/r/carving/new"
    assert shelf.first("r/carving/comments").path == "/r/carving/comments"
    assert shelf.first("bone carving").query["q"] == "bone carving"
    assert shelf.fields(comment, BASE)["url"] == f"{BASE}/r/x/comments/1/_/9/"
    assert shelf.fields({"data": {"permalink": "//elsewhere.example"}}, BASE)["url"] != "//elsewhere.example"


@pytest.mark.parametrize(
    ("left", "reset", "wait"),
    [("0.0", "30", 30.0), ("0", "9000", 3_600.0), ("1.0", "30", None), ("x", "30", None), ("0", "-1", None)],
)
def test_a_window_that_is_used_up_is_waited_for(left: str, reset: str, wait: float | None) -> None:
    assert window_s({"x-ratelimit-remaining": left, "x-ratelimit-reset": reset}) == wait


async def test_reddit_s_own_count_of_what_is_left_ends_a_pass_and_repeats_nothing() -> None:
    async with rude_server() as server:
        api = Stocked(reddit)
        strict = api.manners(server.url)
        api.fill(250)

        async def counted(asked: Asked, writer: asyncio.StreamWriter) -> None:
            if "after=" in asked.target or "token" in asked.target:
                await strict(asked, writer)
                return
            page = reddit_page(api, server.url)
            await answer(200, page, ("x-ratelimit-remaining", "0.0"), ("x-ratelimit-reset", "300"))(
                asked, writer
            )

        server.manners = counted
        made = opened("reddit", server.url, Clock())
        pages: list[Page] = []
        with pytest.raises(PlatformUnavailable) as error:
            await read_into(pages, made)
        server.manners = strict
        rest = await Reader("reddit", server.url, cursor=pages[-1].cursor).titles()

    assert error.value.retry_after_s == pytest.approx(300, abs=5)
    assert sum(len(page.listings) for page in pages) == 100
    assert len(rest) == 150, "what was given out before the silence is not given out again"


async def test_a_failure_before_anything_was_read_is_no_progress() -> None:
    async with rude_server() as server:
        server.answers(503)
        made = opened("shopify", server.url, Clock())
        pages: list[Page] = []
        with pytest.raises(PlatformUnavailable):
            await read_into(pages, made)

    assert pages == []


def reddit_page(api: Stocked, url: str) -> bytes:
    asked = Request("/r/carving/new", {"limit": "100"}, {"authorization": "x", "user-agent": "(by /u/x)"})
    return json.dumps(reddit(asked, api.stock, url)).encode()


async def test_tokens_may_be_given_out_by_another_host() -> None:
    async with rude_server() as server, rude_server() as giver:
        api = Stocked(reddit)
        server.manners = api.manners(server.url)
        giver.manners = server.manners
        api.fill(3)
        reader = Reader("reddit", server.url, {"token_url": f"{giver.url}/api/v1/access_token"})
        titles = await reader.titles()

    assert len(titles) == 3
    assert [asked.target for asked in giver.asked] == ["/api/v1/access_token"]
    assert all("token" not in asked.target for asked in server.asked)
    assert {asked.headers["user-agent"] for asked in (*server.asked, *giver.asked)} == {
        "linux:example-monitor:v1 (by /u/example)"
    }


async def test_a_key_is_never_part_of_an_address() -> None:
    async with rude_server() as server:
        api = Stocked(youtube)
        server.manners = api.manners(server.url)
        api.fill(1)
        await Reader("youtube", server.url).titles()

    assert server.asked
    assert all("canary" not in asked.target for asked in server.asked)


def test_reddit_without_a_telling_user_agent_is_refused_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "platforms.yaml"
    path.write_text(
        "platforms:\n  - {name: forum, kind: desk, folder: /x, base_url: 'https://www.forum.example',\n"
        "     reads: {api: reddit, words: [r/x], key: env:A, secret: env:B}}\n"
    )

    with pytest.raises(OperatorError, match=r"forum\.user_agent.*by /u/"):
        load_platforms(path)
