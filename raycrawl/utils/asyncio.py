"""Helpers for code that runs on the crawl's event loop, which is always an asyncio one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Generic, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

logger = logging.getLogger(__name__)


def is_asyncio_available() -> bool:
    """Whether asyncio code can run: always."""
    return True


async def sleep(seconds: float) -> None:
    """Wait without blocking the event loop."""
    await asyncio.sleep(seconds)


async def run_in_thread(func: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """The result of ``func(*args, **kwargs)``, run in a thread: for code that blocks or computes for long."""
    return await asyncio.to_thread(func, *args, **kwargs)


class CallLaterResult:
    """A call that is going to happen."""

    def __init__(self, handle: asyncio.TimerHandle) -> None:
        self._handle: asyncio.TimerHandle | None = handle

    def cancel(self) -> None:
        """Make it not happen; nothing changes when it has happened."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


def call_later(delay: float, func: Callable[_P, Any], *args: _P.args, **kwargs: _P.kwargs) -> CallLaterResult:
    """Call ``func(*args, **kwargs)`` after ``delay`` seconds, on the running event loop."""
    loop = asyncio.get_running_loop()
    return CallLaterResult(loop.call_later(delay, lambda: func(*args, **kwargs)))


class AsyncioLoopingCall(Generic[_P, _T]):
    """Calls a plain function periodically.

    The moments are fixed: the time that the function takes does not shift them, and those that pass while it runs are
    left out. An exception of the function ends the calls and is logged.

    Attributes:
        running: calls are going to happen.
        interval: seconds between calls, None before ``start``.
    """

    def __init__(self, func: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> None:
        self._func: Callable[_P, _T] = func
        self._args: Any = args
        self._kwargs: Any = kwargs
        self.running = False
        self.interval: float | None = None
        self._begin_s = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self, interval: float, now: bool = True) -> None:
        """Begin, with a call at once unless ``now`` is False.

        Raises:
            RuntimeError: it is running, or there is no running event loop.
            ValueError: ``interval`` is negative.
        """
        if self.running:
            raise RuntimeError("this looping call is running already")
        if interval < 0:
            raise ValueError(f"the interval has to be 0 seconds or more, not {interval}")
        loop = asyncio.get_running_loop()
        self.running = True
        self.interval = interval
        self._begin_s = loop.time()
        if now:
            self._call()
        else:
            self._schedule()

    def stop(self) -> None:
        """No more calls. Nothing happens when it is not running."""
        self.running = False
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _schedule(self) -> None:
        assert self.interval is not None
        loop = asyncio.get_running_loop()
        if self.interval == 0:
            self._handle = loop.call_later(0, self._call)
            return
        passed = (loop.time() - self._begin_s) // self.interval
        self._handle = loop.call_at(self._begin_s + (passed + 1) * self.interval, self._call)

    def _call(self) -> None:
        self._handle = None
        try:
            result = self._func(*self._args, **self._kwargs)
        except Exception:
            logger.exception("The looping call of %r failed: it is called no more", self._func)
            self.running = False
            return
        if isinstance(result, Awaitable):
            if asyncio.iscoroutine(result):
                result.close()
            self.running = False
            logger.error("The looping call of %r gave an awaitable: only plain functions can be called", self._func)
            return
        if self.running:
            self._schedule()


def create_looping_call(
    func: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
) -> AsyncioLoopingCall[_P, _T]:
    """A looping call of ``func(*args, **kwargs)``, to be started."""
    return AsyncioLoopingCall(func, *args, **kwargs)
