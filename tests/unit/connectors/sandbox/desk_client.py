"""A notifier for tests: signs with the public library, sends what it is told, and listens for answers."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from standardwebhooks.webhooks import Webhook

from connectors.sandbox.assignment import listing_url
from connectors.sandbox.scenario import Scenario
from connectors.sandbox.scenario_file import parse_scenario
from connectors.sandbox.service import Sandbox
from schemas.message import digest
from schemas.notice import Notice

SECRET = "whsec_" + base64.b64encode(b"a secret for tests, 32 bytes....").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret for tests, 32 b..").decode()
STOCK = [{"id": f"L{n}", "title": f"Carved tusk no. {n}", "text": "real ivory"} for n in range(1, 9)]


def one_platform(temper: str = "", *, platform: str = "", top: str = "") -> Scenario:
    """A scenario with the platform ``shop``; ``temper`` is YAML in flow style."""
    return parse_scenario(
        f"{top}\nplatforms:\n  - name: shop\n    secret: {SECRET}\n    temper: [{temper}]\n"
        + "\n".join(f"    {line}" for line in platform.splitlines()),
        source="test",
    )


def key_of(text: str) -> str:
    """A key in the notice's own form."""
    raw = bytes.fromhex(digest([text]))
    return "n1_" + base64.b32encode(raw).decode().rstrip("=").lower()


def notice_body(base_url: str, *listing_ids: str, platform: str = "shop", **changes: Any) -> dict[str, Any]:
    """A whole notice, as Takin's own model writes it."""
    now = datetime.now(UTC)
    round_ = changes.pop("round", 1)
    key = changes.pop("key", None) or key_of(f"{platform} {listing_ids} {round_}")
    organisation = {"organisation": "Example Wildlife Trust", "email": "notices@example.org"}
    fields: dict[str, Any] = {
        "notice_id": "0192f0c1-0000-7000-8000-000000000000",
        "human_reference": "TKN-TEST-0001",
        "idempotency_key": key,
        "case_ids": ["c1"],
        "kind": "art16",
        "issued_at": now,
        "reporter": organisation,
        "sender": organisation,
        "addressee": {"platform": platform},
        "items": [
            {
                "item_id": "i_" + digest([platform, listing_id, str(round_)])[:32],
                "listing_id": listing_id,
                "url": listing_url(base_url, listing_id),
                "last_seen_online_at": now,
                "content_hash": "0" * 64,
                "round": round_,
            }
            for listing_id in listing_ids
        ],
        "legal_basis": [{"id": "cites", "law": "CITES, Appendix I"}],
        "reasons": "Elephant ivory is offered.",
        "detection": {"method": "human", "ruleset_version": "1"},
        "good_faith": {"text": "In good faith.", "signed_by": "Example Wildlife Trust", "at": now},
        "severity": "high",
        "round": round_,
        "revision": 1,
        **changes,
    }
    return json.loads(Notice.model_validate(fields).to_bytes())  # type: ignore[no-any-return]


def signed(message_id: str, body: bytes, secret: str = SECRET, at: datetime | None = None) -> dict[str, str]:
    """Standard Webhooks headers by the public library."""
    at = at or datetime.now(UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body.decode()),
    }


class DeskClient:
    """Talks to one platform's desk."""

    def __init__(self, base_url: str, http: httpx.AsyncClient, secret: str = SECRET) -> None:
        self.base_url = base_url
        self.http = http
        self.secret = secret

    async def submit(
        self, notice: dict[str, Any] | bytes, *, key: str | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        raw = notice if isinstance(notice, bytes) else json.dumps(notice).encode()
        if key is None:
            assert isinstance(notice, dict)
            key = str(notice["idempotency_key"])
        whole = {
            "content-type": "application/json",
            "idempotency-key": key,
            **signed(key, raw, self.secret),
            **(headers or {}),
        }
        return await self.http.post(f"{self.base_url}/desk/v1/notices", content=raw, headers=whole)

    async def notice(self, *listing_ids: str, **changes: Any) -> tuple[str, httpx.Response]:
        """Submit a proper notice; its key and the reply."""
        body = notice_body(self.base_url, *listing_ids, **changes)
        return body["idempotency_key"], await self.submit(body)

    async def status(self, key: str) -> httpx.Response:
        url = f"{self.base_url}/desk/v1/notices/{key}"
        return await self.http.get(url, headers=signed(key, b"", self.secret))

    async def word(self, key: str) -> str:
        """The word about the first item."""
        return str((await self.status(key)).json()["items"][0]["word"])

    async def inform(self, key: str, text: str) -> httpx.Response:
        raw = json.dumps({"text": text}).encode()
        headers = {"content-type": "application/json", **signed(f"{key}_i", raw, self.secret)}
        url = f"{self.base_url}/desk/v1/notices/{key}/information"
        return await self.http.post(url, content=raw, headers=headers)

    async def page(self, listing_id: str, **more: Any) -> httpx.Response:
        return await self.http.get(listing_url(self.base_url, listing_id), **more)


@contextlib.asynccontextmanager
async def shop(
    scenario: Scenario, stock: list[dict[str, Any]] | None = None, **more: Any
) -> AsyncIterator[tuple[Sandbox, DeskClient]]:
    """A running sandbox with the platform ``shop``, and a client of its desk."""
    async with (
        Sandbox(scenario, STOCK if stock is None else stock, **more) as sandbox,
        httpx.AsyncClient(trust_env=False, timeout=5) as http,
    ):
        yield sandbox, DeskClient(sandbox.base_urls["shop"], http)


async def until(true: Callable[[], Any], *, within_s: float = 20.0) -> Any:
    """Wait for something that becomes true; a coroutine function is awaited."""
    async with asyncio.timeout(within_s):
        while True:
            value = true()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.02)


@dataclass
class Receiver:
    """Takin's side of the webhooks: keeps everything, answers as ``script`` says, then 204."""

    url: str = ""
    script: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def genuine(self, secret: str = SECRET) -> list[dict[str, Any]]:
        """Bodies whose signature the public library accepts, in order of arrival."""
        found = []
        for headers, body in self.came:
            with contextlib.suppress(Exception):
                found.append(Webhook(secret).verify(body, headers))
        return found

    def words(self) -> list[str]:
        return [body["data"]["item"]["word"] for body in self.genuine()]


@contextlib.asynccontextmanager
async def receiver(*script: int | tuple[int, dict[str, str]], port: int = 0) -> AsyncIterator[Receiver]:
    """A real, small HTTP server that takes webhooks at ``url``, one request a connection."""
    found = Receiver(script=[step if isinstance(step, tuple) else (step, {}) for step in script])

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:-2]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head)}
            found.came.append((headers, await reader.readexactly(int(headers["content-length"]))))
            status, more = found.script.pop(0) if found.script else (204, {})
            lines = [f"HTTP/1.1 {status} X", "content-length: 0", "connection: close"]
            lines += [f"{name}: {value}" for name, value in more.items()]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", port)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/answers"
    try:
        yield found
    finally:
        server.close()
        await server.wait_closed()
