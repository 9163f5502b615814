"""Dealing a frontier to another number of shards: partitions move, nothing is rehashed, payloads are copied.

The new shards are written beside the old ones; whoever calls decides when they count (``jobdir`` by one rename), so a
kill in between costs only the work.
"""

from __future__ import annotations

from collections.abc import Sequence

from raycrawl.frontier import keys
from raycrawl.frontier.store import Area, FrontierCorruptError, FrontierStore, WriteBatch

_BATCH = 4096


class _Target:
    """A new shard: collects a batch, and what its counts will be."""

    def __init__(self, store: FrontierStore) -> None:
        self.store = store
        self.batch = WriteBatch()
        self.n_queued = 0
        self.ended = [0] * len(keys.OUTCOMES)

    def put(self, area: Area, key: bytes, value: bytes) -> None:
        self.batch.by_area()[area][key] = value
        if len(self.batch.by_area()[area]) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        self.store.write(self.batch)
        self.batch = WriteBatch()

    def knows(self, id_: bytes) -> bool:
        return id_ in self.batch.seen or self.store.get_many(Area.SEEN, [id_])[0] is not None


def redeal(sources: Sequence[FrontierStore], targets: Sequence[FrontierStore]) -> None:
    """Copy everything in ``sources`` to ``targets`` (empty), where slots of partition p belong to shard p modulo their
    number. Costs about 5 seconds for a million requests.

    A request that two sources know (one URL in two slots) is kept once.

    Raises:
        FrontierStoreError: and the targets are worthless then.
    """
    dealt = [_Target(store) for store in targets]
    doubles: set[bytes] = set()
    for number, source in enumerate(sources):
        _deal_seen(source, dealt, doubles, is_first=number == 0)
    for source in sources:
        for area in (Area.SLOTS, Area.QUEUE):
            for key, value in source.items(area):
                if key not in doubles:
                    dealt[key[0] % len(dealt)].put(area, key, value)
    _write_counts(sources, dealt)


def _deal_seen(source: FrontierStore, dealt: list[_Target], doubles: set[bytes], *, is_first: bool) -> None:
    for id_, value in source.items(Area.SEEN):
        target = dealt[value[0] % len(dealt)]
        if not is_first and target.knows(id_):
            if not keys.is_done(value):
                doubles.add(value)
            continue
        if keys.is_done(value):
            target.ended[value[-1]] += 1
        else:
            target.n_queued += 1
        target.put(Area.SEEN, id_, value)


def _write_counts(sources: Sequence[FrontierStore], dealt: list[_Target]) -> None:
    filtered = sequence = 0
    for source in sources:
        (packed,) = source.get_many(Area.META, [keys.COUNTS_KEY])
        if packed is None or len(packed) != keys.COUNTS.size:
            raise FrontierCorruptError("the frontier is damaged: its counts are missing")
        totals = keys.COUNTS.unpack(packed)
        filtered += totals[4]
        sequence = max(sequence, totals[5])
    for number, target in enumerate(dealt):
        enqueued = target.n_queued + sum(target.ended)
        counts = keys.COUNTS.pack(enqueued, *target.ended, filtered if number == 0 else 0, sequence)
        target.put(Area.META, keys.COUNTS_KEY, counts)
        target.put(Area.META, keys.FORMAT_KEY, bytes((keys.FORMAT,)))
        target.flush()
        target.store.sync()
