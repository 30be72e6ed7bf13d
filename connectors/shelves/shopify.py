"""Shopify storefronts: ``/products.json``.

Offers: every published product of a shop with its text, pictures, tags and variants, to anybody; a shop can
switch it off, and then answers 401, 404 or a page.
Terms: it is a shop's public page; each shop's own terms of service and robots.txt hold.
Limits: 250 products a page, by page number; 429 when it is asked too fast (2 a second is kind).
Cannot: neither sort by time nor say what changed, so every pass walks through the shop; it names no currency
and no seller but the vendor, which is often a brand. Products in no sales channel do not appear.
Facts: the shape as shops serve it; it is not part of Shopify's documented APIs.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from connectors.markup import plain_text
from connectors.pages import moment
from connectors.shelves.shelf import Ask, Manners, Row, Rows, part, pictures, price, rows_of, several, text

PAGE = 250


class Shopify:
    """See :class:`connectors.shelves.shelf.Shelf`."""

    manners = Manners(newest_first=False, most_pages=400)

    def key_headers(self, key: str) -> Mapping[str, str]:  # noqa: ARG002 - the contract's argument
        """It takes none."""
        return {}

    def first(self, words: str) -> Ask:  # noqa: ARG002 - the contract's argument
        """All of the shop."""
        return Ask("/products.json", {"limit": PAGE, "page": 1})

    def read(self, document: Any, asked: Ask) -> Rows:
        """A page that is not full is the last one."""
        rows = rows_of(document, "products")
        following = Ask(asked.path, {"limit": PAGE, "page": int(asked.query["page"]) + 1})
        return Rows(rows, following if len(rows) >= PAGE else None)

    def fields(self, row: Row, base: str) -> dict[str, Any]:
        """One product; its price is that of its first variant."""
        handle = text(row.get("handle"))
        variants = several(row.get("variants"))
        tags = row.get("tags")
        words = [text(row.get("product_type")), *(several(tags) if isinstance(tags, list) else [tags])]
        return {
            "listing_id": text(row.get("id")),
            "url": f"{base}/products/{quote(handle, safe='')}" if handle else None,
            "title": text(row.get("title")) or "",
            "description": plain_text(text(row.get("body_html"))),
            "category": ", ".join(found for one in words if (found := text(one)))[:1_000] or None,
            "price": price(part(variants[0], "price"), None) if variants else None,
            "seller": {"handle": vendor} if (vendor := text(row.get("vendor"))) else None,
            "images": pictures(row.get("images"), "src"),
            "posted_at": moment(row.get("published_at")) or moment(row.get("created_at")),
        }
