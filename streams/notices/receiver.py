"""Receives signed answers: read, verify, store, and only then say 2xx."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from streams.notices.answers import store_answers
from streams.notices.casebook.database import Casebook, CasebookUnavailable
from streams.notices.clock import ClockUnsure
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics
from streams.notices.ports import Answer, Forged, Outside
from streams.notices.together import Together

MAX_BODY = 256 * 1024
"""Bytes of an answer that are read."""


class TooLarge(Exception):
    """The sender goes on past :data:`MAX_BODY`."""


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise TooLarge
    return bytes(body)


def receiver_app(
    casebook: Casebook,
    outside: Outside,
    metrics: NoticeMetrics,
    *,
    answered: Bell,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Starlette:
    """``POST /answers/{platform}``.

    202 stored (also for one that was stored before), 401 forged or old, 404 no such platform,
    413 too large, 503 the casebook is away, or our clock is not believed: send it again.
    """

    async def store(answers: Sequence[Answer]) -> Sequence[bool]:
        return await casebook.run(store_answers, answers)

    # The sender waits, and sends again: nothing is tried twice here.
    stored: Together[Answer, bool] = Together(store, what="answers", at_once=32, waits_s=())

    async def answer(request: Request) -> Response:
        platform = request.path_params["platform"]
        try:
            body = await _read(request)
        except TooLarge:
            metrics.answers.labels("other", "too_large").inc()
            return _no(413, "too_large", f"An answer may have {MAX_BODY} bytes.")
        try:
            now = clock()
        except ClockUnsure:
            # By a wrong clock a genuine answer looks old, and a refusal would be for good.
            metrics.answers.labels("other", "unavailable").inc()
            return _no(503, "unavailable", "Our clock is being set right: send it again.")
        try:
            genuine = outside.authenticate(platform, dict(request.headers), body, now)
        except KeyError:
            metrics.answers.labels("other", "unknown_platform").inc()
            return _no(404, "unknown_platform", "No platform of that name sends answers here.")
        except Forged as error:
            metrics.answers.labels(platform, error.reason).inc()
            return _no(401, error.reason, "The signature does not hold; see the desk contract.")
        try:
            fresh = await stored.write(genuine)
        except CasebookUnavailable:
            metrics.answers.labels(platform, "unavailable").inc()
            return _no(503, "unavailable", "The answer was not stored: send it again.")
        metrics.answers.labels(platform, "stored" if fresh else "repeated").inc()
        answered.ring()
        return JSONResponse({"stored": True, "repeated": not fresh}, status_code=202)

    return Starlette(routes=[Route("/answers/{platform}", answer, methods=["POST"])])


def _no(status: int, code: str, message: str) -> Response:
    return JSONResponse({"code": code, "message": message}, status_code=status)
