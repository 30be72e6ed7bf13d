"""Tokens that an API gives out for a client's id and secret (OAuth 2.0 client credentials, RFC 6749, 4.4)."""

import base64
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from connectors.errors import PlatformRefused
from connectors.http import OutboundClient, reply_error
from connectors.replies import whole

EARLY = timedelta(minutes=1)
"""A token is renewed this long before it ends."""


class _Token(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    access_token: SecretStr = Field(min_length=1, max_length=16_384)
    expires_in: int = Field(default=3_600, ge=0, le=31_536_000)


class Tokens:
    """The token of one client at one API, kept until shortly before it ends."""

    def __init__(
        self,
        client: OutboundClient,
        url: str,
        form: Mapping[str, str],
        key: SecretStr,
        secret: SecretStr,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._url = url
        self._form = form
        self._key = key
        self._secret = secret
        self._now = now
        self._token: SecretStr | None = None
        self._until: datetime | None = None

    def forget(self) -> None:
        """The API no longer takes it."""
        self._token = None

    async def current(self) -> str:
        """A token that holds.

        Raises:
            PlatformUnavailable: later.
            PlatformRefused: ``unauthorised``: id and secret are not taken.
        """
        if self._token is None or self._until is None or self._now() >= self._until:
            await self._renew()
        assert self._token is not None, "it was renewed"
        return self._token.get_secret_value()

    async def _renew(self) -> None:
        pair = ":".join(quote(one.get_secret_value(), safe="") for one in (self._key, self._secret))
        reply = await self._client.request(
            "POST",
            self._url,
            headers={
                "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
            content=urlencode(self._form).encode(),
        )
        if reply.status == 400:  # RFC 6749 says so of a client that is not known
            raise PlatformRefused(
                "unauthorised", "no token is given for this key and secret", http_status=400
            )
        if reply.status != 200:
            raise reply_error(reply, self._now())
        made = whole(reply, _Token)
        self._token = made.access_token
        self._until = self._now() + timedelta(seconds=made.expires_in) - EARLY
