"""Handles are looked up a few at a time, and never at a post's expense."""

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.atproto.names import AT_ONCE, QUESTIONS, HandleBook
from connectors.egress import EgressPolicy
from connectors.http import OutboundClient
from connectors.pace import Pace
from tests.contracts.rude_server import Asked, RudeServer, answer, rude_server


@pytest.fixture
async def server() -> AsyncIterator[RudeServer]:
    async with rude_server() as running:
        yield running


def asked_for(asked: Asked) -> list[str]:
    return parse_qs(urlsplit(asked.target).query).get("actors", [])


async def knows_everyone(asked: Asked, writer: asyncio.StreamWriter) -> None:
    profiles = [{"did": did, "handle": f"{did[8:]}.example"} for did in asked_for(asked)]
    await answer(200, json.dumps({"profiles": profiles}).encode())(asked, writer)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def book(server: RudeServer) -> AsyncIterator[tuple[HandleBook, Clock]]:
    client, clock = OutboundClient(EgressPolicy.for_base_url(server.url, private=True)), Clock()
    yield HandleBook(client, server.url, Pace(1_000, burst=50), monotonic=clock), clock
    await client.aclose()


async def test_an_account_is_asked_for_once(server: RudeServer, book: tuple[HandleBook, Clock]) -> None:
    server.manners = knows_everyone

    first = await book[0].of(["did:plc:a", "did:plc:b", "did:plc:a"])
    second = await book[0].of(["did:plc:b"])

    assert first == {"did:plc:a": "a.example", "did:plc:b": "b.example"}
    assert second == {"did:plc:b": "b.example"}
    assert [asked_for(one) for one in server.asked] == [["did:plc:a", "did:plc:b"]]


async def test_what_the_network_tells_is_not_asked_for(
    server: RudeServer, book: tuple[HandleBook, Clock]
) -> None:
    book[0].heard("did:plc:a", "told.example")

    assert await book[0].of(["did:plc:a"]) == {"did:plc:a": "told.example"}
    assert server.asked == []


async def test_a_page_of_strangers_costs_a_few_questions_and_the_rest_goes_without(
    server: RudeServer, book: tuple[HandleBook, Clock]
) -> None:
    server.manners = knows_everyone

    found = await book[0].of([f"did:plc:{n}" for n in range(500)])

    assert len(found) == AT_ONCE * QUESTIONS
    assert [len(asked_for(one)) for one in server.asked] == [AT_ONCE] * QUESTIONS


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b""), (429, b""), (200, b"<html>"), (200, b'{"profiles": 7}'), (200, b"[" * 50_000)],
)
async def test_an_app_view_in_trouble_is_left_alone_and_posts_go_without(
    status: int, body: bytes, server: RudeServer, book: tuple[HandleBook, Clock]
) -> None:
    server.answers(status, body)
    assert await book[0].of(["did:plc:a"]) == {}
    assert await book[0].of(["did:plc:a"]) == {}
    assert len(server.asked) == 1

    book[1].now += 61
    server.manners = knows_everyone
    assert await book[0].of(["did:plc:a"]) == {"did:plc:a": "a.example"}


async def test_an_account_that_is_not_known_is_not_asked_for_with_every_post(
    server: RudeServer, book: tuple[HandleBook, Clock]
) -> None:
    server.answers(200, b'{"profiles": []}')

    for _ in range(3):
        assert await book[0].of(["did:plc:a"]) == {}
    assert len(server.asked) == 1
