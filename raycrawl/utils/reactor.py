"""There is no Twisted reactor: everything runs on asyncio. These names let code that asks for one go on."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


def install_reactor(reactor_path: str, event_loop_path: str | None = None) -> None:
    """Does nothing but warn: there is no reactor to install."""
    warnings.warn(f"raycrawl runs on asyncio: install_reactor({reactor_path!r}) does nothing", stacklevel=2)


def set_asyncio_event_loop_policy() -> None:
    """Does nothing but warn: the event loop is not ours to choose."""
    warnings.warn("raycrawl runs on asyncio: set_asyncio_event_loop_policy() does nothing", stacklevel=2)


def set_asyncio_event_loop(event_loop_path: str | None) -> asyncio.AbstractEventLoop:
    """The running event loop; a path to another one is not followed, with a warning."""
    if event_loop_path is not None:
        warnings.warn(f"raycrawl chooses its event loop itself, not {event_loop_path}", stacklevel=2)
    return asyncio.get_running_loop()


def verify_installed_reactor(reactor_path: str) -> None:
    """Does nothing: there is no reactor that could be the wrong one."""


def verify_installed_asyncio_event_loop(loop_path: str) -> None:
    """Does nothing: the event loop is not ours to choose."""


def is_reactor_installed() -> bool:
    """There is none."""
    return False


def is_asyncio_reactor_installed() -> bool:
    """Whether asyncio code can run, which is what the question is about: always."""
    return True


class CallLaterOnce(Generic[_T]):
    """Calls a function once, soon, however often it is asked to: many wake-ups, one run."""

    def __init__(self, func: Callable[_P, _T], *a: _P.args, **kw: _P.kwargs) -> None:
        self._func: Callable[..., _T] = func
        self._a: tuple[Any, ...] = a
        self._kw: dict[str, Any] = kw
        self._handle: asyncio.TimerHandle | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def schedule(self, delay: float = 0) -> None:
        """Call the function after ``delay`` seconds, unless a call is waiting already."""
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(delay, self)

    def cancel(self) -> None:
        """Forget the call that is waiting, if any."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def __call__(self) -> _T:
        self._handle = None
        result = self._func(*self._a, **self._kw)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        return result

    async def wait(self) -> None:
        """Return after the next call."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter
