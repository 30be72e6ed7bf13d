"""Mercado Libre: search in one country's marketplace, ``/sites/:site/search``.

Offers: what is on sale for given words: title, price, seller, place, picture. Documented at
developers.mercadolibre.com (items and searches).
Terms: the developers' terms and conditions; an application is registered in the country, and Mercado Libre
gives the search only to applications that it has approved for it (403 for others). Data may be shown and kept
only as those terms say.
Limits: 50 items a page, the first 1,000 of a search; a limit of calls for each application (429), which the
application's page states (``reads.calls_a_day``).
Login: an account's refresh token in ``reads.token_file``; each one can be used once and is replaced; a token
lasts six hours, and a refresh token that nobody used for four to six months is void.
Cannot: results come by relevance, never newest first, so every pass walks to the end; a summary has neither
description nor date, so only titles are screened. Reporting has no API: ``channel`` is a letter.
Say the site as ``reads.market`` (MLB Brazil, MLA Argentina, MLM Mexico …); ``reads.base_url`` is
https://api.mercadolibre.com.
Not run against the live service.
"""

import re
from collections.abc import Mapping
from typing import Any

from connectors.shelves.shelf import (
    Ask,
    Manners,
    Row,
    Rows,
    WrongShape,
    part,
    pictures,
    price,
    rows_of,
    text,
    web,
)

PAGE = 50
MOST = 1_000
OVERLAP = 2


class MercadoLibre:
    """See :class:`connectors.shelves.shelf.Shelf`."""

    manners = Manners(
        newest_first=False,
        login="refresh",
        token_path="/oauth/token",  # noqa: S106 - an address
        searches=True,
        most_pages=MOST // (PAGE - OVERLAP) + 1,
        overlap=OVERLAP,
    )

    def __init__(self, market: str | None = None) -> None:
        self._site = market or "MLB"

    def key_headers(self, key: str) -> Mapping[str, str]:
        """A token of the account."""
        return {"Authorization": f"Bearer {key}"}

    def first(self, words: str) -> Ask:
        """The first page."""
        return self._from(0, words)

    def _from(self, offset: int, words: str) -> Ask:
        return Ask(f"/sites/{self._site}/search", {"q": words, "limit": PAGE, "offset": offset})

    def read(self, document: Any, asked: Ask) -> Rows:
        """Pages by offset, up to the total or to what may be asked for."""
        rows = rows_of(document, "results")
        total = part(document, "paging", "total")
        if not isinstance(total, int):
            raise WrongShape("the answer has no paging.total")
        offset = int(asked.query["offset"])
        following = min(offset + PAGE - OVERLAP, MOST - PAGE)
        more = bool(rows) and offset + PAGE < total and following > offset
        return Rows(rows, self._from(following, str(asked.query["q"])) if more else None)

    def fields(self, row: Row, base: str) -> dict[str, Any]:  # noqa: ARG002 - an item knows its address
        """One item."""
        seller, account = text(part(row, "seller", "nickname")), text(part(row, "seller", "id"))
        place = (text(part(row, "address", name)) for name in ("city_name", "state_name"))
        # Thumbnails are named in plain http; the same picture is there by https.
        image = re.sub(r"\Ahttp:", "https:", text(row.get("thumbnail")) or "")
        return {
            "listing_id": text(row.get("id")),
            "url": web(row.get("permalink")),
            "title": text(row.get("title")) or "",
            "category": text(row.get("category_id")),
            "price": price(row.get("price"), row.get("currency_id")),
            "seller": {"handle": seller, "account_id": account} if seller or account else None,
            "location": ", ".join(found for found in place if found) or None,
            "images": pictures([{"url": image}], "url"),
        }
