"""A real screening worker with small rules of its own, as a process that tests may kill.

``python -m tests.support.screening_worker PREFIX [--jitter S] [--hasty] [--real]``: settings come from the
environment as for ``takin screening``; the topics are ``PREFIX-listings`` and so on.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.errors import OperatorError
from schemas.listing import Listing
from schemas.message import digest
from schemas.watchlist import ReferenceRelease, RulePackRelease, WatchlistEntry
from streams.screening import worker as worker_module
from streams.screening.agent import BatchScreener
from streams.screening.decision import Reckoning, decide
from streams.screening.lossless.batch import Batch
from streams.screening.progress import Tally
from streams.screening.screener import build_ruleset
from streams.screening.topics import ScreeningTopics
from streams.screening.verdict import RuleFailed, RuleInForce, Ruleset, Screener, Verdict


@dataclass(frozen=True)
class WordScreener:
    """Notifies what holds one of the words; the word ``boom`` makes a rule fail, ``slow`` takes a moment."""

    words: frozenset[str]
    version: str

    def rules_in_force(self) -> tuple[RuleInForce, ...]:
        return ()

    def screen(self, listing: Listing, now: datetime, *, told: bool = True) -> Verdict:
        said = frozenset(listing.title.split())
        if "boom" in said:
            raise RuleFailed("test.boom", "it was told to fail")
        if "slow" in said:
            time.sleep(0.2)
        outcome = "notify" if said & self.words else "clear"
        return Verdict(outcome, "normal", 1.0, None, None, (), (), "A word was found.")  # type: ignore[arg-type]


class WordRuleset:
    """``ivory`` and every watchlist value; the value ``unusable`` cannot be built with."""

    def screener(self, entries: Mapping[str, WatchlistEntry]) -> Screener:
        words = {"ivory", *(entry.value for entry in entries.values())}
        if "unusable" in words:
            raise ValueError("unusable")
        return WordScreener(frozenset(words), "words-" + digest(sorted(words))[:12])

    def with_packs(self, releases: Mapping[str, RulePackRelease]) -> "WordRuleset":
        return self

    def with_reference(self, release: ReferenceRelease | None) -> "WordRuleset":
        return self


class JitteryScreener(BatchScreener):
    """Waits between the acknowledgements and ``done``, so that kills hit unfinished work."""

    jitter_s = 0.0

    async def _finish(self, *args: Any) -> None:
        await asyncio.sleep(random.random() * self.jitter_s)
        await super()._finish(*args)


class HastyScreener(BatchScreener):
    """The negative control: declares a batch done before its outputs exist. An oracle must notice.

    The outputs come later than the next commit and the next look at it, whatever the machine's load.
    """

    async def take(self, batch: Batch) -> None:
        batch.take()
        batch.done(Tally.of("hasty", [("clear", len(batch.records))]))
        late = asyncio.create_task(self._send_late(batch))
        self._waiting.add(late)
        late.add_done_callback(self._waiting.discard)

    async def _send_late(self, batch: Batch) -> None:
        await asyncio.sleep(4)
        now = self._now()
        screener = self._screener()
        decided = Reckoning(decide(record, screener, now, self._desk) for record in batch.records)
        for _, ack in await self._send(decided):
            await ack


def prefixed(prefix: str) -> ScreeningTopics:
    """The topics of one test."""
    return ScreeningTopics(
        listings=f"{prefix}-listings",
        watchlist=f"{prefix}-watchlist",
        detections=f"{prefix}-detections",
        progress=f"{prefix}-progress",
        dead_letters=f"{prefix}-dead-letters",
    )


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("prefix")
    parser.add_argument("--jitter", type=float, default=0.0)
    parser.add_argument("--hasty", action="store_true")
    parser.add_argument("--real", action="store_true", help="with Takin's own reference data and packs")
    options = parser.parse_args()
    JitteryScreener.jitter_s = options.jitter
    chosen = HastyScreener if options.hasty else JitteryScreener
    vars(worker_module)["BatchScreener"] = chosen
    ruleset: Ruleset = build_ruleset() if options.real else WordRuleset()
    try:
        return worker_module.main(worker_module.ScreeningSettings(), ruleset, prefixed(options.prefix))
    except OperatorError as error:
        print(f"takin: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
