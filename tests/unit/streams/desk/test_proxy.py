"""Where a request comes from behind a proxy, and tries to get in that come all at once."""

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from connectors.serving import serve
from schemas.errors import OperatorError
from streams.desk.commands import _network
from streams.desk.gate import visitor_address
from streams.desk.login_routes import PER_LOGIN
from streams.notices.casebook import accounts
from streams.notices.casebook.database import Casebook
from tests.support.desk import PASSWORD, Browser, app_over


async def seen(forwarded: str | None, *trusted: str) -> str:
    """What a server on loopback takes for the visitor's address."""

    async def tell(request: Request) -> PlainTextResponse:
        return PlainTextResponse(visitor_address(request))

    server = await serve(
        Starlette(routes=[Route("/", tell)]), "127.0.0.1", 0, purpose="test", trusted_proxies=trusted
    )
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            headers = {"x-forwarded-for": forwarded} if forwarded else {}
            return (await client.get(server.url, headers=headers)).text
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("forwarded", "trusted", "address"),
    [
        ("198.51.100.7", (), "127.0.0.1"),
        ("198.51.100.7", ("10.0.0.0/8",), "127.0.0.1"),
        ("198.51.100.7", ("127.0.0.0/8",), "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7", ("127.0.0.1/32",), "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7, 10.0.0.2", ("127.0.0.1/32", "10.0.0.0/8"), "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", ("127.0.0.1/32",), "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.7", ("127.0.0.1/32",), "198.51.100.7"),
        ("<script>", ("127.0.0.1/32",), "unknown"),
        (None, ("127.0.0.1/32",), "127.0.0.1"),
    ],
)
async def test_only_a_proxy_that_was_named_says_where_a_request_comes_from(
    forwarded: str | None, trusted: tuple[str, ...], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "FORWARDED_ALLOW_IPS", "*")

    assert await seen(forwarded, *trusted) == address


def test_a_proxy_that_is_no_network_is_refused_in_a_sentence() -> None:
    assert _network("10.0.0.0/24") == "10.0.0.0/24"
    with pytest.raises(OperatorError, match="is no address or network"):
        _network("proxy.example")


async def test_tries_that_come_all_at_once_to_several_desks_are_no_more_than_one_after_the_other(
    casebook: Casebook, tmp_path: Path
) -> None:
    desks = [Browser(app_over(casebook, tmp_path), casebook) for _ in range(3)]

    async def guess(browser: Browser, number: int) -> int:
        page = await browser.get("/login")
        [token] = re.findall(r'name="csrf" value="([^"]+)"', page.text)
        fields: dict[str, Any] = {"csrf": token, "login": "market", "password": f"guess number {number}"}
        return (await browser.client.post("/login", data=fields)).status_code

    for browser in desks:
        await browser.get("/login")
    statuses = await asyncio.gather(*(guess(desks[number % 3], number) for number in range(12)))

    assert sorted(statuses) == [401] * PER_LOGIN + [429] * (12 - PER_LOGIN)


async def test_a_right_password_is_no_failure(casebook: Casebook, tmp_path: Path) -> None:
    browser = Browser(app_over(casebook, tmp_path), casebook)
    for _ in range(PER_LOGIN + 2):
        browser.client.cookies.clear()
        page = await browser.get("/login")
        [token] = re.findall(r'name="csrf" value="([^"]+)"', page.text)
        fields = {"csrf": token, "login": "market", "password": PASSWORD}

        assert (await browser.client.post("/login", data=fields)).status_code == 303
    assert casebook.answer(accounts.by_login, "market") is not None
