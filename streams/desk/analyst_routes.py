"""The review queue: one case after the other, nobody twice on the same, each decision an act of the
notice service."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import uuid_utils
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from schemas.detection import Match
from schemas.notice import Quote
from streams.desk.gate import Form, Refused, open_to
from streams.desk.house import House
from streams.desk.inbox_routes import passages
from streams.desk.preview import Carried, Editor, carried, editor, read_edits, sealed, unsealed
from streams.notices import acts
from streams.notices.casebook import accounts, desk_lists, desk_pages
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.offsets import take_lease
from streams.notices.casebook.review import find_case
from streams.notices.casebook.viewer import Viewer
from streams.notices.editing import offered
from streams.notices.handlers.drafting import Draft

HOLD = timedelta(minutes=20)
"""So long a case is one person's; each page of it begins the time anew."""
REVIEWERS = ("analyst", "lead")
SAID = {
    "approved": "Approved: the notice is queued.",
    "dismissed": "Dismissed.",
    "merged": "Merged: the other case goes on.",
    "released": "Let go.",
    "none": "Nothing is free just now.",
}


class NotYours(Exception):
    """Somebody else has the case in hand, or nobody may decide it any more."""


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""

    @open_to(*REVIEWERS)
    async def queue(request: Request, order: str = "risk") -> Response:
        viewer, now = request.state.viewer, house.clock()
        values = {
            "lines": await house.casebook.look(
                desk_lists.review_queue, viewer, now=now, by_risk=order != "age", limit=50
            ),
            "count": await house.casebook.look(desk_lists.review_count, viewer),
            "order": "age" if order == "age" else "risk",
            "now": now,
            "said": SAID.get(request.query_params.get("said", "")),
        }
        return house.pages.html("review.html", request, values)

    @open_to(*REVIEWERS)
    async def following(request: Request) -> Response:
        return await _go_on(house, request, said=None)

    @open_to(*REVIEWERS)
    async def show(request: Request, case_id: str) -> Response:
        return await _case(house, request, case_id)

    async def decided(request: Request, case_id: str, act: Any, said: str) -> Response:
        try:
            await house.casebook.run(act)
        except acts.ActRefused as error:
            return await _case(house, request, case_id, problem=error.text)
        except NotYours:
            return await _case(
                house, request, case_id, problem="You no longer have this case in hand: take it again."
            )
        return await _go_on(house, request, said=said)

    @open_to(*REVIEWERS)
    async def approve(request: Request, case_id: str) -> Response:
        if house.acts is None:
            raise Refused(409, "no_platforms", "The desk was started without a platforms file.")
        viewer, now, desk, form = request.state.viewer, house.clock(), house.acts, request.state.form
        edits, seen = read_edits(form), unsealed(house.keys, form.one("preview"), case_id, now=now)

        def act(tx: Transaction) -> None:
            _in_hand(tx, viewer, case_id, now=now)
            if seen is None:
                raise acts.ActRefused("stale_preview", await_look(tx))
            acts.approve(tx, case_id, desk, by=viewer.login, now=now, edits=edits, seen=seen)
            desk_lists.release(tx, case_id, viewer.login)

        def await_look(tx: Transaction) -> str:
            found = acts.preview(
                tx, case_id, desk, by=viewer.login, notice_id=_new_id(), now=now, edits=edits
            )
            if found.why_not is not None:
                return f"No notice can be written: {found.why_not}."
            return (
                "What is sent is what was shown, and that was too long ago: look at the notice, then approve."
            )

        return await decided(request, case_id, act, "approved")

    @open_to(*REVIEWERS)
    async def preview(request: Request, case_id: str) -> Response:
        if not request.headers.get("hx-request"):
            return await _case(house, request, case_id)
        if await house.casebook.look(desk_pages.status, request.state.viewer, case_id) is None:
            raise HTTPException(404)
        shown = await _shown(house, request, case_id)
        return house.pages.html("preview.html", request, {"shown": shown})

    @open_to(*REVIEWERS)
    async def dismiss(request: Request, case_id: str) -> Response:
        viewer, now, reason = request.state.viewer, house.clock(), request.state.form.one("reason")

        def act(tx: Transaction) -> None:
            _in_hand(tx, viewer, case_id, now=now)
            acts.dismiss(tx, case_id, by=viewer.login, reason=reason, now=now)
            desk_lists.release(tx, case_id, viewer.login)

        return await decided(request, case_id, act, "dismissed")

    @open_to(*REVIEWERS)
    async def merge(request: Request, case_id: str) -> Response:
        viewer, now, form = request.state.viewer, house.clock(), request.state.form
        named = form.one("other").strip() or form.one("into")

        def act(tx: Transaction) -> None:
            _in_hand(tx, viewer, case_id, now=now)
            into = find_case(tx, named)
            if into is None or desk_pages.status(tx, viewer, into) is None:
                raise acts.ActRefused(
                    "unknown", "There is no such case: give its id, or its notice's reference."
                )
            acts.merge(tx, case_id, into, by=viewer.login, reason=form.one("reason"), now=now)
            desk_lists.release(tx, case_id, viewer.login)

        return await decided(request, case_id, act, "merged")

    @open_to(*REVIEWERS)
    async def release(request: Request, case_id: str) -> Response:
        await house.casebook.run(desk_lists.release, case_id, request.state.viewer.login)
        return RedirectResponse("/review?said=released", 303)

    for path, endpoint, method in (
        ("/review", queue, "GET"),
        ("/review/next", following, "POST"),
        ("/review/{case_id}", show, "GET"),
        ("/review/{case_id}/preview", preview, "POST"),
        ("/review/{case_id}/approve", approve, "POST"),
        ("/review/{case_id}/dismiss", dismiss, "POST"),
        ("/review/{case_id}/merge", merge, "POST"),
        ("/review/{case_id}/release", release, "POST"),
    ):
        app.add_api_route(path, endpoint, methods=[method], include_in_schema=False)


def _in_hand(tx: Transaction, viewer: Viewer, case_id: str, *, now: datetime) -> None:
    """Make sure, in the transaction that decides, that the case is this person's and one they may see."""
    if desk_pages.status(tx, viewer, case_id) is None:
        raise NotYours
    if not take_lease(tx, desk_lists.review_lease(case_id), viewer.login, now=now, hold_for=HOLD):
        raise NotYours


async def _go_on(house: House, request: Request, *, said: str | None) -> Response:
    """Take the next free case and show it."""
    order = "age" if request.state.form.one("order") == "age" else "risk"
    case_id = await house.casebook.run(
        _take_next, request.state.viewer, by_risk=order == "risk", now=house.clock()
    )
    where = f"/review/{case_id}" if case_id else "/review"
    query = {"order": order, **({"said": said or "none"} if said or not case_id else {})}
    return RedirectResponse(f"{where}?{urlencode(query)}", 303)


def _take_next(tx: Transaction, viewer: Viewer, *, by_risk: bool, now: datetime) -> str | None:
    """Hold the first free case for this person; those that somebody took meanwhile are passed over."""
    free = desk_lists.review_queue(tx, viewer, now=now, free_for=viewer.login, by_risk=by_risk, limit=20)
    for one in free:
        if take_lease(tx, desk_lists.review_lease(one.case_id), viewer.login, now=now, hold_for=HOLD):
            return one.case_id
    return None


@dataclass(frozen=True, slots=True)
class _Held:
    mine: bool
    holder: str | None


def _take(tx: Transaction, viewer: Viewer, case_id: str, *, now: datetime) -> _Held:
    """Hold a case that is opened by its address, if it is free and waits for a person."""
    if desk_pages.status(tx, viewer, case_id) != "review":
        return _Held(False, None)
    name = desk_lists.review_lease(case_id)
    if take_lease(tx, name, viewer.login, now=now, hold_for=HOLD):
        return _Held(True, viewer.login)
    return _Held(False, desk_lists.holder(tx, case_id))


async def _case(house: House, request: Request, case_id: str, *, problem: str | None = None) -> Response:
    viewer, now = request.state.viewer, house.clock()
    found = await house.casebook.look(desk_pages.case, viewer, case_id)
    if found is None or found.detection is None:
        raise HTTPException(404)
    held = await house.casebook.run(_take, viewer, case_id, now=now)
    await house.casebook.run(accounts.log_access, viewer, act="review", subject=case_id, now=now)
    sent = [event for event in found.events if event.type == "sent_to_review"]
    values = {
        "case": found,
        "passages": passages(
            found.detection.listing, tuple(_as_quote(match) for match in found.detection.matches)
        ),
        "held": held.mine,
        "holder": held.holder,
        "problem": problem,
        "said": SAID.get(request.query_params.get("said", "")),
        "order": "age" if request.query_params.get("order") == "age" else "risk",
        "why": sent[-1].data.get("why") if sent else None,
        "minutes": int(HOLD.total_seconds() // 60),
        "can_approve": house.acts is not None,
        "shown": await _shown(house, request, case_id) if held.mine else None,
    }
    return house.pages.html("review_case.html", request, values, status=422 if problem else 200)


@dataclass(frozen=True, slots=True)
class _Shown:
    """The notice as it would go, beside the form that changes it."""

    draft: Draft | None
    """``None``: it cannot be drafted at all."""
    why_not: str | None
    carried: Carried | None
    editor: Editor | None
    seal: str | None
    """Of what can be sent as it is shown."""


async def _shown(house: House, request: Request, case_id: str) -> _Shown:
    """The notice with what the form changes in it."""
    if house.acts is None:
        return _Shown(None, None, None, None, None)
    now, form = house.clock(), getattr(request.state, "form", Form(()))
    edits, notice_id = read_edits(form), _new_id()
    by = request.state.viewer.login
    try:
        drafted = await house.casebook.look(
            acts.preview, case_id, house.acts, by=by, notice_id=notice_id, now=now, edits=edits
        )
    except acts.ActRefused as error:
        return _Shown(None, error.text, None, None, None)
    fields = seal = None
    if drafted.as_written is not None:
        platform = house.acts.platforms[drafted.as_written.addressee.platform]
        fields = editor(drafted.as_written, edits, offered(house.acts.law, platform), now=now)
    if drafted.why_not is None and drafted.sha256 is not None:
        seal = sealed(house.keys, case_id, acts.Preview(notice_id, now, drafted.sha256))
    return _Shown(drafted, drafted.why_not, carried(drafted), fields, seal)


def _new_id() -> str:
    return str(uuid_utils.uuid7())


def _as_quote(match: Match) -> Quote:
    return Quote(
        field=match.field,
        start=match.start,
        end=match.end,
        text=match.quote,
        meaning=match.term,
        disguised=match.disguised,
    )
