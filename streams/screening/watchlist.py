"""The watchlist as a fold over its topic. Pure: the time is an argument."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from pydantic import ValidationError

from schemas.watchlist import (
    NAMING,
    REFERENCE_KEY,
    ReferenceRelease,
    RulePackRelease,
    Told,
    WatchlistEntry,
    pack_key,
    read_watchlist_message,
)
from streams.screening.decode import Rejected

Entries = Mapping[str, WatchlistEntry]
"""Entries by id."""
IN_FORCE = frozenset({"active", "shadow"})


@dataclass(frozen=True, slots=True)
class Removal:
    """An empty value: the entry is taken off the list, or the pack is no longer released."""

    entry_id: str


Change = WatchlistEntry | Removal
PACK_PREFIX = pack_key("")


def is_pack(key: bytes | None) -> bool:
    """Whether the record is about a rule pack, not an entry."""
    return (key or b"").startswith(PACK_PREFIX.encode())


def is_reference(key: bytes | None) -> bool:
    """Whether the record is about the imported list of taxa."""
    return key == REFERENCE_KEY.encode()


def read_change(key: bytes | None, value: bytes | None) -> Told | Removal | Rejected:
    """Read one record of the topic. Never raises."""
    try:
        entry_id = (key or b"").decode()
    except UnicodeDecodeError:
        return Rejected("undecodable", "The record's key is not UTF-8: write the entry's id as key.")
    if not entry_id:
        return Rejected("wrong_shape", "The record has no key: write the entry's id as key.")
    return _read_message(entry_id, value) if value else Removal(entry_id)


def _read_message(entry_id: str, value: bytes) -> Told | Rejected:
    try:
        entry = read_watchlist_message(value)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_context=False, include_url=False)[0]
        if fault["type"] == "json_invalid":
            return Rejected("not_json", f"Watchlist entry {entry_id[:128]!a} is not JSON.")
        field = ".".join(str(step) for step in fault["loc"][1:]) or "the whole"
        return Rejected("wrong_shape", f"Watchlist entry {entry_id[:128]!a}: {field}: {fault['msg']}.")
    except RecursionError:
        return Rejected("not_json", f"Watchlist entry {entry_id[:128]!a} is nested too deeply.")
    return _under_its_key(entry_id, entry)


def _under_its_key(key: str, told: Told) -> Told | Rejected:
    """Refuse what stands under another key: a later change could not replace it."""
    if isinstance(told, WatchlistEntry):
        wanted, keys = told.entry_id, {told.entry_id}
    elif isinstance(told, ReferenceRelease):
        wanted, keys = told.key, {told.key}
    else:
        # A retired release may stand under either key: it ends what stood there.
        wanted = told.key
        keys = {wanted, pack_key(told.pack, shadow=True)} if told.state == "retired" else {wanted}
    if key in keys:
        return told
    what = {WatchlistEntry: "the entry's id", RulePackRelease: "the pack's key"}.get(
        type(told), "the list's key"
    )
    return Rejected(
        "wrong_shape",
        f"The key {key[:128]!a} is not {what} {wanted}, "
        "so a later change could not replace it: write that as key.",
    )


def apply(entries: Entries, changes: Sequence[Change]) -> dict[str, WatchlistEntry]:
    """The list after the changes, the latest under each id being the valid one."""
    after = dict(entries)
    for change in changes:
        if isinstance(change, Removal):
            after.pop(change.entry_id, None)
        else:
            after[change.entry_id] = change
    return after


def in_force(entries: Entries, now: datetime) -> dict[str, WatchlistEntry]:
    """The entries that screening looks for: active or shadow, and not expired."""
    return {
        entry_id: entry
        for entry_id, entry in entries.items()
        if entry.state in IN_FORCE and (entry.expires_at is None or entry.expires_at > now)
    }


def next_expiry(entries: Entries, now: datetime) -> datetime | None:
    """When the next entry in force drops out, if any does."""
    return min(
        (entry.expires_at for entry in in_force(entries, now).values() if entry.expires_at is not None),
        default=None,
    )


Built = TypeVar("Built")


def build_what_can_be(
    build: Callable[[Entries], Built], good: Entries, wanted: Entries
) -> tuple[Built, dict[str, WatchlistEntry], dict[str, str]]:
    """Build from ``wanted``, leaving out the entries that make the build fail.

    Returns what was built, the entries it was built from, and by id the error of each one left out;
    where ``good`` has an entry under such an id, that one stays in force. Halves the suspects, so
    one bad entry among a thousand costs about twenty builds.

    Raises:
        Exception: even ``good`` alone cannot be built.
    """
    try:
        return build(wanted), dict(wanted), {}
    except Exception as error:
        suspects = [entry_id for entry_id, entry in wanted.items() if good.get(entry_id) != entry]
        if not suspects:
            raise
        kept = {entry_id: entry for entry_id, entry in good.items() if entry_id in wanted}
        if len(suspects) == 1:
            # The builder's own words; any other error may quote what it choked on.
            why = str(error) if isinstance(error, ValueError) and str(error) else type(error).__name__
            return build(kept), kept, {suspects[0]: why}
    half = len(suspects) // 2
    bad: dict[str, str] = {}
    for part in (suspects[:half], suspects[half:]):
        trial = {**kept, **{entry_id: wanted[entry_id] for entry_id in part}}
        built, kept_now, bad_now = build_what_can_be(build, kept, trial)
        kept = kept_now
        bad.update(bad_now)
    return built, kept, bad


def logged(entry: WatchlistEntry) -> str:
    """An entry's id for the log, which others read: of one about a person only its kind."""
    return f"{entry.kind} (see takin watchlist list)" if entry.kind in NAMING else entry.entry_id
