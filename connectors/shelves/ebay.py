"""eBay: the Browse API, ``/buy/browse/v1/item_summary/search``.

Offers: what is on sale in one marketplace for given words, newest first: title, price, seller, place,
pictures, categories. Documented at developer.ebay.com/api-docs/buy/browse.
Terms: eBay's API License Agreement; the application is registered and approved for production, and the data
may not be kept longer than its rules say.
Limits: 200 items a page, 10,000 a search; 5,000 calls a day for a new application (``reads.calls_a_day``).
Cannot: a summary has no description, so only titles are screened; items on auction alone appear only because
the filter below asks for them. Reporting has no API: ``channel`` is a letter.
Words are searched in titles; say the marketplace as ``reads.market`` (for example EBAY_DE).
"""

from collections.abc import Mapping
from typing import Any

from connectors.pages import moment
from connectors.shelves.shelf import (
    Ask,
    Manners,
    Row,
    Rows,
    part,
    pictures,
    price,
    rows_of,
    several,
    text,
    web,
)

PAGE = 200
MOST = 10_000
OVERLAP = 5
SCOPE = "https://api.ebay.com/oauth/api_scope"


class EBay:
    """See :class:`connectors.shelves.shelf.Shelf`."""

    manners = Manners(
        newest_first=True,
        login="credentials",
        token_path="/identity/v1/oauth2/token",  # noqa: S106 - an address
        token_form={"grant_type": "client_credentials", "scope": SCOPE},
        searches=True,
        most_pages=MOST // (PAGE - OVERLAP),
        overlap=OVERLAP,
    )

    def __init__(self, market: str | None = None) -> None:
        self._market = market or "EBAY_US"

    def key_headers(self, key: str) -> Mapping[str, str]:
        """A token of the application."""
        return {"Authorization": f"Bearer {key}"}

    def first(self, words: str) -> Ask:
        """Newest first."""
        return self._from(0, words)

    def _from(self, offset: int, words: str) -> Ask:
        query: dict[str, str | int] = {
            "q": words,
            "sort": "newlyListed",
            "limit": PAGE,
            "offset": offset,
            "filter": "buyingOptions:{FIXED_PRICE|AUCTION|BEST_OFFER|CLASSIFIED_AD}",
        }
        return Ask("/buy/browse/v1/item_summary/search", query, {"X-EBAY-C-MARKETPLACE-ID": self._market})

    def read(self, document: Any, asked: Ask) -> Rows:
        """A search that finds nothing has no list at all, only a total of 0."""
        if part(document, "total") == 0:
            return Rows(())
        rows = rows_of(document, "itemSummaries")
        offset = int(asked.query["offset"]) + PAGE - OVERLAP
        more = bool(text(part(document, "next"))) and offset + PAGE <= MOST
        return Rows(rows, self._from(offset, str(asked.query["q"])) if more else None)

    def fields(self, row: Row, base: str) -> dict[str, Any]:  # noqa: ARG002 - an item knows its address
        """One item."""
        seller = text(part(row, "seller", "username"))
        names = (text(part(one, "categoryName")) for one in several(row.get("categories")))
        place = (text(part(row, "itemLocation", name)) for name in ("city", "stateOrProvince", "country"))
        cost = row.get("price") or row.get("currentBidPrice")
        images = [row.get("image"), *several(row.get("additionalImages"))]
        return {
            "listing_id": text(row.get("itemId")),
            "url": web(row.get("itemWebUrl")),
            "title": text(row.get("title")) or "",
            "description": text(row.get("shortDescription")) or "",
            "category": ", ".join(name for name in names if name)[:1_000] or None,
            "price": price(part(cost, "value"), part(cost, "currency")),
            "seller": {"handle": seller} if seller else None,
            "location": ", ".join(found for found in place if found) or None,
            "images": pictures(images, "imageUrl"),
            "posted_at": moment(row.get("itemCreationDate")),
        }
