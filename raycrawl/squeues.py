"""Queues of requests of one priority, for the in-process scheduler: in memory, or in a file that survives.

The names are those that ``SCHEDULER_DISK_QUEUE`` and ``SCHEDULER_MEMORY_QUEUE`` may have. All disk queues are SQLite
files: a kill of the process loses nothing that was pushed, a power failure may. ``Pickle`` queues take whatever pickles
in ``meta`` and ``cb_kwargs``, ``Marshal`` queues plain values only. Only requests that this crawl stored are unpickled.
"""

from __future__ import annotations

import marshal
import pickle
import sqlite3
from abc import ABC, abstractmethod
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from raycrawl.utils.request import request_from_dict

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request


class _MemoryQueue:
    def __init__(self) -> None:
        self.q: deque[Request] = deque()

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        """Build the queue; what disk queues need (the path) is ignored."""
        return cls()

    def push(self, request: Request) -> None:
        """Add ``request``."""
        self.q.append(request)

    def close(self) -> None:
        """Nothing to close."""

    def __len__(self) -> int:
        return len(self.q)


class FifoMemoryQueue(_MemoryQueue):
    """First in, first out."""

    def pop(self) -> Request | None:
        """The next request; None when the queue is empty."""
        return self.q.popleft() if self.q else None

    def peek(self) -> Request | None:
        """The request that ``pop`` would give, which stays."""
        return self.q[0] if self.q else None


class LifoMemoryQueue(_MemoryQueue):
    """Last in, first out."""

    def pop(self) -> Request | None:
        """The next request; None when the queue is empty."""
        return self.q.pop() if self.q else None

    def peek(self) -> Request | None:
        """The request that ``pop`` would give, which stays."""
        return self.q[-1] if self.q else None


class _FileQueue:
    """Bytes in a SQLite file; the file goes when the queue is closed empty."""

    newest_first: ClassVar[bool]

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        # The write-ahead log survives the death of the process without waiting for the disk at each request.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("CREATE TABLE IF NOT EXISTS queue (id INTEGER PRIMARY KEY AUTOINCREMENT, item BLOB)")
        self._count: int
        (self._count,) = self._db.execute("SELECT COUNT(*) FROM queue").fetchone()

    def push_bytes(self, item: bytes) -> None:
        self._db.execute("INSERT INTO queue (item) VALUES (?)", (item,))
        self._count += 1

    def pop_bytes(self) -> bytes | None:
        row = self._next()
        if row is None:
            return None
        self._db.execute("DELETE FROM queue WHERE id = ?", row[:1])
        self._count -= 1
        return row[1]

    def peek_bytes(self) -> bytes | None:
        row = self._next()
        return row[1] if row else None

    def _next(self) -> tuple[int, bytes] | None:
        order = "DESC" if self.newest_first else "ASC"
        row = self._db.execute(f"SELECT id, item FROM queue ORDER BY id {order} LIMIT 1").fetchone()
        return cast("tuple[int, bytes] | None", row)

    def close(self) -> None:
        """Close the file; remove it when the queue is empty."""
        self._db.close()
        if not self._count:
            self.path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return self._count


class _RequestFileQueue(_FileQueue, ABC):
    """Requests in a file. ``key`` is its path; callbacks are stored as names of methods of ``crawler.spider``."""

    def __init__(self, crawler: Crawler, key: str) -> None:
        self.spider = crawler.spider
        super().__init__(key)

    @classmethod
    def from_crawler(cls, crawler: Crawler, key: str, *args: Any, **kwargs: Any) -> Self:
        """Build the queue in the file ``key``."""
        return cls(crawler, key)

    @staticmethod
    @abstractmethod
    def _dump(value: dict[str, Any]) -> bytes: ...

    @staticmethod
    @abstractmethod
    def _load(data: bytes) -> Any: ...

    def push(self, request: Request) -> None:
        """Add ``request``.

        Raises:
            ValueError: it cannot be stored: a callback that is no method of the spider, or an object in ``meta``.
        """
        self.push_bytes(self._dump(request.to_dict(spider=self.spider)))

    def pop(self) -> Request | None:
        """The next request; None when the queue is empty."""
        return self._request(self.pop_bytes())

    def peek(self) -> Request | None:
        """The request that ``pop`` would give, which stays."""
        return self._request(self.peek_bytes())

    def _request(self, data: bytes | None) -> Request | None:
        return None if data is None else request_from_dict(self._load(data), spider=self.spider)


class _Pickled(_RequestFileQueue):
    @staticmethod
    def _dump(value: dict[str, Any]) -> bytes:
        try:
            return pickle.dumps(value, protocol=4)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ValueError(f"the request does not pickle: {error}") from error

    @staticmethod
    def _load(data: bytes) -> Any:
        return pickle.loads(data)


class _Marshalled(_RequestFileQueue):
    @staticmethod
    def _dump(value: dict[str, Any]) -> bytes:
        try:
            return marshal.dumps(value)
        except ValueError as error:
            raise ValueError(f"the request holds more than plain values: {error}") from error

    @staticmethod
    def _load(data: bytes) -> Any:
        return marshal.loads(data)


class PickleFifoDiskQueue(_Pickled):
    """First in, first out, in a file, by pickle."""

    newest_first = False


class PickleLifoDiskQueue(_Pickled):
    """Last in, first out, in a file, by pickle."""

    newest_first = True


class MarshalFifoDiskQueue(_Marshalled):
    """First in, first out, in a file, by marshal."""

    newest_first = False


class MarshalLifoDiskQueue(_Marshalled):
    """Last in, first out, in a file, by marshal."""

    newest_first = True


class PickleFifoSQLiteQueue(PickleFifoDiskQueue):
    """Another name of ``PickleFifoDiskQueue``."""


class PickleLifoSQLiteQueue(PickleLifoDiskQueue):
    """Another name of ``PickleLifoDiskQueue``."""


class MarshalFifoSQLiteQueue(MarshalFifoDiskQueue):
    """Another name of ``MarshalFifoDiskQueue``."""


class MarshalLifoSQLiteQueue(MarshalLifoDiskQueue):
    """Another name of ``MarshalLifoDiskQueue``."""


__all__ = [
    "FifoMemoryQueue",
    "LifoMemoryQueue",
    "MarshalFifoDiskQueue",
    "MarshalFifoSQLiteQueue",
    "MarshalLifoDiskQueue",
    "MarshalLifoSQLiteQueue",
    "PickleFifoDiskQueue",
    "PickleFifoSQLiteQueue",
    "PickleLifoDiskQueue",
    "PickleLifoSQLiteQueue",
]
