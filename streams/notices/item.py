"""One listing in one notice: what the platform says of it and what we see of it.

The two are separate time lines; neither overwrites the other. Both functions are pure. Answers
are merged so that order and repetition change nothing: first times are minima, and the claim in
force is the one the platform said last, by its own clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

from schemas.case_event import CaseEventType
from schemas.response import ACTED, REFUSED, PlatformResponse
from streams.notices.policy import LookPolicy

Claim = Literal[
    "none",
    "receipted",
    "in_review",
    "need_info",
    "removed",
    "restricted",
    "refused",
    "already_gone",
    "impossible",
    "duplicate",
    "void",
    "countered",
    "reinstated",
    "unknown",
]
"""What the platform says, in our words."""

Content = Literal[
    "unseen",
    "online",
    "offline_unconfirmed",
    "offline_monitoring",
    "offline_confirmed",
    "reappeared",
    "pre_gone",
]
"""What we see."""

GONE: frozenset[str] = frozenset({"offline_monitoring", "offline_confirmed"})
"""States in which the removal has been verified."""

FINAL_CLAIMS: frozenset[str] = frozenset({"refused", "impossible", "void", "already_gone"})
"""Claims after which no removal is owed any more."""


@dataclass(frozen=True, slots=True)
class Happening:
    """An event before it has a number and a place in a case."""

    type: CaseEventType
    at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """State of one listing in one notice."""

    notice_id: str
    case_id: str
    item_id: str
    platform: str
    listing_id: str
    url: str
    content_hash: str
    round: int
    queued_at: datetime
    first_attempt_at: datetime | None = None
    sent_at: datetime | None = None
    claim: Claim = "none"
    claim_rank: str | None = None
    outcome: str | None = None
    acknowledged_at: datetime | None = None
    decided_at: datetime | None = None
    removal_claimed_at: datetime | None = None
    claimed_effective_at: datetime | None = None
    content: Content = "unseen"
    last_online_at: datetime | None = None
    first_offline_at: datetime | None = None
    offline_looks: int = 0
    removal_verified_at: datetime | None = None
    reappeared_at: datetime | None = None
    mismatch_at: datetime | None = None
    closed_at: datetime | None = None
    looks: int = 0

    @property
    def withdrawn(self) -> bool:
        """We took the notice back."""
        return self.claim_rank == WITHDRAWN_RANK


_KIND_CLAIM: Mapping[str, Claim] = MappingProxyType(
    {
        "receipt": "receipted",
        "need_info": "need_info",
        "counter_notice": "countered",
        "appeal": "countered",
        "reinstated": "reinstated",
        "impossible": "impossible",
    }
)

_OUTCOME_CLAIM: Mapping[str, Claim] = MappingProxyType(
    {
        "actioned_removed": "removed",
        "actioned_disabled": "removed",
        "actioned_geo": "restricted",
        "actioned_partial": "restricted",
        "account_action_only": "restricted",
        "refused_lawful": "refused",
        "refused_not_hosted": "refused",
        "refused_insufficient": "refused",
        "already_gone": "already_gone",
        "need_info": "need_info",
        "impossible": "impossible",
        "duplicate": "duplicate",
        "withdrawn": "void",
        "void": "void",
        "expired_no_answer": "none",
        "unknown": "unknown",
    }
)

_CLAIM_EVENT: Mapping[Claim, CaseEventType] = MappingProxyType(
    {
        "need_info": "information_requested",
        "removed": "removal_claimed",
        "restricted": "partially_restricted",
        "refused": "refused",
        "already_gone": "already_gone",
        "impossible": "impossible",
        "countered": "countered",
        "reinstated": "reinstated",
        "unknown": "unmapped_answer",
    }
)

_PRECEDENCE: tuple[Claim, ...] = (
    "unknown",
    "none",
    "receipted",
    "duplicate",
    "in_review",
    "need_info",
    "countered",
    "restricted",
    "refused",
    "impossible",
    "already_gone",
    "void",
    "removed",
    "reinstated",
)
"""Decides between answers that carry the same instant: the later in this row is in force."""

WITHDRAWN_RANK = "2"
"""Rank of our own withdrawal, which no word of the platform outranks."""

UNDECIDED: frozenset[str] = frozenset({"unknown", "none", "receipted", "duplicate", "in_review", "need_info"})
"""Claims that never replace a decision, however late they are said: a decision is moved only by another."""


def claim_of(response: PlatformResponse) -> Claim:
    """What an answer claims."""
    if response.outcome is not None and response.kind in ("decision", "status"):
        return _OUTCOME_CLAIM[response.outcome]
    if response.kind == "status":
        return "in_review"
    return _KIND_CLAIM.get(response.kind, "unknown")


def _rank(response: PlatformResponse, claim: Claim) -> str:
    said = (response.said_at or response.received_at).astimezone(UTC)
    weight = 0 if claim in UNDECIDED else 1
    return f"{weight}|{said:%Y%m%d%H%M%S%f}|{_PRECEDENCE.index(claim):02d}|{response.response_id}"


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((at for at in (one, other) if at is not None), default=None)


def _after(start: datetime | None, end: datetime) -> dict[str, Any]:
    """The response time as a fact of the event, in seconds."""
    return {} if start is None else {"after_s": round((end - start).total_seconds(), 6)}


def apply_answer(item: Item, response: PlatformResponse) -> tuple[Item, tuple[Happening, ...]]:
    """What one answer changes. Answers may repeat, come late or out of order."""
    claim = claim_of(response)
    rank = _rank(response, claim)
    in_force = item.claim_rank is None or rank > item.claim_rank
    decided = response.kind == "decision" and response.outcome is not None and claim != "need_info"
    removed = decided and response.outcome in ACTED
    known = claim != "unknown"
    after = replace(
        item,
        claim=claim if in_force and known else item.claim,
        claim_rank=rank if in_force and known else item.claim_rank,
        outcome=response.outcome if in_force and known else item.outcome,
        acknowledged_at=_earliest(item.acknowledged_at, response.received_at),
        decided_at=_earliest(item.decided_at, response.received_at if decided else None),
        removal_claimed_at=_earliest(item.removal_claimed_at, response.received_at if removed else None),
        claimed_effective_at=_earliest(
            item.claimed_effective_at, (response.effective_at or response.received_at) if removed else None
        ),
    )
    at = response.received_at
    facts: dict[str, Any] = {
        "channel": response.channel,
        "response_id": response.response_id,
        "in_force": in_force and known,
    }
    if response.outcome:
        facts["outcome"] = response.outcome
    if response.effective_at:
        facts["effective_at"] = response.effective_at.isoformat()
    if response.platform_reference:
        facts["platform_reference"] = response.platform_reference
    if response.ground:
        facts["ground"] = response.ground
    happened: list[Happening] = []
    if item.acknowledged_at is None:
        happened.append(Happening("acknowledged", at, {**facts, **_after(item.first_attempt_at, at)}))
    event = _CLAIM_EVENT.get(claim)
    if event is not None:
        first = decided and item.decided_at is None
        timing = {**_after(item.sent_at, at), "first_decision": True} if first else {}
        happened.append(Happening(event, at, {**facts, **timing}))
    elif item.acknowledged_at is not None:
        happened.append(Happening("answer_noted", at, facts))
    return after, tuple(happened)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a listing saw; see :class:`connectors.platform.Observation`."""

    state: Literal["online", "offline", "unknown"]
    reason: str
    at: datetime


def apply_look(item: Item, look: Look, policy: LookPolicy) -> tuple[Item, tuple[Happening, ...]]:
    """What one look changes. Looks come in order: the casebook leases one at a time."""
    item = replace(item, looks=item.looks + 1)
    if look.state == "unknown" or item.content == "pre_gone":
        return item, ()
    if look.state == "online":
        return _seen_online(item, look, policy)
    return _seen_offline(item, look, policy)


def _seen_online(item: Item, look: Look, policy: LookPolicy) -> tuple[Item, tuple[Happening, ...]]:
    happened: list[Happening] = []
    back = item.content in GONE
    after = replace(item, last_online_at=look.at, first_offline_at=None, offline_looks=0)
    if back:
        gone_since = item.first_offline_at
        happened.append(
            Happening("reappeared", look.at, {"gone_since": gone_since.isoformat() if gone_since else None})
        )
        # The figures of this round stay: it *was* removed, and came back.
        after = replace(
            after,
            content="reappeared",
            reappeared_at=look.at,
            first_offline_at=item.first_offline_at,
            last_online_at=item.last_online_at,
        )
        return after, tuple(happened)
    if item.content not in ("online", "reappeared"):
        happened.append(Happening("seen_online", look.at, {"reason": look.reason}))
    if item.content != "reappeared":
        after = replace(after, content="online")
    claimed = _latest(item.removal_claimed_at, item.claimed_effective_at)
    contradicted = (
        claimed is not None and item.claim == "removed" and look.at >= claimed + policy.mismatch_after
    )
    if contradicted and item.mismatch_at is None:
        after = replace(after, mismatch_at=look.at)
        happened.append(
            Happening("claim_mismatch", look.at, {"claimed_at": claimed.isoformat() if claimed else None})
        )
    return after, tuple(happened)


def _seen_offline(item: Item, look: Look, policy: LookPolicy) -> tuple[Item, tuple[Happening, ...]]:
    if item.first_offline_at is None:
        after = replace(item, content="offline_unconfirmed", first_offline_at=look.at, offline_looks=1)
        return after, (Happening("seen_gone", look.at, {"reason": look.reason}),)
    after = replace(item, offline_looks=item.offline_looks + 1)
    since = look.at - item.first_offline_at
    happened: list[Happening] = []
    proven = after.offline_looks >= policy.gone_looks and since >= policy.gone_apart
    if item.content == "offline_unconfirmed" and proven:
        facts = {
            "last_online_at": item.last_online_at.isoformat() if item.last_online_at else None,
            "first_offline_at": item.first_offline_at.isoformat(),
            "looks": after.offline_looks,
        }
        if item.first_attempt_at is None or item.first_offline_at <= item.first_attempt_at:
            # Gone before the platform could have had our notice: no merit and no fault of its desk.
            after = replace(after, content="pre_gone", closed_at=look.at)
            closed = Happening("case_closed", look.at, {"reason": "pre_gone"})
            return after, (Happening("already_gone", look.at, {"seen": True, **facts}), closed)
        after = replace(after, content="offline_monitoring", removal_verified_at=look.at)
        timing = _after(item.sent_at, item.first_offline_at)
        happened.append(Happening("removal_verified", look.at, {**facts, **timing}))
    if after.content == "offline_monitoring" and since >= policy.quiet:
        after = replace(after, content="offline_confirmed", closed_at=look.at)
        happened.append(Happening("case_closed", look.at, {"reason": "verified_removed"}))
    return after, tuple(happened)


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at is not None), default=None)


def next_look(item: Item, now: datetime, policy: LookPolicy, *, last: Look | None) -> datetime | None:
    """When to look again; ``None``: never."""
    if item.withdrawn or item.content in ("pre_gone", "offline_confirmed", "reappeared"):
        return None
    planned = policy.next_look(item.sent_at or item.queued_at, now)
    if last is not None and last.state == "unknown":
        again = now + policy.unknown_again
        return min(planned, again) if planned else again
    if item.content == "offline_unconfirmed" and item.first_offline_at is not None:
        confirm = max(item.first_offline_at + policy.gone_apart, now)
        return min(planned, confirm) if planned else confirm
    return planned


def removal_met(item: Item, due_at: datetime) -> bool:
    """Whether a verified removal was in time.

    We saw it online at one look and gone at the next; the removal lies between. It was in time if
    the later look was, or if the due moment lies between the two and the platform's own word
    puts the removal before it: what we saw does not contradict that.
    """
    if item.first_offline_at is None:
        return False
    if item.first_offline_at <= due_at:
        return True
    seen_after_due = item.last_online_at is not None and item.last_online_at > due_at
    claimed = item.claimed_effective_at
    return not seen_after_due and claimed is not None and claimed <= due_at


def is_open(item: Item) -> bool:
    """Still owed: neither seen removed nor ended by the platform's word or ours."""
    return (
        item.content not in GONE
        and item.content != "pre_gone"
        and item.reappeared_at is None
        and item.claim not in FINAL_CLAIMS
    )


def refused(item: Item) -> bool:
    """The platform keeps the listing."""
    return item.outcome in REFUSED
