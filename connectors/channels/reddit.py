"""Reddit: a report to the moderators of a community, ``POST /api/report``.

Offers: a report on one post or comment (its full name, ``t3_…`` or ``t1_…``, is the listing's id as
``reads: {api: reddit}`` gives it), with 100 characters that the moderators see and 2,000 beside them.
Documented at reddit.com/dev/api#POST_api_report. Looks: ``GET /api/info``, as the application, not as the
reporter, for whom a reported post is hidden.
Answers: 200 with ``{"json": {"errors": […]}}``, an empty list when it is taken; 401 a token that does not
hold; 403 one without the scope ``report``; 429 or the error RATELIMIT: too fast.
Terms: Reddit's Data API Terms; the application is registered, its use approved, and it says who it is
(``user_agent``). The account is the reporter's own and obeys each community's rules on reports.
Limits: 100 requests a minute for an application (X-Ratelimit-Remaining, -Reset), fewer for a new account.
Cannot: no reference is given and a report cannot be asked for; what became of it is not told. A repeat by
the same account is one report to the moderators by Reddit's once published source, which the documentation
does not promise. Unlawful content can also be told to Reddit itself, by a form that no program may use.
Several posts in one report, reminders and withdrawals are not sent.
``api_key`` names two: the application's secret, then the account's permanent refresh token. ``base_url`` is
https://www.reddit.com. Not run against the live service.
"""

import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode

from pydantic import SecretStr

from connectors.channels.caller import Caller, utc_now
from connectors.channels.channel import ChannelCapabilities
from connectors.channels.looking import observed, unseen
from connectors.channels.plain import plain_line
from connectors.channels.short_report import short_report
from connectors.egress import EgressPolicy
from connectors.errors import ConnectorError, PlatformRefused, PlatformUnavailable, UnreadableAnswer
from connectors.http import RETRY_AFTER_MAX_S, OutboundClient, Reply
from connectors.pace import window_s
from connectors.platform import Delivery, Observation, ProbeTarget, RawAnswer, Receipt, RenderedNotice
from connectors.platform_config import PlatformConfig
from connectors.probe import State, judge
from connectors.replies import json_of, unmet
from connectors.shelves.shelf import part, several, text
from connectors.sources.tokens import Tokens
from schemas.notice import Notice
from schemas.response import PlatformResponse

PATH = "/api/report"
TOKEN_PATH = "/api/v1/access_token"  # noqa: S105 - an address
SHOWN, LONGEST = 100, 2_000
"""Characters that moderators see of a report, and of the text beside it."""
_WITHDRAWN = frozenset({"[removed]", "[deleted]"})


class RedditChannel:
    """See :class:`connectors.channels.channel.Channel`."""

    def __init__(
        self, config: PlatformConfig, keys: tuple[SecretStr, ...], *, now: Callable[[], datetime] = utc_now
    ) -> None:
        options = config.reddit
        assert options is not None, "the platforms file was checked"
        secret, refresh = keys
        api = config.model_copy(update={"base_url": options.api_url})
        self._now = now
        self._reports = Caller(api, {}, now=now)
        self._posts = Caller(api, {}, now=now)
        url = options.token_url or config.base + TOKEN_PATH
        self._client = OutboundClient(
            EgressPolicy.for_base_url(url, private=config.private_address, socks=config.proxy),
            config.limits,
            user_agent=config.user_agent,
            ca_file=str(config.ca_file) if config.ca_file else None,
        )
        application = (SecretStr(options.client_id), secret)
        renewal = {"grant_type": "refresh_token", "refresh_token": refresh.get_secret_value()}
        self._reporter = Tokens(self._client, url, renewal, *application, now=now)
        alone = {"grant_type": "client_credentials"}
        self._visitor = Tokens(self._client, url, alone, *application, now=now)

    @property
    def capabilities(self) -> ChannelCapabilities:
        """Knows no key and cannot be asked."""
        return ChannelCapabilities(honours_idempotency_key=False)

    def render(self, notice: Notice) -> RenderedNotice:
        """One post or comment.

        Raises:
            PlatformRefused: ``invalid``: several of them, or no room for the reasons.
        """
        if len(notice.items) != 1:
            raise PlatformRefused("invalid", "a report is about one post")
        [item] = notice.items
        form = {
            "api_type": "json",
            "thing_id": item.listing_id,
            "reason": _headline(notice),
            "custom_text": short_report(notice, LONGEST),
        }
        return RenderedNotice(urlencode(form).encode(), "application/x-www-form-urlencoded")

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Deliver once."""
        reply = await self._as(
            self._reporter,
            self._reports,
            "POST",
            PATH,
            body=delivery.body,
            headers={"Content-Type": delivery.content_type, "Idempotency-Key": delivery.idempotency_key},
            timeout_s=delivery.timeout_s,
        )
        match reply.status:
            case 200 | 201 | 202:
                _check(reply)
                return Receipt(reply.status, None, False, None, reply.body)
            case 422:
                raise unmet(reply)
            case _:
                raise self._reports.error(reply)

    async def look(self, target: ProbeTarget) -> Observation:
        """Ask for the post as an application that is nobody's. Never raises for what the outside does."""
        try:
            query = urlencode({"id": target.listing_id, "raw_json": 1})
            reply = await self._as(self._visitor, self._posts, "GET", f"/api/info?{query}")
        except ConnectorError as error:
            return unseen(error, self._now())
        if reply.status != 200:
            self._posts.error(reply)  # heeds a Retry-After
        elif (rest := window_s(reply.headers)) is not None:
            self._posts.be_silent(rest)
        return observed(reply, *_judged(reply, target), self._now())

    async def _as(
        self,
        who: Tokens,
        caller: Caller,
        method: Literal["GET", "POST"],
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Reply:
        """One exchange, within the time; a token that was revoked before its end is asked for anew once."""
        ends = None if timeout_s is None else time.monotonic() + timeout_s
        for last in (False, True):
            held = {**(headers or {}), "Authorization": f"Bearer {await who.current()}"}
            left = None if ends is None else max(ends - time.monotonic(), 0.01)
            reply = await caller.call(method, path, body=body, headers=held, timeout_s=left)
            if last or reply.status != 401:
                break
            who.forget()
        return reply

    async def poll(self, idempotency_key: str) -> RawAnswer | None:  # noqa: ARG002 - the contract's argument
        """A report cannot be asked for."""
        return None

    def parse(self, answer: RawAnswer) -> tuple[PlatformResponse, ...]:
        """Nothing comes back by this channel."""
        raise UnreadableAnswer("unmapped", f"no mapping reads an answer that came by {answer.channel}")

    async def aclose(self) -> None:
        """Close connections."""
        for one in (self._reports, self._posts, self._client):
            await one.aclose()


def _headline(notice: Notice) -> str:
    """What moderators see: our reference, and where to answer if that finds room."""
    head = f"{notice.human_reference}: protected wildlife offered"
    whole = f"{head}; answer: {notice.reply_page}" if notice.reply_page else head
    return plain_line(whole if len(whole) <= SHOWN else f"{head}; see the text below", SHOWN)


def _check(reply: Reply) -> None:
    """Whether an answer with status 200 says that the report is taken.

    Raises:
        PlatformUnavailable: too fast, or no answer of this API.
        PlatformRefused: ``invalid``, with the API's own words.
    """
    document = json_of(reply.body) if reply.complete else None
    said = part(document, "json")
    errors = part(said, "errors")
    if not isinstance(errors, list):
        raise PlatformUnavailable("bad_reply", "the answer names no errors", http_status=reply.status)
    if not errors:
        return
    words = [[text(word) or "" for word in several(one)] for one in errors]
    told = plain_line("; ".join(" ".join(one[:2]) for one in words), 300)
    if any(one[:1] == ["RATELIMIT"] for one in words):
        wait = part(said, "ratelimit")
        sound = isinstance(wait, int | float) and not isinstance(wait, bool) and wait > 0
        seconds = min(float(wait), RETRY_AFTER_MAX_S) if sound else None
        raise PlatformUnavailable("throttled", told, retry_after_s=seconds, http_status=reply.status)
    raise PlatformRefused("invalid", told or "errors without words", http_status=reply.status)


def _judged(reply: Reply, target: ProbeTarget) -> tuple[State, str]:
    """A post is gone only if the API says so: nothing under its name, or what stands there was withdrawn."""
    if reply.status != 200:
        state, reason = judge(reply.status, "", b"", target)
        return ("unknown", "other") if state == "offline" else (state, reason)
    try:
        document: Any = json.loads(reply.body) if reply.complete else None
    except (ValueError, RecursionError):
        return "unknown", "other"
    rows = part(document, "data", "children")
    if part(document, "kind") != "Listing" or not isinstance(rows, list):
        return "unknown", "other"
    if not rows:
        return "offline", "not_found"
    data = part(rows[0], "data")
    if part(data, "name") != target.listing_id:
        return "unknown", "other"
    return "offline" if _is_withdrawn(data) else "online", (
        "removed_notice" if _is_withdrawn(data) else "page_shown"
    )


def _is_withdrawn(data: Any) -> bool:
    """Whether Reddit's own mark stands where the seller's words stood. Those words alone prove nothing:
    anybody can write them."""
    words = text(part(data, "body")) or text(part(data, "selftext")) or ""
    by_whom = text(part(data, "removed_by_category")) is not None or part(data, "author") == "[deleted]"
    return by_whom and (words in _WITHDRAWN or not words)
