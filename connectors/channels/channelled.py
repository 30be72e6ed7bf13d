"""A platform made of a channel and the prober: it is notified and looked at, and nothing else."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime

from pydantic import SecretStr

from connectors.channels.channel import Channel, Informs, Looks
from connectors.channels.email import EmailChannel
from connectors.channels.mail_reference import Tag
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
from connectors.probe import look
from connectors.signing import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, verify
from schemas.follow_up import FollowUp, Information
from schemas.notice import Notice
from schemas.response import PlatformResponse

_KEPT_HEADERS = frozenset({ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER, "content-type"})


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ChannelPlatform:
    """See :class:`connectors.platform.Platform`."""

    def __init__(
        self,
        config: PlatformConfig,
        channel: Channel,
        theirs: tuple[SecretStr, ...] = (),
        *,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._config = config
        self._channel = channel
        self._theirs = theirs
        self._now = now
        self._pages = OutboundClient(
            EgressPolicy.for_base_url(
                config.base,
                private=config.private_address,
                more_hosts=config.listing_hosts,
                plain_http=True,
                socks=config.proxy,
            ),
            config.page_limits,
            user_agent=config.user_agent,
            ca_file=str(config.ca_file) if config.ca_file else None,
        )
        self._page_pace = Pace(config.rate_per_s, burst=config.concurrency)

    @property
    def name(self) -> str:
        """As configured."""
        return self._config.name

    @property
    def capabilities(self) -> Capabilities:
        """What the channel can do, and probing."""
        can = self._channel.capabilities
        return Capabilities(
            submit=True,
            poll=can.poll,
            webhook=bool(self._theirs),
            probe=True,
            inform=isinstance(self._channel, Informs),
            follow_up=isinstance(self._channel, EmailChannel),
            honours_idempotency_key=can.honours_idempotency_key,
            max_items=min(can.max_items, self._config.max_items),
        )

    async def fetch(self, since: str | None) -> AsyncIterator[Page]:  # noqa: ARG002 - the contract's argument
        """Nothing comes from here: its listings come by a source of their own (`takin connect`)."""
        raise PlatformRefused("refused", f"{self.name} has no feed of its own")
        yield

    def render(self, notice: Notice) -> RenderedNotice:
        """As the channel carries it."""
        return self._channel.render(notice)

    async def submit(self, delivery: Delivery) -> Receipt:
        """Deliver once by the channel."""
        return await self._channel.deliver(delivery)

    def authenticate(self, headers: Mapping[str, str], body: bytes, now: datetime) -> RawAnswer:
        """Check a webhook with this platform's own secrets (Standard Webhooks)."""
        if not self._theirs:
            raise ForgedAnswer(
                "no_signature", f"{self.name} has no webhook_secret, so nothing can be checked"
            )
        signed = verify(self._theirs, headers, body, now)
        kept = {name.lower(): value for name, value in headers.items() if name.lower() in _KEPT_HEADERS}
        return RawAnswer(self.name, signed.message_id, "webhook", now, body, kept)

    @property
    def answers_by_mail(self) -> bool:
        """Whether mail to a notice's own address is an answer of this platform."""
        return isinstance(self._channel, EmailChannel)

    def authenticate_mail(self, raw: bytes, key: str, tag: Tag, now: datetime) -> RawAnswer:
        """Check a mail that was sent to the address of one notice.

        Raises:
            ForgedAnswer, UnreadableAnswer
        """
        if not isinstance(self._channel, EmailChannel):
            raise ForgedAnswer("wrong_platform", f"{self.name} does not answer by mail")
        return self._channel.authenticate_mail(raw, key, tag, now)

    def parse(self, answer: RawAnswer) -> tuple[PlatformResponse, ...]:
        """Read an answer with the channel's mapping table.

        Raises:
            ForgedAnswer: ``wrong_platform``: the answer was authenticated for another platform.
            UnreadableAnswer
        """
        if answer.platform != self.name:
            raise ForgedAnswer("wrong_platform", f"an answer of {answer.platform} is not one of {self.name}")
        return self._channel.parse(answer)

    async def poll(self, idempotency_key: str) -> RawAnswer | None:
        """Ask by the channel."""
        return await self._channel.poll(idempotency_key)

    def render_information(self, information: Information) -> RenderedNotice:
        """As the channel carries it.

        Raises:
            PlatformRefused: it carries none.
        """
        return self._informs().render_information(information)

    async def inform(self, delivery: Delivery, notice_key: str) -> Receipt:
        """Deliver once by the channel."""
        return await self._informs().inform(delivery, notice_key)

    def _informs(self) -> Informs:
        if not isinstance(self._channel, Informs):
            raise PlatformRefused("refused", f"{self.name} takes no information under an earlier notice")
        return self._channel

    def render_follow_up(self, follow_up: FollowUp) -> RenderedNotice:
        """As the channel carries it.

        Raises:
            PlatformRefused: it carries none.
        """
        if not isinstance(self._channel, EmailChannel):
            raise PlatformRefused("refused", f"{self.name} takes nothing that follows a notice")
        return self._channel.render_follow_up(follow_up, None)

    async def follow_up(self, delivery: Delivery, notice_key: str) -> Receipt:  # noqa: ARG002 - it stands in the body
        """Deliver once by the channel."""
        return await self._channel.deliver(delivery)

    async def probe(self, target: ProbeTarget) -> Observation:
        """Look at the listing once: at its page, or as the channel does."""
        if self._page_pace.silent_for_s > 0:
            return Observation(state="unknown", reason="throttled", at=self._now())
        await self._page_pace.turn()
        if isinstance(self._channel, Looks):
            return await self._channel.look(target)
        return await look(self._pages, target, self._now)

    async def aclose(self) -> None:
        """Close connections."""
        await self._channel.aclose()
        await self._pages.aclose()
