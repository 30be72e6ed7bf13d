"""The desk as an application: every route with the gate before it."""

from http import HTTPStatus
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from streams.desk import (
    account_routes,
    analyst_routes,
    answer_routes,
    api_routes,
    board_routes,
    case_routes,
    delivery_routes,
    frozen_routes,
    hold_routes,
    inbox_routes,
    login_routes,
    overdue_routes,
    quality_routes,
    question_routes,
    reply_routes,
    report_routes,
    rules_routes,
    sso_routes,
    static_routes,
    token_routes,
    triage_routes,
    watchlist_routes,
    webhook_api,
    webhook_routes,
)
from streams.desk.gate import NotSignedIn, Refused, TooOften, login_address, make_gate
from streams.desk.house import House
from streams.desk.middleware import Wrapping
from streams.notices.casebook.database import CasebookUnavailable

AREAS = (
    static_routes,
    login_routes,
    sso_routes,
    account_routes,
    inbox_routes,
    answer_routes,
    reply_routes,
    token_routes,
    board_routes,
    overdue_routes,
    frozen_routes,
    case_routes,
    analyst_routes,
    hold_routes,
    quality_routes,
    triage_routes,
    watchlist_routes,
    rules_routes,
    report_routes,
    api_routes,
    delivery_routes,
    webhook_routes,
    webhook_api,
    question_routes,
)
"""Modules with a ``register(app, house)`` that adds their routes."""


def desk_app(house: House) -> FastAPI:
    """All pages and the API."""
    app = FastAPI(
        title="Takin desk API",
        version="1",
        description=api_routes.DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(make_gate(house))],
    )
    for area in AREAS:
        area.register(app, house)
    _handle_errors(app, house)
    app.add_middleware(Wrapping, metrics=house.metrics, https=house.https)
    return app


def _handle_errors(app: FastAPI, house: House) -> None:
    def no(request: Request, status: int, code: str, message: str, **more: Any) -> Response:
        if request.url.path.startswith("/api/"):
            headers = {"www-authenticate": "Bearer"} if status == 401 else None
            return JSONResponse({"code": code, "message": message, **more}, status, headers)
        title = HTTPStatus(status).phrase
        return house.pages.html("message.html", request, {"title": title, "message": message}, status=status)

    @app.exception_handler(NotSignedIn)
    async def not_signed_in(request: Request, error: NotSignedIn) -> Response:
        if request.headers.get("hx-request"):
            # A fragment would put the login page into a corner of this one.
            return Response(status_code=204, headers={"hx-redirect": login_address(error.then)})
        return RedirectResponse("/login/code" if error.code else login_address(error.then), 303)

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        answer = no(request, error.status, error.code, error.message)
        if isinstance(error, TooOften):
            answer.headers["retry-after"] = str(error.wait_s)
        return answer

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return no(request, 404, "not_found", "There is no such page, or it is not yours to see.")
        phrase = HTTPStatus(error.status_code).phrase
        return no(request, error.status_code, phrase.lower().replace(" ", "_"), f"{phrase}.")

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        problems = [
            {"path": "/" + "/".join(str(part) for part in one["loc"]), "message": str(one["msg"])}
            for one in error.errors()
        ]
        return no(request, 422, "invalid", "The request is not as the API expects it.", problems=problems)

    @app.exception_handler(CasebookUnavailable)
    async def away(request: Request, _: CasebookUnavailable) -> Response:
        return no(
            request, 503, "unavailable", "The casebook does not answer: nothing was changed; try again."
        )
