"""Answering one notice by the link in its letter, without signing in.

``GET`` only shows, so that a mail scanner that follows links answers nothing; ``POST`` answers.
"""

from dataclasses import dataclass

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from streams.desk.answer_routes import answer_fields, nonce_of
from streams.desk.answering import KeyReused, NotThatWay, give, read_answer
from streams.desk.gate import EVERYONE, limited, open_to
from streams.desk.house import House
from streams.desk.inbox_routes import passages, refill
from streams.desk.limits import LINKS
from streams.notices.casebook import accounts, desk_pages
from streams.notices.casebook.viewer import Viewer


@dataclass(frozen=True, slots=True)
class _Holder:
    """Whoever holds a link that is ours and lives."""

    viewer: Viewer
    page: desk_pages.NoticePage


def register(app: FastAPI, house: House) -> None:
    """Add the page."""

    async def holder(request: Request, token: str) -> _Holder:
        notice_id = house.links.notice_of(token, now=house.clock())
        platform = await house.casebook.look(desk_pages.platform_of, notice_id) if notice_id else None
        # A forged, an expired and an unknown link are answered alike.
        if notice_id is None or platform is None or not house.links.holds(token, platform=platform):
            raise HTTPException(404)
        viewer = Viewer("link", "reply-link", "Reply link", "platform", platform)
        found = await house.casebook.look(
            desk_pages.notice, viewer, notice_id, request.query_params.get("item")
        )
        if found is None:
            raise HTTPException(404)
        return _Holder(viewer, found)

    def page(
        request: Request, held: _Holder, *, problem: str | None = None, said: str | None = None
    ) -> Response:
        found = held.page
        values = {
            "page": found,
            "notice": found.notice,
            "item": found.item,
            "standing": found.standing,
            "one": request.query_params.get("item") is not None,
            "passages": passages(
                found.detection.listing if found.detection else None,
                found.item.quotes,
                title=found.item.title,
            ),
            "now": house.clock(),
            "problem": problem,
            "said": said,
            "given": refill(request.state.form.fields if problem else ()),
        }
        response = house.pages.html("reply.html", request, values, status=422 if problem else 200)
        response.headers["referrer-policy"] = "no-referrer"
        response.headers["x-robots-tag"] = "noindex, nofollow"
        return response

    @open_to(EVERYONE)
    @limited(LINKS)
    async def show(request: Request, token: str) -> Response:
        held = await holder(request, token)
        await house.casebook.run(
            accounts.log_access,
            held.viewer,
            act="notice_by_link",
            subject=held.page.row.notice_id,
            now=house.clock(),
        )
        return page(request, held)

    @open_to(EVERYONE)
    @limited(LINKS)
    async def answer(request: Request, token: str) -> Response:
        held = await holder(request, token)
        form = request.state.form
        try:
            answer = read_answer(answer_fields(form))
            nonce = f"link/{answer.answer}/{answer.item_id or ''}/{nonce_of(form)}"
            await give(house, held.viewer, held.page, answer, by="link", nonce=nonce, way="link")
        except (NotThatWay, KeyReused) as error:
            return page(request, held, problem=str(error))
        return page(request, await holder(request, token), said=answer.answer)

    app.add_api_route("/r/{token}", show, methods=["GET"], include_in_schema=False)
    app.add_api_route("/r/{token}", answer, methods=["POST"], include_in_schema=False)
