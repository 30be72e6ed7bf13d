"""A listing that Kafka still keeps, looked up by its id: for ``takin rules explain``."""

from datetime import UTC, datetime

from schemas.errors import OperatorError
from schemas.listing import Listing
from schemas.topics import LISTINGS
from streams.local.records import consumer_of, up_to_now
from streams.screening.decode import Rejected, decode
from streams.screening.standing import read_standing
from streams.screening.topics import ScreeningTopics
from streams.screening.verdict import Screener


async def newest_snapshots(
    bootstrap: str, wanted: str, since: datetime, *, topic: str = LISTINGS.name
) -> list[Listing]:
    """The newest snapshot of each listing of that id; ``wanted`` is the id, or ``platform:id`` for one.

    Raises:
        OperatorError: no broker answers, or the topic is not there.
    """
    newest: dict[str, Listing] = {}
    async with consumer_of(bootstrap, topic) as (consumer, partitions):
        async for record in up_to_now(consumer, partitions, since=since):
            listing = decode(record.value, datetime.now(UTC))
            if isinstance(listing, Rejected) or wanted not in (listing.key, listing.listing_id):
                continue
            known = newest.get(listing.key)
            if known is None or listing.observed_at >= known.observed_at:
                newest[listing.key] = listing
    return [newest[key] for key in sorted(newest)]


async def kept_with_rules(
    bootstrap: str, wanted: str, since: datetime, *, topics: ScreeningTopics | None = None
) -> tuple[list[Listing], Screener]:
    """The snapshots, and the rules, entries and taxa in force now.

    Raises:
        OperatorError: nothing of that id is kept, or Kafka cannot be read.
    """
    names = topics or ScreeningTopics()
    listings = await newest_snapshots(bootstrap, wanted, since, topic=names.listings)
    if not listings:
        raise OperatorError(
            f"No listing {wanted} was written to {names.listings} since {since:%Y-%m-%d %H:%M} UTC, or it is "
            "not kept any more: give its id or PLATFORM:ID, look further back with --since, "
            "or give a file of JSON lines."
        )
    return listings, (await read_standing(bootstrap, datetime.now(UTC), topic=names.watchlist)).screener()
