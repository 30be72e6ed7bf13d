"""Watchlist entries that are matched by the normal form of what they name, not by its letters."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import ahocorasick_rs

from schemas.listing import Contact, Listing
from schemas.watchlist import WatchlistEntry
from streams.screening.identifiers.accounts import SERVICES, accounts
from streams.screening.identifiers.found import CASE_MATTERS, Identifier, plain_digits
from streams.screening.identifiers.phones import e164, phones

KINDS = frozenset({"phone", "handle", "payment"})
_ANY = "*"
"""An entry that names no service is looked for under each."""
_SERVICE = re.compile(r"^([a-z]{2,20}):(.+)$", re.IGNORECASE | re.DOTALL)
_WORTH_A_LOOK = re.compile(
    r"[\d@＠]|\.me/|tg:/|paypalme|微|薇|威|vx|wx|wechat|weixin|line|ไลน์|ライン|kakao|카카오|카톡|오픈톡",
    re.IGNORECASE,
)
"""What every identifier has, so that most texts are passed over quickly."""

_NO_DIGIT = bytes(code for code in range(256) if not 0x30 <= code <= 0x39)
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
_TAIL = 6
"""Last digits of a number, which every way to write it has in common."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Sighting:
    """An entry's identifier in one field of a listing, or in one of its contacts."""

    entry: WatchlistEntry
    field: str
    start: int
    end: int
    quote: str


def keys_of(entry: WatchlistEntry, regions: Sequence[str] = ()) -> frozenset[Key]:
    """What an entry is looked for by; empty when its value is no identifier that is known."""
    value = entry.value.strip()
    if entry.kind == "phone":
        number = e164(value, regions)
        return frozenset({("phone", number)}) if number else frozenset()
    found = {one.key for one in accounts(value, regions) if one.kind == entry.kind}
    if found:
        return frozenset(found)
    named = _SERVICE.match(value)
    service, bare = (named[1].casefold(), named[2].strip()) if named else (_ANY, value)
    if service not in SERVICES:
        service, bare = _ANY, value
    number = e164(bare, regions)
    if number is not None:
        return frozenset({(service, number)})
    bare = bare.lstrip("@")
    return frozenset({(service, bare if service in CASE_MATTERS else bare.casefold())})


def identifiers(text: str, regions: Sequence[str]) -> Iterator[Identifier]:
    """Accounts, then phones that are not an account's already."""
    if not _WORTH_A_LOOK.search(text):
        return
    taken: set[int] = set()
    for one in accounts(text, regions):
        taken.update(range(one.start, one.end))
        yield one
    for one in phones(text, regions):
        if one.start not in taken and one.end - 1 not in taken:
            yield one


def keys_in(one: Identifier) -> Iterator[Key]:
    """Under which keys an entry may name this identifier."""
    yield one.key
    if one.value.startswith("+"):
        yield ("phone", one.value)  # a number is the same one on WhatsApp
    yield (_ANY, one.value if one.service in CASE_MATTERS else one.value.casefold())


class IdentifierIndex:
    """The entries of these kinds by the normal forms of what they name; immutable."""

    def __init__(self, entries: Iterable[WatchlistEntry], countries: Mapping[str, str]) -> None:
        """``countries``: ISO code of each platform's country, for numbers without a country code."""
        self._by_key: dict[Key, list[WatchlistEntry]] = {}
        for entry in entries:
            if entry.kind in KINDS:
                country = countries.get(entry.platform or "", "")
                for key in keys_of(entry, [country] if country else []):
                    self._by_key.setdefault(key, []).append(entry)

        values = {value.casefold() for _, value in self._by_key}
        self._names = ahocorasick_rs.AhoCorasick(
            sorted(value for value in values if value.strip("+0123456789")), store_patterns=False
        )
        tails = {value.lstrip("+")[-_TAIL:] for value in values if not value.strip("+0123456789")}
        self._tails = ahocorasick_rs.AhoCorasick(sorted(tails), store_patterns=False)
        self._shortest = min(map(len, tails), default=_TAIL)

    def __len__(self) -> int:
        return len(self._by_key)

    def may_name(self, word: str) -> bool:
        """False when a word (between white space) is no part of an entry for sure, digits 0 to 9 apart."""
        return _OTHER_DIGIT.search(word) is not None or self._holds_name(plain_digits(word))

    def may_number(self, text: str) -> bool:
        """False when no entry's last digits stand in the text, written with 0 to 9."""
        digits = text.encode("ascii", "ignore").translate(None, _NO_DIGIT)
        return len(digits) >= self._shortest and bool(self._tails.find_matches_as_indexes(digits.decode()))

    def _holds_name(self, plain: str) -> bool:
        return bool(self._names.find_matches_as_indexes(plain.casefold()))

    def _may_name(self, text: str) -> bool:
        """False when no entry's letters, and no number's last digits, stand in the text.

        To read a text's accounts and numbers takes forty times as long, so this stands before it.
        """
        plain = plain_digits(text)
        return self._holds_name(plain) or self.may_number(plain)

    def find(self, texts: Mapping[str, str], listing: Listing, regions: Sequence[str]) -> list[Sighting]:
        """Every entry that a text or a contact names, once each; regions are tried in their order."""
        found: dict[str, Sighting] = {}
        for field, text in texts.items():
            if not self._may_name(text):
                continue
            for one in identifiers(text, regions):
                self._note(found, one, listing, field, one.start, one.end, text[one.start : one.end])
        for contact in listing.contacts:
            for one in _of_contact(contact, regions):
                self._note(found, one, listing, "contact", 0, len(contact.value), contact.value)
        return list(found.values())

    def _note(
        self,
        found: dict[str, Sighting],
        one: Identifier,
        listing: Listing,
        field: str,
        start: int,
        end: int,
        quote: str,
    ) -> None:
        for key in keys_in(one):
            for entry in self._by_key.get(key, ()):
                if entry.platform in (None, listing.platform) and _kind_fits(entry, one):
                    found.setdefault(entry.entry_id, Sighting(entry, field, start, end, quote))


def _kind_fits(entry: WatchlistEntry, one: Identifier) -> bool:
    return entry.kind == one.kind or (entry.kind == "phone" and one.value.startswith("+"))


def _of_contact(contact: Contact, regions: Sequence[str]) -> Iterator[Identifier]:
    value = contact.value
    if contact.kind == "phone":
        number = e164(value, regions)
        if number:
            yield Identifier("phone", "phone", number, 0, len(value))
        return
    yield from accounts(value, regions)
    if contact.kind in ("handle", "payment"):
        bare = value.strip().lstrip("@")
        yield Identifier(contact.kind, "contact", bare.casefold(), 0, len(value))
