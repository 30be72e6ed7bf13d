"""Networks of the AT Protocol: Bluesky, and every independent server of that network.

What it offers: the firehose ``com.atproto.sync.subscribeRepos`` of a relay or a single server (every public
post, edit and deletion, without a login), search and public views of an app view, and reports to any
moderation service by ``com.atproto.moderation.createReport`` from an account with an app password.
Source: the firehose; ``takin connect PLATFORM --search WORDS`` fills gaps. A listing is a post: its id is
the post's address (``at://…``), its ``revision`` the record's CID, its pictures are known by their SHA-256
without fetching them. Channel: a report on exactly that address and CID, through the reporter's own server
to ``moderation_did``. Probe: the app view, not the page. Answers: Ozone calls nobody back. With
``team_member: true`` it is polled; else what our looks see is all there is, and the link in the report by
which a moderator can answer on our desk.

Terms for automated access: the firehose and the public views need neither key nor contract; each server
sets limits of its own and tells them in headers. Bluesky's, by
docs.bsky.app/docs/advanced-guides/rate-limits (read in November 2026, not measured): 3,000 requests in five
minutes an address, 30 logins in five minutes and 300 a day an account. So a login is kept and renewed; 429,
``retry-after`` and ``ratelimit-reset`` are obeyed. A report's text has at most 2,000 graphemes. Whether an
operator's own terms (of the server that holds the account) allow reports by a program is for the operator
to ask: it was not checked.

What it cannot do: several posts in one report; follow-ups (reminders, withdrawals); signed answers. A
reporter who is not on the team cannot look whether a report arrived, so a try that is repeated after a lost
reply can make a second report: on the same post, with the same reference, in the same place of the review
queue. With ``team_member`` every second try looks first. Commits' signatures are not checked (the named
server's TLS is trusted). A ``#sync`` or a frame without its records is not read anew: such a post is set
aside with its address. Direct messages cannot be read.

Proven against the network's own servers (personal data server, app view, Ozone), started by tests/atproto;
not run against the live network.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import NoReturn

from pydantic import BaseModel, ConfigDict, SecretStr

from connectors.atproto.looking import Looker
from connectors.atproto.moderation import ModerationDesk, history_bytes, read_history
from connectors.atproto.names import HandleBook
from connectors.atproto.posts import Network
from connectors.atproto.report import report_of
from connectors.atproto.session import Session
from connectors.egress import EgressPolicy
from connectors.errors import ForgedAnswer, PlatformRefused
from connectors.http import OutboundClient
from connectors.pace import Pace
from connectors.platform import (
    Capabilities,
    Delivery,
    Observation,
    Page,
    ProbeTarget,
    RawAnswer,
    Receipt,
    RenderedNotice,
)
from connectors.platform_config import PlatformConfig
from connectors.replies import whole
from connectors.sources.firehose import FirehoseSource
from connectors.sources.post_search import PostSearch
from schemas.follow_up import FollowUp, Information
from schemas.message import Instant
from schemas.notice import Notice
from schemas.response import PlatformResponse


class _Taken(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: int
    createdAt: Instant | None = None  # noqa: N815 - the wire's name


def _utc_now() -> datetime:
    return datetime.now(UTC)


class AtprotoPlatform:
    """One network; see :class:`connectors.platform.Platform`."""

    def __init__(
        self,
        config: PlatformConfig,
        ours: tuple[SecretStr, ...],
        theirs: tuple[SecretStr, ...],  # noqa: ARG002 - nobody of this network signs answers to us
        *,
        now: Callable[[], datetime] = _utc_now,
        run_id: str = "platform",
    ) -> None:
        assert config.atproto is not None, "kind: atproto is checked to have it"
        self._config = config
        self._options = options = config.atproto
        self._now = now
        self._network = Network(
            platform=config.name,
            web=options.web,
            images=options.images or f"{config.base}/xrpc/com.atproto.sync.getBlob?did={{did}}&cid={{cid}}",
            connector="atproto",
            run_id=run_id,
        )
        # Three clients: a desk that hangs must not keep the prober from looking, nor the source from reading.
        self._desk_client = self._client(config.base)
        self._page_client = self._client(options.app_view)
        self._name_client = self._client(options.app_view)
        self._page_pace = Pace(config.rate_per_s, burst=config.concurrency)
        self._name_pace = Pace(config.rate_per_s, burst=config.concurrency)
        self._looker = Looker(self._page_client, options.app_view, options.moderation_did, now)
        self._handles = HandleBook(self._name_client, options.app_view, self._name_pace)
        self._session: Session | None = None
        self._desk: ModerationDesk | None = None
        if options.identifier and options.moderation_did and ours:
            pace = Pace(config.rate_per_s, burst=config.concurrency)
            self._session = Session(
                self._desk_client, config.base, options.identifier, ours[0], pace, now=now
            )
            self._desk = ModerationDesk(self._session, options.moderation_did)

    def _client(self, base: str) -> OutboundClient:
        return OutboundClient(
            self._policy(base), self._config.limits, user_agent=self._config.user_agent, ca_file=self._ca_file
        )

    def _policy(self, base: str) -> EgressPolicy:
        return EgressPolicy.for_base_url(base, private=self._config.private_address)

    @property
    def _ca_file(self) -> str | None:
        return str(self._config.ca_file) if self._config.ca_file else None

    @property
    def name(self) -> str:
        """As configured."""
        return self._config.name

    @property
    def capabilities(self) -> Capabilities:
        """Reads and looks; reports with an account; asks when the account is on the team."""
        asks = self._desk is not None and self._options.team_member
        return Capabilities(
            fetch=True, submit=self._desk is not None, poll=asks, probe=True, honours_idempotency_key=asks
        )

    def fetch(self, since: str | None) -> AsyncIterator[Page]:
        """Every post from the cursor on, until all that there is now is read."""
        return self._firehose().read(since, follow=False)

    def stream(self, since: str | None) -> AsyncIterator[Page]:
        """The same, and then what comes, without an end."""
        return self._firehose().read(since, follow=True)

    def _firehose(self) -> FirehoseSource:
        return FirehoseSource(
            self._options.firehose,
            self._network,
            policy=self._policy("http" + self._options.firehose.removeprefix("ws")),
            handles=self._handles,
            now=self._now,
            user_agent=self._config.user_agent,
            start=self._options.start,
            ca_file=self._ca_file,
        )

    def search(self, words: str) -> PostSearch:
        """Posts that hold the words, newest first, back to where the last search began."""
        return PostSearch(
            words,
            self._network,
            client=self._name_client,
            app_view=self._options.app_view,
            session=self._session,
            pace=self._name_pace,
            now=self._now,
        )

    def render(self, notice: Notice) -> RenderedNotice:
        """As a report.

        Raises:
            PlatformRefused: ``invalid``: the report has no room for it; ``refused``: there is no account.
        """
        self._reporting()
        return report_of(notice, self._options.reason_type)

    async def submit(self, delivery: Delivery) -> Receipt:
        """Deliver once. A second try looks first whether the report is there, if it may."""
        desk = self._reporting()
        if delivery.attempt > 1 and self._options.team_member:
            known = await desk.known(delivery.idempotency_key, delivery.timeout_s, _subject(delivery.body))
            if known is not None:
                history, _ = known
                return Receipt(200, str(history.report), False, history.reported_at, history_bytes(history))
        reply = await desk.report(delivery.body, delivery.timeout_s)
        if reply.status != 200:
            assert self._session is not None, "there is a desk"
            raise self._session.error(reply)
        taken = whole(reply, _Taken)
        return Receipt(200, str(taken.id), False, taken.createdAt, reply.body)

    def _reporting(self) -> ModerationDesk:
        if self._desk is None:
            raise PlatformRefused(
                "refused",
                f"{self.name} is only read: give atproto.identifier, atproto.moderation_did and api_key",
            )
        return self._desk

    def authenticate(self, headers: Mapping[str, str], body: bytes, now: datetime) -> RawAnswer:  # noqa: ARG002 - the contract's arguments
        """Nobody of this network sends us answers."""
        raise ForgedAnswer("no_signature", f"{self.name} sends no answers, so nothing can be checked")

    def parse(self, answer: RawAnswer) -> tuple[PlatformResponse, ...]:
        """Read what a poll put together.

        Raises:
            ForgedAnswer: ``wrong_platform``
            UnreadableAnswer
        """
        if answer.platform != self.name:
            raise ForgedAnswer("wrong_platform", f"an answer of {answer.platform} is not one of {self.name}")
        return read_history(answer, self.name)

    async def poll(self, idempotency_key: str) -> RawAnswer | None:
        """What the moderation service did since our report. The same history has the same ``source_id``."""
        if not self.capabilities.poll:
            return None
        history = await self._reporting().history(idempotency_key, self._config.limits.total_s)
        if history is None:
            return None
        body = history_bytes(history)
        return RawAnswer(self.name, "poll_" + hashlib.sha256(body).hexdigest(), "poll", self._now(), body)

    def render_information(self, information: Information) -> RenderedNotice:  # noqa: ARG002 - the contract's
        """A report cannot be added to."""
        self._takes_no_more()

    async def inform(self, delivery: Delivery, notice_key: str) -> Receipt:  # noqa: ARG002 - the contract's arguments
        """A report cannot be added to."""
        self._takes_no_more()

    def render_follow_up(self, follow_up: FollowUp) -> RenderedNotice:  # noqa: ARG002 - the contract's argument
        """A report cannot be reminded of or taken back."""
        self._takes_no_more()

    async def follow_up(self, delivery: Delivery, notice_key: str) -> Receipt:  # noqa: ARG002 - the contract's arguments
        """A report cannot be reminded of or taken back."""
        self._takes_no_more()

    def _takes_no_more(self) -> NoReturn:
        raise PlatformRefused("refused", f"{self.name} takes nothing that follows a report")

    async def probe(self, target: ProbeTarget) -> Observation:
        """Look at the post once, through the app view."""
        if self._page_pace.silent_for_s > 0:
            return Observation(state="unknown", reason="throttled", at=self._now())
        await self._page_pace.turn()
        return await self._looker.look(target)

    async def aclose(self) -> None:
        """Close connections."""
        await self._desk_client.aclose()
        await self._page_client.aclose()
        await self._name_client.aclose()


def _subject(body: bytes) -> str | None:
    """The post that a report is about."""
    try:
        uri = json.loads(body)["subject"]["uri"]
    except (ValueError, KeyError, TypeError):
        return None
    return uri if isinstance(uri, str) else None
