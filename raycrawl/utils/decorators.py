"""Decorators."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from raycrawl.exceptions import ScrapyDeprecationWarning

_P = ParamSpec("_P")
_T = TypeVar("_T")


def deprecated(use_instead: Any = None) -> Any:
    """Make a function warn when it is called; ``@deprecated`` or ``@deprecated("what to use instead")``."""
    if callable(use_instead):
        return _deprecated(use_instead, None)
    return lambda func: _deprecated(func, use_instead)


def _deprecated(func: Callable[_P, _T], use_instead: str | None) -> Callable[_P, _T]:
    message = f"{func.__name__}() is deprecated" + (f": use {use_instead} instead" if use_instead else "")

    @wraps(func)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        warnings.warn(message, ScrapyDeprecationWarning, stacklevel=2)
        return func(*args, **kwargs)

    return wrapped


def inthread(func: Callable[_P, _T]) -> Callable[_P, asyncio.Future[_T]]:
    """Run a function in a thread; calling it gives a future."""

    @wraps(func)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> asyncio.Future[_T]:
        return asyncio.ensure_future(asyncio.to_thread(func, *args, **kwargs))

    return wrapped
