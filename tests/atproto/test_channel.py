"""Reports to Ozone and looks at the app view: how each act of a moderator or an author looks from here."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.atproto.report import report_of
from connectors.errors import PlatformRefused
from connectors.platform import Delivery, Platform, ProbeTarget
from connectors.platform_config import PlatformConfig
from connectors.registry import build
from schemas.notice import Notice
from tests.support.atproto import PASSWORD, Account, AtprotoNetwork
from tests.unit.connectors.atproto.test_report import notice


def platform_of(
    network: AtprotoNetwork, reporter: Account, password: str = PASSWORD, **options: Any
) -> Platform:
    entry = network.platform(
        "net", identifier=reporter.handle, moderation_did=network.moderation_did, api_key="env:PW", **options
    )
    return build(PlatformConfig.model_validate(entry), environment={"PW": password})


@pytest.fixture(scope="module")
def moderator(atproto: AtprotoNetwork) -> Account:
    return atproto.moderator()


@pytest.fixture
async def plain(atproto: AtprotoNetwork) -> AsyncIterator[Platform]:
    """Reports from an account like anybody's."""
    platform = platform_of(atproto, atproto.account("reporter"))
    yield platform
    await platform.aclose()


@pytest.fixture
async def on_team(atproto: AtprotoNetwork) -> AsyncIterator[Platform]:
    """Reports from an account that is on the moderation team."""
    platform = platform_of(atproto, atproto.moderator("partner"), team_member=True)
    yield platform
    await platform.aclose()


def about(post: dict[str, Any], *, key: str = "n1_" + "b" * 52) -> Notice:
    return notice({"listing_id": post["uri"], "revision": post["cid"]}, idempotency_key=key)


def delivery(of: Notice, platform: Platform, *, attempt: int = 1) -> Delivery:
    rendered = platform.render(of)
    return Delivery(of.idempotency_key, rendered.body, rendered.content_type, attempt, 20)


async def look(platform: Platform, uri: str) -> tuple[str, str]:
    seen = await platform.probe(ProbeTarget(uri, "", "0" * 64))
    assert seen.exchange is not None
    assert seen.body
    return seen.state, seen.reason


async def test_a_report_stands_in_ozone_as_it_was_written(
    atproto: AtprotoNetwork, moderator: Account, plain: Platform
) -> None:
    post = atproto.account("seller").write("Ivory bangle")
    of = about(post)

    receipt = await plain.submit(delivery(of, plain))

    [report] = atproto.reports(moderator, post["uri"])
    sent = json.loads(report_of(of, "tools.ozone.report.defs#reasonRuleProhibitedSales").body)
    assert receipt.platform_reference == str(report["id"])
    assert report["event"]["comment"] == sent["reason"]
    assert report["event"]["reportType"] == sent["reasonType"]
    assert report["subject"] == sent["subject"]
    assert report["modTool"] == sent["modTool"]


async def test_the_longest_text_in_the_widest_letters_is_taken(
    atproto: AtprotoNetwork, moderator: Account, plain: Platform
) -> None:
    post = atproto.account("seller").write("Ivory bangle")
    of = about(post).model_copy(update={"reasons": "🐘" * 5_000, "reply_page": "https://desk.example/r/a"})

    await plain.submit(delivery(of, plain))

    [report] = atproto.reports(moderator, post["uri"])
    assert len(report["event"]["comment"]) == 2_000


async def test_a_second_try_finds_the_first_report_and_makes_no_other(
    atproto: AtprotoNetwork, moderator: Account, on_team: Platform
) -> None:
    post = atproto.account("seller").write("Ivory bangle")
    of = about(post, key="n1_" + "c" * 52)

    first = await on_team.submit(delivery(of, on_team))
    # As after a reply that was lost: the same bytes again.
    second = await on_team.submit(delivery(of, on_team, attempt=2))

    assert second.platform_reference == first.platform_reference
    assert len(atproto.reports(moderator, post["uri"])) == 1


async def test_a_second_try_after_a_first_that_never_arrived_reports(
    atproto: AtprotoNetwork, moderator: Account, on_team: Platform
) -> None:
    post = atproto.account("seller").write("Ivory bangle")

    await on_team.submit(delivery(about(post, key="n1_" + "d" * 52), on_team, attempt=2))

    assert len(atproto.reports(moderator, post["uri"])) == 1


async def test_who_is_not_on_the_team_cannot_look_and_says_so(
    atproto: AtprotoNetwork, moderator: Account, plain: Platform
) -> None:
    """What the docstring warns of: the same report twice, on the same post and with the same reference."""
    post = atproto.account("seller").write("Ivory bangle")
    of = about(post, key="n1_" + "e" * 52)

    await plain.submit(delivery(of, plain))
    await plain.submit(delivery(of, plain, attempt=2))

    assert not plain.capabilities.honours_idempotency_key
    reports = atproto.reports(moderator, post["uri"])
    assert [of.idempotency_key in one["event"]["comment"] for one in reports] == [True, True]
    assert await plain.poll(of.idempotency_key) is None


async def test_a_team_member_that_is_none_is_told_so(atproto: AtprotoNetwork) -> None:
    platform = platform_of(atproto, atproto.account("reporter"), team_member=True)
    with pytest.raises(PlatformRefused) as refused:
        await platform.poll("n1_" + "f" * 52)
    await platform.aclose()

    assert refused.value.reason == "unauthorised"


async def test_a_wrong_app_password_is_a_refusal(atproto: AtprotoNetwork) -> None:
    platform = platform_of(atproto, atproto.account("reporter"), password="not-the-password")
    post = atproto.account("seller").write("Ivory bangle")
    with pytest.raises(PlatformRefused) as refused:
        await platform.submit(delivery(about(post), platform))
    await platform.aclose()

    assert refused.value.reason == "unauthorised"


async def test_what_moderators_do_is_seen_and_told(
    atproto: AtprotoNetwork, moderator: Account, on_team: Platform
) -> None:
    seller = atproto.account("seller")
    post = seller.write("Ivory bangle")
    uri, cid = post["uri"], post["cid"]
    of = about(post, key="n1_" + "g" * 52)
    atproto.settle()
    await on_team.submit(delivery(of, on_team))

    assert await look(on_team, uri) == ("online", "page_shown")
    atproto.act(moderator, "modEventEscalate", uri, cid)
    atproto.act(moderator, "modEventLabel", uri, cid, createLabelVals=["spam"], negateLabelVals=[])
    assert await look(on_team, uri) == ("online", "labelled")
    atproto.act(moderator, "modEventTakedown", uri, cid)
    assert await look(on_team, uri) == ("offline", "removed_notice")
    atproto.act(moderator, "modEventReverseTakedown", uri, cid)
    assert await look(on_team, uri) == ("online", "labelled")
    atproto.act(moderator, "modEventComment", uri, cid, comment="a note that is not ours to keep")
    atproto.act(moderator, "modEventTakedown", seller.did)
    assert await look(on_team, uri) == ("offline", "removed_notice")
    atproto.act(moderator, "modEventReverseTakedown", seller.did)
    assert await look(on_team, uri) == ("online", "labelled")

    answer = await on_team.poll(of.idempotency_key)
    again = await on_team.poll(of.idempotency_key)
    assert answer is not None
    assert again is not None
    assert answer.source_id == again.source_id
    assert b"not ours to keep" not in answer.body
    assert [(one.kind, one.outcome) for one in on_team.parse(answer)] == [
        ("receipt", None),
        ("status", None),
        ("decision", "actioned_partial"),
        ("decision", "actioned_removed"),
        ("reinstated", None),
        ("decision", "actioned_removed"),
        ("reinstated", None),
    ]


async def test_what_authors_do_is_seen(atproto: AtprotoNetwork, plain: Platform) -> None:
    author = atproto.account("author")
    first, second = author.post("one"), author.post("two")
    author.delete(first)
    atproto.settle()
    assert await look(plain, first) == ("offline", "not_found")
    assert await look(plain, second) == ("online", "page_shown")

    author.call("com.atproto.server.deactivateAccount", {})
    atproto.settle()
    assert await look(plain, second) == ("offline", "gone")
    never = "at://did:plc:aaaaaaaaaaaaaaaaaaaaaaaa/app.bsky.feed.post/3aaa"
    assert await look(plain, never) == ("offline", "gone")


@pytest.mark.long
async def test_a_search_finds_what_the_firehose_told_and_the_next_one_only_what_is_new(
    atproto: AtprotoNetwork, plain: Platform
) -> None:
    author = atproto.account("author")
    picture = author.blob(b"\x89PNG\r\n\x1a\n" + bytes(64))
    embed = {"$type": "app.bsky.embed.images", "images": [{"alt": "a tusk", "image": picture}]}
    words = [f"quokkapelt number {n}" for n in range(120)]
    old = [uri for some in (words[:60], words[60:]) for uri in author.write_many(some, embed=embed)]
    atproto.settle()

    pages = [page async for page in plain.search("quokkapelt").read(None)]  # type: ignore[attr-defined]
    told = [page async for page in plain_firehose(atproto).fetch(None)]

    found = {one.listing_id: one for page in pages for one in page.listings}
    assert set(found) == set(old)
    assert [page.cursor is not None for page in pages] == [False] * (len(pages) - 1) + [True]
    assert len(pages) >= 2
    since = datetime.now(UTC) + timedelta(seconds=1)
    await asyncio.sleep(2.5)
    new = author.post("quokkapelt, fresh")
    atproto.settle()
    later = [page async for page in plain.search("quokkapelt").read(since.isoformat())]  # type: ignore[attr-defined]
    assert [one.listing_id for page in later for one in page.listings] == [new]
    by_firehose = {one.listing_id: one for page in told for one in page.listings}
    for uri in old:
        assert found[uri].content_hash == by_firehose[uri].content_hash
        assert found[uri].revision == by_firehose[uri].revision


def plain_firehose(network: AtprotoNetwork) -> Platform:
    return build(PlatformConfig.model_validate(network.platform("net", start="oldest")), environment={})


async def test_a_network_that_is_only_read_reports_nothing(atproto: AtprotoNetwork) -> None:
    platform = plain_firehose(atproto)
    with pytest.raises(PlatformRefused) as refused:
        platform.render(notice())
    await platform.aclose()

    assert not platform.capabilities.submit
    assert "identifier" in refused.value.detail
