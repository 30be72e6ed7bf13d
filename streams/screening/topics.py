"""The topics that the screening worker reads and writes."""

from dataclasses import dataclass

from schemas import topics


@dataclass(frozen=True, slots=True)
class ScreeningTopics:
    """Names as in the catalogue; a test on a shared broker uses its own."""

    listings: str = topics.LISTINGS.name
    watchlist: str = topics.WATCHLIST.name
    detections: str = topics.DETECTIONS.name
    progress: str = topics.SCREENING_PROGRESS.name
    dead_letters: str = topics.DEAD_LETTERS.name

    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (self.listings, self.watchlist, self.detections, self.progress, self.dead_letters)
