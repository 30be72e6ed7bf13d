"""Keyed names: the same seller is the same, nobody without the key can guess, and old keys still tell."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import OperatorError
from streams.privacy.keys import PrivacyKeys, exchange_keys
from streams.privacy.sellers import FORM, found_in, keyed_name, keyed_names, known_under

OLD, NEW = b"o" * 32, b"n" * 32


@given(st.text(min_size=1))
def test_a_name_is_the_same_at_each_time_and_under_another_key_another(name: str) -> None:
    ours, theirs = PrivacyKeys((NEW,)), PrivacyKeys((OLD,))

    assert keyed_name(ours, name) == keyed_name(PrivacyKeys((NEW,)), name)
    assert keyed_name(ours, name).rpartition(":")[2] != keyed_name(theirs, name).rpartition(":")[2]
    assert FORM.fullmatch(keyed_name(ours, name))


def test_a_name_is_the_same_however_it_is_written() -> None:
    keys = PrivacyKeys((NEW,))

    assert keyed_name(keys, "Ivory.King") == keyed_name(keys, " ivory.kinɡ".replace("ɡ", "g"))
    assert keyed_name(keys, "Ivory.King") != keyed_name(keys, "Ivory King")


def test_it_is_an_hmac_under_a_key_of_this_purpose_alone() -> None:
    """Computed apart, from what the docstrings say."""
    derived = hmac.new(NEW, b"takin/privacy/sellers", hashlib.sha256).digest()
    name = hmac.new(NEW, b"takin/privacy/id", hashlib.sha256).hexdigest()[:16]
    told = keyed_name(PrivacyKeys((NEW,)), "King")
    message = hashlib.sha256(bytes(7) + b"\x06seller" + bytes(7) + b"\x04king").hexdigest()

    assert told == f"hmac-sha256:{name}:{hmac.new(derived, message.encode(), hashlib.sha256).hexdigest()}"
    assert PrivacyKeys((NEW,)).marks("seller", "king")[0].rpartition(":")[2] not in told


def test_what_was_written_before_a_key_was_replaced_is_still_known() -> None:
    before = f"seller,notes\n{keyed_name(PrivacyKeys((OLD,)), 'Canary')},x\n"
    both = PrivacyKeys((NEW, OLD))

    [name] = found_in(before)
    assert known_under(both, ["somebody", "Canary"])[name] == "Canary"
    assert keyed_name(both, "Canary") == keyed_name(PrivacyKeys((NEW,)), "Canary")
    assert {FORM.fullmatch(one)[1] for one in keyed_names(both, "x")} == set(both.ids)  # type: ignore[index]
    assert known_under(PrivacyKeys((NEW,)), ["Canary"]).get(name) is None


def test_a_key_to_share_that_is_none_is_refused_by_the_name_of_its_option(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SHARED_KEY", "too short")
    with pytest.raises(OperatorError, match="--exchange-key: env:SHARED_KEY does not hold 64") as refused:
        exchange_keys("env:SHARED_KEY")
    assert "too short" not in str(refused.value)

    monkeypatch.setenv("SHARED_KEY", "ab" * 32)
    assert exchange_keys("env:SHARED_KEY").ids == PrivacyKeys((bytes.fromhex("ab" * 32),)).ids
