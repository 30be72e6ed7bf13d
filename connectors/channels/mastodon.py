"""Mastodon and servers that speak its API: a report to the server's moderators, ``POST /api/v1/reports``.

Offers: a report on one account and posts of it, in a category, with a text of 1,000 characters, passed on to
the account's own server where that is another (``mastodon.forward``). Documented at
docs.joinmastodon.org/methods/reports. What is reported is known by the server's own ids: a post's is the
listing's id and its author's is ``seller_account_id``, both as ``reads: {api: mastodon}`` of the same server
gives them. Looks: ``GET /api/v1/statuses/:id``, without a login; the posts' pages are empty to a program.
Answers: 200 with the report; 401 a token that does not hold; 403 one without the scope ``write:reports``;
404 the account or the post is not there (any more); 422 a field is not as it must be.
Terms: each server's rules, which /api/v1/instance states; the account is the reporter's own (``api_key``: an
access token), and many servers want to be asked before a program reports.
Limits: 1,000 characters; by default 300 requests in five minutes for an account (429, X-RateLimit-Reset).
Cannot: a report knows no key and cannot be asked for, so a try that is repeated after a lost reply makes a
second one, which the moderators see under the same account, with the same reference. What became of it is not
told: what our looks see, and the link in the text by which a moderator can answer on our desk, is all there
is. A server that shows nothing without a login shows nothing to our looks either. Several posts in one
report, reminders and withdrawals are not sent.
Not run against a live server.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from connectors.channels.caller import Caller, utc_now
from connectors.channels.channel import ChannelCapabilities
from connectors.channels.looking import observed, unseen
from connectors.channels.plain import plain_line
from connectors.channels.short_report import short_report
from connectors.errors import (
    ConnectorError,
    PlatformRefused,
    UnmetRequirement,
    UnreadableAnswer,
)
from connectors.http import Reply
from connectors.platform import Delivery, Observation, ProbeTarget, RawAnswer, Receipt, RenderedNotice
from connectors.platform_config import PlatformConfig
from connectors.probe import State, judge
from connectors.replies import unmet, whole
from schemas.message import Instant, canonical_json
from schemas.notice import Notice
from schemas.response import PlatformResponse

PATH = "/api/v1/reports"
LONGEST = 1_000
"""Characters of a report's text."""


class _Taken(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1, max_length=512)
    created_at: Instant | None = None


class MastodonChannel:
    """See :class:`connectors.channels.channel.Channel`."""

    def __init__(
        self, config: PlatformConfig, keys: tuple[SecretStr, ...], *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._options = config.mastodon
        self._now = now
        self._reports = Caller(config, {"Authorization": f"Bearer {keys[0].get_secret_value()}"}, now=now)
        # Apart and as any visitor: who blocked the reporter is still seen, and neither waits for the other.
        self._posts = Caller(config, {}, now=now)

    @property
    def capabilities(self) -> ChannelCapabilities:
        """Knows no key and cannot be asked."""
        return ChannelCapabilities(honours_idempotency_key=False)

    def render(self, notice: Notice) -> RenderedNotice:
        """One post of one account.

        Raises:
            PlatformRefused: ``invalid``: several posts, an unknown account, or no room for the reasons.
        """
        if len(notice.items) != 1:
            raise PlatformRefused("invalid", "a report is about one post")
        [item] = notice.items
        if not item.seller_account_id:
            lacking = UnmetRequirement(
                "seller_account_missing",
                "/items/0/seller_account_id",
                "A report is on an account: read the post by this server's own API, which tells its id.",
            )
            raise PlatformRefused("invalid", "the account's id is not known", unmet=(lacking,))
        body: dict[str, Any] = {
            "account_id": item.seller_account_id,
            "status_ids": [item.listing_id],
            "comment": short_report(notice, LONGEST),
            "category": self._options.category,
            "forward": self._options.forward,
        }
        if self._options.rule_ids:
            body["rule_ids"] = list(self._options.rule_ids)
        return RenderedNotice(canonical_json(body), "application/json")

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Deliver once."""
        reply = await self._reports.call(
            "POST",
            PATH,
            body=delivery.body,
            headers={"Content-Type": delivery.content_type, "Idempotency-Key": delivery.idempotency_key},
            timeout_s=delivery.timeout_s,
        )
        match reply.status:
            case 200 | 201 | 202:
                taken = whole(reply, _Taken)
                return Receipt(reply.status, taken.id, False, taken.created_at, reply.body)
            case 422 if (said := _said(reply)) is not None:
                raise PlatformRefused("invalid", f"HTTP 422: {plain_line(said, 300)}", http_status=422)
            case 422:
                raise unmet(reply)
            case _:
                raise self._reports.error(reply)

    async def look(self, target: ProbeTarget) -> Observation:
        """Ask for the post as any visitor may. Never raises for what the outside does."""
        try:
            reply = await self._posts.call("GET", f"/api/v1/statuses/{quote(target.listing_id, safe='')}")
        except ConnectorError as error:
            return unseen(error, self._now())
        if reply.status != 200:
            self._posts.error(reply)  # heeds a Retry-After
        return observed(reply, *_judged(reply, target), self._now())

    async def poll(self, idempotency_key: str) -> RawAnswer | None:  # noqa: ARG002 - the contract's argument
        """A report cannot be asked for."""
        return None

    def parse(self, answer: RawAnswer) -> tuple[PlatformResponse, ...]:
        """Nothing comes back by this channel."""
        raise UnreadableAnswer("unmapped", f"no mapping reads an answer that came by {answer.channel}")

    async def aclose(self) -> None:
        """Close connections."""
        await self._reports.aclose()
        await self._posts.aclose()


def _judged(reply: Reply, target: ProbeTarget) -> tuple[State, str]:
    """A post is gone only if the API says so itself, in its own words; a proxy's page says nothing."""
    if reply.status == 200:
        shown = reply.complete and _object(reply).get("id") == target.listing_id
        return ("online", "page_shown") if shown else ("unknown", "other")
    state, reason = judge(reply.status, "", b"", target)
    return ("unknown", "other") if state == "offline" and _said(reply) is None else (state, reason)


def _said(reply: Reply) -> str | None:
    """What the API says is wrong."""
    said = _object(reply).get("error")
    return said if isinstance(said, str) else None


def _object(reply: Reply) -> dict[str, Any]:
    try:
        value = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
