"""Periods that are frozen, and freezing one."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from schemas.errors import OperatorError
from streams.desk.board_routes import FORMS, OFFICERS
from streams.desk.gate import Refused, open_to
from streams.desk.house import House
from streams.desk.period import named
from streams.reports.period import over

FREEZERS = ("officer", "lead")


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""

    @open_to(*OFFICERS)
    async def frozen(request: Request) -> Response:
        kept = await house.board.frozen_periods()
        taken = {one.period for one in kept}
        values = {
            "kept": kept,
            "forms": tuple(FORMS),
            "open": [name for name in over(house.clock()) if name not in taken],
            "may": request.state.viewer.role in FREEZERS,
            "fresh": request.query_params.get("fresh", "")[:40],
        }
        return house.pages.html("frozen.html", request, values)

    @open_to(*FREEZERS)
    async def freeze(request: Request) -> Response:
        form, viewer = request.state.form, request.state.viewer
        period = named(form.one("period")[:40])
        if form.one("sure") != "yes":
            raise Refused(
                422, "not_sure", "Nothing was frozen: say that you know it cannot be done again. Go back."
            )
        try:
            await house.board.freeze(period, by=viewer.login)
        except OperatorError as error:
            raise Refused(409, "not_frozen", str(error)) from error
        return RedirectResponse(f"/board/frozen?fresh={period.name}", 303)

    app.add_api_route("/board/frozen", frozen, methods=["GET"], include_in_schema=False)
    app.add_api_route("/board/frozen", freeze, methods=["POST"], include_in_schema=False)
