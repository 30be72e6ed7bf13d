"""A platform that takes every notice at once, as a process of its own: the receiving end of a load test.

It speaks just enough HTTP for the desk API and keeps a journal of its own: how often each idempotency
key was seen, and whether its body was ever another. ``GET /journal`` tells it. The first line on
standard output is the port.
"""

import asyncio
import hashlib
import json
import re
from collections import Counter
from datetime import UTC, datetime

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_KEY = re.compile(rb"\r\nidempotency-key: *([!-~]+)", re.IGNORECASE)


class Desk:
    """What it has seen."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.bodies: dict[str, str] = {}
        self.changed = 0

    def take(self, key: str, body: bytes) -> tuple[int, bytes]:
        """The answer to one notice."""
        digest = hashlib.sha256(body).hexdigest()
        self.changed += self.bodies.setdefault(key, digest) != digest
        self.seen[key] += 1
        if self.seen[key] > 1:
            told = {"code": "duplicate", "message": "known", "reference": f"D-{key[-8:]}"}
            return 409, json.dumps(told).encode()
        told = {
            "reference": f"D-{key[-8:]}",
            "received_at": datetime.now(UTC).isoformat(),
            "status": "queued",
        }
        return 202, json.dumps(told).encode()

    def journal(self) -> bytes:
        """Keys, deliveries and bodies that changed under one key."""
        facts = {"keys": len(self.seen), "deliveries": self.seen.total(), "changed": self.changed}
        return json.dumps(facts).encode()


class Talk(asyncio.Protocol):
    """One connection."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            head = self.held[:end]
            length = int(found.group(1)) if (found := _LENGTH.search(head)) else 0
            if len(self.held) < end + 4 + length:
                return
            body, self.held = self.held[end + 4 : end + 4 + length], self.held[end + 4 + length :]
            if head.startswith(b"GET /journal"):
                status, reply = 200, self.desk.journal()
            elif key := _KEY.search(head):
                status, reply = self.desk.take(key.group(1).decode(), body)
            else:
                status, reply = 404, b"{}"
            start = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"
            start += f"content-length: {len(reply)}\r\n\r\n"
            self.transport.write(start.encode() + reply)


async def main() -> None:
    """Serve until killed."""
    desk = Desk()
    server = await asyncio.get_running_loop().create_server(lambda: Talk(desk), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
