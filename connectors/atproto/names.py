"""What accounts are called: told by the network's identity events, else asked of the app view."""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from connectors.errors import ConnectorError
from connectors.http import OutboundClient
from connectors.pace import Pace

MOST = 100_000
"""Accounts that are remembered."""
AT_ONCE = 25
"""Accounts in one question; the app view takes no more."""
QUESTIONS = 4
"""For one page: a post does not wait for names longer than that takes."""
WITHIN_S = 3.0
LATER_S = 60.0
"""An app view that does not answer is left alone so long; so is an account that it does not know."""


class HandleBook:
    """Handles by DID. A handle is a courtesy to who reads a notice: the account's id is always there."""

    def __init__(
        self,
        client: OutboundClient,
        app_view: str,
        pace: Pace,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._url = f"{app_view}/xrpc/app.bsky.actor.getProfiles?"
        self._pace = pace
        self._monotonic = monotonic
        self._known: OrderedDict[str, str] = OrderedDict()
        self._unknown: dict[str, float] = {}
        self._silent_until = float("-inf")

    def heard(self, did: str, handle: str | None) -> None:
        """The network said so; ``None``: its handle is to be looked up again."""
        self._known.pop(did, None)
        self._unknown.pop(did, None)
        if handle:
            self._keep(did, handle)

    def _keep(self, did: str, handle: str) -> None:
        self._known[did] = handle
        if len(self._known) > MOST:
            self._known.popitem(last=False)

    async def of(self, dids: Sequence[str]) -> dict[str, str]:
        """Of those that are known or can be looked up now; never raises for what the outside does."""
        now = self._monotonic()
        wanted = dict.fromkeys(dids)
        missing = [did for did in wanted if did not in self._known and self._unknown.get(did, now) <= now]
        for start in range(0, min(len(missing), AT_ONCE * QUESTIONS), AT_ONCE):
            if self._monotonic() < self._silent_until or self._pace.silent_for_s > 0:
                break
            await self._ask(missing[start : start + AT_ONCE])
        return {did: self._known[did] for did in wanted if did in self._known}

    async def _ask(self, dids: list[str]) -> None:
        await self._pace.turn()
        try:
            reply = await self._client.request(
                "GET",
                self._url + urlencode([("actors", did) for did in dids]),
                timeout_s=WITHIN_S,
                cap=2_000_000,
            )
            found = _profiles(reply.body) if reply.status == 200 and reply.complete else None
        except ConnectorError:
            found = None
        if found is None:
            self._silent_until = self._monotonic() + LATER_S
            return
        if len(self._unknown) > MOST:
            self._unknown.clear()
        for did in dids:
            if did in found:
                self._keep(did, found[did])
            else:
                self._unknown[did] = self._monotonic() + LATER_S


def _profiles(body: bytes) -> dict[str, str] | None:
    try:
        profiles: Any = json.loads(body)["profiles"]
        return {str(one["did"]): str(one["handle"]) for one in profiles if isinstance(one, dict)}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
