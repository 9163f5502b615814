"""The store contract in memory: for tests, and for small crawls that need no durability."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence

from raycrawl.frontier.keys import prefix_end
from raycrawl.frontier.store import Area, FrontierStoreError, WriteBatch


class MemoryStore:
    """Dicts and sorted lists of keys. A second ``Frontier`` on the same store sees what the first one wrote."""

    def __init__(self) -> None:
        self._values: tuple[dict[bytes, bytes], ...] = tuple({} for _ in Area)
        self._keys: tuple[list[bytes], ...] = tuple([] for _ in Area)
        self._is_closed = False

    def get_many(self, area: Area, keys: Sequence[bytes]) -> list[bytes | None]:
        self._check_open()
        return list(map(self._values[area].get, keys))

    def scan(self, area: Area, start: bytes, stop: bytes, limit: int) -> list[bytes]:
        self._check_open()
        keys = self._keys[area]
        first = bisect_left(keys, start)
        return keys[first : min(bisect_left(keys, stop, first), first + limit)]

    def prefixes(self, area: Area, after: bytes, width: int, limit: int) -> list[bytes]:
        self._check_open()
        keys = self._keys[area]
        found: list[bytes] = []
        index = bisect_right(keys, after)
        while index < len(keys) and len(found) < limit:
            found.append(keys[index][:width])
            index = bisect_left(keys, prefix_end(found[-1]), index)
        return found

    def items(self, area: Area, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        self._check_open()
        keys, values = self._keys[area], self._values[area]
        for key in keys[bisect_left(keys, start) :]:
            yield key, values[key]

    def write(self, batch: WriteBatch) -> None:
        self._check_open()
        for changes, values, keys in zip(batch.by_area(), self._values, self._keys, strict=True):
            for key, value in changes.items():
                if value is not None:
                    if key not in values:
                        insort(keys, key)
                    values[key] = value
                elif values.pop(key, None) is not None:
                    del keys[bisect_left(keys, key)]

    def sync(self) -> None:
        self._check_open()

    def close(self) -> None:
        self._is_closed = True

    def reopen(self) -> None:
        """Allow calls again after ``close()``; what was written is still there."""
        self._is_closed = False

    def _check_open(self) -> None:
        if self._is_closed:
            raise FrontierStoreError("the store is closed")
