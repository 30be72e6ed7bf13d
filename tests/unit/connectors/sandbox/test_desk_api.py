"""The sandbox's desk keeps the contract of ``connectors/desk_contract.py``, status by status.

A platform that builds the contract can run the same requests against its own desk.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from connectors import desk_contract
from connectors.desk_contract import AnswerBody, ErrorBody, ReceiptBody, StatusBody, UnmetBody
from connectors.sandbox.replies import MAX_BODY
from schemas.notice import Notice
from tests.unit.connectors.sandbox.desk_client import (
    OTHER_SECRET,
    SECRET,
    notice_body,
    one_platform,
    receiver,
    shop,
    signed,
    until,
)

SILENT = "{do: silent}"


def error(reply: httpx.Response, status: int) -> ErrorBody:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    return ErrorBody.model_validate_json(reply.content)


async def test_202_is_a_receipt() -> None:
    async with shop(one_platform(SILENT)) as (_, desk):
        _, reply = await desk.notice("L1")
        receipt = ReceiptBody.model_validate_json(reply.content)

        assert reply.status_code == 202
        assert receipt.status == "queued"
        assert abs((datetime.now(UTC) - receipt.received_at).total_seconds()) < 5
        assert "idempotent-replayed" not in reply.headers


async def test_the_same_key_and_bytes_give_the_same_receipt_and_one_effect() -> None:
    async with shop(one_platform(SILENT)) as (sandbox, desk):
        body = notice_body(desk.base_url, "L1")
        key = body["idempotency_key"]
        replies = await asyncio.gather(*(desk.submit(body) for _ in range(5)))

        assert {reply.status_code for reply in replies} == {202}
        assert len({reply.content for reply in replies}) == 1
        replayed = sorted(reply.headers.get("idempotent-replayed", "") for reply in replies)
        assert replayed == ["", *["true"] * 4]
        assert sandbox.journal.effects() == {key: 1}
        assert [r.attempt for r in sandbox.journal.attempts(key)] == [1, 2, 3, 4, 5]


async def test_a_notice_of_takins_own_model_is_taken_as_it_is() -> None:
    async with shop(one_platform(SILENT)) as (sandbox, desk):
        notice = Notice.model_validate(notice_body(desk.base_url, "L1", "L2"))
        reply = await desk.submit(notice.to_bytes(), key=notice.idempotency_key)

        assert reply.status_code == 202
        assert set(sandbox.journal.noticed_listings()) == {("shop", "L1"), ("shop", "L2")}


async def test_401_for_a_signature_that_does_not_hold() -> None:
    changes = [
        ({"webhook-signature": ""}, "no_signature"),
        ({"webhook-id": ""}, "no_signature"),
        ({"webhook-timestamp": ""}, "no_signature"),
        ({"webhook-signature": "v1,AAAA"}, "bad_signature"),
        ({"webhook-signature": "nonsense"}, "bad_signature"),
        ({"webhook-signature": "v1,%%%"}, "bad_signature"),
        ({"webhook-signature": "v1a,AAAA v2,x,y"}, "bad_signature"),
        ({"webhook-id": "n1_other"}, "bad_signature"),
        ({"webhook-timestamp": "soon"}, "bad_signature"),
        ({"webhook-timestamp": "nan"}, "bad_signature"),
        ({"webhook-timestamp": "1e300"}, "bad_signature"),
    ]
    async with shop(one_platform(SILENT)) as (sandbox, desk):
        body = notice_body(desk.base_url, "L1")
        found = [(change, error(await desk.submit(body, headers=change), 401).code) for change, _ in changes]

        assert found == changes
        assert sandbox.journal.effects() == {}


async def test_401_beyond_300_seconds() -> None:
    async with shop(one_platform(SILENT)) as (_, desk):
        body = notice_body(desk.base_url, "L1")
        raw = json.dumps(body).encode()

        async def sent(off_s: int) -> httpx.Response:
            at = datetime.now(UTC) + timedelta(seconds=off_s)
            return await desk.submit(body, headers=signed(body["idempotency_key"], raw, at=at))

        assert [(await sent(off_s)).status_code for off_s in (-290, 290)] == [202, 202]
        assert [error(await sent(off_s), 401).code for off_s in (-302, 306)] == ["old", "old"]


async def test_401_for_another_secret_an_altered_body_and_every_request() -> None:
    async with shop(one_platform(SILENT)) as (_, desk):
        body = notice_body(desk.base_url, "L1")
        genuine = signed(body["idempotency_key"], json.dumps(body).encode())
        altered = await desk.submit({**body, "reasons": "Altered."}, headers=genuine)
        assert error(altered, 401).code == "bad_signature"
        key, _ = await desk.notice("L1")
        desk.secret = OTHER_SECRET
        for reply in (await desk.submit(body), await desk.status(key), await desk.inform(key, "x")):
            assert error(reply, 401).code == "bad_signature"
        not_text = await desk.http.post(
            f"{desk.base_url}/desk/v1/notices",
            content=b"\xff\xfe",
            headers={"content-type": "application/json", **signed("k", b"??")},
        )
        assert error(not_text, 401).code == "bad_signature"


async def test_one_of_two_signatures_or_secrets_is_enough_while_they_change() -> None:
    scenario = one_platform(SILENT, platform=f"secret_in: [{OTHER_SECRET}, {SECRET}]\nsecret_out: {SECRET}")
    async with shop(scenario) as (_, desk):
        assert (await desk.notice("L1"))[1].status_code == 202
        body = notice_body(desk.base_url, "L2")
        headers = signed(body["idempotency_key"], json.dumps(body).encode())
        headers["webhook-signature"] = "v1,AAAA " + headers["webhook-signature"]
        assert (await desk.submit(body, headers=headers)).status_code == 202


async def test_409_key_reused_for_other_bytes() -> None:
    async with shop(one_platform(SILENT)) as (sandbox, desk):
        body = notice_body(desk.base_url, "L1")
        reference = (await desk.submit(body)).json()["reference"]
        found = error(await desk.submit({**body, "reasons": "Others."}), 409)

        assert (found.code, found.reference) == ("key_reused", reference)
        assert sandbox.journal.effects() == {body["idempotency_key"]: 1}


async def test_409_duplicate_while_an_open_notice_covers_the_listing() -> None:
    scenario = one_platform("{do: refuses, after_s: 0, when: {listing: L2}}, {do: silent}")
    async with shop(scenario) as (sandbox, desk):
        _, first = await desk.notice("L1")
        _, second = await desk.notice("L3", "L1", key="n1_" + "a" * 52)
        found = error(second, 409)
        assert (found.code, found.reference) == ("duplicate", first.json()["reference"])
        # Another round is another matter, and so is a listing whose notice was decided.
        assert (await desk.notice("L1", round=2))[1].status_code == 202
        key, _ = await desk.notice("L2")
        await until(lambda: sandbox.journal.words(key))
        assert (await desk.notice("L2", key="n1_" + "b" * 52))[1].status_code == 202


async def test_413_above_a_megabyte_with_or_without_a_declared_length() -> None:
    async with shop(one_platform(SILENT)) as (sandbox, desk):
        exact = notice_body(desk.base_url, "L1")
        raw = json.dumps(exact).encode()
        raw += b" " * (MAX_BODY - len(raw))
        assert (await desk.submit(raw, key=exact["idempotency_key"])).status_code == 202
        assert error(await desk.submit(raw + b" ", key="k"), 413).code == "too_large"

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b"x" * 100_000

        in_chunks = await desk.http.post(
            f"{desk.base_url}/desk/v1/notices", content=chunks(), headers={"content-type": "application/json"}
        )
        assert error(in_chunks, 413).code == "too_large"
        assert [r.outcome for r in sandbox.journal.requests] == ["accepted", "too_large", "too_large"]


async def test_415_for_what_is_not_plain_json() -> None:
    async with shop(one_platform(SILENT)) as (_, desk):
        body = notice_body(desk.base_url, "L1")
        for headers in ({"content-type": "text/plain"}, {"content-type": ""}, {"content-encoding": "gzip"}):
            assert error(await desk.submit(body, headers=headers), 415).code == "wrong_media_type"


async def test_422_for_a_body_that_is_no_notice() -> None:
    bodies = {
        b"": "body_not_json",
        b"{": "body_not_json",
        b'{"a": NaN}': "body_not_json",
        b"[" * 100_000: "body_not_json",
        b'"text"': "body_not_object",
        b"null": "body_not_object",
    }
    async with shop(one_platform(SILENT)) as (_, desk):
        for raw, code in bodies.items():
            reply = await desk.submit(raw, key="k")
            assert reply.status_code == 422
            unmet = UnmetBody.model_validate_json(reply.content).unmetRequirements
            assert [(u.code, u.path) for u in unmet] == [(code, "")]


async def test_422_names_everything_at_once_and_the_corrected_notice_is_taken_under_the_same_key() -> None:
    async with shop(one_platform(SILENT)) as (sandbox, desk):
        good = notice_body(desk.base_url, "L1")
        bad = {**good, "reasons": " ", "legal_basis": []}
        bad["items"] = [{**good["items"][0], "url": "https://elsewhere.example/listing/L1"}]
        reply = await desk.submit(bad)
        unmet = UnmetBody.model_validate_json(reply.content).unmetRequirements

        assert reply.status_code == 422
        assert {(u.code, u.path) for u in unmet} == {
            ("reasons_missing", "/reasons"),
            ("legal_basis_missing", "/legal_basis"),
            ("url_not_on_this_platform", "/items/0/url"),
        }
        assert set(sandbox.journal.requests[0].codes) == {u.code for u in unmet}
        assert (await desk.submit(good)).status_code == 202


async def test_429_says_when_to_come_back() -> None:
    scenario = one_platform(SILENT, platform="trouble: [{do: throttles, retry_after_s: 2.1}]")
    async with shop(scenario) as (_, desk):
        _, reply = await desk.notice("L1")

        assert error(reply, 429).code == "throttled"
        assert reply.headers["retry-after"] == "3"


async def test_503_while_down() -> None:
    scenario = one_platform(SILENT, platform="trouble: [{do: down, for_s: 60, retry_after_s: 5}]")
    async with shop(scenario) as (_, desk):
        key, reply = await desk.notice("L1")

        assert error(reply, 503).code == "down"
        assert reply.headers["retry-after"] == "5"
        for other in (await desk.status(key), await desk.inform(key, "x")):
            assert error(other, 503).code == "down"


async def test_the_status_of_a_notice_is_what_the_desk_said_last() -> None:
    async with shop(one_platform("{do: prompt, after_s: 0.2}")) as (sandbox, desk):
        key, receipt = await desk.notice("L1", "L2")
        before = StatusBody.model_validate_json((await desk.status(key)).content)
        await until(lambda: len(sandbox.journal.words(key)) == 2)
        after = StatusBody.model_validate_json((await desk.status(key)).content)

        assert (before.idempotency_key, before.reference) == (key, receipt.json()["reference"])
        assert [item.word for item in before.items] == ["RECEIVED", "RECEIVED"]
        assert [item.word for item in after.items] == ["REMOVED", "REMOVED"]
        assert all(item.effective_at and item.effective_at <= item.at for item in after.items)
        assert error(await desk.status("n1_unknown"), 404).code == "unknown_key"


async def test_a_webhook_and_a_poll_say_the_same() -> None:
    async with receiver() as answers, shop(one_platform("{do: prompt, after_s: 0}")) as (_, desk):
        key, _ = await desk.notice("L1", reply_to=answers.url)
        await until(lambda: answers.came)
        told = AnswerBody.model_validate_json(answers.came[0][1]).data
        asked = StatusBody.model_validate_json((await desk.status(key)).content)

        assert told.item == asked.items[0]
        assert told.reference == asked.reference


async def test_information_is_taken_when_it_was_asked_for() -> None:
    async with shop(one_platform("{do: needs_information, ask_after_s: 0.3}")) as (sandbox, desk):
        key, receipt = await desk.notice("L1")
        assert error(await desk.inform(key, "Nobody asked."), 409).code == "nothing_asked"
        assert error(await desk.inform("n1_unknown", "x"), 404).code == "unknown_key"
        await until(lambda: sandbox.journal.words(key))
        blank = await desk.inform(key, "  ")
        assert UnmetBody.model_validate_json(blank.content).unmetRequirements[0].code == "text_missing"
        taken = await desk.inform(key, "The left tusk.")

        assert taken.status_code == 202
        assert ReceiptBody.model_validate_json(taken.content).reference == receipt.json()["reference"]


async def test_openapi_describes_each_status_and_the_webhook() -> None:
    async with shop(one_platform()) as (_, desk):
        document = (await desk.http.get(f"{desk.base_url}/openapi.json")).json()
        submit = document["paths"]["/desk/v1/notices"]["post"]

        assert document["info"]["version"] == desk_contract.CONTRACT_VERSION
        assert set(submit["responses"]) == {"202", "401", "409", "413", "415", "422", "429", "503"}
        assert document["webhooks"]["answer"]["post"]["requestBody"]
        references = set(_references(document))
        assert "#/components/schemas/Notice" in references
        schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        assert references <= schemas


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "$ref":
                yield inner
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


async def test_a_sender_who_goes_away_in_the_middle_leaves_only_a_trace() -> None:
    async with shop(one_platform(SILENT)) as (sandbox, desk):
        host, _, port = desk.base_url.removeprefix("http://").partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /desk/v1/notices HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()
        await writer.wait_closed()
        await until(lambda: sandbox.journal.requests)

        assert [r.outcome for r in sandbox.journal.requests] == ["incomplete"]
        assert (await desk.notice("L1"))[1].status_code == 202
