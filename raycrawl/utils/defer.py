"""Awaitables under the names that older code knows. There are no Deferreds: these functions give asyncio futures.

A Deferred of Twisted, should one come by, is taken as an awaitable.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from raycrawl.failure import Failure

_P = ParamSpec("_P")
_T = TypeVar("_T")


def deferred_from_coro(o: Any) -> Any:
    """A future for a coroutine or another awaitable, scheduled on the running event loop; other values as they are."""
    if isinstance(o, asyncio.Future):
        return o
    return asyncio.ensure_future(o) if inspect.isawaitable(o) else o


def deferred_f_from_coro_f(coro_f: Callable[_P, Awaitable[_T]]) -> Callable[_P, asyncio.Future[_T]]:
    """``coro_f`` as a function that returns a future; also a decorator."""

    @wraps(coro_f)
    def scheduled(*args: _P.args, **kwargs: _P.kwargs) -> asyncio.Future[_T]:
        return asyncio.ensure_future(cast("Coroutine[Any, Any, _T]", coro_f(*args, **kwargs)))

    return scheduled


def deferred_to_future(d: Any) -> asyncio.Future[Any]:
    """A future for an awaitable.

    Raises:
        TypeError: ``d`` is not awaitable.
    """
    if hasattr(d, "asFuture"):
        return cast("asyncio.Future[Any]", d.asFuture(asyncio.get_running_loop()))
    future: asyncio.Future[Any] = asyncio.ensure_future(d)
    return future


def maybe_deferred_to_future(d: Any) -> asyncio.Future[Any]:
    """Same as ``deferred_to_future``: there is always an asyncio event loop."""
    return deferred_to_future(d)


def ensure_awaitable(o: Any, _warn: str | None = None) -> Awaitable[Any]:
    """``o`` when it is awaitable, else a coroutine that gives it."""
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
    """Go through ``aiterable``; an exception ends it and goes to ``errback(failure, *a, **kw)``, not to the caller."""
    iterator = aiter(aiterable)
    while True:
        try:
            entry = await anext(iterator)
        except StopAsyncIteration:
            return
        except Exception as error:
            result = errback(Failure(error), *a, **kw)
            if inspect.isawaitable(result):
                await result
            return
        yield entry


def iter_errback(iterable: Iterable[_T], errback: Callable[..., Any], *a: Any, **kw: Any) -> Iterator[_T]:
    """The same for a plain iterable."""
    iterator = iter(iterable)
    while True:
        try:
            entry = next(iterator)
        except StopIteration:
            return
        except Exception as error:
            errback(Failure(error), *a, **kw)
            return
        yield entry


async def parallel_async(
    async_iterable: AsyncIterable[_T], count: int, callable: Callable[..., Any], *args: Any, **named: Any
) -> None:
    """Call ``callable(entry, *args, **named)`` for every entry, at most ``count`` at the same time."""
    if count < 1:
        raise ValueError(f"count has to be at least 1, not {count}")
    running: set[asyncio.Future[Any]] = set()
    async for entry in async_iterable:
        running.add(asyncio.ensure_future(ensure_awaitable(callable(entry, *args, **named))))
        if len(running) >= count:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for finished in done:
                finished.result()
    if running:
        await asyncio.gather(*running)
