"""WooCommerce shops: the Store API, ``/wp-json/wc/store/v1/products``.

Offers: every published product with text, pictures, categories and a price in minor units with its currency,
to anybody, newest first. Documented at developer.woocommerce.com/docs/apis/store-api.
Terms: it is what the shop's own pages use; each shop's terms and robots.txt hold.
Limits: 100 products a page; a shop may set a rate limit of its own (429, Retry-After).
Cannot: no seller (a shop is one), no language, no time at which a product was put up; reviews are left alone.
A changed product does not move up, so what was changed is seen when a pass walks to the end
(``reads.whole_every``).
"""

from collections.abc import Mapping
from typing import Any

from connectors.markup import plain_text
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

PAGE = 100
OVERLAP = 5


class WooCommerce:
    """See :class:`connectors.shelves.shelf.Shelf`."""

    manners = Manners(newest_first=True, most_pages=1_000, overlap=OVERLAP)

    def key_headers(self, key: str) -> Mapping[str, str]:  # noqa: ARG002 - the contract's argument
        """It takes none."""
        return {}

    def first(self, words: str) -> Ask:
        """All of the shop, or what its search finds."""
        return self._from(0, words)

    def _from(self, offset: int, words: str) -> Ask:
        search = {"search": words} if words else {}
        return Ask(
            "/wp-json/wc/store/v1/products",
            {"per_page": PAGE, "offset": offset, "orderby": "date", "order": "desc", **search},
        )

    def read(self, document: Any, asked: Ask) -> Rows:
        """A page that is not full is the last one."""
        rows = rows_of(document)
        offset = int(asked.query["offset"]) + PAGE - OVERLAP
        following = self._from(offset, str(asked.query.get("search", "")))
        return Rows(rows, following if len(rows) >= PAGE else None)

    def fields(self, row: Row, base: str) -> dict[str, Any]:  # noqa: ARG002 - a product knows its address
        """One product."""
        prices = row.get("prices")
        unit = part(prices, "currency_minor_unit")
        names = (text(part(one, "name")) for one in several(row.get("categories")))
        texts = (plain_text(text(row.get(name))) for name in ("short_description", "description"))
        return {
            "listing_id": text(row.get("id")),
            "url": web(row.get("permalink")),
            "title": plain_text(text(row.get("name"))),
            "description": "\n".join(found for found in texts if found),
            "category": ", ".join(name for name in names if name)[:1_000] or None,
            "price": price(
                part(prices, "price"),
                part(prices, "currency_code"),
                minor_unit=unit if isinstance(unit, int) and 0 <= unit <= 4 else 0,
            ),
            "images": pictures(row.get("images"), "src"),
        }
