"""An answer given at the desk, by link or by the API goes the way of every answer, once."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from streams.desk.app import desk_app
from streams.notices.casebook import cases, events, inbox
from streams.notices.casebook.database import Casebook
from streams.notices.desk_answer import NotReadable, responses
from tests.support.desk import NOW, Browser, Filled, api_token, house_over

NONCE = "n" * 20


def standing(casebook: Casebook, reference: str) -> tuple[str, str | None]:
    with casebook.read() as tx:
        notice_id = cases.find_notice(tx, reference)
        assert notice_id is not None
        [item] = cases.items_of_notice(tx, notice_id)
    return item.claim, item.outcome


def kept(casebook: Casebook) -> list[tuple[str, dict[str, Any]]]:
    with casebook.read() as tx:
        rows = tx.exec_driver_sql("SELECT state, body FROM inbox WHERE channel = 'desk' ORDER BY inbox_id")
        return [(row.state, json.loads(row.body)) for row in rows]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"answer": "received"}, ("receipted", None)),
        ({"answer": "removed"}, ("removed", "actioned_removed")),
        ({"answer": "already_gone"}, ("already_gone", "already_gone")),
        ({"answer": "not_ours"}, ("refused", "refused_not_hosted")),
        ({"answer": "need_information", "reasons_need_information": "Which one?"}, ("need_info", None)),
        (
            {"answer": "kept", "kept_because": "lawful", "reasons_kept": "An antique with papers."},
            ("refused", "refused_lawful"),
        ),
        (
            {"answer": "kept", "kept_because": "insufficient", "reasons_kept": "No picture."},
            ("refused", "refused_insufficient"),
        ),
        (
            {"answer": "restricted", "restriction": "geo_blocked", "territory": "de, FR"},
            ("restricted", "actioned_geo"),
        ),
        ({"answer": "restricted", "restriction": "demoted"}, ("restricted", "actioned_partial")),
        ({"answer": "restricted", "restriction": "account_limited"}, ("restricted", "account_action_only")),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
async def test_a_button_is_an_answer_in_the_casebook(
    app: FastAPI, casebook: Casebook, filled: Filled, fields: dict[str, str], expected: tuple[str, str | None]
) -> None:
    reference = filled.references["market"][2]

    answer = await Browser(app, casebook, "market").post(
        f"/notices/{reference}/answer", {**fields, "nonce": NONCE}
    )

    assert (answer.status_code, standing(casebook, reference)) == (303, expected)
    assert [state for state, _ in kept(casebook)] == ["applied"]


async def test_what_was_done_and_where_stands_in_the_response(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    reference = filled.references["market"][2]
    fields = {"answer": "restricted", "restriction": "geo_blocked", "territory": "de, eea", "nonce": NONCE}

    await Browser(app, casebook, "market").post(f"/notices/{reference}/answer", fields)

    with casebook.read() as tx:
        body = tx.exec_driver_sql("SELECT body FROM response WHERE response_id LIKE 'desk/%'").scalar_one()
    response = json.loads(body)
    assert (response["territory"], response["measures"]) == (["DE", "EEA"], ["visibility_disabled"])
    assert (response["channel"], response["automated"]) == ("desk", False)


@pytest.mark.parametrize(
    "fields",
    [
        {"answer": "kept", "reasons_kept": "Because."},
        {"answer": "kept", "kept_because": "lawful"},
        {"answer": "kept", "kept_because": "lawful", "reasons_kept": "  "},
        {"answer": "need_information"},
        {"answer": "restricted"},
        {"answer": "restricted", "restriction": "geo_blocked", "territory": "Germany"},
        {"answer": "deleted"},
        {"answer": ""},
    ],
    ids=str,
)
async def test_an_incomplete_answer_is_refused_with_a_sentence_and_kept_nowhere(
    app: FastAPI, casebook: Casebook, filled: Filled, fields: dict[str, str]
) -> None:
    reference = filled.references["market"][2]

    answer = await Browser(app, casebook, "market").post(
        f"/notices/{reference}/answer", {**fields, "nonce": NONCE}
    )

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert kept(casebook) == []


async def test_the_same_form_sent_twice_is_one_answer(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    reference = filled.references["market"][2]
    browser = Browser(app, casebook, "market")
    with casebook.read() as tx:
        before = events.last_position(tx)

    for _ in range(3):
        await browser.post(f"/notices/{reference}/answer", {"answer": "removed", "nonce": NONCE})

    assert len(kept(casebook)) == 1
    with casebook.read() as tx:
        types = [event.type for _, event in events.after(tx, before, limit=100)]
    assert types.count("removal_claimed") == 1


async def test_a_later_answer_is_in_force_and_the_earlier_one_stays(
    app: FastAPI, casebook: Casebook, filled: Filled, tmp_path: Path
) -> None:
    reference = filled.references["market"][2]
    browser = Browser(app, casebook, "market")
    await browser.post(f"/notices/{reference}/answer", {"answer": "removed", "nonce": NONCE})

    later = desk_app(house_over(casebook, tmp_path, clock=lambda: NOW + timedelta(minutes=5)))
    fields = {"answer": "kept", "kept_because": "lawful", "reasons_kept": "Papers.", "nonce": NONCE}
    await Browser(later, casebook, "market").post(f"/notices/{reference}/answer", fields)

    assert standing(casebook, reference) == ("refused", "refused_lawful")
    assert [body["answer"]["answer"] for _, body in kept(casebook)] == ["removed", "kept"]


async def test_many_notices_are_answered_at_once(app: FastAPI, casebook: Casebook, filled: Filled) -> None:
    wanted = filled.references["market"][2:]

    answer = await Browser(app, casebook, "market").post(
        "/inbox/answer", {"answer": "removed", "notice": list(wanted), "nonce": NONCE}
    )

    assert answer.headers["location"] == "/inbox?said=removed&n=2"
    assert {standing(casebook, reference) for reference in wanted} == {("removed", "actioned_removed")}


async def test_an_answer_that_was_stored_and_not_applied_is_read_by_the_notice_service(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    reference = filled.references["market"][2]
    await Browser(app, casebook, "market").post(
        f"/notices/{reference}/answer", {"answer": "removed", "nonce": NONCE}
    )
    with casebook.write() as tx:
        tx.exec_driver_sql("UPDATE inbox SET state = 'new' WHERE channel = 'desk'")
        [received] = inbox.new(tx, limit=10)

    [response] = responses(received)

    assert (response.outcome, response.channel) == ("actioned_removed", "desk")


def test_a_stored_answer_of_another_shape_is_not_guessed() -> None:
    broken = inbox.Received(1, "market", "desk", "s", NOW, b'{"word": "REMOVED"}', {})

    with pytest.raises(NotReadable):
        responses(broken)


# ---------------------------------------------------------------------------- reply links


def link_of(casebook: Casebook, folder: Path, reference: str, *, platform: str, **changes: Any) -> str:
    links = house_over(casebook, folder).links
    with casebook.read() as tx:
        notice_id = cases.find_notice(tx, reference)
    assert notice_id is not None
    fields = {"notice_id": notice_id, "platform": platform, "expires_at": NOW + timedelta(days=1), **changes}
    return f"/r/{links.token(**fields)}"


async def test_a_link_shows_on_get_and_answers_on_post_only(
    app: FastAPI, casebook: Casebook, filled: Filled, tmp_path: Path
) -> None:
    reference = filled.references["market"][2]
    path = link_of(casebook, tmp_path, reference, platform="market")
    stranger = Browser(app, casebook)

    for method in ("GET", "GET", "HEAD", "OPTIONS"):
        await stranger.client.request(method, path)
    assert (standing(casebook, reference), kept(casebook)) == (("none", None), [])

    shown = await stranger.get(path)
    done = await stranger.post(path, {"answer": "removed", "nonce": NONCE})

    assert reference in shown.text
    assert (done.status_code, standing(casebook, reference)) == (200, ("removed", "actioned_removed"))
    assert kept(casebook)[0][1]["by"] == "link"


async def test_a_link_that_is_forged_expired_or_of_another_platform_is_answered_like_none(
    app: FastAPI, casebook: Casebook, filled: Filled, tmp_path: Path
) -> None:
    reference, other = filled.references["market"][2], filled.references["bazaar"][2]
    right = link_of(casebook, tmp_path, reference, platform="market")
    stamp, notice_id, seal = right.removeprefix("/r/").split(".")
    foreign_id = link_of(casebook, tmp_path, other, platform="bazaar").split(".")[1]
    forged = [
        link_of(casebook, tmp_path, reference, platform="bazaar"),
        link_of(casebook, tmp_path, reference, platform="market", expires_at=NOW - timedelta(seconds=1)),
        f"/r/{int(stamp) + 1}.{notice_id}.{seal}",
        f"/r/{stamp}.{foreign_id}.{seal}",
        f"/r/{stamp}.{notice_id}.{'A' * 43}",
        f"/r/{stamp}.{notice_id}.",
        "/r/x",
    ]
    stranger = Browser(app, casebook)

    answers = [await stranger.get(path) for path in forged]
    answers += [await stranger.post(path, {"answer": "removed", "nonce": NONCE}) for path in forged]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert kept(casebook) == []


async def test_the_link_in_a_letter_is_the_link_that_answers(tmp_path: Path) -> None:
    """From the notice as the notice service writes it, to the mail's text, to the page."""
    from dataclasses import replace

    from connectors.channels.letter import letter
    from streams.notices import handlers
    from tests.support.desk import add_accounts, two_platforms
    from tests.support.notices import make_detection

    casebook = Casebook.open(f"sqlite:///{tmp_path / 'letter.db'}")
    add_accounts(casebook)
    house = house_over(casebook, tmp_path)
    desk = two_platforms()
    desk = replace(desk, sender=replace(desk.sender, reply_links=house.links))
    taken = casebook.decide(handlers.take_detection, make_detection("9"), desk, now=NOW - timedelta(hours=1))
    assert taken.notice_id is not None
    with casebook.read() as tx:
        notice = cases.notice_body(tx, taken.notice_id)

    text = letter(notice, ["en", "fr"])
    [link, again] = [word for word in text.split() if word.startswith("http://desk.example/r/")]
    path = link.removeprefix("http://desk.example")
    stranger = Browser(desk_app(house), casebook)
    answer = await stranger.post(path, {"answer": "received", "nonce": NONCE})

    assert link == again == notice.reply_page
    assert answer.status_code == 200
    assert standing(casebook, notice.human_reference) == ("receipted", None)
    casebook.close()


# ---------------------------------------------------------------------------- API


async def test_the_api_lists_shows_and_answers(app: FastAPI, casebook: Casebook, filled: Filled) -> None:
    headers = {"authorization": f"Bearer {api_token(casebook, 'market')}"}
    client = Browser(app, casebook).client

    listed = (await client.get("/api/v1/notices", headers=headers)).json()
    reference = listed["notices"][0]["reference"]
    shown = (await client.get(f"/api/v1/notices/{reference}", headers=headers)).json()
    path, body = f"/api/v1/notices/{reference}/answers", {"answer": "removed"}
    keyed = {**headers, "idempotency-key": "case-1"}
    taken = [await client.post(path, headers=keyed, json=body) for _ in range(2)]
    reused = await client.post(path, headers=keyed, json={"answer": "received"})

    assert [one["reference"] for one in listed["notices"]] == sorted(
        filled.references["market"][2:], key=[one["reference"] for one in listed["notices"]].index
    )
    assert shown["notice"]["human_reference"] == reference
    assert [one.status_code for one in taken] == [200, 200]
    assert [one.json()["repeated"] for one in taken] == [False, True]
    assert (reused.status_code, reused.json()["code"]) == (409, "key_reused")
    assert standing(casebook, reference) == ("removed", "actioned_removed")


async def test_a_token_ends_with_its_revocation_and_with_its_maker(app: FastAPI, casebook: Casebook) -> None:
    headers = {"authorization": f"Bearer {api_token(casebook, 'market')}"}
    browser = Browser(app, casebook, "market")
    with casebook.read() as tx:
        token_id = tx.exec_driver_sql("SELECT token_id FROM api_token").scalar_one()

    before = await browser.client.get("/api/v1/me", headers=headers)
    await browser.post(f"/tokens/{token_id}/revoke")
    after = await browser.client.get("/api/v1/me", headers=headers)

    assert (before.status_code, after.status_code) == (200, 401)


async def test_a_new_token_is_shown_once_and_kept_as_a_hash(app: FastAPI, casebook: Casebook) -> None:
    browser = Browser(app, casebook, "market")

    made = (await browser.post("/tokens", {"name": "case system"})).text
    token = made[made.index("tkd_") :].partition("<")[0]
    again = (await browser.get("/tokens")).text

    assert "case system" in again
    assert token not in again
    headers = {"authorization": f"Bearer {token}"}
    assert (await browser.client.get("/api/v1/me", headers=headers)).json()["platform"] == "market"
    with casebook.read() as tx:
        assert token not in str(tx.exec_driver_sql("SELECT * FROM api_token").all())
