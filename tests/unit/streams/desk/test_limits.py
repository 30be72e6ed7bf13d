"""Who asks too often is told when to come again, and nobody else is held up."""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from streams.desk.app import desk_app
from streams.desk.limits import API, DOWNLOADS, LINKS, Rate, RateLimits
from streams.notices.casebook import desk_lists
from streams.notices.casebook.database import Casebook
from tests.support.desk import NOW, Browser, Filled, api_token, house_over, viewer_of

TWO = dict.fromkeys((API, LINKS, DOWNLOADS), Rate(per_minute=6, burst=2))


class Now:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def strict(casebook: Casebook, tmp_path: Path, now: Now) -> FastAPI:
    """A desk that lets two requests in at once and then one in ten seconds."""
    return desk_app(replace(house_over(casebook, tmp_path), limits=RateLimits(TWO, now)))


def test_a_burst_is_let_in_and_then_the_rate(now: Now) -> None:
    limits = RateLimits({API: Rate(per_minute=60, burst=3)}, now)

    assert [limits.wait_s(API, "a") for _ in range(5)] == [0, 0, 0, 1, 1]
    now.at += 1
    assert [limits.wait_s(API, "a") for _ in range(2)] == [0, 1]
    assert limits.wait_s(API, "b") == 0


def test_visitors_who_owe_nothing_are_forgotten(now: Now, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.desk.limits.MOST_VISITORS", 100)
    limits = RateLimits(TWO, now)

    for number in range(1_000):
        limits.wait_s(LINKS, str(number))
        now.at += 1
    assert len(limits._full_at) <= 100


async def test_each_token_has_a_rate_of_its_own(strict: FastAPI, casebook: Casebook, now: Now) -> None:
    first, second = (
        {"authorization": f"Bearer {api_token(casebook, login)}"} for login in ("market", "bazaar")
    )
    browser = Browser(strict, casebook)

    answers = [await browser.get("/api/v1/me", headers=first) for _ in range(3)]
    other = await browser.get("/api/v1/notices", headers=second)
    now.at += 10
    later = await browser.get("/api/v1/notices", headers=first)

    assert [one.status_code for one in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "10"
    assert answers[2].json()["code"] == "too_often"
    assert (other.status_code, later.status_code) == (200, 200)


async def test_a_reply_link_is_asked_only_so_often_from_one_address(
    casebook: Casebook, filled: Filled, tmp_path: Path, now: Now
) -> None:
    house = replace(house_over(casebook, tmp_path), limits=RateLimits(TWO, now))
    browser = Browser(desk_app(house), casebook)
    line = casebook.answer(desk_lists.inbox, viewer_of(casebook, "market"), waiting=False, limit=1)[0]
    real = house.links.link(notice_id=line.notice_id, platform="market", issued_at=NOW)
    guesses = [await browser.get(f"/r/9999999999.guess{number}") for number in range(2)]

    blocked = await browser.get(real)
    elsewhere = httpx.AsyncClient(
        transport=httpx.ASGITransport(app=desk_app(house), client=("192.0.2.8", 40_000)),
        base_url="http://desk.example",
    )

    assert [one.status_code for one in guesses] == [404, 404]
    assert (blocked.status_code, blocked.headers["retry-after"]) == (429, "10")
    assert "try again in 10 s" in blocked.text
    assert (await elsewhere.get(real)).status_code == 200


@pytest.mark.parametrize(
    "address",
    ["/board/export.json", "/board/table.csv", "/cases/export.csv", "/notices/{notice}/evidence/00"],
)
async def test_downloads_are_counted_by_account(
    strict: FastAPI, casebook: Casebook, filled: Filled, address: str
) -> None:
    address = address.format(notice=filled.references["market"][0])
    officer, auditor = (Browser(strict, casebook, login) for login in ("officer", "auditor"))

    codes = [(await officer.get(address)).status_code for _ in range(3)]

    assert codes[0] == codes[1] != 429 == codes[2]
    assert (await auditor.get(address)).status_code == codes[0]
    assert (await officer.get("/board")).status_code == 200
