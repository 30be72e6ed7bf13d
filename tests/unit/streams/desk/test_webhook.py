"""A platform's people change where notices go and what signs them, on the page."""

import html
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.desk.app import desk_app
from streams.notices.acts.webhooks import PROOF_LASTS
from streams.notices.casebook import webhooks
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.outbox import AttemptResult
from streams.notices.ports import Way
from tests.support.desk import NOW, Browser, house_over, outlets

ONE = "https://one.market.example/takin"


class Bench:
    """A desk whose tests end as a test says."""

    def __init__(self, casebook: Casebook, folder: Path) -> None:
        self.tried: list[Way] = []
        self.result = AttemptResult("accepted", None, 202)
        self.now = NOW
        house = house_over(casebook, folder, clock=lambda: self.now)
        self.app = desk_app(replace(house, outlets=outlets(self.try_out)))
        self.casebook = casebook

    async def try_out(self, platform: str, way: Way, test_id: str, timeout_s: float) -> AttemptResult:
        assert (platform, len(test_id), timeout_s > 0) == ("market", 24, True)
        self.tried.append(way)
        return self.result

    def browser(self, login: str = "market") -> Browser:
        return Browser(self.app, self.casebook, login)


@pytest.fixture
def bench(casebook: Casebook, tmp_path: Path) -> Bench:
    return Bench(casebook, tmp_path)


def read(answer: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


async def test_from_the_proposal_to_the_address_in_force(bench: Bench) -> None:
    browser = bench.browser()
    assert "https://market.example/old" in read(await browser.get("/webhook"))

    proposed = await browser.post("/webhook/market/address", {"address": f" {ONE}/ "})
    page = read(await browser.get(proposed.headers["location"]))
    assert f"Proposed: {ONE}" in page
    assert "Use it from now on" not in page
    bench.result = AttemptResult("refused", "unauthorised", 401)
    assert "not taken : the signature did not hold" in read(
        await browser.post("/webhook/market/test", {"what": "next"})
    )
    early = await browser.post("/webhook/market/use")
    bench.result = AttemptResult("accepted", None, 202)
    assert "Use it from now on" in read(await browser.post("/webhook/market/test", {"what": "next"}))
    done = await browser.post("/webhook/market/use")
    page = read(await browser.get(done.headers["location"]))

    assert (early.status_code, done.status_code) == (409, 303)
    assert f"Address {ONE} Set by market" in page
    assert "Notices go there from now on" in page
    assert [way.address for way in bench.tried] == [ONE, ONE]


async def test_a_test_that_is_a_day_old_is_made_again(bench: Bench) -> None:
    browser = bench.browser()
    bench.now = NOW - PROOF_LASTS - timedelta(minutes=1)
    await browser.post("/webhook/market/address", {"address": ONE})
    await browser.post("/webhook/market/test", {"what": "next"})
    bench.now = NOW

    page = read(await browser.get("/webhook/market"))

    assert "older than 24 hours" in page
    assert "Use it from now on" not in page


async def test_the_new_secret_is_on_one_page_once_and_encrypted_in_the_casebook(bench: Bench) -> None:
    browser = bench.browser()
    made = await browser.post("/webhook/market/secret", {"hours": "1"})
    [secret] = re.findall(r"whsec_[A-Za-z0-9+/=]+", html.unescape(made.text))
    later = await browser.get("/webhook")
    with bench.casebook.read() as tx:
        [(sealed, mark)] = tx.exec_driver_sql("SELECT sealed, mark FROM webhook_secret").fetchall()

    assert "whsec_" not in later.text
    assert secret not in sealed
    assert mark in later.text
    tested = await browser.post("/webhook/market/test", {"what": "secret"})
    assert "by the new secret alone was taken" in read(tested)
    [way] = bench.tried
    assert ([one.get_secret_value() for one in way.secrets], way.configured) == ([secret], False)
    assert secret not in repr(way)
    assert "Old secrets sign until" in read(await browser.get("/webhook"))


async def test_an_address_that_is_not_taken_stands_in_its_field_with_the_reason(bench: Bench) -> None:
    browser = bench.browser()

    answer = await browser.post("/webhook/market/address", {"address": "http://one.market.example"})

    assert answer.status_code == 422
    assert "only sent by https" in answer.text
    assert 'value="http://one.market.example"' in answer.text
    assert bench.casebook.answer(webhooks.whole, "market").next is None


async def test_where_the_operator_keeps_the_settings_they_can_be_tested_and_not_changed(bench: Bench) -> None:
    bench.tried.clear()
    browser = bench.browser("bazaar")
    page = await browser.get("/webhook")
    answers = [
        await browser.post("/webhook/bazaar/address", {"address": ONE}),
        await browser.post("/webhook/bazaar/secret", {"hours": "1"}),
        await browser.post("/webhook/bazaar/use"),
    ]

    assert "The operator keeps these settings" in page.text
    assert "Send a test" in page.text
    assert "Propose it" not in page.text
    assert [answer.status_code for answer in answers] == [409, 409, 409]


async def test_who_keeps_accounts_finds_every_platform(bench: Bench) -> None:
    browser = bench.browser("admin")

    every = await browser.get("/webhook")
    proposed = await browser.post("/webhook/market/address", {"address": ONE})

    assert 'href="/webhook/bazaar"' in every.text
    assert proposed.status_code == 303
    found = bench.casebook.answer(webhooks.whole, "market").next
    assert found is not None
    assert (found.address, found.proposed_by) == (ONE, "admin")


async def test_tests_are_few_a_minute(bench: Bench) -> None:
    browser = bench.browser()

    statuses = [(await browser.post("/webhook/market/test")).status_code for _ in range(6)]

    assert statuses == [200] * 5 + [429]
    assert len(bench.tried) == 5
