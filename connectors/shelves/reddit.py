"""Reddit: the Data API, new posts and comments: ``/r/NAME/new``, ``/r/NAME/comments``, ``/search``.

Offers: public posts and comments of a community, or posts that hold given words, newest first. Documented at
reddit.com/dev/api.
Terms: Reddit's Data API Terms; the application is registered, and uses beyond research and small tools need
an agreement. A program says who it is: ``user_agent: "PLATFORM:APP:VERSION (by /u/NAME)"``; others are
slowed.
Limits: 100 rows a page, about 1,000 rows of a listing; X-Ratelimit-Remaining and -Reset tell what is left of
a window and are obeyed.
Cannot: nothing below the first thousand; an edit is seen only while it is in reach; a removal is not told.
``reads.words`` are ``r/NAME`` (posts), ``r/NAME/comments``, or words to search for. ``reads.base_url`` is
https://oauth.reddit.com and ``reads.token_url`` https://www.reddit.com/api/v1/access_token.
Not run against the live service.
"""

import re
from collections.abc import Mapping
from typing import Any

from connectors.errors import ConnectorError
from connectors.shelves.shelf import (
    Ask,
    Manners,
    Row,
    Rows,
    SearchRefused,
    WrongShape,
    instant,
    part,
    pictures,
    rows_of,
    several,
    text,
)

PAGE = 100
_CLOSED = frozenset({"private", "banned", "quarantined", "gold_only"})
_COMMUNITY = re.compile(r"/?r/([A-Za-z0-9_]{2,21})(/comments)?/?")


class Reddit:
    """See :class:`connectors.shelves.shelf.Shelf`."""

    manners = Manners(
        newest_first=True,
        login="credentials",
        token_path="/api/v1/access_token",  # noqa: S106 - an address
        token_form={"grant_type": "client_credentials"},
        searches=True,
        most_pages=10,
        user_agent=r"[^:()]+:[^:()]+:[^:()]+ \(by /u/[A-Za-z0-9_-]+\)",
    )

    def key_headers(self, key: str) -> Mapping[str, str]:
        """A token of the application."""
        return {"Authorization": f"Bearer {key}"}

    def first(self, words: str) -> Ask:
        """The newest of a community, or of what a search finds."""
        plain: dict[str, str | int] = {"limit": PAGE, "raw_json": 1}
        if found := _COMMUNITY.fullmatch(words.strip()):
            return Ask(f"/r/{found[1]}/{'comments' if found[2] else 'new'}", plain)
        return Ask("/search", {**plain, "q": words, "sort": "new", "type": "link"})

    def read(self, document: Any, asked: Ask) -> Rows:
        """Pages go on after a row's full name, which no newer row moves."""
        if part(document, "kind") != "Listing":
            raise WrongShape("the answer is no Listing")
        rows = rows_of(part(document, "data"), "children")
        after = text(part(document, "data", "after"))
        return Rows(rows, Ask(asked.path, {**asked.query, "after": after}) if after else None)

    def trouble(self, status: int, document: Any) -> ConnectorError | None:
        """One community may be closed or banned, which is no refusal of us."""
        why = text(part(document, "reason"))
        if status in (403, 404) and why in _CLOSED:
            reason = "not_found" if status == 404 else "refused"
            return SearchRefused(reason, f"HTTP {status}: the community is {why}", http_status=status)
        return None

    def fields(self, row: Row, base: str) -> dict[str, Any]:
        """One post or comment."""
        data = row.get("data")
        path = text(part(data, "permalink"))
        author = text(part(data, "author"))
        edited = part(data, "edited")
        return {
            "listing_id": text(part(data, "name")),
            "url": f"{base}{path}" if path and path.startswith("/") else None,
            "title": text(part(data, "title")) or "",
            "description": text(part(data, "selftext")) or text(part(data, "body")) or "",
            "category": text(part(data, "subreddit_name_prefixed")),
            "seller": {"handle": author, "account_id": text(part(data, "author_fullname"))}
            if author
            else None,
            "images": pictures(
                [part(one, "source") for one in several(part(data, "preview", "images"))], "url"
            ),
            "posted_at": instant(part(data, "created_utc")),
            "revision": text(edited) if not isinstance(edited, bool) else None,
        }
