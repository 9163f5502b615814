"""The contract of a shard's store: four ordered areas of bytes, and one atomic write.

The decision (``raycrawl.core.frontier``) describes a change as a ``WriteBatch``, which is plain data; a store applies
all of it or nothing. Errors of the engine underneath are mapped here, once, to four kinds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol


class Area(IntEnum):
    """The ordered areas of a store; ``keys`` says what their entries look like."""

    SEEN = 0  # request id -> where it is queued, or how it ended
    QUEUE = 1  # slot key + rank -> the request (PENDING or LEASED)
    SLOTS = 2  # slot key -> name and politeness of the slot
    META = 3  # counts, format


class FrontierStoreError(Exception):
    """The store could not do what it was asked; nothing of the write was applied."""


class FrontierFullError(FrontierStoreError):
    """The disk is full: the same call may be repeated when there is room again."""


class FrontierCorruptError(FrontierStoreError):
    """What is on the disk is not what was written there."""


class FrontierLockedError(FrontierStoreError):
    """Another process has the store open."""


@dataclass(slots=True)
class WriteBatch:
    """A change of a store, all or nothing: per area ``key -> value``, or ``key -> None`` to remove it."""

    seen: dict[bytes, bytes | None] = field(default_factory=dict)
    queue: dict[bytes, bytes | None] = field(default_factory=dict)
    slots: dict[bytes, bytes | None] = field(default_factory=dict)
    meta: dict[bytes, bytes | None] = field(default_factory=dict)

    def by_area(self) -> tuple[dict[bytes, bytes | None], ...]:
        """The changes, indexed by ``Area``."""
        return (self.seen, self.queue, self.slots, self.meta)


class FrontierStore(Protocol):
    """Where a shard keeps its state. Not thread-safe; one process at a time."""

    def get_many(self, area: Area, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of ``keys`` in their order; None: there is no such key."""

    def scan(self, area: Area, start: bytes, stop: bytes, limit: int) -> list[bytes]:
        """Up to ``limit`` keys with ``start`` <= key < ``stop``, ascending. Fewer than ``limit``: there are no more."""

    def prefixes(self, area: Area, after: bytes, width: int, limit: int) -> list[bytes]:
        """Up to ``limit`` distinct first ``width`` bytes of keys that are greater than ``after``, ascending.

        Costs one seek for each prefix, however many keys share it.
        """

    def items(self, area: Area, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Everything from ``start`` on, ascending; the store MUST NOT be closed before the iterator is done."""

    def write(self, batch: WriteBatch) -> None:
        """Apply ``batch`` atomically; it survives a kill of this process when this returns.

        Raises:
            FrontierFullError: no room; nothing was applied.
            FrontierStoreError: anything else; nothing was applied.
        """

    def sync(self) -> None:
        """Flush what was written to the disk itself, so that it survives a loss of power too."""

    def close(self) -> None:
        """Release files and locks; idempotent. Any other call afterwards raises ``FrontierStoreError``."""
