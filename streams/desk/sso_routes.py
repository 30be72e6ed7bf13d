"""Signing in through the organisation's own provider: there, and back again."""

import json
from typing import cast

import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from streams.desk.gate import EVERYONE, limited, local_path, open_to
from streams.desk.house import House
from streams.desk.limits import LINKS
from streams.desk.login_routes import Door
from streams.desk.sso.identity import Grant, Reason, SsoRefused, grant_of, subject_of
from streams.desk.sso.provider import LASTS, Begun, Provider, ProviderAway
from streams.notices.casebook import accounts, single_sign_on

log = structlog.get_logger()

WORDS: dict[Reason, str] = {
    "state": "That sign-in was begun elsewhere, was used, or took too long: begin again.",
    "code": "The provider did not let you in, or its answer was used before: begin again.",
    "email": "The provider does not say that your e-mail address is verified, so it cannot be your login.",
    "login": "The provider gives no login that can be used here: ask an administrator.",
    "no_role": "Nothing that the provider says of you gives you a role here: ask an administrator.",
    "login_taken": "There is an account of that login already, which is somebody else’s or has a password: "
    "ask an administrator.",
    "disabled": "This account is locked: ask an administrator.",
}
"""For people; what an attacker could learn from has the one sentence of :data:`NOT_RIGHT`."""
NOT_RIGHT = "What the provider said could not be trusted, so nobody was signed in: begin again."
AWAY = "Single sign-on does not answer: try again in a moment, or sign in with a password."


def sso_cookie(house: House) -> str:
    """The cookie of a sign-in under way."""
    return "__Host-takin-sso" if house.https else "takin-sso"


def register(app: FastAPI, house: House) -> None:
    """Add the pages; without a provider they are not there."""
    door = Door(house)

    def provider() -> Provider:
        if house.sso is None:
            raise HTTPException(404)
        return house.sso

    def no(request: Request, reason: str, words: str, status: int) -> Response:
        house.metrics.logins.labels("sso_refused").inc()
        log.info("sso_refused", reason=reason)
        page = door.form_page(request, "login.html", problem=words, status=status)
        page.delete_cookie(sso_cookie(house), path="/", secure=house.https, httponly=True)
        return page

    @open_to(EVERYONE)
    @limited(LINKS)
    async def begin(request: Request) -> Response:
        there = provider()
        try:
            address, begun = await there.begin(local_path(request.query_params.get("then", "/")))
        except ProviderAway as error:
            log.warning("sso_away", why=str(error))
            return no(request, "provider", AWAY, 503)
        response = RedirectResponse(address, 303)
        door.cookie(
            response,
            sso_cookie(house),
            house.keys.seal(begun.to_text()),
            seconds=int(LASTS.total_seconds()),
        )
        return response

    @open_to(EVERYONE)
    @limited(LINKS)
    async def back(request: Request) -> Response:
        there = provider()
        try:
            begun = _begun(house, request.cookies.get(sso_cookie(house), ""))
            claims = await there.finish(request.query_params, begun)
            try:
                grant = grant_of(claims, there.config)
            except SsoRefused:
                subject = subject_of(claims, there.config)
                await house.casebook.run(single_sign_on.turn_away, subject)
                raise
            return await let_in(grant, begun, trust_mfa=there.config.trust_mfa)
        except ProviderAway as error:
            log.warning("sso_away", why=str(error))
            return no(request, "provider", AWAY, 503)
        except SsoRefused as error:
            return no(request, error.reason, WORDS.get(error.reason, NOT_RIGHT), 403)

    async def let_in(grant: Grant, begun: Begun, *, trust_mfa: bool) -> Response:
        admitted = await house.casebook.run(
            single_sign_on.admit,
            subject=grant.subject,
            login=grant.login,
            name=grant.name,
            role=grant.role,
            platform=grant.platform,
            now=house.clock(),
        )
        account = admitted.account
        if account is None:
            raise SsoRefused(cast(Reason, admitted.why_not))
        asked = account.totp_secret is not None and not (trust_mfa and grant.mfa)
        if not asked:
            await house.casebook.run(accounts.forgive, account.login)
        house.metrics.logins.labels("code_asked" if asked else "sso").inc()
        response = await door.let_in(account, whole=not asked, then=begun.then)
        response.delete_cookie(sso_cookie(house), path="/", secure=house.https, httponly=True)
        return response

    app.add_api_route("/sso", begin, methods=["GET"], include_in_schema=False)
    app.add_api_route("/sso/back", back, methods=["GET"], include_in_schema=False)


def _begun(house: House, sealed: str) -> Begun:
    text = house.keys.open(sealed[:4_000]) if sealed.isascii() else None
    try:
        return Begun.from_text(text or "")
    except (json.JSONDecodeError, TypeError) as error:
        raise SsoRefused("state") from error
