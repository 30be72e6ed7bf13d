"""The contract every platform is spoken to through.

 One file under ``connectors/platforms/`` implements :class:`Platform` for one platform or one kind of
platform. It makes single attempts and raises :mod:`connectors.errors`; case state, retries and deadlines
belong to the notice service.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from pydantic import SecretStr

from connectors.exchange import Exchange
from schemas.dead_letter import DeadLetter
from schemas.follow_up import FollowUp, Information
from schemas.listing import Listing
from schemas.notice import Notice
from schemas.response import AnswerChannel, PlatformResponse


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a platform can do, so that nobody asks it for more."""

    fetch: bool = False
    submit: bool = False
    poll: bool = False
    webhook: bool = False
    probe: bool = False
    inform: bool = False
    """Takes what it asked for about a notice."""
    follow_up: bool = False
    """Takes reminders, and notices back."""
    honours_idempotency_key: bool = False
    """False: after a crash ask for the status before sending again."""
    max_items: int = 1
    """Items in one notice."""


@dataclass(frozen=True, slots=True)
class Page:
    """What one fetch brought."""

    listings: tuple[Listing, ...]
    set_aside: tuple[DeadLetter, ...] = ()
    """What could not become a listing, each with its reason."""
    cursor: str | None = None
    """Where to go on after this page was published; opaque."""
    at_end: bool = False
    """A source that is followed has nothing more now; such a page may be empty."""


@dataclass(frozen=True, slots=True)
class RenderedNotice:
    """The bytes that are sent, made once and stored: the same on every attempt."""

    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver a notice."""

    idempotency_key: str
    body: bytes
    content_type: str
    attempt: int
    """1 = the first."""
    timeout_s: float
    """Total, from connect to the last byte."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The platform has the notice."""

    http_status: int | None
    """For mail, the mail server's reply code; ``None`` where nothing was asked over a network."""
    platform_reference: str | None
    duplicate: bool
    """True: the platform says it knows the matter already (409)."""
    received_at: datetime | None
    """When the platform says it received it."""
    raw: bytes
    """The reply's body, capped."""
    acknowledged: bool = True
    """False: the channel took it (a mail server, a file), which says nothing about the platform's desk."""


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An authenticated answer as it came in."""

    platform: str
    source_id: str
    """The sender's own id of this message (``webhook-id``), or a hash of the bytes."""
    channel: AnswerChannel
    received_at: datetime
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """What to look at."""

    listing_id: str
    url: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look at a listing saw."""

    state: Literal["online", "offline", "unknown"]
    """A login wall, an error page or a time-out is ``unknown``, never ``offline``."""
    reason: str
    """Closed set: ``page_shown``, ``labelled`` (shown with the platform's own warning), ``not_found``,
    ``gone``, ``removed_notice``, ``login_wall``,
    ``server_error``, ``timeout``, ``unreachable``, ``redirected``, ``throttled``, ``other``."""
    at: datetime
    http_status: int | None = None
    body_sha256: str | None = None
    body: bytes = b""
    """First bytes of what was shown, capped by the prober."""
    exchange: Exchange | None = field(default=None, repr=False)
    """Request and reply as they went over the wire, for evidence; absent when nothing came back."""


@runtime_checkable
class Streams(Protocol):
    """A platform whose source stays connected instead of being asked again and again."""

    def stream(self, since: str | None) -> AsyncIterator[Page]:
        """As :meth:`Platform.fetch`, and then what comes, without an end."""


@runtime_checkable
class Searches(Protocol):
    """A platform that can be searched for what its source did not bring."""

    def search(self, words: str) -> "Search":
        """What holds these words."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a platform is notified and what signs it, when that is not as the operator configured it."""

    address: str | None = None
    """Base address; ``None``: the configured one."""
    secrets: tuple[SecretStr, ...] = ()
    """Each signs; several while one is being replaced."""
    configured: bool = True
    """The configured secrets sign too."""


@runtime_checkable
class Reroutes(Protocol):
    """A platform whose own people may say where its notices go."""

    def by(self, route: Route) -> "Platform":
        """The same platform, notified and asked by another route; it is closed with this one.

        Raises:
            PlatformRefused: the address is not one that the operator's configuration allows.
        """


class Search(Protocol):
    """One search."""

    def read(self, since: str | None) -> AsyncIterator[Page]:
        """As :meth:`Platform.fetch`."""


class Platform(Protocol):
    """Everything Takin does with one platform."""

    @property
    def name(self) -> str:
        """The platform's name as configured."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def fetch(self, since: str | None) -> AsyncIterator[Page]:
        """Listings that are new or changed since the cursor, oldest first.

        Raises:
            PlatformUnavailable: the caller waits and goes on from its last cursor.
            PlatformRefused: a person must look.
        """

    def render(self, notice: Notice) -> RenderedNotice:
        """The notice as this platform takes it: pure, and the same bytes for the same notice."""

    async def submit(self, delivery: Delivery) -> Receipt:
        """Deliver once.

        Raises:
            PlatformUnavailable: try the same bytes again later.
            PlatformRefused: the platform will not take it like this.
            PlatformGone: the endpoint is closed for good.
        """

    def authenticate(self, headers: Mapping[str, str], body: bytes, now: datetime) -> RawAnswer:
        """Check an incoming webhook over its raw bytes.

        Raises:
            ForgedAnswer: it is not the platform's, or too old.
        """

    def parse(self, answer: RawAnswer) -> tuple[PlatformResponse, ...]:
        """Read an answer with this platform's mapping table: pure.

        Raises:
            UnreadableAnswer: unknown shape or word; never guessed.
        """

    async def poll(self, idempotency_key: str) -> RawAnswer | None:
        """Ask where a notice stands; ``None`` when the platform does not know it.

        Raises:
            PlatformUnavailable, PlatformRefused
        """

    def render_information(self, information: Information) -> RenderedNotice:
        """An answer to a request for information, as this platform takes it: pure, the same bytes each time.

        Raises:
            PlatformRefused: it takes none, or not this one.
        """

    async def inform(self, delivery: Delivery, notice_key: str) -> Receipt:
        """Deliver once what the platform asked for about the notice with that key.

        Raises:
            PlatformUnavailable, PlatformRefused
        """

    def render_follow_up(self, follow_up: FollowUp) -> RenderedNotice:
        """What follows a notice, as this platform takes it: pure, and the same bytes for the same one.

        Raises:
            PlatformRefused: it takes none.
        """

    async def follow_up(self, delivery: Delivery, notice_key: str) -> Receipt:
        """Deliver once what follows the notice with that key.

        Raises:
            PlatformUnavailable, PlatformRefused
        """

    async def probe(self, target: ProbeTarget) -> Observation:
        """Look at the listing as any visitor would. Never raises for what the outside does."""

    async def aclose(self) -> None:
        """Close connections."""
