"""The notice service's outside, made of the connectors' platforms."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from pydantic import SecretStr

from connectors.answers import receipt_response
from connectors.channels.channelled import ChannelPlatform
from connectors.channels.email import EmailChannel
from connectors.channels.letter import reasons_in
from connectors.channels.mail_reading import read_letter
from connectors.channels.mail_reference import Tag as MailTag
from connectors.channels.mail_reference import tags_in
from connectors.desk_contract import NoticeTest
from connectors.errors import (
    ConnectorError,
    ForgedAnswer,
    PlatformGone,
    PlatformRefused,
    PlatformUnavailable,
    UnreadableAnswer,
)
from connectors.platform import (
    Delivery,
    Observation,
    Platform,
    ProbeTarget,
    RawAnswer,
    Receipt,
    RenderedNotice,
    Reroutes,
    Route,
)
from connectors.platform_config import PlatformConfig, Sla
from connectors.registry import build, resolve_secrets
from connectors.self_service import trial
from connectors.sink import SinkLetters, SinkPlatform
from schemas.errors import OperatorError
from schemas.follow_up import FollowUp, Information
from schemas.notice import LegalBasis, Notice, SlaPromise
from schemas.response import PlatformResponse
from streams.notices.casebook.deliveries import REDELIVERY
from streams.notices.casebook.inbox import Received
from streams.notices.casebook.looks import LookDue
from streams.notices.casebook.outbox import AttemptResult, Leased
from streams.notices.guards.breaker import BreakerPolicy
from streams.notices.handlers import Accepted, Desk
from streams.notices.handlers.following import FOLLOWING
from streams.notices.item import Look
from streams.notices.policy import (
    DAY_S,
    LookPolicy,
    PlatformPolicy,
    PollPolicy,
    RetryPolicy,
    SenderPolicy,
    SlaTerms,
    Step,
    StopLine,
)
from streams.notices.ports import Answer, Forged, NoAnswer, Seen, Unreadable, Way, Ways
from streams.notices.post.postman import Tag
from streams.notices.requirements import Demands, host_of
from streams.notices.warc import Capture
from streams.notices.wording import CannotWrite
from streams.privacy.keys import PrivacyKeys, no_keys
from streams.privacy.sellers import keyed_name
from streams.sla.calendar import UTC_ZONE, Calendar, Unit, check_region
from streams.sla.regimes import built_in, calendar_of
from streams.sla.zones import zone_of_country

PARSER = "submit-reply/1"
XARF_KINDS = frozenset({"xarf", "email"})
"""Kinds of platform that get a notice as XARF v4, or with it."""


class Letters(Protocol):
    """Carries letters to named persons."""

    def render_follow_up(self, follow_up: FollowUp, recipient: str | None) -> RenderedNotice:
        """The whole message; pure."""

    async def deliver(self, delivery: Delivery, recipient: str | None = None) -> Receipt:
        """Once."""

    def render_information(self, information: Information) -> RenderedNotice:
        """To the desk, what it had asked for; pure."""


class Bridge:
    """Implements :class:`streams.notices.ports.Outside`."""

    def __init__(
        self,
        platforms: Mapping[str, Platform],
        *,
        letters: Mapping[str, Letters] = MappingProxyType({}),
        fallbacks: Mapping[str, Platform] = MappingProxyType({}),
        ways: Ways | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._platforms = dict(platforms)
        self._ways = ways
        self._letters = dict(letters)
        self._fallbacks = dict(fallbacks)
        self._clock = clock

    def render(self, notice: Notice) -> tuple[bytes, str]:
        """Body and content type as the notice's platform takes them.

        Raises:
            CannotWrite: its format has no room for this notice.
        """
        try:
            rendered = self._platforms[notice.addressee.platform].render(notice)
        except PlatformRefused as error:
            raise CannotWrite(error.detail) from error
        return rendered.body, rendered.content_type

    def render_fallback(self, notice: Notice) -> tuple[bytes, str] | None:
        """The same for the platform's other channel; ``None``: it has none, or no room for this notice."""
        other = self._fallbacks.get(notice.addressee.platform)
        if other is None:
            return None
        try:
            rendered = other.render(notice)
        except PlatformRefused:
            return None
        return rendered.body, rendered.content_type

    def render_follow_up(self, follow_up: FollowUp, recipient: str | None) -> tuple[bytes, str] | None:
        """What follows a notice, as its platform's channel or a letter carries it; ``None``: nothing does."""
        try:
            if recipient is None:
                platform = self._platforms[follow_up.platform]
                if not platform.capabilities.follow_up:
                    return None
                rendered = platform.render_follow_up(follow_up)
            elif follow_up.platform in self._letters:
                rendered = self._letters[follow_up.platform].render_follow_up(follow_up, recipient)
            else:
                return None
        except PlatformRefused:
            return None
        return rendered.body, rendered.content_type

    def render_information(self, information: Information) -> tuple[bytes, str] | None:
        """What a platform asked for, as its own channel takes it, or else a mail to its desk; ``None``:
        neither does.
        """
        platform = information.notice.addressee.platform
        own = self._platforms[platform]
        try:
            if own.capabilities.inform:
                rendered = own.render_information(information)
            elif platform in self._letters:
                rendered = self._letters[platform].render_information(information)
            else:
                return None
        except PlatformRefused as error:
            raise CannotWrite(error.detail) from error
        return rendered.body, rendered.content_type

    async def _now(self, name: str) -> Platform:
        """The platform by the way that is in force at this moment."""
        own = self._platforms[name]
        way = await self._ways(name) if self._ways is not None and isinstance(own, Reroutes) else None
        return _by(own, way)

    async def _inform(self, leased: Leased, delivery: Delivery) -> Receipt:
        own = await self._now(leased.platform)
        if own.capabilities.inform:
            return await own.inform(delivery, leased.about)
        # What comes back comes to the notice's own address.
        return await self._letters[leased.platform].deliver(replace(delivery, idempotency_key=leased.about))

    async def _submit(self, leased: Leased, delivery: Delivery) -> Receipt:
        if leased.recipient is not None:
            return await self._letters[leased.platform].deliver(delivery, leased.recipient)
        if leased.purpose == "information":
            return await self._inform(leased, delivery)
        if leased.purpose == "fallback":
            return await self._fallbacks[leased.platform].submit(delivery)
        own = await self._now(leased.platform)
        if leased.purpose != REDELIVERY and leased.purpose in FOLLOWING:
            return await own.follow_up(delivery, leased.about)
        return await own.submit(delivery)

    async def try_out(self, name: str, way: Way, test_id: str, timeout_s: float) -> AttemptResult:
        """One signed test by this way, marked as one. Never raises for what the outside does.

        ``refused`` without a status: the address leads somewhere that nothing is sent to.
        """
        test = NoticeTest(platform=name, at=self._clock())
        delivery = trial(test_id, test, timeout_s=timeout_s)

        async def go() -> Receipt:
            return await _by(self._platforms[name], way).submit(delivery)

        result, _ = await _attempted(go(), timeout_s)
        return result

    async def deliver(self, leased: Leased, timeout_s: float) -> tuple[AttemptResult, Accepted | None]:
        """One attempt, and what it ended with as a value."""
        same_notice = leased.purpose in (None, "fallback", REDELIVERY)
        delivery = Delivery(
            # By whichever channel it comes, the notice is one: the platform can see that by its key.
            idempotency_key=leased.about if same_notice else leased.idempotency_key,
            body=leased.body,
            content_type=leased.content_type,
            attempt=leased.attempt,
            timeout_s=timeout_s,
        )
        result, receipt = await _attempted(self._submit(leased, delivery), timeout_s)
        if receipt is None:
            return result, None
        response = (
            receipt_response(leased.platform, leased.about, receipt, self._clock(), parser_version=PARSER)
            if receipt.acknowledged and leased.purpose not in FOLLOWING
            else None
        )
        return result, Accepted(response, receipt.received_at, receipt.platform_reference)

    async def look(self, due: LookDue) -> Seen:
        """One look at a listing."""
        target = ProbeTarget(due.listing_id, due.url, due.content_hash)
        seen = await self._platforms[due.platform].probe(target)
        look = Look(seen.state, seen.reason, seen.at)
        return Seen(look, seen.http_status, seen.body_sha256, _capture(seen))

    async def ask(self, platform: str, idempotency_key: str) -> Answer | None:
        """Where a notice stands."""
        try:
            raw = await (await self._now(platform)).poll(idempotency_key)
        except ConnectorError as error:
            raise NoAnswer(str(error)) from error
        return None if raw is None else _answer(raw)

    def repeats(self, platform: str) -> bool:
        """Whether a notice that is sent once more stays one there."""
        return self._platforms[platform].capabilities.honours_idempotency_key

    def can_be_asked(self, platform: str) -> bool:
        """Whether the platform can be polled."""
        known = self._platforms.get(platform)
        return known is not None and known.capabilities.poll

    def authenticate(self, platform: str, headers: Mapping[str, str], body: bytes, now: datetime) -> Answer:
        """Check an incoming webhook."""
        try:
            return _answer(self._platforms[platform].authenticate(headers, body, now))
        except ForgedAnswer as error:
            raise Forged(error.reason, error.detail) from error

    def mail_tags(self, raw: bytes) -> tuple[Tag, ...]:
        """The notices' own addresses to which a mail was sent."""
        try:
            found = tags_in(read_letter(raw).recipients)
        except UnreadableAnswer as error:
            raise Unreadable(error.reason, error.detail) from error
        return tuple(Tag(one.key_start, one.proof) for one in found)

    def authenticate_mail(self, platform: str, key: str, tag: Tag, raw: bytes, now: datetime) -> Answer:
        """The mail as an answer about the notice with this key."""
        spoken_to = self._by_mail(platform)
        if spoken_to is None:
            raise Forged("wrong_platform", f"{platform} does not answer by mail")
        theirs = MailTag(tag.key_start, tag.proof)
        try:
            return _answer(spoken_to.authenticate_mail(raw, key, theirs, now))
        except ForgedAnswer as error:
            raise Forged(error.reason, error.detail) from error
        except UnreadableAnswer as error:
            raise Unreadable(error.reason, error.detail) from error

    def _by_mail(self, platform: str) -> ChannelPlatform | None:
        """The platform as it is written to by mail, be that its own channel or its other one."""
        for ways in (self._platforms, self._fallbacks):
            way = ways.get(platform)
            if isinstance(way, ChannelPlatform) and way.answers_by_mail:
                return way
        return None

    def read(self, received: Received) -> tuple[PlatformResponse, ...]:
        """What a stored answer says."""
        raw = RawAnswer(
            platform=received.platform,
            source_id=received.source_id,
            channel=received.channel,  # type: ignore[arg-type]  # stored from the same closed set
            received_at=received.received_at,
            body=received.body,
            headers=received.headers,
        )
        try:
            by_mail = self._by_mail(received.platform) if received.channel == "email" else None
            return (by_mail or self._platforms[received.platform]).parse(raw)
        except (UnreadableAnswer, ForgedAnswer) as error:
            raise Unreadable(error.reason, error.detail) from error

    async def aclose(self) -> None:
        """Close connections."""
        for platform in (*self._platforms.values(), *self._fallbacks.values()):
            await platform.aclose()


def translator(platforms: Iterable[PlatformConfig]) -> Callable[[Notice], Notice]:
    """Adds the reasons in each platform's own language, by its own templates where it has some."""
    known = {config.name: config for config in platforms}

    def translate(notice: Notice) -> Notice:
        config = known[notice.addressee.platform]
        try:
            found = reasons_in(notice, (config.language,), config.own_templates)
        except PlatformRefused as error:
            raise CannotWrite(error.detail) from error
        return notice.model_copy(update={"reasons_in": found})

    return translate


def _capture(seen: Observation) -> Capture | None:
    exchange = seen.exchange
    if exchange is None:
        return None
    return Capture(
        url=exchange.url,
        method=exchange.method,
        request_target=exchange.request_target,
        request_headers=exchange.request_headers,
        http_version=exchange.http_version,
        status=exchange.status,
        reason=exchange.reason,
        headers=exchange.headers,
        body=exchange.body,
        complete=exchange.complete,
        at=seen.at,
        server=exchange.server,
    )


def _by(own: Platform, way: Way | None) -> Platform:
    if way is None or not isinstance(own, Reroutes):
        return own
    return own.by(Route(way.address, way.secrets, way.configured))


async def _attempted(
    trying: Coroutine[None, None, Receipt], timeout_s: float
) -> tuple[AttemptResult, Receipt | None]:
    """How one attempt ended, as a value."""
    try:
        async with asyncio.timeout(timeout_s + 5):
            receipt = await trying
    except PlatformUnavailable as error:
        return AttemptResult("retry", error.reason, error.http_status, error.retry_after_s), None
    except PlatformGone as error:
        return AttemptResult("gone", error.reason, error.http_status, reply=_said(error)), None
    except PlatformRefused as error:
        return AttemptResult("refused", error.reason, error.http_status, reply=_said(error)), None
    except TimeoutError:
        return AttemptResult("retry", "timeout"), None
    taken = "duplicate" if receipt.duplicate else "accepted"
    return AttemptResult(taken, None, receipt.http_status, reply=receipt.raw), receipt


def _said(error: PlatformRefused) -> bytes:
    lines = [error.detail, *(f"{unmet.code} {unmet.path} {unmet.message}" for unmet in error.unmet)]
    return "\n".join(lines).encode()


def _answer(raw: RawAnswer) -> Answer:
    return Answer(raw.platform, raw.channel, raw.source_id, raw.received_at, raw.body, raw.headers)


def _promise(config: PlatformConfig, today: date) -> tuple[SlaPromise | None, SlaTerms]:
    sla = config.sla
    if sla is None:
        return None, SlaTerms()
    if sla.regime is not None:
        return _promise_of_regime(config, sla, today)
    promise = SlaPromise(
        policy=sla.policy or "",
        source=sla.source or "",
        acknowledge_s=sla.acknowledge_s,
        decide_s=sla.decide_s,
        remove_s=sla.remove_s,
        clock=sla.clock,
    )
    unit: Unit = "working_days" if sla.clock == "business" else "hours"
    what = f"platform {config.name}, sla"
    calendar = calendar_of(what, unit, country=config.country, zone=sla.zone, region=sla.calendar)
    return promise, SlaTerms(unit, calendar, sla.need_info)


def _promise_of_regime(config: PlatformConfig, sla: Sla, today: date) -> tuple[SlaPromise, SlaTerms]:
    try:
        row = built_in().row(sla.regime or "", today)
        calendar = row.calendar_for(country=config.country, zone=sla.zone, calendar=sla.calendar)
    except OperatorError as error:
        raise OperatorError(f"platform {config.name}, sla: {error}") from error
    one_s = 3_600 if row.unit == "hours" else DAY_S
    seconds = {duty: amount * one_s for duty, amount in row.limits.items()}
    promise = SlaPromise(
        policy=row.id,
        source=row.source if row.checked else f"{row.source} (unchecked)",
        acknowledge_s=seconds.get("acknowledge"),
        decide_s=seconds.get("decide"),
        remove_s=seconds.get("remove"),
        clock=row.clock,
    )
    return promise, SlaTerms(row.unit, calendar, row.need_info)


def policy_of(config: PlatformConfig, *, today: date | None = None) -> PlatformPolicy:
    """What was agreed with a platform, from its configuration.

    Raises:
        OperatorError: working days are promised and the platform's zone or holidays are not known, or
            the regime that is named is unknown or does not hold ``today``.
    """
    promise, terms = _promise(config, today or datetime.now(UTC).date())
    probe = config.probe
    return PlatformPolicy(
        name=config.name,
        language=config.language,
        legal_entity=config.legal_entity,
        contact_point=config.contact_point,
        country=config.country,
        sla=promise,
        terms=terms,
        policy_clauses=tuple(
            LegalBasis(
                id=f"policy.{config.name}.{number}",
                law=f"Terms of {config.legal_entity or config.name}",
                policy_clause=clause,
            )
            for number, clause in enumerate(config.policy_clauses, start=1)
        ),
        demands=_demands(config),
        retry=RetryPolicy(tuple(timedelta(seconds=wait) for wait in config.delivery.retry_schedule_s)),
        look=LookPolicy(
            schedule=(timedelta(0), *(timedelta(seconds=age) for age in probe.schedule_s)),
            gone_looks=probe.gone_after_probes,
            gone_apart=timedelta(seconds=probe.gone_apart_s),
            unknown_again=timedelta(seconds=probe.unknown_again_s),
            mismatch_after=timedelta(seconds=probe.mismatch_after_s),
            quiet=timedelta(seconds=probe.quiet_s),
            watch=timedelta(seconds=probe.watch_s),
        ),
        poll=PollPolicy(
            first=timedelta(seconds=config.delivery.poll_first_s),
            longest=timedelta(seconds=config.delivery.poll_longest_s),
        ),
        concurrency=config.concurrency,
        attempt_timeout=timedelta(seconds=config.timeouts.total_s),
        breaker=BreakerPolicy(
            config.breaker.failures,
            timedelta(seconds=config.breaker.open_s),
            timedelta(seconds=config.breaker.longest_s),
        ),
        other_way=config.fallback is not None or config.mail is not None,
        fallback_after=timedelta(seconds=config.fallback.after_s) if config.fallback else None,
        daily_notices=config.daily_notices,
        daily_requests=config.daily_requests,
        ladder=_ladder(config, today or datetime.now(UTC).date()),
        quality=StopLine(
            config.quality.least_success,
            config.quality.most_overturned,
            config.quality.least_n,
            timedelta(days=config.quality.days),
        ),
        repeat_window=timedelta(seconds=config.repeat_window_s),
    )


def _ladder(config: PlatformConfig, today: date) -> tuple[Step, ...]:
    """The platform's own steps; where it says nothing, those of its regime, at its times."""
    steps = tuple(Step(one.step, one.at, one.to) for one in config.escalation)
    if config.sla is None or config.sla.regime is None or "escalation" in config.model_fields_set:
        return steps
    theirs = built_in().row(config.sla.regime, today).escalation
    return steps if theirs is None else tuple(Step(name, at) for name, at in theirs.items())


def make_bridge(
    configs: Sequence[PlatformConfig],
    *,
    sink: Path | None = None,
    default_secret: SecretStr | None = None,
    ways: Ways | None = None,
) -> "Bridge":
    """Every channel of these platforms, to be used inside a running event loop.

    ``sink``: test mode. What would reach a real desk or a mailbox goes to that folder instead;
    only platforms that are for development (``dev_only``) are still spoken to.
    ``default_secret`` stands in where a platform has no secret of its own; ``ways`` tells, at each delivery,
    where a platform with ``self_service`` wants it.

    Raises:
        OperatorError: a secret is missing.
    """

    def secrets_of(config: PlatformConfig) -> tuple[SecretStr, ...]:
        return resolve_secrets(config, "secret") or ((default_secret,) if default_secret else ())

    letters: dict[str, Letters] = {}
    for config in configs:
        if config.mail is None:
            continue
        keys = resolve_secrets(config, "api_key") if config.mail.username else ()
        mail = EmailChannel(config, keys, secrets_of(config))
        letters[config.name] = mail if sink is None else SinkLetters(mail, sink, config.name)

    def reached(config: PlatformConfig, secret: SecretStr | None = default_secret) -> Platform:
        real = build(config, default_secret=secret)
        return real if sink is None or config.dev_only else SinkPlatform(real, sink)

    def other_way(config: PlatformConfig) -> Platform:
        # A mailbox takes nothing signed, but the address to which it answers is made with the secret.
        secret = next(iter(secrets_of(config)), None)
        other = config.by_fallback()
        return reached(other, secret if other.kind == "email" else default_secret)

    return Bridge(
        {config.name: reached(config) for config in configs},
        letters=letters,
        fallbacks={one.name: other_way(one) for one in configs if one.fallback is not None},
        ways=ways if any(one.self_service for one in configs) else None,
    )


def desk_of(
    configs: Iterable[PlatformConfig],
    bridge: Bridge,
    *,
    sender: SenderPolicy,
    law: Mapping[str, LegalBasis],
    actor: str = "notices",
    privacy: Callable[[], PrivacyKeys | None] = no_keys,
) -> Desk:
    """What a handler must know, the same in every process that writes notices.

    ``privacy``: keys under which sellers are named to a receiver with ``sellers: keyed``; without them it is
    written nothing.

    Raises:
        OperatorError: as :func:`policy_of`.
    """
    known = tuple(configs)

    def keyed(name: str) -> str:
        keys = privacy()
        if keys is None:
            raise CannotWrite("there is no key to name its seller by: set TAKIN_PRIVACY_KEY")
        return keyed_name(keys, name)

    return Desk(
        platforms={
            config.name: replace(
                policy_of(config),
                redelivers=bridge.repeats(config.name),
                keyed=keyed if config.sellers == "keyed" else None,
            )
            for config in known
        },
        sender=sender,
        law=law,
        render=bridge.render,
        translate=translator(known),
        actor=actor,
        follow_up=bridge.render_follow_up,
        information=bridge.render_information,
        fallback=bridge.render_fallback,
    )


def working_days(config: PlatformConfig) -> Calendar:
    """The platform's working days: as its promise counts them, or else those of its country.

    Where its country has several zones, or no known holidays, UTC and weekends alone stand in.
    """
    _, terms = _promise(config, datetime.now(UTC).date())
    if terms.unit != "hours" or config.country is None:
        return terms.calendar
    try:
        check_region(config.country)
    except OperatorError:
        return Calendar()
    return Calendar(zone_of_country(config.country) or UTC_ZONE, config.country)


def _demands(config: PlatformConfig) -> Demands:
    wanted = config.demands
    base = host_of(config.base_url)
    return Demands(
        xarf=config.kind in XARF_KINDS,
        max_items=config.max_items,
        # Where the platform's listings are is only known for sure when somebody wrote it down.
        hosts=(*config.listing_hosts, *([base] if base else [])) if config.listing_hosts else (),
        policy_clause=wanted.policy_clause,
        languages=wanted.languages,
        max_reasons=wanted.max_reasons,
    )
