"""The platforms file is read with errors that name file, platform and field; secrets never show."""

import base64
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

import connectors.channels
import connectors.platforms
from connectors.registry import CHANNEL_KINDS, KINDS, build, load_platforms, resolve_secrets
from schemas.errors import OperatorError

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"t" * 32).decode()
GOOD = f"""
platforms:
  - name: example-market
    kind: sandbox
    base_url: https://desk.example.org/api/
    secret: env:EXAMPLE_SECRET
    webhook_secret: [env:NEW, env:OLD]
    listing_hosts: [www.example.org]
    rate_per_s: 3
    legal_entity: Example Market Ltd
    policy_clauses: ["4.2"]
    sla:
      policy: example-2026
      source: Agreement, clause 4
      acknowledge_s: 60
      decide_s: 3600
      remove_s: 7200
    probe:
      schedule_s: [1, 2, 5]
      gone_after_probes: 3
      gone_apart_s: 1.5
  - name: practice
    kind: sandbox
    base_url: http://127.0.0.1:8081
    private_address: true
    dev_only: true
    secret: {SECRET}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "platforms.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("address", ["https://me:canary/x", "https://me:canary@desk.example.org/"])
def test_a_base_url_with_a_password_is_refused_without_it(address: str, tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("https://desk.example.org/api/", address))

    with pytest.raises(OperatorError, match="base_url") as refused:
        load_platforms(path)

    assert "canary" not in str(refused.value)


def test_a_base_url_with_a_port_that_none_is_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("https://desk.example.org/api/", "https://desk.example.org:65536/"))

    with pytest.raises(OperatorError, match="base_url names a port above 65535"):
        load_platforms(path)


def test_every_module_of_a_platform_is_registered() -> None:
    modules = {module.name for module in pkgutil.iter_modules(connectors.platforms.__path__)}

    assert {builder.__module__.rpartition(".")[2] for builder in KINDS.values()} == modules


def test_every_channel_is_registered() -> None:
    channels = {
        module.name
        for module in pkgutil.iter_modules(connectors.channels.__path__)
        if module.name not in ("channel", "channelled")
        and re.search(r"^class \w+Channel:", _source(f"connectors.channels.{module.name}"), re.MULTILINE)
    }

    assert {builder.__module__.rpartition(".")[2] for builder in CHANNEL_KINDS.values()} == channels
    assert not set(CHANNEL_KINDS) & set(KINDS)


def _source(module: str) -> str:
    return inspect.getsource(importlib.import_module(module))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("kind: xarf", "api_key"),
        ("kind: xarf\n    api_key: hunter2", "env:NAME"),
        ("kind: coop\n    api_key: env:K", "coop"),
        ("kind: mastodon", "api_key"),
        ("kind: reddit\n    api_key: env:K", "reddit"),
        ("kind: reddit\n    api_key: [env:K, env:L]\n    reddit: {client_id: c}", "user_agent"),
        ("kind: email", "mail"),
        ("kind: csv", "folder"),
        ("kind: desk", "folder"),
        ("kind: email\n    mail: {to: [a@b.example], sender: c@d.example, host: h, tls: none}", "tls"),
        ("kind: email\n    mail: {to: [a@b.example], sender: c@d.example, host: h, username: u}", "api_key"),
        ("kind: atproto", "atproto"),
        ("kind: atproto\n    atproto: {firehose: wss://r.example}", "atproto.app_view"),
        ("kind: atproto\n    atproto: {firehose: ws://r.example, app_view: https://v.example}", "wss"),
        (
            "kind: atproto\n    atproto: {firehose: wss://r.example/x, app_view: https://v.example}",
            "firehose",
        ),
        (
            "kind: atproto\n    atproto: {firehose: wss://r.example, app_view: https://v.example, "
            "identifier: a.example}",
            "together",
        ),
        (
            "kind: atproto\n    atproto: {firehose: wss://r.example, app_view: https://v.example, "
            "identifier: a.example, moderation_did: 'did:plc:a'}",
            "app password",
        ),
        (
            "kind: atproto\n    atproto: {firehose: wss://r.example, app_view: https://v.example, "
            "team_member: true}",
            "identifier",
        ),
        ("kind: mastodon\n    api_key: env:X\n    sellers: keyed", "cannot be keyed with kind: mastodon"),
        ('kind: email\n    mail: {to: ["a@b.example\\r\\nx"], sender: c@d.example, host: h}', "mail.to"),
    ],
)
def test_what_a_channel_needs_is_asked_for(tmp_path: Path, row: str, told: str) -> None:
    path = write(tmp_path, f"platforms:\n  - name: market\n    base_url: https://m.example\n    {row}\n")

    with pytest.raises(OperatorError, match=told) as error:
        load_platforms(path)

    assert "market" in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("key", ["short", "with a space in it", "with\r\nanother: header"])
def test_a_key_that_cannot_stand_in_a_header_is_refused_without_showing_it(tmp_path: Path, key: str) -> None:
    text = "platforms:\n  - {name: market, kind: xarf, base_url: https://m.example, api_key: env:K}\n"
    [market] = load_platforms(write(tmp_path, text))

    with pytest.raises(OperatorError, match="visible ASCII") as error:
        build(market, environment={"K": key})

    assert key not in str(error.value)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    market, practice = load_platforms(write(tmp_path, GOOD))

    assert market.base == "https://desk.example.org/api"
    assert market.sla is not None
    assert (market.sla.acknowledge_s, market.probe.gone_after_probes) == (60, 3)
    assert market.webhook_secret == ("env:NEW", "env:OLD")
    assert practice.secret == (SECRET,)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("name: example-market", "name: Example Market"), ["Example Market.name"]),
        (("kind: sandbox\n    base_url: https", "kind: x\n    base_url: https"), ["example-market.kind"]),
        (("base_url: https://desk", "base_url: http://desk"), ["example-market", "https"]),
        (("https://desk.example.org/api/", "https://u:p@desk.example.org/"), ["example-market", "password"]),
        (("https://desk.example.org/api/", "ftp://desk.example.org/"), ["example-market", "https"]),
        (("env:EXAMPLE_SECRET", SECRET), ["example-market", "dev_only"]),
        (("env:EXAMPLE_SECRET", "hunter2"), ["example-market", "env:NAME"]),
        (("rate_per_s: 3", "rate_per_s: 0"), ["example-market.rate_per_s"]),
        (("rate_per_s: 3", "rate_per_s: .nan"), ["example-market.rate_per_s"]),
        (("rate_per_s: 3", "rate_per_second: 3"), ["example-market.rate_per_second"]),
        (("remove_s: 7200", "remove_s: -1"), ["example-market.sla.remove_s"]),
        (("schedule_s: [1, 2, 5]", "schedule_s: [5, 2]"), ["example-market.probe", "rise"]),
        (("name: practice", "name: example-market"), ["example-market", "twice"]),
        (("platforms:", "platform:"), ["platforms"]),
        (("  - name: practice", "  - nam: practice"), ["platform number 2"]),
        (("dev_only: true", "webhook_secret: env:OLD"), ["practice", "dev_only"]),
        (("dev_only: true", "dev_only: true\n    webhook_secret: env:OLD"), ["practice.webhook_secret"]),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_platform_and_field(
    tmp_path: Path, change: tuple[str, str], told: list[str]
) -> None:
    assert change[0] in GOOD
    path = write(tmp_path, GOOD.replace(*change))

    with pytest.raises(OperatorError) as error:
        load_platforms(path)

    sentence = str(error.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    for word in told:
        assert word in sentence
    assert SECRET not in sentence
    assert "hunter2" not in sentence


@pytest.mark.parametrize(
    "text", ["", "[]", "platforms: []", "platforms: 5", "a: [", "platforms: [5]", "\x00"]
)
def test_a_file_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)

    with pytest.raises(OperatorError, match="platforms file"):
        load_platforms(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="does not exist"):
        load_platforms(tmp_path / "none.yaml")


def test_secrets_come_from_the_environment_a_file_or_the_installation(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    text = GOOD.replace("[env:NEW, env:OLD]", f"file:{tmp_path / 'secret'}").replace(
        "    secret: env:EXAMPLE_SECRET\n", ""
    )
    market, practice = load_platforms(write(tmp_path, text))

    assert resolve_secrets(market, "webhook_secret", {}) == (SecretStr(SECRET),)
    assert resolve_secrets(practice, "secret", {}) == (SecretStr(SECRET),)
    assert resolve_secrets(market, "secret", {}) == ()
    with pytest.raises(OperatorError, match=r"example-market\.secret"):
        build(market, environment={})
    assert build(market, default_secret=SecretStr(OTHER), environment={}).name == "example-market"


@pytest.mark.parametrize(
    ("environment", "told"), [({}, "EXAMPLE_SECRET is not set"), ({"EXAMPLE_SECRET": "short"}, "whsec_")]
)
def test_a_secret_that_cannot_be_used_is_told_without_showing_it(
    tmp_path: Path, environment: dict[str, str], told: str
) -> None:
    market, _ = load_platforms(write(tmp_path, GOOD))

    with pytest.raises(OperatorError, match=told) as error:
        build(market, environment=environment)
    assert "short" not in str(error.value)


def test_the_configuration_s_repr_is_free_of_resolved_secrets(tmp_path: Path) -> None:
    market, _ = load_platforms(write(tmp_path, GOOD))

    assert SECRET not in repr(market)
