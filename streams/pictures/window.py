"""Which records are under way, and how far a partition may be called done. Pure."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class _Partition:
    done_to: int
    """Every record below is dealt with, but for those under way."""
    under_way: set[int] = field(default_factory=set)


class Window:
    """Records are taken in order and finished in any; what is committed never passes one under way."""

    def __init__(self) -> None:
        self._partitions: dict[int, _Partition] = {}
        self._newest: dict[bytes, tuple[int, int]] = {}
        """Of each key under way: how many of its records are, and the newest offset that was seen."""

    def __len__(self) -> int:
        return sum(len(one.under_way) for one in self._partitions.values())

    def passed(self, partition: int, offset: int, key: bytes) -> None:
        """A record that needs nothing; an older one of its key that is under way is no longer the newest."""
        self._at(partition, offset).done_to = offset + 1
        if key in self._newest:
            count, _ = self._newest[key]
            self._newest[key] = (count, offset)

    def begun(self, partition: int, offset: int, key: bytes) -> None:
        """A record that something is done for."""
        place = self._at(partition, offset)
        place.done_to = offset + 1
        place.under_way.add(offset)
        count, _ = self._newest.get(key, (0, 0))
        self._newest[key] = (count + 1, offset)

    def is_newest(self, offset: int, key: bytes) -> bool:
        """Whether nothing newer of its key was read since."""
        return self._newest.get(key, (0, offset))[1] == offset

    def ended(self, partition: int, offset: int, key: bytes) -> None:
        """It is done, or given up."""
        count, newest = self._newest.get(key, (1, offset))
        if count > 1:
            self._newest[key] = (count - 1, newest)
        else:
            self._newest.pop(key, None)
        if partition in self._partitions:
            self._partitions[partition].under_way.discard(offset)

    def commits(self) -> dict[int, int]:
        """Partition, and the offset from which to go on after a stop now."""
        return {number: min(one.under_way, default=one.done_to) for number, one in self._partitions.items()}

    def forget(self, partition: int) -> None:
        """It is somebody else's now."""
        self._partitions.pop(partition, None)

    def _at(self, partition: int, offset: int) -> _Partition:
        return self._partitions.setdefault(partition, _Partition(offset))
