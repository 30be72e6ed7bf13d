"""One practice platform: its shelf, its desk, its plans; everything that changes is a record first."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from connectors.sandbox.agenda import Agenda
from connectors.sandbox.courier import Courier
from connectors.sandbox.journal import JournalBrokenError, JournalFile
from connectors.sandbox.plan import GONE_WORDS, OPEN_WORDS, Step
from connectors.sandbox.reception import Reception
from connectors.sandbox.records import PageChanged, Record, Said, Stocked, StockLoaded, Viewed, Withdrawn
from connectors.sandbox.scenario import LimitsRate, PlatformScenario, Scenario
from connectors.sandbox.state import DeskNotice, ItemState, PlatformState
from connectors.sandbox.stock import read_row
from connectors.sandbox.trouble import RateLimit
from schemas.message import digest


class PracticePlatform:
    """Ties the pure decisions to the clock, the journal and the network."""

    def __init__(
        self,
        scenario: Scenario,
        config: PlatformScenario,
        *,
        state: PlatformState,
        journal: JournalFile,
        agenda: Agenda,
        clock: Callable[[], datetime],
        failed: Callable[[BaseException], None],
    ) -> None:
        self.scenario = scenario
        self.config = config
        self.state = state
        self.agenda = agenda
        self.now = clock
        self.failed = failed
        """Told of an error after which the sandbox must not go on."""
        self.closing = asyncio.Event()
        """Set when the port closes: replies that take their time are cut off."""
        self.base_url = ""
        self.started_at = clock()
        """Of the first start: outages count from here, also after a restart."""
        self.rate_limits = {
            index: RateLimit(trouble, scenario.speed)
            for index, trouble in enumerate(config.trouble)
            if isinstance(trouble, LimitsRate)
        }
        self.reception = Reception(self)
        self.courier = Courier(self)
        self._journal = journal
        self._planned: set[tuple[str, str, int]] = set()

    def open(self, base_url: str, stock_sha256: str, stock_size: int) -> None:
        """Begin: put a new stock file on the shelf and carry on with what was planned before."""
        self.base_url = base_url
        self.started_at = self.state.first_started_at or self.now()
        loaded = self.state.loaded
        if stock_size and (loaded is None or loaded.sha256 != stock_sha256):
            self.record(
                StockLoaded(
                    at=self.now(),
                    platform=self.config.name,
                    sha256=stock_sha256,
                    first_seq=self.state.next_seq,
                    count=stock_size,
                )
            )
        for notice in self.state.notices.values():
            self.enter(notice)
        for post in self.state.posts.values():
            if post.ended is None:
                self.courier.send_at(post.next_at or self._leaves_at(post.said), post.said.answer_id)

    def record(self, record: Record) -> None:
        """Write down, then know.

        Raises:
            JournalBrokenError: the disk is full or gone; ``failed`` was told.
        """
        try:
            self._journal.append(record)
        except OSError as error:
            self.failed(error)
            raise JournalBrokenError from error
        self.state.apply(record)

    # -- the desk's plans

    def next_reference(self) -> str:
        """The desk's own reference of its next notice."""
        return f"{self.config.name.upper()}-{len(self.state.notices) + 1:06d}"

    def enter(self, notice: DeskNotice) -> None:
        """Put what is still to be done about a notice on the agenda, each step once."""
        for due, item, step in tuple(notice.pending()):
            mark = (notice.reference, item.plan.item_id, step.n)
            if mark not in self._planned:
                self._planned.add(mark)
                self.agenda.at(due, lambda i=item, s=step: self._carry_out(notice, i, s))  # type: ignore[misc]

    def _carry_out(self, notice: DeskNotice, item: ItemState, step: Step) -> None:
        self._planned.discard((notice.reference, item.plan.item_id, step.n))
        if notice.withdrawn_at is not None:
            return
        if step.n in item.done or (step.unless_informed and item.informed_at is not None):
            return
        if step.do == "say":
            self._say(notice, item, step)
        else:
            self._change_page(notice, item, step)

    def _say(self, notice: DeskNotice, item: ItemState, step: Step) -> None:
        now = self.now()
        listing_id = item.plan.listing_id
        word, explanation = step.word or "", step.explanation
        claims_gone = word in GONE_WORDS
        if claims_gone and step.honest and item.removed_at is None:
            # The author was quicker: an honest desk does not take the credit.
            word, explanation = "ALREADY_GONE", "The listing was gone before we acted."
        decided = word not in OPEN_WORDS
        effective_at = None
        if claims_gone and word in GONE_WORDS:
            effective_at = item.removed_at or now
        elif decided and word in ("RESTRICTED_IN_TERRITORY", "DEMOTED", "SELLER_SUSPENDED", "REINSTATED"):
            effective_at = now
        said = Said(
            at=now,
            platform=self.config.name,
            answer_id="msg_"
            + digest([self.config.name, notice.reference, item.plan.item_id, str(step.n)])[:32],
            reference=notice.reference,
            key=notice.key,
            item_id=item.plan.item_id,
            listing_id=listing_id,
            step=step.n,
            word=word,
            effective_at=effective_at,
            explanation=explanation,
            ground=step.ground if word == step.word else None,
            automated=step.automated,
            webhook=self.config.answers.by == "webhook" and notice.reply_to is not None,
        )
        self.record(said)
        if said.webhook:
            self.courier.send_at(self._leaves_at(said), said.answer_id)

    def _leaves_at(self, said: Said) -> datetime:
        answers = self.config.answers
        late = answers.late_s + (answers.out_of_order_s if said.word in OPEN_WORDS else 0.0)
        return said.at + timedelta(seconds=late / self.scenario.speed)

    def _change_page(self, notice: DeskNotice, item: ItemState, step: Step) -> None:
        listing_id = item.plan.listing_id
        removing = step.do == "remove"
        if removing:
            effect = self.state.shelf(listing_id) == "online"
        else:
            effect = self.state.gone.get(listing_id) == "removed" and listing_id in self.state.offers
        self.record(
            PageChanged(
                at=self.now(),
                platform=self.config.name,
                what="removed" if removing else "relisted",
                listing_id=listing_id,
                reference=notice.reference,
                item_id=item.plan.item_id,
                step=step.n,
                seq=0 if removing else self.state.next_seq,
                took_effect=effect,
            )
        )

    # -- the shelf

    def put_on_shelf(self, raw: bytes) -> str:
        """Show a listing, or its new text; returns its id.

        Raises:
            ValueError: the row is not a listing.
        """
        row = read_row(raw)
        self.record(
            Stocked(
                at=self.now(),
                platform=self.config.name,
                listing_id=row.listing_id,
                seq=self.state.next_seq,
                raw=raw.decode(),
            )
        )
        return row.listing_id

    def withdraw(self, listing_id: str) -> bool:
        """The author takes a listing down; false when it is not online."""
        if self.state.shelf(listing_id) != "online":
            return False
        self.record(Withdrawn(at=self.now(), platform=self.config.name, listing_id=listing_id))
        return True

    def own_url(self, listing_id: str) -> str | None:
        """The address that the listing's row names itself."""
        offer = self.state.offers.get(listing_id)
        return offer.row().url if offer else None

    def viewed(self, path: str, status: int | None, agent: str, listing_id: str | None = None) -> None:
        """Note a visit."""
        self.record(
            Viewed(
                at=self.now(),
                platform=self.config.name,
                path=path[:512],
                listing_id=listing_id,
                status=status,
                agent=agent[:256],
            )
        )
