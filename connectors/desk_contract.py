"""The desk API: how Takin and a platform's trust-and-safety desk talk over HTTP.

The sandbox platform serves it and ``connectors/platforms/sandbox.py`` speaks it; a platform that
builds it needs no connector of its own. Shapes follow what large desks already offer: receipt and
poll like AWS's abuse API (202, ``unmetRequirements``), signatures by Standard Webhooks 1.0.0.

``POST {base}/desk/v1/notices``
    Body: a :class:`schemas.notice.Notice` as JSON. Headers ``Idempotency-Key`` (also ``webhook-id``),
    ``webhook-timestamp``, ``webhook-signature``.

    =====  ==========================================================================
    202    :class:`ReceiptBody`. The same key with the same bytes again: the same receipt,
           header ``idempotent-replayed: true``.
    401    signature does not hold: :class:`ErrorBody`
    409    ``key_reused`` (same key, other bytes) or ``duplicate`` (an open notice covers
           this listing already; ``reference`` names it): :class:`ErrorBody`
    413    body over 1 MB
    422    :class:`UnmetBody`
    429    with ``Retry-After`` in seconds or as an HTTP date
    503    down, perhaps with ``Retry-After``
    =====  ==========================================================================

``GET {base}/desk/v1/notices/{idempotency_key}``
    200 :class:`StatusBody`; 404 when unknown. Signed like a POST with an empty body.

``POST {base}/desk/v1/notices/{idempotency_key}/information``
    :class:`InformationBody` -> 202. Answers ``NEED_MORE_INFORMATION``.

``POST {base}/desk/v1/notices/{idempotency_key}/follow-ups``
    Body: a :class:`schemas.follow_up.FollowUp` as JSON, a reminder or the notice's withdrawal. Headers
    like a notice's; ``Idempotency-Key`` is the follow-up's own key. 202 :class:`ReceiptBody`, also for the
    same key with the same bytes again; 404 when the notice is unknown; 409 ``key_reused``; 422. After a
    withdrawal nothing more is done about the notice.

``POST {base}/desk/v1/notices`` with a :class:`NoticeTest`
    A test of the address, signed like a notice; its key starts with ``test_``. 202 :class:`ReceiptBody`, as
    for a notice, and no case is made of it. Who does not know tests finds no notice in it and answers 422.

Webhook from the platform to the notice's ``reply_to``
    :class:`AnswerBody`, signed with the platform's own secret. Takin answers 2xx only after the
    answer is stored; anything else means: send it again.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

CONTRACT_VERSION = "desk-api/1"

Word = Literal[
    "RECEIVED",
    "IN_REVIEW",
    "NEED_MORE_INFORMATION",
    "REMOVED",
    "DISABLED",
    "RESTRICTED_IN_TERRITORY",
    "DEMOTED",
    "SELLER_SUSPENDED",
    "KEPT_LAWFUL",
    "KEPT_INSUFFICIENT",
    "NOT_HOSTED_HERE",
    "ALREADY_GONE",
    "COUNTER_NOTICE",
    "APPEALED",
    "REINSTATED",
]
"""The platform's own words. Their meaning for us is in ``connectors/platforms/sandbox.py``."""


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


TEST_KEY = "test_"
"""How the idempotency key of a test starts; that of a notice never does."""


class NoticeTest(_Body):
    """What comes instead of a notice when an address or a secret is tried out: no listing is meant."""

    type: Literal["notice.test"] = "notice.test"
    """Stands in no notice. The signature covers it, as it covers the key."""
    contract: str = CONTRACT_VERSION
    platform: str
    """As we call you."""
    at: datetime
    text: str = "This is a test: no listing is meant. Answer as to a notice, and make no case of it."


class ReceiptBody(_Body):
    """The desk has the notice; not an outcome."""

    reference: str
    """The desk's own reference."""
    received_at: datetime
    status: Literal["queued"] = "queued"


class ErrorBody(_Body):
    """Why not, for a person and for a program."""

    code: str
    message: str
    reference: str | None = None


class Unmet(_Body):
    """One requirement that the notice does not meet."""

    code: str
    """Stable, append-only."""
    path: str
    """JSON Pointer (RFC 6901)."""
    message: str


class UnmetBody(_Body):
    """All unmet requirements at once."""

    unmetRequirements: tuple[Unmet, ...]  # noqa: N815 - the wire's name


class ItemStatus(_Body):
    """Where one item stands, in the platform's words."""

    item_id: str
    word: str
    at: datetime
    """When the desk said so, by its clock."""
    effective_at: datetime | None = None
    """When the measure took effect, by its clock."""
    explanation: str | None = None
    ground: Literal["law", "tos"] | None = None
    automated: bool | None = None


class StatusBody(_Body):
    """The whole notice as the desk sees it now."""

    idempotency_key: str
    reference: str
    received_at: datetime
    items: tuple[ItemStatus, ...]


class AnswerData(_Body):
    """One answer about one item."""

    idempotency_key: str
    reference: str
    item: ItemStatus


class AnswerBody(_Body):
    """Body of a webhook: Standard Webhooks' ``type``, ``timestamp``, ``data``."""

    type: Literal["notice.answer"] = "notice.answer"
    timestamp: datetime
    data: AnswerData


class InformationBody(_Body):
    """What the desk asked for."""

    text: str = Field(min_length=1, max_length=20_000)
