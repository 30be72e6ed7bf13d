"""Rule packs at the desk: checked, tried, proposed by one person, released by another as it was shown."""

import dataclasses
import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from schemas.watchlist import RulePackRelease, pack_key
from streams.desk.app import desk_app
from streams.desk.lists import Lists
from streams.desk.trials import SILENT, read_report
from streams.notices.casebook import list_changes, sealing
from streams.notices.casebook.database import Casebook
from streams.screening import proposals
from streams.watchlist.carrying import carry_out_rest
from tests.support.desk import NOW, Browser, house_over
from tests.support.lists import MemoryTopic, QuickTrials, pack_text


@pytest.fixture
def topic() -> MemoryTopic:
    return MemoryTopic()


@pytest.fixture
def trials(topic: MemoryTopic) -> QuickTrials:
    return QuickTrials(topic)


@pytest.fixture
def app(casebook: Casebook, tmp_path: Path, topic: MemoryTopic, trials: QuickTrials) -> FastAPI:
    return desk_app(dataclasses.replace(house_over(casebook, tmp_path), lists=Lists(topic, trials)))


@pytest.fixture
def ada(app: FastAPI, casebook: Casebook) -> Browser:
    return Browser(app, casebook, "analyst")


@pytest.fixture
def lena(app: FastAPI, casebook: Casebook) -> Browser:
    return Browser(app, casebook, "lead")


async def upload(browser: Browser, text: str | bytes, name: str = "bangles.yaml") -> httpx.Response:
    raw = text.encode() if isinstance(text, str) else text
    return await browser.client.post(
        "/rules/upload", data={"csrf": browser.csrf}, files={"file": (name, raw, "text/yaml")}
    )


async def proposed(browser: Browser, text: str, target: str = "active") -> str:
    """Upload and propose; the address of the change."""
    sent = await upload(browser, text)
    assert sent.status_code == 303, sent.text
    where = sent.headers["location"].partition("?")[0]
    answer = await browser.post(f"{where}/propose", {"target": target, "reason": "parcels"})
    assert answer.status_code == 303, answer.text
    return where


def seen(page: httpx.Response) -> dict[str, str]:
    value = page.text.partition('name="shown" value="')[2].partition('"')[0]
    assert len(value) == 64
    return {"shown": value}


async def released(browser: Browser, where: str) -> httpx.Response:
    return await browser.post(f"{where}/release", seen(await browser.get(where)))


def in_force(topic: MemoryTopic, name: str = "bangles") -> tuple[int, str] | None:
    found = proposals.live(topic.told).get(name)
    return None if found is None else (found.version, found.text)


async def test_a_pack_takes_two_people_and_is_released_byte_for_byte(
    ada: Browser, lena: Browser, topic: MemoryTopic, casebook: Casebook
) -> None:
    text = pack_text().replace("parcels.", "parcels. \u200b象牙") + "# its end\r\n"
    where = await proposed(ada, text)
    assert topic.told == {}

    by_herself = await ada.post(f"{where}/release", seen(await ada.get(where)))
    page = await lena.get(where)
    done = await lena.post(f"{where}/release", seen(page))

    assert by_herself.status_code == 403
    assert "Release it" in page.text
    assert "clear → review" in page.text
    assert done.headers["location"] == f"{where}?said=released"
    [made] = topic.told.values()
    assert isinstance(made, RulePackRelease)
    assert made.text.encode() == text.encode()
    assert made.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert (made.state, made.released_by) == ("active", "lead")
    downloaded = await lena.get(f"{where}/download/pack.yaml")
    assert downloaded.content == text.encode()
    with casebook.read() as tx:
        acts = [(row.act.actor, row.act.act) for row in sealing.audit_rows(tx)]
        assert sealing.verify(tx).holds
    assert [one for one in acts if one[1].startswith("list_change")] == [
        ("person:analyst", "list_change"),
        ("person:lead", "list_change_decided"),
        ("desk", "list_change_done"),
    ]
    with casebook.write() as tx:
        tx.exec_driver_sql("UPDATE list_change SET sha256 = 'x'")
    with casebook.read() as tx:
        assert not sealing.verify(tx).holds


async def test_nobody_releases_their_own_also_not_a_lead(lena: Browser, topic: MemoryTopic) -> None:
    where = await proposed(lena, pack_text())

    answer = await released(lena, where)

    assert answer.status_code == 422
    assert "lead proposed this: another person has to release it" in answer.text
    assert topic.told == {}


BROKEN_EXAMPLE = {"must_hit": [{"title": "A blue mug"}], "must_not_hit": [{"title": "Another mug"}]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (pack_text(when="nonsense"), "bangles.yaml:{when: nonsense}: pack bangles, rule bangles.offered"),
        (pack_text(tests=BROKEN_EXAMPLE), "bangles.yaml:{title: A blue mug}: bangles.offered: "),
        (pack_text(legal_basis=["nowhere-1"]), "no provision &#39;nowhere-1&#39; in the law table"),
        (pack_text("zero-tolerance", 1), "zero-tolerance@1 comes with Takin"),
        ("pack: [", "not YAML"),
        (b"\xff", "bangles.yaml:1: not UTF-8"),
    ],
)
async def test_a_pack_that_is_refused_names_file_line_and_reason_and_nothing_is_kept(
    ada: Browser, topic: MemoryTopic, casebook: Casebook, text: str | bytes, said: str
) -> None:
    answer = await upload(ada, text)

    before, brace, rest = said.partition("{")
    if brace and isinstance(text, str):
        words, _, after = rest.partition("}")
        [line] = [number for number, one in enumerate(text.splitlines(), 1) if words in one]
        said = f"{before}{line}{after}"
    assert answer.status_code == 422
    assert said in answer.text
    assert topic.told == {}
    assert casebook.answer(list_changes.listed, kinds=("pack",), limit=9) == ()


async def test_only_what_was_shown_is_released(
    ada: Browser, lena: Browser, topic: MemoryTopic, casebook: Casebook
) -> None:
    where = await proposed(ada, pack_text())
    old = seen(await lena.get(where))
    await ada.post(f"{where}/backtest", {"since": "1d"})

    stale = await lena.post(f"{where}/release", old)
    assert stale.status_code == 422
    assert "This is not what was shown to you" in stale.text
    with casebook.write() as tx:
        tx.exec_driver_sql("UPDATE list_change SET body = ?", (pack_text(severity="normal").encode(),))
    swapped = await lena.post(f"{where}/release", seen(await lena.get(where)))

    assert swapped.status_code == 422
    assert "This is not what was shown to you" in swapped.text
    assert topic.told == {}


async def test_beside_other_packs_it_is_tried_again_before_it_is_released(
    ada: Browser, lena: Browser, topic: MemoryTopic
) -> None:
    first = await proposed(ada, pack_text())
    second = await proposed(ada, pack_text(version=2))
    assert (await released(lena, second)).status_code == 303

    late = await released(lena, first)
    assert late.status_code == 422
    assert "Other packs are in force now than those it was tried beside" in late.text
    assert in_force(topic) == (2, pack_text(version=2))

    await ada.post(f"{first}/backtest", {"since": "7d"})
    assert (await released(lena, first)).status_code == 303
    assert in_force(topic) == (1, pack_text())


async def test_what_was_not_tried_runs_in_shadow_at_most(
    ada: Browser, lena: Browser, topic: MemoryTopic, trials: QuickTrials
) -> None:
    trials.report = {"state": "failed", "problem": "The back-test broke off: run it again."}
    where = (await upload(ada, pack_text())).headers["location"].partition("?")[0]

    at_once = await ada.post(f"{where}/propose", {"target": "active", "reason": "parcels"})
    silent = await ada.post(f"{where}/propose", {"target": "shadow", "reason": " "})
    quiet = await ada.post(f"{where}/propose", {"target": "shadow", "reason": "parcels"})
    done = await released(lena, where)

    assert [one.status_code for one in (at_once, silent, quiet, done)] == [422, 422, 303, 303]
    assert "Run the back-test first" in at_once.text
    assert in_force(topic) is None
    assert topic.told[pack_key("bangles", shadow=True)].state == "shadow"


async def test_a_shadow_run_goes_into_force_and_back_to_the_version_before(
    ada: Browser, lena: Browser, topic: MemoryTopic, trials: QuickTrials
) -> None:
    async def by_both(act: str) -> httpx.Response:
        made = await ada.post(f"/rules/packs/bangles/{act}")
        assert made.status_code == 303, made.text
        where = made.headers["location"].partition("?")[0]
        page = await ada.get(where)
        target = {"target": "active"} if 'name="target"' in page.text else {}
        await ada.post(f"{where}/propose", {**target, "reason": act})
        answer = await released(lena, where)
        assert answer.status_code == 303, answer.text
        return await lena.get(where)

    await released(lena, await proposed(ada, pack_text()))
    await released(lena, await proposed(ada, pack_text(version=2), "shadow"))
    assert in_force(topic) == (1, pack_text())
    page = await lena.get("/rules/packs/bangles")
    assert "In shadow: bangles@2" in page.text

    await by_both("promote")
    assert in_force(topic) == (2, pack_text(version=2))
    assert proposals.shadows(topic.told) == {}, "its shadow run ended with it"

    await by_both("rollback")
    assert in_force(topic) == (1, pack_text())

    await by_both("retire")
    assert trials.wishes[-1]["retired"] == "bangles"
    assert in_force(topic) is None
    assert (await lena.get("/rules/packs/bangles")).status_code == 404
    assert "taken out of force" in (await lena.get("/rules")).text


async def test_the_first_version_of_a_name_rolls_back_to_what_comes_with_takin(
    ada: Browser, lena: Browser, topic: MemoryTopic
) -> None:
    await released(lena, await proposed(ada, pack_text("zero-tolerance", 9)))
    assert in_force(topic, "zero-tolerance") == (9, pack_text("zero-tolerance", 9))

    made = await ada.post("/rules/packs/zero-tolerance/rollback")
    page = await ada.get(made.headers["location"])

    assert "zero-tolerance@1, which comes with Takin, is in force again" in page.text
    by_command = proposals.live(topic.told)["zero-tolerance"].model_copy(
        update={"version": 10, "sha256": "0"}
    )
    topic.hold(by_command)
    unknown = await ada.post("/rules/packs/zero-tolerance/rollback")
    assert unknown.status_code == 422
    assert "was released by command" in unknown.text


async def test_a_draft_is_its_makers_and_a_proposal_is_declined_or_dropped_on_record(
    ada: Browser, lena: Browser, casebook: Casebook, topic: MemoryTopic
) -> None:
    draft = (await upload(ada, pack_text())).headers["location"].partition("?")[0]
    assert (await lena.get(draft)).status_code == 404
    assert (await ada.post(f"{draft}/drop")).headers["location"] == "/rules?said=dropped"
    assert (await ada.get(draft)).status_code == 404

    declined, dropped = await proposed(ada, pack_text()), await proposed(ada, pack_text(version=2))
    assert (await lena.post(f"{declined}/decline", {"reason": ""})).status_code == 422
    assert (await lena.post(f"{declined}/decline", {"reason": "too wide"})).status_code == 303
    assert (await lena.post(f"{dropped}/drop")).status_code == 422
    assert (await ada.post(f"{dropped}/drop")).status_code == 303
    for where in (declined, dropped):
        again = await lena.post(f"{where}/release", {"shown": "0" * 64})
        assert again.status_code == 422
        assert "It waits for nobody" in again.text

    found = casebook.answer(list_changes.listed, kinds=("pack",), limit=9)
    assert {one.state for one in found} == {"declined", "dropped"}
    assert "too wide" in (await ada.get("/rules")).text
    assert topic.told == {}


async def test_a_release_that_kafka_does_not_take_is_carried_out_later(
    ada: Browser, lena: Browser, casebook: Casebook, topic: MemoryTopic
) -> None:
    where = await proposed(ada, pack_text())
    shown = seen(await lena.get(where))

    async def broken(*_: Any, **__: Any) -> None:
        topic.away = True
        await topic.now()

    topic.put = broken  # type: ignore[method-assign]
    answer = await lena.post(f"{where}/release", shown)
    assert answer.status_code == 503
    assert "It is released on record and not yet written" in answer.text

    topic.away = False
    del topic.put
    assert in_force(topic) is None
    assert "Released and not yet written to Kafka" in (await lena.get("/rules")).text
    assert await carry_out_rest(casebook, topic, now=NOW) == 1
    assert in_force(topic) == (1, pack_text())


def test_a_back_test_of_which_nothing_is_heard_counts_as_broken_off() -> None:
    text = json.dumps({"state": "running", "beat": NOW.isoformat()})

    heard, silent = read_report(text, NOW + SILENT), read_report(text, NOW + SILENT + timedelta(seconds=1))

    assert heard is not None
    assert silent is not None
    assert (heard["state"], silent["state"]) == ("running", "failed")
    assert read_report(None, NOW) is None


async def test_the_progress_part_asks_for_itself_until_it_has_ended(
    ada: Browser, casebook: Casebook, trials: QuickTrials
) -> None:
    trials.report = {"state": "running", "read": 7, "of": 9, "beat": NOW.isoformat()}
    where = (await upload(ada, pack_text())).headers["location"].partition("?")[0]
    running = (await ada.get(f"{where}/progress")).text
    trials.report = {}
    await ada.post(f"{where}/backtest", {"since": "28d"})
    over = (await ada.get(f"{where}/progress")).text

    assert "7 of 9 kept listings read" in running
    assert 'hx-trigger="every 1s"' in running
    assert "hx-get" not in over
    assert "812 listings would be judged otherwise" in over
    assert (await ada.post(f"{where}/backtest", {"since": "99d"})).status_code == 422
