"""YouTube: the Data API v3, ``search`` for videos and ``commentThreads`` for what is written below them.

Offers: public videos that hold given words, newest first, with title, the beginning of the description,
channel and picture; and the comments on a video or on all of a channel.
Documented at developers.google.com/youtube/v3.
Terms: YouTube API Services Terms of Service; a project's key; what is kept must be refreshed or deleted.
Limits: quota is counted in units: a page of comments is 1 of 10,000 a day; searches have 100 a day of their
own. A search is counted here as 100 of ``reads.calls_a_day`` (set it to 10000), so that neither is passed.
Days end at midnight in California; ours (UTC) end earlier, and quotaExceeded is obeyed.
Cannot: descriptions in a search are cut; replies to comments, live chat and captions are not read. A video
whose comments are switched off is passed over and told in the log. Reporting needs a user's login: not built.
``reads.words`` are words, ``comments:VIDEO_ID`` or ``channel:CHANNEL_ID``. ``reads.base_url`` is
https://www.googleapis.com. Not run against the live service.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from connectors.errors import ConnectorError, PlatformUnavailable
from connectors.pages import moment
from connectors.shelves.shelf import (
    Ask,
    Manners,
    Row,
    Rows,
    SearchRefused,
    part,
    pictures,
    rows_of,
    several,
    text,
)
from schemas.references import characters

SEARCH_UNITS = 100
SPENT_S = 3_600.0
_SPENT = frozenset({"quotaExceeded", "dailyLimitExceeded", "rateLimitExceeded", "userRateLimitExceeded"})
_THIS_ONE = ("commentsDisabled", "videoNotFound", "channelNotFound")
_BELOW = {"comments": "videoId", "channel": "allThreadsRelatedToChannelId"}


class YouTube:
    """See :class:`connectors.shelves.shelf.Shelf`."""

    manners = Manners(newest_first=True, login="key", searches=True, most_pages=10)

    def key_headers(self, key: str) -> Mapping[str, str]:
        """The project's key, not in the address, where it would be logged on the way."""
        return {"X-Goog-Api-Key": key}

    def first(self, words: str) -> Ask:
        """Newest first."""
        kind, _, rest = words.partition(":")
        if kind in _BELOW and rest:
            order: dict[str, str | int] = {"maxResults": 100, "order": "time", "textFormat": "plainText"}
            return Ask("/youtube/v3/commentThreads", {"part": "snippet", _BELOW[kind]: rest, **order})
        query: dict[str, str | int] = {"part": "snippet", "q": words, "type": "video", "order": "date"}
        return Ask("/youtube/v3/search", {**query, "maxResults": 50}, cost=SEARCH_UNITS)

    def read(self, document: Any, asked: Ask) -> Rows:
        """Pages follow each other by a token."""
        rows = rows_of(document, "items")
        token = text(part(document, "nextPageToken"))
        return Rows(
            rows, Ask(asked.path, {**asked.query, "pageToken": token}, cost=asked.cost) if token else None
        )

    def trouble(self, status: int, document: Any) -> ConnectorError | None:
        """Quota that is spent is said as 403, like a key that is not taken and comments that are off."""
        reasons = {text(part(one, "reason")) for one in several(part(document, "error", "errors"))}
        if status == 403 and reasons & _SPENT:
            return PlatformUnavailable(
                "throttled", "the day's quota is spent", retry_after_s=SPENT_S, http_status=status
            )
        if (found := next((one for one in _THIS_ONE if one in reasons), None)) is not None:
            reason = "not_found" if status == 404 else "refused"
            return SearchRefused(reason, f"HTTP {status}: {found}", http_status=status)
        return None

    def fields(self, row: Row, base: str) -> dict[str, Any]:
        """One video, or the first comment of a thread."""
        comment = part(row, "snippet", "topLevelComment", "snippet")
        return _video(row, base) if comment is None else _comment(row, comment, base)


def _video(row: Row, base: str) -> dict[str, Any]:
    video, said = text(part(row, "id", "videoId")), row.get("snippet")
    channel = text(part(said, "channelTitle"))
    sizes = [part(said, "thumbnails", size) for size in ("high", "medium", "default")]
    return {
        "listing_id": video,
        "url": f"{base}/watch?v={quote(video, safe='')}" if video else None,
        "title": characters(text(part(said, "title")) or ""),
        "description": characters(text(part(said, "description")) or ""),
        "seller": {"handle": channel, "account_id": text(part(said, "channelId"))} if channel else None,
        "images": pictures(sizes, "url")[:1],
        "posted_at": moment(part(said, "publishedAt")),
    }


def _comment(row: Row, said: Any, base: str) -> dict[str, Any]:
    identity, video = text(row.get("id")), text(part(row, "snippet", "videoId"))
    author, place = text(part(said, "authorDisplayName")), f"{base}/watch?v={quote(video or '', safe='')}"
    return {
        "listing_id": identity,
        "url": f"{place}&lc={quote(identity, safe='')}" if identity and video else None,
        "title": "",
        "description": text(part(said, "textOriginal")) or text(part(said, "textDisplay")) or "",
        "seller": {"handle": author, "account_id": text(part(said, "authorChannelId", "value"))}
        if author
        else None,
        "posted_at": moment(part(said, "publishedAt")),
        "revision": text(part(said, "updatedAt")),
    }
