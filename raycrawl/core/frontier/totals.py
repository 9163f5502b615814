"""What a shard counts for good, and the head of its store that keeps it."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from raycrawl.core.messages import Outcome
from raycrawl.frontier import keys
from raycrawl.frontier.store import Area, FrontierCorruptError, FrontierStore, WriteBatch


class Totals(msgspec.Struct, frozen=True, array_like=True):
    """Counts since the first run of a job, written with every change they count; ``sequence`` numbers requests."""

    enqueued: int = 0
    done: int = 0
    failed: int = 0
    dropped: int = 0
    filtered: int = 0
    sequence: int = 0

    @property
    def ended(self) -> int:
        """Requests that are DONE, however they ended."""
        return self.done + self.failed + self.dropped

    def after(self, *, added: int = 0, filtered: int = 0, outcomes: Collection[Outcome] = ()) -> Totals:
        """These totals after ``added`` new requests, ``filtered`` duplicates and the ends ``outcomes``."""
        ends = list(outcomes)
        return Totals(
            self.enqueued + added,
            self.done + ends.count(Outcome.DONE),
            self.failed + ends.count(Outcome.FAILED),
            self.dropped + ends.count(Outcome.DROPPED),
            self.filtered + filtered,
            self.sequence + added,
        )

    def pack(self) -> bytes:
        """The META value."""
        return keys.COUNTS.pack(*msgspec.structs.astuple(self))


def read_totals(store: FrontierStore) -> Totals:
    """The totals of ``store``; an empty store is given its format first.

    Raises:
        FrontierCorruptError: another format, or the totals are damaged.
    """
    packed, version = store.get_many(Area.META, [keys.COUNTS_KEY, keys.FORMAT_KEY])
    if version is None:
        totals = Totals()
        store.write(WriteBatch(meta={keys.COUNTS_KEY: totals.pack(), keys.FORMAT_KEY: bytes((keys.FORMAT,))}))
        return totals
    if version != bytes((keys.FORMAT,)):
        raise FrontierCorruptError(f"the frontier has format {version.hex()}; this raycrawl reads {keys.FORMAT}")
    if packed is None or len(packed) != keys.COUNTS.size:
        raise FrontierCorruptError("the frontier is damaged: its counts are missing")
    return Totals(*keys.COUNTS.unpack(packed))
