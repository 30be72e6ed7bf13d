"""Tries a rule pack beside what is in force, in a process of its own: ``python -m streams.screening.trial``.

For a web process, which must not be held by it: building a rule set takes a second and a few hundred
megabytes, a back-test takes as long as the kept listings are many. One JSON object comes in (:class:`Wish`);
JSON lines go out, the last of which is a ``result`` or a ``refused``.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from schemas.errors import OperatorError
from schemas.watchlist import RulePackRelease
from streams.local.records import consumer_of, up_to_now
from streams.screening.backtest import entry_test, pack_test
from streams.screening.pack_file import parse_pack
from streams.screening.release_commands import check, release_of
from streams.screening.retroactive import Backtest
from streams.screening.screener import ScreeningRuleset
from streams.screening.standing import Standing, read_standing
from streams.screening.topics import ScreeningTopics

Tell = Callable[[Mapping[str, Any]], None]
ROWS = 500
"""Listings that are told one by one; all are counted."""
EVERY_S = 0.5
"""How often progress is told."""
PROBLEMS = 50
NICE = 10


class Wish(BaseModel):
    """What is to be tried."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: Literal["check", "pack", "entry"]
    bootstrap: str
    watchlist: str = ScreeningTopics().watchlist
    listings: str = ScreeningTopics().listings
    name: str = "pack.yaml"
    """Of the file, as problems name it."""
    text: str = ""
    """The pack; for ``pack`` empty where the pack ``retired`` is to be retired."""
    shadow: bool = False
    retired: str = ""
    entry_id: str = ""
    since: datetime | None = None
    within_s: float = 600.0
    """After so long it ends with what it has."""


def candidate_of(name: str, text: str, *, shadow: bool, by: str, now: datetime) -> RulePackRelease:
    """The release of a pack's text, with what it imports from built-in packs written into it.

    Raises:
        OperatorError: it is no pack; names the file as ``name``, and the line.
    """
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="takin-pack-") as folder:
        try:
            # Relative, so that what is refused is named as it was uploaded.
            os.chdir(folder)
            file = Path(name)
            file.write_text(text, "utf-8", newline="")
            return release_of(file, shadow=shadow, released_by=by, now=now)
        finally:
            os.chdir(here)


def problems_of(
    built_in: ScreeningRuleset, made: RulePackRelease, there: Mapping[str, RulePackRelease], name: str
) -> tuple[str, ...]:
    """Why a candidate is refused, each with file and line; empty: it is not."""
    try:
        check(built_in, made, there, file=name)
    except OperatorError as error:
        first = str(error).removeprefix("The pack is refused: ")
        try:
            _, failures = built_in.try_examples({made.key: made}, {f"{made.pack}@{made.version}"})
        except ValueError:
            failures = []
        told = [one.replace(f"{made.pack}.yaml:", f"{name}:", 1) for one in failures]
        return tuple(told[:PROBLEMS]) or (first,)
    return ()


async def checked(wish: Wish, now: datetime) -> dict[str, Any]:
    """Whether the pack would be taken: its conditions, its law, its own examples, its version."""
    try:
        made = candidate_of(wish.name, wish.text, shadow=wish.shadow, by="desk", now=now)
    except OperatorError as error:
        return {"problems": [str(error).removeprefix("The pack is refused: ")]}
    standing = await read_standing(wish.bootstrap, now, topic=wish.watchlist)
    problems = problems_of(standing.built_in, made, standing.releases, wish.name)
    if problems:
        return {"problems": list(problems)}
    pack = parse_pack(made.text, wish.name)
    ran = sum(len(one.tests.must_hit) + len(one.tests.must_not_hit) for one in pack.rules)
    return {
        "pack": made.pack,
        "version": made.version,
        "text": made.text,
        "sha256": made.sha256,
        "examples": ran,
        "rules": len(pack.rules),
    }


def test_of(wish: Wish, standing: Standing) -> Backtest:
    """The two rule sets that are compared.

    Raises:
        OperatorError: the candidate is refused.
    """
    if wish.what == "entry":
        return entry_test(standing, wish.entry_id, publish=False)
    if wish.retired:
        left = {key: one for key, one in standing.releases.items() if one.pack != wish.retired}
        return Backtest(standing.screener(), standing.screener(releases=left))
    made = candidate_of(wish.name, wish.text, shadow=False, by="backtest", now=standing.now)
    return pack_test(standing, made)


async def tried(wish: Wish, now: datetime, tell: Tell) -> dict[str, Any]:
    """Run the kept listings through both; tells progress and each change, and ends in time."""
    standing = await read_standing(wish.bootstrap, now, topic=wish.watchlist)
    test = test_of(wish, standing)
    rows, read, told_at, until = 0, 0, 0.0, time.monotonic() + wish.within_s
    ended = True
    async with consumer_of(wish.bootstrap, wish.listings) as (consumer, partitions):
        of = await _how_many(consumer, partitions, wish.since)
        async for record in up_to_now(consumer, partitions, since=wish.since):
            changed = test.judge(record, now)
            read += 1
            if changed is not None and rows < ROWS:
                tell({"changed": changed.row()})
                rows += 1
            if time.monotonic() - told_at > EVERY_S:
                told_at = time.monotonic()
                tell({"read": read, "of": of})
                if told_at > until:
                    ended = False
                    break
    return {**test.summary(), "read": read, "of": max(of, read), "ended": ended, "rows": rows}


async def _how_many(consumer: Any, partitions: Any, since: datetime | None) -> int:
    ends = await consumer.end_offsets(partitions)
    if since is None:
        begins = await consumer.beginning_offsets(partitions)
        return sum(ends[part] - begins[part] for part in partitions)
    starts = await consumer.offsets_for_times(dict.fromkeys(partitions, int(since.timestamp() * 1000)))
    return sum(ends[part] - (ends[part] if start is None else start.offset) for part, start in starts.items())


async def run(wish: Wish, tell: Tell) -> None:
    """Do what is wished and tell how it ended."""
    now = datetime.now(UTC)
    try:
        tell({"result": await (checked(wish, now) if wish.what == "check" else tried(wish, now, tell))})
    except OperatorError as error:
        tell({"refused": str(error)})


def main() -> None:
    """Read the wish from standard input."""
    os.nice(NICE)  # whoever waits for a page, and whoever screens, come first

    def tell(line: Mapping[str, Any]) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    asyncio.run(run(Wish.model_validate_json(sys.stdin.buffer.read()), tell))


if __name__ == "__main__":
    main()
