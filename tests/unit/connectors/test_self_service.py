"""What a platform's own people enter: addresses that are taken, and those that are not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.desk_contract import TEST_KEY, NoticeTest
from connectors.egress import EgressRefused
from connectors.platform_config import PlatformConfig
from connectors.self_service import egress_for, mark_of, new_secret, read_address, trial
from connectors.signing import check_secret, sign, verify
from tests.support.notices import T0


def config(**more: Any) -> PlatformConfig:
    fields = {"name": "market", "kind": "sandbox", "base_url": "https://desk.market.example/api"}
    return PlatformConfig(**{**fields, "secret": ("env:S",), "self_service": True, **more})


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://Desk.Example.ORG/takin/", "https://desk.example.org/takin"),
        ("  https://desk.example.org  ", "https://desk.example.org"),
        ("https://desk.example.org:443/a%20b", "https://desk.example.org/a%20b"),
        ("https://xn--brger-kva.example/x", "https://xn--brger-kva.example/x"),
        ("https://desk.market.example/other", "https://desk.market.example/other"),
        ("https://8.8.8.8/x", "https://8.8.8.8/x"),
    ],
)
def test_an_address_is_kept_in_one_form(typed: str, kept: str) -> None:
    assert read_address(config(), typed) == kept
    assert read_address(config(), kept) == kept


@pytest.mark.parametrize(
    "typed",
    [
        *("", "desk.example.org", "ftp://desk.example.org", "javascript:alert(1)", "https://", "https:///x"),
        *("http://desk.example.org", "https://user:pass@desk.example.org", "https://desk.example.org?x=1"),
        *("https://desk.example.org#x", "https://desk.example.org:8443", "https://desk.example.org:22/x"),
        *("https://127.0.0.1/x", "https://10.1.2.3", "https://[::1]/x", "https://169.254.169.254/latest"),
        *(
            "https://[::ffff:10.0.0.1]/",
            "https://bürger.example/",
            "https://a b.example",
            "https://a\\b.example",
        ),
        *("https://desk.example.org/\r\nX: y", "https://desk.example.org/\u202e", "https://x.onion"),
        *("https://desk.example.org/" + "x" * 500, "https://desk.example.org:99999/", "https://127.1/x"),
    ],
)
def test_what_is_not_such_an_address_is_refused_in_words(typed: str) -> None:
    with pytest.raises(EgressRefused) as refused:
        read_address(config(), typed)

    assert refused.value.detail.endswith(".")


@given(st.text(max_size=60), st.sampled_from(["", "https://", "https://a.example/"]))
def test_any_text_is_an_address_of_the_allowed_form_or_refused(text: str, start: str) -> None:
    try:
        kept = read_address(config(), start + text)
    except EgressRefused:
        return

    assert kept.startswith("https://")
    assert kept.isascii()
    assert kept.isprintable()
    assert not {"?", "#", "@", " ", "\\"} & set(kept.split("/", 3)[2])
    assert read_address(config(), kept) == kept


def test_where_the_operator_names_hosts_no_other_can_be_chosen() -> None:
    named = config(self_service_hosts=["new.market.example", "eu.market.example:8443"])

    assert read_address(named, "https://new.market.example/x") == "https://new.market.example/x"
    assert read_address(named, "https://eu.market.example:8443") == "https://eu.market.example:8443"
    assert read_address(named, "https://desk.market.example") == "https://desk.market.example"
    for other in (
        "https://new.market.example:8443",
        "https://elsewhere.example",
        "https://eu.market.example",
    ):
        with pytest.raises(EgressRefused, match="operator allows"):
            read_address(named, other)


def test_only_what_the_operator_named_may_be_private_and_without_tls() -> None:
    local = config(
        base_url="http://127.0.0.1:9000", private_address=True, self_service_hosts=["127.0.0.1:9001"]
    )

    assert read_address(local, "http://127.0.0.1:9001/new") == "http://127.0.0.1:9001/new"
    assert egress_for(local, "http://127.0.0.1:9001/new").private_origins == {("127.0.0.1", 9001)}
    for other in ("http://127.0.0.1:9002", "http://localhost:9001", "https://127.0.0.1"):
        with pytest.raises(EgressRefused):
            read_address(local, other)
    assert egress_for(config(), "https://desk.example.org").private_origins == frozenset()


def test_self_service_is_for_channels_whose_receivers_know_tests() -> None:
    with pytest.raises(ValueError, match="self_service is for kind: sandbox"):
        config(kind="xarf", api_key=["env:K"])


def test_a_new_secret_signs_and_its_mark_tells_it_from_others() -> None:
    one, other = new_secret(), new_secret()
    check_secret(one)
    sent = trial("1f", NoticeTest(platform="market", at=T0), timeout_s=3)
    headers = sign((one,), sent.idempotency_key, sent.body, T0)

    assert verify((one,), headers, sent.body, T0).message_id == f"{TEST_KEY}1f"
    assert mark_of(one) != mark_of(other)
    assert mark_of(one) not in one.get_secret_value()
    assert len(mark_of(one)) == 8
