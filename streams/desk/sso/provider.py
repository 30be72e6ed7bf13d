"""The authorization code flow with PKCE (RFC 7636) before one OpenID provider, and its keys.

The provider is asked by an exchange that is handed in, so that every request has limits and goes nowhere
but to the provider. What it publishes is kept for a while; a key that is not known yet is looked for once.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import SecretStr

from streams.desk.sso.config import LOOPBACK, SsoConfig
from streams.desk.sso.identity import SsoRefused, claims_of

KEPT = timedelta(hours=1)
KEYS_AGAIN = timedelta(minutes=1)
"""Unknown keys have the provider's keys read again at most so often."""
LASTS = timedelta(minutes=10)
"""So long may somebody take to sign in there."""
REMEMBERED = 10_000
LONGEST_CODE = 2_048


class ProviderAway(Exception):
    """The provider does not answer, or not as OpenID Connect asks: try again later."""


class Exchange(Protocol):
    """One bounded HTTP exchange."""

    async def __call__(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> tuple[int, bytes]:
        """Status and body.

        Raises:
            ProviderAway
        """


@dataclass(frozen=True, slots=True)
class Begun:
    """What a browser carries, sealed, while its person is at the provider."""

    state: str
    nonce: str
    verifier: str
    then: str
    at: float

    def to_text(self) -> str:
        """To be sealed."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Begun":
        """What :meth:`to_text` wrote."""
        return cls(**json.loads(text))


class Provider:
    """One OpenID provider. For one event loop."""

    def __init__(
        self,
        config: SsoConfig,
        exchange: Exchange,
        *,
        base: str,
        secret: SecretStr | None,
        clock: Callable[[], datetime],
    ) -> None:
        """``base`` is where browsers see the desk."""
        self.config = config
        self.redirect_uri = f"{base}/sso/back"
        self._base = base
        self._exchange = exchange
        self._secret = secret
        self._clock = clock
        self._metadata: tuple[datetime, Mapping[str, Any]] | None = None
        self._keys: tuple[datetime, KeySet] | None = None
        self._used: OrderedDict[str, None] = OrderedDict()
        self._reading = asyncio.Lock()

    async def begin(self, then: str) -> tuple[str, Begun]:
        """Where to send the browser, and what it has to bring back.

        Raises:
            ProviderAway
        """
        metadata = await self.metadata()
        begun = Begun(
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(48),
            then,
            self._clock().timestamp(),
        )
        challenge = hashlib.sha256(begun.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.config.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(self.config.scopes),
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return _with(metadata["authorization_endpoint"], asked), begun

    async def finish(self, said: Mapping[str, str], begun: Begun) -> Mapping[str, Any]:
        """The checked claims of who came back.

        Raises:
            ProviderAway
            SsoRefused: something is not as it must be.
        """
        now = self._clock()
        fresh = now.timestamp() - begun.at <= LASTS.total_seconds()
        if not fresh or not hmac.compare_digest(said.get("state", "").encode(), begun.state.encode()):
            raise SsoRefused("state")
        if begun.state in self._used:
            raise SsoRefused("state")
        self._used[begun.state] = None
        while len(self._used) > REMEMBERED:
            self._used.popitem(last=False)
        metadata = await self.metadata()
        # RFC 9207: an answer of another provider is not taken for this one's.
        must_say = metadata.get("authorization_response_iss_parameter_supported") is True
        if ("iss" in said or must_say) and said.get("iss") != self.config.issuer:
            raise SsoRefused("issuer")
        code = said.get("code", "")
        if "error" in said or not 1 <= len(code) <= LONGEST_CODE:
            raise SsoRefused("code")
        token = await self._redeem(metadata["token_endpoint"], code, begun.verifier)
        return await self._claims(token, begun.nonce)

    async def sign_out_address(self) -> str | None:
        """Where the provider's own session is ended; ``None``: it does not say, or does not answer."""
        try:
            metadata = await self.metadata()
        except ProviderAway:
            return None
        where = metadata.get("end_session_endpoint")
        if not isinstance(where, str) or not self._is_address(where):
            return None
        back = {"client_id": self.config.client_id, "post_logout_redirect_uri": f"{self._base}/login"}
        return _with(where, back)

    async def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        now = self._clock()
        try:
            return claims_of(token, await self._known_keys(), self.config, nonce=nonce, now=now)
        except SsoRefused as error:
            if error.reason != "unknown_key" or not await self._keys_again():
                raise
        return claims_of(token, await self._known_keys(), self.config, nonce=nonce, now=now)

    async def _redeem(self, where: str, code: str, verifier: str) -> str:
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        if self._secret is None:
            fields["client_id"] = self.config.client_id
        else:
            # RFC 6749, section 2.3.1: both are form-encoded before they are joined.
            pair = (
                f"{quote(self.config.client_id, safe='')}:{quote(self._secret.get_secret_value(), safe='')}"
            )
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        status, body = await self._exchange(
            "POST", where, headers=headers, content=urlencode(fields).encode()
        )
        if 400 <= status < 500:
            raise SsoRefused("code")
        found = _document(body) if status == 200 else {}
        token = found.get("id_token")
        if not isinstance(token, str):
            raise ProviderAway("the token endpoint gave no ID token")
        return token

    async def metadata(self) -> Mapping[str, Any]:
        """What the provider says of itself (OpenID Connect Discovery 1.0).

        Raises:
            ProviderAway
        """
        async with self._reading:
            now = self._clock()
            if self._metadata is None or now - self._metadata[0] > KEPT:
                where = f"{self.config.issuer.rstrip('/')}/.well-known/openid-configuration"
                found = await self._read(where)
                if found.get("issuer") != self.config.issuer:
                    raise ProviderAway("its discovery document is of another issuer")
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    if not isinstance(found.get(name), str) or not self._is_address(found[name]):
                        raise ProviderAway(f"its discovery document has no usable {name}")
                self._metadata = now, found
            return self._metadata[1]

    async def _known_keys(self) -> KeySet:
        if self._keys is None or self._clock() - self._keys[0] > KEPT:
            await self._read_keys()
        assert self._keys is not None, "they were just read"
        return self._keys[1]

    async def _keys_again(self) -> bool:
        if self._keys is not None and self._clock() - self._keys[0] < KEYS_AGAIN:
            return False
        await self._read_keys()
        return True

    async def _read_keys(self) -> None:
        metadata = await self.metadata()
        found = await self._read(metadata["jwks_uri"])
        try:
            keys = [one for one in found.get("keys", ()) if one.get("use", "sig") == "sig"]
            self._keys = self._clock(), KeySet.import_key_set({"keys": keys})
        except (JoseError, ValueError, TypeError, AttributeError) as error:
            raise ProviderAway("its keys cannot be read") from error

    async def _read(self, where: str) -> dict[str, Any]:
        status, body = await self._exchange("GET", where, headers={"accept": "application/json"})
        if status != 200:
            raise ProviderAway(f"status {status}")
        return _document(body)

    def _is_address(self, text: str) -> bool:
        parts = urlsplit(text)
        local = self.config.local and parts.scheme == "http" and parts.hostname in LOOPBACK
        return (parts.scheme == "https" or local) and bool(parts.hostname) and text.isprintable()


def _with(where: str, asked: Mapping[str, str]) -> str:
    return f"{where}{'&' if urlsplit(where).query else '?'}{urlencode(asked)}"


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError as error:
        raise ProviderAway("it answered with no JSON") from error
    if not isinstance(found, dict):
        raise ProviderAway("it answered with no JSON object")
    return found
