"""Reading a frontier for damage before a crawl goes on with it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from raycrawl.frontier import keys
from raycrawl.frontier.rocks import RocksStore
from raycrawl.frontier.store import Area, FrontierCorruptError

_CHECK_EVERY = 4096
_DONE_NBYTES = keys.SLOT_NBYTES + 1


def verify(stores: Sequence[RocksStore], *, budget_s: float) -> bool:
    """Read counts, slots, queues and seen-sets of ``stores``; blocks are compared with their checksums on the way.

    Args:
        budget_s: stop after so many seconds; about two million entries a second are read.

    Returns: False: there was more than the budget allowed to read. What was read is sound.

    Raises:
        FrontierCorruptError: something is damaged, or queues and counts disagree.
    """
    deadline_s = time.monotonic() + budget_s
    is_complete = True
    for store in stores:
        is_complete = _is_read(store, deadline_s) and is_complete
    return is_complete


def _is_read(store: RocksStore, deadline_s: float) -> bool:
    counts, version = store.get_many(Area.META, [keys.COUNTS_KEY, keys.FORMAT_KEY])
    if version is None and counts is None:
        return True  # opened once, killed before its first write
    if version != bytes((keys.FORMAT,)) or counts is None or len(counts) != keys.COUNTS.size:
        raise FrontierCorruptError(f"{store.path}: the frontier is damaged (its counts or its format)")
    n_queued = _count(store, Area.QUEUE, deadline_s)
    n_seen = _count(store, Area.SEEN, deadline_s)
    if n_queued is None or n_seen is None:
        return False
    enqueued, done, failed, dropped, _, _ = keys.COUNTS.unpack(counts)
    if (n_seen, n_queued) != (enqueued, enqueued - done - failed - dropped):
        raise FrontierCorruptError(
            f"{store.path}: the frontier is damaged ({n_seen} requests are known and {n_queued} of them queued, "
            f"of {enqueued} that were enqueued and {done + failed + dropped} that ended)"
        )
    return True


def _count(store: RocksStore, area: Area, deadline_s: float) -> int | None:
    """How many entries ``area`` has; None: time is up."""
    wrong = f"{store.path}: the frontier is damaged (an entry of the wrong size in {area.name.lower()})"
    key_nbytes = keys.ID_NBYTES if area is Area.SEEN else keys.LOCATION_NBYTES
    n = 0
    for n, (key, value) in enumerate(store.items(area), 1):
        if len(key) != key_nbytes:
            raise FrontierCorruptError(wrong)
        if area is Area.SEEN and len(value) not in (keys.LOCATION_NBYTES, _DONE_NBYTES):
            raise FrontierCorruptError(wrong)
        if n % _CHECK_EVERY == 0 and time.monotonic() > deadline_s:
            return None
    return n
