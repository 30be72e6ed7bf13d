"""Changes of what is looked for: an entry or a file by one person, a rule pack by two.

Kafka is told afterwards, by :mod:`streams.watchlist.carrying`; here stands who decided what, about which
bytes, and what these stood in for.
"""

import hashlib
from datetime import datetime

from schemas.message import digest
from streams.notices.acts.identity import one_person
from streams.notices.acts.people import ActRefused, person_named, reason_given, same_person
from streams.notices.casebook import list_changes
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.list_changes import Change

FIXED = ("retired", "stopped")
"""Targets that a draft has from its beginning; a text may be proposed in force or in shadow."""
PROVEN = ("active", "retired")
"""Targets that change verdicts, so that somebody has to have seen which."""


def change_entry(
    tx: Transaction,
    entry_id: str,
    *,
    target: str,
    body: bytes,
    writes: bytes,
    replaces: bytes,
    by: str,
    reason: str,
    now: datetime,
) -> Change:
    """One person adds, changes or retires an entry; ``body`` is the entry as it then stands.

    Raises:
        ActRefused: ``no_name``; ``no_reason``
    """
    person, why = person_named(by), reason_given(reason)
    sha256 = hashlib.sha256(body).hexdigest()
    change_id = list_changes.draft(
        tx, kind="entry", subject=entry_id, target=target, body=body, sha256=sha256, by=person, now=now
    )
    list_changes.propose(tx, change_id, target=target, reason=why, by=person, now=now)
    return _decided(tx, change_id, by=person, writes=writes, replaces=replaces, now=now)


def take_file(
    tx: Transaction,
    change_id: str,
    *,
    shown: str,
    state: str,
    writes: bytes,
    replaces: bytes,
    by: str,
    reason: str,
    now: datetime,
) -> Change:
    """Whoever uploaded a file takes it, as its difference was shown.

    ``shown`` and ``state`` are digests of the entries that it touches, as the person saw them and as they
    are.

    Raises:
        ActRefused: ``unknown``; ``decided``; ``stale_preview``: somebody has changed one of them since
    """
    person, why = person_named(by), reason_given(reason)
    change = _own_draft(tx, change_id, person, kind="file")
    if shown != state:
        raise ActRefused(
            "stale_preview",
            "The list has changed since this was shown: look at the difference again, then take it.",
        )
    list_changes.propose(tx, change.change_id, target="", reason=why, by=person, now=now)
    return _decided(tx, change_id, by=person, writes=writes, replaces=replaces, now=now)


def _decided(
    tx: Transaction, change_id: str, *, by: str, writes: bytes, replaces: bytes, now: datetime
) -> Change:
    list_changes.decide(
        tx, change_id, decision="taken", state="decided", by=by, writes=writes, replaces=replaces, now=now
    )
    found = list_changes.one(tx, change_id)
    assert found is not None
    return found


def shown_sha256(change: Change) -> str:
    """What a person who decides about a pack has before them: its bytes, where to, what came of trying it."""
    parts = (change.change_id, change.target, change.sha256, change.base, change.reason, change.report)
    return digest("" if part is None else part for part in parts)


def propose_pack(
    tx: Transaction,
    change_id: str,
    *,
    target: str,
    reason: str,
    by: str,
    base: str,
    tried: bool,
    now: datetime,
) -> None:
    """Put a pack before a lead. Where there are accounts, both are one of them.

    ``base`` is a digest of the packs in force now; ``tried``: whether its back-test has come to an end.

    Raises:
        ActRefused: as :func:`~streams.notices.acts.identity.one_person`; ``unknown``; ``decided``;
            ``no_reason``; ``not_tried``: what is to be in force is tried
            first; ``stale_preview``: it was tried beside other packs than those in force now
    """
    person, why = person_named(by), reason_given(reason)
    change = _own_draft(tx, change_id, person, kind="pack")
    one_person(tx, by)
    wanted = (change.target,) if change.target in FIXED else ("active", "shadow")
    if target not in wanted:
        raise ActRefused("unknown", "Say whether it is to run in shadow or to be in force.")
    if target in PROVEN:
        _proven(change, base=base, tried=tried)
    list_changes.propose(tx, change_id, target=target, reason=why, by=person, now=now)


def release_pack(
    tx: Transaction,
    change_id: str,
    *,
    shown: str,
    base: str,
    tried: bool,
    writes: bytes,
    replaces: bytes,
    by: str,
    now: datetime,
) -> Change:
    """Another person releases a pack, byte for byte as it was shown.

    Raises:
        ActRefused: as :func:`~streams.notices.acts.identity.one_person`; ``unknown``; ``decided``;
            ``same_person``; ``stale_preview``: what is to be released is
            not what was shown, or other packs are in force than those it was tried beside; ``not_tried``
    """
    releasing = one_person(tx, by)
    person = releasing.name
    change = _proposed(tx, change_id)
    if releasing.is_named(change.made_by):
        raise ActRefused("same_person", f"{change.made_by} proposed this: another person has to release it.")
    if hashlib.sha256(change.body).hexdigest() != change.sha256 or shown != shown_sha256(change):
        raise ActRefused(
            "stale_preview", "This is not what was shown to you: look at it again, then release it."
        )
    if change.target in PROVEN:
        _proven(change, base=base, tried=tried)
    list_changes.decide(
        tx,
        change_id,
        decision="released",
        state="decided",
        by=person,
        shown_sha256=shown,
        writes=writes,
        replaces=replaces,
        now=now,
    )
    found = list_changes.one(tx, change_id)
    assert found is not None
    return found


def decline_pack(tx: Transaction, change_id: str, *, reason: str, by: str, now: datetime) -> None:
    """A lead sends a proposal back; what is in force stays in force.

    Raises:
        ActRefused: ``unknown``; ``decided``; ``no_reason``
    """
    person, why = person_named(by), reason_given(reason)
    _proposed(tx, change_id)
    list_changes.decide(tx, change_id, decision="declined", state="declined", reason=why, by=person, now=now)


def drop_change(tx: Transaction, change_id: str, *, by: str, now: datetime) -> None:
    """Whoever made it takes it back: a draft is forgotten, a proposal stays on record as dropped.

    Raises:
        ActRefused: ``unknown``; ``decided``; ``not_yours``
    """
    person = person_named(by)
    change = list_changes.held(tx, change_id)
    if change is None or not same_person(change.made_by, person):
        raise ActRefused("not_yours", "Only who made it takes it back.")
    if change.state == "draft":
        list_changes.forget(tx, change_id)
        return
    _proposed(tx, change_id)
    list_changes.decide(tx, change_id, decision="dropped", state="dropped", by=person, now=now)


def _own_draft(tx: Transaction, change_id: str, person: str, *, kind: str) -> Change:
    change = list_changes.held(tx, change_id)
    if change is None or change.kind != kind or not same_person(change.made_by, person):
        raise ActRefused("unknown", "There is no such draft of yours.")
    if change.state != "draft":
        raise ActRefused("decided", "It is no draft any more: somebody has gone on with it.")
    return change


def _proposed(tx: Transaction, change_id: str) -> Change:
    change = list_changes.held(tx, change_id)
    if change is None or change.kind != "pack":
        raise ActRefused("unknown", "There is no such proposal.")
    if change.state != "proposed":
        raise ActRefused("decided", "It waits for nobody: it was decided already, or was not proposed yet.")
    return change


def _proven(change: Change, *, base: str, tried: bool) -> None:
    if not tried:
        raise ActRefused("not_tried", "Run the back-test first: nobody knows what it would change.")
    if change.base != base:
        raise ActRefused(
            "stale_preview",
            "Other packs are in force now than those it was tried beside: run the back-test again.",
        )
