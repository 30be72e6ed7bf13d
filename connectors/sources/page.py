"""One page with schema.org Product or Offer in JSON-LD as a source of listings."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any

from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.http import OutboundClient, reply_error
from connectors.mapping import Unusable, seal
from connectors.pages import Node, listing_fields, read_page
from connectors.platform import Page
from schemas.dead_letter import DeadLetter, dead_letter
from schemas.listing import Listing
from schemas.message import digest

PAGE_CAP = 4 * 1024 * 1024
"""Bytes of one page."""


class PageSource:
    """The products of one page. Its cursor holds the page's validators and what was seen."""

    def __init__(
        self,
        url: str,
        *,
        platform: str,
        client: OutboundClient,
        now: Callable[[], datetime],
        run_id: str = "page",
    ) -> None:
        self._url = url
        self._platform = platform
        self._client = client
        self._now = now
        self._run_id = run_id

    async def read(self, since: str | None) -> AsyncIterator[Page]:
        """One look: the products that are new or changed. Nothing changed: no page.

        Raises:
            PlatformUnavailable: go on later from the last cursor.
            PlatformRefused: the address is refused, or the page describes no product.
        """
        held = _held(since)
        headers = {"Accept": "text/html, */*;q=0.5"}
        if held.get("etag"):
            headers["If-None-Match"] = str(held["etag"])
        if held.get("modified"):
            headers["If-Modified-Since"] = str(held["modified"])
        reply = await self._client.request("GET", self._url, headers=headers, cap=PAGE_CAP)
        if reply.status == 304:
            return
        if reply.status != 200:
            raise reply_error(reply, self._now())
        if not reply.complete:
            raise PlatformUnavailable(
                "bad_reply", f"the page is longer than {PAGE_CAP} bytes", http_status=200
            )
        document = read_page(reply.body, reply.headers.get("content-type", ""))
        known: Mapping[str, str] = held.get("seen") or {}
        if not document.products:
            why = f"{self._url} describes no product in schema.org JSON-LD"
            if known:  # It did before: somebody's page stands in front of it for a while.
                raise PlatformUnavailable("bad_reply", why, http_status=200)
            raise PlatformRefused("invalid", why)
        now = self._now()
        seen: dict[str, str] = {}
        fresh: list[Listing] = []
        aside: list[DeadLetter] = []
        for product in document.products:
            made = self._listing(product, document.language, now)
            identity = made.dead_letter_id if isinstance(made, DeadLetter) else made.listing_id
            mark = "-" if isinstance(made, DeadLetter) else made.content_hash[:16]
            if identity not in seen and known.get(identity) != mark:
                aside += [made] if isinstance(made, DeadLetter) else []
                fresh += [made] if isinstance(made, Listing) else []
            seen[identity] = mark
        cursor = {
            "etag": reply.headers.get("etag"),
            "modified": reply.headers.get("last-modified"),
            "seen": seen,
        }
        yield Page(tuple(fresh), tuple(aside), json.dumps(cursor, separators=(",", ":")))

    def _listing(self, product: Node, language: str | None, now: datetime) -> Listing | DeadLetter:
        fields = {
            **listing_fields(product, self._url, language),
            "platform": self._platform,
            "connector": "page",
            "run_id": self._run_id,
            "observed_at": now,
        }
        try:
            return seal(fields, now=now)
        except Unusable as refusal:
            raw = json.dumps(product, sort_keys=True, default=str).encode("utf-8", "replace")
            return dead_letter(
                stage="connector",
                reason=refusal.reason,
                detail=refusal.detail,
                value=raw,
                now=now,
                origin=f"{self._url}#{digest([raw])[:16]}",
                worker=self._run_id,
            )


def _held(since: str | None) -> dict[str, Any]:
    """An unreadable cursor means: everything is new, which repeats and loses nothing."""
    try:
        held = json.loads(since) if since else {}
    except ValueError:
        return {}
    return held if isinstance(held, dict) and isinstance(held.get("seen", {}), dict) else {}
