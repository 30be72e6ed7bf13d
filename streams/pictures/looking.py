"""Which listings' pictures are fetched, and what becomes of a listing then. Pure but for the fetching itself,
which is handed in."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import ValidationError

from schemas.listing import Fetched, Image, Listing

OLDEST = timedelta(days=1)
"""A listing that was seen longer ago is left as it is: its pictures would be those of today."""


class NotFetched(Protocol):
    """Why a picture has no hashes; see :mod:`connectors.pictures.fetching`."""

    @property
    def reason(self) -> str: ...


Fetch = Callable[[str], Awaitable[Fetched | NotFetched]]


@dataclass(frozen=True, slots=True)
class Wish:
    """How one platform's pictures are fetched."""

    fetch: Fetch
    most: int
    """Of one listing."""


def wanted(
    key: bytes | None, value: bytes | None, wishes: Mapping[str, Wish], now: datetime
) -> Listing | None:
    """The listing of a record whose pictures are to be fetched; ``None``: there is nothing to do.

    A record that cannot be read is screening's to set aside.
    """
    platform = (key or b"").partition(b":")[0].decode("utf-8", "replace")
    if platform not in wishes or not value:
        return None
    try:
        listing = Listing.model_validate_json(value)
    except (ValidationError, RecursionError):
        return None
    if listing.platform not in wishes or listing.gone or not listing.images:
        return None
    # What we wrote ourselves comes by again.
    if any(image.fetched for image in listing.images) or listing.observed_at < now - OLDEST:
        return None
    return listing


async def looked_at(listing: Listing, wish: Wish, *, became: Callable[[str], None]) -> Listing | None:
    """The same snapshot with the hashes of its pictures; ``None``: none could be fetched.

    ``became`` is told of each picture what became of it.
    """
    addresses = list(dict.fromkeys(image.url for image in listing.images))[: wish.most]
    found = dict(zip(addresses, await asyncio.gather(*map(wish.fetch, addresses)), strict=True))
    for one in found.values():
        became("fetched" if isinstance(one, Fetched) else one.reason)
    if not any(isinstance(one, Fetched) for one in found.values()):
        return None
    return listing.model_copy(update={"images": tuple(_with(image, found) for image in listing.images)})


def _with(image: Image, found: Mapping[str, Fetched | NotFetched]) -> Image:
    one = found.get(image.url)
    return image.model_copy(update={"fetched": one}) if isinstance(one, Fetched) else image
