"""Answers given at the desk: one by one, or many at once."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from streams.desk.answering import KeyReused, NotThatWay, give, read_answer
from streams.desk.gate import Form, Refused, open_to
from streams.desk.house import House
from streams.desk.inbox_routes import notice_page
from streams.notices.casebook import desk_lists, desk_pages

MOST_AT_ONCE = 200
SINGLE = ("answer", "restriction", "territory", "kept_because", "ground", "reasons", "reference", "item_id")


def answer_fields(form: Form) -> dict[str, Any]:
    """The fields of an answer; what belongs to another answer's part of the form is left out."""
    found = {name: form.one(name).strip() for name in SINGLE}
    word = found["answer"]
    if word != "restricted":
        found["restriction"] = found["territory"] = ""
    if word != "kept":
        found["kept_because"] = ""
    if word in ("kept", "need_information", "restricted"):
        # Each part of the form has its own field of reasons; the one of the button counts.
        found["reasons"] = form.one(f"reasons_{word}").strip() or found["reasons"]
    return found


def nonce_of(form: Form) -> str:
    """The form's own number: sent twice, it is one answer."""
    nonce = form.one("nonce")
    if not 16 <= len(nonce) <= 64:
        raise Refused(400, "no_nonce", "The form is incomplete: load the page again.")
    return nonce


def register(app: FastAPI, house: House) -> None:
    """Add the routes."""

    @open_to("platform")
    async def answer_one(request: Request, reference: str) -> Response:
        form, viewer = request.state.form, request.state.viewer
        found = await house.casebook.look(desk_pages.notice, viewer, reference)
        if found is None:
            raise HTTPException(404)
        try:
            answer = read_answer(answer_fields(form))
            await give(
                house,
                viewer,
                found,
                answer,
                by=f"account:{viewer.account_id}",
                nonce=f"{answer.answer}/{answer.item_id or ''}/{nonce_of(form)}",
                way="page",
            )
        except (NotThatWay, KeyReused) as error:
            shown = (
                form.one("item_id") if any(one.item_id == form.one("item_id") for one in found.items) else ""
            )
            return await notice_page(
                house, request, reference, shown or None, problem=str(error), fields=form.fields
            )
        where = await _next(viewer, found, answer.item_id) if form.one("go_on") else "/inbox?"
        return RedirectResponse(f"{where}said={answer.answer}&n=1", 303)

    async def _next(viewer: Any, page: desk_pages.NoticePage, item_id: str | None) -> str:
        """Where the next answer is given: another listing of the same notice first, then another notice."""
        if item_id is not None:
            left = [item for item in page.items if item.claim == "none" and item.item_id != item_id]
            if left:
                return f"/notices/{page.row.human_reference}?item={left[0].item_id}&"
        # No answer takes a listing off the list before it is applied, so all of this one's may come first.
        most = len(page.items) + 1
        waiting = await house.casebook.look(desk_lists.inbox, viewer, waiting=False, limit=most)
        other = next((line for line in waiting if line.notice_id != page.row.notice_id), None)
        return f"/notices/{other.reference}?" if other else "/inbox?"

    @open_to("platform")
    async def answer_many(request: Request) -> Response:
        form, viewer = request.state.form, request.state.viewer
        wanted: Sequence[str] = tuple(dict.fromkeys(form.all("notice")))
        if not wanted:
            raise Refused(422, "none_chosen", "Choose at least one notice, then the answer.")
        if len(wanted) > MOST_AT_ONCE:
            raise Refused(422, "too_many", f"At most {MOST_AT_ONCE} notices are answered at once.")
        try:
            answer = read_answer(answer_fields(form))
        except NotThatWay as error:
            raise Refused(422, "incomplete", str(error)) from error
        nonce = f"{answer.answer}/{nonce_of(form)}"
        rows = []
        for one in wanted:
            reference, _, item_id = one.partition("/")
            found = await house.casebook.look(desk_pages.notice, viewer, reference, item_id or None)
            if found is None:
                raise HTTPException(404)
            rows.append((found, answer.model_copy(update={"item_id": item_id or None})))
        for page, about in rows:
            try:
                await give(
                    house,
                    viewer,
                    page,
                    about,
                    by=f"account:{viewer.account_id}",
                    nonce=f"{nonce}/{about.item_id or ''}",
                    way="page",
                )
            except KeyReused as error:
                raise Refused(
                    409, "answered_already", "This form was sent before: load the page again."
                ) from error
        return RedirectResponse(f"/inbox?said={answer.answer}&n={len(rows)}", 303)

    app.add_api_route("/notices/{reference}/answer", answer_one, methods=["POST"], include_in_schema=False)
    app.add_api_route("/inbox/answer", answer_many, methods=["POST"], include_in_schema=False)
