"""Holds at the desk: two people, an expiry, and nothing is sent about a held case."""

import pytest
from fastapi import FastAPI

from streams.notices.casebook import cases, events, holds, legal_holds
from streams.notices.casebook.database import Casebook
from tests.support.desk import NOW, Browser, Filled, approve

ASKED = {"reason": "unit X <b>asks</b> \u202e", "hours": "72"}


def types(casebook: Casebook, case_id: str) -> list[tuple[str, str]]:
    with casebook.read() as tx:
        return [(event.type, event.actor) for event in events.of_case(tx, case_id)]


def in_force(casebook: Casebook, case_id: str) -> bool:
    return casebook.answer(holds.in_force, case_id, now=NOW) is not None


async def test_a_hold_takes_two_people_and_then_nothing_is_approved(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    one, other = Browser(app, casebook, "analyst"), Browser(app, casebook, "lead")
    case_id = filled.review[0]

    asked = await one.post(f"/cases/{case_id}/hold", ASKED)
    by_oneself = await one.post(f"/cases/{case_id}/hold/confirm")
    assert (asked.status_code, by_oneself.status_code) == (303, 422)
    assert "another person has to confirm it" in by_oneself.text
    assert not in_force(casebook, case_id)

    page = await other.get("/holds")
    confirmed = await other.post(f"/cases/{case_id}/hold/confirm")
    assert "waits for a second person" in page.text
    assert "<b>asks" not in page.text
    assert confirmed.status_code == 303
    assert in_force(casebook, case_id)

    await other.get(f"/review/{case_id}")
    approved = await approve(other, case_id)
    assert approved.status_code == 422
    assert "no notice can be written" in approved.text.lower()
    assert ("hold_confirmed", "person:lead") in types(casebook, case_id)
    with casebook.read() as tx:
        assert cases.latest_item(tx, case_id) is None


async def test_who_asks_lets_go_of_the_case_and_it_is_not_the_next_one(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    browser = Browser(app, casebook, "analyst")
    taken = set()
    for _ in filled.review:
        location = (await browser.post("/review/next")).headers["location"]
        case_id = location.partition("?")[0].rpartition("/")[2]
        taken.add(case_id)
        await browser.post(f"/cases/{case_id}/hold", ASKED)

    last = await browser.post("/review/next")

    assert taken == set(filled.review)
    assert last.headers["location"] == "/review?order=risk&said=none"


async def test_a_hold_that_ended_gives_the_case_back(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    browser = Browser(app, casebook, "analyst")
    case_id = filled.review[0]
    await browser.post(f"/cases/{case_id}/hold", ASKED)

    ended = await browser.post(f"/cases/{case_id}/hold/release")
    again = await browser.post(f"/cases/{case_id}/hold/release")

    assert (ended.status_code, again.status_code) == (303, 422)
    assert "Nothing is held" in (await browser.get("/holds")).text
    assert types(casebook, case_id)[-1] == ("hold_ended", "person:analyst")


@pytest.mark.parametrize(
    "changed",
    [{"hours": hours} for hours in ("", "0", "-1", "1.5", "8785", "9" * 5_000, "\u0663", "\u00b2")]
    + [{"reason": "  "}, {"reason": "x" * 2_001}],
)
async def test_a_bad_form_asks_for_nothing(
    app: FastAPI, casebook: Casebook, filled: Filled, changed: dict[str, str]
) -> None:
    case_id = filled.review[0]
    before = types(casebook, case_id)

    answer = await Browser(app, casebook, "analyst").post(f"/cases/{case_id}/hold", {**ASKED, **changed})

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert types(casebook, case_id) == before


async def test_an_officer_sees_that_a_case_is_under_a_legal_hold(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    browser = Browser(app, casebook, "officer")
    case_id = filled.review[0]
    assert "Legal hold" not in (await browser.get(f"/cases/{case_id}")).text

    casebook.decide(legal_holds.place, case_id, by="Ada", reason="file <b>12</b>", now=NOW)

    page = (await browser.get(f"/cases/{case_id}")).text
    assert "Legal hold since" in page
    assert "file &lt;b&gt;12" in page
