"""Logging in as seldom as possible, against a server that answers as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.atproto.session import Session
from connectors.egress import EgressPolicy
from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.http import OutboundClient
from connectors.pace import Pace
from tests.contracts.rude_server import Asked, RudeServer, answer, rude_server

CREATE, REFRESH = "com.atproto.server.createSession", "com.atproto.server.refreshSession"
WORK = "com.example.work"


class Script:
    """Answers each path from a list; the last answer stays."""

    def __init__(self, **answers: list[tuple[int, Any]]) -> None:
        self.answers = {name.replace("_", "."): list(given) for name, given in answers.items()}

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        name = asked.target.partition("?")[0].rpartition(".")[2]
        given = self.answers[name]
        status, body = given.pop(0) if len(given) > 1 else given[0]
        headers = body.pop("headers", ()) if isinstance(body, dict) else ()
        await answer(status, json.dumps(body).encode(), *headers)(asked, writer)


def tokens(name: str) -> dict[str, str]:
    return {"did": "did:plc:me", "accessJwt": f"access-{name}", "refreshJwt": f"refresh-{name}"}


@asynccontextmanager
async def session(script: Script) -> AsyncIterator[tuple[Session, RudeServer]]:
    async with rude_server() as server:
        server.manners = script
        client = OutboundClient(EgressPolicy.for_base_url(server.url, private=True))
        pace = Pace(1_000, burst=8)
        yield (
            Session(
                client,
                server.url,
                "me.example",
                SecretStr("app-password"),
                pace,
                now=lambda: datetime.now(UTC),
            ),
            server,
        )
        await client.aclose()


def told(server: RudeServer) -> list[tuple[str, str]]:
    """Which method was asked with which token."""
    return [
        (one.target.rpartition(".")[2], one.headers.get("authorization", "").removeprefix("Bearer "))
        for one in server.asked
    ]


async def work(of: Session) -> int:
    return (await of.call("POST", WORK, proxy="did:plc:desk#atproto_labeler", timeout_s=5, body=b"{}")).status


async def test_one_login_serves_many_calls_however_many_begin_at_once() -> None:
    async with session(Script(createSession=[(200, tokens("1"))], work=[(200, {})])) as (one, server):
        assert await asyncio.gather(*(work(one) for _ in range(5))) == [200] * 5

        assert told(server).count(("createSession", "")) == 1
        assert told(server).count(("work", "access-1")) == 5
        assert {asked.headers.get("atproto-proxy") for asked in server.asked if "work" in asked.target} == {
            "did:plc:desk#atproto_labeler"
        }


@pytest.mark.parametrize("stale", [(400, {"error": "ExpiredToken"}), (401, {"error": "InvalidToken"})])
async def test_a_stale_session_is_renewed_by_its_refresh_token_without_a_login(stale: Any) -> None:
    script = Script(
        createSession=[(200, tokens("1"))], refreshSession=[(200, tokens("2"))], work=[stale, (200, {})]
    )
    async with session(script) as (one, server):
        assert await work(one) == 200

        assert told(server) == [
            ("createSession", ""),
            ("work", "access-1"),
            ("refreshSession", "refresh-1"),
            ("work", "access-2"),
        ]


async def test_a_refresh_token_that_is_not_taken_leads_to_a_new_login() -> None:
    script = Script(
        createSession=[(200, tokens("1")), (200, tokens("2"))],
        refreshSession=[(400, {"error": "ExpiredToken"})],
        work=[(400, {"error": "ExpiredToken"}), (200, {})],
    )
    async with session(script) as (one, server):
        assert await work(one) == 200

        assert told(server)[-1] == ("work", "access-2")


async def test_a_session_that_stays_stale_is_not_renewed_for_ever() -> None:
    script = Script(
        createSession=[(200, tokens("1"))],
        refreshSession=[(200, tokens("2"))],
        work=[(401, {"error": "InvalidToken"})],
    )
    async with session(script) as (one, server):
        assert await work(one) == 401

        assert [name for name, _ in told(server)].count("work") == 2


async def test_a_refused_password_is_not_tried_again_and_again() -> None:
    async with session(Script(createSession=[(401, {"error": "AuthenticationRequired"})])) as (one, server):
        for _ in range(5):
            with pytest.raises(PlatformRefused) as refused:
                await work(one)
            assert refused.value.reason == "unauthorised"

        assert len(server.asked) == 1


async def test_a_limit_that_names_its_end_is_waited_for() -> None:
    reset = str(int(datetime.now(UTC).timestamp()) + 90)
    limited = {"error": "RateLimitExceeded", "headers": (("ratelimit-reset", reset),)}
    async with session(Script(createSession=[(429, limited)])) as (one, server):
        with pytest.raises(PlatformUnavailable) as first:
            await work(one)
        with pytest.raises(PlatformUnavailable) as second:
            await work(one)

        assert first.value.retry_after_s == pytest.approx(90, abs=3)
        assert second.value.reason == "throttled"
        assert len(server.asked) == 1


async def test_a_login_page_in_place_of_tokens_is_tried_again_later() -> None:
    async with session(Script(createSession=[(200, {"welcome": "human"})])) as (one, _):
        with pytest.raises(PlatformUnavailable) as trouble:
            await work(one)

        assert trouble.value.reason == "bad_reply"
