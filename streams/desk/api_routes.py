"""The HTTP API: what a platform's people do on pages, a platform's program does here."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Body, FastAPI, Header, Query
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from schemas.notice import Notice
from streams.desk.answering import KeyReused, NotThatWay, give
from streams.desk.gate import EVERYONE, TOKEN, Refused, limited, open_to
from streams.desk.house import House
from streams.desk.limits import API
from streams.notices.casebook import accounts, desk_lists, desk_pages
from streams.notices.desk_answer import DeskAnswer

DESCRIPTION = (
    "Read your notices and answer them. A token is made on the desk's page *API tokens* and sent as "
    "`Authorization: Bearer tkd_…`. It sees its own platform's notices and nothing else: a notice of "
    "another platform is answered like one that does not exist."
)


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Problem(_Body):
    """Why not, for a program and for a person."""

    code: str
    message: str


class Line(_Body):
    """One listing of one notice as a list shows it."""

    reference: str
    item_id: str
    """Which listing of the notice; answer it alone with this id."""
    listings: int
    """How many listings the notice is about."""
    listing_id: str
    url: str
    severity: str
    taxon: str | None
    appendix: str | None
    sent_at: datetime | None
    due_at: datetime | None
    """The first deadline that is not met, past or to come."""
    said: str
    """What you have said so far, in our words."""
    seen: str
    """What we see ourselves."""


class Lines(_Body):
    """A page of listings in notices, by deadline."""

    notices: tuple[Line, ...]
    more: bool
    """There are more: ask with a greater ``offset``."""


class ItemStanding(_Body):
    """One listing of a notice and where it stands."""

    item_id: str
    listing_id: str
    said: str
    outcome: str | None
    """What was decided about it, in our words."""
    seen: str
    due: tuple[dict[str, Any], ...]
    """Each deadline: ``kind``, ``due_at``, ``state``."""


class Standing(_Body):
    """One notice and where it stands."""

    notice: Notice
    said: str
    """Of its first listing, as are ``seen`` and ``due``; each listing stands in ``items``."""
    seen: str
    due: tuple[dict[str, Any], ...]
    """Each deadline: ``kind``, ``due_at``, ``state``."""
    items: tuple[ItemStanding, ...]
    """In the order of the notice's own items."""


class Taken(_Body):
    """The answer is kept and applied."""

    answer_id: str
    repeated: bool
    """True: the same answer was taken before, and nothing was changed."""


class Self(_Body):
    """Whose token this is."""

    platform: str
    token: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "No living token"},
    404: {"model": Problem, "description": "No such notice, or not yours"},
    409: {"model": Problem, "description": "This idempotency key came with another answer before"},
    413: {"description": "More than 256 kB"},
    415: {"model": Problem, "description": "Not JSON"},
    422: {"model": Problem, "description": "Not as described here"},
    429: {
        "model": Problem,
        "description": "More than 600 a minute with this token: nothing was changed, send it again",
        "headers": {"Retry-After": {"description": "After so many seconds", "schema": {"type": "integer"}}},
    },
    503: {"model": Problem, "description": "Nothing was changed: send it again"},
}


def description(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with how a token is sent."""
    found = app.openapi()
    schemes = found.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["token"] = {"type": "http", "scheme": "bearer", "description": "A platform's API token."}
    found["security"] = [{"token": []}]
    return found


def _due(page: desk_pages.NoticePage, case_id: str) -> tuple[dict[str, Any], ...]:
    theirs = page.deadlines_of(case_id)
    return tuple({"kind": one.kind, "due_at": one.due_at, "state": one.state} for one in theirs)


def register(app: FastAPI, house: House) -> None:
    """Add the routes and the document that describes them."""

    @open_to(TOKEN)
    @limited(API)
    async def me(request: Request) -> Self:
        """Whose token is this?"""
        viewer = request.state.viewer
        return Self(platform=viewer.platform, token=viewer.name)

    @open_to(TOKEN)
    @limited(API)
    async def notices(
        request: Request,
        state: Annotated[
            Literal["to_answer", "waiting"],
            Query(description="`waiting`: you asked for information and have not got it yet."),
        ] = "to_answer",
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> Lines:
        """Your notices that wait for an answer, the longest overdue first."""
        found = await house.casebook.look(
            desk_lists.inbox,
            request.state.viewer,
            waiting=state == "waiting",
            limit=limit + 1,
            offset=offset,
        )
        lines = tuple(
            Line(
                reference=one.reference,
                item_id=one.item_id,
                listings=one.listings,
                listing_id=one.listing_id,
                url=one.url,
                severity=one.severity,
                taxon=one.taxon,
                appendix=one.appendix,
                sent_at=one.sent_at,
                due_at=one.due_at,
                said=one.claim,
                seen=one.content,
            )
            for one in found[:limit]
        )
        return Lines(notices=lines, more=len(found) > limit)

    async def of(request: Request, reference: str) -> desk_pages.NoticePage:
        found = await house.casebook.look(desk_pages.notice, request.state.viewer, reference)
        if found is None:
            raise HTTPException(404)
        return found

    @open_to(TOKEN)
    @limited(API)
    async def notice(request: Request, reference: str) -> Standing:
        """One of your notices, whole."""
        found = await of(request, reference)
        await house.casebook.run(
            accounts.log_access,
            request.state.viewer,
            act="notice",
            subject=found.row.notice_id,
            now=house.clock(),
        )
        return Standing(
            notice=found.notice,
            said=found.standing.claim,
            seen=found.standing.content,
            due=_due(found, found.standing.case_id),
            items=tuple(
                ItemStanding(
                    item_id=one.item_id,
                    listing_id=one.listing_id,
                    said=one.claim,
                    outcome=one.outcome,
                    seen=one.content,
                    due=_due(found, one.case_id),
                )
                for one in found.items
            ),
        )

    @open_to(TOKEN)
    @limited(API)
    async def answer(
        request: Request,
        reference: str,
        answer: Annotated[DeskAnswer, Body()],
        idempotency_key: Annotated[
            str | None,
            Header(
                min_length=1,
                max_length=128,
                description="Yours. The same again changes nothing; absent: the answer itself is the key.",
            ),
        ] = None,
    ) -> Taken:
        """Answer a notice, or with ``item_id`` one listing of it. The latest answer is in force."""
        found = await of(request, reference)
        viewer = request.state.viewer
        nonce = f"api/key/{idempotency_key}" if idempotency_key else f"api/body/{answer.model_dump_json()}"
        try:
            given = await give(
                house,
                viewer,
                found,
                answer,
                by=f"token:{viewer.account_id}",
                nonce=nonce,
                way="api",
            )
        except NotThatWay as error:
            raise Refused(422, "no_such_item", str(error)) from error
        except KeyReused as error:
            raise Refused(409, "key_reused", str(error)) from error
        return Taken(answer_id=given.answer_id, repeated=given.repeated)

    @open_to(EVERYONE)
    async def document() -> Response:
        return JSONResponse(description(app))

    app.add_api_route("/api/v1/me", me, methods=["GET"], responses=PROBLEMS)
    app.add_api_route("/api/v1/notices", notices, methods=["GET"], responses=PROBLEMS)
    app.add_api_route("/api/v1/notices/{reference}", notice, methods=["GET"], responses=PROBLEMS)
    app.add_api_route("/api/v1/notices/{reference}/answers", answer, methods=["POST"], responses=PROBLEMS)
    app.add_api_route("/api/openapi.json", document, methods=["GET"], include_in_schema=False)
