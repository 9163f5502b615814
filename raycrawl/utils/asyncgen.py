"""Asynchronous generators from and to plain iterables."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TypeVar

_T = TypeVar("_T")


async def collect_asyncgen(result: AsyncIterable[_T]) -> list[_T]:
    """Everything that ``result`` gives, as a list."""
    return [entry async for entry in result]


async def as_async_generator(it: Iterable[_T] | AsyncIterable[_T]) -> AsyncIterator[_T]:
    """Go through ``it``, plain or asynchronous, asynchronously."""
    if isinstance(it, AsyncIterable):
        async for entry in it:
            yield entry
    else:
        for plain in it:
            yield plain
