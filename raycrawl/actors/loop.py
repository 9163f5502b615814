"""The event loop's small tools: one run for many wake-ups, tasks that are not lost, and who runs what."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

logger = logging.getLogger(__name__)


class CallLaterOnce:
    """Runs a function once, soon, however often it was asked for; an earlier wish replaces a later one."""

    def __init__(self, func: Callable[[], None]) -> None:
        self._func = func
        self._handle: asyncio.TimerHandle | asyncio.Handle | None = None
        self._at_s = 0.0

    def schedule(self, delay_s: float = 0.0) -> None:
        """Run within ``delay_s`` seconds."""
        loop = asyncio.get_running_loop()
        at_s = loop.time() + delay_s
        if self._handle is not None:
            if at_s >= self._at_s:
                return
            self._handle.cancel()
        self._at_s = at_s
        self._handle = loop.call_soon(self._run) if delay_s <= 0 else loop.call_at(at_s, self._run)

    def cancel(self) -> None:
        """Forget the wish."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _run(self) -> None:
        self._handle = None
        self._func()


class Paced:
    """Runs a function soon after it is wanted, and then at most once every ``interval_s`` seconds.

    The first wish after a rest is granted within ``gather_s``, so an idle crawl answers quickly and what comes together
    travels together; under load the wishes gather, so that messages are large. ``now()`` is for a batch that is full.
    """

    def __init__(self, func: Callable[[], None], interval_s: float, gather_s: float = 0.003) -> None:
        self._func = func
        self._interval_s = interval_s
        self._gather_s = min(gather_s, interval_s)
        self._ran_s = float("-inf")
        self._timer = CallLaterOnce(self._run)

    def want(self) -> None:
        """Run when it is time."""
        wait_s = self._ran_s + self._interval_s - asyncio.get_running_loop().time()
        self._timer.schedule(max(self._gather_s, wait_s))

    def now(self) -> None:
        """Run in this turn of the loop."""
        self._timer.schedule(0.0)

    def cancel(self) -> None:
        """Forget the wish."""
        self._timer.cancel()

    def _run(self) -> None:
        self._ran_s = asyncio.get_running_loop().time()
        self._func()


class Tasks:
    """The tasks of one actor: kept from the garbage collector, their errors logged, awaited or cancelled at the end."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Starts a task."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.critical("A task of %s failed", self._owner, exc_info=error)

    async def stop(self, deadline_s: float) -> None:
        """Waits up to ``deadline_s`` seconds for the tasks to end, then cancels them."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=deadline_s)
        for task in list(self._tasks):
            task.cancel()
