"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
import itertools


class ManualClock:
    """Time in seconds, moved by :meth:`advance` alone. Calling the clock reads it, like ``time.monotonic``.

    Invariant: no sleeper whose time has come is left asleep after ``advance`` returns.
    """

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        """Move on, and wake those who slept until then, in the order of their times. ValueError when negative."""
        if seconds < 0:
            raise ValueError(f"time does not go back: advance({seconds})")
        self.now_s += seconds
        while self._sleepers and self._sleepers[0][0] <= self.now_s:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)

    async def sleep(self, seconds: float) -> None:
        """Like ``asyncio.sleep``, on this clock."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now_s + seconds, next(self._order), future))
        await future

    @property
    def next_wake_s(self) -> float | None:
        """When the next sleeper wakes; None when nobody sleeps."""
        return self._sleepers[0][0] if self._sleepers else None
