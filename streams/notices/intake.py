"""What the notice service takes from Kafka: verdicts of the screening, and reports by people."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from schemas.detection import Detection
from schemas.report import Report
from schemas.topics import DETECTIONS, REPORTS
from streams.notices import handlers
from streams.notices.casebook import cases, filed, offsets
from streams.notices.casebook.database import Casebook, Transaction
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics
from streams.notices.topic_intake import Batch, Record, SetAside, TopicIntake

__all__ = ["Batch", "Record", "detection_intake", "report_intake", "take_batch", "take_reports"]


def take_batch(
    tx: Transaction, batch: Batch[Detection], desk: handlers.Desk, *, now: datetime
) -> tuple[handlers.Taken, ...]:
    """One transaction: every detection of the batch and the offsets after it.

    Raises:
        OffsetTaken: another process took them meanwhile; nothing is written.
    """
    offsets.advance(tx, DETECTIONS.name, batch.moves)
    cases.hold_all(tx, [(one.platform, one.listing_id) for _, one in batch.messages])
    return tuple(
        handlers.take_detection(tx, detection, desk, now=now)
        for _, detection in sorted(batch.messages, key=lambda one: one[1].key)
    )


def take_reports(tx: Transaction, batch: Batch[Report], *, now: datetime) -> tuple[bool, ...]:
    """The same for reports: each waits for a person from then. ``False``: it was there already.

    Raises:
        OffsetTaken: as above.
    """
    offsets.advance(tx, REPORTS.name, batch.moves)
    return tuple(filed.keep(tx, report, now=now) for _, report in batch.messages)


def detection_intake(
    casebook: Casebook,
    desk: handlers.Desk,
    metrics: NoticeMetrics,
    *,
    bootstrap: str,
    group: str,
    set_aside: SetAside,
    queued: Bell,
    worker: str,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> TopicIntake[Detection, handlers.Taken]:
    """Takes verdicts; rings ``queued`` when a notice was written."""

    def took(taken: Sequence[handlers.Taken]) -> None:
        for one in taken:
            metrics.detections.labels(one.result).inc()
        if any(one.result == "noticed" for one in taken):
            queued.ring()

    return TopicIntake(
        casebook,
        metrics,
        topic=DETECTIONS,
        message=Detection,
        take=lambda tx, batch, now: take_batch(tx, batch, desk, now=now),
        took=took,
        bootstrap=bootstrap,
        group=group,
        set_aside=set_aside,
        worker=worker,
        clock=clock,
    )


def report_intake(
    casebook: Casebook,
    metrics: NoticeMetrics,
    *,
    bootstrap: str,
    group: str,
    set_aside: SetAside,
    worker: str,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> TopicIntake[Report, bool]:
    """Takes reports that came through the intake; an analyst finds them beside those of the public form."""

    def took(taken: Sequence[bool]) -> None:
        for fresh in taken:
            metrics.reports.labels("filed" if fresh else "repeated").inc()

    return TopicIntake(
        casebook,
        metrics,
        topic=REPORTS,
        message=Report,
        take=lambda tx, batch, now: take_reports(tx, batch, now=now),
        took=took,
        bootstrap=bootstrap,
        group=f"{group}-reports",
        set_aside=set_aside,
        worker=worker,
        clock=clock,
    )
