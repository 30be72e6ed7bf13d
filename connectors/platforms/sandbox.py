"""Platforms that speak the desk API of :mod:`connectors.desk_contract`.

Source: the platform's JSON Feed at ``{base_url}/feed.json?since=CURSOR``. Channel: the desk API,
signed by Standard Webhooks. Answers: signed webhooks and polling. Probe: the listing's page,
schema.org JSON-LD.
Proven against the sandbox platform of this project; a platform that builds the contract needs no
module of its own, only a row in the platforms file with ``kind: sandbox``.
Limits: 1 MB for a notice, and whatever rate the platform sets with 429.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote, urlencode

from pydantic import BaseModel, SecretStr, ValidationError

from connectors import desk_contract as desk
from connectors.answers import response_id
from connectors.egress import EgressPolicy
from connectors.errors import (
    ForgedAnswer,
    PlatformRefused,
    PlatformUnavailable,
    UnreadableAnswer,
)
from connectors.http import OutboundClient, Reply, reply_error
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
    Route,
)
from connectors.platform_config import PlatformConfig
from connectors.probe import look
from connectors.replies import first_problem, read_answer, read_whole, unmet, whole
from connectors.self_service import egress_for, read_address
from connectors.signing import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign, verify
from connectors.sources.feed import FEED_CAP, entry_listing, parse_feed
from schemas.dead_letter import DeadLetter
from schemas.follow_up import FollowUp, Information
from schemas.listing import Listing
from schemas.notice import Notice
from schemas.response import Measure, PlatformResponse, ResponseKind, ResponseOutcome

MAPPING_VERSION = "desk-api/1.2"
Meaning = tuple[ResponseKind, ResponseOutcome | None, tuple[Measure, ...]]

MEANING: Mapping[str, Meaning] = {
    "RECEIVED": ("receipt", None, ()),
    "IN_REVIEW": ("status", None, ()),
    "NEED_MORE_INFORMATION": ("need_info", "need_info", ()),
    "REMOVED": ("decision", "actioned_removed", ("visibility_removed",)),
    "DISABLED": ("decision", "actioned_disabled", ("visibility_disabled",)),
    "RESTRICTED_IN_TERRITORY": ("decision", "actioned_geo", ("visibility_disabled",)),
    "DEMOTED": ("decision", "actioned_partial", ("visibility_demoted",)),
    "SELLER_SUSPENDED": ("decision", "account_action_only", ("account",)),
    "KEPT_LAWFUL": ("decision", "refused_lawful", ()),
    "KEPT_INSUFFICIENT": ("decision", "refused_insufficient", ()),
    "NOT_HOSTED_HERE": ("decision", "refused_not_hosted", ()),
    "ALREADY_GONE": ("decision", "already_gone", ()),
    "COUNTER_NOTICE": ("counter_notice", None, ()),
    "APPEALED": ("appeal", None, ()),
    "REINSTATED": ("reinstated", None, ()),
}
"""The platform's word, and what it is for us. A change raises :data:`MAPPING_VERSION`; a word that is
not here is never guessed."""

FEED_LIMIT = 200
"""Listings asked for in one page of the feed."""


class _Feed(BaseModel):
    """What of the feed's envelope is needed to go on."""

    next_url: str | None = None


_KEPT_HEADERS = frozenset({ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER, "content-type"})
_CURSOR = re.compile(r"[0-9]{1,18}")
_WORD = re.compile(r"[A-Z_]{1,64}")


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Desk:
    """One address that is notified: its connections and its pace."""

    client: OutboundClient
    pace: Pace


class _Desks:
    """The addresses of a platform that were notified since the start; there are as many as it changed to."""

    def __init__(self, config: PlatformConfig) -> None:
        self._config = config
        self._known: dict[str, _Desk] = {}

    def at(self, base: str) -> _Desk:
        """The desk at this address, the same each time."""
        found = self._known.get(base)
        if found is None:
            config = self._config
            client = OutboundClient(
                egress_for(config, base),
                config.limits,
                user_agent=config.user_agent,
                ca_file=str(config.ca_file) if config.ca_file else None,
            )
            found = self._known[base] = _Desk(client, Pace(config.rate_per_s, burst=config.concurrency))
        return found

    async def aclose(self) -> None:
        """Close every connection."""
        for one in self._known.values():
            await one.client.aclose()


class SandboxPlatform:
    """One platform behind the desk API; see :class:`connectors.platform.Platform`."""

    def __init__(
        self,
        config: PlatformConfig,
        ours: tuple[SecretStr, ...],
        theirs: tuple[SecretStr, ...],
        *,
        now: Callable[[], datetime] = _utc_now,
        run_id: str = "platform",
    ) -> None:
        self._config = config
        self._ours = ours
        self._theirs = theirs
        self._now = now
        self._run_id = run_id
        ca_file = str(config.ca_file) if config.ca_file else None
        # Two clients: a desk that hangs must not keep the prober from looking, nor the other way round.
        self._base = config.base
        self._desks = _Desks(config)
        self._desk = self._desks.at(config.base)
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
            ca_file=ca_file,
        )
        self._page_pace = Pace(config.rate_per_s, burst=config.concurrency)

    @property
    def name(self) -> str:
        """As configured."""
        return self._config.name

    @property
    def capabilities(self) -> Capabilities:
        """Everything; webhooks only when the platform's secret is known."""
        return Capabilities(
            fetch=True,
            submit=True,
            poll=True,
            webhook=bool(self._theirs),
            probe=True,
            inform=True,
            follow_up=True,
            honours_idempotency_key=True,
            max_items=self._config.max_items,
        )

    async def fetch(self, since: str | None) -> AsyncIterator[Page]:
        """Everything that changed after the cursor, oldest first, page by page until there is no more.

        The cursor is the platform's own number, from the header ``takin-cursor``. A page that is too long
        to be read is asked for again in smaller pieces.
        """
        cursor, limit = since or "0", FEED_LIMIT
        while True:
            query = urlencode({"since": cursor, "limit": limit})
            url = f"{self._config.base}/feed.json?{query}"
            await self._page_pace.turn()
            reply = await self._pages.request("GET", url, cap=FEED_CAP)
            if reply.status != 200:
                raise reply_error(reply, self._now())
            if not reply.complete and limit > 1:
                limit = max(1, limit // 8)
                continue
            feed = read_whole(reply, _Feed)
            now = self._now()
            about = {
                "platform": self.name,
                "connector": "sandbox",
                "run_id": self._run_id,
                "observed_at": now,
            }
            made = [
                entry_listing(item, about, now=now, origin=url)
                for item in parse_feed(reply.body, "application/feed+json", url)
            ]
            before, cursor = cursor, reply.headers.get("takin-cursor", "")
            if not _CURSOR.fullmatch(cursor):
                raise PlatformUnavailable("bad_reply", "the feed tells no cursor", http_status=200)
            if feed.next_url is not None and cursor == before:
                raise PlatformUnavailable(
                    "bad_reply", "the feed says there is more, and where it was", http_status=200
                )
            yield Page(
                tuple(one for one in made if isinstance(one, Listing)),
                tuple(one for one in made if isinstance(one, DeadLetter)),
                cursor,
            )
            if feed.next_url is None:
                return

    def render(self, notice: Notice) -> RenderedNotice:
        """Our own notice as JSON."""
        return RenderedNotice(body=notice.to_bytes(), content_type="application/json")

    async def submit(self, delivery: Delivery) -> Receipt:
        """Deliver once. A 409 "duplicate" is a receipt: the platform knows the matter."""
        reply = await self._call(
            "POST",
            "/desk/v1/notices",
            message_id=delivery.idempotency_key,
            body=delivery.body,
            headers={"Content-Type": delivery.content_type, "Idempotency-Key": delivery.idempotency_key},
            timeout_s=delivery.timeout_s,
        )
        match reply.status:
            case 202:
                receipt = whole(reply, desk.ReceiptBody)
                return Receipt(202, receipt.reference, False, _aware(receipt.received_at), reply.body)
            case 409:
                error = whole(reply, desk.ErrorBody)
                if error.code == "duplicate":
                    return Receipt(409, error.reference, True, None, reply.body)
                raise PlatformRefused("conflict", f"{error.code}: {error.message}"[:500], http_status=409)
            case 422:
                raise unmet(reply)
            case _:
                raise self._error(reply)

    def authenticate(self, headers: Mapping[str, str], body: bytes, now: datetime) -> RawAnswer:
        """Check a webhook with this platform's own secrets, old and new while one is replaced."""
        if not self._theirs:
            raise ForgedAnswer(
                "no_signature", f"{self.name} has no webhook_secret, so nothing can be checked"
            )
        signed = verify(self._theirs, headers, body, now)
        kept = {name.lower(): value for name, value in headers.items() if name.lower() in _KEPT_HEADERS}
        return RawAnswer(self.name, signed.message_id, "webhook", now, body, kept)

    def parse(self, answer: RawAnswer) -> tuple[PlatformResponse, ...]:
        """Read a webhook or a polled status.

        ``response_id`` is made of the fact (see :mod:`connectors.answers`), so a webhook and a poll that
        tell the same thing agree.

        Raises:
            ForgedAnswer: ``wrong_platform``: the answer was authenticated for another platform.
            UnreadableAnswer
        """
        if answer.platform != self.name:
            raise ForgedAnswer("wrong_platform", f"an answer of {answer.platform} is not one of {self.name}")
        if answer.channel == "poll":
            status = read_answer(answer.body, desk.StatusBody)
            key, reference = status.idempotency_key, status.reference
            found = [self._response(answer, key, reference, item) for item in status.items]
        else:
            data = read_answer(answer.body, desk.AnswerBody).data
            found = [self._response(answer, data.idempotency_key, data.reference, data.item)]
        return tuple({one.response_id: one for one in found}.values())

    def _response(
        self, answer: RawAnswer, key: str, reference: str, item: desk.ItemStatus
    ) -> PlatformResponse:
        if item.word not in MEANING:
            shown = item.word if _WORD.fullmatch(item.word) else "a word that is not even one"
            raise UnreadableAnswer("unmapped", f"{shown} is not in the mapping {MAPPING_VERSION}")
        kind, outcome, measures = MEANING[item.word]
        if kind == "receipt":
            fact: tuple[str, ...] = ("receipt", reference)
        else:
            effective = item.effective_at.isoformat() if item.effective_at else ""
            fact = (item.item_id, item.word, _readable(item.at).isoformat(), effective)
        try:
            return PlatformResponse(
                response_id=response_id(self.name, key, *fact),
                platform=self.name,
                idempotency_key=key,
                item_id=None if kind == "receipt" else item.item_id,
                received_at=answer.received_at,
                said_at=item.at,
                channel=answer.channel,
                platform_reference=reference,
                kind=kind,
                outcome=outcome,
                ground=item.ground,
                measures=measures,
                effective_at=item.effective_at,
                automated=item.automated,
                explanation=item.explanation,
                raw_sha256=hashlib.sha256(answer.body).hexdigest(),
                parser_version=MAPPING_VERSION,
            )
        except ValidationError as error:
            raise UnreadableAnswer("wrong_shape", first_problem(error)) from error

    async def poll(self, idempotency_key: str) -> RawAnswer | None:
        """Ask where a notice stands. The same status asked twice has the same ``source_id``."""
        path = f"/desk/v1/notices/{quote(idempotency_key, safe='')}"
        reply = await self._call("GET", path, message_id=idempotency_key)
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise self._error(reply)
        status = whole(reply, desk.StatusBody)
        if status.idempotency_key != idempotency_key:
            raise PlatformUnavailable("bad_reply", "the status is of another notice", http_status=200)
        source_id = "poll_" + hashlib.sha256(reply.body).hexdigest()
        return RawAnswer(self.name, source_id, "poll", self._now(), reply.body)

    def render_information(self, information: Information) -> RenderedNotice:
        """As JSON."""
        return RenderedNotice(
            body=desk.InformationBody(text=information.text).model_dump_json().encode(),
            content_type="application/json",
        )

    async def inform(self, delivery: Delivery, notice_key: str) -> Receipt:
        """Answer a request for information once; the key tells a repeat from a second answer."""
        reply = await self._call(
            "POST",
            f"/desk/v1/notices/{quote(notice_key, safe='')}/information",
            message_id=delivery.idempotency_key,
            body=delivery.body,
            headers={"Content-Type": delivery.content_type},
            timeout_s=delivery.timeout_s,
        )
        return self._taken(reply)

    def render_follow_up(self, follow_up: FollowUp) -> RenderedNotice:
        """As JSON."""
        return RenderedNotice(body=follow_up.to_bytes(), content_type="application/json")

    async def follow_up(self, delivery: Delivery, notice_key: str) -> Receipt:
        """Deliver a follow-up once."""
        reply = await self._call(
            "POST",
            f"/desk/v1/notices/{quote(notice_key, safe='')}/follow-ups",
            message_id=delivery.idempotency_key,
            body=delivery.body,
            headers={"Content-Type": delivery.content_type, "Idempotency-Key": delivery.idempotency_key},
            timeout_s=delivery.timeout_s,
        )
        return self._taken(reply)

    def _taken(self, reply: Reply) -> Receipt:
        if reply.status == 422:
            raise unmet(reply)
        if reply.status != 202:
            raise self._error(reply)
        receipt = whole(reply, desk.ReceiptBody)
        return Receipt(202, receipt.reference, False, _aware(receipt.received_at), reply.body)

    async def probe(self, target: ProbeTarget) -> Observation:
        """Look at the listing's page once."""
        if self._page_pace.silent_for_s > 0:
            return Observation(state="unknown", reason="throttled", at=self._now())
        await self._page_pace.turn()
        return await look(self._pages, target, self._now)

    def by(self, route: Route) -> "SandboxPlatform":
        """The same platform, notified and asked by another route."""
        other = copy(self)
        if route.address is not None and route.address != self._config.base:
            other._base = read_address(self._config, route.address)
            other._desk = self._desks.at(other._base)
        other._ours = (*route.secrets, *(self._ours if route.configured else ()))
        return other

    async def aclose(self) -> None:
        """Close connections."""
        await self._desks.aclose()
        await self._pages.aclose()

    async def _call(
        self,
        method: Literal["GET", "POST"],
        path: str,
        *,
        message_id: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Reply:
        """One signed exchange, at the platform's pace."""
        if not self._ours:
            raise PlatformUnavailable("no_secret", "what signs for this platform cannot be read here")
        silent = self._desk.pace.silent_for_s
        if silent > 0:
            raise PlatformUnavailable(
                "throttled", "the platform asked to be left alone for a while", retry_after_s=max(silent, 1.0)
            )
        await self._desk.pace.turn()
        signature = sign(self._ours, message_id, body, self._now())
        return await self._desk.client.request(
            method,
            self._base + path,
            headers={**(headers or {}), **signature, "Accept": "application/json"},
            content=body if method == "POST" else None,
            timeout_s=timeout_s,
        )

    def _error(self, reply: Reply) -> PlatformUnavailable | PlatformRefused:
        error = reply_error(reply, self._now())
        if isinstance(error, PlatformUnavailable) and error.retry_after_s is not None:
            self._desk.pace.be_silent(error.retry_after_s)
        return error


def _readable(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise UnreadableAnswer("wrong_shape", "a time has no zone")
    return at.astimezone(UTC)


def _aware(at: datetime) -> datetime | None:
    return at.astimezone(UTC) if at.tzinfo else None
