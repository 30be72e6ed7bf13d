"""What may be sent now, asked in the very transaction that takes it out of the outbox.

A stop, a hold or a cap that was committed before is therefore obeyed by every dispatcher at its
next lease, and what waited stays where it is until it may go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from streams.notices.casebook import caps, channels, holds, kept_back, outbox, stops
from streams.notices.casebook.database import Transaction
from streams.notices.guards.breaker import Breaker, admits, with_trial
from streams.notices.policy import PlatformPolicy


@dataclass(frozen=True, slots=True)
class Gate:
    """How many entries of the outbox may be taken of each platform now."""

    own: dict[str, int] = field(default_factory=dict)
    """By its own channel."""
    other: dict[str, int] = field(default_factory=dict)
    """By its fallback channel, and letters; only platforms that have such a way."""
    fresh: dict[str, int] = field(default_factory=dict)
    """Most notices that are tried for the first time, where a cap says so."""
    breakers: dict[tuple[str, str], Breaker] = field(default_factory=dict)
    """Those that are not at rest."""


def open_gate(
    tx: Transaction, policies: Mapping[str, PlatformPolicy], slots: Mapping[str, int], *, now: datetime
) -> Gate:
    """What may be taken now. What a hold or a stopped rule keeps back is set aside in the outbox."""
    stopped = stops.in_force(tx)
    if any(stop.scope == "all" for stop in stopped):
        return Gate()
    rules = [stop.name for stop in stopped if stop.scope == "rule"]
    if rules:
        kept_back.of_rules(tx, rules, now=now)
    if holds.any_in_force(tx, now=now):
        kept_back.held(tx, now=now)
    closed = {stop.name for stop in stopped if stop.scope == "platform"}
    gate = Gate(breakers=channels.breakers(tx, lock=True))
    for name, most in sorted(slots.items()):
        policy = policies.get(name)
        if most <= 0 or name in closed or policy is None:
            continue
        room = _within_caps(tx, policy, most, gate, now=now)
        gate.own[name] = _admitted(gate, name, channels.OWN, room, now)
        if policy.other_way:
            gate.other[name] = _admitted(gate, name, channels.OTHER, room, now)
    return gate


def _admitted(gate: Gate, platform: str, channel: str, places: int, now: datetime) -> int:
    found = gate.breakers.get((platform, channel))
    return places if found is None else admits(found, places, now)


def _within_caps(tx: Transaction, policy: PlatformPolicy, most: int, gate: Gate, *, now: datetime) -> int:
    if policy.daily_notices is None and policy.daily_requests is None:
        return most
    day = caps.day_of(now)
    spent = caps.hold_spent(tx, policy.name, day)
    if policy.daily_notices is not None:
        more = caps.approved(tx, policy.name, day)
        gate.fresh[policy.name] = max(policy.daily_notices + more - spent.notices, 0)
    if policy.daily_requests is not None:
        return min(most, max(policy.daily_requests - spent.requests, 0))
    return most


def taken(
    tx: Transaction,
    policies: Mapping[str, PlatformPolicy],
    gate: Gate,
    leased: Sequence[outbox.Leased],
    *,
    now: datetime,
) -> None:
    """Count what was taken against the caps, and note trials of breakers."""
    for name in sorted({one.platform for one in leased}):
        policy = policies[name]
        mine = [one for one in leased if one.platform == name]
        if policy.daily_notices is not None or policy.daily_requests is not None:
            first = sum(one.attempt == 1 and one.purpose is None for one in mine)
            caps.spend(tx, name, caps.day_of(now), notices=first, requests=len(mine))
        for channel in sorted({channel_of(one.purpose) for one in mine}):
            found = gate.breakers.get((name, channel))
            if found is not None and found.state != "closed":
                channels.save(tx, name, channel, with_trial(found, now, policy.breaker))


def channel_of(purpose: str | None) -> str:
    """The channel by which an entry of the outbox goes."""
    return channels.OTHER if purpose in outbox.OTHER_WAY else channels.OWN
