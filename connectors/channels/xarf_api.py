"""XARF v4 over HTTP, in the shape of a large host's abuse API.

``POST {base}/v1/abuse`` takes ``{clientToken, correlationId, report: {xarf}}`` and answers 202 with
a ``reportId``; 409 when it knows the matter; 422 with ``unmetRequirements``; 429 with ``Retry-After``.
``GET {base}/v1/abuse?correlationId=…`` lists what became of our reports. Both ids are the notice's
key. The receiver remembers a ``clientToken`` for 24 hours only, so a repeat (``attempt`` 2 and later)
first asks whether the report is there already. ``Authorization: Bearer`` carries the key.
``NEED_MORE_INFORMATION`` ends a report there: what was asked for goes as a new report with a token of its
own and the same ``correlationId``, so that both come back by one question. Nothing tells such a report from
the first one in that list, so its repeats rest on the token alone: they have to end within the day (the
usual schedule does, after 19 hours).
There are no webhooks. A report takes one item. The words are mapped by :data:`MEANING`; what
``ACTIONED`` did is in ``action``, and without it the answer is not guessed.
Proven against a local server of this shape, not against a real host.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from connectors.answers import response_id
from connectors.channels.caller import Caller, utc_now
from connectors.channels.channel import ChannelCapabilities
from connectors.channels.xarf_report import xarf_report, xarf_report_with
from connectors.errors import PlatformRefused, UnreadableAnswer
from connectors.platform import Delivery, RawAnswer, Receipt, RenderedNotice
from connectors.platform_config import PlatformConfig
from connectors.replies import first_problem, read_answer, unmet, whole
from schemas.follow_up import Information
from schemas.message import Instant, canonical_json
from schemas.notice import Notice
from schemas.response import Measure, PlatformResponse, ResponseKind, ResponseOutcome

MAPPING_VERSION = "xarf-api/1.0"
PATH = "/v1/abuse"
Meaning = tuple[ResponseKind, ResponseOutcome | None, tuple[Measure, ...]]

MEANING: Mapping[tuple[str, str | None, str | None], Meaning] = {
    ("QUEUED", None, None): ("receipt", None, ()),
    ("PROCESSING", None, None): ("status", None, ()),
    ("COMPLETED", "ACTIONED", "CONTENT_REMOVED"): ("decision", "actioned_removed", ("visibility_removed",)),
    ("COMPLETED", "ACTIONED", "CONTENT_DISABLED"): (
        "decision",
        "actioned_disabled",
        ("visibility_disabled",),
    ),
    ("COMPLETED", "ACTIONED", "ACCOUNT_SUSPENDED"): ("decision", "account_action_only", ("account",)),
    ("COMPLETED", "NOT_RESOLVABLE", None): ("decision", "refused_not_hosted", ()),
    ("COMPLETED", "REVIEWED_NO_ACTION", None): ("decision", "refused_lawful", ()),
    ("COMPLETED", "CONTENT_DOWN_OR_INACCESSIBLE", None): ("decision", "already_gone", ()),
    ("COMPLETED", "NEED_MORE_INFORMATION", None): ("need_info", "need_info", ()),
}
"""Status, resolution and action, and what they are for us. A change raises :data:`MAPPING_VERSION`."""


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ReportTaken(_Body):
    """202, and 409 where the receiver knows the matter."""

    reportId: str = Field(min_length=1, max_length=512)  # noqa: N815 - the wire's name
    receivedAt: Instant | None = None  # noqa: N815


class ReportStatus(_Body):
    """Where one report stands."""

    reportId: str = Field(min_length=1, max_length=512)  # noqa: N815
    correlationId: str  # noqa: N815
    status: str
    resolution: str | None = None
    action: str | None = None
    receivedAt: Instant | None = None  # noqa: N815
    updatedAt: Instant | None = None  # noqa: N815
    message: str | None = None


class ReportList(_Body):
    """What the receiver has under one correlation id."""

    reports: tuple[ReportStatus, ...]


class XarfApiChannel:
    """See :class:`connectors.channels.channel.Channel`."""

    def __init__(
        self,
        config: PlatformConfig,
        keys: tuple[SecretStr, ...],
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._name = config.name
        self._now = now
        self._caller = Caller(config, {"Authorization": f"Bearer {keys[0].get_secret_value()}"}, now=now)

    @property
    def capabilities(self) -> ChannelCapabilities:
        """Can be asked; honours the key."""
        return ChannelCapabilities(poll=True)

    def render(self, notice: Notice) -> RenderedNotice:
        """The report in its envelope, as canonical JSON."""
        key = notice.idempotency_key
        envelope = {"clientToken": key, "correlationId": key, "report": {"xarf": xarf_report(notice)}}
        return RenderedNotice(canonical_json(envelope), "application/json")

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Deliver once. A repeat asks first, because the receiver forgets a token after a day."""
        if delivery.attempt > 1:
            known = await self._known(delivery.idempotency_key, delivery.timeout_s)
            if known is not None:
                report, raw = known
                return Receipt(200, report.reportId, False, report.receivedAt, raw)
        return await self._post(delivery)

    async def _post(self, delivery: Delivery) -> Receipt:
        reply = await self._caller.call(
            "POST",
            PATH,
            body=delivery.body,
            headers={"Content-Type": delivery.content_type, "Idempotency-Key": delivery.idempotency_key},
            timeout_s=delivery.timeout_s,
        )
        match reply.status:
            case 202:
                taken = whole(reply, ReportTaken)
                return Receipt(202, taken.reportId, False, taken.receivedAt, reply.body)
            case 409:
                try:
                    taken = ReportTaken.model_validate_json(reply.body)
                except ValidationError as error:
                    raise PlatformRefused("conflict", "HTTP 409 without a report", http_status=409) from error
                return Receipt(409, taken.reportId, True, taken.receivedAt, reply.body)
            case 422:
                raise unmet(reply)
            case _:
                raise self._caller.error(reply)

    def render_information(self, information: Information) -> RenderedNotice:
        """A report of its own that names the first one."""
        report = xarf_report_with(information)
        correlation = information.notice.idempotency_key
        envelope = {"clientToken": information.key, "correlationId": correlation, "report": {"xarf": report}}
        return RenderedNotice(canonical_json(envelope), "application/json")

    async def inform(self, delivery: Delivery, notice_key: str) -> Receipt:  # noqa: ARG002 - it stands in the body
        """Deliver it once."""
        return await self._post(delivery)

    async def poll(self, idempotency_key: str) -> RawAnswer | None:
        """The receiver's list for this key. The same list asked for twice has the same ``source_id``."""
        known = await self._known(idempotency_key, None)
        if known is None:
            return None
        source_id = "poll_" + hashlib.sha256(known[1]).hexdigest()
        return RawAnswer(self._name, source_id, "poll", self._now(), known[1])

    async def _known(self, key: str, timeout_s: float | None) -> tuple[ReportStatus, bytes] | None:
        reply = await self._caller.call(
            "GET", f"{PATH}?correlationId={quote(key, safe='')}", timeout_s=timeout_s
        )
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise self._caller.error(reply)
        # A server that ignores the filter must not make another notice's report ours.
        found = [one for one in whole(reply, ReportList).reports if one.correlationId == key]
        return (found[0], reply.body) if found else None

    def parse(self, answer: RawAnswer) -> tuple[PlatformResponse, ...]:
        """Read a polled list."""
        reports = read_answer(answer.body, ReportList).reports
        found = [self._response(answer, report) for report in reports]
        return tuple({one.response_id: one for one in found}.values())

    def _response(self, answer: RawAnswer, report: ReportStatus) -> PlatformResponse:
        words = (report.status, report.resolution, report.action)
        if words not in MEANING:
            shown = " ".join(word for word in words if word and word.isascii() and word.isprintable())[:100]
            raise UnreadableAnswer("unmapped", f"{shown!r} is not in the mapping {MAPPING_VERSION}")
        kind, outcome, measures = MEANING[words]
        key, said_at = report.correlationId, report.updatedAt or report.receivedAt
        fact = (
            ("receipt", report.reportId)
            if kind == "receipt"
            else (*(word or "" for word in words), said_at.isoformat() if said_at else "")
        )
        try:
            return PlatformResponse(
                response_id=response_id(self._name, key, *fact),
                platform=self._name,
                idempotency_key=key,
                received_at=answer.received_at,
                said_at=said_at,
                channel=answer.channel,
                platform_reference=report.reportId,
                kind=kind,
                outcome=outcome,
                measures=measures,
                explanation=report.message,
                raw_sha256=hashlib.sha256(answer.body).hexdigest(),
                parser_version=MAPPING_VERSION,
            )
        except ValidationError as error:
            raise UnreadableAnswer("wrong_shape", first_problem(error)) from error

    async def aclose(self) -> None:
        """Close connections."""
        await self._caller.aclose()
