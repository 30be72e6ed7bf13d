"""A strict Bot API server with one bot and its queue, written from core.telegram.org/bots/api#getupdates.

The queue is the oracle: what was confirmed is gone from it, and ``confirmed`` says what and when. Where an
offset lies above the whole queue it answers from the queue's start, as the published server does.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.contracts.rude_server import Asked, answer

NOW = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
TOKEN = "4200000001:canary-bot-token_0123456789abcdef"
CHANNEL = -1001234567890
KNOWN = {"limit", "timeout", "offset", "allowed_updates"}
WAIT_S = 0.02
"""What a long poll takes here at most."""


def post(number: int, text: str, **more: Any) -> dict[str, Any]:
    """One post of the channel, as the API shows it."""
    return {
        "message_id": number,
        "sender_chat": {"id": CHANNEL, "title": "Carved things", "username": "carved", "type": "channel"},
        "chat": {"id": CHANNEL, "title": "Carved things", "username": "carved", "type": "channel"},
        "date": int((NOW - timedelta(days=1) + timedelta(seconds=number)).timestamp()),
        "text": text,
        **more,
    }


@dataclass
class BotApi:
    """The server; call it as a :class:`tests.contracts.rude_server.RudeServer`'s manners."""

    queue: list[dict[str, Any]] = field(default_factory=list)
    next_number: int = 760_000_001
    confirmed: list[int] = field(default_factory=list)
    """Numbers of the updates that were deleted because an offset confirmed them."""
    on_confirm: Callable[[list[int]], None] = lambda _: None
    broken_rules: list[str] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    before: Callable[[int], None] = lambda _: None
    """Called with the number of each request before it is answered."""

    def hear(self, kind: str, what: Any) -> int:
        """Something happened; its update's number."""
        self.queue.append({"update_id": self.next_number, kind: what})
        self.next_number += 1
        return self.next_number - 1

    def fill(self, count: int, start: int = 0) -> None:
        """Further posts."""
        for number in range(start, start + count):
            self.hear("channel_post", post(number + 1, f"carved thing {number}"))

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(asked.target)
        if parts.path != f"/bot{TOKEN}/getUpdates":
            status, why = (401, "Unauthorized") if parts.path.startswith("/bot4") else (404, "Not Found")
            await self._says(status, {"ok": False, "error_code": status, "description": why}, asked, writer)
            return
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self.asked.append(query)
        self.before(len(self.asked))
        if broken := self._broken(asked, query):
            self.broken_rules.append(broken)
            said = {"ok": False, "error_code": 400, "description": f"Bad Request: {broken}"}
            await self._says(400, said, asked, writer)
            return
        found = self._from(int(query["offset"]) if "offset" in query else None)[: int(query["limit"])]
        if not found:
            await asyncio.sleep(min(int(query["timeout"]), WAIT_S))
        await self._says(200, {"ok": True, "result": found}, asked, writer)

    def _broken(self, asked: Asked, query: dict[str, str]) -> str | None:
        if asked.method not in ("GET", "POST"):
            return f"method {asked.method}"
        if more := set(query) - KNOWN:
            return f"unknown parameters {sorted(more)}"
        if not 1 <= int(query.get("limit", "100")) <= 100:
            return "limit is not within 1 to 100"
        if int(query.get("timeout", "0")) < 1:
            return "short polling is for tests"
        if int(query.get("offset", "1")) < 1:
            return "a negative offset forgets"
        if json.loads(query["allowed_updates"]) != ["channel_post", "edited_channel_post"]:
            return "only posts of channels are needed"
        return None

    def _from(self, offset: int | None) -> list[dict[str, Any]]:
        if offset is None or not self.queue or offset > self.queue[-1]["update_id"] + 10:
            return self.queue
        gone = [one["update_id"] for one in self.queue if one["update_id"] < offset]
        self.queue = [one for one in self.queue if one["update_id"] >= offset]
        if gone:
            self.on_confirm(gone)
            self.confirmed += gone
        return self.queue

    async def _says(self, status: int, body: Any, asked: Asked, writer: asyncio.StreamWriter) -> None:
        await answer(status, json.dumps(body).encode(), ("content-type", "application/json"))(asked, writer)
