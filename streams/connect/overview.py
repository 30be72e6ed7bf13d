"""What ``takin connectors`` shows: each platform, how it is read and notified, and how far that came."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.cursors import Wait, every_wait
from connectors.platform_config import PlatformConfig
from connectors.registry import QUEUES, is_searched, readable
from connectors.run_notes import Note, every_note

STALE = timedelta(hours=24)
"""A source that has saved no place for so long is called silent."""
_READERS = {"atproto": "firehose, search", "sandbox": "feed"}


@dataclass(frozen=True, slots=True)
class Overview:
    """One platform."""

    name: str
    source: str | None
    """The API or feed that is read; ``None``: it is only notified."""
    channel: str
    state: str
    """``never run``, ``fresh``, ``silent``, ``failing`` (nothing was read to the end since its last
    error), or ``only notified``."""
    read_at: str | None
    """When its place was last saved, or it last stood at its end."""
    cursors: int
    """Places that are kept: one, and one for each search of its own."""
    calls_left: int | None
    """Of today's budget, where there is one."""
    cursor: str | None = None
    """Where reading goes on, in a few words."""
    last_error: str | None = None
    """Reason and sentence of the last failure, also of one that is over."""
    last_error_at: str | None = None
    waits_until: str | None = None
    """Until when it is not asked, because the platform asked for that; absent when it is over."""
    can: tuple[str, ...] = ()
    """Of ``read``, ``search``, ``stream``, ``notify``."""

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        return asdict(self)


def overview(
    configs: Sequence[PlatformConfig], folder: Path, now: datetime, *, notes: Path | None = None
) -> tuple[Overview, ...]:
    """Every platform of the file, in its order. ``folder`` is that of the cursors, ``notes`` that of what
    became of the runs; nothing is asked over the network."""
    kept, noted = _kept(folder), every_note(notes) if notes is not None else ()
    waits = every_wait(folder)
    return tuple(_one(config, kept, noted, waits, now) for config in configs)


def _one(
    config: PlatformConfig,
    kept: Sequence[Mapping[str, Any]],
    noted: Sequence[Note],
    waits: Sequence[Wait],
    now: datetime,
) -> Overview:
    source = config.reads.api if config.reads else "crawl" if config.crawl else _READERS.get(config.kind)
    connector = config.reads.api if config.reads else "crawl" if config.crawl else config.kind
    mine = [one for one in kept if one["connector"] == connector and _is_of(config, one["place"])]
    told = [one for one in noted if one.connector == connector and _is_of(config, one.place)]
    left_s = max(
        (one.left_s(now) for one in waits if one.connector == connector and _is_of(config, one.place)),
        default=0.0,
    )
    worst = max((one for one in told if one.failed_at), key=lambda one: one.failed_at or "", default=None)
    moments = [one["saved_at"] for one in mine] + [one.read_to_end_at for one in told if one.read_to_end_at]
    newest = max((datetime.fromisoformat(one) for one in moments), default=None)
    state = "only notified" if source is None else "never run"
    if source is not None and newest is not None:
        state = "fresh" if now - newest < STALE else "silent"
    if source is not None and any(one.is_failing for one in told):
        state = "failing"
    return Overview(
        config.name,
        source,
        config.kind if config.fallback is None else f"{config.kind}, then {config.fallback.kind}",
        state,
        newest.isoformat(timespec="seconds") if newest else None,
        len(mine),
        _calls_left(config, mine, now),
        ", ".join(_where(one["cursor"]) for one in mine[:3]) or None,
        f"{worst.reason}: {worst.detail}" if worst else None,
        worst.failed_at if worst else None,
        (now + timedelta(seconds=left_s)).isoformat(timespec="seconds") if left_s > 0 else None,
        _can(config, source),
    )


def _is_of(config: PlatformConfig, place: str) -> bool:
    return place == config.name or place.startswith(f"{config.name} search ")


def _can(config: PlatformConfig, source: str | None) -> tuple[str, ...]:
    searched = config.reads is not None and is_searched(config.reads)
    own = config.kind == "atproto" and config.reads is None and config.crawl is None
    return (
        *(("read",) if source is not None else ()),
        *(("search",) if searched or own else ()),
        *(("stream",) if own else ()),
        *(("notify",) if config.kind != "atproto" or (config.atproto and config.atproto.identifier) else ()),
    )


def _where(cursor: str) -> str:
    """A cursor in a few words.

    >>> _where('{"offset": 7, "at": "x"}'), _where('{"seen": {"a": "b"}}'), _where("17")
    ('offset 7', '1 known', '17')
    """
    try:
        held = json.loads(cursor)
    except ValueError:
        held = None
    if not isinstance(held, dict):
        return cursor[:40]
    if "offset" in held:
        return f"offset {held['offset']}"
    known = held.get("seen", held.get("pages"))
    return f"{len(known)} known" if isinstance(known, dict) else "kept"


def _calls_left(config: PlatformConfig, mine: Sequence[Mapping[str, Any]], now: datetime) -> int | None:
    budget = config.reads or config.crawl
    if budget is None or (config.reads is not None and config.reads.api in QUEUES):
        return None
    used = 0
    for one in mine:
        try:
            held = json.loads(one["cursor"])
            used += int(held["calls"]) if held["day"] == f"{now:%Y-%m-%d}" else 0
        except (ValueError, KeyError, TypeError):
            continue  # the next pass begins anew, and counts anew
    return max(budget.calls_a_day - used, 0)


def _kept(folder: Path) -> list[Mapping[str, Any]]:
    """Every cursor that can be read; what cannot is told when its connector runs."""
    found: list[Mapping[str, Any]] = []
    for path in sorted(folder.glob("*.json")):
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            datetime.fromisoformat(held["saved_at"])
            found.append({name: str(held[name]) for name in ("connector", "place", "saved_at", "cursor")})
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def table(rows: Sequence[Overview]) -> str:
    """For a person."""
    head = ("platform", "source", "channel", "state", "last read", "calls left", "goes on at")
    cells = [
        (
            one.name,
            one.source or "-",
            one.channel,
            one.state,
            one.read_at or "-",
            "-" if one.calls_left is None else str(one.calls_left),
            one.cursor or "-",
        )
        for one in rows
    ]
    widths = [max(len(row[column]) for row in (head, *cells)) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *cells)
    ]
    lines += [
        f"{one.name}: last error {one.last_error_at}: {one.last_error}" for one in rows if one.last_error
    ]
    lines += [
        f"{one.name}: waits until {one.waits_until}, as the platform asked" for one in rows if one.waits_until
    ]
    return "\n".join([*lines, f"APIs that reads.api can name: {', '.join(readable())}"])
