"""What the worker writes to Kafka: records with their key, value and CloudEvents headers."""

from dataclasses import dataclass
from datetime import datetime

from schemas.dead_letter import DeadLetter
from schemas.detection import Detection
from schemas.envelope import Headers, cloud_event_headers
from schemas.progress import ScreeningProgress
from schemas.watchlist import WatchlistEntry

SOURCE = "takin/screening"


@dataclass(frozen=True, slots=True)
class Output:
    """One record to be sent."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers

    def plain(self) -> tuple[str, bytes, bytes, list[tuple[str, bytes]]]:
        """Its parts, in order."""
        return self.topic, self.key, self.value, list(self.headers)


def detection_output(detection: Detection, topic: str) -> Output:
    """A detection, keyed by its listing."""
    headers = cloud_event_headers(
        event_id=detection.detection_id,
        source=SOURCE,
        event_type="takin.detection.v1",
        at=detection.screened_at,
    )
    return Output(topic, detection.key.encode(), detection.to_bytes(), headers)


def entry_output(entry: WatchlistEntry, topic: str, at: datetime) -> Output:
    """A watchlist entry that the worker itself changed, keyed by its id."""
    headers = cloud_event_headers(
        event_id=f"{entry.entry_id}/{entry.state}/{at.isoformat()}",
        source=SOURCE,
        event_type="takin.watchlist-entry.v1",
        at=at,
    )
    return Output(topic, entry.entry_id.encode(), entry.to_bytes(), headers)


def dead_letter_output(letter: DeadLetter, topic: str) -> Output:
    """A dead letter, keyed by its id, so that a second setting aside follows the first."""
    headers = cloud_event_headers(
        event_id=letter.dead_letter_id,
        source=f"takin/{letter.stage}",
        event_type="takin.dead-letter.v1",
        at=letter.set_aside_at,
    )
    return Output(topic, letter.dead_letter_id.encode(), letter.to_bytes(), headers)


def progress_output(progress: ScreeningProgress, topic: str) -> Output:
    """Progress of a partition, keyed by its number, so that the ranges of one partition stay in order."""
    run = f"{progress.topic}/{progress.partition}/{progress.first_offset}-{progress.next_offset}"
    headers = cloud_event_headers(
        event_id=run, source=SOURCE, event_type="takin.screening-progress.v1", at=progress.decided_at
    )
    return Output(topic, str(progress.partition).encode(), progress.to_bytes(), headers)
