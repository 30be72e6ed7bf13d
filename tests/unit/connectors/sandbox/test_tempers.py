"""Each temper does over HTTP what the scenario says; times are short."""

import asyncio
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from connectors.sandbox.service import Sandbox
from tests.unit.connectors.sandbox.desk_client import (
    STOCK,
    DeskClient,
    notice_body,
    one_platform,
    shop,
    until,
)


async def test_prompt_removes_and_says_so() -> None:
    async with shop(one_platform("{do: prompt, after_s: 0.1}")) as (sandbox, desk):
        key, reply = await desk.notice("L1")
        assert reply.status_code == 202
        assert (await desk.page("L1")).status_code == 200
        await until(lambda: sandbox.journal.words(key))

        item = (await desk.status(key)).json()["items"][0]
        assert item["word"] == "REMOVED"
        removed = next(r for r in sandbox.journal.timeline("shop", "L1") if r.model_dump().get("took_effect"))
        assert datetime.fromisoformat(item["effective_at"]) == removed.at
        assert (await desk.page("L1")).status_code == 404
        assert (await desk.page("L2")).status_code == 200


async def test_slow_says_what_it_is_doing_meanwhile() -> None:
    scenario = one_platform(
        "{do: slow, after_s: 0.4}", platform="answers: {first_words: [RECEIVED, IN_REVIEW]}"
    )
    async with shop(scenario) as (sandbox, desk):
        key, _ = await desk.notice("L1")
        await until(lambda: len(sandbox.journal.words(key)) == 3)

        times = [(said.word, said.at) for said in sandbox.journal.words(key)]
        assert [word for word, _ in times] == ["RECEIVED", "IN_REVIEW", "REMOVED"]
        took = (times[2][1] - sandbox.journal.attempts(key)[0].at).total_seconds()
        assert 0.4 <= took < 5


async def test_a_refusal_keeps_the_page() -> None:
    words = {"lawful": "KEPT_LAWFUL", "insufficient": "KEPT_INSUFFICIENT", "not_hosted": "NOT_HOSTED_HERE"}
    rules = [
        f"{{do: refuses, because: {because}, after_s: 0, when: {{listing: L{n}}}}}"
        for n, because in enumerate(words, start=1)
    ]
    async with shop(one_platform(", ".join(rules))) as (sandbox, desk):
        key, _ = await desk.notice("L1", "L2", "L3")
        await until(lambda: len(sandbox.journal.words(key)) == 3)

        assert [item["word"] for item in (await desk.status(key)).json()["items"]] == list(words.values())
        assert [(await desk.page(f"L{n}")).status_code for n in (1, 2, 3)] == [200] * 3


async def test_needs_information_decides_after_the_answer() -> None:
    rule = "{do: needs_information, ask_after_s: 0, then_after_s: 0.1, timeout_s: 30, question: 'Which one?'}"
    async with shop(one_platform(rule)) as (sandbox, desk):
        key, _ = await desk.notice("L1")
        asked = await until(lambda: sandbox.journal.words(key))
        assert (asked[0].word, asked[0].explanation) == ("NEED_MORE_INFORMATION", "Which one?")
        await asyncio.sleep(0.2)
        assert len(sandbox.journal.words(key)) == 1

        assert (await desk.inform(key, "The second picture.")).status_code == 202
        assert (await desk.inform(key, "The second picture.")).status_code == 202
        await until(lambda: len(sandbox.journal.words(key)) == 2)
        assert await desk.word(key) == "REMOVED"
        assert (await desk.page("L1")).status_code == 404


async def test_needs_information_gives_up_waiting() -> None:
    rule = "{do: needs_information, ask_after_s: 0, timeout_s: 0.2}"
    async with shop(one_platform(rule)) as (sandbox, desk):
        key, _ = await desk.notice("L1")
        await until(lambda: len(sandbox.journal.words(key)) == 2)

        assert [said.word for said in sandbox.journal.words(key)] == [
            "NEED_MORE_INFORMATION",
            "KEPT_INSUFFICIENT",
        ]
        # An answer that comes too late changes nothing.
        assert (await desk.inform(key, "Late.")).status_code == 202
        await asyncio.sleep(0.2)
        assert await desk.word(key) == "KEPT_INSUFFICIENT"


async def test_a_liar_says_removed_and_the_page_stays() -> None:
    async with shop(one_platform("{do: says_removed_and_isnt, after_s: 0}")) as (sandbox, desk):
        key, _ = await desk.notice("L1")
        await until(lambda: sandbox.journal.words(key))
        said = sandbox.journal.words(key)[0]

        assert (said.word, said.effective_at) == ("REMOVED", said.at)
        assert (await desk.page("L1")).status_code == 200


async def test_a_relister_brings_the_page_back_once() -> None:
    async with shop(one_platform("{do: relists, after_s: 0, back_after_s: 0.2}")) as (sandbox, desk):
        before = (await desk.http.get(f"{desk.base_url}/feed.json")).headers["takin-cursor"]

        async def shown(status: int) -> bool:
            return (await desk.page("L1")).status_code == status

        await desk.notice("L1")
        await until(lambda: shown(404))
        await until(lambda: shown(200))
        feed = await desk.http.get(f"{desk.base_url}/feed.json?since={before}")
        assert [item["id"] for item in feed.json()["items"]] == ["L1"]

        key, reply = await desk.notice("L1", round=2)
        assert reply.status_code == 202
        await until(lambda: sandbox.journal.words(key))
        await asyncio.sleep(0.3)
        assert (await desk.page("L1")).status_code == 404


async def test_silent_takes_the_notice_and_no_more() -> None:
    async with shop(one_platform("{do: silent}")) as (sandbox, desk):
        key, reply = await desk.notice("L1", reply_to="http://127.0.0.1:9/answers")
        await asyncio.sleep(0.3)

        assert reply.status_code == 202
        assert await desk.word(key) == "RECEIVED"
        assert sandbox.journal.words(key) == ()
        assert (await desk.page("L1")).status_code == 200


async def test_an_unknown_word_is_said_as_it_is() -> None:
    async with shop(one_platform("{do: says, word: ON_THE_SHELF, after_s: 0, page: goes}")) as (_, desk):
        key, _ = await desk.notice("L1")

        async def gone() -> bool:
            return (await desk.page("L1")).status_code == 404 and await desk.word(key) == "ON_THE_SHELF"

        await until(gone)


async def test_rejects_422_finds_every_notice_wanting() -> None:
    async with shop(one_platform("{do: rejects_422, codes: [moon_phase_missing]}")) as (sandbox, desk):
        _, reply = await desk.notice("L1")

        assert reply.status_code == 422
        assert reply.json()["unmetRequirements"][0]["code"] == "moon_phase_missing"
        assert sandbox.journal.effects() == {}


async def test_an_unknown_listing_is_said_to_be_not_hosted_later() -> None:
    async with shop(one_platform("{do: prompt, after_s: 0.05}")) as (sandbox, desk):
        key, reply = await desk.notice("never-here")
        assert reply.status_code == 202
        await until(lambda: sandbox.journal.words(key))

        assert await desk.word(key) == "NOT_HOSTED_HERE"


async def test_an_author_who_is_quicker_makes_it_already_gone() -> None:
    async with shop(one_platform("{do: prompt, after_s: 0.3}")) as (sandbox, desk):
        key, _ = await desk.notice("L1")
        assert (await desk.http.delete(f"{desk.base_url}/stock/L1")).status_code == 204
        await until(lambda: sandbox.journal.words(key))
        assert await desk.word(key) == "ALREADY_GONE"

        later, _ = await desk.notice("L1", round=2)
        await until(lambda: sandbox.journal.words(later))
        assert await desk.word(later) == "ALREADY_GONE"


async def test_each_item_of_a_notice_has_its_own_fate() -> None:
    rules = "{do: refuses, after_s: 0, when: {listing: L2}}, {do: prompt, after_s: 0}"
    async with shop(one_platform(rules)) as (sandbox, desk):
        key, _ = await desk.notice("L1", "L2", "never-here")
        await until(lambda: len(sandbox.journal.words(key)) == 3)

        words = [item["word"] for item in (await desk.status(key)).json()["items"]]
        assert words == ["REMOVED", "KEPT_LAWFUL", "NOT_HOSTED_HERE"]


async def test_throttling_promises_a_time_and_holds_who_comes_early() -> None:
    scenario = one_platform(platform="trouble: [{do: throttles, tries: 1, retry_after_s: 1}]")
    async with shop(scenario) as (sandbox, desk):
        body = notice_body(desk.base_url, "L1")
        key = body["idempotency_key"]
        assert (await desk.submit(body)).headers["retry-after"] == "1"
        assert (await desk.submit(body)).status_code == 429
        await asyncio.sleep(1.05)
        assert (await desk.submit(body)).status_code == 202

        assert [r.early for r in sandbox.journal.attempts(key)] == [False, True, False]
        assert [(e.key, e.attempt) for e in sandbox.journal.early_retries()] == [(key, 2)]
        assert sandbox.journal.effects() == {key: 1}


async def test_throttling_may_speak_in_dates() -> None:
    scenario = one_platform(platform="trouble: [{do: throttles, retry_after_s: 30, form: date}]")
    async with shop(scenario) as (_, desk):
        _, reply = await desk.notice("L1")

        wait = (parsedate_to_datetime(reply.headers["retry-after"]) - datetime.now(UTC)).total_seconds()
        assert 28 < wait <= 31


async def test_a_rate_limit_holds_a_burst() -> None:
    scenario = one_platform(platform="trouble: [{do: limits_rate, per_s: 0.5, burst: 2}]")
    async with shop(scenario) as (_, desk):
        statuses = [(await desk.notice(f"L{n}"))[1].status_code for n in range(1, 5)]

        assert statuses == [202, 202, 429, 429]


async def test_a_notice_whose_reply_was_lost_is_there_when_it_comes_again() -> None:
    ways = {"L1": "reset_after", "L2": "error_after", "L3": "cut_after"}
    trouble = [f"{{do: flaky, first: 1, how: {how}, when: {{listing: {i}}}}}" for i, how in ways.items()]
    async with shop(one_platform(platform=f"trouble: [{', '.join(trouble)}]")) as (sandbox, desk):
        for listing_id, lost in (("L1", httpx.ReadError), ("L2", None), ("L3", httpx.RemoteProtocolError)):
            body = notice_body(desk.base_url, listing_id)
            key = body["idempotency_key"]
            if lost is None:
                assert (await desk.submit(body)).status_code == 500
            else:
                with pytest.raises(lost):
                    await desk.submit(body)
            again = await desk.submit(body)

            assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
            assert [r.outcome for r in sandbox.journal.attempts(key)] == ["accepted", "replayed"]
        assert list(sandbox.journal.effects().values()) == [1, 1, 1]


async def test_a_notice_that_failed_before_it_was_stored_is_not_there() -> None:
    trouble = (
        "{do: flaky, every: 3, how: error_before, retry_after_s: 3}, {do: flaky, every: 2, how: reset_before}"
    )
    async with shop(one_platform(platform=f"trouble: [{trouble}]")) as (sandbox, desk):
        first, second = (notice_body(desk.base_url, listing_id) for listing_id in ("L1", "L2"))
        assert (await desk.submit(first)).status_code == 202
        with pytest.raises(httpx.ReadError):
            await desk.submit(second)
        third = await desk.submit(second)
        assert (third.status_code, third.headers["retry-after"]) == (500, "3")
        assert sandbox.journal.attempts(second["idempotency_key"])[1].not_before is not None
        assert (await desk.status(second["idempotency_key"])).status_code == 404
        # The fourth request falls to the two again, the fifth passes and is no replay.
        with pytest.raises(httpx.ReadError):
            await desk.submit(second)
        fifth = await desk.submit(second)
        assert (fifth.status_code, fifth.headers.get("idempotent-replayed")) == (202, None)


async def test_a_reply_may_take_its_time() -> None:
    rules = [
        f"{{do: flaky, every: {n}, how: {how}_after, delay_s: 0.25}}"
        for n, how in ((2, "late"), (1, "trickle"))
    ]
    async with shop(one_platform(platform=f"trouble: [{', '.join(rules)}]")) as (_, desk):
        for listing_id in ("L1", "L2"):
            started = time.monotonic()
            _, reply = await desk.notice(listing_id)

            assert reply.status_code == 202
            assert reply.json()["reference"].startswith("SHOP-")
            assert time.monotonic() - started >= 0.25


async def test_a_closed_port_refuses_and_opens_again() -> None:
    scenario = one_platform(
        "{do: prompt}", platform="trouble: [{do: down, from_s: 1.5, for_s: 2, how: refuse}]"
    )
    async with shop(scenario) as (sandbox, desk):

        async def sees(expected: str) -> bool:
            try:
                return str((await desk.page("L1")).status_code) == expected
            except httpx.TransportError as error:
                return type(error).__name__ == expected

        assert await sees("200")
        await until(lambda: sees("ConnectError"))
        await until(lambda: sees("200"))
        assert (await desk.notice("L1"))[1].status_code == 202
        changes = [(r.what, r.at) for r in sandbox.journal.records if r.what.startswith("port_")]
        assert [what for what, _ in changes] == ["port_closed", "port_opened"]
        assert 1.9 <= (changes[1][1] - changes[0][1]).total_seconds() < 10


@pytest.mark.parametrize(
    ("where", "page", "desk_status"), [("all", 502, 502), ("desk", 200, 502), ("pages", 502, 202)]
)
async def test_an_outage_is_where_it_is(where: str, page: int, desk_status: int) -> None:
    scenario = one_platform(
        platform=f"trouble: [{{do: down, for_s: 60, status: 502, retry_after_s: 7, where: {where}}}]"
    )
    async with shop(scenario) as (sandbox, desk):
        _, reply = await desk.notice("L1")

        assert reply.status_code == desk_status
        assert (await desk.page("L1")).status_code == page
        if desk_status == 502:
            assert reply.headers["retry-after"] == "7"
            assert sandbox.journal.requests[0].outcome == "down"


async def test_a_hanging_desk_holds_the_line_until_the_outage_ends() -> None:
    scenario = one_platform(platform="trouble: [{do: down, for_s: 2.5, how: hang}]")
    async with shop(scenario) as (sandbox, desk):
        with pytest.raises(httpx.ReadTimeout):
            await desk.http.get(f"{desk.base_url}/listing/L1", timeout=0.2)
        with pytest.raises(httpx.ReadError):
            await desk.notice("L1")
        assert (await desk.notice("L1"))[1].status_code == 202

        assert [r.outcome for r in sandbox.journal.requests] == ["hung", "accepted"]


async def test_a_platform_that_ignores_keys_takes_the_same_notice_twice() -> None:
    scenario = one_platform("{do: silent}", platform="keys: ignores\nduplicates: accepts")
    async with shop(scenario) as (sandbox, desk):
        body = notice_body(desk.base_url, "L1")
        references = [(await desk.submit(body)).json()["reference"] for _ in range(2)]

        assert references == ["SHOP-000001", "SHOP-000002"]
        assert sandbox.journal.effects() == {body["idempotency_key"]: 2}


async def test_several_platforms_each_have_their_port_secret_and_temper() -> None:
    scenario = one_platform("{do: silent}")
    other = scenario.platforms[0].model_copy(update={"name": "other", "description": "x"})
    both = scenario.model_copy(update={"platforms": (scenario.platforms[0], other)})
    rows: list[dict[str, Any]] = [
        *({**row, "platform": "shop"} for row in STOCK),
        {"id": "L1", "title": "there", "platform": "other"},
        {"id": "X", "title": "nowhere", "platform": "third"},
    ]
    async with Sandbox(both, rows) as sandbox, httpx.AsyncClient(trust_env=False) as http:
        desks = {name: DeskClient(url, http) for name, url in sandbox.base_urls.items()}
        assert len(set(sandbox.base_urls.values())) == 2
        assert "there" in (await desks["other"].page("L1")).text
        assert "Carved tusk" in (await desks["shop"].page("L1")).text
        assert (await desks["other"].notice("L1"))[1].status_code == 422
        assert (await desks["other"].notice("L1", platform="other"))[1].status_code == 202
        assert [aside.line for aside in sandbox.set_aside] == [len(rows)]


async def test_a_request_that_hangs_does_not_keep_the_sandbox_from_stopping() -> None:
    scenario = one_platform(platform="trouble: [{do: down, for_s: 60, how: hang}]")
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        async with Sandbox(scenario, STOCK) as sandbox:
            desk = DeskClient(sandbox.base_urls["shop"], http)
            hanging = [asyncio.create_task(desk.page("L1")), asyncio.create_task(desk.notice("L1"))]
            await until(lambda: sandbox.journal.views() and sandbox.journal.requests)
            stopping = time.monotonic()
        took = time.monotonic() - stopping
        ends = await asyncio.gather(*hanging, return_exceptions=True)

        assert [type(end) for end in ends] == [httpx.ReadError, httpx.ReadError]
        assert took < 20
