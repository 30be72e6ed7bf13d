"""Every route × every role × own and foreign tenant, from the application's own table of routes."""

import re
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from streams.desk.gate import audience
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.viewer import ROLES
from tests.support.desk import PLATFORMS, Browser, Filled, api_token

EVERYONE: set[str] = {"nobody", *ROLES}
SIGNED_IN: set[str] = set(ROLES)
READERS = {"platform", "analyst", "lead", "officer", "auditor"}
OFFICERS = {"analyst", "lead", "officer", "auditor"}
REVIEWERS = {"analyst", "lead"}

MAY: dict[tuple[str, str], set[str]] = {
    ("GET", "/static/{name}"): EVERYONE,
    ("GET", "/"): EVERYONE,
    ("GET", "/login"): EVERYONE,
    ("POST", "/login"): EVERYONE,
    ("GET", "/login/code"): EVERYONE,
    ("POST", "/login/code"): EVERYONE,
    ("GET", "/sso"): EVERYONE,
    ("GET", "/sso/back"): EVERYONE,
    ("POST", "/logout"): SIGNED_IN,
    ("GET", "/account"): SIGNED_IN,
    ("POST", "/account/password"): SIGNED_IN,
    ("POST", "/account/codes/start"): SIGNED_IN,
    ("POST", "/account/codes"): SIGNED_IN,
    ("GET", "/access"): {"auditor", "admin", "lead"},
    ("GET", "/inbox"): {"platform"},
    ("GET", "/inbox/counts"): {"platform"},
    ("POST", "/inbox/answer"): {"platform"},
    ("GET", "/notices/{reference}"): READERS,
    ("GET", "/notices/{reference}/evidence/{sha256}"): READERS,
    ("POST", "/notices/{reference}/answer"): {"platform"},
    ("GET", "/r/{token}"): EVERYONE,
    ("POST", "/r/{token}"): EVERYONE,
    ("GET", "/deliveries"): {"platform"},
    ("POST", "/notices/{reference}/redeliver"): {"platform"},
    ("GET", "/webhook"): {"platform", "admin"},
    ("GET", "/webhook/{platform}"): {"platform", "admin"},
    ("POST", "/webhook/{platform}/address"): {"platform", "admin"},
    ("POST", "/webhook/{platform}/test"): {"platform", "admin"},
    ("POST", "/webhook/{platform}/secret"): {"platform", "admin"},
    ("POST", "/webhook/{platform}/{what}"): {"platform", "admin"},
    ("GET", "/questions"): REVIEWERS,
    ("GET", "/questions/{reference}"): REVIEWERS,
    ("POST", "/questions/{reference}"): REVIEWERS,
    ("POST", "/questions/{reference}/preview"): REVIEWERS,
    ("GET", "/tokens"): {"platform"},
    ("POST", "/tokens"): {"platform"},
    ("POST", "/tokens/{token_id}/revoke"): {"platform"},
    ("GET", "/engineers"): SIGNED_IN,
    ("GET", "/board"): OFFICERS,
    ("GET", "/board/export.{form}"): OFFICERS,
    ("GET", "/board/table.csv"): OFFICERS,
    ("GET", "/board/corrections"): OFFICERS,
    ("GET", "/board/overdue"): OFFICERS,
    ("GET", "/board/overdue.csv"): OFFICERS,
    ("GET", "/board/frozen"): OFFICERS,
    ("POST", "/board/frozen"): {"officer", "lead"},
    ("GET", "/cases"): OFFICERS,
    ("GET", "/cases/export.{form}"): OFFICERS,
    ("GET", "/cases/{case_id}"): OFFICERS,
    ("GET", "/review"): REVIEWERS,
    ("POST", "/review/next"): REVIEWERS,
    ("GET", "/review/{case_id}"): REVIEWERS,
    ("POST", "/review/{case_id}/preview"): REVIEWERS,
    ("POST", "/review/{case_id}/approve"): REVIEWERS,
    ("POST", "/review/{case_id}/dismiss"): REVIEWERS,
    ("POST", "/review/{case_id}/merge"): REVIEWERS,
    ("POST", "/review/{case_id}/release"): REVIEWERS,
    ("GET", "/holds"): REVIEWERS,
    ("POST", "/cases/{case_id}/hold"): REVIEWERS,
    ("POST", "/cases/{case_id}/hold/confirm"): REVIEWERS,
    ("POST", "/cases/{case_id}/hold/release"): REVIEWERS,
    ("GET", "/quality"): REVIEWERS,
    ("POST", "/quality/{week}/{notice_id}"): REVIEWERS,
    ("GET", "/triage"): REVIEWERS,
    ("GET", "/triage/{report_id}"): REVIEWERS,
    ("GET", "/triage/{report_id}/contact"): REVIEWERS,
    ("GET", "/triage/{report_id}/picture"): REVIEWERS,
    ("POST", "/triage/{report_id}/case"): REVIEWERS,
    ("POST", "/triage/{report_id}/merge"): REVIEWERS,
    ("POST", "/triage/{report_id}/dismiss"): REVIEWERS,
    ("GET", "/watchlist"): REVIEWERS,
    ("POST", "/watchlist"): REVIEWERS,
    ("GET", "/watchlist/new"): REVIEWERS,
    ("POST", "/watchlist/upload"): REVIEWERS,
    ("GET", "/watchlist/export.{form}"): REVIEWERS,
    ("POST", "/watchlist/export.{form}"): REVIEWERS,
    ("GET", "/watchlist/files/{change_id}"): REVIEWERS,
    ("POST", "/watchlist/files/{change_id}/take"): REVIEWERS,
    ("POST", "/watchlist/files/{change_id}/drop"): REVIEWERS,
    ("GET", "/watchlist/entries/{entry_id}"): REVIEWERS,
    ("POST", "/watchlist/entries/{entry_id}"): REVIEWERS,
    ("POST", "/watchlist/entries/{entry_id}/retire"): REVIEWERS,
    ("GET", "/watchlist/entries/{entry_id}/trial"): REVIEWERS,
    ("POST", "/watchlist/entries/{entry_id}/trial"): REVIEWERS,
    ("GET", "/rules"): REVIEWERS,
    ("POST", "/rules/upload"): REVIEWERS,
    ("GET", "/rules/packs/{pack}"): REVIEWERS,
    ("GET", "/rules/packs/{pack}/{state}.yaml"): REVIEWERS,
    ("POST", "/rules/packs/{pack}/{act}"): REVIEWERS,
    ("GET", "/rules/changes/{change_id}"): REVIEWERS,
    ("GET", "/rules/changes/{change_id}/progress"): REVIEWERS,
    ("GET", "/rules/changes/{change_id}/download/{part}"): REVIEWERS,
    ("POST", "/rules/changes/{change_id}/backtest"): REVIEWERS,
    ("POST", "/rules/changes/{change_id}/propose"): REVIEWERS,
    ("POST", "/rules/changes/{change_id}/release"): {"lead"},
    ("POST", "/rules/changes/{change_id}/decline"): {"lead"},
    ("POST", "/rules/changes/{change_id}/drop"): REVIEWERS,
    ("GET", "/report"): EVERYONE,
    ("GET", "/report/{language}"): EVERYONE,
    ("POST", "/report/{language}"): EVERYONE,
    ("GET", "/report/{language}/follow"): EVERYONE,
    ("GET", "/api/openapi.json"): EVERYONE,
    ("GET", "/api/v1/me"): {"token"},
    ("GET", "/api/v1/notices"): {"token"},
    ("GET", "/api/v1/notices/{reference}"): {"token"},
    ("POST", "/api/v1/notices/{reference}/answers"): {"token"},
    ("POST", "/api/v1/notices/{reference}/redeliveries"): {"token"},
    ("GET", "/api/v1/deliveries"): {"token"},
    ("GET", "/api/v1/webhook"): {"token"},
    ("PUT", "/api/v1/webhook/address"): {"token"},
    ("DELETE", "/api/v1/webhook/address"): {"token"},
    ("POST", "/api/v1/webhook/address/use"): {"token"},
    ("POST", "/api/v1/webhook/address/return"): {"token"},
    ("POST", "/api/v1/webhook/test"): {"token"},
    ("POST", "/api/v1/webhook/secret"): {"token"},
    ("DELETE", "/api/v1/webhook/secret"): {"token"},
    ("POST", "/api/v1/webhook/secret/end-old"): {"token"},
}
"""Who may use which route, said here a second time and by hand: the routes must agree with it."""

TENANT = ("reference", "case_id", "sha256", "token_id", "platform")
UNKNOWN = {
    "reference": "TKN-AAAAA-AAAAA-AA",
    "case_id": "c_" + "0" * 32,
    "sha256": "0" * 64,
    "token_id": "t_" + "0" * 32,
    "token": "9999999999.00000000-0000-7000-8000-000000000000." + "A" * 43,
    "report_id": "r_" + "A" * 20,
    "language": "en",
    "name": "desk.css",
    "form": "json",
    "week": "2026-W09",
    "platform": "nowhere",
    "what": "use",
    "change_id": "lc_" + "0" * 32,
    "pack": "nothing",
    "state": "active",
    "act": "rollback",
    "part": "pack.yaml",
    "entry_id": "code_word.nothing.00000000",
    "notice_id": "00000000-0000-7000-8000-000000000000",
}
VISITORS = ("nobody", "market", "bazaar", *(role for role in ROLES if role != "platform"))


def table(app: FastAPI) -> Iterator[tuple[str, APIRoute]]:
    for route in app.routes:
        assert isinstance(route, APIRoute), f"{route} has no gate before it"
        assert route.methods, f"{route.path} is asked by no method"
        for method in sorted(route.methods):
            yield method, route


def role_of(visitor: str) -> str:
    return "platform" if visitor in PLATFORMS else visitor


def address(path: str, **values: str) -> str:
    return re.sub(r"{(\w+)}", lambda found: {**UNKNOWN, **values}[found[1]], path)


async def ask(browser: Browser, method: str, path: str) -> httpx.Response:
    if method == "GET":
        return await browser.get(path)
    if method != "POST":
        return await browser.client.request(method, path)
    return await browser.post(path, {"answer": "received", "nonce": "n" * 20, "reason": "no offer"})


def turned_away(answer: httpx.Response, allowed: set[str]) -> bool:
    """Whether the gate stopped the visitor; what lies behind it may still refuse a form or an id."""
    if "token" in allowed:
        return answer.status_code == 401
    if "nobody" in allowed:
        return False
    if answer.status_code == 303 and answer.headers["location"].startswith("/login"):
        return "set-cookie" not in answer.headers  # signing out also leads there
    return answer.status_code == 403 and "not for your role" in answer.text


def test_every_route_has_a_row_and_every_row_a_route(app: FastAPI) -> None:
    assert {(method, route.path) for method, route in table(app)} == set(MAY)


def test_a_route_is_open_to_exactly_whom_the_table_names(app: FastAPI) -> None:
    found = {
        (method, route.path): EVERYONE
        if "everyone" in audience(route.endpoint)
        else set(audience(route.endpoint))
        for method, route in table(app)
    }

    assert found == MAY


@pytest.mark.parametrize("visitor", VISITORS)
async def test_each_visitor_gets_in_where_they_may_and_nowhere_else(
    app: FastAPI, casebook: Casebook, visitor: str
) -> None:
    wrong = []
    for method, route in table(app):
        # A new visitor each time: signing out or changing a password ends a session.
        browser = Browser(app, casebook, None if visitor == "nobody" else visitor)
        answer = await ask(browser, method, address(route.path))
        allowed = MAY[method, route.path]
        if answer.status_code >= 500 or turned_away(answer, allowed) == (role_of(visitor) in allowed):
            wrong.append((method, route.path, answer.status_code, answer.headers.get("location")))

    assert wrong == []


@pytest.mark.parametrize(("visitor", "foreign"), [("market", "bazaar"), ("bazaar", "market")])
async def test_what_belongs_to_another_platform_is_answered_like_what_does_not_exist(
    app: FastAPI, casebook: Casebook, filled: Filled, visitor: str, foreign: str
) -> None:
    browser = Browser(app, casebook, visitor)
    token = api_token(casebook, visitor)
    theirs = api_token(casebook, foreign)
    del theirs
    with casebook.read() as tx:
        [foreign_token] = [
            row.token_id
            for row in tx.exec_driver_sql("SELECT token_id, platform FROM api_token")
            if row.platform == foreign
        ]
    values = {
        "reference": filled.references[foreign][0],
        "case_id": filled.cases[foreign][0],
        "token_id": foreign_token,
        "platform": foreign,
    }
    tried = 0
    for method, route in table(app):
        wanted = [name for name in TENANT if f"{{{name}}}" in route.path]
        allowed = MAY[method, route.path]
        if not wanted or not allowed & {"platform", "token"}:
            continue
        answers = []
        for given in (values, {}):
            headers = {"authorization": f"Bearer {token}"} if "token" in allowed else {}
            path = address(route.path, **given)
            if method == "GET":
                answer = await browser.client.get(path, headers=headers)
            elif "token" in allowed:
                answer = await browser.client.post(path, headers=headers, json={"answer": "removed"})
            else:
                answer = await ask(browser, method, path)
            answers.append((answer.status_code, answer.text, sorted(answer.headers)))
        tried += 1

        assert answers[0] == answers[1], route.path
        assert answers[0][0] == 404, route.path
    assert tried == 13


async def test_an_answer_to_many_stops_before_the_first_if_one_is_not_theirs(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    browser = Browser(app, casebook, "market")
    mine, foreign = filled.references["market"][2], filled.references["bazaar"][2]

    answer = await browser.post(
        "/inbox/answer", {"answer": "removed", "nonce": "n" * 20, "notice": [mine, foreign]}
    )

    assert answer.status_code == 404
    with casebook.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM inbox WHERE channel = 'desk'").scalar_one() == 0


@pytest.mark.parametrize("visitor", PLATFORMS)
async def test_lists_of_a_platform_name_nothing_of_another(
    app: FastAPI, casebook: Casebook, filled: Filled, visitor: str
) -> None:
    [foreign] = set(PLATFORMS) - {visitor}
    browser = Browser(app, casebook, visitor)
    token = api_token(casebook, visitor)
    texts = [
        (await browser.get(path)).text
        for path in ("/inbox", "/inbox?waiting=true", "/tokens", "/deliveries", "/webhook")
    ]
    for reference in filled.references[visitor]:
        texts.append((await browser.get(f"/notices/{reference}")).text)
    headers = {"authorization": f"Bearer {token}"}
    texts.append((await browser.client.get("/api/v1/notices", headers=headers)).text)

    named = [*filled.references[foreign], *filled.cases[foreign], f"{foreign}.example", f"{foreign}-0"]
    assert filled.references[visitor][2] in texts[0]
    assert [name for name in named for text in texts if name in text] == []


async def test_a_form_without_this_sessions_token_changes_nothing(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    browser = Browser(app, casebook, "market")
    path = f"/notices/{filled.references['market'][2]}/answer"
    fields = {"answer": "removed", "nonce": "n" * 20}

    for csrf, headers in (
        ("", {}),
        ("csrf-bazaar", {}),
        ("csrf-märket", {}),
        ("csrf-market", {"sec-fetch-site": "cross-site"}),
        ("csrf-market", {"sec-fetch-site": "same-site"}),
    ):
        browser.csrf = csrf
        answer = await browser.post(path, fields, headers=headers)

        assert answer.status_code == 403, (csrf, headers)
    with casebook.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM inbox WHERE channel = 'desk'").scalar_one() == 0


async def test_every_answer_carries_the_security_headers(app: FastAPI, casebook: Casebook) -> None:
    browser = Browser(app, casebook, "market")

    for path in ("/login", "/inbox", "/nowhere", "/static/desk.css", "/api/v1/me", "/notices/none"):
        headers = (await browser.get(path)).headers
        policy = headers["content-security-policy"]

        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == ("no-store" if "static" not in path else headers["cache-control"])
