"""Looking at a listing as any visitor would, and judging what was seen.

A platform counts as having removed something only when its page says so itself. Anything that could
also be a hiccup, a login wall or a block of our address is ``unknown``.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal

from connectors.errors import ConnectorError, PlatformRefused, PlatformUnavailable
from connectors.http import OutboundClient
from connectors.pages import Document, Node, read_page, words
from connectors.platform import Observation, ProbeTarget

State = Literal["online", "offline", "unknown"]
KEPT = 64 * 1024
"""Bytes of the page that an observation keeps."""

_BY_STATUS: Mapping[int, tuple[State, str]] = {
    401: ("unknown", "login_wall"),
    403: ("unknown", "login_wall"),
    404: ("offline", "not_found"),
    407: ("unknown", "login_wall"),
    410: ("offline", "gone"),
    429: ("unknown", "throttled"),
}


async def look(client: OutboundClient, target: ProbeTarget, now: Callable[[], datetime]) -> Observation:
    """Fetch the listing's page once and judge it. Never raises for what the outside does.

    ``at`` is the moment the answer was in.
    """
    try:
        reply = await client.request("GET", target.url, headers={"Accept": "text/html, */*;q=0.5"})
    except PlatformUnavailable as error:
        reason = "timeout" if error.reason == "timeout" else "unreachable"
        return Observation(state="unknown", reason=reason, at=now(), http_status=error.http_status)
    except PlatformRefused:  # an address that we do not fetch
        return Observation(state="unknown", reason="other", at=now())
    except ConnectorError:
        return Observation(state="unknown", reason="unreachable", at=now())
    state, reason = judge(reply.status, reply.headers.get("content-type", ""), reply.body, target)
    return Observation(
        state=state,
        reason=reason,
        at=now(),
        http_status=reply.status,
        body_sha256=hashlib.sha256(reply.body).hexdigest(),
        body=reply.body[:KEPT],
        exchange=reply.exchange,
    )


def judge(status: int, content_type: str, body: bytes, target: ProbeTarget) -> tuple[State, str]:
    """What a reply says about the listing: state, and the reason from :class:`Observation`'s closed set."""
    if status == 200:
        return _judge_page(read_page(body, content_type), target)
    if 300 <= status < 400:
        return "unknown", "redirected"
    if status >= 500:
        return "unknown", "server_error"
    return _BY_STATUS.get(status, ("unknown", "other"))


def _judge_page(page: Document, target: ProbeTarget) -> tuple[State, str]:
    # The listing's own content comes first: a page that calls itself removed and still shows it is online.
    if shows_listing(page, target):
        return "online", "page_shown"
    if page.listing_state == "removed":
        return "offline", "removed_notice"
    return "unknown", "login_wall" if page.asks_for_login else "other"


def shows_listing(page: Document, target: ProbeTarget) -> bool:
    """Whether the page describes this very listing; other products on the page do not count."""
    return any(_is_same(product, target) for product in page.products)


def _is_same(product: Node, target: ProbeTarget) -> bool:
    ids = {words(product.get(field)) for field in ("productID", "sku", "identifier")} - {None}
    if ids:
        return target.listing_id in ids
    addresses = {words(product.get(field)) for field in ("@id", "url")} - {None}
    return bool({address.rstrip("/") for address in addresses if address} & {target.url.rstrip("/")})
