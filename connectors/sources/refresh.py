"""Tokens of an API that gives a new refresh token for each one (OAuth 2.0, RFC 6749, 6; RFC 9700, 4.14.2).

A refresh token that was used is worth nothing, so the new one is on disk before anything else happens, and
the access token beside it, so that a restart uses none up. What cannot be helped: if the API's reply is lost
on its way, so is the refresh token; a person then logs in anew and puts the one they get into the file.
"""

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from connectors.durable import replace_file
from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.http import OutboundClient, reply_error
from connectors.replies import whole
from connectors.sources.tokens import EARLY, Tokens
from schemas.errors import OperatorError

log = structlog.get_logger(__name__)

WAIT_S = 30.0
"""For another process that is renewing the same token."""
_AGAIN_S = 0.05


class _Renewed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    access_token: SecretStr = Field(min_length=1, max_length=16_384)
    refresh_token: SecretStr = Field(min_length=1, max_length=16_384)
    expires_in: int = Field(default=3_600, ge=0, le=31_536_000)


class RefreshTokens(Tokens):
    """The token of one account, renewed by what the file holds: a refresh token, or what was kept last."""

    def __init__(
        self,
        client: OutboundClient,
        url: str,
        key: SecretStr,
        secret: SecretStr,
        file: Path,
        *,
        now: Callable[[], datetime],
    ) -> None:
        """Nothing is asked yet.

        Raises:
            OperatorError: there is no such file, or others may read it.
        """
        super().__init__(client, url, {}, key, secret, now=now)
        self._file = file
        self._refused: str | None = None
        try:
            mode = file.stat().st_mode
        except OSError as error:
            raise OperatorError(
                f"The token file {file} cannot be read ({error.strerror}): "
                "write the account's refresh token into it."
            ) from error
        if mode & 0o077:
            raise OperatorError(f"Others may read the token file {file}: `chmod 600 {file}`.")
        self._take_kept()

    def forget(self) -> None:
        """The API no longer takes it."""
        self._refused = self._token.get_secret_value() if self._token else None
        super().forget()

    def _take_kept(self) -> str:
        """Take over what the file holds; its refresh token."""
        try:
            text = self._file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise PlatformRefused("unauthorised", f"the token file {self._file} cannot be read") from error
        try:
            held = json.loads(text)
            token, until, refresh = held["access_token"], held["until"], str(held["refresh_token"])
            self._until = datetime.fromisoformat(until)
        except (ValueError, KeyError, TypeError):
            return text
        if token != self._refused:
            self._token = SecretStr(str(token))
        return refresh

    async def _renew(self) -> None:
        async with self._alone():
            # Another process may have renewed it meanwhile.
            refresh = self._take_kept()
            if self._token is not None and self._until is not None and self._now() < self._until:
                return
            if not refresh:
                raise PlatformRefused("unauthorised", f"the token file {self._file} is empty")
            made = await self._asked(refresh)
            self._token = made.access_token
            self._until = self._now() + timedelta(seconds=made.expires_in) - EARLY
            self._keep(made.refresh_token.get_secret_value())

    async def _asked(self, refresh: str) -> _Renewed:
        form = {
            "grant_type": "refresh_token",
            "client_id": self._key.get_secret_value(),
            "client_secret": self._secret.get_secret_value(),
            "refresh_token": refresh,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        reply = await self._client.request(
            "POST", self._url, headers=headers, content=urlencode(form).encode()
        )
        if reply.status == 400:  # RFC 6749, 5.2: invalid_grant
            raise PlatformRefused(
                "unauthorised",
                f"the refresh token in {self._file} is not taken: log in anew and put the new one there",
                http_status=400,
            )
        if reply.status != 200:
            raise reply_error(reply, self._now())
        return whole(reply, _Renewed)

    def _keep(self, refresh: str) -> None:
        assert self._token is not None, "it was renewed"
        assert self._until is not None, "it was renewed"
        held = {
            "refresh_token": refresh,
            "access_token": self._token.get_secret_value(),
            "until": self._until.isoformat(),
        }
        try:
            replace_file(self._file, json.dumps(held), mode=0o600)
        except OSError as error:
            raise PlatformRefused(
                "unauthorised", f"the new refresh token cannot be kept in {self._file}: {error.strerror}"
            ) from error

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One at a time, over all processes; and only where the file can be written anew."""
        try:
            held = os.open(self._file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise PlatformRefused(
                "unauthorised", f"the folder of {self._file} cannot be written to: {error.strerror}"
            ) from error
        try:
            async with asyncio.timeout(WAIT_S):
                while not _locked(held):  # noqa: ASYNC110 - a lock between processes rings no bell
                    await asyncio.sleep(_AGAIN_S)
            yield
        except TimeoutError as error:
            raise PlatformUnavailable("timeout", "another process holds the token file") from error
        finally:
            os.close(held)


def _locked(held: int) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
