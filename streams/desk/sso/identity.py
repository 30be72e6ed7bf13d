"""From an ID token to who somebody is here: checked claims, and the role that the file gives. Pure.

After OpenID Connect Core 1.0, section 3.1.3.7, and RFC 8725 (JSON Web Token Best Current Practices).
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError, UnsupportedAlgorithmError
from joserfc.jwk import KeySet

from streams.desk.sso.config import RoleRule, SsoConfig
from streams.local.visible import visible
from streams.notices.casebook.viewer import Role

Reason = Literal[
    "state",
    "code",
    "issuer",
    "audience",
    "expired",
    "nonce",
    "signature",
    "unknown_key",
    "algorithm",
    "malformed",
    "email",
    "login",
    "no_role",
    "login_taken",
    "disabled",
    "provider",
]
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a key that only the provider has: never ``none``, never one that our own secret makes."""
LEEWAY_S = 60
"""How far the provider's clock may be from ours."""
OLDEST_S = 600
"""A token is used right after it was made."""
LOGIN = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}")


class SsoRefused(Exception):
    """Nobody is let in by this; ``reason`` from a closed set says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class Grant:
    """Who somebody is, and what the file lets them do."""

    subject: str
    """SHA-256 of issuer and subject: the same person for ever, and nothing to read."""
    login: str
    name: str
    role: Role
    platform: str | None
    mfa: bool
    """The provider says that several factors were used."""


def claims_of(token: str, keys: KeySet, config: SsoConfig, *, nonce: str, now: datetime) -> Mapping[str, Any]:
    """The claims of an ID token whose signature, issuer, audience, times and nonce are right.

    Raises:
        SsoRefused: one of them is not.
    """
    try:
        claims: dict[str, Any] = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
    except InvalidKeyIdError as error:
        raise SsoRefused("unknown_key") from error
    except UnsupportedAlgorithmError as error:
        raise SsoRefused("algorithm") from error
    except (JoseError, ValueError, TypeError) as error:
        raise SsoRefused("signature") from error
    _check(claims, config, nonce, now.timestamp())
    return claims


def _check(claims: Mapping[str, Any], config: SsoConfig, nonce: str, now: float) -> None:
    if claims.get("iss") != config.issuer:
        raise SsoRefused("issuer")
    audience = claims.get("aud")
    several = audience if isinstance(audience, list) else [audience]
    party = claims.get("azp", config.client_id if len(several) == 1 else None)
    if config.client_id not in several or party != config.client_id:
        raise SsoRefused("audience")
    ends, made = _time(claims.get("exp")), _time(claims.get("iat"))
    if ends + LEEWAY_S <= now or not -OLDEST_S <= made - now <= LEEWAY_S:
        raise SsoRefused("expired")
    if not nonce or claims.get("nonce") != nonce:
        raise SsoRefused("nonce")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= 255:
        raise SsoRefused("malformed")


def _time(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11:
        return value
    raise SsoRefused("malformed")


def grant_of(claims: Mapping[str, Any], config: SsoConfig) -> Grant:
    """What checked claims come to.

    Raises:
        SsoRefused: the e-mail is not verified, the login is none, or no rule of the file fits.
    """
    if config.login_claim == "email" and claims.get("email_verified") is not True:
        raise SsoRefused("email")
    said = claims.get(config.login_claim)
    login = said.strip().lower() if isinstance(said, str) else ""
    if not LOGIN.fullmatch(login):
        raise SsoRefused("login")
    rule = next((one for one in config.roles if _fits(one, claims)), None)
    if rule is None:
        raise SsoRefused("no_role")
    name = claims.get("name")
    factors = claims.get("amr")
    return Grant(
        subject=subject_of(claims, config),
        login=login,
        name=visible(" ".join(name.split()))[:200] if isinstance(name, str) and name.strip() else login,
        role=rule.role,
        platform=rule.platform,
        mfa=isinstance(factors, list) and "mfa" in factors,
    )


def subject_of(claims: Mapping[str, Any], config: SsoConfig) -> str:
    """The person, whatever they are called today."""
    return hashlib.sha256(f"{config.issuer}\0{claims['sub']}".encode("utf-8", "surrogatepass")).hexdigest()


def _fits(rule: RoleRule, claims: Mapping[str, Any]) -> bool:
    found = _at(claims, rule.claim)
    values: Sequence[Any] = found if isinstance(found, list) else [found]
    return any(isinstance(value, str) and value == rule.value for value in values)


def _at(claims: Mapping[str, Any], way: str) -> Any:
    if way in claims:
        return claims[way]
    found: Any = claims
    for part in way.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found
