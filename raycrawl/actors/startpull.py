"""``Spider.start()`` as the engine pulls it: some outputs at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from raycrawl.actors.guard import CallbackInterrupt, Guard, stepwise
from raycrawl.actors.loop import Tasks
from raycrawl.actors.pagework import PageWork
from raycrawl.core.engine import START_ID
from raycrawl.exceptions import CallbackTimeoutError

WAIT_S = 0.05
END = object()
"""There are no more outputs."""


class StartPull:
    """The running ``Spider.start()`` of a process. An output that is not there yet is waited for by the next pull."""

    def __init__(self, outputs: AsyncIterator[Any], tasks: Tasks, guard: Guard) -> None:
        self._outputs, self._tasks, self._guard = outputs, tasks, guard
        self._work = PageWork(START_ID, lambda _: None)
        self._next: asyncio.Task[Any] | None = None
        self.given = 0

    async def next(self, *, may_wait: bool) -> asyncio.Task[Any] | None:
        """The next output, or the error instead, as a task that is done; None: it is not there yet."""
        if self._next is None:
            self._next = self._tasks.spawn(stepwise(self._guard, self._work, _next, self._outputs))
        await asyncio.wait((self._next,), timeout=None if may_wait else WAIT_S)
        if not self._next.done():
            return None
        task, self._next = self._next, None
        self.given += 1
        return task

    def cancel(self) -> None:
        """The crawl ends before it."""
        if self._next is not None:
            self._next.cancel()


async def _next(outputs: AsyncIterator[Any]) -> Any:
    try:
        return await anext(outputs, END)
    except CallbackInterrupt as error:
        raise CallbackTimeoutError("start() did not come back within SCRAPER_TIMEOUT") from error
    except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:  # they would end the event loop
        raise RuntimeError(f"start() raised {error!r}") from error


def goes_on(task: asyncio.Task[Any]) -> bool:
    """An error in ``start()`` itself ends it; one in what it gave does not."""
    return not task.cancelled() and task.exception() is None
