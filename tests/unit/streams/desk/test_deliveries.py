"""The delivery log on its page and through the API."""

from dataclasses import replace
from pathlib import Path

from fastapi import FastAPI

from streams.desk.app import desk_app
from streams.notices.casebook.database import Casebook
from tests.support.desk import Browser, Filled, api_token, house_over


def waiting(casebook: Casebook) -> list[str]:
    with casebook.read() as tx:
        rows = tx.exec_driver_sql("SELECT platform FROM outbox WHERE purpose = 'redelivery'")
        return [str(row[0]) for row in rows]


async def test_a_platform_sees_its_tries_and_has_one_made_again_once(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    browser = Browser(app, casebook, "market")
    reference = filled.references["market"][3]

    page = await browser.get("/deliveries")
    done = await browser.post(f"/notices/{reference}/redeliver")
    told = await browser.get(done.headers["location"])
    again = await browser.post(f"/notices/{reference}/redeliver")

    assert page.text.count("<td>taken</td><td>202</td>") == 4
    assert (done.status_code, again.status_code) == (303, 429)
    assert "it stays one notice" in told.text
    assert "within the last 5 minutes" in again.text
    assert waiting(casebook) == ["market"]


async def test_a_program_does_the_same_by_its_token(app: FastAPI, casebook: Casebook, filled: Filled) -> None:
    client = Browser(app, casebook).client
    client.headers["authorization"] = f"Bearer {api_token(casebook, 'bazaar')}"
    path = f"/api/v1/notices/{filled.references['bazaar'][3]}/redeliveries"

    first = await client.get("/api/v1/deliveries?limit=3")
    rest = await client.get("/api/v1/deliveries?limit=3&offset=3")
    done = await client.post(path)
    again = await client.post(path)

    log = [*first.json()["deliveries"], *rest.json()["deliveries"]]
    assert (first.json()["more"], rest.json()["more"]) == (True, False)
    assert {one["reference"] for one in log} == set(filled.references["bazaar"])
    assert {(one["what"], one["http_status"], one["result"]) for one in log} == {("notice", 202, "accepted")}
    assert (done.status_code, done.json()) == (200, {"queued": "redelivery"})
    assert (again.status_code, again.headers["retry-after"]) == (429, "300")
    assert waiting(casebook) == ["bazaar"]


async def test_where_a_channel_knows_no_keys_the_page_says_why_nothing_is_sent_again(
    casebook: Casebook, filled: Filled, tmp_path: Path
) -> None:
    house = house_over(casebook, tmp_path)
    assert house.acts is not None
    policies = {name: replace(one, redelivers=False) for name, one in house.acts.platforms.items()}
    browser = Browser(
        desk_app(replace(house, acts=replace(house.acts, platforms=policies))), casebook, "market"
    )

    page = await browser.get("/deliveries")
    answer = await browser.post(f"/notices/{filled.references['market'][3]}/redeliver")

    assert "would be a second notice" in page.text
    assert "/redeliver" not in page.text
    assert answer.status_code == 409
    assert waiting(casebook) == []


async def test_a_desk_without_a_platforms_file_sends_nothing(
    casebook: Casebook, filled: Filled, tmp_path: Path
) -> None:
    house = replace(house_over(casebook, tmp_path), acts=None)
    browser = Browser(desk_app(house), casebook, "market")

    answer = await browser.post(f"/notices/{filled.references['market'][3]}/redeliver")

    assert answer.status_code == 409
    assert waiting(casebook) == []
