"""API tokens of a platform, and the page for its engineers."""

import json
import secrets
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from streams.desk.examples import ANSWER, VERIFY
from streams.desk.gate import SIGNED_IN, Refused, open_to
from streams.desk.house import House
from streams.notices.casebook import accounts


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""

    async def show(request: Request, **more: Any) -> Response:
        found = await house.casebook.look(accounts.tokens, request.state.viewer)
        values = {"tokens": found, "made": None, **more}
        return house.pages.html("tokens.html", request, values)

    @open_to("platform")
    async def tokens(request: Request) -> Response:
        return await show(request)

    @open_to("platform")
    async def make(request: Request) -> Response:
        name = request.state.form.one("name").strip()
        if not 1 <= len(name) <= 64:
            raise Refused(
                422, "no_name", "Give the token a name of 1 to 64 characters, so that you know it again."
            )
        token = f"tkd_{secrets.token_urlsafe(32)}"
        await house.casebook.run(
            accounts.add_token, request.state.viewer, token=token, name=name, now=house.clock()
        )
        return await show(request, made=token)

    @open_to("platform")
    async def revoke(request: Request, token_id: str) -> Response:
        done = await house.casebook.run(
            accounts.revoke_token, request.state.viewer, token_id, now=house.clock()
        )
        if not done:
            raise HTTPException(404)
        return RedirectResponse("/tokens", 303)

    @open_to(*SIGNED_IN)
    async def engineers(request: Request) -> Response:
        values = {
            "verify": VERIFY,
            "base": house.links.base,
            "answer": json.dumps(ANSWER, indent=2),
        }
        return house.pages.html("engineers.html", request, values)

    app.add_api_route("/tokens", tokens, methods=["GET"], include_in_schema=False)
    app.add_api_route("/tokens", make, methods=["POST"], include_in_schema=False)
    app.add_api_route("/tokens/{token_id}/revoke", revoke, methods=["POST"], include_in_schema=False)
    app.add_api_route("/engineers", engineers, methods=["GET"], include_in_schema=False)
