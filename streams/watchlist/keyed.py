"""Watchlist entries for others: whoever is named on them stands there by a keyed name. Pure.

What names a person is the value of an entry about a seller, a number, an account or a payment. Words, hashes
of pictures and expressions name nobody by themselves and stay.
"""

import re
from collections.abc import Iterable, Mapping

from schemas.watchlist import NAMING, WatchlistEntry
from streams.privacy.keys import PrivacyKeys
from streams.privacy.marks import same
from streams.privacy.sellers import PURPOSE, keyed_names
from streams.screening.identifiers.entries import keys_of


def names_of(entry: WatchlistEntry, keys: PrivacyKeys) -> tuple[str, ...]:
    """An entry's keyed names, under every key, the newest first: the same however the value is written."""
    if entry.kind in ("seller", "not_seller"):
        return keyed_names(keys, entry.value)
    service, value = min(keys_of(entry), default=("", same(entry.value)))
    return keys.keyed(PURPOSE, entry.kind, service, value)


def kept_back(entries: Iterable[WatchlistEntry], keys: PrivacyKeys) -> list[WatchlistEntry]:
    """The entries with keyed names for everybody who is named by a value, under the newest key.

    The id, which tells the value too, is made anew from it, and the value is taken out of what was written
    beside it. What else somebody wrote there stays.
    """
    return [_kept_back(entry, keys) if entry.kind in NAMING else entry for entry in entries]


def _kept_back(entry: WatchlistEntry, keys: PrivacyKeys) -> WatchlistEntry:
    name = names_of(entry, keys)[0]
    spoken = re.compile(re.escape(entry.value.strip()) or r"(?!)", re.IGNORECASE)
    texts = {
        field: spoken.sub(lambda _: name, text)[:2_000]
        for field in ("reason", "source", "state_reason")
        if (text := getattr(entry, field)) is not None
    }
    return entry.model_copy(
        update={"entry_id": f"{entry.kind}.keyed-{name.rpartition(':')[2][:32]}", "value": name, **texts}
    )


def known_entries(entries: Iterable[WatchlistEntry], keys: PrivacyKeys) -> Mapping[str, WatchlistEntry]:
    """Own entries by each of their keyed names, to see which of them stand in somebody else's file."""
    return {name: entry for entry in entries if entry.kind in NAMING for name in names_of(entry, keys)}
