"""Signing in: passwords, one-time codes, sessions, and what stops somebody who guesses."""

import os
import re
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pyotp
import pytest
from fastapi import FastAPI

from streams.desk import passwords
from streams.desk.app import desk_app
from streams.desk.keys import DeskKeys
from streams.notices.casebook import accounts
from streams.notices.casebook.database import Casebook
from tests.support.desk import NOW, PASSWORD, Browser, Filled, house_over


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(casebook: Casebook, tmp_path: Path, clock: Clock) -> FastAPI:
    return desk_app(house_over(casebook, tmp_path, clock=clock))


async def log_in(
    browser: Browser, login: str, password: str, *, then: str = "", path: str = "/login"
) -> httpx.Response:
    page = await browser.get(f"/login?then={then}" if then else "/login")
    token = re.search(r'name="csrf" value="(\w+)"', page.text)
    assert token, page.text
    fields = {"csrf": token[1], "login": login, "password": password, "then": then or "/"}
    return await browser.post(path, fields)


async def test_the_right_password_opens_and_signing_out_closes(app: FastAPI, casebook: Casebook) -> None:
    browser = Browser(app, casebook)

    answer = await log_in(browser, "officer", PASSWORD)
    page = await browser.get("/board")
    token = re.search(r'name="csrf" value="([\w-]+)"', page.text)
    assert token
    await browser.post("/logout", {"csrf": token[1]})

    assert (answer.status_code, answer.headers["location"]) == (303, "/board")
    assert page.status_code == 200
    assert (await browser.get("/board")).headers["location"] == "/login?then=/board"


@pytest.mark.parametrize(
    "then", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "\\\\evil"]
)
async def test_the_way_back_leads_nowhere_else(app: FastAPI, casebook: Casebook, then: str) -> None:
    answer = await log_in(Browser(app, casebook), "officer", PASSWORD, then=then)

    assert answer.headers["location"] == "/board"


async def test_an_unknown_login_and_a_wrong_password_are_told_alike(app: FastAPI, casebook: Casebook) -> None:
    answers = [
        await log_in(Browser(app, casebook), login, "not the password")
        for login in ("officer", "nobody", "'; DROP TABLE account; --")
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert len({re.sub(r'value="\w+"', "", answer.text) for answer in answers}) == 1


async def test_guessing_is_stopped_for_a_while_and_the_right_password_too(
    timed: FastAPI, casebook: Casebook, clock: Clock
) -> None:
    for _ in range(5):
        assert (await log_in(Browser(timed, casebook), "officer", "guess")).status_code == 401
    blocked = await log_in(Browser(timed, casebook), "officer", PASSWORD)
    other = await log_in(Browser(timed, casebook), "auditor", PASSWORD)
    clock.now += timedelta(minutes=16)
    later = await log_in(Browser(timed, casebook), "officer", PASSWORD)

    assert (blocked.status_code, other.status_code, later.status_code) == (429, 303, 303)


async def test_a_form_from_elsewhere_signs_nobody_in(app: FastAPI, casebook: Casebook) -> None:
    answer = await Browser(app, casebook).post("/login", {"login": "officer", "password": PASSWORD})

    assert answer.status_code == 403


async def test_a_session_ends_after_two_idle_hours(timed: FastAPI, casebook: Casebook, clock: Clock) -> None:
    browser = Browser(timed, casebook)
    await log_in(browser, "officer", PASSWORD)

    clock.now += timedelta(minutes=110)
    used = await browser.get("/board")
    clock.now += timedelta(minutes=110)
    used_again = await browser.get("/board")
    clock.now += timedelta(minutes=121)
    idle = await browser.get("/board")

    assert (used.status_code, used_again.status_code, idle.status_code) == (200, 200, 303)


async def test_a_disabled_account_is_out_at_once(app: FastAPI, casebook: Casebook) -> None:
    browser = Browser(app, casebook, "officer")
    account = casebook.answer(accounts.by_login, "officer")
    assert account is not None

    before = await browser.get("/board")
    casebook.decide(accounts.change, account.account_id, now=NOW, state="disabled")

    assert (before.status_code, (await browser.get("/board")).status_code) == (200, 303)
    assert (await log_in(Browser(app, casebook), "officer", PASSWORD)).status_code == 401


async def test_one_time_codes_are_asked_for_and_each_is_taken_once(
    timed: FastAPI, casebook: Casebook, tmp_path: Path, clock: Clock
) -> None:
    secret = passwords.new_secret()
    account = casebook.answer(accounts.by_login, "officer")
    assert account is not None
    sealed = DeskKeys.load_or_make(tmp_path / "desk.key").seal(secret)
    casebook.decide(accounts.change, account.account_id, now=NOW, totp_secret=sealed)
    code = pyotp.TOTP(secret).at(clock.now)

    async def with_code(digits: str) -> tuple[httpx.Response, Browser]:
        browser = Browser(timed, casebook)
        half = await log_in(browser, "officer", PASSWORD)
        assert half.headers["location"].startswith("/login/code")
        assert (await browser.get("/board")).headers["location"] == "/login/code"
        page = await browser.get("/login/code")
        token = re.search(r'name="csrf" value="(\w+)"', page.text)
        assert token
        return await browser.post("/login/code", {"csrf": token[1], "code": digits}), browser

    wrong, _ = await with_code("000000" if code != "000000" else "111111")
    right, browser = await with_code(code)
    again, _ = await with_code(code)

    assert (wrong.status_code, right.status_code, again.status_code) == (401, 303, 401)
    assert (await browser.get("/board")).status_code == 200
    assert secret not in sealed


async def test_who_saw_what_is_written_down_and_sealed(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    await Browser(app, casebook, "officer").get(f"/cases/{filled.cases['market'][0]}")
    await Browser(app, casebook, "market").get(f"/notices/{filled.references['market'][0]}")
    await Browser(app, casebook, "market").get(f"/notices/{filled.references['bazaar'][0]}")

    found = casebook.answer(accounts.accesses, limit=10)
    with casebook.read() as tx:
        sealed = tx.exec_driver_sql("SELECT count(*) FROM audit WHERE act = 'access'").scalar_one()

    assert [(one.login, one.act) for one in found] == [("market", "notice"), ("officer", "case")]
    assert sealed == 2


def test_a_key_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    from schemas.errors import OperatorError

    (tmp_path / "desk.key").write_text("hello")

    with pytest.raises(OperatorError, match="64 hexadecimal digits"):
        DeskKeys.load_or_make(tmp_path / "desk.key")


def test_two_processes_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    first, second = (DeskKeys.load_or_make(tmp_path / "desk.key") for _ in range(2))

    assert first == second
    assert (tmp_path / "desk.key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_was_put_there_is_read_and_nothing_is_written_beside_it(tmp_path: Path) -> None:
    """A mounted secret's folder is read-only; root can write to any, so the folder's time is looked at."""
    (tmp_path / "desk.key").write_text("ab" * 32)
    os.utime(tmp_path, ns=(1, 1))

    assert DeskKeys.load_or_make(tmp_path / "desk.key").root == bytes.fromhex("ab" * 32)
    assert tmp_path.stat().st_mtime_ns == 1
