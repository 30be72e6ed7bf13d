"""Packs on their way to the topic: what a decision writes, beside what it was compared. Pure."""

import difflib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas.message import digest
from schemas.watchlist import RulePackRelease, Told, pack_key
from streams.screening.pack_file import Pack, Rule
from streams.watchlist.records import Write, packed, told_as

Target = Literal["active", "shadow", "retired", "stopped"]
TARGETS: Mapping[str, str] = {
    "active": "in force",
    "shadow": "in shadow: counts and sends nothing",
    "retired": "taken out of force",
    "stopped": "no longer in shadow",
}
"""What a proposal asks for. ``stopped`` ends a shadow run; what is in force stays."""
DIFF_LINES = 6_000
"""Longer texts are not compared line by line: hostile ones would take minutes."""
NOTHING = hashlib.sha256(b"").hexdigest()


def live(there: Mapping[str, Told]) -> dict[str, RulePackRelease]:
    """The releases in force, by the pack's name."""
    return _standing(there, "active")


def shadows(there: Mapping[str, Told]) -> dict[str, RulePackRelease]:
    """The releases in shadow, by the pack's name."""
    return _standing(there, "shadow")


def _standing(there: Mapping[str, Told], state: str) -> dict[str, RulePackRelease]:
    found = (one for one in there.values() if isinstance(one, RulePackRelease) and one.state == state)
    return {one.pack: one for one in found}


def base_of(there: Mapping[str, Told]) -> str:
    """A digest of the packs in force: a back-test says something only beside those it was run beside."""
    return digest(part for name, one in sorted(live(there).items()) for part in (name, one.sha256))


@dataclass(frozen=True, slots=True)
class Records:
    """What a decision writes to the topic, and what stands there until then, as the casebook keeps them."""

    writes: bytes
    replaces: bytes


def records_of(
    name: str, target: Target, text: str, version: int, there: Mapping[str, Told], *, by: str, now: datetime
) -> Records:
    """The records of a release by ``by``; a shadow run of the very text that is put in force ends with it.

    Raises:
        ValueError: the pack that is to be taken out is not there, or another text has this version already.
    """
    active, shadow = pack_key(name), pack_key(name, shadow=True)
    running = shadows(there).get(name)
    told: list[tuple[str, RulePackRelease]] = []
    if target in ("active", "shadow"):
        made = RulePackRelease(
            pack=name,
            version=version,
            state=target,
            text=text,
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            released_by=by,
            released_at=now,
        )
        for other in (live(there).get(name), running):
            if other is not None and other.version == version and other.sha256 != made.sha256:
                raise ValueError(f"{name}@{version} is released already with another text: raise its version")
        told.append((made.key, made))
        if target == "active" and running is not None and running.sha256 == made.sha256:
            told.append((shadow, _ended(running, by=by, now=now)))
    else:
        key, old = (active, live(there).get(name)) if target == "retired" else (shadow, running)
        if old is None:
            raise ValueError(f"the pack {name} is not there any more")
        told.append((key, _ended(old, by=by, now=now)))
    return Records(
        packed(told_as(key, one) for key, one in told),
        packed(told_as(key, there.get(key)) for key, _ in told),
    )


def _ended(one: RulePackRelease, *, by: str, now: datetime) -> RulePackRelease:
    end = {"state": "retired", "text": "", "sha256": NOTHING, "released_by": by, "released_at": now}
    return one.model_copy(update=end)


def replaced(name: str, records: Iterable[Write]) -> RulePackRelease | None:
    """What was in force under a name before a change; ``None``: nothing but what comes with Takin."""
    for one in records:
        told = one.told
        if one.key == pack_key(name) and isinstance(told, RulePackRelease) and told.state == "active":
            return told
    return None


def difference(before: str, after: str, *, most: int = 600) -> tuple[tuple[str, ...], bool]:
    """Lines of a unified difference, and whether it was cut short or not made at all."""
    one, other = before.splitlines(), after.splitlines()
    if len(one) + len(other) > DIFF_LINES:
        return (), True
    lines = list(difflib.unified_diff(one, other, "in force", "proposed", lineterm="", n=3))
    return tuple(line[:500] for line in lines[:most]), len(lines) > most


@dataclass(frozen=True, slots=True)
class RuleChange:
    """A rule that is not the same in two versions of a pack."""

    rule_id: str
    what: Literal["new", "gone", "changed"]
    fields: tuple[str, ...] = ()
    """Which of its fields differ."""


def rules_changed(before: Pack | None, after: Pack | None) -> Sequence[RuleChange]:
    """By rule what differs, in the order of the new pack, what is gone last."""
    old = {one.id: one for one in before.rules} if before else {}
    new = {one.id: one for one in after.rules} if after else {}
    told: list[RuleChange] = []
    for rule_id, rule in new.items():
        if rule_id not in old:
            told.append(RuleChange(rule_id, "new"))
        elif fields := _differing(old[rule_id], rule):
            told.append(RuleChange(rule_id, "changed", fields))
    told += [RuleChange(rule_id, "gone") for rule_id in old if rule_id not in new]
    return told


def _differing(one: Rule, other: Rule) -> tuple[str, ...]:
    return tuple(name for name in Rule.model_fields if getattr(one, name) != getattr(other, name))
