"""Images on the watchlist: the same bytes (SHA-256), or nearly the same picture (PDQ). Pure.

PDQ is a perceptual hash of 256 bits; two pictures are taken for the same one when at most 31 bits
differ (Facebook, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", 2019).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from schemas.listing import Image, Listing
from schemas.watchlist import WatchlistEntry

KINDS = frozenset({"image_sha256", "image_pdq"})
DISTANCE = 31
"""The default, and the largest that the index finds."""

_HEX = re.compile(r"[0-9a-f]{64}")
_WORDS = 16
_BITS = 16
_NEIGHBOURS = (0, *(1 << bit for bit in range(_BITS)))
"""What may differ in one word of 16 bits: nothing, or one bit."""


@dataclass(frozen=True, slots=True)
class ImageSighting:
    """An entry's image among those of a listing."""

    entry: WatchlistEntry
    image: Image
    distance: int
    """Bits of 256 that differ; 0 for the same bytes too."""


def hash_of(entry: WatchlistEntry) -> str:
    """The entry's hash, 64 hexadecimal digits.

    Raises:
        ValueError: the value is no such hash.
    """
    value = entry.value.strip().lower().removeprefix("pdq:").removeprefix("sha256:")
    if not _HEX.fullmatch(value):
        raise ValueError("an image hash is 64 hexadecimal digits")
    if entry.kind == "image_pdq" and value in ("0" * 64, "f" * 64):
        raise ValueError("this is the hash of an empty picture, which would match many")
    return value


class PdqIndex:
    """Hashes by each of their sixteen words.

    Of two hashes that differ in at most 31 bits, at least one word differs in at most one bit: so
    272 look-ups find every candidate, and only those are compared whole.
    """

    def __init__(self, hashes: Iterable[int]) -> None:
        self._words: list[dict[int, list[int]]] = [{} for _ in range(_WORDS)]
        for value in dict.fromkeys(hashes):
            for number, word in enumerate(_split(value)):
                self._words[number].setdefault(word, []).append(value)

    def near(self, value: int, distance: int = DISTANCE) -> Iterator[tuple[int, int]]:
        """Each hash within the distance, with its distance; in no particular order."""
        seen: set[int] = set()
        for words, word in zip(self._words, _split(value), strict=True):
            for change in _NEIGHBOURS:
                for known in words.get(word ^ change, ()):
                    if known not in seen:
                        seen.add(known)
                        apart = (known ^ value).bit_count()
                        if apart <= distance:
                            yield known, apart


def _split(value: int) -> Iterator[int]:
    return ((value >> (number * _BITS)) & 0xFFFF for number in range(_WORDS))


class ImageIndex:
    """The image entries; immutable."""

    def __init__(self, entries: Iterable[WatchlistEntry]) -> None:
        """Index them.

        Raises:
            ValueError: a value is no hash.
        """
        self._exact: dict[str, list[WatchlistEntry]] = {}
        self._near: dict[int, list[WatchlistEntry]] = {}
        for entry in entries:
            if entry.kind == "image_sha256":
                self._exact.setdefault(hash_of(entry), []).append(entry)
            elif entry.kind == "image_pdq":
                self._near.setdefault(int(hash_of(entry), 16), []).append(entry)
        self._pdq = PdqIndex(self._near)

    def __len__(self) -> int:
        return len(self._exact) + len(self._near)

    def find(self, listing: Listing) -> list[ImageSighting]:
        """Each entry that one of the listing's images bears, once, by its nearest image."""
        best: dict[str, ImageSighting] = {}
        for image in listing.images:
            for entry, distance in self._of(image):
                known = best.get(entry.entry_id)
                if entry.platform in (None, listing.platform) and (
                    known is None or distance < known.distance
                ):
                    best[entry.entry_id] = ImageSighting(entry, image, distance)
        return list(best.values())

    def _of(self, image: Image) -> Iterator[tuple[WatchlistEntry, int]]:
        for sha256 in image.exact:
            for entry in self._exact.get(sha256, ()):
                yield entry, 0
        for perceptual in image.perceptual:
            scheme, _, value = perceptual.partition(":")
            if scheme == "pdq" and len(value) == 64:
                yield from self._nearly(int(value, 16))

    def _nearly(self, value: int) -> Iterator[tuple[WatchlistEntry, int]]:
        for known, apart in self._pdq.near(value):
            for entry in self._near[known]:
                if apart <= (DISTANCE if entry.distance is None else entry.distance):
                    yield entry, apart
