"""The rule set as it stands on the topic now, for commands: what a worker that starts now would use."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from schemas.watchlist import RulePackRelease, WatchlistEntry
from streams.screening.imported import BadReference
from streams.screening.releases import judged, usable
from streams.screening.screener import ScreeningRuleset, build_ruleset
from streams.screening.verdict import Screener
from streams.screening.watchlist import build_what_can_be, in_force
from streams.watchlist.store import TOPIC, read_entries, read_reference, read_releases


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything a verdict depends on."""

    built_in: ScreeningRuleset
    releases: Mapping[str, RulePackRelease]
    """Those that can be used, by Kafka key."""
    entries: Mapping[str, WatchlistEntry]
    """Every entry, also those not in force."""
    now: datetime

    def screener(
        self,
        releases: Mapping[str, RulePackRelease] | None = None,
        entries: Mapping[str, WatchlistEntry] | None = None,
    ) -> Screener:
        """A screener of this state, or of a variation of it; entries that cannot be used are left out.

        Raises:
            BadPack: a release of the variation is refused.
        """
        ruleset = self.built_in.with_packs(self.releases if releases is None else releases)
        wanted = in_force(self.entries if entries is None else entries, self.now)
        screener, _, _ = build_what_can_be(ruleset.screener, {}, wanted)
        return screener


async def read_standing(bootstrap: str, now: datetime, *, topic: str = TOPIC) -> Standing:
    """Read the topic.

    Raises:
        OperatorError: no broker answers, or the topic is not there.
    """
    built_in = build_ruleset()
    with contextlib.suppress(BadReference):  # the workers set such a list aside as well
        built_in = built_in.with_reference(await read_reference(bootstrap, topic=topic))
    releases = usable(judged(built_in, await read_releases(bootstrap, topic=topic)))
    return Standing(built_in, releases, await read_entries(bootstrap, topic=topic), now)
