"""Signing in and out."""

import asyncio
import secrets
from datetime import timedelta
from urllib.parse import quote

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from streams.desk import passwords
from streams.desk.gate import (
    EVERYONE,
    LASTS,
    SIGNED_IN,
    check_form,
    form_cookie,
    local_path,
    open_to,
    session_cookie,
    visitor_address,
)
from streams.desk.house import House
from streams.notices.casebook import accounts
from streams.notices.casebook.accounts import Account

WINDOW = timedelta(minutes=15)
PER_LOGIN = 5
PER_ADDRESS = 30
"""Failures in the window after which nobody gets in from there."""

HOME = {
    "platform": "/inbox",
    "analyst": "/review",
    "lead": "/review",
    "officer": "/board",
    "auditor": "/board",
    "admin": "/access",
}
WRONG = "Login or password is wrong."
TOO_MANY = "Too many failed attempts: wait 15 minutes, or ask an administrator for a new password."


class Door:
    """What lets people in, by whatever way they came."""

    def __init__(self, house: House) -> None:
        self.house = house

    def cookie(self, response: Response, name: str, value: str, *, seconds: int | None = None) -> None:
        response.set_cookie(
            name, value, max_age=seconds, path="/", secure=self.house.https, httponly=True, samesite="lax"
        )

    def form_page(
        self,
        request: Request,
        template: str,
        *,
        problem: str | None,
        status: int = 200,
        sign_out: str | None = None,
    ) -> Response:
        """A form before the login; it needs a cookie and a token made from it."""
        house = self.house
        cookie = request.cookies.get(form_cookie(house)) or secrets.token_urlsafe(24)
        values = {
            "problem": problem,
            "sign_out": sign_out,
            "then": local_path(request.query_params.get("then", "/")),
            "form_token": house.keys.form_token(cookie),
            "sso": house.sso.config.name if house.sso is not None else None,
        }
        page = house.pages.html(template, request, values, status=status)
        self.cookie(page, form_cookie(house), cookie)
        return page

    def check(self, request: Request) -> None:
        cookie = request.cookies.get(form_cookie(self.house), "")
        check_form(request, request.state.form, self.house.keys.form_token(cookie) if cookie else "-")

    async def let_in(self, account: Account, *, whole: bool, then: str) -> Response:
        house = self.house
        token = secrets.token_urlsafe(32)
        await house.casebook.run(
            accounts.open_session,
            account.account_id,
            token=token,
            csrf=secrets.token_urlsafe(24),
            whole=whole,
            now=house.clock(),
            last_s=LASTS.total_seconds() if whole else 300.0,
        )
        where = then if whole else f"/login/code?then={quote(then, safe='/')}"
        if whole and then == "/":
            where = HOME[account.role]
        response = RedirectResponse(where, 303)
        self.cookie(response, session_cookie(house), token)
        return response

    async def attempt(self, login: str, address: str) -> int | None:
        """Count a try; ``None``: there were too many, at this desk and any beside it."""
        now = self.house.clock()
        return await self.house.casebook.run(
            accounts.attempt,
            login=login,
            address=address,
            now=now,
            since=now - WINDOW,
            per_login=PER_LOGIN,
            per_address=PER_ADDRESS,
        )


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""
    door = Door(house)

    @open_to(EVERYONE)
    async def home(request: Request) -> Response:
        viewer = request.state.viewer
        return RedirectResponse(HOME[viewer.role] if viewer else "/login", 303)

    @open_to(EVERYONE)
    async def login_page(request: Request) -> Response:
        if request.state.viewer is not None:
            return RedirectResponse(HOME[request.state.viewer.role], 303)
        out = None
        if house.sso is not None and "out" in request.query_params:
            out = await house.sso.sign_out_address()
        return door.form_page(request, "login.html", problem=None, sign_out=out)

    @open_to(EVERYONE)
    async def login(request: Request) -> Response:
        door.check(request)
        form = request.state.form
        name = form.one("login").strip().lower()[:128]
        tried = await door.attempt(name, visitor_address(request))
        if tried is None:
            house.metrics.logins.labels("blocked").inc()
            return door.form_page(request, "login.html", problem=TOO_MANY, status=429)
        account = await house.casebook.look(accounts.by_login, name)
        known = account is not None and account.state == "active"
        right = await asyncio.to_thread(
            passwords.holds,
            account.password_hash if account is not None and known else None,
            form.one("password"),
        )
        if account is None or not right:
            house.metrics.logins.labels("wrong").inc()
            return door.form_page(request, "login.html", problem=WRONG, status=401)
        if account.totp_secret is None:
            await house.casebook.run(accounts.forgive, name)
        else:
            await house.casebook.run(accounts.not_failed, tried)
        house.metrics.logins.labels("right" if account.totp_secret is None else "code_asked").inc()
        then = local_path(form.one("then", "/"))
        return await door.let_in(account, whole=account.totp_secret is None, then=then)

    @open_to(EVERYONE)
    async def code_page(request: Request) -> Response:
        if request.state.session is None or request.state.session.whole:
            return RedirectResponse("/login", 303)
        return door.form_page(request, "code.html", problem=None)

    @open_to(EVERYONE)
    async def code(request: Request) -> Response:
        door.check(request)
        session = request.state.session
        if session is None or session.whole:
            return RedirectResponse("/login", 303)
        account, form = session.account, request.state.form
        if await door.attempt(account.login, visitor_address(request)) is None:
            house.metrics.logins.labels("blocked").inc()
            return door.form_page(request, "code.html", problem=TOO_MANY, status=429)
        secret = house.keys.open(account.totp_secret or "")
        step = passwords.step_of(secret, form.one("code"), house.clock()) if secret else None
        if step is None or not await house.casebook.run(accounts.use_code, account.account_id, step):
            house.metrics.logins.labels("wrong_code").inc()
            return door.form_page(
                request,
                "code.html",
                problem="That code is wrong, used or too old: take the next one.",
                status=401,
            )
        await house.casebook.run(accounts.forgive, account.login)
        await house.casebook.run(accounts.end_session, request.cookies[session_cookie(house)])
        house.metrics.logins.labels("right").inc()
        return await door.let_in(account, whole=True, then=local_path(form.one("then", "/")))

    @open_to(*SIGNED_IN)
    async def logout(request: Request) -> Response:
        await house.casebook.run(accounts.end_session, request.cookies[session_cookie(house)])
        # The page behind it links to the provider's own end of a session: a form may lead nowhere else.
        response = RedirectResponse("/login" if house.sso is None else "/login?out=1", 303)
        response.delete_cookie(session_cookie(house), path="/", secure=house.https, httponly=True)
        return response

    for path, endpoint, method in (
        ("/", home, "GET"),
        ("/login", login_page, "GET"),
        ("/login", login, "POST"),
        ("/login/code", code_page, "GET"),
        ("/login/code", code, "POST"),
        ("/logout", logout, "POST"),
    ):
        app.add_api_route(path, endpoint, methods=[method], include_in_schema=False)
