"""The conversions between coroutines, futures and values that Scrapy's users know, with asyncio alone.

Where Scrapy has a Deferred, an ``asyncio.Future`` is meant. A Deferred that another library made is converted by its
own ``asFuture``.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any, ParamSpec, TypeVar

from raycrawl.failure import Failure

_P = ParamSpec("_P")
_T = TypeVar("_T")

_END: Any = object()


def _future_of(value: Any) -> asyncio.Future[Any] | None:
    """What ``value`` will give, None when it is nothing to wait for. A coroutine starts to run on the event loop."""
    if isinstance(value, asyncio.Future):
        return value
    convert = getattr(value, "asFuture", None)
    if convert is not None:
        converted: asyncio.Future[Any] = convert(asyncio.get_running_loop())
        return converted
    return asyncio.ensure_future(value) if inspect.isawaitable(value) else None


def deferred_from_coro(o: Any) -> Any:
    """The future of a coroutine or another awaitable. Anything else is returned unchanged."""
    future = _future_of(o)
    return o if future is None else future


def deferred_to_future(d: Any) -> asyncio.Future[Any]:
    """The future of an awaitable; a future is its own.

    Raises:
        TypeError: ``d`` is nothing that can be awaited.
    """
    future = _future_of(d)
    if future is None:
        raise TypeError(f"an awaitable is needed, not {d!r}")
    return future


def maybe_deferred_to_future(d: Any) -> asyncio.Future[Any]:
    """``deferred_to_future``. The two differ only where there may be no asyncio event loop, and here is always one."""
    return deferred_to_future(d)


def deferred_f_from_coro_f(coro_f: Callable[_P, Awaitable[_T]]) -> Callable[_P, asyncio.Future[_T]]:
    """A function that starts ``coro_f`` when it is called, and returns the future. For use as a decorator, too."""

    @functools.wraps(coro_f)
    def start(*args: _P.args, **kwargs: _P.kwargs) -> asyncio.Future[_T]:
        return deferred_to_future(coro_f(*args, **kwargs))

    return start


def ensure_awaitable(o: Any) -> Awaitable[Any]:
    """Something to await for ``o``: itself if that works, else a coroutine that returns it."""
    if hasattr(o, "asFuture"):
        return deferred_to_future(o)
    if inspect.isawaitable(o):
        return o

    async def give() -> Any:
        return o

    return give()


async def aiter_errback(
    aiterable: AsyncIterable[_T], errback: Callable[..., Any], *a: Any, **kw: Any
) -> AsyncIterator[_T]:
    """The entries of ``aiterable``, up to its first exception, which goes to ``errback(failure, *a, **kw)``.

    What whoever uses the entries raises does not concern ``errback``. It may be asynchronous.
    """
    entries = aiter(aiterable)
    try:
        while True:
            try:
                entry = await anext(entries, _END)
            except Exception as error:
                await ensure_awaitable(errback(Failure(error), *a, **kw))
                return
            if entry is _END:
                return
            yield entry
    finally:
        await _close(entries)


def iter_errback(iterable: Iterable[_T], errback: Callable[..., Any], *a: Any, **kw: Any) -> Iterator[_T]:
    """``aiter_errback`` for a plain iterable and a plain ``errback``."""
    entries = iter(iterable)
    while True:
        try:
            entry = next(entries, _END)
        except Exception as error:
            errback(Failure(error), *a, **kw)
            return
        if entry is _END:
            return
        yield entry


async def parallel_async(
    async_iterable: AsyncIterable[_T], count: int, callable: Callable[..., Any], *args: Any, **named: Any
) -> None:
    """Have ``callable(entry, *args, **named)`` done with each entry; returns when all are.

    Entries are taken as they are needed. The first exception, of ``callable`` or of ``async_iterable``, cancels what is
    being done and is raised.

    Args:
        count: how many calls may go on at a time, from 1.
        callable: a plain function or one that returns an awaitable.

    Raises:
        ValueError: ``count`` is less than 1.
    """
    if count < 1:
        raise ValueError(f"count has to be 1 or more, not {count!r}")
    entries = aiter(async_iterable)
    turn = asyncio.Lock()  # an async generator gives one entry at a time

    async def work() -> None:
        while True:
            async with turn:
                entry = await anext(entries, _END)
            if entry is _END:
                return
            await ensure_awaitable(callable(entry, *args, **named))

    workers = [asyncio.create_task(work()) for _ in range(count)]
    try:
        done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        for worker in done:
            worker.result()
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        await _close(entries)


async def _close(entries: AsyncIterator[Any]) -> None:
    """Let an async generator clean up now: left alone, it does so when it is garbage."""
    close = getattr(entries, "aclose", None)
    if close is not None:
        await close()


__all__ = [
    "aiter_errback",
    "deferred_f_from_coro_f",
    "deferred_from_coro",
    "deferred_to_future",
    "ensure_awaitable",
    "iter_errback",
    "maybe_deferred_to_future",
    "parallel_async",
]
