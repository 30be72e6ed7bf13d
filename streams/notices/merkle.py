"""The Merkle tree of RFC 6962, section 2.1, over hashes of rows, grown one leaf at a time.

A tree of n leaves is kept as its *frontier*: the roots of the full subtrees that n's binary digits name,
largest first. That is all that is needed to add leaves and to name the root: at most 64 hashes.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

EMPTY = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """A growing tree."""

    size: int
    peaks: list[bytes]

    @classmethod
    def empty(cls) -> "Frontier":
        """The tree without leaves."""
        return cls(0, [])

    @classmethod
    def resume(cls, size: int, peaks: Sequence[bytes]) -> "Frontier":
        """A tree as it was kept.

        Raises:
            ValueError: the number of peaks does not belong to that size.
        """
        if size < 0 or len(peaks) != size.bit_count() or any(len(peak) != 32 for peak in peaks):
            raise ValueError(f"a tree of {size} leaves has other peaks")
        return cls(size, list(peaks))

    def add(self, data: bytes) -> None:
        """Append a leaf."""
        node = leaf_hash(data)
        full = self.size
        while full & 1:
            node = node_hash(self.peaks.pop(), node)
            full >>= 1
        self.peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The tree's hash now."""
        if not self.peaks:
            return EMPTY
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node


def inclusion(leaves: Sequence[bytes], indexes: Sequence[int]) -> tuple[tuple[bytes, ...], ...]:
    """The audit paths of some leaves (from 0), as RFC 6962 2.1.1 gives them; ``leaves`` are leaf hashes.

    Raises:
        IndexError: there is no such leaf.
    """
    if any(not 0 <= index < len(leaves) for index in indexes):
        raise IndexError("the tree has no such leaf")
    paths: list[list[bytes]] = [[] for _ in indexes]
    places = list(indexes)
    level = list(leaves)
    while len(level) > 1:
        for path, place in zip(paths, places, strict=True):
            if place ^ 1 < len(level):
                path.append(level[place ^ 1])
        places = [place // 2 for place in places]
        # An odd node goes up unchanged: that is RFC 6962's split at the largest power of two.
        paired = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = [*paired, level[-1]] if len(level) % 2 else paired
    return tuple(map(tuple, paths))


def included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the path leads from leaf hash ``leaf`` at ``index`` to the root of ``size`` leaves.

    The algorithm is that of RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size:
        return False
    first, last, node = index, size - 1, leaf
    for other in path:
        if last == 0:
            return False
        if first & 1 or first == last:
            node = node_hash(other, node)
            while not first & 1 and first:
                first >>= 1
                last >>= 1
        else:
            node = node_hash(node, other)
        first >>= 1
        last >>= 1
    return last == 0 and node == root
