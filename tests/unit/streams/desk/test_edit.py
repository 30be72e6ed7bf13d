"""A notice is changed before it goes: what goes is what was shown, and who changed what stays to be seen."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from schemas.case_event import CaseEvent
from schemas.notice import LegalBasis, Notice
from streams.desk.app import desk_app
from streams.notices import acts, handlers
from streams.notices.casebook import cases, events, holds, sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Casebook
from streams.notices.requirements import Demands
from tests.support.desk import NOW, Browser, Filled, approve, fields_of, house_over, two_platforms
from tests.support.notices import make_detection

OTHER_LAW = {
    "national": LegalBasis(id="national", law="An invented wildlife act", article="section 4", country="XX")
}


@pytest.fixture
def case_id(filled: Filled) -> str:
    return filled.review[0]


def app_with(casebook: Casebook, tmp_path: Path, *, minutes: float = 0, **demands: object) -> FastAPI:
    """A desk with one more provision to choose from, and what its platforms ask for."""
    desk = two_platforms()
    platforms = {
        name: replace(policy, demands=Demands(**demands))  # type: ignore[arg-type]
        for name, policy in desk.platforms.items()
    }
    house = house_over(casebook, tmp_path, clock=lambda: NOW + timedelta(minutes=minutes))
    return desk_app(replace(house, acts=replace(desk, platforms=platforms, law={**desk.law, **OTHER_LAW})))


def told(casebook: Casebook, case_id: str, kind: str) -> list[CaseEvent]:
    with casebook.read() as tx:
        return [event for event in events.of_case(tx, case_id) if event.type == kind]


def queued(casebook: Casebook, case_id: str) -> tuple[Notice, bytes]:
    with casebook.read() as tx:
        [item] = cases.items_of_case(tx, case_id)
        body = tx.execute(
            sa.select(t.outbox.c.body).where(t.outbox.c.notice_id == item.notice_id)
        ).scalar_one()
        return cases.notice_body(tx, item.notice_id), bytes(body)


async def test_what_was_shown_goes_to_the_byte_and_only_under_its_seal(
    casebook: Casebook, tmp_path: Path, case_id: str
) -> None:
    browser = Browser(app_with(casebook, tmp_path), casebook, "analyst")
    fields = fields_of((await browser.get(f"/review/{case_id}")).text, "notice")
    fields["explanation"] = ["The seller offers ivory, and says so in the title."]
    shown = await browser.post(f"/review/{case_id}/preview", fields, headers={"hx-request": "true"})
    [sha256] = re.findall(r'class="raw">([0-9a-f]{64})', shown.text)

    unseen = await browser.post(f"/review/{case_id}/approve", fields)
    fields["preview"] = re.findall(r'name="preview" value="([^"]+)"', shown.text)
    seen = await browser.post(f"/review/{case_id}/approve", fields)

    assert "with your changes" in shown.text
    assert unseen.status_code == 422
    assert "would not be the one that was shown" in unseen.text
    assert seen.status_code == 303
    notice, body = queued(casebook, case_id)
    assert notice.reasons.startswith("The seller offers ivory, and says so in the title.\n\nConvention on")
    assert notice.detection.reviewer == "analyst"
    with casebook.read() as tx:
        assert told(casebook, case_id, "notice_queued")[0].data["body_sha256"] == sha256
        assert body == notice.to_bytes()
        assert sealing.verify(tx).breaks == ()


async def test_who_changed_what_is_on_the_time_line(casebook: Casebook, tmp_path: Path, case_id: str) -> None:
    app = app_with(casebook, tmp_path)
    browser = Browser(app, casebook, "analyst")
    fields = fields_of((await browser.get(f"/review/{case_id}")).text, "notice")
    fields |= {"basis": ["national"], "keep": [], "explanation": ["In my own words."], "action": ["disable"]}
    shown = (await browser.post(f"/review/{case_id}/preview", fields)).text

    answer = await browser.post(f"/review/{case_id}/approve", fields_of(shown, "notice"))

    assert answer.status_code == 303
    [edited] = told(casebook, case_id, "notice_edited")
    notice, _ = queued(casebook, case_id)
    assert edited.actor == "person:analyst"
    assert edited.data == {
        "by": "analyst",
        "explanation_before": told(casebook, case_id, "notice_edited")[0].data["explanation_before"],
        "legal_basis_added": ["national"],
        "legal_basis_left_out": ["cites-i"],
        "action_before": "remove",
        "action": "disable",
        "quotes_left_out": [
            {"listing_id": "review-0", "field": "title", "start": 7, "end": 12, "text": "ivory"}
        ],
    }
    assert edited.data["explanation_before"].startswith("The title says “ivory”.")
    assert (notice.legal_basis, notice.items[0].quotes) == ((OTHER_LAW["national"],), ())
    assert notice.reasons == "In my own words.\n\nAn invented wildlife act, section 4"
    page = await browser.get(f"/cases/{case_id}")
    assert "notice edited" in page.text


async def test_an_unchanged_form_changes_nothing_whatever_hides_in_the_text(
    casebook: Casebook, tmp_path: Path
) -> None:
    detection = make_detection("hidden", outcome="review")
    hidden = "Iv\u200bory \u202eyrovi\u202c stands there.\n\nTwice."
    detection = detection.model_copy(update={"explanation": hidden})
    taken = casebook.decide(handlers.take_detection, detection, two_platforms(), now=NOW)
    browser = Browser(app_with(casebook, tmp_path), casebook, "lead")

    answer = await approve(browser, str(taken.case_id))

    assert answer.status_code == 303
    assert told(casebook, str(taken.case_id), "notice_edited") == []
    assert queued(casebook, str(taken.case_id))[0].reasons.startswith(hidden)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"explanation": [" \r\n "]}, "reasons_missing"),
        ({"basis": []}, "legal_basis_missing"),
        ({"explanation": ["x" * 401]}, "reasons_too_long"),
        ({"basis": ["cites-ii"]}, "there is no provision cites-ii"),
        ({"quote": ["7|12|title|another"], "keep": []}, "words are to be left out that the notice does not"),
    ],
    ids=["no reasons", "no law", "too long for the platform", "no such law", "not quoted"],
)
async def test_the_validator_says_what_is_wrong_and_nothing_goes(
    casebook: Casebook, tmp_path: Path, case_id: str, changes: dict[str, list[str]], code: str
) -> None:
    browser = Browser(app_with(casebook, tmp_path, max_reasons=400), casebook, "analyst")
    fields = fields_of((await browser.get(f"/review/{case_id}")).text, "notice")

    shown = await browser.post(f"/review/{case_id}/preview", {**fields, **changes})
    answer = await browser.post(f"/review/{case_id}/approve", {**fields, **changes})

    assert code in shown.text
    assert 'name="preview"' not in shown.text
    assert answer.status_code == 422
    assert code in answer.text
    assert told(casebook, case_id, "approved") == []


async def test_a_preview_ends_with_time_and_with_what_it_rests_on(
    casebook: Casebook, tmp_path: Path, case_id: str
) -> None:
    fields = fields_of(
        (await Browser(app_with(casebook, tmp_path), casebook, "analyst").get(f"/review/{case_id}")).text,
        "notice",
    )
    late = Browser(app_with(casebook, tmp_path, minutes=21), casebook, "analyst")
    old = await late.post(f"/review/{case_id}/approve", fields)
    # Another version of the rules has looked at the listing again since.
    again = make_detection("review-0", outcome="review", version="v2")
    casebook.decide(handlers.take_detection, again, two_platforms(), now=NOW + timedelta(seconds=30))
    soon = Browser(app_with(casebook, tmp_path, minutes=1), casebook, "analyst")
    other = await soon.post(f"/review/{case_id}/approve", fields)

    assert (old.status_code, other.status_code) == (422, 422)
    assert "too long ago" in old.text
    assert "would not be the one that was shown" in other.text
    assert told(casebook, case_id, "approved") == []


async def test_the_seal_of_one_case_opens_no_other(
    casebook: Casebook, tmp_path: Path, filled: Filled
) -> None:
    browser = Browser(app_with(casebook, tmp_path), casebook, "analyst")
    one, other = filled.review[0], filled.review[2]
    fields = fields_of((await browser.get(f"/review/{one}")).text, "notice")
    theirs = fields_of((await browser.get(f"/review/{other}")).text, "notice")

    for seal in (fields["preview"], ["x" * 40], [theirs["preview"][0][:-4] + "AAAA"]):
        answer = await browser.post(f"/review/{other}/approve", {**theirs, "preview": seal})

        assert answer.status_code == 422
    assert told(casebook, other, "approved") == []


async def test_a_held_case_shows_its_notice_and_why_it_stays(
    casebook: Casebook, tmp_path: Path, case_id: str
) -> None:
    until = NOW + timedelta(hours=2)
    casebook.decide(acts.ask_hold, case_id, by="lead", reason="unit X asks", expires_at=until, now=NOW)
    with casebook.read() as tx:
        assert holds.open_hold(tx, case_id) is not None
    casebook.decide(acts.confirm_hold, case_id, by="analyst", now=NOW)

    page = await Browser(app_with(casebook, tmp_path), casebook, "analyst").get(f"/review/{case_id}")

    assert "It cannot go like this: the case is held until 2026-03-09 14:00 UTC." in page.text
    assert 'name="preview"' not in page.text
