"""The durable part of a shard: where the seen-set, the queues and the counts of the frontier live.

``store`` is the contract, ``rocks`` (RocksDB) and ``memory`` keep it, ``keys`` says how entries are ordered, ``jobdir``
owns a job directory, ``inspect`` looks inside one. The decision itself is in ``raycrawl.core.frontier``.
"""

from __future__ import annotations

from raycrawl.frontier.store import (
    FrontierCorruptError,
    FrontierFullError,
    FrontierLockedError,
    FrontierStore,
    FrontierStoreError,
    WriteBatch,
)

__all__ = [
    "FrontierCorruptError",
    "FrontierFullError",
    "FrontierLockedError",
    "FrontierStore",
    "FrontierStoreError",
    "WriteBatch",
]
