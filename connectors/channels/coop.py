"""Coop's report API (github.com/roostorg/coop): ``POST {base}/api/v1/report`` with ``X-API-KEY``.

201 with a ``reportId``; 400 when the body does not fit the item type; 401 or 403 without a valid key.
Every call makes a new report: Coop knows no idempotency key and cannot be asked for a report. What a
repeat after a lost reply does is bounded by its review queue, which has one job per item and adds
reports about the same item to it. So a listing keeps its id, and our key stands in the data.
``data`` must fit the item type: the platform gives it the text fields of :data:`DATA_FIELDS`.
Decisions come back by Coop's own action webhook (RSA), which is not read here.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from connectors.channels.caller import Caller, utc_now
from connectors.channels.channel import ChannelCapabilities
from connectors.errors import UnreadableAnswer
from connectors.platform import Delivery, RawAnswer, Receipt, RenderedNotice
from connectors.platform_config import PlatformConfig
from connectors.replies import unmet, whole
from schemas.message import canonical_json
from schemas.notice import Notice, NoticeItem
from schemas.response import PlatformResponse

PATH = "/api/v1/report"
DATA_FIELDS = ("url", "title", "seller", "taken_for", "reference", "idempotency_key", "notice")
"""Text fields of the item type; ``notice`` holds our whole notice as JSON."""
MAX_ITEMS = 300


class _Taken(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    reportId: str = Field(min_length=1, max_length=512)  # noqa: N815 - the wire's name


class CoopChannel:
    """See :class:`connectors.channels.channel.Channel`."""

    def __init__(
        self,
        config: PlatformConfig,
        keys: tuple[SecretStr, ...],
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        assert config.coop is not None, "kind: coop is checked to have it"
        self._options = config.coop
        self._caller = Caller(config, {"X-API-KEY": keys[0].get_secret_value()}, now=now)

    @property
    def capabilities(self) -> ChannelCapabilities:
        """Takes many items; knows no key and cannot be asked."""
        return ChannelCapabilities(honours_idempotency_key=False, max_items=MAX_ITEMS)

    def render(self, notice: Notice) -> RenderedNotice:
        """The first item is reported, the others stand beside it."""
        first, *others = notice.items
        reason: dict[str, Any] = {"reason": notice.reasons}
        if self._options.policy_id:
            reason["policyId"] = self._options.policy_id
        body = {
            "reporter": {
                "kind": "user",
                "typeId": self._options.reporter_type_id,
                "id": notice.reporter.email,
            },
            "reportedAt": notice.issued_at.isoformat(),
            "reportedForReason": reason,
            "reportedItem": self._item(notice, first, whole_notice=True),
            "additionalItems": [self._item(notice, item, whole_notice=False) for item in others],
        }
        return RenderedNotice(canonical_json(body), "application/json")

    def _item(self, notice: Notice, item: NoticeItem, *, whole_notice: bool) -> dict[str, Any]:
        data = {
            "url": item.url,
            "title": item.title,
            "seller": item.seller_handle or "",
            "taken_for": item.taxon.scientific_name if item.taxon else "",
            "reference": notice.human_reference,
            "idempotency_key": notice.idempotency_key,
            "notice": json.dumps(json.loads(notice.to_bytes())) if whole_notice else "",
        }
        return {"id": item.listing_id, "typeId": self._options.item_type_id, "data": data}

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Deliver once."""
        reply = await self._caller.call(
            "POST",
            PATH,
            body=delivery.body,
            headers={"Content-Type": delivery.content_type, "Idempotency-Key": delivery.idempotency_key},
            timeout_s=delivery.timeout_s,
        )
        match reply.status:
            case 200 | 201 | 202:
                return Receipt(reply.status, whole(reply, _Taken).reportId, False, None, reply.body)
            case 422:
                raise unmet(reply)
            case _:
                raise self._caller.error(reply)

    async def poll(self, idempotency_key: str) -> RawAnswer | None:  # noqa: ARG002 - the contract's argument
        """Coop's report API cannot be asked."""
        return None

    def parse(self, answer: RawAnswer) -> tuple[PlatformResponse, ...]:
        """Nothing that comes by this channel can be read yet."""
        raise UnreadableAnswer("unmapped", f"no mapping reads an answer that came by {answer.channel}")

    async def aclose(self) -> None:
        """Close connections."""
        await self._caller.aclose()
