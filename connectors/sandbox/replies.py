"""What comes to the desk and what goes back, in the contract's shapes; and the record of each request."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from connectors.desk_contract import ErrorBody, ItemStatus, ReceiptBody, StatusBody
from connectors.sandbox.records import Outcome, RequestReceived, Said
from connectors.sandbox.scenario import Flaky
from connectors.sandbox.state import DeskNotice

if TYPE_CHECKING:
    from connectors.sandbox.practice_platform import PracticePlatform

MAX_BODY = 1_000_000
"""Bytes of a request."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the desk with its body read."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes | None
    """Absent: larger than :data:`MAX_BODY`."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back, and how."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    wire: Literal["plain", "reset", "cut", "trickle", "late", "hang"] = "plain"
    wait_s: float = 0.0
    """Real seconds: before a late reply, or until a hung connection is cut."""


def reply_with(status: int, body: BaseModel | None, **headers: str) -> Reply:
    """A reply with a body of the contract; a header ``retry_after`` is sent as ``retry-after``."""
    raw = body.model_dump_json(exclude_none=True).encode() if body else b""
    return Reply(status, raw, {name.replace("_", "-"): value for name, value in headers.items()})


def error_reply(status: int, code: str, message: str, reference: str | None = None, **headers: str) -> Reply:
    """A refusal, for a person and for a program."""
    return reply_with(status, ErrorBody(code=code, message=message, reference=reference), **headers)


def receipt(notice: DeskNotice) -> ReceiptBody:
    """The same for the same notice, whenever it is asked for."""
    return ReceiptBody(reference=notice.reference, received_at=notice.received_at)


def status_body(notice: DeskNotice) -> StatusBody:
    """The notice as the desk sees it now."""
    return StatusBody(
        idempotency_key=notice.key,
        reference=notice.reference,
        received_at=notice.received_at,
        items=tuple(
            item_status(item.said[-1])
            if item.said
            else ItemStatus(item_id=item_id, word="RECEIVED", at=notice.received_at, automated=True)
            for item_id, item in notice.items.items()
        ),
    )


def item_status(said: Said) -> ItemStatus:
    """A word as the contract shows it."""
    return ItemStatus(
        item_id=said.item_id,
        word=said.word,
        at=said.at,
        effective_at=said.effective_at,
        explanation=said.explanation,
        ground=said.ground,
        automated=said.automated,
    )


class RequestLog:
    """Writes the one record of a request."""

    def __init__(
        self, platform: "PracticePlatform", request: Request, *, key: str | None, attempt: int = 0
    ) -> None:
        self._platform = platform
        self._key = key[:256] if key else None
        self._attempt = attempt
        self.request = request
        self.sha256 = hashlib.sha256(request.body or b"").hexdigest()
        self.early = False
        self.not_before: datetime | None = None
        self.flaky: Flaky | None = None

    def write(self, outcome: Outcome, status: int | None, **more: Any) -> None:
        """Write it; a ``flaky`` trouble has its say about the status that is really sent."""
        request, flaky = self.request, self.flaky
        if flaky is not None and flaky.how.startswith("reset"):
            status = None
        elif flaky is not None and flaky.how.startswith("error"):
            status = flaky.status
        waits = (self.not_before - request.at).total_seconds() if self.not_before else None
        self._platform.record(
            RequestReceived(
                at=request.at,
                platform=self._platform.config.name,
                method=request.method,
                path=request.path[:512],
                agent=request.headers.get("user-agent", "")[:256],
                key=self._key,
                attempt=self._attempt,
                sha256=self.sha256,
                size=len(request.body or b""),
                outcome=outcome,
                status=status,
                early=self.early,
                retry_after_s=waits,
                not_before=self.not_before,
                wire=flaky.how if flaky else None,
                **more,
            )
        )
