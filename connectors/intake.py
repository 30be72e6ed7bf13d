"""The intake: where a platform or partner pushes listings, and a citizen or officer files a report.

``POST /v1/listings`` and ``POST /v1/reports``, JSON, ``Authorization: Bearer <key>``, at most 256 kB;
``POST /v1/reports/pictures`` keeps one picture for the report that follows, at most 10 MB;
``GET /v1/reports/{reference}`` says what became of a report of the same organisation.
A 202 is given only after Kafka has acknowledged; while Kafka is away the answer is 503 with
``Retry-After``. Every other refusal is ``{"code", "message"}`` with one sentence.
"""

import asyncio
import hashlib
import math
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

import orjson
import structlog
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from connectors.intake_keys import IntakeKey, KeyRing, Role
from connectors.intake_pictures import MAX_PICTURE, PICTURE_WITHIN_S, Keep, NoPicture, reference_of
from connectors.intake_reading import (
    MAX_BATCH,
    SET_HERE,
    Batch,
    Refused,
    ReportIn,
    read_batch,
    read_json,
    read_reports,
)
from connectors.metrics import ConnectorMetrics
from connectors.pace import reserve
from connectors.publisher import KafkaAway
from schemas.dead_letter import DeadLetter
from schemas.listing import Listing
from schemas.report import Report, id_of, reference

log = structlog.get_logger(__name__)

T = TypeVar("T")
MAX_BODY = 256 * 1024
BODY_WITHIN_S = 15.0
"""How long a sender may take for the body."""
KAFKA_WITHIN_S = 5.0
RETRY_AFTER_S = 5


class Accepts(Protocol):
    """What the intake needs of :class:`connectors.publisher.Publisher`."""

    async def accept(
        self, *, listings: Sequence[Listing] = (), reports: Sequence[Report] = (), within_s: float
    ) -> tuple[DeadLetter, ...]:
        """Write and wait for Kafka's word, or raise :class:`KafkaAway`."""


class Progress(Protocol):
    """How far a report has come."""

    @property
    def received_at(self) -> datetime:
        """When we had it, by our clock."""

    @property
    def progress(self) -> str:
        """``received``, ``examined``, ``told`` (the platform), ``gone`` or ``closed``."""


Seal = Callable[[Report], Report]
"""The report with its reporter's contact encrypted."""

Follow = Callable[[str, str], Awaitable[Progress | None]]
"""A report's id and an organisation: how far its report came; ``None``: it has none of that id.

Raises :class:`CannotSay`.
"""


class CannotSay(Exception):
    """What is known of reports cannot be read just now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    content: Mapping[str, Any]
    headers: Mapping[str, str]


class RateGuard:
    """Requests a second for each key; who comes too early is told when to come again."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._full_at: dict[str, float] = {}

    def wait_s(self, key: IntakeKey) -> float:
        """0: go on. Otherwise the seconds after which the next request would be let in."""
        now = self._monotonic()
        held = self._full_at.get(key.id, now)
        full_at, start = reserve(held, now, interval=1 / key.rate_per_s, burst=key.burst)
        if start > now:
            return start - now
        self._full_at[key.id] = full_at
        return 0.0


class Intake:
    """The two requests, apart from their routes."""

    def __init__(
        self,
        publisher: Accepts,
        keys: KeyRing,
        *,
        platforms: frozenset[str],
        metrics: ConnectorMetrics,
        now: Callable[[], datetime],
        seal: Seal,
        guard: RateGuard | None = None,
        follow: Follow | None = None,
        keep: Keep | None = None,
        kafka_within_s: float = KAFKA_WITHIN_S,
        body_within_s: float = BODY_WITHIN_S,
    ) -> None:
        self._publisher = publisher
        self._keys = keys
        self._platforms = platforms
        self._metrics = metrics
        self._now = now
        self._seal = seal
        self._guard = guard or RateGuard()
        self._follow = follow
        self._keep = keep
        # One at a time: a picture that is being drawn anew takes a hundred megabytes at worst.
        self._drawing = asyncio.Semaphore(1)
        self._kafka_within_s = kafka_within_s
        self._body_within_s = body_within_s
        self.kafka_answers = True
        """Whether Kafka acknowledged the last thing that was sent there."""

    async def listings(self, request: Request) -> Response:
        """``POST /v1/listings``."""
        return await self._guarded("listings", request, self._take_listings)

    async def reports(self, request: Request) -> Response:
        """``POST /v1/reports``."""
        return await self._guarded("reports", request, self._take_report)

    async def picture(self, request: Request) -> Response:
        """``POST /v1/reports/pictures``."""
        return await self._answered("reports", lambda: self._take_picture(request))

    async def _take_picture(self, request: Request) -> Answer:
        key = self._known("reports", request)
        if self._keep is None:
            raise Refused(501, "not_here", "This intake takes no pictures.")
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Refused(415, "compressed", "Send the body uncompressed.")
        async with asyncio.timeout(PICTURE_WITHIN_S):
            content = await _body(request, MAX_PICTURE)
        try:
            async with self._drawing:
                kept = await self._keep(content)
        except NoPicture as error:
            raise Refused(422, "not_a_picture", f"The body is no picture that is taken: {error}.") from error
        except OSError as error:
            log.error("picture_not_kept", error=type(error).__name__)
            raise Refused(503, "unavailable", "The picture was not kept: send it again later.") from error
        came = hashlib.sha256(content).hexdigest()
        return Answer(201, {"picture": reference_of(content, kept, key), "sha256": came}, {})

    async def report(self, request: Request) -> Response:
        """``GET /v1/reports/{reference}``."""
        return await self._answered("reports", lambda: self._tell(request))

    async def _tell(self, request: Request) -> Answer:
        key = self._known("reports", request)
        report_id = id_of(request.path_params["reference"].removeprefix("r_"))
        if self._follow is None:
            raise Refused(501, "not_here", "This intake does not say what became of reports.")
        try:
            found = await self._follow(report_id, key.organisation) if report_id else None
        except CannotSay as error:
            raise Refused(503, "unavailable", "This cannot be said just now: ask again.") from error
        if report_id is None or found is None:
            raise Refused(404, "unknown", "There is no such report of yours; a new one is here in seconds.")
        content = {**_named(report_id), "received_at": found.received_at, "progress": found.progress}
        return Answer(200, content, {})

    async def _guarded(
        self, role: Role, request: Request, take: Callable[[Any, IntakeKey], Awaitable[Answer]]
    ) -> Response:
        async def taken() -> Answer:
            key = self._admit(role, request)
            async with asyncio.timeout(self._body_within_s):
                body = await _body(request)
            return await take(read_json(body), key)

        return await self._answered(role, taken)

    async def _answered(self, role: Role, work: Callable[[], Awaitable[Answer]]) -> Response:
        try:
            answer = await work()
        except Refused as refusal:
            answer = _refusal(refusal)
        except TimeoutError:
            answer = _refusal(Refused(408, "too_slow", "The body did not arrive in time."))
        except ClientDisconnect:
            answer = _refusal(Refused(400, "incomplete", "The connection ended before the body did."))
        except KafkaAway:
            self.kafka_answers = False
            answer = Answer(
                503,
                {"code": "unavailable", "message": "Nothing was stored; send it again in a few seconds."},
                {"retry-after": str(RETRY_AFTER_S)},
            )
        self._metrics.intake_requests.labels(role, str(answer.status)).inc()
        log.info("intake_request", route=role, status=answer.status, code=answer.content.get("code"))
        return Response(
            orjson.dumps(answer.content),
            answer.status,
            {**answer.headers, "cache-control": "no-store", "x-content-type-options": "nosniff"},
            "application/json",
        )

    def _known(self, role: Role, request: Request) -> IntakeKey:
        key = self._keys.find(request.headers.get("authorization"))
        if key is None:
            raise Refused(401, "unauthorised", "Send a valid key as Authorization: Bearer KEY.")
        wait = self._guard.wait_s(key)
        if wait > 0:
            raise _TooOften(wait)
        if role not in key.roles:
            raise Refused(403, "not_allowed", f"This key may not be used for {role}.")
        return key

    def _admit(self, role: Role, request: Request) -> IntakeKey:
        """Everything that can be refused before the body is read."""
        key = self._known(role, request)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refused(415, "wrong_media_type", "Send Content-Type: application/json.")
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Refused(415, "compressed", "Send the body uncompressed.")
        return key

    async def _take_listings(self, content: Any, key: IntakeKey) -> Answer:
        batch = read_batch(
            content, key, known=self._platforms, now=self._now(), run_id=f"{key.id}-{uuid.uuid4().hex[:12]}"
        )
        if batch.single and isinstance(batch.items[0], Refused):
            raise batch.items[0]
        if batch.good:
            await self._publisher.accept(listings=batch.good, within_s=self._kafka_within_s)
            self.kafka_answers = True
        for listing in batch.good:
            name = self._metrics.platform(listing.platform)
            self._metrics.listings.labels("intake", name, "published").inc()
        return _told(batch, lambda listing: {"id": listing.key, "run_id": listing.run_id})

    async def _take_report(self, content: Any, key: IntakeKey) -> Answer:
        batch = read_reports(content, key, known=self._platforms, now=self._now())
        if batch.good:
            hidden = [self._seal(one) for one in batch.good]
            await self._publisher.accept(reports=hidden, within_s=self._kafka_within_s)
            self.kafka_answers = True
        if not batch.single:
            return _told(batch, lambda report: _named(report.report_id))
        (report,) = batch.items
        if isinstance(report, Refused):
            raise report
        return Answer(202, {**_named(report.report_id), "received_at": report.received_at}, {})


def _named(report_id: str) -> dict[str, str]:
    return {"report_id": report_id, "reference": reference(report_id)}


class _TooOften(Refused):
    def __init__(self, wait_s: float) -> None:
        super().__init__(429, "too_often", "Too many requests with this key: wait and send it again.")
        self.wait_s = wait_s


def _refusal(refusal: Refused) -> Answer:
    headers: dict[str, str] = {}
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    if isinstance(refusal, _TooOften):
        headers["retry-after"] = str(math.ceil(refusal.wait_s))
    return Answer(refusal.status, {"code": refusal.code, "message": refusal.message}, headers)


def _told(batch: Batch[T], shown: Callable[[T], Mapping[str, Any]]) -> Answer:
    """202 when anything was taken; 422 when nothing was."""
    results: list[dict[str, Any]] = []
    for index, item in enumerate(batch.items):
        if isinstance(item, Refused):
            results.append({"index": index, "status": "refused", "code": item.code, "message": item.message})
        else:
            results.append({"index": index, "status": "accepted", **shown(item)})
    accepted = len(batch.good)
    content = {"accepted": accepted, "refused": len(results) - accepted, "results": results}
    return Answer(202 if accepted else 422, content, {})


async def _body(request: Request, most: int = MAX_BODY) -> bytes:
    """The body, given up as soon as it is too long."""
    length = request.headers.get("content-length", "")
    too_large = Refused(413, "too_large", f"The body may have at most {most} bytes.")
    if length.isdigit() and len(length) < 19 and int(length) > most:
        raise too_large
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise too_large
    return bytes(body)


def _one_or_many(model: str, several: str) -> dict[str, Any]:
    one = {"$ref": f"#/components/schemas/{model}"}
    many = {"type": "array", "minItems": 1, "maxItems": MAX_BATCH, "items": one}
    return {"oneOf": [one, {"type": "object", "required": [several], "properties": {several: many}}]}


_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "`undecodable`, `not_json`, `incomplete`"},
    401: {"description": "`unauthorised`: no valid key"},
    403: {"description": "`not_allowed`: the key does not open this"},
    408: {"description": "`too_slow`"},
    413: {"description": "`too_large`: more than 256 kB"},
    415: {"description": "`wrong_media_type` or `compressed`"},
    422: {
        "description": "`wrong_shape`, `missing_id`, `unknown_field`, `unknown_platform`, `too_many`, "
        "`unknown_picture`, `from_the_future`; a batch of which nothing could be taken"
    },
    429: {"description": "`too_often`, with `Retry-After`"},
    503: {"description": "`unavailable`: nothing was stored, send it again after `Retry-After`"},
}


def intake_app(intake: Intake) -> FastAPI:
    """The routes as an ASGI application. ``/openapi.json`` describes them."""
    app = FastAPI(title="Takin intake", version="1", docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False
    app.add_api_route(
        "/v1/listings",
        intake.listings,
        methods=["POST"],
        status_code=202,
        summary="Push one listing, or up to 500",
        responses=_RESPONSES,
        openapi_extra=_takes(_one_or_many("Listing", "listings")),
        response_class=Response,
    )
    app.add_api_route(
        "/v1/reports",
        intake.reports,
        methods=["POST"],
        status_code=202,
        summary="File one report, or up to 500",
        responses=_RESPONSES,
        openapi_extra=_takes(_one_or_many("ReportIn", "reports")),
        response_class=Response,
    )
    app.add_api_route(
        "/v1/reports/pictures",
        intake.picture,
        methods=["POST"],
        status_code=201,
        summary="Send one picture (JPEG, PNG, WebP; at most 10 MB) for a report that follows and names it",
        responses={
            201: {
                "description": "`picture`: what the report's `pictures` names it by; `sha256`: of what came"
            },
            **{status: _RESPONSES[status] for status in (400, 401, 403, 408, 415, 429, 503)},
            413: {"description": "`too_large`: more than 10 MB"},
            422: {"description": "`not_a_picture`"},
            501: {"description": "`not_here`: this intake takes none"},
        },
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
        response_class=Response,
    )
    app.add_api_route(
        "/v1/reports/{reference}",
        intake.report,
        methods=["GET"],
        summary="What became of a report that your organisation filed",
        responses={
            **{status: _RESPONSES[status] for status in (401, 403, 429, 503)},
            404: {"description": "`unknown`: your organisation filed no such report, or it was just filed"},
            501: {"description": "`not_here`: this intake cannot say"},
        },
        openapi_extra={
            "parameters": [
                {"name": "reference", "in": "path", "required": True, "schema": {"type": "string"}}
            ]
        },
        response_class=Response,
    )
    described = app.openapi()
    schemas = described.setdefault("components", {}).setdefault("schemas", {})
    for model in (Listing, ReportIn):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        for field in SET_HERE:
            schema["properties"].pop(field, None)
        schema["required"] = [name for name in schema["required"] if name not in (*SET_HERE, "observed_at")]
        schemas[model.__name__] = schema
    described["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    described["security"] = [{"key": []}]
    app.openapi_schema = described
    return app


def _takes(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
