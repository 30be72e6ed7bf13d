"""The week's sample before another person, and what the samples say of each rule."""

from datetime import datetime

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from streams.desk.gate import Refused, open_to
from streams.desk.house import House
from streams.notices import acts
from streams.notices.casebook import sampling
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.sampling import WEEK, Week
from streams.reports import quality

CHECKERS = ("analyst", "lead")
WEEKS = 13
"""The figures are of the verdicts of so many weeks."""


def register(app: FastAPI, house: House) -> None:
    """Add the page and what is done on it."""

    def week_asked(name: str, now: datetime) -> Week:
        last = sampling.week_of(now - WEEK)
        found = sampling.week_named(name) if name else last
        if found is None or found.since > last.since:
            raise Refused(422, "bad_week", f"Name a week that is over, such as {last.name}.")
        return found

    async def page(request: Request, week: Week, problem: str | None = None) -> Response:
        viewer, now = request.state.viewer, house.clock()
        verdicts = await house.casebook.look(sampling.verdicts, since=now - WEEKS * WEEK)
        values = {
            "week": week,
            "before": sampling.week_of(week.since - WEEK),
            "after": sampling.week_of(week.until) if week.until + WEEK <= now else None,
            "sample": await house.casebook.look(sampling.sample, viewer, week),
            "figures": quality.by_rule(verdicts),
            "weeks": WEEKS,
            "problem": problem,
            "same_person": acts.same_person,
            "said": "Recorded." if request.query_params.get("said") == "checked" else None,
        }
        return house.pages.html("quality.html", request, values, status=422 if problem else 200)

    @open_to(*CHECKERS)
    async def show(request: Request, week: str = "") -> Response:
        return await page(request, week_asked(week, house.clock()))

    @open_to(*CHECKERS)
    async def check(request: Request, week: str, notice_id: str) -> Response:
        viewer, now, form = request.state.viewer, house.clock(), request.state.form
        wanted = week_asked(week, now)
        if form.one("verdict") not in ("right", "wrong"):
            return await page(request, wanted, "Say whether the notice was right or wrong.")
        right = form.one("verdict") == "right"

        def act(tx: Transaction) -> None:
            reason = form.one("reason")
            acts.check_quality(tx, viewer, wanted, notice_id, right=right, reason=reason, now=now)

        try:
            await house.casebook.run(act)
        except acts.ActRefused as error:
            return await page(request, wanted, error.text)
        return RedirectResponse(f"/quality?week={wanted.name}&said=checked", 303)

    app.add_api_route("/quality", show, methods=["GET"], include_in_schema=False)
    app.add_api_route("/quality/{week}/{notice_id}", check, methods=["POST"], include_in_schema=False)
