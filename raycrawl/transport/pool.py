"""Idle keep-alive connections, by origin.

Owns connections between two exchanges and nothing else: how many are open at a time is decided by the slots. Bounded in
number (the longest idle goes first) and in age, so that thousands of hosts cost nothing once they are done.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable

from raycrawl.transport.connection import Connection

# Servers close idle connections after 5 s (Apache, Node.js) to 75 s (nginx); a stale one costs a second attempt.
IDLE_TIMEOUT_S = 15.0
MAX_IDLE = 512


class ConnectionPool:
    """``acquire`` gives the most recently used idle connection for a key, ``release`` takes it back."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, max_idle: int = MAX_IDLE, idle_timeout_s: float = IDLE_TIMEOUT_S
    ) -> None:
        self._loop = loop
        self._max_idle = max_idle
        self._idle_timeout_s = idle_timeout_s
        self._idle: OrderedDict[Hashable, list[Connection]] = OrderedDict()
        self._count = 0
        self._sweeper: asyncio.TimerHandle | None = None
        self.is_closed = False

    def __len__(self) -> int:
        return self._count

    def acquire(self, key: Hashable, accepts: Callable[[Connection], bool] | None = None) -> Connection | None:
        """An open idle connection, or None: a new one is needed. What ``accepts`` refuses stays in the pool."""
        idle = self._idle.get(key)
        if not idle:
            return None
        oldest_s = self._loop.time() - self._idle_timeout_s
        for index in range(len(idle) - 1, -1, -1):
            connection = idle[index]
            if connection.is_closed or connection.idle_since_s < oldest_s:
                del idle[index]
                self._count -= 1
                connection.close()
            elif accepts is None or accepts(connection):
                del idle[index]
                self._count -= 1
                if not idle:
                    del self._idle[key]
                return connection
        if not idle:
            del self._idle[key]
        return None

    def release(self, connection: Connection) -> None:
        """Take back a connection whose exchange is over; one that is not reusable is closed."""
        if not connection.is_reusable or connection.is_closed or self.is_closed:
            connection.abort()
            return
        connection.idle_since_s = self._loop.time()
        key = connection.key
        idle = self._idle.get(key)
        if idle is None:
            self._idle[key] = [connection]
        else:
            idle.append(connection)
            self._idle.move_to_end(key)
        self._count += 1
        if self._count > self._max_idle:
            self._evict_oldest()
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._idle_timeout_s, self._sweep)

    def close(self) -> None:
        """Close every idle connection; those in use are closed when they are released."""
        self.is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for idle in self._idle.values():
            for connection in idle:
                connection.abort()
        self._idle.clear()
        self._count = 0

    def _evict_oldest(self) -> None:
        key = next(iter(self._idle))
        idle = self._idle[key]
        idle.pop(0).close()
        self._count -= 1
        if not idle:
            del self._idle[key]

    def _sweep(self) -> None:
        self._sweeper = None
        oldest_s = self._loop.time() - self._idle_timeout_s
        for key in list(self._idle):
            kept = []
            for connection in self._idle[key]:
                if connection.is_closed or connection.idle_since_s <= oldest_s:
                    connection.close()
                    self._count -= 1
                else:
                    kept.append(connection)
            if kept:
                self._idle[key] = kept
            else:
                del self._idle[key]
        if self._idle:
            self._sweeper = self._loop.call_later(self._idle_timeout_s, self._sweep)
