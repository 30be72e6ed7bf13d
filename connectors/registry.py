"""Which platforms there are, from one YAML file, and which module speaks to each.

::

    platforms:
      - name: example-market
        kind: sandbox
        base_url: https://desk.example.org
        secret: env:EXAMPLE_SIGNING_SECRET          # signs what we send
        webhook_secret: file:/run/secrets/example   # signs what they send
        rate_per_s: 5
        sla: {policy: example-2026, source: "Agreement of 3 May 2026, clause 4", remove_s: 86400}
      - name: example-host
        kind: xarf                                  # or coop: a key, no signature
        base_url: https://abuse.example.net
        api_key: env:EXAMPLE_HOST_KEY
      - name: example-forum
        kind: email                                 # or csv, desk: with folder
        base_url: https://forum.example.org         # where its listings are looked at
        mail: {to: [abuse@forum.example.org], sender: takin@monitor.example, host: smtp.monitor.example}
      - name: example-network
        kind: atproto                               # Bluesky, or another server of the AT Protocol
        base_url: https://pds.example.social        # the reporter's own server
        api_key: env:EXAMPLE_APP_PASSWORD
        listing_hosts: [example.social]
        atproto:
          firehose: wss://relay.example.social
          app_view: https://view.example.social
          web: https://example.social
          identifier: takin.example.social
          moderation_did: did:plc:aaaaaaaaaaaaaaaaaaaaaaaa
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from connectors.channels.channel import Channel
from connectors.channels.channelled import ChannelPlatform
from connectors.channels.coop import CoopChannel
from connectors.channels.csv_batch import CsvBatchChannel
from connectors.channels.desk_inbox import DeskInboxChannel
from connectors.channels.email import EmailChannel
from connectors.channels.mastodon import MastodonChannel
from connectors.channels.reddit import RedditChannel
from connectors.channels.template_check import check_templates
from connectors.channels.xarf_api import XarfApiChannel
from connectors.platform import Platform
from connectors.platform_config import PlatformConfig, ReadsOptions
from connectors.platforms.atproto import AtprotoPlatform
from connectors.platforms.sandbox import SandboxPlatform
from connectors.shelves.ebay import EBay
from connectors.shelves.etsy import Etsy
from connectors.shelves.mastodon import Mastodon
from connectors.shelves.mercadolibre import MercadoLibre
from connectors.shelves.reddit import Reddit
from connectors.shelves.shelf import Manners, Shelf
from connectors.shelves.shopify import Shopify
from connectors.shelves.vk import VK
from connectors.shelves.woocommerce import WooCommerce
from connectors.shelves.youtube import YouTube
from connectors.signing import check_secret
from connectors.sources import telegram
from schemas.errors import OperatorError, not_yaml, read_yaml
from schemas.secret_reference import read_secret

__all__ = ["KINDS", "PlatformConfig", "build", "load_platforms", "resolve_secrets"]

Builder = Callable[[PlatformConfig, tuple[SecretStr, ...], tuple[SecretStr, ...]], Platform]
"""Makes a platform from its configuration, our signing secrets and its own."""

KINDS: Mapping[str, Builder] = {
    "atproto": AtprotoPlatform,
    "sandbox": SandboxPlatform,
}
"""Every kind of platform there is: one line each."""

LOGS_IN: frozenset[str] = frozenset({"atproto"})
"""Kinds that log in with an ``api_key`` where others sign with a ``secret``."""

ChannelBuilder = Callable[[PlatformConfig, tuple[SecretStr, ...]], Channel]
"""Makes a channel from the platform's configuration and its ``api_key``."""

CHANNEL_KINDS: Mapping[str, ChannelBuilder] = {
    "xarf": XarfApiChannel,
    "coop": CoopChannel,
    "mastodon": MastodonChannel,
    "reddit": RedditChannel,
    "email": EmailChannel,
    "csv": CsvBatchChannel,
    "desk": DeskInboxChannel,
}
"""Every channel that can make a platform together with the prober: one line each."""


SHELVES: Mapping[str, Callable[[ReadsOptions], Shelf]] = {
    "ebay": lambda reads: EBay(reads.market),
    "etsy": lambda _: Etsy(),
    "mastodon": lambda _: Mastodon(),
    "mercadolibre": lambda reads: MercadoLibre(reads.market),
    "reddit": lambda _: Reddit(),
    "shopify": lambda _: Shopify(),
    "vk": lambda _: VK(),
    "woocommerce": lambda _: WooCommerce(),
    "youtube": lambda _: YouTube(),
}
"""Every API that ``reads`` can name and that hands out pages of rows: one line each."""

QUEUES: Mapping[str, Manners] = {"telegram": telegram.MANNERS}
"""APIs that ``reads`` can name and that hand out each thing once: each a source of its own."""


def readable() -> tuple[str, ...]:
    """Every API that ``reads`` can name, by name."""
    return tuple(sorted({*SHELVES, *QUEUES}))


def is_searched(reads: ReadsOptions) -> bool:
    """Whether that API is asked for words."""
    return reads.api in SHELVES and SHELVES[reads.api](reads).manners.searches


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    platforms: tuple[PlatformConfig, ...] = Field(min_length=1, max_length=1_000)


SecretUse = Literal["secret", "webhook_secret", "api_key"]
"""A field of a platform that names secrets."""


def load_platforms(path: Path) -> tuple[PlatformConfig, ...]:
    """Read the platforms file.

    Raises:
        OperatorError: naming the file, the platform and the field.
    """
    try:
        document = read_yaml(yaml.safe_load, path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise OperatorError(
            f"The platforms file {path} does not exist: name one with --platforms or TAKIN_PLATFORMS_FILE."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"The platforms file {path} cannot be read: {error}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise OperatorError(f"The platforms file {path} {not_yaml(error)}.") from None
    try:
        platforms = _File.model_validate(document).platforms
    except ValidationError as error:  # kept from being the cause: its text has values
        raise OperatorError(f"The platforms file {path}: {_first(error, document)}.") from None
    _check_together(path, platforms)
    return platforms


def _check_together(path: Path, platforms: tuple[PlatformConfig, ...]) -> None:
    names: set[str] = set()
    owners: dict[str, str] = {}
    for config in platforms:
        if config.name in names:
            raise OperatorError(f"The platforms file {path}: the name {config.name} is used twice.")
        names.add(config.name)
        if config.kind not in KINDS and config.kind not in CHANNEL_KINDS:
            known = ", ".join(sorted({*KINDS, *CHANNEL_KINDS}))
            raise OperatorError(
                f"The platforms file {path}: {config.name}.kind: there is no {config.kind!r}; known: {known}."
            )
        if config.reads is not None:
            _check_reads(path, config.name, config.reads, config.user_agent)
        if config.kind == "reddit":
            _check_user_agent(path, config.name, "kind: reddit", Reddit.manners.user_agent, config.user_agent)
        for reference in config.webhook_secret:
            owner = owners.setdefault(reference, config.name)
            if owner != config.name:
                raise OperatorError(
                    f"The platforms file {path}: {config.name}.webhook_secret is also that of {owner}, "
                    f"so one could answer for the other: give each its own."
                )


def _check_reads(path: Path, name: str, reads: ReadsOptions, user_agent: str) -> None:
    if reads.api not in readable():
        known = ", ".join(readable())
        raise OperatorError(
            f"The platforms file {path}: {name}.reads.api: there is no {reads.api!r}; known: {known}."
        )
    manners = QUEUES[reads.api] if reads.api in QUEUES else SHELVES[reads.api](reads).manners
    needed = {
        "key": ("key",),
        "credentials": ("key", "secret"),
        "refresh": ("key", "secret", "token_file"),
    }.get(manners.login, ())
    missing = [one for one in needed if not getattr(reads, one)]
    if manners.searches and not reads.words:
        missing.append("words")
    if missing:
        raise OperatorError(
            f"The platforms file {path}: {name}.reads: api: {reads.api} needs {' and '.join(missing)}."
        )
    _check_user_agent(path, name, f"api: {reads.api}", manners.user_agent, user_agent)


def _check_user_agent(path: Path, name: str, what: str, wanted: str, user_agent: str) -> None:
    if wanted and not re.fullmatch(wanted, user_agent):
        raise OperatorError(
            f"The platforms file {path}: {name}.user_agent: {what} wants to be told who asks, "
            f"in the form that connectors/shelves/{what.rpartition(' ')[2]}.py names, "
            "for example linux:example-monitor:v1 (by /u/NAME)."
        )


def _first(error: ValidationError, document: Any) -> str:
    """The first thing that is wrong, with the platform's name and the field's path."""
    problem = error.errors(include_url=False, include_input=False)[0]
    path = list(problem["loc"])
    message = str(problem["msg"]).removeprefix("Value error, ")
    if len(path) >= 2 and path[0] == "platforms" and isinstance(path[1], int):
        position = path[1]
        try:
            name = str(document["platforms"][position].get("name") or f"platform number {position + 1}")
        except (AttributeError, KeyError, TypeError, IndexError):
            name = f"platform number {position + 1}"
        field = ".".join(str(part) for part in path[2:])
        return f"{name}{'.' + field if field else ''}: {_one_line(message)}"
    where = ".".join(str(part) for part in path) or "the whole file"
    return f"{where}: {_one_line(message)}"


def _one_line(error: object) -> str:
    return " ".join(str(error).split()).rstrip(".")[:500]


def resolve_secrets(
    config: PlatformConfig, use: SecretUse, environment: Mapping[str, str] = os.environ
) -> tuple[SecretStr, ...]:
    """The secrets that the configuration points at.

    Raises:
        OperatorError: a variable or file is missing, or does not hold a signing secret.
    """
    references: tuple[str, ...] = getattr(config, use)
    return tuple(_resolve(config.name, use, reference, environment) for reference in references)


def _resolve(name: str, use: str, reference: str, environment: Mapping[str, str]) -> SecretStr:
    elsewhere = reference.startswith(("env:", "file:"))
    text = read_secret(reference, f"{name}.{use}", environment) if elsewhere else reference
    secret = SecretStr(text.strip())
    try:
        check_secret(secret) if use in ("secret", "webhook_secret") else check_api_key(secret)
    except ValueError as error:
        where = reference if elsewhere else "the secret in the platforms file"
        raise OperatorError(f"{name}.{use}: {where} does not hold what it must: {error}.") from None
    return secret


def resolve_reader_keys(
    config: PlatformConfig, environment: Mapping[str, str] = os.environ
) -> tuple[SecretStr | None, SecretStr | None]:
    """The key and the secret with which a platform's listings are read.

    Raises:
        OperatorError: a variable or file is missing, or does not hold a key.
    """
    assert config.reads is not None, "asked only where there is one"
    found = [
        _resolve(f"{config.name}.reads", use, references[0], environment) if references else None
        for use, references in (("key", config.reads.key), ("api_key", config.reads.secret))
    ]
    return found[0], found[1]


def check_api_key(key: SecretStr) -> None:
    """Refuse a key that could not stand in one line of a header.

    Raises:
        ValueError: with a sentence that does not repeat the key.
    """
    if not re.fullmatch(r"[!-~]{8,4096}", key.get_secret_value()):
        raise ValueError("a key is 8 to 4096 visible ASCII characters")


def build(
    config: PlatformConfig,
    *,
    default_secret: SecretStr | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Platform:
    """The platform that a configuration describes, ready to be used inside a running event loop.

    A kind from :data:`CHANNEL_KINDS` becomes that channel with the prober beside it.
    ``default_secret`` signs our notices where the platform has no secret of its own.

    Raises:
        OperatorError: a secret is missing, or a template of the operator's own is faulty.
    """
    if config.own_templates is not None:
        check_templates(config.own_templates)
    if config.kind in LOGS_IN:
        keys = resolve_secrets(config, "api_key", environment)
        return KINDS[config.kind](config, keys, resolve_secrets(config, "webhook_secret", environment))
    ours = resolve_secrets(config, "secret", environment)
    if not ours and default_secret is not None:
        ours = (default_secret,)
    if config.kind in CHANNEL_KINDS:
        keys = resolve_secrets(config, "api_key", environment)
        theirs = resolve_secrets(config, "webhook_secret", environment)
        channel = (
            EmailChannel(config, keys, ours)
            if config.kind == "email"
            else CHANNEL_KINDS[config.kind](config, keys)
        )
        return ChannelPlatform(config, channel, theirs)
    if not ours:
        raise OperatorError(
            f"{config.name}.secret: there is no secret to sign notices with; set it or TAKIN_WEBHOOK_SECRET."
        )
    theirs = resolve_secrets(config, "webhook_secret", environment)
    return KINDS[config.kind](config, ours, theirs)
