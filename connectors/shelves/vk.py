"""VK: ``newsfeed.search`` for public posts, ``wall.get`` for a community's, ``market.search`` for its goods.

Offers: posts that hold given words, newest first; one wall; the goods of one community with prices and
pictures. Documented at dev.vk.com.
Terms: VK's rules for developers; a service key of a registered application (goods need a user's).
Limits: a search shows at most its first 1,000 posts; requests a second are limited by kind of key.
Cannot: without ``start_time`` a search reaches back one day, so all is asked for; the name behind an author's
number is not asked for; comments and closed walls are not read. Errors come with status 200 and a code.
``reads.words`` are words, ``wall:OWNER`` or ``market:OWNER WORDS`` (a community's number with a minus sign).
``reads.base_url`` is https://api.vk.com. Not run against the live service.
"""

from collections.abc import Mapping
from typing import Any

from connectors.errors import ConnectorError, PlatformRefused, PlatformUnavailable
from connectors.shelves.shelf import (
    Ask,
    Manners,
    Row,
    Rows,
    SearchRefused,
    instant,
    part,
    pictures,
    price,
    rows_of,
    several,
    text,
)

VERSION = "5.199"
PAGE, WALL = 200, 100
OVERLAP = 5
"""Rows that a page by offset repeats, so that what goes meanwhile moves nothing past us."""

LATER: Mapping[int, tuple[str, float | None]] = {
    1: ("server_error", None),
    6: ("throttled", 1.0),
    9: ("throttled", 60.0),
    10: ("server_error", None),
    29: ("throttled", 3_600.0),
}
"""Codes after which to come back, and after how many seconds."""
REFUSED: Mapping[int, str] = {5: "unauthorised", 7: "unauthorised"}
"""Other codes after which a person should look; any further one is ``refused``."""
THIS_ONE: Mapping[int, str] = {15: "unauthorised", 18: "not_found"}
"""Codes of one wall or community that is closed or gone; the other searches go on."""


class VK:
    """See :class:`connectors.shelves.shelf.Shelf`."""

    manners = Manners(newest_first=True, login="key", searches=True, most_pages=20)

    def key_headers(self, key: str) -> Mapping[str, str]:
        """The key, not in the address, where it would be logged on the way."""
        return {"Authorization": f"Bearer {key}"}

    def first(self, words: str) -> Ask:
        """Newest first."""
        kind, _, rest = words.partition(":")
        if kind == "wall" and rest:
            return _ask("wall.get", {"owner_id": rest, "count": WALL, "offset": 0})
        if kind == "market" and rest:
            owner, _, what = rest.partition(" ")
            goods: dict[str, str | int] = {"owner_id": owner, "q": what, "sort": 1, "rev": 1}
            return _ask("market.search", {**goods, "count": PAGE, "offset": 0})
        return _ask("newsfeed.search", {"q": words, "count": PAGE, "start_time": 1})

    def read(self, document: Any, asked: Ask) -> Rows:
        """A search goes on where it says; a wall and goods by offset."""
        rows = rows_of(part(document, "response"), "items")
        if "offset" not in asked.query:
            following = text(part(document, "response", "next_from"))
            return Rows(
                rows, Ask(asked.path, {**asked.query, "start_from": following}) if following else None
            )
        size, offset = int(asked.query["count"]), int(asked.query["offset"])
        further = Ask(asked.path, {**asked.query, "offset": offset + size - OVERLAP})
        return Rows(rows, further if len(rows) >= size else None)

    def trouble(self, status: int, document: Any) -> ConnectorError | None:
        """What the code in an answer with status 200 means."""
        code = part(document, "error", "error_code")
        if not isinstance(code, int):
            return None
        if code in LATER:
            reason, wait = LATER[code]
            return PlatformUnavailable(reason, f"error {code}", retry_after_s=wait, http_status=status)
        if code in THIS_ONE:
            return SearchRefused(THIS_ONE[code], f"error {code}", http_status=status)
        return PlatformRefused(REFUSED.get(code, "refused"), f"error {code}", http_status=status)

    def fields(self, row: Row, base: str) -> dict[str, Any]:
        """One post, or one thing on sale."""
        owner, number = text(row.get("owner_id")), text(row.get("id"))
        identity = f"{owner}_{number}" if owner and number else None
        goods = "price" in row
        place = f"market{owner}?w=product{identity}" if goods else f"wall{identity}"
        photos = [part(one, "photo", "sizes") for one in several(row.get("attachments"))]
        largest = [sizes[-1] for sizes in photos if isinstance(sizes, list) and sizes]
        return {
            "listing_id": identity,
            "url": f"{base}/{place}" if identity else None,
            "title": text(row.get("title")) or "",
            "description": text(row.get("description" if goods else "text")) or "",
            "category": text(part(row, "category", "name")),
            "price": price(
                part(row, "price", "amount"), part(row, "price", "currency", "name"), minor_unit=2
            ),
            "seller": {"account_id": text(row.get("from_id")) or owner} if owner else None,
            "images": pictures([{"url": row.get("thumb_photo")}, *largest], "url"),
            "posted_at": instant(row.get("date")),
        }


def _ask(method: str, query: Mapping[str, str | int]) -> Ask:
    return Ask(f"/method/{method}", {**query, "v": VERSION})
