"""A platform's delivery log: what was brought to it, what it answered, and once more if it asks."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import FastAPI, Query
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from streams.desk.api_routes import PROBLEMS
from streams.desk.gate import TOKEN, Refused, TooOften, limited, open_to
from streams.desk.house import House
from streams.desk.limits import API
from streams.notices import acts
from streams.notices.acts.redelivery import APART
from streams.notices.casebook import deliveries, desk_pages

PAGE = 50
KEPT = timedelta(days=30)
"""How far back the log shows."""
WHAT = {
    None: "notice",
    deliveries.REDELIVERY: "notice, sent again",
    "fallback": "notice, by your other channel",
    "reminder": "reminder",
    "escalation": "reminder",
    "withdrawal": "withdrawal",
    "information": "information you asked for",
}
RESULTS = {
    None: "under way",
    "accepted": "taken",
    "duplicate": "taken: known already",
    "retry": "failed",
    "refused": "refused",
    "gone": "refused for good",
    "late": "ended too late to count",
}
SAID = {
    deliveries.REDELIVERY: "It is sent again, under the same key: it stays one notice.",
    "notice": "It was never taken, and is back in the line.",
}


class Delivery(BaseModel):
    """One try to bring you something."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    reference: str
    what: str
    """`notice`, `redelivery`, `fallback`, `reminder`, `withdrawal` or `information`."""
    number: int
    """Of the tries of the same thing, from 1."""
    started_at: datetime
    finished_at: datetime | None
    result: str | None
    """`accepted`, `duplicate`, `retry`, `refused`, `gone`, `late`; null: under way."""
    reason: str | None
    http_status: int | None
    said: str
    """The first 2,000 bytes of what you answered; what is no UTF-8 is replaced."""


class Deliveries(BaseModel):
    """A page of the log, the newest first."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    deliveries: tuple[Delivery, ...]
    more: bool
    """There are more: ask with a greater ``offset``."""


class Queued(BaseModel):
    """It is in the line."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    queued: str
    """`redelivery`, or `notice` where it was never taken before."""


def register(app: FastAPI, house: House) -> None:
    """Add the page and the API's part."""

    async def log_of(request: Request, offset: int, limit: int) -> tuple[deliveries.Try, ...]:
        return await house.casebook.look(
            deliveries.tries,
            request.state.viewer,
            since=house.clock() - KEPT,
            limit=limit,
            offset=offset,
        )

    async def again(request: Request, reference: str) -> str:
        found = await house.casebook.look(desk_pages.notice, request.state.viewer, reference)
        if found is None:
            raise HTTPException(404)
        if house.acts is None:
            raise acts.ActRefused("no_way", "Nothing is sent from here: the desk has no platforms file.")
        return await house.casebook.run(
            acts.redeliver, found.row.notice_id, house.acts, by=request.state.viewer, now=house.clock()
        )

    async def page(
        request: Request, number: int = 1, problem: str | None = None, status: int = 200
    ) -> Response:
        number = min(max(number, 1), 10_000)
        found = await log_of(request, (number - 1) * PAGE, PAGE + 1)
        values = {
            "lines": found[:PAGE],
            "more": len(found) > PAGE,
            "page": number,
            "what": WHAT,
            "results": RESULTS,
            "own": (None, deliveries.REDELIVERY) if not (why_not := _why_not(house, request)) else (),
            "why_not": why_not,
            "problem": problem,
            "said": SAID.get(request.query_params.get("said", "")),
        }
        return house.pages.html("deliveries.html", request, values, status=status)

    @open_to("platform")
    async def log(request: Request, page_number: Annotated[int, Query(alias="page")] = 1) -> Response:
        return await page(request, page_number)

    @open_to("platform")
    async def redeliver(request: Request, reference: str) -> Response:
        try:
            what = await again(request, reference)
        except acts.ActRefused as error:
            return await page(request, problem=str(error), status=429 if error.reason == "too_much" else 409)
        return RedirectResponse(f"/deliveries?said={what}", 303)

    @open_to(TOKEN)
    @limited(API)
    async def api_log(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> Deliveries:
        """Every try of the last 30 days to bring you something, and what you answered."""
        found = await log_of(request, offset, limit + 1)
        return Deliveries(
            deliveries=tuple(
                Delivery(
                    reference=one.reference,
                    what=one.purpose or "notice",
                    number=one.number,
                    started_at=one.started_at,
                    finished_at=one.finished_at,
                    result=one.result,
                    reason=one.reason,
                    http_status=one.http_status,
                    said=one.said,
                )
                for one in found[:limit]
            ),
            more=len(found) > limit,
        )

    @open_to(TOKEN)
    @limited(API)
    async def api_redeliver(request: Request, reference: str) -> Queued:
        """Send a notice once more, under the same key. At most every 5 minutes, and 60 notices an hour."""
        try:
            return Queued(queued=await again(request, reference))
        except acts.ActRefused as error:
            if error.reason == "too_much":
                raise TooOften(APART.total_seconds()) from error
            raise Refused(409, error.reason, str(error)) from error

    app.add_api_route("/deliveries", log, methods=["GET"], include_in_schema=False)
    app.add_api_route("/notices/{reference}/redeliver", redeliver, methods=["POST"], include_in_schema=False)
    app.add_api_route("/api/v1/deliveries", api_log, methods=["GET"], responses=PROBLEMS)
    app.add_api_route(
        "/api/v1/notices/{reference}/redeliveries",
        api_redeliver,
        methods=["POST"],
        responses={**PROBLEMS, 409: {**PROBLEMS[409], "description": "It cannot be sent again now"}},
    )


def _why_not(house: House, request: Request) -> str | None:
    """Why nothing can be sent once more to this platform; ``None``: it can."""
    if house.acts is None:
        return "This desk was started without a platforms file, so nothing is sent from here."
    policy = house.acts.platforms.get(request.state.viewer.platform)
    if policy is None or not policy.redelivers:
        return (
            "Your channel does not know notices by a key: sent once more, it would be a second notice, "
            "with a case of its own. What failed is tried again by itself; if you lost one, read it in "
            "your inbox here."
        )
    return None
