"""Signing in and out, one's own account, the access log."""

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
    Refused,
    check_form,
    form_cookie,
    local_path,
    open_to,
    session_cookie,
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


class _Accounts:
    def __init__(self, house: House) -> None:
        self.house = house

    def cookie(self, response: Response, name: str, value: str, *, seconds: int | None = None) -> None:
        response.set_cookie(
            name, value, max_age=seconds, path="/", secure=self.house.https, httponly=True, samesite="lax"
        )

    def form_page(self, request: Request, template: str, *, problem: str | None, status: int = 200) -> Response:
        """A form before the login; it needs a cookie and a token made from it."""
        house = self.house
        cookie = request.cookies.get(form_cookie(house)) or secrets.token_urlsafe(24)
        values = {
            "problem": problem,
            "then": local_path(request.query_params.get("then", "/")),
            "form_token": house.keys.form_token(cookie),
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

    async def blocked(self, login: str, address: str) -> bool:
        by_login, by_address = await self.house.casebook.look(
            accounts.failures, login=login, address=address, since=self.house.clock() - WINDOW
        )
        return by_login >= PER_LOGIN or by_address >= PER_ADDRESS


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""
    desk = _Accounts(house)

    @open_to(EVERYONE)
    async def home(request: Request) -> Response:
        viewer = request.state.viewer
        return RedirectResponse(HOME[viewer.role] if viewer else "/login", 303)

    @open_to(EVERYONE)
    async def login_page(request: Request) -> Response:
        if request.state.viewer is not None:
            return RedirectResponse(HOME[request.state.viewer.role], 303)
        return desk.form_page(request, "login.html", problem=None)

    @open_to(EVERYONE)
    async def login(request: Request) -> Response:
        desk.check(request)
        form = request.state.form
        name = form.one("login").strip().lower()[:128]
        address = request.client.host if request.client else "unknown"
        if await desk.blocked(name, address):
            house.metrics.logins.labels("blocked").inc()
            return desk.form_page(request, "login.html", problem=TOO_MANY, status=429)
        account = await house.casebook.look(accounts.by_login, name)
        known = account is not None and account.state == "active"
        right = await asyncio.to_thread(
            passwords.holds,
            account.password_hash if account is not None and known else None,
            form.one("password"),
        )
        if account is None or not right:
            await house.casebook.run(accounts.failed, login=name, address=address, now=house.clock())
            house.metrics.logins.labels("wrong").inc()
            return desk.form_page(request, "login.html", problem=WRONG, status=401)
        if account.totp_secret is None:
            await house.casebook.run(accounts.forgive, name)
        house.metrics.logins.labels("right" if account.totp_secret is None else "code_asked").inc()
        then = local_path(form.one("then", "/"))
        return await desk.let_in(account, whole=account.totp_secret is None, then=then)

    @open_to(EVERYONE)
    async def code_page(request: Request) -> Response:
        if request.state.session is None or request.state.session.whole:
            return RedirectResponse("/login", 303)
        return desk.form_page(request, "code.html", problem=None)

    @open_to(EVERYONE)
    async def code(request: Request) -> Response:
        desk.check(request)
        session = request.state.session
        if session is None or session.whole:
            return RedirectResponse("/login", 303)
        account, form = session.account, request.state.form
        address = request.client.host if request.client else "unknown"
        if await desk.blocked(account.login, address):
            house.metrics.logins.labels("blocked").inc()
            return desk.form_page(request, "code.html", problem=TOO_MANY, status=429)
        secret = house.keys.open(account.totp_secret or "")
        step = passwords.step_of(secret, form.one("code"), house.clock()) if secret else None
        if step is None or not await house.casebook.run(accounts.use_code, account.account_id, step):
            await house.casebook.run(
                accounts.failed, login=account.login, address=address, now=house.clock()
            )
            house.metrics.logins.labels("wrong_code").inc()
            return desk.form_page(
                request, "code.html", problem="That code is wrong, used or too old: take the next one.", status=401
            )
        await house.casebook.run(accounts.forgive, account.login)
        await house.casebook.run(accounts.end_session, request.cookies[session_cookie(house)])
        house.metrics.logins.labels("right").inc()
        return await desk.let_in(account, whole=True, then=local_path(form.one("then", "/")))

    @open_to(*SIGNED_IN)
    async def logout(request: Request) -> Response:
        await house.casebook.run(accounts.end_session, request.cookies[session_cookie(house)])
        response = RedirectResponse("/login", 303)
        response.delete_cookie(session_cookie(house), path="/", secure=house.https, httponly=True)
        return response

    @open_to(*SIGNED_IN)
    async def account_page(request: Request) -> Response:
        return _own(house, request)

    @open_to(*SIGNED_IN)
    async def change_password(request: Request) -> Response:
        form, account = request.state.form, request.state.session.account
        if not passwords.holds(account.password_hash, form.one("old")):
            return _own(house, request, problem="The present password is wrong.", status=422)
        problem = passwords.problem(form.one("new"))
        if problem:
            return _own(house, request, problem=problem, status=422)
        hashed = passwords.hash_password(form.one("new"))
        await house.casebook.run(
            accounts.change, account.account_id, now=house.clock(), password_hash=hashed
        )
        return RedirectResponse("/login", 303)

    @open_to(*SIGNED_IN)
    async def start_codes(request: Request) -> Response:
        return _own(house, request, secret=passwords.new_secret())

    @open_to(*SIGNED_IN)
    async def use_codes(request: Request) -> Response:
        form, account = request.state.form, request.state.session.account
        secret = form.one("secret")
        if not passwords.holds(account.password_hash, form.one("password")):
            return _own(house, request, problem="The password is wrong.", secret=secret, status=422)
        try:
            step = passwords.step_of(secret, form.one("code"), house.clock())
        except ValueError as error:
            raise Refused(422, "bad_secret", "Start again: that is not the secret we showed.") from error
        if step is None:
            return _own(
                house, request, problem="That code is not of this secret: try again.", secret=secret, status=422
            )
        await house.casebook.run(
            accounts.change,
            account.account_id,
            now=house.clock(),
            totp_secret=house.keys.seal(secret),
            totp_step=step,
        )
        return RedirectResponse("/login", 303)

    @open_to("auditor", "admin", "lead")
    async def access(request: Request, before: int | None = None) -> Response:
        rows = await house.casebook.look(accounts.accesses, before=before, limit=101)
        values = {"rows": rows[:100], "more": rows[99].access_id if len(rows) > 100 else None}
        return house.pages.html("access.html", request, values)

    for path, endpoint, method in (
        ("/", home, "GET"),
        ("/login", login_page, "GET"),
        ("/login", login, "POST"),
        ("/login/code", code_page, "GET"),
        ("/login/code", code, "POST"),
        ("/logout", logout, "POST"),
        ("/account", account_page, "GET"),
        ("/account/password", change_password, "POST"),
        ("/account/codes/start", start_codes, "POST"),
        ("/account/codes", use_codes, "POST"),
        ("/access", access, "GET"),
    ):
        app.add_api_route(path, endpoint, methods=[method], include_in_schema=False)


def _own(
    house: House, request: Request, *, problem: str | None = None, secret: str | None = None, status: int = 200
) -> Response:
    account = request.state.session.account
    values = {
        "account": account,
        "problem": problem,
        "secret": secret,
        "address": passwords.address_for(secret, account.login) if secret else None,
    }
    return house.pages.html("account.html", request, values, status=status)
