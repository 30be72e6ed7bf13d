import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sandbox import requirements
from connectors.sandbox.requirements import unmet_requirements
from tests.unit.connectors.sandbox.desk_client import notice_body

BASE = "http://127.0.0.1:4711"
NOW = datetime.now(UTC)


def check(notice: Any, *, header: str | None = "same") -> list[tuple[str, str]]:
    key = notice.get("idempotency_key") if isinstance(notice, dict) else None
    sent = key if header == "same" else header
    found = unmet_requirements(
        notice,
        platform="shop",
        base_url=BASE,
        own_url=lambda i: "https://elsewhere.example/own" if i == "own" else None,
        keys={"idempotency-key": sent, "webhook-id": sent},
        max_items=2,
        now=datetime.now(UTC),
    )
    assert all(u.message.endswith(".") or u.message.endswith("…") for u in found)
    return [(u.code, u.path) for u in found]


def test_a_notice_that_takin_writes_meets_everything() -> None:
    assert check(notice_body(BASE, "L1")) == []


def test_the_url_that_a_listing_names_itself_is_good() -> None:
    body = notice_body(BASE, "own")
    body["items"][0]["url"] = "https://elsewhere.example/own"

    assert check(body) == []


def drop(*path: Any) -> Callable[[dict[str, Any]], None]:
    def change(body: Any) -> None:
        for part in path[:-1]:
            body = body[part]
        del body[path[-1]]

    return change


def put(value: Any, *path: Any) -> Callable[[dict[str, Any]], None]:
    def change(body: Any) -> None:
        for part in path[:-1]:
            body = body[part]
        body[path[-1]] = value

    return change


CASES: list[tuple[str, str, Callable[[dict[str, Any]], None]]] = [
    ("schema_version_unsupported", "/schema_version", put(2, "schema_version")),
    ("schema_version_unsupported", "/schema_version", put(True, "schema_version")),
    ("addressee_mismatch", "/addressee/platform", put("other", "addressee", "platform")),
    ("addressee_mismatch", "/addressee/platform", put("shop", "addressee")),
    ("items_missing", "/items", drop("items")),
    ("items_missing", "/items", put([], "items")),
    ("items_missing", "/items", put({"0": {}}, "items")),
    ("too_many_items", "/items", put([{}, {}, {}], "items")),
    ("item_malformed", "/items/0", put("x", "items", 0)),
    ("item_id_missing", "/items/0/item_id", drop("items", 0, "item_id")),
    ("listing_id_missing", "/items/0/listing_id", put(7, "items", 0, "listing_id")),
    ("round_invalid", "/items/0/round", put(0, "items", 0, "round")),
    ("round_invalid", "/items/0/round", put(True, "items", 0, "round")),
    ("url_missing", "/items/0/url", put("  ", "items", 0, "url")),
    ("url_not_on_this_platform", "/items/0/url", put("http://127.0.0.1:1/listing/L1", "items", 0, "url")),
    ("url_not_on_this_platform", "/items/0/url", put(f"{BASE}.evil/listing/L1", "items", 0, "url")),
    ("url_names_another_listing", "/items/0/url", put(f"{BASE}/listing/L2", "items", 0, "url")),
    ("legal_basis_missing", "/legal_basis", put([], "legal_basis")),
    ("legal_basis_incomplete", "/legal_basis/0/law", put(" ", "legal_basis", 0, "law")),
    ("reasons_missing", "/reasons", put(" \n", "reasons")),
    ("reasons_missing", "/reasons", drop("reasons")),
    ("reasons_too_long", "/reasons", put("x" * 20_001, "reasons")),
    ("reporter_missing", "/reporter/organisation", drop("reporter")),
    ("reporter_email_invalid", "/reporter/email", put("nobody", "reporter", "email")),
    ("reporter_email_invalid", "/reporter/email", put("a@", "reporter", "email")),
    ("good_faith_missing", "/good_faith", drop("good_faith")),
    ("requested_action_unknown", "/requested_action", put("explode", "requested_action")),
    ("requested_action_unknown", "/requested_action", put(["remove"], "requested_action")),
    ("issued_at_invalid", "/issued_at", put("2026-01-01T00:00:00", "issued_at")),
    ("issued_at_invalid", "/issued_at", put((NOW + timedelta(hours=1)).isoformat(), "issued_at")),
    ("reply_to_invalid", "/reply_to", put("ftp://example.org/x", "reply_to")),
    ("reply_to_invalid", "/reply_to", put("http://", "reply_to")),
    ("reply_to_invalid", "/reply_to", put("http://[::1/x", "reply_to")),
]


@pytest.mark.parametrize(("code", "path", "change"), CASES, ids=[f"{c[0]}-{n}" for n, c in enumerate(CASES)])
def test_each_requirement_has_its_code_and_pointer(
    code: str, path: str, change: Callable[[dict[str, Any]], None]
) -> None:
    body = notice_body(BASE, "L1")
    change(body)

    assert check(body) == [(code, path)]


def test_a_repeated_item_is_named() -> None:
    body = notice_body(BASE, "L1", "L1")

    assert check(body) == [
        ("item_repeated", "/items/1/item_id"),
        ("item_repeated", "/items/1/listing_id"),
    ]


def test_the_key_must_be_there_and_the_same_everywhere() -> None:
    body = notice_body(BASE, "L1")

    assert check(body, header=None) == [("key_missing", "")]
    assert check(body, header="other") == [("key_mismatch", "/idempotency_key")]
    assert check({**body, "idempotency_key": "x" * 129}, header="x") == [("key_missing", "/idempotency_key")]


def test_everything_unmet_is_told_at_once() -> None:
    assert len(check({}, header=None)) >= 8


@pytest.mark.parametrize("body", [None, [], "x", 7, True])
def test_only_an_object_can_be_a_notice(body: Any) -> None:
    assert check(body) == [("body_not_object", "")]


def test_every_code_stands_in_the_table() -> None:
    table = set(re.findall(r"^``(\w+)``", requirements.__doc__ or "", re.M))

    assert {code for code, _, _ in CASES} | {"key_missing", "key_mismatch", "item_repeated"} <= table


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_no_value_in_any_place_breaks_the_reading(data: st.DataObject) -> None:
    body: dict[str, Any] = notice_body(BASE, "L1")
    field = data.draw(st.sampled_from(sorted(body)))
    body[field] = data.draw(json_values)
    if field != "items" and data.draw(st.booleans()):
        body["items"][0][data.draw(st.sampled_from(sorted(body["items"][0])))] = data.draw(json_values)

    check(body)
