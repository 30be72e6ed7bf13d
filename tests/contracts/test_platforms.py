"""One suite for every kind of platform: what any of them must do when the other side is rude.

A new kind adds one :class:`Sample`; everything here then runs for it.
"""

import asyncio
import gzip
import json
import logging
import re
import ssl
import subprocess
import time
import tracemalloc
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import schemas
from connectors.egress import EgressPolicy
from connectors.errors import (
    ForgedAnswer,
    PlatformGone,
    PlatformRefused,
    PlatformUnavailable,
    UnreadableAnswer,
)
from connectors.http import OutboundClient
from connectors.platform import Delivery, Platform, ProbeTarget, RawAnswer
from connectors.registry import KINDS, PlatformConfig, build
from connectors.signing import sign, verify
from schemas.notice import Notice
from tests.contracts.manners import (
    BOMB,
    ends_in_the_middle,
    hangs_up,
    never_answers,
    resets_before,
    resets_in_the_middle,
    sends_endless_chunks,
    sends_endless_continues,
    sends_endless_headers,
    sends_many_headers,
    talks_nonsense,
    trickles_the_body,
    trickles_the_head,
)
from tests.contracts.rude_server import Asked, RudeServer, answer, rude_server

DATA = Path(__file__).parent.parent / "data" / "platforms"
KEY = "n1_" + "a" * 52
OURS = "whsec_" + b64encode(b"ours-canary-0123456789abcdef0123").decode()
THEIRS = "whsec_" + b64encode(b"their-canary-123456789abcdef0123").decode()
KEY_SECRET = "key-canary-0123456789"
TOKENS = ("access-token-canary", "refresh-token-canary")
OTHERS = "whsec_" + b64encode(b"another-platform-89abcdef0123456").decode()


@dataclass(frozen=True)
class Sample:
    """What a kind of platform says when all is well."""

    kind: str
    accepted: tuple[int, bytes]
    reference: str
    answers: tuple[str, ...]
    """Files of genuine answers under ``tests/data/platforms/<kind>/``: webhook bodies where it sends those,
    else polled ones."""
    unmapped: str
    unknown: tuple[int, bytes]
    """What it says of a notice that it does not know."""
    listing_id: str = "L-1"
    known_already: tuple[int, bytes] | None = None
    """What it says to a notice about a matter that it knows; absent: it takes each for a new one."""
    webhooks: bool = False
    """It signs its answers and sends them, and takes ours signed."""
    unmet: bool = False
    """It says one by one what a notice lacks."""
    login: Mapping[str, bytes] = field(default_factory=dict)
    """Paths that are asked before the call itself, and what they answer."""
    options: Callable[[str], dict[str, Any]] = lambda _: {}
    """Further configuration, by the server's address."""
    asking: Callable[[str], dict[str, Any]] = lambda _: {}
    """The same for a platform that may be asked what became of a notice."""


def _file(kind: str, name: str) -> bytes:
    return (DATA / kind / name).read_bytes()


_RECEIPT = _file("sandbox", "receipt.json")


def _network(url: str, **more: Any) -> dict[str, Any]:
    where = {"firehose": "ws" + url.removeprefix("http"), "app_view": url}
    who = {"identifier": "takin.example", "moderation_did": "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb"}
    return {"api_key": "env:KEY", "atproto": {**where, **who, **more}}


SAMPLES = {
    "sandbox": Sample(
        kind="sandbox",
        accepted=(202, _file("sandbox", "receipt.json")),
        reference="DESK-000042",
        known_already=(409, _file("sandbox", "duplicate.json")),
        answers=("answer_removed.json", "answer_need_info.json", "answer_kept.json"),
        unmapped="answer_unmapped.json",
        unknown=(404, b"{}"),
        webhooks=True,
        unmet=True,
    ),
    "atproto": Sample(
        kind="atproto",
        accepted=(200, _file("atproto", "report.json")),
        reference="42",
        answers=("history_taken_down.json", "history_acknowledged.json", "history_labelled.json"),
        unmapped="history_unmapped.json",
        unknown=(200, b'{"events": []}'),
        listing_id="at://did:plc:aaaaaaaaaaaaaaaaaaaaaaaa/app.bsky.feed.post/3aaaaaaaaaa2a",
        login={"/xrpc/com.atproto.server.createSession": _file("atproto", "session.json")},
        options=_network,
        asking=lambda url: _network(url, team_member=True),
    ),
}


WITH_WEBHOOKS = sorted(name for name, one in SAMPLES.items() if one.webhooks)
THAT_KNOW_A_REPEAT = sorted(name for name, one in SAMPLES.items() if one.known_already)
THAT_TELL_WHAT_LACKS = sorted(name for name, one in SAMPLES.items() if one.unmet)


def test_every_kind_has_a_sample() -> None:
    assert set(SAMPLES) == set(KINDS)


@pytest.fixture(params=sorted(SAMPLES))
def sample(request: pytest.FixtureRequest) -> Sample:
    return SAMPLES[request.param]


@asynccontextmanager
async def serving(sample: Sample, context: ssl.SSLContext | None = None) -> AsyncIterator[RudeServer]:
    """A server that lets us in where a login comes first."""
    async with rude_server(context) as running:
        running.always.update({path: answer(200, body) for path, body in sample.login.items()})
        yield running


@pytest.fixture
async def server(sample: Sample) -> AsyncIterator[RudeServer]:
    async with serving(sample) as running:
        yield running


PATIENT = {"connect_s": 10, "read_s": 10, "write_s": 10, "pool_s": 10, "total_s": 20}
"""For answers that come: a busy machine is no reason to give up on them."""

IMPATIENT = {"connect_s": 0.5, "read_s": 0.5, "write_s": 0.5, "pool_s": 0.5, "total_s": 1.0}
"""For answers that never come."""


def config(sample: Sample, url: str, **changes: Any) -> PlatformConfig:
    return PlatformConfig.model_validate(
        {
            "name": f"{sample.kind}-under-test",
            "kind": sample.kind,
            "base_url": url,
            "private_address": True,
            "dev_only": True,
            "secret": "env:OURS",
            "webhook_secret": "env:THEIRS",
            "rate_per_s": 1_000,
            "timeouts": PATIENT,
            **sample.options(url),
            **changes,
        }
    )


ENVIRONMENT = {"OURS": OURS, "THEIRS": THEIRS, "KEY": KEY_SECRET}


@pytest.fixture
async def platform(sample: Sample, server: RudeServer) -> AsyncIterator[Platform]:
    made = build(config(sample, server.url), environment=ENVIRONMENT)
    yield made
    await made.aclose()


@pytest.fixture
async def asking(sample: Sample, server: RudeServer) -> AsyncIterator[Platform]:
    made = build(config(sample, server.url, **sample.asking(server.url)), environment=ENVIRONMENT)
    yield made
    await made.aclose()


def delivery(body: bytes = b'{"notice":1}', *, attempt: int = 1, timeout_s: float = 20.0) -> Delivery:
    return Delivery(KEY, body, "application/json", attempt, timeout_s)


# ---- submitting ---------------------------------------------------------------------------------


async def test_an_accepted_notice_gives_a_receipt(
    sample: Sample, server: RudeServer, platform: Platform
) -> None:
    server.answers(*sample.accepted)

    receipt = await platform.submit(delivery())

    assert (receipt.http_status, receipt.platform_reference) == (sample.accepted[0], sample.reference)
    assert not receipt.duplicate
    assert receipt.raw == sample.accepted[1]


@pytest.mark.parametrize("sample", THAT_KNOW_A_REPEAT, indirect=True)
async def test_a_matter_that_is_known_already_is_a_receipt_too(
    sample: Sample, server: RudeServer, platform: Platform
) -> None:
    assert sample.known_already is not None
    server.answers(*sample.known_already)

    receipt = await platform.submit(delivery())

    assert receipt.duplicate
    assert receipt.platform_reference


async def test_a_retry_sends_the_same_bytes(sample: Sample, server: RudeServer, platform: Platform) -> None:
    body = '{"reasons":"象牙 بيع"}'.encode()
    server.answers(503)
    with pytest.raises(PlatformUnavailable):
        await platform.submit(delivery(body))
    server.answers(*sample.accepted)
    await platform.submit(delivery(body, attempt=2))

    first, second = server.asked
    assert first.body == second.body == body
    assert {asked.headers["accept-encoding"] for asked in server.asked} == {"identity"}


@pytest.mark.parametrize("sample", WITH_WEBHOOKS, indirect=True)
async def test_a_retry_sends_the_same_key_and_a_fresh_signature(
    sample: Sample, server: RudeServer, platform: Platform
) -> None:
    body = '{"reasons":"象牙 بيع"}'.encode()
    server.answers(503)
    with pytest.raises(PlatformUnavailable):
        await platform.submit(delivery(body))
    server.answers(*sample.accepted)
    await platform.submit(delivery(body, attempt=2))

    first, second = server.asked
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == KEY
    for asked in server.asked:
        assert verify((SecretStr(OURS),), asked.headers, asked.body, datetime.now(UTC)).message_id == KEY


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_trouble_on_their_side_is_retried(status: int, server: RudeServer, platform: Platform) -> None:
    server.answers(status, b"<html>sorry</html>")

    with pytest.raises(PlatformUnavailable) as trouble:
        await platform.submit(delivery())

    assert trouble.value.http_status == status
    assert trouble.value.reason == ("throttled" if status == 429 else "server_error")
    assert trouble.value.retry_after_s is None


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_honoured_and_nothing_is_sent_meanwhile(
    status: int, form: str, server: RudeServer, platform: Platform
) -> None:
    later = datetime.now(UTC) + timedelta(seconds=30)
    server.answers(
        status, b"", ("retry-after", "30" if form == "seconds" else format_datetime(later, usegmt=True))
    )

    with pytest.raises(PlatformUnavailable) as trouble:
        await platform.submit(delivery())
    assert trouble.value.retry_after_s == pytest.approx(30, abs=2)

    with pytest.raises(PlatformUnavailable) as early:
        await platform.submit(delivery())
    assert early.value.reason == "throttled"
    assert early.value.retry_after_s == pytest.approx(30, abs=2)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [(400, "invalid"), (401, "unauthorised"), (403, "unauthorised"), (404, "not_found"), (413, "invalid")],
)
async def test_a_refusal_is_not_retried(
    status: int, reason: str, server: RudeServer, platform: Platform
) -> None:
    server.answers(status, b"no")

    with pytest.raises(PlatformRefused) as refusal:
        await platform.submit(delivery())

    assert (refusal.value.reason, refusal.value.http_status) == (reason, status)


async def test_a_closed_endpoint_is_gone(server: RudeServer, platform: Platform) -> None:
    server.answers(410)

    with pytest.raises(PlatformGone):
        await platform.submit(delivery())


@pytest.mark.parametrize("sample", THAT_TELL_WHAT_LACKS, indirect=True)
async def test_unmet_requirements_are_told_one_by_one(server: RudeServer, platform: Platform) -> None:
    unmet = [{"code": "policy_clause_missing", "path": "/legal_basis/0", "message": "Name our clause."}]
    server.answers(422, json.dumps({"unmetRequirements": unmet}).encode())

    with pytest.raises(PlatformRefused) as refusal:
        await platform.submit(delivery())

    assert [(one.code, one.path) for one in refusal.value.unmet] == [
        ("policy_clause_missing", "/legal_basis/0")
    ]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int, server: RudeServer, platform: Platform) -> None:
    server.answers(status, b"", ("location", f"{server.url}/elsewhere"))

    with pytest.raises(PlatformRefused) as refusal:
        await platform.submit(delivery())

    assert refusal.value.reason == "redirect"
    assert [asked.target for asked in server.asked] == [server.asked[0].target]


@pytest.mark.parametrize(
    ("manners", "reasons"),
    [
        (resets_before, {"reset"}),
        (resets_in_the_middle, {"reset"}),
        (ends_in_the_middle, {"reset"}),
        (hangs_up, {"reset"}),
        (never_answers, {"timeout"}),
        (trickles_the_head, {"timeout"}),
        (trickles_the_body, {"timeout"}),
        (sends_endless_continues, {"timeout"}),
        (talks_nonsense, {"bad_reply"}),
        (sends_endless_headers, {"bad_reply"}),
        (sends_many_headers, {"bad_reply"}),
        (sends_endless_chunks, {"bad_reply"}),
        (answer(202, BOMB, ("content-encoding", "gzip")), {"bad_reply"}),
        (answer(202, b"\x1f\x8bnot gzip", ("content-encoding", "gzip")), {"bad_reply"}),
        (answer(202, gzip.compress(_RECEIPT)[:-4], ("content-encoding", "gzip")), {"bad_reply"}),
        (answer(202, b"whatever", ("content-encoding", "br")), {"bad_reply"}),
        (answer(202, b"<html>please log in</html>"), {"bad_reply"}),
        (answer(202, b'{"reference": 7}'), {"bad_reply"}),
        (answer(202, b"[" * 60_000), {"bad_reply"}),
        (answer(200, b"{}"), {"bad_reply"}),
        (answer(202, b""), {"bad_reply"}),
        (answer(202, b"{}", length=400), {"timeout"}),
    ],
    ids=lambda value: getattr(value, "__name__", None) if callable(value) else None,
)
async def test_rudeness_ends_in_time_as_something_to_try_again(
    manners: Any, reasons: set[str], sample: Sample, server: RudeServer
) -> None:
    timeouts = IMPATIENT if reasons == {"timeout"} else PATIENT
    platform = build(config(sample, server.url, timeouts=timeouts), environment=ENVIRONMENT)
    server.manners = manners
    started = time.monotonic()
    tracemalloc.start()

    try:
        with pytest.raises(PlatformUnavailable) as trouble:
            await platform.submit(delivery(timeout_s=1.0 if reasons == {"timeout"} else 20.0))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await platform.aclose()

    assert trouble.value.reason in reasons
    assert time.monotonic() - started < 10
    assert peak < 5_000_000


async def test_a_huge_error_page_does_not_hide_its_status(server: RudeServer, platform: Platform) -> None:
    server.answers(503, b"x" * 500_000, ("retry-after", "7"))

    with pytest.raises(PlatformUnavailable) as trouble:
        await platform.submit(delivery())

    assert (trouble.value.reason, trouble.value.retry_after_s) == ("server_error", 7.0)


async def test_a_small_gzip_answer_that_nobody_asked_for_is_read_all_the_same(
    sample: Sample, server: RudeServer, platform: Platform
) -> None:
    server.answers(sample.accepted[0], gzip.compress(sample.accepted[1]), ("content-encoding", "gzip"))

    assert (await platform.submit(delivery())).platform_reference == sample.reference


async def test_the_delivery_s_own_limit_counts(server: RudeServer, platform: Platform) -> None:
    server.manners = trickles_the_body
    started = time.monotonic()

    with pytest.raises(PlatformUnavailable):
        await platform.submit(delivery(timeout_s=0.3))

    assert time.monotonic() - started < 5


async def test_a_platform_that_hangs_does_not_leave_connections_behind(
    sample: Sample, server: RudeServer, platform: Platform
) -> None:
    """After more hanging calls than there are connections the next good call still gets one."""
    server.manners = never_answers
    calls = [platform.submit(delivery(timeout_s=0.2)) for _ in range(12)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {getattr(result, "reason", None) for result in results} == {"timeout"}

    server.answers(*sample.accepted)
    assert (await platform.submit(delivery())).platform_reference == sample.reference


async def test_nobody_listening_is_told_as_such(sample: Sample) -> None:
    async with serving(sample) as closed:
        url = closed.url
    platform = build(config(sample, url), environment=ENVIRONMENT)

    with pytest.raises(PlatformUnavailable) as trouble:
        await platform.submit(delivery())
    await platform.aclose()

    assert trouble.value.reason == "connect"


async def test_an_address_that_the_operator_did_not_call_private_is_never_connected_to(
    sample: Sample, server: RudeServer, tls: tuple[ssl.SSLContext, Path]
) -> None:
    url = server.url.replace("http:", "https:").replace("127.0.0.1", "localhost")
    made = config(sample, url, private_address=False, **sample.options(url))
    platform = build(made, environment=ENVIRONMENT)

    with pytest.raises(PlatformRefused) as refusal:
        await platform.submit(delivery())
    await platform.aclose()

    assert refusal.value.reason == "refused"
    assert server.asked == []


# ---- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's context and the certificate by which it can be trusted."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "1", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


async def test_a_certificate_that_nobody_vouches_for_is_not_spoken_to(
    sample: Sample, tls: tuple[ssl.SSLContext, Path]
) -> None:
    async with serving(sample, tls[0]) as server:
        server.answers(*sample.accepted)
        platform = build(config(sample, server.url), environment=ENVIRONMENT)
        with pytest.raises(PlatformUnavailable) as trouble:
            await platform.submit(delivery())
        await platform.aclose()

        assert trouble.value.reason == "connect"
        assert "certificate" in trouble.value.detail.lower()
        assert server.asked == []


async def test_a_platform_s_own_authority_is_trusted_where_it_is_named(
    sample: Sample, tls: tuple[ssl.SSLContext, Path]
) -> None:
    async with serving(sample, tls[0]) as server:
        server.answers(*sample.accepted)
        platform = build(config(sample, server.url, ca_file=str(tls[1])), environment=ENVIRONMENT)
        receipt = await platform.submit(delivery())
        wrong_name = server.url.replace("127.0.0.1", "localhost")
        impostor = build(config(sample, wrong_name, ca_file=str(tls[1])), environment=ENVIRONMENT)
        with pytest.raises(PlatformUnavailable, match="connect"):
            await impostor.submit(delivery())
        await platform.aclose()
        await impostor.aclose()

        assert receipt.platform_reference == sample.reference


# ---- answers ------------------------------------------------------------------------------------


def _signed(body: bytes, secret: str, message_id: str = "msg_1") -> dict[str, str]:
    return sign((SecretStr(secret),), message_id, body, datetime.now(UTC))


async def test_every_sample_answer_is_read_and_reading_it_twice_gives_the_same(
    sample: Sample, platform: Platform
) -> None:
    for name in sample.answers:
        body = _file(sample.kind, name)
        now = datetime.now(UTC)
        raw = (
            platform.authenticate(_signed(body, THEIRS), body, now)
            if sample.webhooks
            else RawAnswer(platform.name, "poll_1", "poll", now, body)
        )

        once, twice = platform.parse(raw), platform.parse(raw)

        assert once == twice
        assert once
        assert {response.platform for response in once} == {platform.name}
        assert {response.idempotency_key for response in once} == {KEY}


async def test_an_answer_of_another_platform_is_none_of_this_one(sample: Sample, platform: Platform) -> None:
    body = _file(sample.kind, sample.answers[0])
    foreign = RawAnswer("another-platform", "msg_1", "webhook", datetime.now(UTC), body)

    with pytest.raises(ForgedAnswer) as forged:
        platform.parse(foreign)

    assert forged.value.reason == "wrong_platform"


@pytest.mark.parametrize("sample", WITH_WEBHOOKS, indirect=True)
async def test_an_answer_is_only_accepted_from_this_platform(sample: Sample, platform: Platform) -> None:
    body = _file(sample.kind, sample.answers[0])
    now = datetime.now(UTC)

    for secret in (OTHERS, OURS):
        with pytest.raises(ForgedAnswer) as forged:
            platform.authenticate(_signed(body, secret), body, now)
        assert forged.value.reason == "bad_signature"
    genuine = platform.authenticate(_signed(body, THEIRS), body, now)

    assert genuine.platform == platform.name
    assert genuine.source_id == "msg_1"


@pytest.mark.parametrize("sample", WITH_WEBHOOKS, indirect=True)
async def test_an_altered_old_or_unsigned_answer_is_forged(sample: Sample, platform: Platform) -> None:
    body = _file(sample.kind, sample.answers[0])
    headers = _signed(body, THEIRS)
    now = datetime.now(UTC)

    for bad_headers, bad_body, at, reason in (
        (headers, body + b" ", now, "bad_signature"),
        (headers, body, now + timedelta(seconds=302), "old"),
        (headers, body, now - timedelta(seconds=302), "old"),
        ({}, body, now, "no_signature"),
    ):
        with pytest.raises(ForgedAnswer) as forged:
            platform.authenticate(bad_headers, bad_body, at)
        assert forged.value.reason == reason


async def test_without_a_secret_no_webhook_is_accepted(sample: Sample, server: RudeServer) -> None:
    platform = build(config(sample, server.url, webhook_secret=[]), environment=ENVIRONMENT)
    body = _file(sample.kind, sample.answers[0])

    assert not platform.capabilities.webhook
    with pytest.raises(ForgedAnswer):
        platform.authenticate(_signed(body, THEIRS), body, datetime.now(UTC))
    await platform.aclose()


async def test_a_word_that_is_not_mapped_is_never_guessed(sample: Sample, platform: Platform) -> None:
    raw = RawAnswer(platform.name, "msg_1", "webhook", datetime.now(UTC), _file(sample.kind, sample.unmapped))

    with pytest.raises(UnreadableAnswer) as unreadable:
        platform.parse(raw)

    assert unreadable.value.reason == "unmapped"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"<html>", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"[]", "wrong_shape"),
        (b"{}", "wrong_shape"),
        (b"[" * 50_000, "not_json"),
    ],
)
async def test_a_genuine_answer_that_cannot_be_read_is_told_as_such(
    body: bytes, reason: str, platform: Platform
) -> None:
    for channel in ("webhook", "poll"):
        with pytest.raises(UnreadableAnswer) as unreadable:
            platform.parse(RawAnswer(platform.name, "msg_1", channel, datetime.now(UTC), body))
        assert unreadable.value.reason == reason


async def test_polling_an_unknown_notice_finds_nothing(
    sample: Sample, server: RudeServer, asking: Platform
) -> None:
    server.answers(*sample.unknown)

    assert await asking.poll(KEY) is None
    assert len(server.asked) == 1


async def test_polling_trouble_is_told_as_such(server: RudeServer, asking: Platform) -> None:
    server.answers(500)
    with pytest.raises(PlatformUnavailable):
        await asking.poll(KEY)
    server.answers(401)
    with pytest.raises(PlatformRefused):
        await asking.poll(KEY)


# ---- looking ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", ["sandbox"], indirect=True)
@pytest.mark.parametrize(("status", "reason"), [(404, "not_found"), (410, "gone")])
async def test_a_page_that_is_not_there_is_gone(
    status: int, reason: str, server: RudeServer, platform: Platform
) -> None:
    server.answers(status)

    seen = await platform.probe(ProbeTarget("L-1", f"{server.url}/listing/L-1", "0" * 64))

    assert (seen.state, seen.reason) == ("offline", reason)


@pytest.mark.parametrize(
    ("manners", "state", "reason"),
    [
        (answer(401), "unknown", "login_wall"),
        (answer(403), "unknown", "login_wall"),
        (answer(429), "unknown", "throttled"),
        (answer(302, b"", ("location", "/login")), "unknown", "redirected"),
        (answer(500), "unknown", "server_error"),
        (answer(503), "unknown", "server_error"),
        (answer(451), "unknown", "other"),
        (answer(200, b""), "unknown", "other"),
        (answer(200, b"<html><title>Welcome</title>L-1 ivory</html>"), "unknown", "other"),
        (never_answers, "unknown", "timeout"),
        (trickles_the_body, "unknown", "timeout"),
        (resets_in_the_middle, "unknown", "unreachable"),
        (talks_nonsense, "unknown", "unreachable"),
        (answer(200, BOMB, ("content-encoding", "gzip")), "unknown", "other"),
    ],
    ids=lambda value: getattr(value, "__name__", None) if callable(value) else None,
)
async def test_only_the_platform_s_own_word_counts_as_gone(
    manners: Any, state: str, reason: str, sample: Sample, server: RudeServer
) -> None:
    timeouts = IMPATIENT if reason == "timeout" else PATIENT
    platform = build(config(sample, server.url, timeouts=timeouts), environment=ENVIRONMENT)
    server.manners = manners

    seen = await platform.probe(ProbeTarget(sample.listing_id, f"{server.url}/listing/L-1", "0" * 64))
    await platform.aclose()

    assert (seen.state, seen.reason) == (state, reason)
    assert seen.at.tzinfo is not None


async def test_the_prober_goes_to_no_other_host(
    server: RudeServer, platform: Platform, sample: Sample
) -> None:
    async with rude_server() as elsewhere:
        for url in (f"{elsewhere.url}/listing/L-1", "https://example.org/", "file:///etc/passwd", "::", ""):
            seen = await platform.probe(ProbeTarget("L-1", url, "0" * 64))
            assert (seen.state, seen.reason) == ("unknown", "other")
        assert elsewhere.asked == []


async def test_nobody_listening_is_unknown_not_gone(sample: Sample) -> None:
    async with serving(sample) as closed:
        url = closed.url
    platform = build(config(sample, url), environment=ENVIRONMENT)

    seen = await platform.probe(ProbeTarget(sample.listing_id, f"{url}/listing/L-1", "0" * 64))
    await platform.aclose()

    assert (seen.state, seen.reason) == ("unknown", "unreachable")


# ---- always -------------------------------------------------------------------------------------


async def test_rendering_is_the_same_every_time(sample: Sample, platform: Platform) -> None:
    example = Path(schemas.__file__).parent / "examples" / "notice.json"
    given = Notice.from_bytes(example.read_bytes())
    items = [
        one.model_copy(update={"listing_id": sample.listing_id, "revision": "r1"}) for one in given.items
    ]
    notice = given.model_copy(update={"items": tuple(items[:1])})

    assert platform.render(notice) == platform.render(Notice.from_bytes(notice.to_bytes()))


async def test_no_secret_reaches_a_log_or_an_error(
    sample: Sample, server: RudeServer, platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = [repr(platform), repr(vars(platform))]
    for status in (200, 202, 401, 409, 422, 500):
        server.answers(status, b"{}")
        try:
            await platform.submit(delivery())
        except Exception as error:
            said += [str(error), repr(error)]
    text = caplog.text + " ".join(said)

    for secret in (OURS, THEIRS, KEY_SECRET, *TOKENS):
        assert secret not in text
        assert secret.removeprefix("whsec_") not in text
    assert not re.search(r"v1,[A-Za-z0-9+/=]{40}", caplog.text)


async def test_one_connection_serves_many_exchanges_and_one_that_hung_up_none(
    tls: tuple[ssl.SSLContext, Path],
) -> None:
    talked_over: list[object] = []

    async def manners(asked: Asked, writer: asyncio.StreamWriter) -> None:
        talked_over.append(writer)
        await answer(200, b"x" * (4_000_000 if asked.target == "/large" else 10))(asked, writer)
        if asked.target == "/farewell":
            writer.close()

    async with rude_server(tls[0]) as server:
        server.manners = manners
        policy = EgressPolicy.for_base_url(server.url, private=True)
        client = OutboundClient(policy, ca_file=str(tls[1]))
        paths = ["/one", "/large", "/two", "/farewell", "/three"]
        sizes = []
        for path in paths:
            reply = await client.request("GET", server.url + path, cap=5_000_000, content=b"y" * 300_000)
            sizes.append(len(reply.body))
            await asyncio.sleep(0.05)  # in which a farewell arrives
        await client.aclose()

    assert sizes == [10, 4_000_000, 10, 10, 10]
    assert [one is talked_over[0] for one in talked_over] == [True, True, True, True, False]
