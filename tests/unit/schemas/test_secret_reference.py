"""Where a secret stands is repeated; what may be a secret is not."""

import base64
import secrets
import traceback
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.errors import OperatorError
from schemas.kafka_access import read_access
from schemas.secret_reference import read_secret

CANARIES = (
    "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ...").decode(),
    base64.b64encode(b"/a secret that begins with a slash").decode(),
    "/" + base64.b64encode(b"a secret of ours").decode(),
    base64.b32encode(b"a one-time secret!").decode(),
    "CA" * 32,
    "ca" * 32,
    "hunter2",
    "correct horse battery staple",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
    "xoxb-1234-abcd",
    "-----BEGIN KEY-----\nQUJD\n",
    "with\0null",
    "/AAAAAAAAAAAAAAAAAAAAA==",
    "//AAAAAAAAAAAAAAAAAAAA==",
    "///AAAAAAAAAAAAAAAAAAA==",
    "../AAAAAAAAAAAAAAAAAAA==",
)


def told(reference: str) -> str:
    with pytest.raises(OperatorError) as refused:
        read_secret(reference, "market.secret", {})
    return "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("secret", CANARIES)
@pytest.mark.parametrize("scheme", ["env:", "file:", ""])
def test_a_secret_in_the_place_of_its_name_is_not_repeated(scheme: str, secret: str) -> None:
    said = told(scheme + secret)

    assert secret.strip() not in said
    assert "market.secret" in said


@given(st.binary(min_size=16, max_size=48))
@example(b"\xff\xf0" + bytes(14))
def test_no_key_is_repeated_however_it_is_written(key: bytes) -> None:
    for text in (
        base64.b64encode(key).decode(),
        base64.urlsafe_b64encode(key).decode(),
        base64.b32encode(key).decode(),
        key.hex(),
        key.hex().upper(),
        secrets.token_urlsafe(24),
    ):
        assert text not in told(f"env:{text}")
        assert text not in told(f"file:{text}")


@pytest.mark.parametrize("name", ["MARKET_KEY", "EXAMPLE_SIGNING_SECRET", "TAKIN_KEY_2", "S3_KEY"])
def test_a_variable_that_is_missing_is_named(name: str) -> None:
    assert f"market.secret: the environment variable {name} is not set." in told(f"env:{name}")


@pytest.mark.parametrize("path", ["/run/secrets/market", "/not-there"])
def test_a_file_that_is_missing_is_named(path: str, tmp_path: Path) -> None:
    for named in (path, str(tmp_path / "Key-7.txt")):
        assert f"the file {named} cannot be read: No such file" in told(f"file:{named}")


def test_a_password_in_the_place_of_its_file_is_not_repeated() -> None:
    settings = {"KAFKA_SASL_PASSWORD_FILE": "-".join(("hunter2", "and", "more"))}
    with pytest.raises(OperatorError) as refused:
        read_access(settings)

    assert "hunter2-and" not in "".join(traceback.format_exception(refused.value))


def test_what_stands_there_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a\n")

    assert read_secret(f"file:{tmp_path / 'key'}", "x", {}) == "a\n"
    assert read_secret("env:a b", "x", {"a b": " c "}) == " c "
