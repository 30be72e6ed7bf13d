"""Holds ("do not take down yet"): one person asks, another confirms, and each ends at its expiry."""

from collections.abc import Callable
from datetime import datetime, timedelta

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from streams.desk.gate import open_to
from streams.desk.house import House
from streams.notices import acts
from streams.notices.acts.holds import LONGEST_HOLD
from streams.notices.casebook import desk_holds, desk_lists, desk_pages
from streams.notices.casebook.database import Transaction

HOLDERS = ("analyst", "lead")
SHOWN = 200
"""Holds on the page at most; the command line lists every one."""
SAID = {
    "asked": "Asked for. It is not in force: another person has to confirm it.",
    "confirmed": "The hold is in force: nothing is sent about the case.",
    "ended": "The hold has ended: what waited goes on.",
}


def hours_given(text: str) -> timedelta:
    """How long a hold is asked for, from a form.

    Raises:
        ActRefused: it is no whole number of hours, or longer than a hold may be.
    """
    longest = int(LONGEST_HOLD.total_seconds() // 3600)
    written = text.strip()
    if written.isascii() and written.isdigit() and len(written) < 6 and 1 <= int(written) <= longest:
        return timedelta(hours=int(written))
    raise acts.ActRefused("expired", f"Say for how many hours: a whole number from 1 to {longest}.")


def register(app: FastAPI, house: House) -> None:
    """Add the page and what is done on it."""

    async def page(request: Request, problem: str | None = None) -> Response:
        viewer, now = request.state.viewer, house.clock()
        found = await house.casebook.look(desk_holds.open_holds, viewer, limit=SHOWN + 1)
        values = {
            "lines": found[:SHOWN],
            "more": len(found) > SHOWN,
            "now": now,
            "problem": problem,
            "same_person": acts.same_person,
            "said": SAID.get(request.query_params.get("said", "")),
        }
        return house.pages.html("holds.html", request, values, status=422 if problem else 200)

    async def done(
        request: Request, case_id: str, act: Callable[[Transaction, datetime], object], said: str
    ) -> Response:
        viewer, now = request.state.viewer, house.clock()

        def whole(tx: Transaction) -> bool:
            if desk_pages.status(tx, viewer, case_id) is None:
                return False
            act(tx, now)
            return True

        try:
            there = await house.casebook.run(whole)
        except acts.ActRefused as error:
            return await page(request, error.text)
        if not there:
            raise HTTPException(404)
        return RedirectResponse(f"/holds?said={said}", 303)

    @open_to(*HOLDERS)
    async def show(request: Request) -> Response:
        return await page(request)

    @open_to(*HOLDERS)
    async def ask(request: Request, case_id: str) -> Response:
        login, form = request.state.viewer.login, request.state.form

        def act(tx: Transaction, now: datetime) -> None:
            ends = now + hours_given(form.one("hours"))
            acts.ask_hold(tx, case_id, by=login, reason=form.one("reason"), expires_at=ends, now=now)
            # Whoever asks has nothing more to decide: the second person may take the case up.
            desk_lists.release(tx, case_id, login)

        return await done(request, case_id, act, "asked")

    @open_to(*HOLDERS)
    async def confirm(request: Request, case_id: str) -> Response:
        login = request.state.viewer.login
        return await done(
            request, case_id, lambda tx, now: acts.confirm_hold(tx, case_id, by=login, now=now), "confirmed"
        )

    @open_to(*HOLDERS)
    async def end(request: Request, case_id: str) -> Response:
        login = request.state.viewer.login
        return await done(
            request, case_id, lambda tx, now: acts.release_hold(tx, case_id, by=login, now=now), "ended"
        )

    for path, endpoint, method in (
        ("/holds", show, "GET"),
        ("/cases/{case_id}/hold", ask, "POST"),
        ("/cases/{case_id}/hold/confirm", confirm, "POST"),
        ("/cases/{case_id}/hold/release", end, "POST"),
    ):
        app.add_api_route(path, endpoint, methods=[method], include_in_schema=False)
