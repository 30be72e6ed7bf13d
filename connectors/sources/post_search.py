"""Posts by search (``app.bsky.feed.searchPosts``): to fill a gap in the firehose, or to begin with.

Newest first, page by page, back to where the last whole search began: the cursor holds that time, and is
given only with the last page, so that a search that was cut short is begun again. While pages are read new
posts push the others down, so a page may repeat some and misses none. An app view looks no further back
than its own index goes. Where an account is configured it asks through that account's server, because many
app views let nobody else search.
"""

import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict

from connectors.atproto.posts import Found, Network, post_listing, split_uri
from connectors.atproto.session import Session, xrpc_error
from connectors.errors import PlatformUnavailable
from connectors.http import OutboundClient, Reply
from connectors.mapping import Unusable
from connectors.pace import Pace
from connectors.pages import moment
from connectors.platform import Page
from connectors.replies import read_whole
from connectors.shelves.shelf import part
from schemas.dead_letter import DeadLetter, dead_letter
from schemas.listing import Listing

METHOD = "app.bsky.feed.searchPosts"
AT_ONCE = 100
MOST_PAGES = 1_000
OVERLAP = timedelta(minutes=10)
"""An app view indexes a post some time after it was made."""
CAP = 8 * 1024 * 1024
WITHIN_S = 30.0


class _Found(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    posts: tuple[Any, ...]
    cursor: str | None = None


class PostSearch:
    """One search."""

    def __init__(
        self,
        words: str,
        network: Network,
        *,
        client: OutboundClient,
        app_view: str,
        session: Session | None,
        pace: Pace,
        now: Callable[[], datetime],
    ) -> None:
        self._words = words
        self._network = network
        self._client = client
        self._app_view = app_view
        self._session = session
        self._pace = pace
        self._now = now

    async def read(self, since: str | None) -> AsyncIterator[Page]:
        """One whole search.

        Raises:
            PlatformUnavailable: begin again later.
            PlatformRefused: the app view lets nobody search, or not us.
        """
        began = self._now()
        after = moment(since) if since else None
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            query = {"q": self._words, "sort": "latest", "limit": AT_ONCE}
            if after is not None:
                query["since"] = after.strftime("%Y-%m-%dT%H:%M:%SZ")
            if cursor is not None:
                query["cursor"] = cursor
            reply = await self._ask(query)
            if reply.status != 200:
                error = xrpc_error(reply, self._now())
                if isinstance(error, PlatformUnavailable) and error.retry_after_s is not None:
                    self._pace.be_silent(error.retry_after_s)
                raise error
            found = read_whole(reply, _Found)
            # Not every app view heeds "since": what is older is left out here, and ends the search.
            fresh = [post for post in found.posts if not _older(post, after)]
            made = [self._made(post) for post in fresh]
            last = not fresh or not found.cursor or found.cursor == cursor
            cursor = found.cursor
            yield Page(
                tuple(one for one in made if isinstance(one, Listing)),
                tuple(one for one in made if isinstance(one, DeadLetter)),
                (began - OVERLAP).isoformat() if last else None,
            )
            if last:
                return

    async def _ask(self, query: dict[str, Any]) -> Reply:
        if self._session is not None:
            return await self._session.call(
                "GET", METHOD, proxy=None, timeout_s=WITHIN_S, query=query, cap=CAP
            )
        silent = self._pace.silent_for_s
        if silent > 0:
            raise PlatformUnavailable(
                "throttled", "the platform asked to be left alone", retry_after_s=silent
            )
        await self._pace.turn()
        url = f"{self._app_view}/xrpc/{METHOD}?{urlencode(query)}"
        return await self._client.request("GET", url, headers={"Accept": "application/json"}, cap=CAP)

    def _made(self, post: Any) -> Listing | DeadLetter:
        now = self._now()
        uri, cid = part(post, "uri"), part(post, "cid")
        handle = part(post, "author", "handle")
        try:
            parts = split_uri(uri) if isinstance(uri, str) else None
            if parts is None:
                raise Unusable("wrong_shape", "What was found is no post.")
            return post_listing(
                Found(*parts, cid if isinstance(cid, str) else None, part(post, "record"), handle),
                self._network,
                now,
            )
        except Unusable as refusal:
            return dead_letter(
                stage="connector",
                reason=refusal.reason,
                detail=refusal.detail,
                value=json.dumps(post, sort_keys=True).encode("utf-8", "replace"),
                now=now,
                origin=str(uri)[:1_000],
                worker=self._network.run_id,
            )


def _older(post: Any, after: datetime | None) -> bool:
    """Whether the app view itself had the post before that time."""
    indexed = moment(part(post, "indexedAt"))
    return after is not None and indexed is not None and indexed < after
