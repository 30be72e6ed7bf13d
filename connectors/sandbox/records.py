"""What the sandbox writes down: one JSON object a line, in the order in which it happened.

The journal is the sandbox's memory (a restart reads it) and the oracle of fault tests. A line is
written before what it tells takes effect outside: the request before its reply, the word before
its webhook. Listing text stands in it only for listings put on the shelf over HTTP.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from connectors.sandbox.plan import ItemPlan
from schemas.message import Instant

Outcome = Literal[
    "accepted",
    "tested",
    "replayed",
    "informed",
    "status_shown",
    "unknown_key",
    "nothing_asked",
    "reminded",
    "escalated",
    "withdrawn",
    "key_reused",
    "duplicate",
    "invalid",
    "unsigned",
    "too_large",
    "wrong_media_type",
    "throttled",
    "stumbled",
    "down",
    "hung",
    "incomplete",
]
"""What came of a request to the desk. ``accepted`` is the only one by which a notice takes effect."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    at: Instant
    """By the sandbox's clock."""
    platform: str = ""


class Started(_Record):
    """The sandbox came up."""

    what: Literal["started"] = "started"
    pid: int
    speed: float
    base_urls: dict[str, str]
    ports: dict[str, int]
    resumed: bool


class Stopped(_Record):
    """It was asked to stop and did. Absent after a kill."""

    what: Literal["stopped"] = "stopped"


class StockLoaded(_Record):
    """A platform put the listings of a file on its shelf."""

    what: Literal["stock_loaded"] = "stock_loaded"
    sha256: str
    """Of the file."""
    first_seq: int
    count: int


class Stocked(_Record):
    """A listing was put on the shelf, or changed, over HTTP."""

    what: Literal["stocked"] = "stocked"
    listing_id: str
    seq: int
    raw: str
    """The row's JSON."""


class Withdrawn(_Record):
    """The author took the listing down."""

    what: Literal["withdrawn"] = "withdrawn"
    listing_id: str


class Accepted(BaseModel):
    """The desk took a notice."""

    model_config = ConfigDict(frozen=True)

    reference: str
    items: tuple[ItemPlan, ...]
    reply_to: str | None = None
    subject: str | None = None
    """The notice's human reference."""


class RequestReceived(_Record):
    """A request reached the desk API."""

    what: Literal["request"] = "request"
    method: str
    path: str
    agent: str = ""
    key: str | None = None
    attempt: int = 0
    """How often a notice came under this key, this time included; 0 for other requests."""
    sha256: str
    """Of the raw body."""
    size: int
    outcome: Outcome
    status: int | None = None
    """Absent: the connection was cut or held instead of an answer."""
    code: str | None = None
    codes: tuple[str, ...] = ()
    """Of unmet requirements."""
    wire: str | None = None
    """What was done to the connection or reply, for example ``reset_after``."""
    reference: str | None = None
    retry_after_s: float | None = None
    not_before: Instant | None = None
    """What ``Retry-After`` promised."""
    early: bool = False
    """It came before the last promise of this key had passed."""
    accepted: Accepted | None = None
    follow_up: str | None = None
    """Key of what followed a notice; :attr:`key` is the notice's own."""
    information_for: tuple[str, ...] = ()
    """Items whose question this request answered."""


class Said(_Record):
    """The desk said a word about an item."""

    what: Literal["said"] = "said"
    answer_id: str
    """The ``webhook-id`` under which it is sent."""
    reference: str
    key: str
    item_id: str
    listing_id: str
    step: int
    word: str
    effective_at: Instant | None = None
    explanation: str | None = None
    ground: Literal["law", "tos"] | None = None
    automated: bool | None = None
    webhook: bool
    """Whether it is sent; false: only polling shows it."""


class PageChanged(_Record):
    """A page went or came back because of a notice."""

    what: Literal["removed", "relisted"]
    listing_id: str
    reference: str
    item_id: str
    step: int
    seq: int = 0
    took_effect: bool = True
    """False: it was so already, or the author had taken it down."""


class WebhookSent(_Record):
    """One attempt to deliver an answer."""

    what: Literal["webhook"] = "webhook"
    answer_id: str
    reference: str
    url: str
    attempt: int
    """0: a deliberate extra (forged or repeated) that does not count."""
    extra: Literal["forged", "copy"] | None = None
    status: int | None = None
    error: str | None = None
    result: Literal["delivered", "retrying", "gave_up", "extra"]
    next_at: Instant | None = None


class Viewed(_Record):
    """A page or feed was looked at."""

    what: Literal["viewed"] = "viewed"
    path: str
    listing_id: str | None = None
    status: int | None = None
    agent: str = ""


class Port(_Record):
    """The port was closed or opened by a ``down: refuse``."""

    what: Literal["port_closed", "port_opened"]


Record: TypeAlias = (
    Started
    | Stopped
    | StockLoaded
    | Stocked
    | Withdrawn
    | RequestReceived
    | Said
    | PageChanged
    | WebhookSent
    | Viewed
    | Port
)
_ADAPTER: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="what")])


def read_record(line: bytes) -> Record:
    """One line of the journal.

    Raises:
        pydantic.ValidationError: it is not one.
    """
    return _ADAPTER.validate_json(line)


def write_record(record: Record) -> bytes:
    """The record as a line, with its line feed."""
    return record.model_dump_json(exclude_defaults=False, exclude_none=True).encode() + b"\n"
