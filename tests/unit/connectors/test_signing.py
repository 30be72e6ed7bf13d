"""Only a message that its platform signed, lately, with a current secret, is accepted."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks import Webhook

from connectors.errors import ForgedAnswer
from connectors.signing import check_secret, sign, verify

NOW = datetime(2026, 11, 23, 12, 0, 0, 700_000, tzinfo=UTC)
OLD = SecretStr("whsec_" + base64.b64encode(b"o" * 32).decode())
NEW = SecretStr("whsec_" + base64.b64encode(b"n" * 32).decode())
OTHER = SecretStr("whsec_" + base64.b64encode(b"x" * 32).decode())
BODY = '{"offer":"слоновая кость 象牙"}'.encode()
GOOD = sign((NEW,), "msg_1", BODY, NOW)


def test_what_we_sign_we_accept() -> None:
    signed = verify((NEW,), GOOD, BODY, NOW)

    assert signed.message_id == "msg_1"
    assert signed.sent_at == NOW.replace(microsecond=0)


def test_what_we_sign_the_public_library_accepts() -> None:
    headers = sign((NEW,), "msg_1", BODY, datetime.now(UTC))

    assert Webhook(NEW.get_secret_value()).verify(BODY, headers) == {"offer": "слоновая кость 象牙"}


def test_a_known_vector_of_the_standard_holds() -> None:
    """From the specification's own test vector (standard-webhooks, spec and libraries)."""
    secret = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1614265330, UTC)

    headers = sign((secret,), "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', at)

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_zone_of_the_clock_does_not_matter() -> None:
    from zoneinfo import ZoneInfo

    assert sign((NEW,), "msg_1", BODY, NOW.astimezone(ZoneInfo("Asia/Tokyo"))) == GOOD


def test_header_names_are_read_in_any_case() -> None:
    assert verify((NEW,), {name.title(): value for name, value in GOOD.items()}, BODY, NOW)


@pytest.mark.parametrize("accepted", [(NEW, OLD), (OLD, NEW)], ids=["new-first", "old-first"])
@pytest.mark.parametrize("signer", [(NEW,), (OLD,), (OLD, NEW)], ids=["new", "old", "both"])
def test_while_a_secret_is_replaced_both_hold(
    accepted: tuple[SecretStr, ...], signer: tuple[SecretStr, ...]
) -> None:
    assert verify(accepted, sign(signer, "msg_1", BODY, NOW), BODY, NOW)


def test_after_rotation_the_old_secret_holds_no_more() -> None:
    with pytest.raises(ForgedAnswer) as refusal:
        verify((NEW,), sign((OLD,), "msg_1", BODY, NOW), BODY, NOW)
    assert refusal.value.reason == "bad_signature"


@pytest.mark.parametrize("shift", [300, -300, 0])
def test_a_time_stamp_within_five_minutes_holds(shift: int) -> None:
    at = NOW.replace(microsecond=0)

    assert verify((NEW,), sign((NEW,), "msg_1", BODY, at + timedelta(seconds=shift)), BODY, at)


@pytest.mark.parametrize("shift", [301, -301, 86_400, -86_400])
def test_a_time_stamp_further_away_is_old(shift: int) -> None:
    at = NOW.replace(microsecond=0)
    with pytest.raises(ForgedAnswer) as refusal:
        verify((NEW,), sign((NEW,), "msg_1", BODY, at + timedelta(seconds=shift)), BODY, at)
    assert refusal.value.reason == "old"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"webhook-id": ""}, "no_signature"),
        ({"webhook-id": None}, "no_signature"),
        ({"webhook-id": "a.b"}, "no_signature"),
        ({"webhook-id": "msg_2"}, "bad_signature"),
        ({"webhook-timestamp": None}, "no_signature"),
        ({"webhook-timestamp": "soon"}, "no_signature"),
        ({"webhook-timestamp": "1e9"}, "no_signature"),
        ({"webhook-timestamp": "-1"}, "no_signature"),
        ({"webhook-timestamp": "٣"}, "no_signature"),
        ({"webhook-timestamp": "999999999999"}, "old"),
        ({"webhook-timestamp": str(int(GOOD["webhook-timestamp"]) + 1)}, "bad_signature"),
        ({"webhook-signature": None}, "no_signature"),
        ({"webhook-signature": ""}, "no_signature"),
        ({"webhook-signature": "v1"}, "bad_signature"),
        ({"webhook-signature": "v1,"}, "bad_signature"),
        ({"webhook-signature": "v1,%%%"}, "bad_signature"),
        ({"webhook-signature": "v1,ééé"}, "bad_signature"),
        ({"webhook-signature": GOOD["webhook-signature"].replace("v1,", "v1a,")}, "bad_signature"),
        ({"webhook-signature": GOOD["webhook-signature"].replace("v1,", "v0,")}, "bad_signature"),
        ({"webhook-signature": "x " * 10_000}, "bad_signature"),
    ],
)
def test_a_broken_header_is_forged(changes: dict[str, str | None], reason: str) -> None:
    headers = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    with pytest.raises(ForgedAnswer) as refusal:
        verify((NEW,), headers, BODY, NOW)
    assert refusal.value.reason == reason


@pytest.mark.parametrize("body", [b"", BODY + b" ", BODY[:-1], b"\xff\xfe", BODY.replace(b"offer", b"Offer")])
def test_an_altered_body_is_forged(body: bytes) -> None:
    with pytest.raises(ForgedAnswer) as refusal:
        verify((NEW,), GOOD, body, NOW)
    assert refusal.value.reason == "bad_signature"


def test_no_secret_accepts_nothing() -> None:
    with pytest.raises(ForgedAnswer):
        verify((), GOOD, BODY, NOW)


@given(st.binary(max_size=300), st.dictionaries(st.sampled_from(sorted(GOOD)), st.text(max_size=60)))
def test_no_input_but_the_signed_one_is_accepted(body: bytes, headers: dict[str, str]) -> None:
    tried = {**GOOD, **headers}
    if body == BODY and tried == GOOD:
        return
    try:
        verify((NEW,), tried, body, NOW)
    except ForgedAnswer:
        return
    # Further signatures beside the good one are allowed by the standard.
    assert body == BODY
    assert GOOD["webhook-signature"] in tried["webhook-signature"]


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_!", "hunter2", base64.b64encode(b"n" * 32).decode()]
)
def test_a_weak_secret_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match=r"signing secret") as refusal:
        check_secret(SecretStr(secret))
    assert secret not in str(refusal.value) or secret in ("", "whsec_")


@pytest.mark.parametrize(
    ("secrets", "message_id"), [((), "msg_1"), ((NEW,), "a.b"), ((NEW,), ""), ((NEW,), "x" * 300)]
)
def test_nothing_is_signed_that_could_not_be_checked(secrets: tuple[SecretStr, ...], message_id: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        sign(secrets, message_id, BODY, NOW)
