"""What the desk has where a Kafka is set: the lists as they stand, and a place to try packs."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.watchlist import RulePackRelease, Told, WatchlistEntry
from streams.desk.trials import Trials
from streams.watchlist.carrying import ListTopic


@dataclass(frozen=True, slots=True)
class Lists:
    """Made once where the process is put together; without a Kafka there is none."""

    topic: ListTopic
    trials: Trials

    async def entries(self) -> dict[str, WatchlistEntry]:
        """Every entry, by id.

        Raises:
            OperatorError: Kafka does not answer.
        """
        return entries_of(await self.topic.now())

    async def aclose(self) -> None:
        """End what runs and let go of Kafka."""
        await self.trials.aclose()
        await self.topic.aclose()


def entries_of(there: Mapping[str, Told]) -> dict[str, WatchlistEntry]:
    """The entries among what the topic says, by id."""
    return {key: one for key, one in there.items() if isinstance(one, WatchlistEntry)}


def releases_of(there: Mapping[str, Told]) -> dict[str, RulePackRelease]:
    """The released packs among what the topic says, by key; retired ones too."""
    return {key: one for key, one in there.items() if isinstance(one, RulePackRelease)}
