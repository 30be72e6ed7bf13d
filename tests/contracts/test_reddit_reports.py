"""A post is read, noticed, reported and looked at, on a server that takes only what Reddit documents."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from connectors.errors import ConnectorError, PlatformRefused, PlatformUnavailable
from connectors.platform import Delivery, Observation, Platform, ProbeTarget
from connectors.platform_config import PlatformConfig
from connectors.registry import build
from schemas.notice import Notice
from streams.connect.sources import Wanted, open_source
from tests.contracts.rude_server import Asked, RudeServer, answer, rude_server
from tests.support.hostile import hostile_notices, notice

CLIENT, SECRET, REFRESH = "client-0123", "canary-client-secret", "canary-refresh-token"
AGENT = "linux:example-monitor:v1 (by /u/example)"
POST = "t3_1"
FIELDS = {"api_type", "thing_id", "reason", "custom_text"}


@dataclass
class Reddit:
    """One community with one post; reddit.com/dev/api, and its page on OAuth 2."""

    posts: dict[str, dict[str, Any]] = field(default_factory=dict)
    reports: list[dict[str, str]] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    """Tokens that hold, and by what they were given."""
    given: int = 0

    def __post_init__(self) -> None:
        self.posts[POST] = {
            "name": POST,
            "title": "Old tusk",
            "selftext": "Ivory for sale",
            "author": "carver",
            "permalink": "/r/carving/comments/1/old_tusk/",
            "created_utc": 1_773_000_000.0,
            "removed_by_category": None,
        }

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        status, body = self.says(asked)
        await answer(status, json.dumps(body).encode(), ("content-type", "application/json"))(asked, writer)

    def says(self, asked: Asked) -> tuple[int, Any]:
        path = urlsplit(asked.target).path
        if asked.headers["user-agent"] != AGENT:
            return 429, {"message": "Too Many Requests", "error": 429}
        if path == "/api/v1/access_token":
            return self.gives(asked)
        who = self.tokens.get(asked.headers.get("authorization", "").removeprefix("Bearer "))
        if who is None:
            return 401, {"message": "Unauthorized", "error": 401}
        if (asked.method, path) == ("POST", "/api/report"):
            return self.takes(asked, who)
        if path == "/api/info":
            [wanted] = parse_qs(urlsplit(asked.target).query)["id"]
            return 200, self.shown([self.posts[wanted]] if wanted in self.posts and who == "nobody" else [])
        if path == "/r/carving/new":
            return 200, self.shown(list(self.posts.values()))
        return 404, {"message": "Not Found", "error": 404}

    def shown(self, posts: list[dict[str, Any]]) -> dict[str, Any]:
        children = [{"kind": "t3", "data": one} for one in posts]
        return {"kind": "Listing", "data": {"after": None, "before": None, "children": children}}

    def gives(self, asked: Asked) -> tuple[int, Any]:
        pair = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {pair}":
            return 401, {"message": "Unauthorized", "error": 401}
        form = {name: values[-1] for name, values in parse_qs(asked.body.decode()).items()}
        if form == {"grant_type": "refresh_token", "refresh_token": REFRESH}:
            who = "reporter"
        elif form == {"grant_type": "client_credentials"}:
            who = "nobody"
        else:
            return 400, {"error": "invalid_grant"}
        self.given += 1
        self.tokens[f"canary-token-{self.given}"] = who
        return 200, {
            "access_token": f"canary-token-{self.given}",
            "token_type": "bearer",
            "expires_in": 86_400,
        }

    def takes(self, asked: Asked, who: str) -> tuple[int, Any]:
        if who != "reporter":
            return 403, {"message": "Forbidden", "error": 403}
        form = {
            name: values[-1] for name, values in parse_qs(asked.body.decode(), strict_parsing=True).items()
        }
        if more := set(form) ^ FIELDS:
            return 400, {"message": f"unknown: {sorted(more)}"}
        if len(form["reason"]) > 100 or len(form["custom_text"]) > 2_000:
            return 200, {"json": {"errors": [["TOO_LONG", "this is too long (max: 100)", "reason"]]}}
        if form["thing_id"] not in self.posts:
            return 200, {"json": {"errors": [["NO_THING_ID", "id not specified", "thing_id"]]}}
        self.reports.append(form)
        return 200, {"json": {"errors": []}}


@pytest.fixture
async def server() -> AsyncIterator[tuple[RudeServer, Reddit]]:
    async with rude_server() as running:
        running.manners = here = Reddit()
        yield running, here


def config(url: str, **options: Any) -> PlatformConfig:
    return PlatformConfig.model_validate(
        {
            "name": "community",
            "kind": "reddit",
            "base_url": url,
            "private_address": True,
            "user_agent": AGENT,
            "api_key": ["env:SECRET", "env:REFRESH"],
            "reddit": {"client_id": CLIENT, "api_url": url},
            "rate_per_s": 1_000,
            "reads": {
                "api": "reddit",
                "words": ["r/carving"],
                "rate_per_s": 1_000,
                "key": "env:CLIENT",
                "secret": "env:SECRET",
            },
            **options,
        }
    )


ENVIRONMENT = {"CLIENT": CLIENT, "SECRET": SECRET, "REFRESH": REFRESH}


def platform(url: str, **options: Any) -> Platform:
    return build(config(url, **options), environment=ENVIRONMENT)


async def first_post(url: str) -> ProbeTarget:
    made = open_source(
        Wanted("community"),
        (config(url),),
        run_id="r",
        now=lambda: datetime.now(UTC),
        environment=ENVIRONMENT,
    )
    [post] = [one async for page in made.source.read(None) for one in page.listings]
    await made.close()  # type: ignore[misc]
    return ProbeTarget(post.listing_id, post.url, post.content_hash)


def delivery(of: Platform, sent: Notice) -> Delivery:
    rendered = of.render(sent)
    return Delivery(sent.idempotency_key, rendered.body, rendered.content_type, 1, 20.0)


async def test_what_is_read_can_be_reported_and_is_seen_to_go(server: tuple[RudeServer, Reddit]) -> None:
    running, here = server
    speaks = platform(running.url)
    target = await first_post(running.url)
    sent = notice(listing_id=target.listing_id, url=target.url)

    before = await speaks.probe(target)
    receipt = await speaks.submit(delivery(speaks, sent))
    here.posts[POST] |= {"selftext": "[removed]", "removed_by_category": "moderator"}
    removed = await speaks.probe(target)
    here.posts.clear()
    after = await speaks.probe(target)
    with pytest.raises(PlatformRefused, match="NO_THING_ID id not specified") as refusal:
        await speaks.submit(delivery(speaks, sent))
    await speaks.aclose()

    assert (receipt.http_status, receipt.platform_reference, receipt.duplicate) == (200, None, False)
    [report] = here.reports
    assert report["thing_id"] == POST
    assert sent.human_reference in report["reason"]
    assert sent.good_faith.signed_by in report["custom_text"]
    assert [(one.state, one.reason) for one in (before, removed, after)] == [
        ("online", "page_shown"),
        ("offline", "removed_notice"),
        ("offline", "not_found"),
    ]
    assert after.exchange is not None
    assert refusal.value.reason == "invalid"


async def seen(running: RudeServer, here: Reddit, status: int, body: bytes) -> Observation:
    running.always["/api/v1/access_token"] = here
    running.answers(status, body)
    speaks = platform(running.url)
    found = await speaks.probe(ProbeTarget(POST, "https://www.reddit.example/r/carving/comments/1/", "x"))
    await speaks.aclose()
    return found


def info(**data: Any) -> bytes:
    rows = [{"kind": "t3", "data": {"name": POST, "author": "carver", "selftext": "Ivory", **data}}]
    return json.dumps({"kind": "Listing", "data": {"children": rows}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "state", "reason"),
    [
        (200, info(selftext="[deleted]", author="[deleted]"), "offline", "removed_notice"),
        (200, info(selftext="", body="[removed]", author="[deleted]"), "offline", "removed_notice"),
        (200, info(selftext="", removed_by_category="reddit"), "offline", "removed_notice"),
        (200, info(selftext="[removed]"), "online", "page_shown"),
        (200, info(removed_by_category="moderator"), "online", "page_shown"),
        (200, info(author="[deleted]"), "online", "page_shown"),
        (200, info(name="t3_2"), "unknown", "other"),
        (200, b'{"kind":"Listing","data":{}}', "unknown", "other"),
        (200, b'{"data":{"children":[]}}', "unknown", "other"),
        (200, b"<html>log in</html>", "unknown", "other"),
        (404, b'{"message":"Not Found","error":404}', "unknown", "other"),
        (403, b'{"reason":"private"}', "unknown", "login_wall"),
        (401, b"{}", "unknown", "login_wall"),
        (429, b"{}", "unknown", "throttled"),
        (503, b"", "unknown", "server_error"),
    ],
)
async def test_only_reddit_s_own_mark_says_that_a_post_is_gone(
    server: tuple[RudeServer, Reddit], status: int, body: bytes, state: str, reason: str
) -> None:
    found = await seen(*server, status, body)

    assert (found.state, found.reason, found.http_status) == (state, reason, status)


async def test_no_text_is_ever_too_long(server: tuple[RudeServer, Reddit]) -> None:
    running, here = server
    speaks = platform(running.url)
    for sent in hostile_notices():
        item = sent.items[0].model_copy(update={"listing_id": POST})
        for page in (None, "https://t.example/r/1", "https://desk.example/r/" + "x" * 90):
            changed = {"items": (item,), "reasons": "象牙 " * 2_000, "reply_page": page}
            await speaks.submit(delivery(speaks, sent.model_copy(update=changed)))
    await speaks.aclose()

    assert len(here.reports) == 3 * len(list(hostile_notices()))
    assert {"answer: https://t.example/r/1" in one["reason"] for one in here.reports} == {True, False}
    assert all("desk.example" not in one["reason"] for one in here.reports)


@pytest.mark.parametrize(
    ("said", "kind", "reason", "wait"),
    [
        ({"errors": [["RATELIMIT", "try again"]], "ratelimit": 95.5}, PlatformUnavailable, "throttled", 95.5),
        ({"errors": [["RATELIMIT", "try again"]]}, PlatformUnavailable, "throttled", None),
        ({"errors": [["OTHER", "\u202eno"]]}, PlatformRefused, "invalid", None),
        ({"errors": [[]]}, PlatformRefused, "invalid", None),
        ({"errors": [7]}, PlatformRefused, "invalid", None),
        ({"errors": None}, PlatformUnavailable, "bad_reply", None),
        ({}, PlatformUnavailable, "bad_reply", None),
    ],
)  # fmt: skip
async def test_what_an_answer_with_status_200_says(
    server: tuple[RudeServer, Reddit],
    said: dict[str, Any],
    kind: type[ConnectorError],
    reason: str,
    wait: float | None,
) -> None:
    running, here = server
    running.always["/api/v1/access_token"] = here
    running.answers(200, json.dumps({"json": said}).encode())
    speaks = platform(running.url)

    with pytest.raises(kind) as error:
        await speaks.submit(delivery(speaks, notice()))
    await speaks.aclose()

    assert (error.value.reason, getattr(error.value, "retry_after_s", None)) == (reason, wait)
    assert "\u202e" not in error.value.detail


async def test_a_token_that_was_revoked_is_asked_for_again_once(server: tuple[RudeServer, Reddit]) -> None:
    running, here = server
    speaks = platform(running.url)
    sent = delivery(speaks, notice(listing_id=POST))
    await speaks.submit(sent)
    here.tokens.clear()
    await speaks.submit(sent)
    here.tokens.clear()
    here.says = lambda asked: here.gives(asked) if "token" in asked.target else (401, {})  # type: ignore[method-assign]
    with pytest.raises(PlatformRefused) as refusal:
        await speaks.submit(sent)
    await speaks.aclose()

    assert (len(here.reports), here.given, refusal.value.reason) == (2, 3, "unauthorised")


async def test_neither_secret_nor_tokens_are_in_a_log_or_an_error(
    server: tuple[RudeServer, Reddit], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    running, here = server
    speaks = platform(running.url)
    sent = delivery(speaks, notice(listing_id=POST))
    await speaks.submit(sent)
    told = [repr(speaks)]
    running.always["/api/v1/access_token"] = here
    for status in (400, 401, 403, 409, 422, 429):
        running.answers(status, f"{SECRET} {REFRESH} canary-token-1".encode())
        with pytest.raises(ConnectorError) as error:
            await speaks.submit(sent)
        told += [str(error.value), repr(error.value)]
    await speaks.aclose()

    assert "canary" not in caplog.text + " ".join(told)


async def test_a_window_that_is_spent_is_waited_for(server: tuple[RudeServer, Reddit]) -> None:
    running, here = server
    running.always["/api/v1/access_token"] = here
    running.answers(200, info(), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "60"))
    speaks = platform(running.url)
    target = ProbeTarget(POST, "https://www.reddit.example/r/carving/comments/1/", "x")

    seen = [(await speaks.probe(target)).reason for _ in range(3)]
    await speaks.aclose()

    assert (seen, len(running.asked)) == (["page_shown", "throttled", "throttled"], 1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"api_key": ["env:SECRET"]}, "two api_key"),
        ({"reddit": None}, "needs reddit"),
        ({"private_address": False, "base_url": "https://r.example"}, "must be https"),
    ],
)
def test_what_is_needed_is_asked_for(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        config("http://127.0.0.1:1", **{"reads": None, **options})
