"""Calls to the reporter's own server, logged in with an app password, and through it to other services.

``createSession`` is tightly limited (30 in five minutes on the largest host), so a session is kept, renewed
with its refresh token, and made anew only when that is refused too. A refused login is not tried again for
:data:`REFUSED_S`: every further try would bring the account closer to being locked.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.http import OutboundClient, Reply, reply_error
from connectors.pace import Pace
from connectors.replies import whole

REFUSED_S = 300.0
_XRPC = "/xrpc/"
_SERVER = "com.atproto.server."


class _Tokens(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    did: str = Field(pattern=r"^did:[a-z]+:\S{1,200}$")
    accessJwt: SecretStr  # noqa: N815 - the wire's name
    refreshJwt: SecretStr  # noqa: N815


class Session:
    """One account on one server."""

    def __init__(
        self,
        client: OutboundClient,
        base: str,
        identifier: str,
        password: SecretStr,
        pace: Pace,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._base = base
        self._identifier = identifier
        self._password = password
        self._pace = pace
        self._now = now
        self._monotonic = monotonic
        self._tokens: _Tokens | None = None
        self._refused_until = float("-inf")
        self._lock = asyncio.Lock()

    async def did(self, timeout_s: float) -> str:
        """The account's own id.

        Raises:
            PlatformUnavailable, PlatformRefused
        """
        return (await self._current(timeout_s)).did

    async def call(
        self,
        method: Literal["GET", "POST"],
        name: str,
        *,
        proxy: str | None,
        timeout_s: float,
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        cap: int | None = None,
    ) -> Reply:
        """One call through the account's server to the service ``proxy`` (``None``: the one that the server
        chooses). A stale session is renewed once.

        Raises:
            PlatformUnavailable: among others ``throttled``, without asking, while silence was asked for.
            PlatformRefused: ``unauthorised``: the app password is not taken.
        """
        until = self._monotonic() + timeout_s
        tokens = await self._current(timeout_s)
        path = _XRPC + name + ("?" + urlencode(query, doseq=True) if query else "")
        headers = {"atproto-proxy": proxy} if proxy else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        for renewed in (False, True):
            left = max(until - self._monotonic(), 0.001)
            reply = await self._ask(method, path, tokens.accessJwt, headers, body, left, cap)
            if renewed or not _is_stale(reply):
                return reply
            tokens = await self._renewed(tokens, left)
        raise AssertionError("the second round returns")

    async def _current(self, timeout_s: float) -> _Tokens:
        async with self._lock:
            if self._tokens is None:
                self._tokens = await self._login(timeout_s)
            return self._tokens

    async def _renewed(self, stale: _Tokens, timeout_s: float) -> _Tokens:
        """New tokens in place of ``stale``, made once however many callers noticed."""
        async with self._lock:
            if self._tokens is not stale and self._tokens is not None:
                return self._tokens
            self._tokens = None
            reply = await self._ask(
                "POST", f"{_XRPC}{_SERVER}refreshSession", stale.refreshJwt, {}, None, timeout_s, None
            )
            if reply.status == 200:
                self._tokens = whole(reply, _Tokens)
            elif reply.status in (400, 401):
                self._tokens = await self._login(timeout_s)
            else:
                raise self.error(reply)
            return self._tokens

    async def _login(self, timeout_s: float) -> _Tokens:
        if self._monotonic() < self._refused_until:
            raise PlatformRefused(
                "unauthorised", "the login was refused a moment ago: mend api_key or identifier"
            )
        body = json.dumps(
            {"identifier": self._identifier, "password": self._password.get_secret_value()}
        ).encode()
        headers = {"Content-Type": "application/json"}
        reply = await self._ask(
            "POST", f"{_XRPC}{_SERVER}createSession", None, headers, body, timeout_s, None
        )
        if reply.status == 200:
            return whole(reply, _Tokens)
        error = self.error(reply)
        if isinstance(error, PlatformRefused):
            self._refused_until = self._monotonic() + REFUSED_S
        raise error

    async def _ask(
        self,
        method: str,
        path: str,
        token: SecretStr | None,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        cap: int | None,
    ) -> Reply:
        silent = self._pace.silent_for_s
        if silent > 0:
            raise PlatformUnavailable(
                "throttled", "the platform asked to be left alone for a while", retry_after_s=max(silent, 1.0)
            )
        await self._pace.turn()
        held = {"Authorization": f"Bearer {token.get_secret_value()}"} if token is not None else {}
        return await self._client.request(
            method,
            self._base + path,
            headers={"Accept": "application/json", **held, **headers},
            content=body,
            timeout_s=timeout_s,
            cap=cap,
        )

    def error(self, reply: Reply) -> PlatformUnavailable | PlatformRefused:
        """What an unexpected reply means; a wish for silence in it silences every later call."""
        error = xrpc_error(reply, self._now())
        if isinstance(error, PlatformUnavailable) and error.retry_after_s is not None:
            self._pace.be_silent(error.retry_after_s)
        return error


def xrpc_error(reply: Reply, now: datetime) -> PlatformUnavailable | PlatformRefused:
    """The error for a reply of the XRPC protocol, whose own name for it is kept in the detail.

    ``ratelimit-reset`` (Unix time) says how long to wait where ``retry-after`` does not.
    """
    error = reply_error(reply, now)
    name = error_name(reply)
    if isinstance(error, PlatformRefused):
        if name:
            error = type(error)(error.reason, f"{error.detail}: {name}", http_status=error.http_status)
        return error
    reset = reply.headers.get("ratelimit-reset", "")
    if (
        reply.status == 429
        and error.retry_after_s is None
        and reset.isascii()
        and reset.isdigit()
        and len(reset) < 12
    ):
        wait = (datetime.fromtimestamp(int(reset), UTC) - now).total_seconds()
        return PlatformUnavailable(
            error.reason, error.detail, retry_after_s=min(max(wait, 1.0), 3_600.0), http_status=429
        )
    return error


def error_name(reply: Reply) -> str:
    """The protocol's word for what went wrong, ``ExpiredToken`` for example; empty when it says none."""
    try:
        name = json.loads(reply.body)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return name if isinstance(name, str) and name.isascii() and name.isalnum() and len(name) <= 64 else ""


def _is_stale(reply: Reply) -> bool:
    # Servers answer 400 for an expired token, where others would answer 401.
    return reply.status in (400, 401) and error_name(reply) in ("ExpiredToken", "InvalidToken", "AuthMissing")
