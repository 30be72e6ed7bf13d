"""A post is read, noticed, reported and looked at, on a server that takes only what Mastodon documents."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.errors import PlatformRefused
from connectors.platform import Delivery, Platform, ProbeTarget
from connectors.platform_config import PlatformConfig
from connectors.registry import build
from schemas.listing import Listing
from schemas.notice import Notice
from streams.connect.sources import Wanted, open_source
from tests.contracts.rude_server import Asked, RudeServer, answer, rude_server
from tests.support.hostile import hostile_notices, notice

TOKEN = "canary-access-token-0123"
FIELDS = {"account_id", "status_ids", "comment", "forward", "category", "rule_ids"}
AUTHOR, POST = "7", "1001"


@dataclass
class Mastodon:
    """One server with one post; docs.joinmastodon.org/methods/reports, /statuses, /timelines."""

    posts: dict[str, str] = field(default_factory=lambda: {POST: AUTHOR})
    """Posts that are shown, and whose they are."""
    reports: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        status, body = self.says(asked)
        await answer(status, json.dumps(body).encode(), ("content-type", "application/json"))(asked, writer)

    def says(self, asked: Asked) -> tuple[int, Any]:
        path = asked.target.partition("?")[0]
        if (asked.method, path) == ("POST", "/api/v1/reports"):
            return self.takes(asked)
        if path == "/api/v1/timelines/tag/carving":
            return 200, [self.shown(one) for one in self.posts] if "max_id" not in asked.target else []
        one = path.removeprefix("/api/v1/statuses/")
        return (200, self.shown(one)) if one in self.posts else (404, {"error": "Record not found"})

    def shown(self, one: str) -> dict[str, Any]:
        account = {"id": self.posts[one], "acct": "carver", "url": "https://server.example/@carver"}
        return {
            "id": one,
            "url": f"https://server.example/@carver/{one}",
            "created_at": "2026-03-08T12:00:00.000Z",
            "content": "<p>Ivory for sale #carving</p>",
            "account": account,
            "media_attachments": [],
            "tags": [],
        }

    def takes(self, asked: Asked) -> tuple[int, Any]:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"error": "The access token is invalid"}
        report = json.loads(asked.body)
        if more := set(report) - FIELDS:
            return 422, {"error": f"Unknown: {sorted(more)}"}
        if len(report["comment"]) > 1_000:
            return 422, {"error": "Validation failed: Comment is too long (maximum is 1000 characters)"}
        if report["category"] not in ("spam", "legal", "violation", "other"):
            return 422, {"error": "Validation failed: Category is not included in the list"}
        if report.get("rule_ids") and report["category"] != "violation":
            return 422, {"error": "Validation failed: Rules does not reference valid rules"}
        if any(self.posts.get(one) != report["account_id"] for one in report["status_ids"]):
            return 404, {"error": "Record not found"}
        self.reports.append(report)
        number = str(len(self.reports))
        return 200, {"id": number, "action_taken": False, "created_at": "2026-03-09T08:01:13.000Z", **report}


@pytest.fixture
async def server() -> AsyncIterator[tuple[RudeServer, Mastodon]]:
    async with rude_server() as running:
        running.manners = here = Mastodon()
        yield running, here


def config(url: str, **options: Any) -> PlatformConfig:
    return PlatformConfig.model_validate(
        {
            "name": "server",
            "kind": "mastodon",
            "base_url": url,
            "private_address": True,
            "api_key": "env:TOKEN",
            "reads": {"api": "mastodon", "words": ["carving"], "rate_per_s": 1_000},
            **options,
        }
    )


def platform(url: str, **options: Any) -> Platform:
    return build(config(url, **options), environment={"TOKEN": TOKEN})


async def posts(url: str) -> list[Listing]:
    """What the server shows, by its shelf."""
    made = open_source(
        Wanted("server"),
        (config(url),),
        run_id="r",
        now=lambda: datetime.now(UTC),
        environment={"TOKEN": TOKEN},
    )
    found = [one async for page in made.source.read(None) for one in page.listings]
    await made.close()  # type: ignore[misc]
    return found


def about(listing: Listing) -> Notice:
    """The example notice, about this listing."""
    seller = listing.seller
    assert seller is not None
    return notice(listing_id=listing.listing_id, url=listing.url, seller_account_id=seller.account_id)


def delivery(of: Platform, sent: Notice) -> Delivery:
    rendered = of.render(sent)
    return Delivery(sent.idempotency_key, rendered.body, rendered.content_type, 1, 20.0)


async def test_what_is_read_can_be_reported_and_is_seen_to_go(server: tuple[RudeServer, Mastodon]) -> None:
    running, here = server
    speaks = platform(running.url)
    [post] = await posts(running.url)
    target = ProbeTarget(post.listing_id, post.url, post.content_hash)
    sent = about(post)

    before = await speaks.probe(target)
    receipt = await speaks.submit(delivery(speaks, sent))
    here.posts.clear()
    after = await speaks.probe(target)
    with pytest.raises(PlatformRefused) as refusal:
        await speaks.submit(delivery(speaks, sent))
    await speaks.aclose()

    assert receipt.platform_reference == "1"
    assert receipt.received_at == datetime(2026, 3, 9, 8, 1, 13, tzinfo=UTC)
    [report] = here.reports
    assert (report["account_id"], report["status_ids"], report["category"]) == (AUTHOR, [POST], "legal")
    assert sent.human_reference in report["comment"]
    assert sent.good_faith.signed_by in report["comment"]
    assert [(one.state, one.reason) for one in (before, after)] == [
        ("online", "page_shown"),
        ("offline", "not_found"),
    ]
    assert after.exchange is not None
    assert refusal.value.reason == "not_found"
    looks = [one for one in running.asked if "/statuses/" in one.target]
    assert not any("authorization" in one.headers for one in looks)


@pytest.mark.parametrize(
    ("status", "body", "state", "reason"),
    [
        (410, b'{"error":"Gone"}', "offline", "gone"),
        (404, b"<html>not here</html>", "unknown", "other"),
        (404, b"", "unknown", "other"),
        (200, b'{"id":"another"}', "unknown", "other"),
        (200, b"<html>log in</html>", "unknown", "other"),
        (401, b'{"error":"This method requires an authenticated user"}', "unknown", "login_wall"),
        (429, b"{}", "unknown", "throttled"),
        (503, b"", "unknown", "server_error"),
        (302, b"", "unknown", "redirected"),
    ],
)
async def test_only_the_api_s_own_word_says_that_a_post_is_gone(
    server: tuple[RudeServer, Mastodon], status: int, body: bytes, state: str, reason: str
) -> None:
    running, _ = server
    speaks = platform(running.url)
    running.answers(status, body)

    seen = await speaks.probe(ProbeTarget(POST, "https://server.example/@carver/1001", "x"))
    await speaks.aclose()

    assert (seen.state, seen.reason, seen.http_status) == (state, reason, status)


async def test_a_rule_is_named_and_a_text_never_too_long(server: tuple[RudeServer, Mastodon]) -> None:
    running, here = server
    speaks = platform(running.url, mastodon={"category": "violation", "rule_ids": ["3"], "forward": True})
    for sent in hostile_notices():
        item = sent.items[0].model_copy(update={"listing_id": POST, "seller_account_id": AUTHOR})
        await speaks.submit(
            delivery(speaks, sent.model_copy(update={"items": (item,), "reasons": "象牙 " * 999}))
        )
    await speaks.aclose()

    assert {tuple(one["rule_ids"]) for one in here.reports} == {("3",)}
    assert all(one["forward"] is True for one in here.reports)


async def test_what_the_server_says_is_wrong_is_passed_on(server: tuple[RudeServer, Mastodon]) -> None:
    running, _ = server
    speaks = platform(running.url)
    running.answers(422, b'{"error":"Validation failed: \\u202eno such rule"}')

    with pytest.raises(PlatformRefused, match=r"Validation failed: \[U\+202E\]no such rule") as refusal:
        await speaks.submit(delivery(speaks, notice()))
    await speaks.aclose()

    assert refusal.value.reason == "invalid"


async def test_without_the_account_s_id_nothing_is_sent(server: tuple[RudeServer, Mastodon]) -> None:
    running, _ = server
    speaks = platform(running.url)

    with pytest.raises(PlatformRefused) as refusal:
        speaks.render(notice(seller_account_id=None))
    await speaks.aclose()

    assert [one.path for one in refusal.value.unmet] == ["/items/0/seller_account_id"]


@pytest.mark.parametrize("options", [{"rule_ids": ["3"]}, {"category": "violation"}])
def test_rules_and_their_violation_are_said_together(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="given together"):
        config("https://server.example", mastodon=options)
