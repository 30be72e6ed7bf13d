"""One's own account, and the log of who was shown what."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from streams.desk import passwords
from streams.desk.gate import SIGNED_IN, Refused, open_to
from streams.desk.house import House
from streams.notices.casebook import accounts


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""

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
        await house.casebook.run(accounts.change, account.account_id, now=house.clock(), password_hash=hashed)
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
                house,
                request,
                problem="That code is not of this secret: try again.",
                secret=secret,
                status=422,
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
        ("/account", account_page, "GET"),
        ("/account/password", change_password, "POST"),
        ("/account/codes/start", start_codes, "POST"),
        ("/account/codes", use_codes, "POST"),
        ("/access", access, "GET"),
    ):
        app.add_api_route(path, endpoint, methods=[method], include_in_schema=False)


def _own(
    house: House,
    request: Request,
    *,
    problem: str | None = None,
    secret: str | None = None,
    status: int = 200,
) -> Response:
    account = request.state.session.account
    values = {
        "account": account,
        "problem": problem,
        "secret": secret,
        "address": passwords.address_for(secret, account.login) if secret else None,
    }
    return house.pages.html("account.html", request, values, status=status)
