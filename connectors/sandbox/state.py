"""What one practice platform knows: a fold over its records, so that a restart knows the same."""

import bisect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from connectors.sandbox.plan import OPEN_WORDS, ItemPlan, Step
from connectors.sandbox.records import (
    Outcome,
    PageChanged,
    Record,
    RequestReceived,
    Said,
    Started,
    Stocked,
    StockLoaded,
    WebhookSent,
    Withdrawn,
)
from connectors.sandbox.stock import Offer
from schemas.follow_up import FollowUpKind

FOLLOWED: Mapping[FollowUpKind, Outcome] = {
    "reminder": "reminded",
    "escalation": "escalated",
    "withdrawal": "withdrawn",
}
"""What comes of a follow-up that the desk takes."""


@dataclass(slots=True)
class ItemState:
    """One item of a notice, as the desk sees it."""

    plan: ItemPlan
    said: list[Said] = field(default_factory=list)
    done: set[int] = field(default_factory=set)
    """Steps of the plan that were carried out."""
    informed_at: datetime | None = None
    removed_at: datetime | None = None
    """When this desk took the page away because of this item."""

    @property
    def word(self) -> str:
        """The last word said; a notice that was taken is ``RECEIVED``."""
        return self.said[-1].word if self.said else "RECEIVED"

    @property
    def is_open(self) -> bool:
        """Nothing decided yet."""
        return all(said.word in OPEN_WORDS for said in self.said)

    @property
    def is_asking(self) -> bool:
        """A question was put and is not answered."""
        asked = any(said.word == "NEED_MORE_INFORMATION" for said in self.said)
        return asked and self.informed_at is None and self.is_open

    @property
    def was_asked(self) -> bool:
        """A question was put at some time."""
        return any(said.word == "NEED_MORE_INFORMATION" for said in self.said)


@dataclass(slots=True)
class DeskNotice:
    """A notice that the desk took."""

    key: str
    sha256: str
    reference: str
    received_at: datetime
    reply_to: str | None
    subject: str | None
    items: dict[str, ItemState]
    follow_ups: dict[str, str] = field(default_factory=dict)
    """Key and SHA-256 of what followed it."""
    withdrawn_at: datetime | None = None
    """Its sender took it back: nothing more is done about it."""

    def pending(self) -> Iterator[tuple[datetime, ItemState, Step]]:
        """What is still to be done, with its time."""
        if self.withdrawn_at is not None:
            return
        for item in self.items.values():
            for step in item.plan.steps:
                if step.n not in item.done and not (step.unless_informed and item.informed_at):
                    yield self.received_at + timedelta(seconds=step.after_s), item, step
            if item.informed_at is not None:
                for step in item.plan.on_information:
                    if step.n not in item.done:
                        yield item.informed_at + timedelta(seconds=step.after_s), item, step


@dataclass(slots=True)
class Post:
    """An answer on its way to the notifier."""

    said: Said
    attempts: int = 0
    next_at: datetime | None = None
    ended: Literal["delivered", "gave_up"] | None = None
    last: WebhookSent | None = None


class PlatformState:
    """The fold. Only :meth:`apply` changes it."""

    def __init__(self, stock_sha256: str = "", rows: Sequence[tuple[str, bytes]] = ()) -> None:
        """``rows`` are what the stock file with that hash holds for this platform."""
        self._stock_sha256 = stock_sha256
        self._rows = rows
        self.first_started_at: datetime | None = None
        self.offers: dict[str, Offer] = {}
        self.gone: dict[str, Literal["removed", "withdrawn"]] = {}
        """Listings that the platform took down, or their author did; the others are online."""
        self.next_seq = 1
        self.loaded: StockLoaded | None = None
        self.notices: dict[str, DeskNotice] = {}
        """By reference, in the order in which they were taken."""
        self.by_key: dict[str, str] = {}
        """Key → reference of the last notice taken under it."""
        self.posts: dict[str, Post] = {}
        """By answer id."""
        self.closed_addresses: set[str] = set()
        """Webhook addresses that answered 410."""
        self.notice_requests = 0
        self.attempts: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()
        self.stumbled: Counter[str] = Counter()
        self.not_before: dict[str, datetime] = {}
        self._covered: dict[tuple[str, int], str] = {}
        self._feed: list[tuple[int, str]] = []

    # -- the shelf

    def _put(self, listing_id: str, raw: bytes, seq: int, at: datetime) -> None:
        self.offers[listing_id] = Offer(raw=raw, seq=seq, shown_at=at)
        self._feed.append((seq, listing_id))
        self.next_seq = max(self.next_seq, seq + 1)

    def shelf(self, listing_id: str) -> Literal["online", "gone", "unknown"]:
        """Whether the page is there now."""
        if listing_id not in self.offers:
            return "unknown"
        return "gone" if listing_id in self.gone else "online"

    def online_after(self, seq: int) -> Iterator[tuple[str, Offer]]:
        """Listings that are online and changed after ``seq``, oldest change first."""
        for index in range(bisect.bisect_right(self._feed, (seq, "\U0010ffff")), len(self._feed)):
            yield from self._live(index)

    def online_before(self, seq: int | None) -> Iterator[tuple[str, Offer]]:
        """Listings that are online, newest change first, those before ``seq`` only."""
        end = len(self._feed) if seq is None else bisect.bisect_left(self._feed, (seq, ""))
        for index in range(end - 1, -1, -1):
            yield from self._live(index)

    def _live(self, index: int) -> Iterator[tuple[str, Offer]]:
        seq, listing_id = self._feed[index]
        offer = self.offers[listing_id]
        if offer.seq == seq and listing_id not in self.gone:
            yield listing_id, offer

    # -- the desk

    def notice(self, key: str) -> DeskNotice | None:
        """The notice last taken under a key."""
        reference = self.by_key.get(key)
        return self.notices[reference] if reference else None

    def open_notice_on(self, listing_id: str, round_: int) -> DeskNotice | None:
        """The undecided notice that covers this appearance of a listing."""
        reference = self._covered.get((listing_id, round_))
        notice = self.notices[reference] if reference else None
        if notice is None or notice.withdrawn_at is not None:
            return None
        covers = any(
            item.plan.listing_id == listing_id and item.plan.round == round_ and item.is_open
            for item in notice.items.values()
        )
        return notice if covers else None

    # -- the fold

    def apply(self, record: Record) -> None:
        """Take one record in; the same records in the same order give the same state."""
        if isinstance(record, RequestReceived):
            self._request(record)
        elif isinstance(record, Said):
            item = self.notices[record.reference].items[record.item_id]
            item.said.append(record)
            item.done.add(record.step)
            if record.webhook:
                self.posts[record.answer_id] = Post(record)
        elif isinstance(record, PageChanged):
            self._page(record)
        elif isinstance(record, WebhookSent):
            self._post(record)
        elif isinstance(record, Stocked):
            self.gone.pop(record.listing_id, None)
            self._put(record.listing_id, record.raw.encode(), record.seq, record.at)
        elif isinstance(record, Withdrawn):
            self.gone[record.listing_id] = "withdrawn"
        elif isinstance(record, StockLoaded):
            self._load(record)
        elif isinstance(record, Started):
            self.first_started_at = self.first_started_at or record.at

    def _load(self, record: StockLoaded) -> None:
        """The rows of a file that is another one by now are left out; what was gone stays gone."""
        self.loaded = record
        if record.sha256 == self._stock_sha256:
            for seq, (listing_id, raw) in enumerate(self._rows, start=record.first_seq):
                self._put(listing_id, raw, seq, record.at)
        self.next_seq = max(self.next_seq, record.first_seq + record.count)

    def _request(self, record: RequestReceived) -> None:
        key = record.key or ""
        if record.attempt:
            self.notice_requests += 1
            self.attempts[key] += 1
            if record.outcome == "throttled" and not record.early:
                self.throttled[key] += 1
            if record.wire is not None:
                self.stumbled[key] += 1
            self.not_before.pop(key, None)
            if record.not_before is not None:
                self.not_before[key] = record.not_before
        if record.accepted is not None:
            taken = record.accepted
            self.notices[taken.reference] = DeskNotice(
                key=key,
                sha256=record.sha256,
                reference=taken.reference,
                received_at=record.at,
                reply_to=taken.reply_to,
                subject=taken.subject,
                items={plan.item_id: ItemState(plan) for plan in taken.items},
            )
            self.by_key[key] = taken.reference
            for plan in taken.items:
                self._covered[plan.listing_id, plan.round] = taken.reference
        if record.follow_up and record.reference and record.outcome in FOLLOWED.values():
            notice = self.notices[record.reference]
            notice.follow_ups[record.follow_up] = record.sha256
            if record.outcome == "withdrawn":
                notice.withdrawn_at = notice.withdrawn_at or record.at
        if record.information_for and record.reference:
            for item_id in record.information_for:
                self.notices[record.reference].items[item_id].informed_at = record.at

    def _page(self, record: PageChanged) -> None:
        item = self.notices[record.reference].items[record.item_id]
        item.done.add(record.step)
        offer = self.offers.get(record.listing_id)
        if not record.took_effect:
            return
        if record.what == "removed":
            item.removed_at = record.at
            self.gone[record.listing_id] = "removed"
            return
        self.gone.pop(record.listing_id, None)
        if offer is not None:
            self._put(record.listing_id, offer.raw, record.seq, record.at)

    def _post(self, record: WebhookSent) -> None:
        post = self.posts[record.answer_id]
        if record.result == "extra":
            return
        post.attempts = record.attempt
        post.last = record
        post.next_at = record.next_at
        if record.result in ("delivered", "gave_up"):
            post.ended = "delivered" if record.result == "delivered" else "gave_up"
        if record.status == 410:
            self.closed_addresses.add(record.url)
