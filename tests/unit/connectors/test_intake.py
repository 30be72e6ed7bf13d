"""The intake tells every sender in one sentence what is wrong, and takes nothing that Kafka has not."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from connectors.intake import MAX_BODY, CannotSay, Intake, RateGuard, intake_app
from connectors.intake_keys import IntakeKey, KeyRing, hash_key, load_keys
from connectors.metrics import ConnectorMetrics
from connectors.publisher import KafkaAway
from schemas.dead_letter import DeadLetter
from schemas.errors import OperatorError
from schemas.listing import Listing
from schemas.report import Report
from streams.contacts.keys import Contact, ContactKeys

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MARKET, CITIZENS, POLICE = ("tk_" + letter * 40 for letter in "abc")
KEYS = KeyRing(
    (
        IntakeKey(
            id="market",
            sha256=hash_key(MARKET),
            organisation="Example Market",
            roles=frozenset({"listings"}),
            platforms=frozenset({"example-market"}),
            rate_per_s=1000,
            burst=1000,
        ),
        IntakeKey(
            id="portal",
            sha256=hash_key(CITIZENS),
            organisation="Example Trust",
            roles=frozenset({"reports"}),
            rate_per_s=1,
            burst=3,
        ),
        IntakeKey(
            id="police",
            sha256=hash_key(POLICE),
            organisation="Example Police",
            roles=frozenset({"reports"}),
            reporters=frozenset({"officer", "partner"}),
            rate_per_s=1000,
            burst=1000,
        ),
    )
)
LISTING = {
    "platform": "example-market",
    "listing_id": "1",
    "url": "https://m.example/1",
    "title": "tusk",
    "observed_at": "2026-11-23T11:00:00Z",
}
REPORT = {"url": "https://m.example/1", "what": "A carved tusk is offered.", "reporter": {"kind": "officer"}}


CONTACT_KEYS = ContactKeys((b"k" * 32,))


class _Log:
    """Stands where Kafka does: keeps what is written, or is away."""

    def __init__(self) -> None:
        self.listings: list[Listing] = []
        self.reports: list[Report] = []
        self.away = False

    async def accept(
        self, *, listings: Sequence[Listing] = (), reports: Sequence[Report] = (), within_s: float
    ) -> tuple[DeadLetter, ...]:
        if self.away:
            raise KafkaAway("away")
        self.listings += listings
        self.reports += reports
        return ()


class _Desk:
    """The intake and what is behind it."""

    def __init__(self) -> None:
        self.log = _Log()
        self.clock = 0.0
        self.registry = CollectorRegistry()
        self.intake = Intake(
            self.log,
            KEYS,
            platforms=frozenset({"example-market", "other-market"}),
            metrics=ConnectorMetrics(self.registry),
            now=lambda: NOW,
            seal=CONTACT_KEYS.seal,
            guard=RateGuard(lambda: self.clock),
            body_within_s=0.3,
        )
        self.app = intake_app(self.intake)
        transport = httpx.ASGITransport(self.app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://intake")

    async def post(self, path: str, content: Any, key: str | None = MARKET, **headers: str) -> httpx.Response:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        sent = {"content-type": "application/json", **{n.replace("_", "-"): v for n, v in headers.items()}}
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        return await self.client.post(path, content=raw, headers=sent)


@pytest.fixture
async def desk() -> AsyncIterator[_Desk]:
    made = _Desk()
    yield made
    await made.client.aclose()


async def test_a_listing_is_taken_and_told_under_which_id(desk: _Desk) -> None:
    reply = await desk.post("/v1/listings", LISTING)

    (stored,) = desk.log.listings
    assert reply.status_code == 202
    (result,) = reply.json()["results"]
    assert (result["status"], result["id"], result["run_id"]) == ("accepted", stored.key, stored.run_id)
    assert (stored.connector, stored.title) == ("intake", "tusk")
    assert stored.run_id.startswith("market-")


async def test_a_sender_does_not_choose_our_fields(desk: _Desk) -> None:
    ours = {"connector": "feed", "run_id": "r", "content_hash": "0" * 64, "schema_version": 1}
    await desk.post("/v1/listings", {**LISTING, **ours})

    (stored,) = desk.log.listings
    assert stored.connector == "intake"
    assert stored.content_hash != "0" * 64


@pytest.mark.parametrize(
    ("content", "status", "code", "told"),
    [
        (b'{"listing_id": "\xff"}', 400, "undecodable", "not UTF-8"),
        (b"{", 400, "not_json", "not JSON"),
        (b"", 400, "not_json", "not JSON"),
        (b"[" * 9_000, 400, "not_json", "not JSON"),
        (b"NaN", 400, "not_json", "not JSON"),
        ([LISTING], 422, "wrong_shape", "one listing"),
        ("text", 422, "wrong_shape", "one listing"),
        ({"listings": []}, 422, "wrong_shape", "at least one"),
        ({"listings": {}}, 422, "wrong_shape", "at least one"),
        ({"listings": [1] * 501}, 422, "too_many", "501"),
        ({**LISTING, "listing_id": None}, 422, "missing_id", "listing_id"),
        ({k: v for k, v in LISTING.items() if k != "listing_id"}, 422, "missing_id", "listing_id"),
        ({**LISTING, "listing_id": 5}, 422, "wrong_shape", "listing_id"),
        ({**LISTING, "title": ["a"]}, 422, "wrong_shape", "title"),
        ({**LISTING, "price": {"amount": "-1"}}, 422, "wrong_shape", "price.amount"),
        ({**LISTING, "platform": "nowhere"}, 422, "unknown_platform", "nowhere"),
        ({**LISTING, "platform": "other-market"}, 403, "not_allowed", "other-market"),
        ({**LISTING, "platform": 5}, 422, "wrong_shape", "platform"),
        ({**LISTING, "platform": None}, 422, "wrong_shape", "platform"),
        ({**LISTING, "colour": "white"}, 422, "unknown_field", "colour"),
        ({**LISTING, "posted_at": "2099-01-01T00:00:00Z"}, 422, "from_the_future", "2099"),
        ({**LISTING, "observed_at": "2026-11-23T12:30:00Z"}, 422, "from_the_future", "observed_at"),
        ({**LISTING, "observed_at": "2026-11-23T11:00:00"}, 422, "wrong_shape", "observed_at"),
        ({**LISTING, "description": "x" * 2_000_000}, 413, "too_large", str(MAX_BODY)),
    ],
)
async def test_what_cannot_be_taken_is_told_in_one_sentence(
    desk: _Desk, content: Any, status: int, code: str, told: str
) -> None:
    reply = await desk.post("/v1/listings", content)

    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert told in reply.json()["message"]
    assert "\n" not in reply.json()["message"]
    assert desk.log.listings == []


async def test_in_a_batch_the_good_ones_are_taken_and_each_is_told(desk: _Desk) -> None:
    rows: list[Any] = [
        LISTING,
        {**LISTING, "listing_id": None},
        5,
        {**LISTING, "platform": "other-market"},
        {**LISTING, "listing_id": "2"},
    ]
    reply = await desk.post("/v1/listings", {"listings": rows})

    assert reply.status_code == 202
    assert (reply.json()["accepted"], reply.json()["refused"]) == (2, 3)
    assert [result.get("code", "ok") for result in reply.json()["results"]] == [
        "ok",
        "missing_id",
        "wrong_shape",
        "not_allowed",
        "ok",
    ]
    assert [listing.listing_id for listing in desk.log.listings] == ["1", "2"]


async def test_a_batch_of_which_nothing_can_be_taken_is_refused(desk: _Desk) -> None:
    reply = await desk.post("/v1/listings", {"listings": [1, 2]})

    assert (reply.status_code, reply.json()["refused"]) == (422, 2)


@pytest.mark.parametrize("path", ["/v1/listings", "/v1/reports"])
async def test_nothing_is_taken_while_kafka_is_away(desk: _Desk, path: str) -> None:
    desk.log.away = True
    key, content = (MARKET, LISTING) if path == "/v1/listings" else (POLICE, REPORT)
    reply = await desk.post(path, content, key)
    assert (reply.status_code, reply.headers["retry-after"], reply.json()["code"]) == (
        503,
        "5",
        "unavailable",
    )
    assert not desk.intake.kafka_answers

    desk.log.away = False
    assert (await desk.post(path, content, key)).status_code == 202
    assert desk.intake.kafka_answers


@pytest.mark.parametrize("key", [None, "", "tk_" + "z" * 40, MARKET[:-1], MARKET + "a", "x" * 9_000])
async def test_without_a_valid_key_nothing_is_read(desk: _Desk, key: str | None) -> None:
    reply = await desk.post("/v1/listings", b"{", key)

    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_key_opens_only_what_it_is_for(desk: _Desk) -> None:
    assert (await desk.post("/v1/reports", REPORT, MARKET)).status_code == 403
    assert (await desk.post("/v1/listings", LISTING, POLICE)).status_code == 403
    assert desk.log.listings == []
    assert desk.log.reports == []


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"content_type": "text/plain"}, "wrong_media_type"),
        ({"content_type": ""}, "wrong_media_type"),
        ({"content_encoding": "gzip"}, "compressed"),
    ],
)
async def test_only_plain_json_is_read(desk: _Desk, headers: dict[str, str], code: str) -> None:
    reply = await desk.post("/v1/listings", LISTING, **headers)

    assert (reply.status_code, reply.json()["code"]) == (415, code)
    assert (
        await desk.post("/v1/listings", LISTING, content_type="application/json; charset=utf-8")
    ).status_code == 202


async def test_a_body_without_a_length_is_given_up_at_the_cap(desk: _Desk) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 10_000

    reply = await desk.client.post(
        "/v1/listings",
        content=endless(),
        headers={"authorization": f"Bearer {MARKET}", "content-type": "application/json"},
    )

    assert reply.status_code == 413
    assert sent * 10_000 < MAX_BODY + 50_000


async def test_a_body_that_trickles_is_not_waited_for(desk: _Desk) -> None:
    async def slow() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    reply = await desk.client.post(
        "/v1/listings",
        content=slow(),
        headers={"authorization": f"Bearer {MARKET}", "content-type": "application/json"},
    )

    assert reply.status_code == 408


async def test_a_key_that_asks_too_often_is_told_when_to_come_again(desk: _Desk) -> None:
    citizen = {**REPORT, "reporter": {"kind": "citizen"}}
    replies = [await desk.post("/v1/reports", citizen, CITIZENS) for _ in range(5)]
    assert [reply.status_code for reply in replies] == [202, 202, 202, 429, 429]
    assert replies[-1].headers["retry-after"] == "1"
    assert (await desk.post("/v1/listings", LISTING)).status_code == 202

    desk.clock += 1.0
    assert [(await desk.post("/v1/reports", citizen, CITIZENS)).status_code for _ in range(2)] == [202, 429]


# ---- reports ------------------------------------------------------------------------------------


async def test_a_report_is_taken_with_its_provenance_and_listing(desk: _Desk) -> None:
    filed = {
        **REPORT,
        "platform": "example-market",
        "language": "de",
        "seen_at": "2026-11-23T10:00:00+01:00",
        "provenance": {"how_acquired": "inherited"},
        "listing": {"listing_id": "1", "title": "tusk"},
    }
    reply = await desk.post("/v1/reports", filed, POLICE)

    (report,) = desk.log.reports
    assert (reply.status_code, reply.json()["report_id"]) == (202, report.report_id)
    assert (report.reporter.kind, report.reporter.organisation) == ("officer", "Example Police")
    assert report.received_at == NOW
    assert report.provenance is not None
    assert report.listing is not None
    assert (report.listing.key, report.listing.run_id) == ("example-market:1", report.report_id)
    assert report.listing.observed_at == report.seen_at == datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


async def test_what_is_written_to_kafka_holds_no_name_or_address_in_clear(desk: _Desk) -> None:
    who = {"kind": "officer", "name": "Kim Canary", "email": "canary@police.example", "country": "KE"}
    reply = await desk.post("/v1/reports", {"reports": [{**REPORT, "reporter": who}, REPORT]}, POLICE)

    assert reply.status_code == 202
    report, anonymous = desk.log.reports
    assert b"canary" not in report.to_bytes().lower()
    assert report.reporter.country == "KE"
    assert report.reporter.sealed is not None
    opened = CONTACT_KEYS.decrypt(report.report_id, report.reporter.sealed)
    assert opened == Contact("Kim Canary", "canary@police.example")
    assert anonymous.reporter.sealed is None


async def test_the_same_report_sent_twice_is_one_report(desk: _Desk) -> None:
    ids = [
        (await desk.post("/v1/reports", content, POLICE)).json()["report_id"]
        for content in (REPORT, dict(reversed(REPORT.items())), {**REPORT, "what": "Another."})
    ]

    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("change", "status", "code", "told"),
    [
        ({"url": "carved tusk"}, 422, "wrong_shape", "url"),
        ({"url": "javascript:alert(1)"}, 422, "wrong_shape", "url"),
        ({"what": ""}, 422, "wrong_shape", "what"),
        ({"what": "x" * 20_001}, 422, "wrong_shape", "what"),
        ({"reporter": {"kind": "citizen"}}, 403, "not_allowed", "citizen"),
        ({"reporter": {"kind": "king"}}, 422, "wrong_shape", "reporter.kind"),
        ({"reporter": {"kind": "officer", "email": "x"}}, 422, "wrong_shape", "reporter.email"),
        ({"organisation": "Other Police"}, 422, "wrong_shape", "organisation"),
        ({"seen_at": "2099-01-01T00:00:00Z"}, 422, "from_the_future", "seen_at"),
        ({"seen_at": "yesterday"}, 422, "wrong_shape", "seen_at"),
        ({"platform": "nowhere"}, 422, "unknown_platform", "nowhere"),
        (
            {"listing": {"title": "no id"}, "platform": "example-market"},
            422,
            "wrong_shape",
            "listing.listing_id",
        ),
        ({"listing": {"listing_id": "1"}}, 422, "wrong_shape", "listing.platform"),
        ({"listing": {"listing_id": "1", "cls": 1}}, 422, "wrong_shape", "listing.platform"),
    ],
)
async def test_a_report_that_cannot_be_taken_is_told_why(
    desk: _Desk, change: dict[str, Any], status: int, code: str, told: str
) -> None:
    reply = await desk.post("/v1/reports", {**REPORT, **change}, POLICE)

    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert told in reply.json()["message"]
    assert desk.log.reports == []


async def test_a_bad_report_does_not_harm_its_neighbours(desk: _Desk) -> None:
    rows = [REPORT, {**REPORT, "url": "no address"}, {**REPORT, "what": "Another."}, "text"]
    reply = await desk.post("/v1/reports", {"reports": rows}, POLICE)

    told = reply.json()
    assert (reply.status_code, told["accepted"], told["refused"]) == (202, 2, 2)
    assert [one.get("code") for one in told["results"]] == [None, "wrong_shape", None, "wrong_shape"]
    assert "url" in told["results"][1]["message"]
    assert [one.report_id for one in desk.log.reports] == [told["results"][n]["report_id"] for n in (0, 2)]
    assert {one.through for one in desk.log.reports} == {"Example Police"}


async def test_reports_of_which_nothing_can_be_taken_are_refused(desk: _Desk) -> None:
    for content, code in (({"reports": []}, "wrong_shape"), ({"reports": [REPORT] * 501}, "too_many")):
        reply = await desk.post("/v1/reports", content, POLICE)
        assert (reply.status_code, reply.json()["code"]) == (422, code)
    assert (await desk.post("/v1/reports", {"reports": [{}]}, POLICE)).status_code == 422
    assert desk.log.reports == []


async def test_an_organisation_is_told_what_became_of_its_own_report(desk: _Desk) -> None:
    asked: list[tuple[str, str]] = []
    known: dict[str, Any] = {}

    async def follow(report_id: str, organisation: str) -> Any:
        asked.append((report_id, organisation))
        if known.get("away"):
            raise CannotSay
        return known.get(report_id)

    filed = (await desk.post("/v1/reports", REPORT, POLICE)).json()
    path = f"/v1/reports/{filed['reference']}"
    signed = {"authorization": f"Bearer {POLICE}"}
    assert (await desk.client.get(path, headers=signed)).json()["code"] == "not_here"

    desk.intake._follow = follow
    assert (await desk.client.get(path, headers=signed)).status_code == 404
    known[filed["report_id"]] = SimpleNamespace(received_at=NOW, progress="told")
    told = await desk.client.get(path, headers=signed)
    by_id = await desk.client.get(f"/v1/reports/{filed['report_id']}", headers=signed)

    assert told.json() == by_id.json() == {**filed, "progress": "told"}
    assert set(asked) == {(filed["report_id"], "Example Police")}
    assert (await desk.client.get(path)).status_code == 401
    assert (await desk.client.get(path, headers={"authorization": f"Bearer {MARKET}"})).status_code == 403
    assert (await desk.client.get("/v1/reports/R-1", headers=signed)).status_code == 404
    known["away"] = True
    assert (await desk.client.get(path, headers=signed)).status_code == 503


async def test_what_happened_is_counted(desk: _Desk) -> None:
    await desk.post("/v1/listings", LISTING)
    await desk.post("/v1/listings", b"{")

    def value(name: str, **labels: str) -> float | None:
        return desk.registry.get_sample_value(name, labels)

    assert value("takin_intake_requests_total", route="listings", status="202") == 1
    assert value("takin_intake_requests_total", route="listings", status="400") == 1
    assert (
        value(
            "takin_connector_listings_total",
            connector="intake",
            platform="example-market",
            result="published",
        )
        == 1
    )


async def test_the_description_names_what_a_sender_fills_in(desk: _Desk) -> None:
    described = (await desk.client.get("/openapi.json")).json()
    listing = described["components"]["schemas"]["Listing"]

    assert {"platform", "listing_id", "url"} == set(listing["required"])
    assert "content_hash" not in listing["properties"]
    text = json.dumps(described)
    references = {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert "Price" in references
    for reference in references:
        assert reference in described["components"]["schemas"]


# ---- keys ---------------------------------------------------------------------------------------


def test_a_keys_file_is_read_and_only_hashes_are_in_it(tmp_path: Path) -> None:
    path = tmp_path / "intake_keys.yaml"
    path.write_text(
        f"keys:\n  - id: a\n    sha256: {hash_key(MARKET)}\n    organisation: A\n    roles: [listings]\n"
        f"    platforms: [example-market]\n"
    )
    key = load_keys(path).find(f"Bearer {MARKET}")

    assert key is not None
    assert key.id == "a"
    assert load_keys(path).find(f"bearer  {MARKET}") == key
    assert load_keys(path).find(f"Basic {MARKET}") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "keys: []",
        "keys: [{id: a}]",
        "keys: [",
        "keys:\n" + "  - {id: a, sha256: %s, organisation: A, roles: [listings]}\n" % ("0" * 64) * 2,
        "keys:\n  - {id: a, sha256: %s, organisation: A, roles: []}\n" % ("0" * 64),
        "keys:\n  - {id: a, sha256: %s, organisation: A, roles: [king]}\n" % ("0" * 64),
    ],
)
def test_a_keys_file_with_a_mistake_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "intake_keys.yaml"
    path.write_text(text)

    with pytest.raises(OperatorError, match="keys file"):
        load_keys(path)


def test_the_guard_never_lets_more_through_than_the_rate() -> None:
    clock = [0.0]
    guard = RateGuard(lambda: clock[0])
    key = IntakeKey(
        id="k", sha256="0" * 64, organisation="o", roles=frozenset({"reports"}), rate_per_s=2, burst=4
    )
    passed = 0
    for _ in range(1_000):
        clock[0] += 0.01
        passed += guard.wait_s(key) == 0

    assert passed == pytest.approx(2 * timedelta(seconds=10).total_seconds() + 4, abs=2)
