"""Etsy: Open API v3, ``/v3/application/listings/active``.

Offers: active listings for given words, newest first, with description, price, shop and tags.
Documented at developers.etsy.com.
Terms: Etsy's API Terms of Use; an application key, which Etsy approves; what is shown must be kept fresh.
Limits: 100 listings a page, 12,000 a search; 10 calls a second and 10,000 a day unless agreed otherwise.
Cannot: no names of sellers in this call (the shop's number stands for the seller), and no sold listings.
The key is ``keystring:shared_secret``, as Etsy's page of an application shows it. Pictures are included
on request (``includes=Images``).
"""

from collections.abc import Mapping
from typing import Any

from connectors.shelves.shelf import (
    Ask,
    Manners,
    Row,
    Rows,
    instant,
    part,
    pictures,
    price,
    rows_of,
    several,
    text,
    web,
)

PAGE = 100
MOST = 12_000
OVERLAP = 5


class Etsy:
    """See :class:`connectors.shelves.shelf.Shelf`."""

    manners = Manners(
        newest_first=True, login="key", searches=True, most_pages=MOST // (PAGE - OVERLAP), overlap=OVERLAP
    )

    def key_headers(self, key: str) -> Mapping[str, str]:
        """The application's key."""
        return {"x-api-key": key}

    def first(self, words: str) -> Ask:
        """Newest first; sorting holds only together with words."""
        return self._from(0, words)

    def _from(self, offset: int, words: str) -> Ask:
        order = {"sort_on": "created", "sort_order": "desc", "includes": "Images"}
        return Ask(
            "/v3/application/listings/active", {"keywords": words, "limit": PAGE, "offset": offset, **order}
        )

    def read(self, document: Any, asked: Ask) -> Rows:
        """A page that is not full is the last one."""
        rows = rows_of(document, "results")
        offset = int(asked.query["offset"]) + PAGE - OVERLAP
        more = len(rows) >= PAGE and offset + PAGE <= MOST
        return Rows(rows, self._from(offset, str(asked.query["keywords"])) if more else None)

    def fields(self, row: Row, base: str) -> dict[str, Any]:
        """One listing."""
        identity = text(row.get("listing_id"))
        made = row.get("original_creation_timestamp") or row.get("creation_timestamp")
        shop = text(row.get("shop_id"))
        divisor = part(row, "price", "divisor")
        steps = {1: 0, 10: 1, 100: 2, 1_000: 3}.get(divisor) if isinstance(divisor, int) else None
        cost = part(row, "price", "amount") if steps is not None else None
        return {
            "listing_id": identity,
            "url": web(row.get("url")) or (f"{base}/listing/{identity}" if identity else None),
            "title": text(row.get("title")) or "",
            "description": text(row.get("description")) or "",
            "category": ", ".join(found for one in several(row.get("tags")) if (found := text(one)))[:1_000]
            or None,
            "price": price(cost, part(row, "price", "currency_code"), minor_unit=steps or 0),
            "seller": {"account_id": f"shop:{shop}"} if shop else None,
            "images": pictures(row.get("images"), "url_fullxfull", "url_570xN"),
            "language": text(row.get("language")),
            "posted_at": instant(made),
        }
