"""The firehose of an AT Protocol network as a source: every post, edit and deletion in order, from a cursor.

The cursor holds the server and the number of the last frame of which everything is in the page. A page is
at most :data:`PAGE` posts, so that what is repeated after a kill is small, and is given out after
:data:`LINGER_S` at the latest. While a page is being published nothing is read: the server's own buffer and
TCP hold the rest, and a server that drops slow readers is read again from the cursor.
What cannot be read is set aside and the stream goes on. A server that no longer has what the cursor asks for
says so; that gap is set aside too, because posts are missing.
"""

import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, Protocol
from urllib.parse import urlencode

import structlog

from connectors.atproto.frames import BadFrame, Event, Note, Operation, read_frame
from connectors.atproto.posts import Found, Network, gone_listing, post_listing
from connectors.egress import EgressPolicy
from connectors.errors import PlatformUnavailable
from connectors.mapping import Unusable
from connectors.pages import moment
from connectors.platform import Page
from connectors.websocket import Messages, MessageTooBig, open_messages
from schemas.dead_letter import DeadLetter, DeadLetterReason, dead_letter
from schemas.listing import Listing

log = structlog.get_logger(__name__)

METHOD = "/xrpc/com.atproto.sync.subscribeRepos"
PAGE = 500
"""Posts of one page."""
LINGER_S = 0.2
"""A post waits for others at most so long."""
BEAT_S = 5.0
"""A stream without posts still gives an empty page this often: it lives, and its cursor moves."""
QUIET_S = 3.0
"""Silence after which a run that ends by itself has read all."""
LONGEST_FRAME = 6 * 1024 * 1024
"""Bytes; the protocol allows 5 MB."""


class Handles(Protocol):
    """Knows what accounts are called."""

    def heard(self, did: str, handle: str | None) -> None:
        """The network said so."""

    async def of(self, dids: Sequence[str]) -> dict[str, str]:
        """Of those that are known or can be looked up now; never raises."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to go on."""

    server: str
    seq: int

    @classmethod
    def read(cls, cursor: str | None) -> "Place | None":
        """From a cursor; ``None`` where there is none or it cannot be read."""
        try:
            held = json.loads(cursor) if cursor else {}
            return cls(str(held["server"]), int(held["seq"]))
        except (ValueError, KeyError, TypeError):
            return None

    def __str__(self) -> str:
        return json.dumps({"server": self.server, "seq": self.seq}, separators=(",", ":"))


@dataclass(slots=True)
class _Batch:
    """What was read and not given out."""

    posts: list[tuple[Event, Operation]] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)
    """When it began to wait."""

    @property
    def empty(self) -> bool:
        return not self.posts and not self.letters

    @property
    def full(self) -> bool:
        return len(self.posts) + len(self.letters) >= PAGE

    def wait_s(self) -> float:
        """How long it may still wait for more."""
        return max(self.since + (BEAT_S if self.empty else LINGER_S) - time.monotonic(), 0.0)


class FirehoseSource:
    """Posts of one network, from one server."""

    def __init__(
        self,
        server: str,
        network: Network,
        *,
        policy: EgressPolicy,
        handles: Handles,
        now: Callable[[], datetime],
        user_agent: str,
        start: Literal["now", "oldest"] = "now",
        ca_file: str | None = None,
        connect_s: float = 15.0,
    ) -> None:
        self._server = server
        self._network = network
        self._policy = policy
        self._handles = handles
        self._now = now
        self._user_agent = user_agent
        self._start = start
        self._ca_file = ca_file
        self._connect_s = connect_s

    async def read(self, since: str | None, *, follow: bool) -> AsyncIterator[Page]:
        """Pages from the cursor on; without ``follow`` it ends when all that there was is read.

        Raises:
            PlatformUnavailable: go on later from the last cursor.
            PlatformRefused: the server does not let us in.
        """
        place = self._enter(since)
        while True:
            try:
                async for page, reached in self._stream(place, follow=follow):
                    place = reached
                    yield page
                return
            except _NumbersBegunAnew:
                # The server was set up again and counts from the start: everything is new, nothing is lost.
                log.warning("firehose_numbers_begun_anew", platform=self._network.platform)
                yield self._gap("The server's numbers began anew: it is read from its first on.", place)
                place = Place(self._server, 0)
            except MessageTooBig:
                place = self._behind(place)
                yield self._gap(
                    f"The frame is longer than {LONGEST_FRAME} bytes and was passed over.", place, "too_large"
                )

    def _enter(self, since: str | None) -> Place | None:
        place = Place.read(since)
        if since and (place is None or place.server != self._server):
            log.warning("firehose_cursor_of_another_server", platform=self._network.platform)
            return Place(self._server, 0)
        if place is None and self._start == "oldest":
            return Place(self._server, 0)
        return place

    def _behind(self, place: Place | None) -> Place:
        if place is None:
            raise PlatformUnavailable("bad_reply", "the first frame is longer than is read")
        return Place(self._server, place.seq + 1)

    def _gap(self, why: str, place: Place | None, reason: DeadLetterReason = "undecodable") -> Page:
        origin = f"{self._server}{METHOD}#{place.seq if place else 'start'}"
        return Page((), (self._letter(reason, why, b"", origin),), str(place) if place else None)

    async def _stream(self, place: Place | None, *, follow: bool) -> AsyncIterator[tuple[Page, Place | None]]:
        query = "?" + urlencode({"cursor": place.seq}) if place is not None else ""
        began = self._now()
        async with open_messages(
            self._server + METHOD + query,
            self._policy,
            user_agent=self._user_agent,
            longest=LONGEST_FRAME,
            connect_s=self._connect_s,
            ca_file=self._ca_file,
        ) as messages:
            batch, heard_at, caught_up = _Batch(), time.monotonic(), False
            ended: PlatformUnavailable | MessageTooBig | None = None
            while ended is None and not (caught_up and not follow):
                data = None
                try:
                    data = await messages.next(batch.wait_s() if follow else min(batch.wait_s(), QUIET_S))
                except (PlatformUnavailable, MessageTooBig) as error:
                    ended = error  # what was read before counts all the same
                if data is not None:
                    heard_at = time.monotonic()
                    event = self._take(data, batch)
                    if event is not None:
                        if place is None:
                            # Before the first page: a kill from here on repeats, and skips nothing.
                            before = Place(self._server, event.seq - 1)
                            yield Page((), (), str(before)), before
                        place = Place(self._server, event.seq)
                        said = moment(event.time)
                        caught_up = said is not None and said >= began
                elif time.monotonic() - heard_at >= QUIET_S:
                    caught_up = True
                if batch.full or batch.wait_s() == 0 or ended or (caught_up and not follow):
                    yield replace(await self._page(batch, place), at_end=caught_up), place
                    batch = _Batch()
            if ended is not None:
                raise ended

    def _take(self, data: bytes, batch: _Batch) -> Event | None:
        """Put what a frame says into the batch; its event, if it has a number."""
        try:
            said = read_frame(data)
        except BadFrame as error:
            batch.letters.append(
                self._letter("undecodable", f"A frame was passed over: {error}.", data, self._server + METHOD)
            )
            return None
        if isinstance(said, Note):
            self._note(said, batch)
            return None
        if said.kind == "identity":
            self._handles.heard(said.did, said.handle)
        if batch.empty and said.operations:
            batch.since = time.monotonic()
        batch.posts += [(said, operation) for operation in said.operations]
        return said

    def _note(self, note: Note, batch: _Batch) -> None:
        if note.name == "FutureCursor":
            raise _NumbersBegunAnew
        if note.is_error:
            reason = "throttled" if note.name == "ConsumerTooSlow" else "bad_reply"
            raise PlatformUnavailable(reason, f"the server ended the stream: {note.name}")
        if note.name == "OutdatedCursor":
            log.warning("firehose_gap", platform=self._network.platform)
            why = "The server no longer has what came after the cursor: posts are missing; search for them."
            batch.letters.append(
                self._letter("undecodable", why, str(self._now()).encode(), self._server + METHOD)
            )

    async def _page(self, batch: _Batch, place: Place | None) -> Page:
        names = await self._handles.of(
            [event.did for event, operation in batch.posts if operation.record is not None]
        )
        made = [self._made(event, operation, names) for event, operation in batch.posts]
        return Page(
            tuple(one for one in made if isinstance(one, Listing)),
            (*batch.letters, *(one for one in made if isinstance(one, DeadLetter))),
            str(place) if place is not None else None,
        )

    def _made(self, event: Event, operation: Operation, names: dict[str, str]) -> Listing | DeadLetter:
        now = self._now()
        key = operation.path.partition("/")[2]
        try:
            if operation.action == "delete":
                return gone_listing(event.did, key, self._network, now)
            if operation.record is None:
                raise Unusable("wrong_shape", "The frame did not bring the record: read it by search.")
            found = Found(event.did, key, operation.cid, operation.record, names.get(event.did))
            return post_listing(found, self._network, now)
        except Unusable as refusal:
            raw = json.dumps(operation.record, sort_keys=True, default=repr).encode("utf-8", "replace")
            origin = f"at://{event.did}/{operation.path}#{event.seq}"
            return self._letter(refusal.reason, refusal.detail, raw, origin)

    def _letter(self, reason: DeadLetterReason, detail: str, value: bytes, origin: str) -> DeadLetter:
        return dead_letter(
            stage="connector",
            reason=reason,
            detail=detail,
            value=value,
            now=self._now(),
            origin=origin,
            worker=self._network.run_id,
        )


class _NumbersBegunAnew(Exception):
    """The cursor lies behind everything that the server has."""


__all__ = ["FirehoseSource", "Handles", "Messages", "Place"]
