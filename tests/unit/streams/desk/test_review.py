"""The review queue: no two people on one case, and each decision is an act of the notice service."""

import re
from datetime import timedelta
from pathlib import Path

from fastapi import FastAPI

from streams.desk.app import desk_app
from streams.notices.casebook import accounts, events
from streams.notices.casebook.database import Casebook
from tests.support.desk import HASH, NOW, Browser, Filled, approve, house_over


def case_of(answer: object) -> str:
    location: str = answer.headers["location"]  # type: ignore[attr-defined]
    return location.partition("?")[0].rpartition("/")[2]


def types(casebook: Casebook, case_id: str) -> list[tuple[str, str]]:
    with casebook.read() as tx:
        return [(event.type, event.actor) for event in events.of_case(tx, case_id)]


async def test_the_next_case_comes_by_itself_and_to_one_person_only(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    one, other = Browser(app, casebook, "analyst"), Browser(app, casebook, "lead")

    taken = [case_of(await browser.post("/review/next")) for browser in (one, other, one)]

    assert taken[0] != taken[1]
    assert taken[2] == taken[0], "one's own case comes again until it is decided"
    assert set(taken) <= set(filled.review)


async def test_a_decision_is_sealed_under_the_persons_name(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    browser = Browser(app, casebook, "analyst")
    first = case_of(await browser.post("/review/next"))
    second = case_of(await approve(browser, first))
    third = case_of(await browser.post(f"/review/{second}/dismiss", {"reason": "vegetable ivory"}))

    assert len({first, second, third}) == 3
    assert ("approved", "person:analyst") in types(casebook, first)
    assert types(casebook, first)[-1][0] == "notice_queued"
    assert types(casebook, second)[-1] == ("dismissed", "person:analyst")


async def test_nobody_decides_what_somebody_else_has_in_hand(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    one, other = Browser(app, casebook, "analyst"), Browser(app, casebook, "lead")
    case_id = case_of(await one.post("/review/next"))
    before = types(casebook, case_id)

    page = await other.get(f"/review/{case_id}")
    answers = [
        await other.post(f"/review/{case_id}/{act}", {"reason": "no"}) for act in ("approve", "dismiss")
    ]

    assert "analyst has this case in hand" in page.text
    assert [answer.status_code for answer in answers] == [422, 422]
    assert types(casebook, case_id) == before


async def test_a_case_that_was_left_is_free_after_a_while(
    app: FastAPI, casebook: Casebook, filled: Filled, tmp_path: Path
) -> None:
    case_id = case_of(await Browser(app, casebook, "analyst").post("/review/next"))
    later = desk_app(house_over(casebook, tmp_path, clock=lambda: NOW + timedelta(minutes=21)))

    answer = await Browser(later, casebook, "lead").post(
        f"/review/{case_id}/dismiss", {"reason": "a curtain"}
    )

    assert answer.status_code == 303


async def test_a_dismissal_needs_its_reason(app: FastAPI, casebook: Casebook, filled: Filled) -> None:
    browser = Browser(app, casebook, "analyst")
    case_id = case_of(await browser.post("/review/next"))

    answer = await browser.post(f"/review/{case_id}/dismiss", {"reason": "  "})

    assert answer.status_code == 422
    assert types(casebook, case_id)[-1][0] == "sent_to_review"


async def test_a_decided_case_is_not_decided_again(app: FastAPI, casebook: Casebook, filled: Filled) -> None:
    browser = Browser(app, casebook, "analyst")
    case_id = case_of(await browser.post("/review/next"))
    await approve(browser, case_id)
    decided = types(casebook, case_id)

    again = [
        await browser.post(f"/review/{case_id}/{act}", {"reason": "no"}) for act in ("approve", "dismiss")
    ]

    assert [answer.status_code for answer in again] == [422, 422]
    assert types(casebook, case_id) == decided


async def test_when_nothing_is_free_it_says_so(app: FastAPI, casebook: Casebook, filled: Filled) -> None:
    casebook.decide(
        accounts.add, login="second", name="x", role="lead", platform=None, password_hash=HASH, now=NOW
    )
    browsers = [Browser(app, casebook, login) for login in ("analyst", "lead", "second")]
    for browser in browsers:
        await browser.post("/review/next")
    casebook.decide(
        accounts.add, login="third", name="x", role="analyst", platform=None, password_hash=HASH, now=NOW
    )

    answer = await Browser(app, casebook, "third").post("/review/next")

    assert answer.headers["location"] == "/review?order=risk&said=none"


async def test_a_case_is_merged_into_another_of_its_platform_and_each_page_points_at_the_other(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    browser = Browser(app, casebook, "analyst")
    one, other, foreign = filled.review[0], filled.review[2], filled.review[1]
    why = {"reason": "<b>the same carving</b>"}

    wrong = [
        await browser.post(f"/review/{one}/merge", {**why, "other": named})
        for named in ("", "c_none", foreign, one)
    ]
    merged = await browser.post(f"/review/{one}/merge", {**why, "other": other})

    assert [answer.status_code for answer in wrong] == [422] * 4
    assert "There is no such case" in wrong[1].text
    assert merged.status_code == 303
    assert types(casebook, one)[-1] == types(casebook, other)[-1] == ("merged", "person:analyst")
    pages = [(await browser.get(f"/cases/{case_id}")).text for case_id in (one, other)]
    assert f'Merged into <a href="/cases/{other}"' in pages[0]
    assert f'<a href="/cases/{one}">Case {one}</a> was merged into this one' in pages[1]
    assert "<b>the same" not in pages[0] + pages[1]


async def test_what_is_refused_is_said_in_the_desks_words(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    browser = Browser(app, casebook, "analyst")
    case_id = filled.review[0]
    await browser.get(f"/review/{case_id}")

    pages = [
        (await browser.post(f"/review/{case_id}/dismiss", {"reason": " "})).text,
        (await browser.post(f"/review/{case_id}/merge", {"reason": " ", "other": filled.review[2]})).text,
        (await browser.post(f"/cases/{case_id}/hold/confirm")).text,
    ]

    said = [re.findall(r'class="problem" role="alert">([^<]+)', page) for page in pages]
    assert said == [
        ["Say why, in 1 to 2,000 characters."],
        ["Say why, in 1 to 2,000 characters."],
        [f"The case {case_id} has no open hold."],
    ]
