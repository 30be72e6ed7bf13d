"""Posts of Telegram channels: read once, confirmed only when Kafka has them, and the token shown nowhere."""

import json
import logging
from asyncio import StreamWriter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from connectors.cursors import CursorStore
from connectors.errors import ConnectorError, PlatformRefused, PlatformUnavailable
from connectors.metrics import ConnectorMetrics
from connectors.platform import Page
from connectors.platform_config import PlatformConfig
from schemas.dead_letter import DeadLetter
from schemas.errors import OperatorError
from schemas.listing import Listing
from streams.connect.runner import Assignment, Runner
from streams.connect.sources import Opened, Wanted, open_source
from tests.contracts.rude_server import Asked, RudeServer, answer, rude_server
from tests.support.telegram_server import CHANNEL, NOW, TOKEN, BotApi, post


@dataclass
class Clock:
    """A clock that a test sets."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
async def server() -> AsyncIterator[RudeServer]:
    async with rude_server() as running:
        yield running


@pytest.fixture
def bot(server: RudeServer) -> BotApi:
    here = BotApi()
    server.manners = here
    return here


def opened(url: str, *, clock: Clock | None = None, token: str = TOKEN, **changes: Any) -> Opened:
    wanted = {name: changes.pop(name) for name in ("follow", "keep", "search") if name in changes}
    config = PlatformConfig.model_validate(
        {
            "name": "channels",
            "kind": "desk",
            "folder": "/nowhere",
            "base_url": "https://t.example",
            "private_address": True,
            "reads": {"api": "telegram", "base_url": url, "key": "env:KEY", "rate_per_s": 1_000, **changes},
        }
    )
    return open_source(
        Wanted("channels", **wanted),
        (config,),
        run_id="run-1",
        now=clock or Clock(),
        environment={"KEY": token},
    )


async def read(url: str, cursor: str | None = None, **changes: Any) -> list[Page]:
    """One whole pass."""
    made = opened(url, **changes)
    try:
        return [page async for page in made.source.read(cursor)]
    finally:
        await made.close()  # type: ignore[misc]


def said(pages: Sequence[Page]) -> list[str]:
    return [one.description for page in pages for one in page.listings]


def every(count: int, start: int = 0) -> list[str]:
    return [f"carved thing {number}" for number in range(start, start + count)]


async def test_all_posts_are_read_once_by_the_documentation_and_then_confirmed(
    server: RudeServer, bot: BotApi
) -> None:
    bot.fill(250)

    pages = await read(server.url)
    again = await read(server.url, pages[-1].cursor)

    assert (said(pages), said(again)) == (every(250), [])
    assert (bot.queue, bot.broken_rules) == ([], [])


async def test_what_a_post_becomes(server: RudeServer, bot: BotApi) -> None:
    bot.fill(1)
    caption = post(2, "")
    del caption["text"]
    bot.hear("channel_post", {**caption, "caption": "made of tusk", "photo": [{"file_id": "A"}]})
    bot.hear("edited_channel_post", post(1, "carved thing 0, sold", edit_date=1_773_000_000))
    bot.hear("channel_post", post(3, "within", chat={"id": CHANNEL, "title": "Closed", "type": "channel"}))

    [first, second, edited, within] = [one for page in await read(server.url) for one in page.listings]

    assert (first.listing_id, first.url) == (f"{CHANNEL}_1", "https://t.example/carved/1")
    assert (first.category, first.posted_at) == (
        "Carved things",
        NOW - timedelta(days=1) + timedelta(seconds=1),
    )
    assert first.seller is not None
    assert (first.seller.handle, first.seller.account_id) == ("carved", str(CHANNEL))
    assert second.description == "made of tusk"
    assert (edited.listing_id, edited.revision) == (first.listing_id, "1773000000")
    assert edited.content_hash != first.content_hash
    assert within.url == "https://t.example/c/1234567890/3"


# ---- the offset ---------------------------------------------------------------------------------


@dataclass
class Kafka:
    """A sink that fails when it is told to."""

    has: list[str] = field(default_factory=list)
    dies_after: int | None = None

    async def publish(self, listings: Sequence[Listing]) -> tuple[DeadLetter, ...]:
        if self.dies_after is not None and len(self.has) >= self.dies_after:
            raise ConnectionError("killed before Kafka acknowledged")
        self.has += [one.description for one in listings]
        return ()

    async def set_aside(self, letters: Sequence[DeadLetter]) -> None:
        raise AssertionError(letters)


def runner(made: Opened, kafka: Kafka, folder: Path, metrics: ConnectorMetrics | None = None) -> Runner:
    return Runner(
        made.source,
        kafka,
        Assignment(made.connector, made.place, made.platform),
        cursors=CursorStore(folder),
        metrics=metrics or ConnectorMetrics(),
        now=Clock(),
    )


async def test_nothing_is_confirmed_before_kafka_has_it_whenever_it_is_killed(
    server: RudeServer, bot: BotApi, tmp_path: Path
) -> None:
    bot.fill(550)
    texts = {one["update_id"]: one["channel_post"]["text"] for one in bot.queue}
    kafka = Kafka()

    def must_have(gone: list[int]) -> None:
        assert {texts[one] for one in gone} <= set(kafka.has), "deleted before it was published"

    bot.on_confirm = must_have
    for dies_after in (0, 100, 200, 300, 500):
        kafka.dies_after = dies_after
        made = opened(server.url)
        with pytest.raises(ConnectionError):
            await runner(made, kafka, tmp_path).run()
        await made.close()  # type: ignore[misc]
    kafka.dies_after = None
    made = opened(server.url)
    await runner(made, kafka, tmp_path).run()
    await made.close()  # type: ignore[misc]

    assert sorted(kafka.has) == sorted(every(550))
    assert (len(bot.confirmed), bot.queue) == (550, [])


async def test_a_cursor_that_was_lost_repeats_and_loses_nothing(server: RudeServer, bot: BotApi) -> None:
    """Killed between Kafka's word and the saving of the cursor."""
    bot.fill(150)
    made = opened(server.url)
    async for page in made.source.read(None):
        first, cursor = said([page]), page.cursor
        break
    await made.close()  # type: ignore[misc]

    assert first == every(100)
    assert said(await read(server.url, None, keep=True)) == every(100)
    assert said(await read(server.url, cursor)) == every(50, 100)


async def test_a_look_confirms_nothing(server: RudeServer, bot: BotApi) -> None:
    bot.fill(150)

    assert said(await read(server.url, keep=True)) == every(100)
    assert (bot.confirmed, len(bot.queue), len(bot.asked)) == ([], 150, 1)


@pytest.mark.parametrize("anew", [5, 760_009_999])
async def test_numbers_that_begin_anew_lose_and_repeat_nothing(
    server: RudeServer, bot: BotApi, anew: int
) -> None:
    """After a week without updates; by the documentation they then begin anywhere."""
    clock = Clock()
    bot.fill(3)
    cursor = (await read(server.url, clock=clock))[-1].cursor
    bot.next_number = anew
    bot.fill(250, start=3)
    clock.at += timedelta(days=8)

    assert said(await read(server.url, cursor, clock=clock)) == every(250, 3)
    assert "offset" not in bot.asked[2]
    assert bot.queue == []


async def test_a_server_whose_numbers_all_lie_below_the_offset_is_followed(
    server: RudeServer, bot: BotApi
) -> None:
    """As when a server of one's own takes the place of Telegram's."""
    bot.fill(1)
    cursor = (await read(server.url))[-1].cursor
    bot.next_number = 40
    bot.fill(250, start=1)

    assert said(await read(server.url, cursor)) == every(250, 1)
    assert bot.queue == []


async def test_a_server_that_forgets_what_was_confirmed_is_not_asked_for_ever(
    server: RudeServer, bot: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot.fill(2)
    monkeypatch.setattr(bot, "_from", lambda _: bot.queue)

    with pytest.raises(PlatformUnavailable, match="again what was confirmed"):
        await read(server.url)
    assert len(bot.asked) == 2


async def test_a_follower_waits_at_the_server_and_hears_at_once(server: RudeServer, bot: BotApi) -> None:
    bot.before = lambda number: bot.fill(1, start=number - 3) if number in (3, 4) else None
    made = opened(server.url, follow=True)
    heard, ends = [], 0
    async for page in made.source.read(None):
        ends += page.at_end
        heard += said([page])
        if len(heard) == 2:
            break
    await made.close()  # type: ignore[misc]

    assert (heard, ends) == (every(2), 2)
    assert {one["timeout"] for one in bot.asked} == {"7"}


# ---- what is not for us, and what is odd --------------------------------------------------------


async def test_only_posts_of_the_channels_that_were_named_are_kept(server: RudeServer, bot: BotApi) -> None:
    other = {"id": -1009, "title": "Another", "username": "another", "type": "channel"}
    bot.hear("message", {"message_id": 1, "chat": {"id": 7, "type": "private"}, "text": "a private word"})
    bot.hear("channel_post", post(1, "not wanted", chat=other))
    bot.hear("channel_post", {**post(2, ""), "text": None, "pinned_message": {}})
    bot.hear("my_chat_member", {"chat": other})
    bot.fill(1, start=5)

    for words in (["@Carved"], [str(CHANNEL)], ["https://t.me/carved"]):
        pages = await read(server.url, keep=True, words=words)
        assert (said(pages), [page.set_aside for page in pages]) == (every(1, 5), [()])
    assert len(said(await read(server.url))) == 2
    assert bot.queue == []


async def test_an_odd_update_is_set_aside_and_costs_no_other(server: RudeServer, bot: BotApi) -> None:
    bot.fill(2)
    bot.queue += [None, 7, {"update_id": True, "channel_post": {}}]  # type: ignore[list-item]
    unnumbered = {"message_id": [], "chat": {"id": {}}, "text": "x"}
    odd: list[object] = ["post", None, [], {}, {"message_id": 1}, unnumbered]
    for one in odd:
        bot.hear("channel_post", one)
    bot.hear("channel_post", post(9, "from tomorrow", date=int((NOW + timedelta(days=3)).timestamp())))

    pages = await read(server.url, keep=True, words=["@carved"])

    assert said(pages) == every(2)
    reasons = [letter.reason for page in pages for letter in page.set_aside]
    assert reasons == ["wrong_shape"] * 9 + ["from_the_future"]


@pytest.mark.parametrize(
    "result", [[{"channel_post": {}}], [7], [{"update_id": -1}], [{"update_id": "8"}], [{"update_id": 2**60}]]
)
async def test_updates_without_a_number_are_asked_for_again_later(server: RudeServer, result: Any) -> None:
    server.answers(200, json.dumps({"ok": True, "result": result}).encode())

    with pytest.raises(PlatformUnavailable, match="no numbers"):
        await read(server.url)


# ---- trouble ------------------------------------------------------------------------------------


def error_body(status: int, why: str, **more: Any) -> bytes:
    return json.dumps({"ok": False, "error_code": status, "description": why, **more}).encode()


@pytest.mark.parametrize(
    ("status", "why", "kind", "told"),
    [
        (401, "Unauthorized", PlatformRefused, "the bot's token is not taken"),
        (404, "Not Found", PlatformRefused, "Not Found"),
        (409, "Conflict: can't use getUpdates method while webhook is active", PlatformRefused, "webhook"),
        (409, "Conflict: terminated by other getUpdates request", PlatformRefused, "terminated by other"),
        (502, "Bad Gateway", PlatformUnavailable, "Bad Gateway"),
    ],
)
async def test_the_api_s_own_words_go_along(
    server: RudeServer, status: int, why: str, kind: type[ConnectorError], told: str
) -> None:
    server.answers(status, error_body(status, why))

    with pytest.raises(kind) as error:
        await read(server.url)

    assert told in error.value.detail


async def test_the_silence_that_the_body_asks_for_is_kept(server: RudeServer, bot: BotApi) -> None:
    server.answers(429, error_body(429, "Too Many Requests", parameters={"retry_after": 35}))
    made = opened(server.url)
    waits = []
    for _ in range(2):
        with pytest.raises(PlatformUnavailable) as error:
            [_ async for _ in made.source.read(None)]
        waits.append(error.value.retry_after_s)
        server.manners = bot
    await made.close()  # type: ignore[misc]

    assert waits == pytest.approx([35, 35], abs=2)
    assert bot.asked == []


# ---- the token ----------------------------------------------------------------------------------


async def test_the_token_is_in_the_path_and_nowhere_else(
    server: RudeServer, bot: BotApi, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    bot.fill(2)
    bot.hear("channel_post", {"message_id": 1})
    metrics, told = ConnectorMetrics(), []
    pages = await read(server.url)

    async def echoes(status: int, asked: Asked, writer: StreamWriter) -> None:
        await answer(status, error_body(status, f"no such method {asked.target}"))(asked, writer)

    for status in (401, 403, 404, 409):
        server.manners = partial(echoes, status)
        made = opened(server.url)
        with pytest.raises(OperatorError) as error:
            await runner(made, Kafka(), tmp_path, metrics).run()
        told += [str(error.value), repr(error.value.__cause__), repr(made.source.__dict__)]
        await made.close()  # type: ignore[misc]
    server.manners = bot
    made = opened("http://127.0.0.1:1")
    with pytest.raises(PlatformUnavailable) as away:
        [_ async for _ in made.source.read(None)]
    await made.close()  # type: ignore[misc]

    told += [caplog.text, generate_latest(metrics.registry).decode(), repr(away.value), repr(pages)]
    assert TOKEN in server.asked[0].target
    assert "no such method" in told[0]
    assert not any(TOKEN in one or TOKEN.partition(":")[2] in one for one in told)


@pytest.mark.parametrize(
    "token", ["canary-no-colon-in-here", "12:canary", "1:canary/../../other-path-0123456789?x"]
)
def test_what_is_no_token_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(OperatorError, match="no bot's token") as error:
        opened("https://api.example", token=token)
    assert "canary" not in str(error.value)


def test_a_bot_cannot_search() -> None:
    with pytest.raises(OperatorError, match="leave --search out"):
        opened("https://api.example", search="ivory")
