"""A picture's address to what was found there, within bounds of time, bytes, pixels and reach.

Addresses come from sellers. Only public ones are connected to (:mod:`connectors.egress`), each redirect is
checked anew, one host is asked at its pace and left alone when it does not answer, and what came is read
by its bytes. The bytes themselves are not kept.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urljoin

from connectors.egress import EgressRefused, normal_host
from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.http import OutboundClient, Reply, reply_error
from connectors.pictures.hosts import HostRests, Hosts
from connectors.pictures.reading import NoPicture, Read, read_picture
from schemas.listing import Fetched

REDIRECTS = 3
REMEMBERED = 10_000
"""Addresses whose outcome is remembered, so that a listing that changes its price costs no second fetch."""
REMEMBERED_S = 3_600.0
TRIES = 2
AGAIN_AFTER_S = 2.0
_ACCEPT = {"Accept": "image/jpeg, image/png, image/webp, image/gif"}

Reason = Literal[
    "refused",
    "unavailable",
    "resting",
    "not_there",
    "too_large",
    "not_a_picture",
    "too_many_pixels",
    "damaged",
]
"""Why a picture has no hashes: its address is not one we connect to; no answer; the host rests; an answer
that is no picture (404 …); longer than allowed; and those of :mod:`connectors.pictures.reading`."""


@dataclass(frozen=True, slots=True)
class NotFetched:
    """A picture without hashes, and why."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Bounds:
    """For one picture."""

    most_bytes: int
    within_s: float
    """From the first look-up to the last byte, redirects included."""


Found = Fetched | NotFetched


class PictureFetcher:
    """Fetches the pictures of one platform's listings. For one event loop."""

    def __init__(
        self,
        client: OutboundClient,
        bounds: Bounds,
        hosts: Hosts,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        again_after_s: float = AGAIN_AFTER_S,
    ) -> None:
        self._client = client
        self._bounds = bounds
        self._hosts = hosts
        self._now = now
        self._monotonic = monotonic
        self._again_after_s = again_after_s
        self._known: OrderedDict[str, tuple[float, Found]] = OrderedDict()
        # One at a time: a decoded picture takes a hundred megabytes at worst.
        self._reading = asyncio.Semaphore(1)

    async def fetch(self, url: str) -> Found:
        """What is at an address. Never raises for what the outside does."""
        known = self._known.get(url)
        if known is not None and known[0] > self._monotonic():
            return known[1]
        found = await self._patiently(url)
        # What may be better in a minute is not remembered.
        if not (isinstance(found, NotFetched) and found.reason in ("unavailable", "resting")):
            self._known[url] = (self._monotonic() + REMEMBERED_S, found)
            self._known.move_to_end(url)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return found

    async def _patiently(self, url: str) -> Found:
        for tried in range(1, TRIES + 1):
            found = await self._once(url)
            if tried == TRIES or found != NotFetched("unavailable"):
                return found
            await asyncio.sleep(self._again_after_s)
        raise AssertionError("there is at least one try")

    async def _once(self, url: str) -> Found:
        left = self._bounds.within_s
        for _ in range(REDIRECTS + 1):
            reply, took = await self._asked(url, left)
            if isinstance(reply, NotFetched):
                return reply
            target = reply.headers.get("location")
            if reply.status not in (301, 302, 303, 307, 308) or not target:
                return await self._judged(reply)
            left -= took
            if left <= 0:
                return NotFetched("unavailable")
            try:
                url = urljoin(url, target)
            except ValueError:
                return NotFetched("refused")
        return NotFetched("not_there")

    async def _asked(self, url: str, left: float) -> tuple[Reply | NotFetched, float]:
        """One exchange, and the seconds that it took without the wait for its turn."""
        try:
            host = normal_host(self._client.policy.check_url(url).host)
        except EgressRefused:
            return NotFetched("refused"), 0.0
        try:
            async with self._hosts.turn(host):
                started = self._monotonic()
                reply = await self._client.request(
                    "GET", url, headers=_ACCEPT, timeout_s=left, cap=self._bounds.most_bytes
                )
                return self._noted(host, reply), self._monotonic() - started
        except HostRests:
            return NotFetched("resting"), 0.0
        except PlatformUnavailable:
            self._hosts.failed(host)
            return NotFetched("unavailable"), 0.0
        except PlatformRefused:  # also an address that a name led to
            return NotFetched("refused"), 0.0

    def _noted(self, host: str, reply: Reply) -> Reply | NotFetched:
        if reply.status < 400:
            self._hosts.answered(host)
            return reply
        error = reply_error(reply, self._now())
        if not isinstance(error, PlatformUnavailable):
            self._hosts.answered(host)
            return NotFetched("not_there")
        throttled = error.reason == "throttled"
        self._hosts.failed(host, rest_s=(error.retry_after_s or 0.0) if throttled else None)
        return NotFetched("resting" if throttled else "unavailable")

    async def _judged(self, reply: Reply) -> Found:
        if reply.status != 200:
            return NotFetched("not_there")
        if not reply.complete:
            return NotFetched("too_large")
        try:
            async with self._reading:
                read = await asyncio.to_thread(read_picture, reply.body)
        except NoPicture as error:
            return NotFetched(error.reason)
        return self._told(read, len(reply.body))

    def _told(self, read: Read, size: int) -> Fetched:
        return Fetched(
            at=self._now(),
            sha256=read.sha256,
            perceptual_hash=f"pdq:{read.pdq}" if read.pdq else None,
            media_type=read.media_type,
            size=size,
            width=read.width,
            height=read.height,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()
