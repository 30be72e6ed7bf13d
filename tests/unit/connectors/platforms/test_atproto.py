"""What is peculiar to networks of the AT Protocol, where only a server that we script shows it."""

import asyncio
import json
from typing import Any

import pytest

from connectors.platform import Delivery, Platform, RawAnswer
from connectors.platform_config import PlatformConfig
from connectors.registry import build
from tests.contracts.rude_server import Asked, RudeServer, answer, rude_server
from tests.support.frames import DID

KEY = "n1_" + "a" * 52
URI = f"at://{DID}/app.bsky.feed.post/3kaaa"
ME = "did:plc:cccccccccccccccccccccccc"
BODY = json.dumps({"subject": {"uri": URI, "cid": "bafy"}}).encode()


def platform_at(url: str) -> Platform:
    return build(
        PlatformConfig.model_validate(
            {
                "name": "net",
                "kind": "atproto",
                "base_url": url,
                "private_address": True,
                "api_key": "env:PW",
                "atproto": {
                    "firehose": "ws" + url.removeprefix("http"),
                    "app_view": url,
                    "identifier": "takin.example",
                    "moderation_did": "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb",
                    "team_member": True,
                },
            }
        ),
        environment={"PW": "an-app-password"},
    )


def event(number: int, *, by: str = ME, comment: str = f"Reference TKN-1, {KEY}") -> dict[str, Any]:
    return {
        "id": number,
        "event": {"$type": "tools.ozone.moderation.defs#modEventReport", "comment": comment},
        "subject": {"$type": "com.atproto.repo.strongRef", "uri": URI, "cid": "bafy"},
        "createdBy": by,
        "createdAt": "2026-03-09T08:00:00Z",
    }


def answering(server: RudeServer, *events: dict[str, Any]) -> None:
    tokens = {"did": ME, "accessJwt": "a", "refreshJwt": "r"}

    async def manners(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if "createSession" in asked.target:
            said: dict[str, Any] = tokens
        elif "queryEvents" in asked.target:
            said = {"events": list(events)}
        else:
            said = {"id": 99, "createdAt": "2026-03-09T09:00:00Z"}
        await answer(200, json.dumps(said).encode())(asked, writer)

    server.manners = manners


@pytest.mark.parametrize(
    ("events", "reference"),
    [
        ((event(7),), "7"),
        ((), "99"),
        ((event(7, by="did:plc:somebodyelse"),), "99"),
        ((event(7, comment=KEY.replace("_", "x")),), "99"),
        ((event(7, by="did:plc:somebodyelse"), event(8)), "8"),
    ],
    ids=["ours", "none", "another's", "one that only resembles ours", "ours among others"],
)
async def test_only_our_own_report_stops_a_second_one(
    events: tuple[dict[str, Any], ...], reference: str
) -> None:
    async with rude_server() as server:
        answering(server, *events)
        platform = platform_at(server.url)
        receipt = await platform.submit(Delivery(KEY, BODY, "application/json", 2, 5))
        await platform.aclose()

    reported = [asked for asked in server.asked if "createReport" in asked.target]
    assert receipt.platform_reference == reference
    assert len(reported) == (1 if reference == "99" else 0)
    assert all(asked.headers["atproto-proxy"].endswith("#atproto_labeler") for asked in reported)


async def test_an_event_about_another_time_or_type_is_not_an_answer() -> None:
    """Only what came after our report, and only what the mapping names."""
    later = {**event(9), "event": {"$type": "tools.ozone.moderation.defs#modEventTakedown"}}
    note = {
        **event(10),
        "event": {"$type": "tools.ozone.moderation.defs#modEventComment", "comment": "ours not"},
    }
    earlier = {**event(3), "event": {"$type": "tools.ozone.moderation.defs#modEventTakedown"}}
    async with rude_server() as server:
        answering(server, event(7), later, note, earlier)
        platform = platform_at(server.url)
        asked = await platform.poll(KEY)
        await platform.aclose()

    assert isinstance(asked, RawAnswer)
    assert b"ours not" not in asked.body
    assert [one["id"] for one in json.loads(asked.body)["steps"]] == [9, 9], "of the post and of its account"
