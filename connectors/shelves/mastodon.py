"""Mastodon and servers that speak its API: a hashtag's time line, ``/api/v1/timelines/tag/:hashtag``.

Offers: public posts with a hashtag that the server knows of, from its own users and from elsewhere, newest
first, with pictures and the language their authors state. Documented at docs.joinmastodon.org.
Terms: each server's rules, which /api/v1/instance states; many ask that automated readers say who they are.
Limits: 40 posts a page; by default 300 requests in five minutes for each address (429, X-RateLimit-Reset).
Cannot: a server sees only what reached it; where public access is switched off an access token is needed
(``reads.key``). Edits and deletions are not told: what was changed is seen only while it is in reach.
``reads.words`` are hashtags, without the #.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from connectors.markup import plain_text
from connectors.pages import moment
from connectors.shelves.shelf import Ask, Manners, Row, Rows, part, pictures, rows_of, several, text, web

PAGE = 40
_SPAN = re.compile(r"</?span[^<>]{0,200}>")
"""Around the words of a hashtag and the parts of an address, which belong together."""


class Mastodon:
    """See :class:`connectors.shelves.shelf.Shelf`."""

    manners = Manners(newest_first=True, login="may", searches=True, most_pages=50)

    def key_headers(self, key: str) -> Mapping[str, str]:
        """An access token."""
        return {"Authorization": f"Bearer {key}"}

    def first(self, words: str) -> Ask:
        """The newest posts with that hashtag."""
        tag = quote(words.strip().lstrip("#"), safe="")
        return Ask(f"/api/v1/timelines/tag/{tag}", {"limit": PAGE})

    def read(self, document: Any, asked: Ask) -> Rows:
        """Pages go on below the last post's id, which no newer post moves."""
        rows = rows_of(document)
        last = text(part(rows[-1], "id")) if rows else None
        following = Ask(asked.path, {"limit": PAGE, "max_id": last}) if last else None
        return Rows(rows, following)

    def fields(self, row: Row, base: str) -> dict[str, Any]:  # noqa: ARG002 - a post knows its address
        """One post; a warning that stands before it is part of its text."""
        account = row.get("account")
        written = [text(row.get(name)) or "" for name in ("spoiler_text", "content")]
        texts = [plain_text(_SPAN.sub("", one)) for one in written]
        tags = (text(part(one, "name")) for one in several(row.get("tags")))
        handle = text(part(account, "acct"))
        return {
            "listing_id": text(row.get("id")),
            "url": web(row.get("url")) or web(row.get("uri")),
            "title": "",
            "description": "\n".join(found for found in texts if found),
            "category": ", ".join(f"#{tag}" for tag in tags if tag)[:1_000] or None,
            "seller": {
                "handle": handle,
                "account_id": text(part(account, "id")),
                "profile_url": web(part(account, "url")),
            }
            if handle
            else None,
            "images": pictures(
                [one for one in several(row.get("media_attachments")) if part(one, "type") == "image"],
                "url",
                "remote_url",
            ),
            "language": text(row.get("language")),
            "posted_at": moment(row.get("created_at")),
            "revision": text(row.get("edited_at")),
        }
