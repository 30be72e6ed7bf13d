"""A case's page says who had an answer read once more, and that we did it, not the platform."""

import re

from fastapi import FastAPI

from streams.notices import acts, handlers
from streams.notices.casebook import cases, inbox
from streams.notices.casebook.database import Casebook
from tests.support.desk import NOW, Browser, Filled
from tests.support.notices import make_response


async def test_who_had_an_answer_read_again_stands_with_the_reason_under_what_we_did(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    with casebook.read() as tx:
        notice_id = cases.find_notice(tx, filled.references["market"][3])
        assert notice_id
        key = cases.notice_by_id(tx, notice_id).idempotency_key
    casebook.decide(
        inbox.store,
        platform="market",
        channel="webhook",
        source_id="s/9",
        received_at=NOW,
        body=b"{}",
        headers={},
    )
    [received] = casebook.answer(inbox.new, limit=9)
    why = {"state": "quarantined", "reason": "unmapped", "detail": "no such word"}
    casebook.decide(inbox.finish, received.inbox_id, now=NOW, **why)
    casebook.decide(acts.read_again, received.inbox_id, by="Ada", reason="<b>a new word", now=NOW)
    response = make_response(key=key, response_id="r/9")
    assert casebook.decide(handlers.take_inbox, received, [response], now=NOW) == "applied"

    page = await Browser(app, casebook, "analyst").get(f"/cases/{filled.cases['market'][3]}")

    [row] = [one for one in re.findall(r"<tr>.*?</tr>", page.text, re.DOTALL) if "read_again" in one]
    said, seen, did = re.findall(r"<td>(.*?)</td>", row, re.DOTALL)
    assert (said, seen) == ("", "")
    assert "answer noted" in did
    assert "by person:Ada" in did
    assert "&lt;b&gt;a new word" in did
    assert "<b>a new word" not in page.text
