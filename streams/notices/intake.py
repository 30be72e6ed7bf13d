"""What the notice service takes from Kafka: verdicts of the screening, and reports by people."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from schemas.detection import Detection
from schemas.report import Report
from schemas.topics import DETECTIONS, REPORTS
from streams.contacts.keys import ContactKeys, no_contact_keys
from streams.notices import handlers
from streams.notices.casebook import cases, erased_marks, filed, offsets
from streams.notices.casebook.database import Casebook, CasebookUnavailable, Transaction
from streams.notices.loops import Bell
from streams.notices.metrics import NoticeMetrics
from streams.notices.topic_intake import Batch, Record, SetAside, TopicIntake
from streams.privacy.keys import SETTING, PrivacyKeys, no_keys
from streams.privacy.marks import came_back, marks_of_listing, marks_of_report

__all__ = ["Batch", "Record", "detection_intake", "report_intake", "take_batch", "take_reports"]


Became = Literal["filed", "repeated", "erased"]
"""What became of a report."""


def take_batch(
    tx: Transaction,
    batch: Batch[Detection],
    desk: handlers.Desk,
    *,
    now: datetime,
    keys: PrivacyKeys | None = None,
) -> tuple[handlers.Taken, ...]:
    """One transaction: every detection of the batch and the offsets after it.

    What was erased and comes again from the log is passed over; ``keys`` tell it.

    Raises:
        OffsetTaken: another process took them meanwhile; nothing is written.
    """
    offsets.advance(tx, DETECTIONS.name, batch.moves)
    found = sorted((detection for _, detection in batch.messages), key=lambda one: one.key)
    marks = [tuple(marks_of_listing(keys, one.listing)) if keys else () for one in found]
    erased = _erased(tx, keys, marks)
    cases.hold_all(tx, [(one.platform, one.listing_id) for one in found])
    return tuple(
        handlers.Taken(None, "erased")
        if came_back(its, erased, detection.listing.observed_at)
        else handlers.take_detection(tx, detection, desk, now=now)
        for detection, its in zip(found, marks, strict=True)
    )


class PrivacyKeyMissing(CasebookUnavailable):
    """What was erased cannot be told from what is new: nothing is taken until the key is there."""


def _erased(
    tx: Transaction, keys: PrivacyKeys | None, marks: Sequence[Sequence[str]]
) -> Mapping[str, datetime]:
    if keys is None and erased_marks.any_kept(tx):
        raise PrivacyKeyMissing(f"something was erased under a privacy key that {SETTING} does not name here")
    return erased_marks.known(tx, {mark for its in marks for mark in its})


def take_reports(
    tx: Transaction,
    batch: Batch[Report],
    *,
    now: datetime,
    keys: PrivacyKeys | None = None,
    contacts: ContactKeys | None = None,
) -> tuple[Became, ...]:
    """The same for reports: each waits for a person from then.

    They come with their contacts encrypted. One that a version before wrote in clear is encrypted with
    ``contacts``; without keys it is kept as it is, until ``takin keys reseal``.

    Raises:
        OffsetTaken: as above.
    """
    offsets.advance(tx, REPORTS.name, batch.moves)
    marks = [tuple(marks_of_report(keys, one)) if keys else () for _, one in batch.messages]
    erased = _erased(tx, keys, marks)
    became: list[Became] = []
    for (_, report), its in zip(batch.messages, marks, strict=True):
        if came_back(its, erased, report.received_at):
            became.append("erased")
        else:
            hidden = contacts.seal(report) if contacts else report
            became.append("filed" if filed.keep(tx, hidden, now=now) else "repeated")
    return tuple(became)


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
    keys: Callable[[], PrivacyKeys | None] = no_keys,
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
        take=lambda tx, batch, now: take_batch(tx, batch, desk, now=now, keys=keys()),
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
    keys: Callable[[], PrivacyKeys | None] = no_keys,
    contacts: Callable[[], ContactKeys | None] = no_contact_keys,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> TopicIntake[Report, Became]:
    """Takes reports that came through the intake; an analyst finds them beside those of the public form."""

    def took(taken: Sequence[Became]) -> None:
        for became in taken:
            metrics.reports.labels(became).inc()

    return TopicIntake(
        casebook,
        metrics,
        topic=REPORTS,
        message=Report,
        take=lambda tx, batch, now: take_reports(tx, batch, now=now, keys=keys(), contacts=contacts()),
        took=took,
        bootstrap=bootstrap,
        group=f"{group}-reports",
        set_aside=set_aside,
        worker=worker,
        clock=clock,
    )
