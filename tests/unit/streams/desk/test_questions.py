"""A platform asks about a notice, and an analyst answers it at the desk, once."""

import html
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.follow_up import Information
from streams.desk.app import desk_app
from streams.notices import handlers
from streams.notices.casebook import cases, events, outbox
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.outbox import Entry
from tests.support.desk import NOW, Browser, Filled, house_over
from tests.support.notices import make_response

QUESTION = "Which picture shows it? <script>alert(1)</script>"
WORDS = "The third picture shows the whole tusk."


def carries(information: Information) -> tuple[bytes, str] | None:
    """A channel that takes words to ``market`` alone."""
    if information.notice.addressee.platform != "market":
        return None
    return json.dumps({"text": information.text}).encode(), "application/json"


def ask(casebook: Casebook, reference: str, *, platform: str = "market", minutes: int = 30) -> str:
    received = NOW - timedelta(minutes=minutes)
    with casebook.read() as tx:
        notice_id = cases.find_notice(tx, reference)
        assert notice_id is not None
        key = cases.notice_by_id(tx, notice_id).idempotency_key
    response = make_response(
        kind="need_info", outcome=None, key=key, response_id=f"q/{reference}/{minutes}"
    ).model_copy(
        update={
            "platform": platform,
            "received_at": received,
            "said_at": received,
            "explanation": QUESTION,
        }
    )
    casebook.decide(handlers.apply_response, response, now=received)
    return notice_id


@pytest.fixture
def browser(casebook: Casebook, tmp_path: Path) -> Browser:
    house = house_over(casebook, tmp_path)
    assert house.acts is not None
    return Browser(
        desk_app(replace(house, acts=replace(house.acts, information=carries))), casebook, "analyst"
    )


def given(casebook: Casebook, notice_id: str) -> list[Entry]:
    with casebook.read() as tx:
        return [one for one in outbox.of_notice(tx, notice_id) if one.purpose == "information"]


def body_of(casebook: Casebook) -> dict[str, Any]:
    with casebook.read() as tx:
        [row] = tx.exec_driver_sql("SELECT body FROM outbox WHERE purpose = 'information'").fetchall()
    found: dict[str, Any] = json.loads(row[0])
    return found


async def test_what_was_shown_is_sent_once_with_the_evidence_that_was_chosen(
    browser: Browser, casebook: Casebook, filled: Filled
) -> None:
    reference = filled.references["market"][3]
    notice_id = ask(casebook, reference)
    page = await browser.get(f"/questions/{reference}")
    [sha256, *_] = re.findall(r'name="enclose" value="([0-9a-f]{64})"', page.text)
    fields = {"text": f"{WORDS}\r\n", "enclose": [sha256]}

    shown = await browser.post(f"/questions/{reference}/preview", fields, headers={"hx-request": "true"})
    assert given(casebook, notice_id) == []
    done = await browser.post(f"/questions/{reference}", fields)
    again = await browser.post(f"/questions/{reference}", fields)

    [pre] = re.findall(r"<pre[^>]*>(.*)</pre>", shown.text, re.DOTALL)
    assert json.loads(html.unescape(pre)) == body_of(casebook)
    sent = body_of(casebook)["text"]
    assert sent.startswith(f"{WORDS}\n\nEvidence")
    assert sent.endswith(f"http://desk.example/notices/{reference}/evidence/{sha256}")
    assert (done.headers["location"], again.headers["location"]) == (
        "/questions?said=queued",
        "/questions?said=known",
    )
    assert len(given(casebook, notice_id)) == 1
    with casebook.read() as tx:
        [item] = cases.items_of_notice(tx, notice_id)
        last = events.of_case(tx, item.case_id)[-1]
    assert (last.type, last.actor) == ("follow_up_queued", "person:analyst")
    assert WORDS not in json.dumps(last.data)


async def test_the_list_has_the_longest_waiting_on_top_and_those_that_were_answered_last(
    browser: Browser, casebook: Casebook, filled: Filled
) -> None:
    first, second = (filled.references["market"][number] for number in (2, 3))
    third = filled.references["bazaar"][3]
    ask(casebook, first, minutes=90)
    ask(casebook, second, minutes=30)
    ask(casebook, third, platform="bazaar", minutes=60)
    await browser.post(f"/questions/{first}", {"text": WORDS})

    page = (await browser.get("/questions")).text

    named = re.findall(r'<th scope="row"><a href="/questions/([^"]+)"', page)
    assert named == [third, second, first]
    assert page.count("not yet") == 2
    ask(casebook, first, minutes=-1)  # it asks once more
    assert (await browser.get("/questions")).text.count("not yet") == 3


async def test_what_cannot_be_sent_is_said_beside_the_words_and_nothing_is_lost(
    browser: Browser, casebook: Casebook, filled: Filled
) -> None:
    reference = filled.references["bazaar"][3]
    notice_id = ask(casebook, reference, platform="bazaar")

    nothing = await browser.post(f"/questions/{reference}", {"text": " \r\n"})
    no_way = await browser.post(f"/questions/{reference}", {"text": WORDS})
    long = await browser.post(f"/questions/{reference}/preview", {"text": "x" * 20_001})

    assert (nothing.status_code, no_way.status_code) == (422, 422)
    assert "Say what the platform is to be told" in nothing.text
    assert "No channel of bazaar carries it" in no_way.text
    assert WORDS in no_way.text
    assert "longer than 20,000" in long.text
    assert given(casebook, notice_id) == []


async def test_the_question_is_text_and_evidence_that_is_not_the_notices_is_not_named(
    browser: Browser, casebook: Casebook, filled: Filled
) -> None:
    reference = filled.references["market"][3]
    ask(casebook, reference)

    page = await browser.get(f"/questions/{reference}")
    await browser.post(f"/questions/{reference}", {"text": WORDS, "enclose": ["0" * 64, "<script>"]})

    assert html.escape(QUESTION) in page.text
    assert body_of(casebook) == {"text": WORDS}


async def test_about_a_notice_of_test_mode_nothing_goes_to_a_real_desk(
    browser: Browser, casebook: Casebook, filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = filled.references["market"][3]
    notice_id = ask(casebook, reference)
    body_of_notice = cases.notice_body

    def tagged(tx: Any, wanted: str) -> Any:
        return body_of_notice(tx, wanted).model_copy(update={"tags": ("lifecycle:test",)})

    monkeypatch.setattr(cases, "notice_body", tagged)

    answer = await browser.post(f"/questions/{reference}", {"text": WORDS})

    assert answer.status_code == 422
    assert "written in test mode" in answer.text
    assert given(casebook, notice_id) == []
