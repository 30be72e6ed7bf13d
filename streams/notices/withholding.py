"""A notice for a receiver that is not the seller's platform: who sells stands there by a keyed name. Pure."""

import re
from collections.abc import Callable, Sequence

from schemas.listing import Seller
from schemas.notice import Notice, NoticeItem
from schemas.watchlist import NAMING

_SHORTEST = 3
"""Shorter names are not looked for in texts: they stand in many words."""
_ENTRY = re.compile(rf"\b({'|'.join(sorted(NAMING, key=len, reverse=True))})\.[a-z0-9-]+\.[0-9a-f]{{8}}\b")
"""The id of a watchlist entry about somebody, which is made of its value."""


def withheld(notice: Notice, sellers: Sequence[Seller | None], keyed: Callable[[str], str]) -> Notice:
    """The notice without its sellers' names; ``sellers`` are those of its items, in their order.

    Handle and account id become one keyed name, in texts too; what was quoted of the seller's profile or of
    contacts is left out. The address stays, as the receiver must find the listing, and so do the words
    quoted of it.
    """
    reasons = _ENTRY.sub(r"an entry about a \1", notice.reasons)
    for seller in sellers:
        reasons = _without(reasons, seller, keyed)
    items = tuple(_item(item, seller, keyed) for item, seller in zip(notice.items, sellers, strict=True))
    return notice.model_copy(update={"items": items, "reasons": reasons})


def _item(item: NoticeItem, seller: Seller | None, keyed: Callable[[str], str]) -> NoticeItem:
    called = (seller.handle or seller.account_id or seller.profile_url) if seller else None
    return item.model_copy(
        update={
            "seller_handle": keyed(called) if called else None,
            "seller_account_id": None,
            "title": _without(item.title, seller, keyed),
            "quotes": tuple(one for one in item.quotes if one.field not in ("seller", "contact")),
        }
    )


def _without(text: str, seller: Seller | None, keyed: Callable[[str], str]) -> str:
    if seller is None:
        return text
    names = {one for one in (seller.handle, seller.account_id, seller.profile_url) if one}
    for name in sorted(names, key=len, reverse=True):
        if len(name) >= _SHORTEST:
            text = re.sub(re.escape(name), keyed(name), text, flags=re.IGNORECASE)
    return text
