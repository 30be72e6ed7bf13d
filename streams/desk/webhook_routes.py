"""Where a platform is notified: its own people look, change it where they may, and try it out."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from streams.desk.gate import limited, open_to
from streams.desk.house import House
from streams.desk.limits import TESTS
from streams.desk.outlets import WHAT, Standing, WebhookDesk
from streams.notices import acts
from streams.notices.acts import webhooks as changes
from streams.notices.casebook.webhooks import Test

WHO = ("platform", "admin")
DONE: dict[str, tuple[str, Callable[..., None]]] = {
    "use": ("Notices go there from now on, also those that wait already.", changes.use_address),
    "drop": ("The proposed address is given up.", changes.give_up_address),
    "return": ("Notices go to the operator’s address again.", changes.return_address),
    "drop-secret": ("The new secret is given up: it signs no more.", changes.give_up_secret),
    "end-old": ("The old secrets sign no more.", changes.end_old_secrets),
}
"""What one button does, and what is said after."""
WHY = {
    "accepted": "taken",
    "timeout": "no complete answer came in time",
    "connect": "no connection could be made",
    "reset": "the connection broke off",
    "server_error": "your server broke",
    "throttled": "your server asked us to wait",
    "bad_reply": "the answer is none of the contract’s: 202 with reference and received_at is asked for",
    "clock": "the signature looked too old or too new: a clock is wrong",
    "no_secret": "the secret cannot be read here: tell the operator",
    "invalid": "your server did not take it for a test: see the contract, NoticeTest",
    "unauthorised": "the signature did not hold: is the secret in place?",
    "not_found": "there is no desk API under this address",
    "conflict": "your server says that it knows the test’s key already",
    "redirect": "your server sent us elsewhere; we do not follow",
    "refused": "it was refused: the address is not public, or its server does not want it",
}


def webhook_desk(house: House) -> WebhookDesk:
    """What answers here.

    Raises:
        HTTPException: 404, where the desk was given no platforms file.
    """
    if house.outlets is None:
        raise HTTPException(404)
    return WebhookDesk(house.casebook, house.keys, house.outlets, house.clock)


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""

    async def found(request: Request, platform: str) -> Standing:
        standing = await webhook_desk(house).standing(request.state.viewer, platform)
        if standing is None:
            raise HTTPException(404)
        return standing

    async def page(
        request: Request,
        standing: Standing,
        *,
        problem: str | None = None,
        secret: SecretStr | None = None,
        tried: tuple[str, Test] | None = None,
        typed: str = "",
        status: int = 200,
    ) -> Response:
        values: dict[str, Any] = {
            "standing": standing,
            "settings": standing.settings,
            "signing": standing.signing,
            "problem": problem,
            "secret": secret.get_secret_value() if secret is not None else None,
            "tried": tried,
            "typed": typed[:500],
            "said": DONE.get(request.query_params.get("said", ""), ("",))[0],
            "why": WHY,
            "now": house.clock(),
            "overlaps": [int(one.total_seconds() // 3_600) for one in changes.OVERLAPS],
            "fresh": changes.PROOF_LASTS,
        }
        return house.pages.html("webhook.html", request, values, status=status)

    async def refused(request: Request, platform: str, error: acts.ActRefused, typed: str = "") -> Response:
        status = 429 if error.reason == "too_much" else 422 if error.reason == "address" else 409
        return await page(
            request, await found(request, platform), problem=error.text, typed=typed, status=status
        )

    @open_to(*WHO)
    async def every(request: Request) -> Response:
        viewer = request.state.viewer
        if viewer.role == "platform":
            return await show(request, viewer.platform)
        outlets = house.outlets.platforms if house.outlets is not None else {}
        return house.pages.html("webhooks.html", request, {"outlets": sorted(outlets.items())})

    @open_to(*WHO)
    async def show(request: Request, platform: str) -> Response:
        return await page(request, await found(request, platform))

    @open_to(*WHO)
    async def propose(request: Request, platform: str) -> Response:
        await found(request, platform)
        typed = request.state.form.one("address")
        try:
            await webhook_desk(house).propose(request.state.viewer, platform, typed)
        except acts.ActRefused as error:
            return await refused(request, platform, error, typed)
        return RedirectResponse(f"/webhook/{platform}#next", 303)

    @open_to(*WHO)
    @limited(TESTS)
    async def test(request: Request, platform: str) -> Response:
        standing = await found(request, platform)
        what = request.state.form.one("what", "now")
        try:
            tried = await webhook_desk(house).try_out(
                request.state.viewer, standing, what if what in WHAT else "now"
            )
        except acts.ActRefused as error:
            return await refused(request, platform, error)
        return await page(request, await found(request, platform), tried=(what, tried))

    @open_to(*WHO)
    async def make_secret(request: Request, platform: str) -> Response:
        await found(request, platform)
        hours = request.state.form.one("hours")
        overlap = timedelta(hours=int(hours)) if hours in ("1", "24", "168") else timedelta(0)
        try:
            secret = await webhook_desk(house).make_secret(request.state.viewer, platform, overlap)
        except acts.ActRefused as error:
            return await refused(request, platform, error)
        return await page(request, await found(request, platform), secret=secret)

    @open_to(*WHO)
    async def change(request: Request, platform: str, what: str) -> Response:
        await found(request, platform)
        if what not in DONE:
            raise HTTPException(404)
        try:
            await webhook_desk(house).act(request.state.viewer, platform, DONE[what][1])
        except acts.ActRefused as error:
            return await refused(request, platform, error)
        return RedirectResponse(f"/webhook/{platform}?said={what}", 303)

    for path, endpoint, method in (
        ("/webhook", every, "GET"),
        ("/webhook/{platform}", show, "GET"),
        ("/webhook/{platform}/address", propose, "POST"),
        ("/webhook/{platform}/test", test, "POST"),
        ("/webhook/{platform}/secret", make_secret, "POST"),
        ("/webhook/{platform}/{what}", change, "POST"),
    ):
        app.add_api_route(path, endpoint, methods=[method], include_in_schema=False)
