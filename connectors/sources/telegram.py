"""Telegram: the posts of channels, by the Bot API's ``getUpdates``.

Offers: posts and edits of every channel in which the bot is a member (an administrator of the channel puts it
there), with text or caption, channel and time. Documented at core.telegram.org/bots/api#getupdates.
Terms: Telegram's Bot Platform Developer Terms; a bot has one owner, and its token is all of its rights.
Limits: 100 updates a request. The server keeps an update for 24 hours: a source that stands still for longer
has lost what came first. Two that ask with one token hang each other up (409), and so does a webhook.
Cannot: nothing from before the bot came; deletions are not told; pictures have addresses that hold the token,
so they are left out; comments live in another group. Reporting is not offered to bots.
``reads.key`` is the token; ``reads.words`` are the channels (``@name`` or the number), absent: all of them.
``reads.base_url`` is https://api.telegram.org, or a Bot API server of one's own; the platform's ``base_url``
is https://t.me. Nothing but posts of channels is kept of what the bot hears.
Not run against the live service.

**The offset.** ``offset=N`` confirms every update below N, and the server deletes it. So it is asked for only
after the page before it was published and its cursor saved. After a week without updates their numbers begin
anew anywhere: an offset so old is left out, which confirms nothing. A server whose numbers all lie below the
offset answers from the start of its queue, so the next offset follows what came, not the one that was asked.
The token is part of the path: no address is ever put into an error, a log or a dead letter here.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from connectors.channels.plain import plain_line
from connectors.errors import ConnectorError, PlatformRefused, PlatformUnavailable
from connectors.http import RETRY_AFTER_MAX_S, RETRY_AFTER_MIN_S, OutboundClient, Reply, reply_error
from connectors.mapping import Unusable, seal
from connectors.pace import Pace
from connectors.pages import moment
from connectors.platform import Page
from connectors.replies import json_of
from connectors.shelves.shelf import Manners, instant, part, text
from schemas.dead_letter import DeadLetter, dead_letter
from schemas.errors import OperatorError
from schemas.listing import Listing

MANNERS = Manners(newest_first=False, login="key")
AT_ONCE = 100
CAP = 8 * 1024 * 1024
"""Bytes of one answer: a hundred of the longest posts have fewer."""
MOST_PAGES = 10_000
"""Of one pass."""
RENUMBERED = timedelta(days=6)
"""An offset that old is not asked for: after a week the numbers may begin anew."""
LONGEST_WAIT_S = 20
_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{20,200}")
_POSTS = ("channel_post", "edited_channel_post")
_SHOWS = ("photo", "video", "animation", "document")


@dataclass(frozen=True, slots=True)
class Offset:
    """Where to go on, and since when that has been so."""

    number: int
    at: datetime

    def to_text(self) -> str:
        """For the cursor."""
        return json.dumps({"offset": self.number, "at": self.at.isoformat()})

    @classmethod
    def from_text(cls, held: str | None) -> "Offset | None":
        """An unreadable cursor confirms nothing: what the server still has is read again."""
        try:
            found = json.loads(held) if held else None
        except ValueError:
            return None
        number, at = part(found, "offset"), moment(part(found, "at"))
        return cls(number, at) if _is_number(number) and at is not None else None


class TelegramSource:
    """One bot as a source of one platform's listings."""

    def __init__(
        self,
        *,
        platform: str,
        pages: str,
        api: str,
        token: SecretStr,
        client: OutboundClient,
        pace: Pace,
        now: Callable[[], datetime],
        run_id: str,
        channels: Sequence[str] = (),
        follow: bool = False,
        keep: bool = False,
    ) -> None:
        """``pages``: where people see posts. ``follow``: stay and wait. ``keep``: look at the first page
        only, and confirm nothing.

        Raises:
            OperatorError: the key is no token of a bot.
        """
        if not _TOKEN.fullmatch(token.get_secret_value()):
            raise OperatorError(
                f"{platform}.reads.key: this is no bot's token: @BotFather gives one like 123456:letters."
            )
        self._platform = platform
        self._pages = pages
        self._api = api
        self._token = token
        self._client = client
        self._pace = pace
        self._now = now
        self._run_id = run_id
        self._channels = frozenset(_plain_name(one) for one in channels)
        self._follow = follow
        self._keep = keep
        limits = client.limits
        most = int(min(limits.read_s, limits.total_s) / 2)
        self._wait_s = max(1, min(most, LONGEST_WAIT_S)) if follow else 1

    async def read(self, since: str | None) -> AsyncIterator[Page]:
        """What has come; when following, also what comes. The next page is asked for, and with it this one
        deleted at the server, only when the reader comes back for more.

        Raises:
            PlatformUnavailable: go on later from the last cursor.
            PlatformRefused: a person should look.
        """
        offset = Offset.from_text(since)
        asked = 0
        while self._follow or asked < MOST_PAGES:
            asked += 1
            if offset is not None and self._now() - offset.at > RENUMBERED:
                offset = None
            updates = await self._updates(offset)
            if not updates:
                if not self._follow:
                    return
                yield Page((), (), at_end=True)
                continue
            numbers = [number for one in updates if _is_number(number := part(one, "update_id"))]
            if not numbers:
                raise PlatformUnavailable("bad_reply", "the updates have no numbers", http_status=200)
            following = max(numbers) + 1
            if offset is not None and following == offset.number:
                raise PlatformUnavailable(
                    "bad_reply", "the server gives out again what was confirmed", http_status=200
                )
            offset = Offset(following, self._now())
            yield self._page(updates, offset)
            if self._keep:
                return

    def _page(self, updates: Sequence[Any], offset: Offset) -> Page:
        now = self._now()
        made = [self._listing(one, now) for one in updates]
        return Page(
            tuple(one for one in made if isinstance(one, Listing)),
            tuple(one for one in made if isinstance(one, DeadLetter)),
            offset.to_text(),
        )

    def _listing(self, update: Any, now: datetime) -> Listing | DeadLetter | None:
        """``None``: not for us (another channel, a message to the bot, a notice of Telegram's own)."""
        post: Any = None
        if isinstance(update, Mapping):
            name = next((one for one in _POSTS if one in update), None)
            if name is None:
                return None
            post = update[name]
        try:
            if not isinstance(post, Mapping):
                raise Unusable("wrong_shape", "The update is no post.")
            if not self._wanted(post):
                return None
            return seal(
                {
                    **post_fields(post, self._pages),
                    "platform": self._platform,
                    "connector": "telegram",
                    "run_id": self._run_id,
                    "observed_at": now,
                },
                now=now,
            )
        except Unusable as refusal:
            return dead_letter(
                stage="connector",
                reason=refusal.reason,
                detail=refusal.detail,
                value=json.dumps(update, default=str, sort_keys=True).encode("utf-8", "replace"),
                now=now,
                origin=f"{self._platform} getUpdates#{text(part(update, 'update_id')) or '?'}",
                worker=self._run_id,
            )

    def _wanted(self, post: Mapping[str, Any]) -> bool:
        """Of a channel that was named, and more than a notice of Telegram's own; a post that nobody can tell
        is wanted, so that it is set aside."""
        chat = post.get("chat")
        if text(part(chat, "id")) is None:
            return True
        names = {_plain_name(text(part(chat, one)) or "") for one in ("id", "username")}
        if self._channels and not names & self._channels:
            return False
        return _said(post) is not None or any(one in post for one in _SHOWS)

    async def _updates(self, offset: Offset | None) -> list[Any]:
        silent = self._pace.silent_for_s
        if silent > 0:
            raise PlatformUnavailable(
                "throttled", "the platform asked to be left alone", retry_after_s=silent
            )
        await self._pace.turn()
        query: dict[str, str | int] = {"limit": AT_ONCE, "timeout": self._wait_s}
        if offset is not None:
            query["offset"] = offset.number
        query["allowed_updates"] = json.dumps(_POSTS)
        url = f"{self._api}/bot{self._token.get_secret_value()}/getUpdates?{urlencode(query)}"
        reply = await self._client.request("GET", url, headers={"Accept": "application/json"}, cap=CAP)
        if reply.status != 200:
            error = self._trouble(reply)
            if isinstance(error, PlatformUnavailable) and error.retry_after_s is not None:
                self._pace.be_silent(error.retry_after_s)
            raise error
        if not reply.complete:
            raise PlatformUnavailable("bad_reply", f"the answer is longer than {CAP} bytes", http_status=200)
        document = json_of(reply.body)
        updates = part(document, "result")
        if part(document, "ok") is not True or not isinstance(updates, list):
            raise PlatformUnavailable("bad_reply", "the answer holds no updates", http_status=200)
        return updates

    def _trouble(self, reply: Reply) -> ConnectorError:
        """By the status; the API's own words go along, without the token that they might repeat."""
        error = reply_error(reply, self._now())
        try:
            document = json_of(reply.body) if reply.complete else None
        except PlatformUnavailable:
            document = None
        told = (text(part(document, "description")) or "").replace(self._token.get_secret_value(), "…")
        if told:
            error.detail += f": {plain_line(told, 200)}"
        wait = part(document, "parameters", "retry_after")
        if isinstance(error, PlatformUnavailable) and _is_number(wait):
            error.retry_after_s = min(max(float(wait), RETRY_AFTER_MIN_S), RETRY_AFTER_MAX_S)
        if reply.status == 401:
            # No signature is in play that a clock could spoil.
            return PlatformRefused("unauthorised", f"the bot's token is not taken ({error.detail})")
        return error


def post_fields(post: Mapping[str, Any], base: str) -> dict[str, Any]:
    """One post as fields of a listing. ``base`` is where people see posts; a channel without a public name is
    seen by its members only."""
    chat = post.get("chat")
    channel, number, name = (
        text(part(chat, "id")),
        text(post.get("message_id")),
        text(part(chat, "username")),
    )
    place = quote(name, safe="") if name else f"c/{(channel or '').removeprefix('-100')}"
    fields = {
        "listing_id": f"{channel}_{number}" if channel and number else None,
        "url": f"{base}/{place}/{number}",
        "title": "",
        "description": _said(post) or "",
        "category": text(part(chat, "title")),
        "seller": {
            "handle": name or text(part(chat, "title")),
            "account_id": channel,
            "profile_url": f"{base}/{place}" if name else None,
        },
        "posted_at": instant(post.get("date")),
        "revision": text(post.get("edit_date")),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _said(post: Mapping[str, Any]) -> str | None:
    return text(post.get("text")) or text(post.get("caption"))


def _plain_name(channel: str) -> str:
    return channel.strip().removeprefix("https://t.me/").removeprefix("@").casefold()


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
