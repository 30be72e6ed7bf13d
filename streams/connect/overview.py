"""What ``takin connectors`` shows: each platform, how it is read and notified, and how far that came."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.platform_config import PlatformConfig
from connectors.registry import QUEUES, readable

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
    """``never run``, ``fresh``, ``silent``, or ``only notified``."""
    read_at: str | None
    """When its place was last saved."""
    cursors: int
    """Places that are kept: one, and one for each search of its own."""
    calls_left: int | None
    """Of today's budget, where there is one."""

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        return asdict(self)


def overview(configs: Sequence[PlatformConfig], folder: Path, now: datetime) -> tuple[Overview, ...]:
    """Every platform of the file, in its order. ``folder`` is that of the cursors; nothing is asked over the
    network."""
    kept = _kept(folder)
    return tuple(_one(config, kept, now) for config in configs)


def _one(config: PlatformConfig, kept: Sequence[Mapping[str, Any]], now: datetime) -> Overview:
    source = config.reads.api if config.reads else "crawl" if config.crawl else _READERS.get(config.kind)
    connector = config.reads.api if config.reads else "crawl" if config.crawl else config.kind
    mine = [
        one
        for one in kept
        if one["connector"] == connector
        and (one["place"] == config.name or one["place"].startswith(f"{config.name} search "))
    ]
    newest = max((datetime.fromisoformat(one["saved_at"]) for one in mine), default=None)
    state = "only notified" if source is None else "never run"
    if source is not None and newest is not None:
        state = "fresh" if now - newest < STALE else "silent"
    return Overview(
        config.name,
        source,
        config.kind if config.fallback is None else f"{config.kind}, then {config.fallback.kind}",
        state,
        newest.isoformat(timespec="seconds") if newest else None,
        len(mine),
        _calls_left(config, mine, now),
    )


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
    head = ("platform", "source", "channel", "state", "last read", "calls left")
    cells = [
        (
            one.name,
            one.source or "-",
            one.channel,
            one.state,
            one.read_at or "-",
            "-" if one.calls_left is None else str(one.calls_left),
        )
        for one in rows
    ]
    widths = [max(len(row[column]) for row in (head, *cells)) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *cells)
    ]
    return "\n".join([*lines, f"APIs that reads.api can name: {', '.join(readable())}"])
