"""What was agreed, as values: when to try again, when to look, how long a platform has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from schemas.notice import LegalBasis, Party, SlaPromise, TrustedFlagger
from schemas.order import Order, Preservation, Secrecy
from streams.notices.guards.breaker import BreakerPolicy
from streams.notices.reply_link import ReplyLinks
from streams.notices.requirements import Demands
from streams.sla.calendar import Calendar, Unit
from streams.sla.clock import Limit, NeedInfo, due

RETRY_SCHEDULE: tuple[timedelta, ...] = tuple(
    timedelta(seconds=s) for s in (5, 30, 120, 600, 1_800, 3_600, 7_200, 18_000, 36_000)
)
"""Waits between attempts; after the last one the notice is undeliverable on this channel."""

MIN_RETRY_AFTER = timedelta(seconds=1)
MAX_RETRY_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed delivery is tried again."""

    schedule: tuple[timedelta, ...] = RETRY_SCHEDULE

    def next_at(
        self, attempt: int, failed_at: datetime, retry_after: timedelta | None, chance: Random
    ) -> datetime | None:
        """The next try after the ``attempt``-th one (1 = the first) failed; ``None``: give up.

        A wait is the schedule's times 0.5 to 1. What the platform asked for with ``Retry-After``
        is a lower bound that chance never shortens, clamped to 1 s … 1 h.
        """
        if attempt > len(self.schedule):
            return None
        wait = self.schedule[attempt - 1] * chance.uniform(0.5, 1.0)
        if retry_after is not None:
            wait = max(wait, min(max(retry_after, MIN_RETRY_AFTER), MAX_RETRY_AFTER))
        return failed_at + wait


@dataclass(frozen=True, slots=True)
class LookPolicy:
    """When the verifier looks at a listing itself."""

    schedule: tuple[timedelta, ...] = tuple(
        timedelta(seconds=s) for s in (0, 300, 900, 3_600, 21_600, 86_400)
    )
    """Ages of the notice at which to look; after the last one its distance to the one before repeats."""
    gone_looks: int = 2
    """Looks in a row that must find it gone before it counts as removed."""
    gone_apart: timedelta = timedelta(minutes=10)
    """Least time between the first and the last of them."""
    unknown_again: timedelta = timedelta(minutes=5)
    """Wait after a look that saw neither the listing nor its absence."""
    mismatch_after: timedelta = timedelta(hours=1)
    """A listing seen this long after the platform said it was gone contradicts the claim."""
    quiet: timedelta = timedelta(days=7)
    """Gone for this long: the removal is confirmed."""
    watch: timedelta = timedelta(days=30)
    """Looks end this long after the notice."""

    def next_look(self, started_at: datetime, now: datetime) -> datetime | None:
        """The next scheduled look after ``now``; ``None``: the watch is over."""
        for age in self.schedule:
            if started_at + age > now:
                return started_at + age
        last = self.schedule[-1]
        step = last - self.schedule[-2] if len(self.schedule) > 1 else last
        step = max(step, timedelta(seconds=1))
        passed = (now - started_at - last) // step + 1
        at = started_at + last + passed * step
        return at if at <= started_at + self.watch else None


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """When an open notice's status is asked for; webhooks alone lose answers."""

    first: timedelta = timedelta(minutes=1)
    factor: float = 2.0
    longest: timedelta = timedelta(hours=6)

    def next_at(self, polls: int, now: datetime) -> datetime:
        """When to ask again after ``polls`` asks."""
        wait = self.first.total_seconds() * self.factor ** min(polls, 40)
        return now + min(timedelta(seconds=wait), self.longest)


REPEAT_WINDOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the escalation ladder."""

    name: str
    """``reminder``, ``contact``, ``manager``, ``regulator``; each stands once in a ladder."""
    at: float
    """Share of the time that the platform had to decide: 0.5 is half of it."""
    to: str | None = None
    """Mail address of a letter; a step without one is a person's to take, but for the reminder."""

    @property
    def by_channel(self) -> bool:
        """It goes to the desk itself, by the platform's channel."""
        return self.name == "reminder"


@dataclass(frozen=True, slots=True)
class StopLine:
    """Where a rule's record with a platform stops its automatic notices.

    After Alibaba's admission rule for good-faith notifiers: 90 % success, 5 % successful
    counter-notices, over 3 months.
    """

    least_success: float = 0.9
    most_overturned: float = 0.05
    least_n: int = 20
    """Decided notices below which nothing is judged."""
    over: timedelta = timedelta(days=90)


DAY_S = 86_400
"""In a promise that counts days, this many seconds stand for one day."""


@dataclass(frozen=True, slots=True)
class SlaTerms:
    """How the numbers of a promise are counted; see :mod:`streams.sla`."""

    unit: Unit = "hours"
    """``days`` and ``working_days``: each 86,400 s of the promise are one whole day of the calendar."""
    calendar: Calendar = field(default_factory=Calendar)
    """The addressee's zone and holidays."""
    need_info: NeedInfo = "run"
    """What a question to us does to the time to decide and to remove."""


@dataclass(frozen=True, slots=True)
class PlatformPolicy:
    """Everything the notice service must know of one platform, apart from how to speak to it."""

    name: str
    language: str = "en"
    legal_entity: str | None = None
    contact_point: str | None = None
    country: str | None = None
    sla: SlaPromise | None = None
    terms: SlaTerms = SlaTerms()
    policy_clauses: tuple[LegalBasis, ...] = ()
    """Clauses of the platform's own terms that such a listing breaks."""
    demands: Demands = field(default_factory=Demands)
    """What it asks of a notice; one that does not meet it goes to a person, not out."""
    retry: RetryPolicy = RetryPolicy()
    look: LookPolicy = LookPolicy()
    poll: PollPolicy = PollPolicy()
    concurrency: int = 4
    """Deliveries under way at once."""
    attempt_timeout: timedelta = timedelta(seconds=30)
    """Total time of one attempt."""
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    """When its channel is left alone."""
    other_way: bool = False
    """It has a fallback channel, or letters can be sent about it."""
    fallback_after: timedelta | None = None
    """Its own channel has not worked for so long: the fallback channel is used."""
    daily_notices: int | None = None
    """Most new notices a day (UTC); more needs two people. ``None``: no cap."""
    daily_requests: int | None = None
    """Most tries of every kind a day (UTC). ``None``: no cap."""
    ladder: tuple[Step, ...] = ()
    """What is done on silence, see :mod:`streams.notices.handlers.ladder`."""
    quality: StopLine = StopLine()
    """From which record of a rule its notices to this platform need a person."""
    repeat_window: timedelta = REPEAT_WINDOW
    """Least time between two notices on one appearance of a listing."""
    keyed: Callable[[str], str] | None = None
    """The keyed name of a seller, for a receiver that is not the seller's platform; ``None``: it is, and
    sellers are named as it knows them. Raises ``CannotWrite`` where there is no key."""
    redelivers: bool = False
    """Its channel knows notices by their key, so that one may be sent once more."""


@dataclass(frozen=True, slots=True)
class OrderPolicy:
    """What an authority's orders have in common."""

    kind: Literal["art9_order", "tco_order"]
    order: Order
    redress: str
    secrecy: Secrecy | None = None
    preservation: Preservation | None = None


@dataclass(frozen=True, slots=True)
class SenderPolicy:
    """Who we are in a notice."""

    reporter: Party
    sender: Party
    good_faith_text: str
    signed_by: str
    trusted_flagger: TrustedFlagger | None = None
    reply_base: str | None = None
    """Address under which ``/answers/{platform}`` receives signed answers."""
    order: OrderPolicy | None = None
    """Present for an authority whose notices are orders."""
    reply_links: ReplyLinks | None = None
    """Makes the link by which a notice is answered without a login; absent: there is no desk."""
    test_mode: bool = False
    """True: notices carry ``lifecycle:test``, which a receiver validates and drops."""


def limit_of(sla: SlaPromise, kind: str, terms: SlaTerms) -> Limit | None:
    """The limit of one duty; ``None``: the promise has no number for it."""
    seconds = {"acknowledge": sla.acknowledge_s, "decide": sla.decide_s, "remove": sla.remove_s}[kind]
    if seconds is None:
        return None
    amount = seconds / 3_600 if terms.unit == "hours" else seconds / DAY_S
    return Limit(amount, terms.unit, terms.need_info)


def due_dates(
    sla: SlaPromise | None, kind_started: Sequence[tuple[str, datetime]], terms: SlaTerms = SlaTerms()
) -> tuple[tuple[str, datetime, datetime], ...]:
    """Deadlines as (kind, started_at, due_at) for the duties that the promise names."""
    if sla is None:
        return ()
    found = []
    for kind, started in kind_started:
        limit = limit_of(sla, kind, terms)
        if limit is not None:
            due_at = due(limit, started, (), terms.calendar).due_at
            assert due_at is not None, "a clock that nothing stopped runs"
            found.append((kind, started, due_at))
    return tuple(found)
