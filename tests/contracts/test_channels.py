"""One suite for every channel over HTTP, against real local servers, however rude.

Mail and files have their own modules beside this one. A new HTTP channel adds one :class:`Sample`.
"""

import asyncio
import base64
import contextlib
import gzip
import json
import logging
import ssl
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import xarf
from standardwebhooks import Webhook

from connectors.channels.coop import DATA_FIELDS
from connectors.channels.xarf_api import MEANING
from connectors.errors import PlatformGone, PlatformRefused, PlatformUnavailable, UnreadableAnswer
from connectors.platform import Delivery, Platform, RawAnswer, Receipt
from connectors.registry import CHANNEL_KINDS, PlatformConfig, build
from schemas.follow_up import Information
from schemas.notice import Notice
from tests.contracts import manners
from tests.contracts.rude_server import Asked, RudeServer, answer, rude_server
from tests.contracts.test_platforms import tls  # noqa: F401 - a fixture
from tests.support.hostile import EXAMPLE, KEY, hostile_notices, many_items, notice

API_KEY = "canary-api-key-0123456789"
NOW = datetime(2026, 3, 9, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Sample:
    """What a receiver says when all is well, and where the key goes."""

    kind: str
    options: Callable[[str], dict[str, Any]]
    """By the receiver's address."""
    accepted: tuple[int, bytes]
    reference: str | None
    path: str
    credential: tuple[str, str]
    effect: Callable[[Any], str]
    """What a report is about, as the receiver tells one matter from another."""
    named: str | None = "reportId"
    """Under what it names a report; ``None``: it names none."""

    def accepts(self, reference: str) -> bytes:
        """An answer that names the report."""
        return self.accepted[1] if self.named is None else json.dumps({self.named: reference}).encode()


SAMPLES = {
    "xarf": Sample(
        kind="xarf",
        options=lambda _: {},
        accepted=(202, b'{"reportId":"r-42","status":"QUEUED"}'),
        reference="r-42",
        path="/v1/abuse",
        credential=("authorization", f"Bearer {API_KEY}"),
        effect=lambda body: str(body["clientToken"]),
    ),
    "coop": Sample(
        kind="coop",
        options=lambda _: {
            "coop": {"item_type_id": "listing", "reporter_type_id": "reporter", "policy_id": "p-7"}
        },
        accepted=(201, b'{"reportId":"r-42"}'),
        reference="r-42",
        path="/api/v1/report",
        credential=("x-api-key", API_KEY),
        effect=lambda body: json.dumps([body["reportedItem"]["typeId"], body["reportedItem"]["id"]]),
    ),
    "mastodon": Sample(
        kind="mastodon",
        options=lambda _: {},
        accepted=(200, b'{"id":"42","action_taken":false,"created_at":"2026-03-09T08:01:13.000Z"}'),
        reference="42",
        path="/api/v1/reports",
        credential=("authorization", f"Bearer {API_KEY}"),
        effect=lambda body: json.dumps([body["account_id"], body["status_ids"]]),
        named="id",
    ),
    "reddit": Sample(
        kind="reddit",
        options=lambda url: {
            "api_key": ["env:KEY", "env:KEY"],
            "reddit": {"client_id": "c", "api_url": url},
            "user_agent": "linux:example-monitor:v1 (by /u/example)",
        },
        accepted=(200, b'{"json":{"errors":[]}}'),
        reference=None,
        path="/api/report",
        credential=("authorization", "Bearer canary-token"),
        effect=lambda form: str(form["thing_id"]),
        named=None,
    ),
}
TOKEN = answer(200, b'{"access_token":"canary-token","expires_in":3600}')
"""For channels that ask for one first; not counted as a call."""
ELSEWHERE = {"email", "csv", "desk"}
"""Kinds that are no HTTP: test_mail_channel.py and test_file_channels.py."""


def test_every_channel_has_a_sample() -> None:
    assert set(SAMPLES) | ELSEWHERE == set(CHANNEL_KINDS)


@pytest.fixture(params=sorted(SAMPLES))
def sample(request: pytest.FixtureRequest) -> Sample:
    return SAMPLES[request.param]


@pytest.fixture
async def server() -> AsyncIterator[RudeServer]:
    async with rude_server() as running:
        running.always["/api/v1/access_token"] = TOKEN
        yield running


PATIENT = {"connect_s": 10, "read_s": 10, "write_s": 10, "pool_s": 10, "total_s": 20}
"""For answers that come: a busy machine is no reason to give up on them."""

IMPATIENT = {"connect_s": 0.5, "read_s": 0.5, "write_s": 0.5, "pool_s": 0.5, "total_s": 1.0}
"""For answers that never come."""


def made(sample: Sample, url: str, **changes: Any) -> Platform:
    config = PlatformConfig.model_validate(
        {
            "name": "bazaar",
            "kind": sample.kind,
            "base_url": url,
            "private_address": True,
            "api_key": "env:KEY",
            "rate_per_s": 1_000,
            "timeouts": PATIENT,
            **sample.options(url),
            **changes,
        }
    )
    return build(config, environment={"KEY": API_KEY})


@pytest.fixture
async def platform(sample: Sample, server: RudeServer) -> AsyncIterator[Platform]:
    channel = made(sample, server.url)
    yield channel
    await channel.aclose()


def delivery(platform: Platform, *, attempt: int = 1, timeout_s: float = 20.0) -> Delivery:
    rendered = platform.render(notice())
    return Delivery(KEY, rendered.body, rendered.content_type, attempt, timeout_s)


# ---- what they say ------------------------------------------------------------------------------


async def test_an_accepted_notice_gives_a_receipt(
    sample: Sample, server: RudeServer, platform: Platform
) -> None:
    server.answers(*sample.accepted)

    receipt = await platform.submit(delivery(platform))

    assert (receipt.http_status, receipt.platform_reference) == (sample.accepted[0], sample.reference)
    assert (receipt.duplicate, receipt.acknowledged) == (False, True)
    [asked] = server.asked
    name, value = sample.credential
    assert (asked.method, asked.target) == ("POST", sample.path)
    assert asked.headers[name] == value
    assert asked.headers["idempotency-key"] == KEY
    assert asked.body == platform.render(notice()).body


async def test_409_is_a_receipt_where_it_names_a_report_and_a_refusal_elsewhere(
    sample: Sample, server: RudeServer, platform: Platform
) -> None:
    server.answers(409, sample.accepted[1])

    if sample.kind == "xarf":
        receipt = await platform.submit(delivery(platform))
        assert (receipt.duplicate, receipt.platform_reference) == (True, sample.reference)
    server.answers(409, b'{"code":"conflict"}')
    with pytest.raises(PlatformRefused) as refusal:
        await platform.submit(delivery(platform))

    assert (refusal.value.reason, refusal.value.http_status) == ("conflict", 409)


async def test_422_tells_every_unmet_requirement(server: RudeServer, platform: Platform) -> None:
    unmet = [{"code": f"c{n}", "path": f"/report/xarf/{n}", "message": "No."} for n in range(3)]
    server.answers(422, json.dumps({"unmetRequirements": unmet}).encode())

    with pytest.raises(PlatformRefused) as refusal:
        await platform.submit(delivery(platform))

    assert [one.code for one in refusal.value.unmet] == ["c0", "c1", "c2"]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_honoured_and_nobody_calls_meanwhile(
    status: int, form: str, server: RudeServer, platform: Platform
) -> None:
    later = datetime.now(UTC) + timedelta(seconds=30)
    value = "30" if form == "seconds" else format_datetime(later, usegmt=True)
    server.answers(status, b"", ("retry-after", value))

    for attempt in (1, 2, 3):
        with pytest.raises(PlatformUnavailable) as trouble:
            await platform.submit(delivery(platform, attempt=attempt))
        assert trouble.value.retry_after_s == pytest.approx(30, abs=2)
    with contextlib.suppress(PlatformUnavailable):
        await platform.poll(KEY)

    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_trouble_on_their_side_is_tried_again(
    status: int, server: RudeServer, platform: Platform
) -> None:
    server.answers(status, b"<html>sorry</html>")

    with pytest.raises(PlatformUnavailable) as trouble:
        await platform.submit(delivery(platform))

    assert (trouble.value.http_status, trouble.value.retry_after_s) == (status, None)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [(400, "invalid"), (401, "unauthorised"), (403, "unauthorised"), (404, "not_found"), (413, "invalid")],
)
async def test_a_refusal_is_not_tried_again(
    status: int, reason: str, server: RudeServer, platform: Platform
) -> None:
    server.answers(status, b"no")

    with pytest.raises(PlatformRefused) as refusal:
        await platform.submit(delivery(platform))

    assert (refusal.value.reason, refusal.value.http_status) == (reason, status)


async def test_a_closed_endpoint_is_gone_and_a_redirect_is_not_followed(
    server: RudeServer, platform: Platform
) -> None:
    server.answers(410)
    with pytest.raises(PlatformGone):
        await platform.submit(delivery(platform))
    server.answers(307, b"", ("location", f"{server.url}/elsewhere"))
    with pytest.raises(PlatformRefused, match="redirect"):
        await platform.submit(delivery(platform))

    assert {asked.target for asked in server.asked} == {server.asked[0].target}


# ---- rudeness -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rude", "reason"),
    [
        (manners.resets_before, "reset"),
        (manners.resets_in_the_middle, "reset"),
        (manners.ends_in_the_middle, "reset"),
        (manners.hangs_up, "reset"),
        (manners.never_answers, "timeout"),
        (manners.trickles_the_head, "timeout"),
        (manners.trickles_the_body, "timeout"),
        (manners.sends_endless_continues, "timeout"),
        (manners.talks_nonsense, "bad_reply"),
        (manners.sends_endless_headers, "bad_reply"),
        (manners.sends_many_headers, "bad_reply"),
        (manners.sends_endless_chunks, "bad_reply"),
        (manners.sends_a_gigabyte, "bad_reply"),
        (answer(202, manners.BOMB, ("content-encoding", "gzip")), "bad_reply"),
        (answer(202, b"<html>please log in</html>"), "bad_reply"),
        (answer(202, b'{"reportId": 7, "id": 7}'), "bad_reply"),
        (answer(202, b"[" * 60_000), "bad_reply"),
        (answer(202, b""), "bad_reply"),
        (answer(202, b"{}", length=400), "timeout"),
    ],
    ids=lambda value: getattr(value, "__name__", None) if callable(value) else None,
)
async def test_rudeness_ends_in_time_and_in_little_memory(
    rude: Any, reason: str, sample: Sample, server: RudeServer
) -> None:
    platform = made(sample, server.url, timeouts=IMPATIENT if reason == "timeout" else PATIENT)
    sent = delivery(platform, timeout_s=1.0 if reason == "timeout" else 20.0)
    server.manners = rude
    started = time.monotonic()
    tracemalloc.start()

    try:
        with pytest.raises(PlatformUnavailable) as trouble:
            await platform.submit(sent)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await platform.aclose()

    assert trouble.value.reason == reason
    assert time.monotonic() - started < 10
    assert peak < 10_000_000


@pytest.mark.long
async def test_an_answer_after_29_seconds_is_still_one(sample: Sample, server: RudeServer) -> None:
    patient = {"connect_s": 5, "read_s": 30, "write_s": 10, "pool_s": 5, "total_s": 30}

    async def slow(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(29)
        await answer(*sample.accepted)(asked, writer)

    server.manners = slow
    platform = made(sample, server.url, timeouts=patient)
    receipt = await platform.submit(delivery(platform, timeout_s=30))
    await platform.aclose()

    assert receipt.platform_reference == sample.reference
    assert len(server.asked) == 1


async def test_a_compressed_answer_is_read_all_the_same(
    sample: Sample, server: RudeServer, platform: Platform
) -> None:
    server.answers(sample.accepted[0], gzip.compress(sample.accepted[1]), ("content-encoding", "gzip"))

    assert (await platform.submit(delivery(platform))).platform_reference == sample.reference


async def test_a_certificate_that_nobody_vouches_for_is_not_spoken_to(
    sample: Sample,
    tls: tuple[ssl.SSLContext, Path],  # noqa: F811 - the fixture
) -> None:
    async with rude_server(tls[0]) as server:
        server.always["/api/v1/access_token"] = TOKEN
        server.answers(*sample.accepted)
        stranger, known = made(sample, server.url), made(sample, server.url, ca_file=str(tls[1]))
        with pytest.raises(PlatformUnavailable) as trouble:
            await stranger.submit(delivery(stranger))
        assert server.asked == []
        receipt = await known.submit(delivery(known))
        await stranger.aclose()
        await known.aclose()

    assert trouble.value.reason == "connect"
    assert receipt.platform_reference == sample.reference


async def test_no_key_reaches_a_log_or_an_error(
    sample: Sample, server: RudeServer, platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = [repr(platform)]
    for status in (sample.accepted[0], 401, 409, 422, 500):
        server.answers(status, b"{}")
        try:
            await platform.submit(delivery(platform))
        except Exception as error:
            said += [str(error), repr(error)]

    assert API_KEY not in caplog.text + " ".join(said)


# ---- one effect for each key --------------------------------------------------------------------


@dataclass
class Receiver:
    """A receiver of the kind, with a memory; each POST is dealt with by the next way in ``ways``."""

    sample: Sample
    ways: list[str] = field(default_factory=list)
    effects: dict[str, str] = field(default_factory=dict)
    posts: int = 0
    forgets: bool = False
    """A client token is forgotten at once, as after a day."""
    made: int = 0

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.method == "GET":
            key = asked.target.partition("correlationId=")[2]
            found = [
                {"reportId": reference, "correlationId": token, "status": "QUEUED"}
                for token, reference in self.effects.items()
                if token == key
            ]
            await answer(200, json.dumps({"reports": found}).encode())(asked, writer)
            return
        self.posts += 1
        way = self.ways.pop(0) if self.ways else "well"
        matter = self.sample.effect(_fields_of(asked))
        if way != "not taken":
            if matter not in self.effects or self.forgets:
                self.made += 1
            self.effects.setdefault(matter, f"r-{len(self.effects) + 1}")
        match way:
            case "well":
                body = self.sample.accepts(self.effects[matter])
                await answer(self.sample.accepted[0], body)(asked, writer)
            case "not taken" | "taken, 503":
                await answer(503)(asked, writer)
            case "taken, reset":
                await manners.resets_in_the_middle(asked, writer)
            case "taken, late":
                await asyncio.sleep(1.0)
                await answer(self.sample.accepted[0], self.sample.accepts("late"))(asked, writer)
            case "taken, bomb":
                await answer(202, manners.BOMB, ("content-encoding", "gzip"))(asked, writer)


def _fields_of(asked: Asked) -> dict[str, Any]:
    """What was sent, as JSON or as a form."""
    if asked.headers["content-type"].startswith("application/json"):
        return dict(json.loads(asked.body))
    return {name: values[-1] for name, values in parse_qs(asked.body.decode()).items()}


async def _until_taken(platform: Platform, attempts: int = 10) -> Receipt:
    for attempt in range(1, attempts + 1):
        try:
            return await platform.submit(delivery(platform, attempt=attempt))
        except PlatformUnavailable:
            continue
    raise AssertionError("never taken")


@pytest.mark.parametrize(
    "ways",
    [
        ["not taken", "not taken", "well"],
        ["taken, 503", "taken, 503", "well"],
        ["taken, reset", "taken, reset", "well"],
        ["taken, late", "well"],
        ["taken, bomb", "taken, reset", "not taken", "taken, 503", "taken, late", "well"],
    ],
    ids=" ".join,
)
async def test_each_key_has_one_effect(ways: list[str], sample: Sample, server: RudeServer) -> None:
    receiver = Receiver(sample, list(ways))
    server.manners = receiver
    late = {"connect_s": 10, "read_s": 0.5, "write_s": 10, "pool_s": 10, "total_s": 20}
    platform = made(sample, server.url, timeouts=late if "taken, late" in ways else PATIENT)

    receipt = await _until_taken(platform)
    await platform.aclose()

    assert list(receiver.effects.values()) == ["r-1"]
    assert receipt.platform_reference == (sample.named and "r-1")
    assert len({asked.body for asked in server.asked if asked.method == "POST"}) == 1


async def test_a_report_is_not_made_again_when_the_token_is_forgotten(server: RudeServer) -> None:
    receiver = Receiver(SAMPLES["xarf"], ["taken, reset"], forgets=True)
    server.manners = receiver
    platform = made(SAMPLES["xarf"], server.url)

    receipt = await _until_taken(platform)
    await platform.aclose()

    assert (receiver.made, receiver.posts, receipt.platform_reference) == (1, 1, "r-1")


# ---- what is sent -------------------------------------------------------------------------------


def _title(sent: Notice) -> str:
    return ascii(sent.items[0].title)[:30]


@pytest.mark.parametrize(
    "words", ["The second picture.", "象牙 \u202e\x00\n" * 900], ids=["short", "hostile"]
)
async def test_what_a_xarf_desk_asked_for_goes_as_a_linked_report_whose_answer_is_the_notice_s(
    words: str, server: RudeServer
) -> None:
    asked = Information(key="i1_" + "a" * 52, notice=notice(), platform_reference="r-1", text=words, at=NOW)
    reports: dict[str, dict[str, Any]] = {}

    async def desk(request: Asked, writer: asyncio.StreamWriter) -> None:
        if request.method == "POST":
            body = json.loads(request.body)
            new = {"reportId": f"r-{len(reports) + 1}", "correlationId": body["correlationId"]}
            found = reports.setdefault(body["clientToken"], new | {"body": body})
            await answer(202, json.dumps({"reportId": found["reportId"]}).encode())(request, writer)
            return
        first, *later = (
            {name: value for name, value in one.items() if name != "body"} for one in reports.values()
        )
        first |= {"status": "COMPLETED", "resolution": "NEED_MORE_INFORMATION"}
        for one in later:
            one |= {"status": "COMPLETED", "resolution": "ACTIONED", "action": "CONTENT_REMOVED"}
        await answer(200, json.dumps({"reports": [first, *later]}).encode())(request, writer)

    server.manners = desk
    platform = made(SAMPLES["xarf"], server.url)
    rendered = platform.render(asked.notice)
    await platform.submit(Delivery(asked.notice.idempotency_key, rendered.body, rendered.content_type, 1, 20))
    rendered = platform.render_information(asked)
    for attempt in (1, 2):
        given = await platform.inform(
            Delivery(asked.key, rendered.body, rendered.content_type, attempt, 20),
            asked.notice.idempotency_key,
        )
        assert (given.http_status, given.platform_reference) == (202, "r-2")
    polled = await platform.poll(asked.notice.idempotency_key)
    assert polled is not None
    answers = platform.parse(polled)
    await platform.aclose()

    assert [(one.kind, one.outcome, one.platform_reference) for one in answers] == [
        ("need_info", "need_info", "r-1"),
        ("decision", "actioned_removed", "r-2"),
    ]
    assert {one.idempotency_key for one in answers} == {asked.notice.idempotency_key}
    first, linked = (one["body"]["report"]["xarf"] for one in reports.values())
    read = xarf.parse(json.dumps(linked))
    assert (read.errors, read.report is not None) == ([], True)
    assert linked["report_id"] != first["report_id"]
    assert "report r-1" in linked["description"]
    assert "\u202e" not in linked["description"]
    whole, text = (base64.b64decode(one["payload"]) for one in linked["evidence"])
    assert (Notice.from_bytes(whole), text.decode()) == (asked.notice, words)


@pytest.mark.parametrize("sent", [notice(), *hostile_notices()], ids=_title)
async def test_xarf_output_is_valid_and_holds_the_whole_notice(sent: Notice, server: RudeServer) -> None:
    platform = made(SAMPLES["xarf"], server.url)
    body = json.loads(platform.render(sent).body)
    await platform.aclose()

    read = xarf.parse(json.dumps(body["report"]["xarf"]))

    assert read.errors == []
    assert read.report is not None
    assert (read.report.category, read.report.type) == ("content", "fraud")
    assert body["clientToken"] == body["correlationId"] == sent.idempotency_key
    assert "_internal" not in body["report"]["xarf"]
    [evidence] = body["report"]["xarf"]["evidence"]
    assert Notice.from_bytes(base64.b64decode(evidence["payload"])) == sent


@pytest.mark.parametrize(
    "url",
    [
        "https://bazaar.example/товар/1?q=象牙",
        "https://bücher.example/1",
        "https://127.0.0.1:8081/listing/1",
        "https://bazaar.example/a\u202eb",
        'https://bazaar.example/"><script>',
    ],
)
async def test_an_address_in_any_script_makes_a_valid_report(url: str, server: RudeServer) -> None:
    platform = made(SAMPLES["xarf"], server.url)
    report = json.loads(platform.render(notice(url=url)).body)["report"]["xarf"]
    await platform.aclose()

    assert xarf.parse(json.dumps(report)).errors == []
    assert report["url"].isascii()


async def test_tags_take_xarf_s_form_and_a_test_stays_one(server: RudeServer) -> None:
    platform = made(SAMPLES["xarf"], server.url)
    many = [f"wildlife:taxon:t{n}" for n in range(30)]
    sent = Notice.model_validate({**EXAMPLE, "tags": ["cites:appendix:I/II", *many, "lifecycle:test"]})
    report = json.loads(platform.render(sent).body)["report"]["xarf"]
    await platform.aclose()

    assert report["tags"][:3] == ["wildlife:trade", "lifecycle:test", "cites:appendix-i-ii"]
    assert len(report["tags"]) == 20
    assert xarf.parse(json.dumps(report)).errors == []


async def test_what_xarf_cannot_hold_is_refused_before_it_is_sent(server: RudeServer) -> None:
    platform = made(SAMPLES["xarf"], server.url)
    nobody = Notice.model_validate({**EXAMPLE, "reporter": {"organisation": "M", "email": "no mail"}})

    for sent in (many_items(2), nobody):
        with pytest.raises(PlatformRefused) as refusal:
            platform.render(sent)
        assert refusal.value.unmet
    await platform.aclose()


@pytest.mark.parametrize("sent", [notice(), *hostile_notices()], ids=_title)
async def test_a_coop_report_has_its_shape_and_loses_nothing(sent: Notice, server: RudeServer) -> None:
    platform = made(SAMPLES["coop"], server.url)
    body = json.loads(platform.render(sent).body)
    await platform.aclose()

    assert body["reporter"] == {"kind": "user", "typeId": "reporter", "id": sent.reporter.email}
    assert body["reportedForReason"] == {"policyId": "p-7", "reason": sent.reasons}
    item = body["reportedItem"]
    assert (item["id"], item["typeId"]) == (sent.items[0].listing_id, "listing")
    assert set(item["data"]) == set(DATA_FIELDS)
    assert all(isinstance(value, str) for value in item["data"].values())
    assert Notice.from_bytes(item["data"]["notice"].encode()) == sent
    assert item["data"]["notice"].isascii()


async def test_every_item_is_in_a_coop_report(server: RudeServer) -> None:
    platform = made(SAMPLES["coop"], server.url)
    body = json.loads(platform.render(many_items(300)).body)
    await platform.aclose()

    ids = [body["reportedItem"]["id"], *(item["id"] for item in body["additionalItems"])]
    assert ids == [str(number) for number in range(300)]


async def test_rendering_is_the_same_every_time(platform: Platform) -> None:
    assert platform.render(notice()) == platform.render(notice())


async def test_what_we_sign_the_public_library_verifies(server: RudeServer) -> None:
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    config = PlatformConfig(
        name="bazaar", kind="sandbox", base_url=server.url, private_address=True, secret=("env:S",)
    )
    platform = build(config, environment={"S": secret})
    for sent in (notice(), *hostile_notices()):
        body = platform.render(sent).body
        with contextlib.suppress(PlatformUnavailable):
            await platform.submit(Delivery(KEY, body, "application/json", 1, 1.0))
        asked = server.asked[-1]
        assert Webhook(secret).verify(asked.body, asked.headers) == json.loads(body)
        with pytest.raises(Exception, match="No matching signature"):
            Webhook(secret).verify(asked.body + b" ", asked.headers)
    await platform.aclose()


# ---- what comes back ----------------------------------------------------------------------------


def _report(**changes: Any) -> dict[str, Any]:
    return {"reportId": "r-42", "correlationId": KEY, "status": "PROCESSING", **changes}


async def _polled(server: RudeServer, *reports: dict[str, Any]) -> tuple[Platform, RawAnswer | None]:
    platform = made(SAMPLES["xarf"], server.url)
    server.answers(200, json.dumps({"reports": reports}).encode())
    return platform, await platform.poll(KEY)


async def test_every_word_of_the_abuse_api_is_mapped(server: RudeServer) -> None:
    for (status, resolution, action), (kind, outcome, measures) in MEANING.items():
        report = _report(status=status, resolution=resolution, action=action, updatedAt=NOW.isoformat())
        platform, raw = await _polled(server, report)
        assert raw is not None

        [read] = platform.parse(raw)

        assert (read.kind, read.outcome, read.measures) == (kind, outcome, measures)
        assert (read.idempotency_key, read.platform_reference) == (KEY, "r-42")
        assert platform.parse(raw) == (read,)
        await platform.aclose()


@pytest.mark.parametrize(
    "words",
    [
        {"status": "COMPLETED"},
        {"status": "COMPLETED", "resolution": "ACTIONED"},
        {"status": "COMPLETED", "resolution": "ACTIONED", "action": "SHRUGGED"},
        {"status": "queued"},
    ],
)
async def test_a_word_that_is_not_mapped_is_never_guessed(server: RudeServer, words: dict[str, str]) -> None:
    platform, raw = await _polled(server, _report(**words))
    assert raw is not None

    with pytest.raises(UnreadableAnswer, match="unmapped"):
        platform.parse(raw)
    await platform.aclose()


async def test_another_notice_s_report_is_not_ours(server: RudeServer) -> None:
    platform, raw = await _polled(server, _report(correlationId="n1_" + "b" * 52))
    assert raw is None
    server.answers(404, b"{}")
    assert await platform.poll(KEY) is None
    server.answers(500)
    with pytest.raises(PlatformUnavailable):
        await platform.poll(KEY)
    await platform.aclose()
