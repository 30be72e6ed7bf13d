"""Answers reach the notifier by signed webhook, again and again until a 2xx."""

import asyncio

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from connectors.desk_contract import AnswerBody
from tests.unit.connectors.sandbox.desk_client import (
    OTHER_SECRET,
    SECRET,
    one_platform,
    receiver,
    shop,
    until,
)

QUICK = "answers: {retry_after_s: [0.1, 0.1, 0.1]}"


async def test_an_answer_is_signed_and_in_the_contracts_shape() -> None:
    async with receiver() as answers, shop(one_platform("{do: prompt, after_s: 0}")) as (sandbox, desk):
        key, reply = await desk.notice("L1", reply_to=answers.url)
        await until(lambda: answers.came)
        headers, body = answers.came[0]
        answer = AnswerBody.model_validate_json(body)

        Webhook(SECRET).verify(body, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(OTHER_SECRET).verify(body, headers)
        assert answer.data.idempotency_key == key
        assert answer.data.reference == reply.json()["reference"]
        assert (answer.data.item.word, answer.data.item.ground) == ("REMOVED", "law")
        assert headers["webhook-id"] == sandbox.journal.words(key)[0].answer_id
        assert headers["content-type"] == "application/json"


async def test_a_platform_may_have_other_secrets_in_and_out_and_two_while_they_change() -> None:
    scenario = one_platform(
        "{do: prompt, after_s: 0}", platform=f"secret_out: [{OTHER_SECRET}, {SECRET}]\nsecret_in: {SECRET}"
    )
    async with receiver() as answers, shop(scenario) as (_, desk):
        assert (await desk.notice("L1", reply_to=answers.url))[1].status_code == 202
        await until(lambda: answers.came)

        assert len(answers.genuine(SECRET)) == len(answers.genuine(OTHER_SECRET)) == 1


async def test_anything_but_2xx_is_sent_again_with_the_same_id_and_bytes() -> None:
    scenario = one_platform("{do: prompt, after_s: 0}", platform=QUICK)
    async with receiver(500, 302, 404) as answers, shop(scenario) as (sandbox, desk):
        await desk.notice("L1", reply_to=answers.url)
        await until(lambda: len(sandbox.journal.webhooks()) == 4)
        await asyncio.sleep(0.2)

        assert len(answers.came) == 4
        assert len({(headers["webhook-id"], body) for headers, body in answers.came}) == 1
        assert len(answers.genuine()) == 4
        sent = sandbox.journal.webhooks()
        assert [(s.attempt, s.status, s.result) for s in sent] == [
            (1, 500, "retrying"),
            (2, 302, "retrying"),
            (3, 404, "retrying"),
            (4, 204, "delivered"),
        ]
        assert sandbox.journal.undelivered() == ()


async def test_a_receiver_that_is_not_there_is_tried_again() -> None:
    async with receiver() as gone:
        pass
    port = int(gone.url.split(":")[2].split("/")[0])
    scenario = one_platform("{do: prompt, after_s: 0}", platform="answers: {retry_after_s: [0.3, 0.3, 0.3]}")
    async with shop(scenario) as (sandbox, desk):
        await desk.notice("L1", reply_to=gone.url)
        await until(lambda: sandbox.journal.webhooks() != ())
        first = sandbox.journal.webhooks()[0]
        assert (first.result, first.error) == ("retrying", "ConnectError")

        async with receiver(port=port) as answers:
            await until(lambda: answers.words() == ["REMOVED"])


async def test_it_gives_up_visibly_after_the_last_wait() -> None:
    scenario = one_platform("{do: prompt, after_s: 0}", platform=QUICK)
    async with receiver(*[503] * 9) as answers, shop(scenario) as (sandbox, desk):
        await desk.notice("L1", reply_to=answers.url)
        await until(lambda: [s for s in sandbox.journal.webhooks() if s.result == "gave_up"])

        assert len(answers.came) == 4
        assert [said.word for said in sandbox.journal.undelivered()] == ["REMOVED"]
        assert "WEBHOOK GIVEN UP" in (await desk.http.get(f"{desk.base_url}/desk")).text


async def test_410_closes_the_address_for_good() -> None:
    scenario = one_platform("{do: prompt, after_s: 0}", platform=QUICK)
    async with receiver(410) as answers, shop(scenario) as (sandbox, desk):
        await desk.notice("L1", reply_to=answers.url)
        await until(lambda: sandbox.journal.webhooks() != ())
        await desk.notice("L2", reply_to=answers.url)
        await until(lambda: len(sandbox.journal.webhooks()) == 2)
        await asyncio.sleep(0.3)

        assert len(answers.came) == 1
        assert [s.result for s in sandbox.journal.webhooks()] == ["gave_up", "gave_up"]


async def test_a_receiver_that_asks_for_a_longer_wait_gets_it() -> None:
    scenario = one_platform("{do: prompt, after_s: 0}", platform=QUICK)
    async with receiver((429, {"retry-after": "1"})) as answers, shop(scenario) as (sandbox, desk):
        await desk.notice("L1", reply_to=answers.url)
        await until(lambda: len(sandbox.journal.webhooks()) == 2)
        assert answers.words() == ["REMOVED", "REMOVED"]

        first, second = sandbox.journal.webhooks()
        assert (second.at - first.at).total_seconds() >= 1


async def test_the_standard_schedule_runs_as_fast_as_the_scenario() -> None:
    scenario = one_platform("{do: prompt, after_s: 0}", top="speed: 1000")
    async with receiver(500, 500) as answers, shop(scenario) as (sandbox, desk):
        await desk.notice("L1", reply_to=answers.url)
        await until(lambda: len(answers.words()) == 3)

        waits = [(s.next_at - s.at).total_seconds() for s in sandbox.journal.webhooks() if s.next_at]
        assert waits == pytest.approx([0.005, 0.3], abs=0.01)


async def test_copies_have_the_same_id() -> None:
    scenario = one_platform("{do: prompt, after_s: 0}", platform="answers: {copies: 3}")
    async with receiver() as answers, shop(scenario) as (_, desk):
        await desk.notice("L1", reply_to=answers.url)
        await until(lambda: len(answers.came) == 3)

        assert len({(headers["webhook-id"], body) for headers, body in answers.came}) == 1


async def test_a_forged_copy_goes_first_and_does_not_verify() -> None:
    scenario = one_platform("{do: prompt, after_s: 0}", platform="answers: {forged: true}")
    async with receiver() as answers, shop(scenario) as (_, desk):
        await desk.notice("L1", reply_to=answers.url)
        await until(lambda: len(answers.came) == 2)

        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(answers.came[0][1], answers.came[0][0])
        assert answers.words() == ["REMOVED"]


async def test_answers_may_come_in_the_wrong_order_and_late() -> None:
    scenario = one_platform(
        "{do: prompt, after_s: 0.1}",
        platform="answers: {first_words: [RECEIVED], out_of_order_s: 0.4, late_s: 0.2}",
    )
    async with receiver() as answers, shop(scenario) as (sandbox, desk):
        key, _ = await desk.notice("L1", reply_to=answers.url)
        await until(lambda: len(sandbox.journal.webhooks()) == 2)

        assert answers.words() == ["REMOVED", "RECEIVED"]
        assert [said.word for said in sandbox.journal.words(key)] == ["RECEIVED", "REMOVED"]
        sent = {s.answer_id: s.at for s in sandbox.journal.webhooks()}
        assert all((sent[s.answer_id] - s.at).total_seconds() >= 0.2 for s in sandbox.journal.words(key))


async def test_a_desk_that_only_answers_when_asked_sends_nothing() -> None:
    scenario = one_platform("{do: prompt, after_s: 0}", platform="answers: {by: poll}")
    async with receiver() as answers, shop(scenario) as (sandbox, desk):
        key, _ = await desk.notice("L1", reply_to=answers.url)
        await until(lambda: sandbox.journal.words(key))
        await asyncio.sleep(0.2)

        assert answers.came == []
        assert await desk.word(key) == "REMOVED"
        assert sandbox.journal.undelivered() == ()


async def test_without_reply_to_there_is_no_webhook() -> None:
    async with shop(one_platform("{do: prompt, after_s: 0}")) as (sandbox, desk):
        key, _ = await desk.notice("L1")

        assert [said.webhook for said in await until(lambda: sandbox.journal.words(key))] == [False]


async def test_a_receiver_that_hangs_does_not_hold_up_the_others() -> None:
    scenario = one_platform("{do: prompt, after_s: 0}", platform="answers: {timeout_s: 3}")

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        while not reader.at_eof():
            await reader.read()
        writer.close()
        await writer.wait_closed()

    hanging = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = hanging.sockets[0].getsockname()[1]
    async with receiver() as answers, shop(scenario) as (sandbox, desk):
        await desk.notice("L1", reply_to=f"http://127.0.0.1:{port}/x")
        await desk.notice("L2", reply_to=answers.url)
        await until(answers.words, within_s=2.5)
        timed_out = await until(lambda: [s for s in sandbox.journal.webhooks() if s.error])

        assert timed_out[0].error in ("timeout", "ReadTimeout")
    hanging.close()
    await hanging.wait_closed()
