"""What a platform's own people may set: an address that its notices go to, and a secret that signs them.

Both come from outside, so both are read here: an address may only be one that the operator's configuration
allows, and where its name leads is judged again at every connection (:mod:`connectors.egress`).
"""

import base64
import hashlib
import secrets

import httpx
from pydantic import SecretStr

from connectors.desk_contract import TEST_KEY, NoticeTest
from connectors.egress import EgressPolicy, EgressRefused, is_hidden, is_public, normal_host
from connectors.platform import Delivery
from connectors.platform_config import PlatformConfig

LONGEST_ADDRESS = 500
TLS_PORT = 443
SECRET_BYTES = 32
"""Standard Webhooks asks for 24 to 64."""


def read_address(config: PlatformConfig, text: str) -> str:
    """An address as it is kept: ``https://host/path`` without a final slash. Nothing is looked up.

    Raises:
        EgressRefused: with a sentence for whoever typed it.
    """
    given = text.strip()
    if len(given) > LONGEST_ADDRESS:
        raise EgressRefused(f"An address has at most {LONGEST_ADDRESS} characters.")
    if not given.isascii() or not given.isprintable() or " " in given or "\\" in given:
        raise EgressRefused(
            "Write the address in plain ASCII, without spaces: a name in other letters as xn--…."
        )
    try:
        url = httpx.URL(given)
        host = normal_host(url.raw_host.decode("ascii"))
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise EgressRefused("That is no web address: use https://desk.example.org/takin.") from error
    if url.scheme not in ("https", "http") or not host:
        raise EgressRefused("That is no web address: use https://desk.example.org/takin.")
    if url.userinfo or "?" in given or "#" in given:
        raise EgressRefused("The address must carry no user name, password, query or fragment.")
    origin = (host, url.port or (TLS_PORT if url.scheme == "https" else 80))
    _check_origin(config, url.scheme, origin)
    port = "" if url.port is None else f":{url.port}"
    shown_host = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{shown_host}{port}{url.raw_path.decode('ascii').rstrip('/')}"


def _check_origin(config: PlatformConfig, scheme: str, origin: tuple[str, int]) -> None:
    host, port = origin
    if origin in private_origins(config):
        return
    if scheme != "https" and not is_hidden(host):
        raise EgressRefused("Notices are only sent by https: the address must start with https://.")
    if is_hidden(host) and config.proxy is None:
        raise EgressRefused("A hidden service (.onion) needs a proxy that the operator has not named.")
    named = {_origin(one) for one in config.self_service_hosts}
    if named and origin not in named and origin != _configured(config):
        allowed = ", ".join(sorted(config.self_service_hosts))
        raise EgressRefused(f"{host}:{port} is not one that the operator allows; allowed: {allowed}.")
    if not named and port != TLS_PORT and origin != _configured(config):
        raise EgressRefused(f"Port {port} is not open to choice: use 443, or ask the operator to name it.")
    numeric = all(part.isdigit() for part in host.split(".")) or ":" in host
    if numeric and not is_public(host):
        raise EgressRefused("That address is not public: nothing is sent there.")


def private_origins(config: PlatformConfig) -> frozenset[tuple[str, int]]:
    """Hosts and ports that the operator named and that may be private."""
    if not config.private_address:
        return frozenset()
    return frozenset({_configured(config), *(_origin(one) for one in config.self_service_hosts)})


def egress_for(config: PlatformConfig, base: str) -> EgressPolicy:
    """Where connections to this address may lead: to its own host and port, and to nothing private unless the
    operator named it."""
    url = httpx.URL(base)
    origin = (normal_host(url.host), url.port or (TLS_PORT if url.scheme == "https" else 80))
    return EgressPolicy.for_base_url(base, private=origin in private_origins(config), socks=config.proxy)


def _configured(config: PlatformConfig) -> tuple[str, int]:
    url = httpx.URL(config.base_url)
    return normal_host(url.host), url.port or (TLS_PORT if url.scheme == "https" else 80)


def _origin(named: str) -> tuple[str, int]:
    host, _, port = named.partition(":")
    return normal_host(host), int(port) if port else TLS_PORT


def new_secret() -> SecretStr:
    """A signing secret at random, in the form of Standard Webhooks."""
    return SecretStr(f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}")


def mark_of(secret: SecretStr) -> str:
    """Eight digits by which people tell secrets apart; they tell nothing of it, its bytes being random."""
    return hashlib.sha256(b"takin/secret/" + secret.get_secret_value().encode()).hexdigest()[:8]


def trial(test_id: str, test: NoticeTest, *, timeout_s: float) -> Delivery:
    """A test as it is delivered; ``test_id`` tells this one from others."""
    return Delivery(
        idempotency_key=f"{TEST_KEY}{test_id}",
        body=test.model_dump_json().encode(),
        content_type="application/json",
        attempt=1,
        timeout_s=timeout_s,
    )
