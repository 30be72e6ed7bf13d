"""Records of the watchlist topic as a change keeps them: what it writes, and what stood there. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.message import digest
from schemas.watchlist import Told, read_watchlist_message


@dataclass(frozen=True, slots=True)
class Write:
    """One record; ``value`` ``None`` removes what stands under the key, or says that nothing did."""

    key: str
    value: bytes | None

    @property
    def told(self) -> Told | None:
        """The record as the topic's readers see it."""
        return None if self.value is None else read_watchlist_message(self.value)


def told_as(key: str, told: Told | None) -> Write:
    """The record that says this."""
    return Write(key, None if told is None else told.to_bytes())


def packed(writes: Iterable[Write]) -> bytes:
    """As the casebook keeps them; :func:`unpacked` gives the same again."""
    rows = [[one.key, None if one.value is None else one.value.decode()] for one in writes]
    return json.dumps(rows, ensure_ascii=False).encode("utf-8", "surrogatepass")


def unpacked(raw: bytes) -> tuple[Write, ...]:
    """What :func:`packed` packed."""
    return tuple(Write(key, None if value is None else value.encode()) for key, value in json.loads(raw))


def overtaken(
    writes: Iterable[Write], replaces: Iterable[Write], there: Mapping[str, Told]
) -> tuple[str, ...]:
    """Keys under which the topic now holds neither what was to be replaced nor what is to be written."""
    before = {one.key: one.told for one in replaces}
    return tuple(one.key for one in writes if there.get(one.key) not in (before.get(one.key), one.told))


def state_of(keys: Iterable[str], there: Mapping[str, Told]) -> str:
    """A digest of what stands under some keys: the same as long as nobody changes any of them."""
    parts: list[str | bytes] = []
    for key in sorted(set(keys)):
        told = there.get(key)
        parts += (key, told.to_bytes() if told is not None else b"")
    return digest(parts)
