"""Timers, periodic calls and threads for components, which all run on an asyncio event loop."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar

logger = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")


def is_asyncio_available() -> bool:
    """True: there is no other event loop in a crawl."""
    return True


async def sleep(seconds: float) -> None:
    """Let others run for ``seconds``."""
    await asyncio.sleep(seconds)


async def run_in_thread(func: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call ``func`` in a thread, so that the event loop goes on while it blocks. Returns, or raises, what it does."""
    return await asyncio.to_thread(func, *args, **kwargs)


@dataclass(frozen=True, slots=True, eq=False)
class CallLaterResult:
    """What ``call_later`` arranged."""

    _timer: asyncio.TimerHandle

    def cancel(self) -> None:
        """Call it off. Too late, or a second time, this changes nothing."""
        self._timer.cancel()


def call_later(delay: float, func: Callable[_P, Any], *args: _P.args, **kwargs: _P.kwargs) -> CallLaterResult:
    """Have the running event loop call ``func``, ``delay`` seconds from now.

    Raises:
        RuntimeError: no event loop is running.
    """
    return CallLaterResult(asyncio.get_running_loop().call_later(delay, partial(func, *args, **kwargs)))


class _Beat:
    """The moments ``begin``, ``begin + interval``, ``begin + 2 * interval``... of one run of a looping call."""

    def __init__(self, interval_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._interval_s = interval_s
        self._begin_s = self._loop.time()
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, call: Callable[[], None]) -> None:
        """Have ``call`` called at the next moment. Those that have gone by without a call are not made up for."""
        # Loops wake a little early at times: a moment must not come twice.
        self._number += 1
        if self._interval_s > 0:
            gone = int((self._loop.time() - self._begin_s) / self._interval_s)
            self._number = max(self._number, gone + 1)
        self._timer = self._loop.call_at(self._begin_s + self._number * self._interval_s, call)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class AsyncioLoopingCall(Generic[_P, _T]):
    """A plain function that is called again and again, at moments ``interval`` seconds apart.

    However long a call takes, the moments stay where they are: a call that outlasts some goes on with the next to come.
    It ends when the function raises, or gives an awaitable, which nobody would wait for; the log says so.

    Attributes:
        interval: the seconds from one moment to the next; None before the first ``start``.
    """

    def __init__(self, func: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> None:
        self.interval: float | None = None
        self._function = partial(func, *args, **kwargs)
        self._beat: _Beat | None = None

    @property
    def running(self) -> bool:
        """Whether more calls are to come."""
        return self._beat is not None

    def start(self, interval: float, now: bool = True) -> None:
        """Begin.

        Args:
            interval: seconds, from 0, which means as often as the event loop comes round.
            now: make the first call here; False: when the first ``interval`` has gone by.

        Raises:
            ValueError: ``interval`` is less than 0.
            RuntimeError: it is running, or no event loop is.
        """
        if interval < 0:
            raise ValueError(f"the interval of a looping call cannot be {interval!r} seconds")
        if self._beat is not None:
            raise RuntimeError("this looping call is running: stop() it before the next start()")
        beat = _Beat(interval)
        self.interval, self._beat = interval, beat
        if now:
            self._once(beat)
        else:
            beat.wait(partial(self._once, beat))

    def stop(self) -> None:
        """No call comes after this. The function may do it, too."""
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None

    def _once(self, beat: _Beat) -> None:
        try:
            given = self._function()
        except Exception:
            logger.exception("%r failed, and is not called any more", self._function.func)
            self.stop()
            return
        if inspect.isawaitable(given):
            if inspect.iscoroutine(given):
                given.close()
            logger.error("%r gave an awaitable: looping calls are for plain functions", self._function.func)
            self.stop()
        elif self._beat is beat:  # the function has not stopped it, nor stopped and started it
            beat.wait(partial(self._once, beat))


def create_looping_call(func: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> AsyncioLoopingCall[_P, _T]:
    """A looping call of ``func`` with these arguments, which waits for its ``start``."""
    return AsyncioLoopingCall(func, *args, **kwargs)


__all__ = [
    "AsyncioLoopingCall",
    "CallLaterResult",
    "call_later",
    "create_looping_call",
    "is_asyncio_available",
    "run_in_thread",
    "sleep",
]
