"""``/metrics`` and ``/health`` of a process."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from connectors.service_manager import told_to_the_manager
from connectors.serving import RunningServer, serve


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a process makes progress, not whether it lives."""

    ok: bool
    summary: str
    """One sentence."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Offsets, queue ages in seconds, and the like."""


class Progress:
    """Remembers when each named part of a process last got on, for :class:`Health`.

    A part is late when nothing moved for its limit, not counting a wait that somebody asked it for.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._limits: dict[str, float] = {}
        self._moved: dict[str, float] = {}
        self._waits_until: dict[str, float] = {}

    def expect(self, part: str, *, within_s: float) -> None:
        """From now on ``part`` must move at least every ``within_s`` seconds."""
        self._limits[part] = within_s
        self._moved[part] = self._monotonic()

    def moved(self, part: str) -> None:
        """``part`` got on, or found that there is nothing to do."""
        self._moved[part] = self._monotonic()

    def waits(self, part: str, seconds: float) -> None:
        """``part`` does nothing for so long because it was asked to."""
        self._waits_until[part] = self._monotonic() + seconds

    def health(self, **facts: Any) -> Health:
        """Healthy when no part is late."""
        now = self._monotonic()
        ages = {part: round(now - at, 3) for part, at in self._moved.items()}
        waits = {part: round(until - now, 3) for part, until in self._waits_until.items() if until > now}
        late = sorted(part for part in ages if self._is_late(part, now))
        summary = "every part makes progress"
        if late:
            summary = "no progress: " + ", ".join(f"{part} for {ages[part]:.0f} s" for part in late)
        elif waits:
            summary = ", ".join(f"{part} waits as asked, {left:.0f} s more" for part, left in waits.items())
            facts["waits_as_asked_s"] = waits
        return Health(ok=not late, summary=summary, facts={"seconds_since_progress": ages, **facts})

    def _is_late(self, part: str, now: float) -> bool:
        since = max(self._moved[part], self._waits_until.get(part, float("-inf")))
        return now - since > self._limits.get(part, float("inf"))


async def serve_observability(
    registry: CollectorRegistry,
    health: Callable[[], Health],
    *,
    host: str,
    port: int,
    process: str,
) -> RunningServer:
    """Serve ``/metrics`` (Prometheus text) and ``/health`` (200 or 503 with JSON).

    As long as it does, a service manager that started this process is told so.
    """

    async def app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/metrics":
            status, body, kind = 200, generate_latest(registry), CONTENT_TYPE_LATEST
        elif scope["path"] == "/health":
            now = health()
            status = 200 if now.ok else 503
            body = orjson.dumps({"ok": now.ok, "process": process, "summary": now.summary, **now.facts})
            kind = "application/json"
        else:
            status, body, kind = 404, b"/metrics or /health\n", "text/plain"
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    served = await serve(app, host, port, purpose=f"the metrics of {process}")
    await served.beside.enter_async_context(told_to_the_manager())
    return served
