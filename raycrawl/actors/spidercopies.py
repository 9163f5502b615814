"""Several Scrapers, one spider: each has a copy of it. Finds the attributes in which the copies have come apart.

A spider that gathers something on itself (pages seen, a counter) gathers a part of it in each copy. Nothing can tell
while it happens, so the copies are compared at the end. What a copy was given when it was made (a time, a random
number) may differ and is left alone as long as it does not change.
"""

from __future__ import annotations

import datetime
import decimal
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

LOOKS_INTO = 100_000
"""Values of one attribute that are looked at (0.1 s); of larger ones the sizes are compared."""
_NOT_THE_USERS = frozenset({"crawler", "settings", "logger"})
_SCALARS = (str, bytes, int, float, complex, type(None), datetime.date, datetime.timedelta, decimal.Decimal)
_ORDERED, _UNORDERED = (list, tuple, deque), (set, frozenset)


class _TooLarge(Exception):
    """More values than are looked at."""


class Attributes:
    """A copy of the spider: remembers its attributes as they are now, to say later which have changed."""

    def __init__(self, spider: Any) -> None:
        self._spider = spider
        self._before = self._digests()

    def _digests(self) -> dict[str, bytes]:
        return {name: _digest(value) for name, value in _values_of(self._spider)}

    def changed(self) -> dict[str, bytes]:
        """Digests of all attributes; an empty one for those that are as they were."""
        before = self._before
        return {name: b"" if before.get(name) == now else now for name, now in self._digests().items()}


def diverged(copies: Iterable[Mapping[str, bytes]]) -> list[str]:
    """The names of the attributes that have changed, and not in all ``copies`` alike."""
    copies = list(copies)
    names = sorted({name for copy in copies for name, digest in copy.items() if digest})
    return [name for name in names if len({copy.get(name, b"") for copy in copies}) > 1]


def _values_of(spider: Any) -> Iterator[tuple[str, Any]]:
    """Attributes of the instance, and containers of its own classes: ``seen = set()`` in a class body is one, too."""
    from raycrawl.spiders import Spider

    values: dict[str, Any] = {}
    for cls in reversed(type(spider).__mro__):
        if issubclass(cls, Spider) and not cls.__module__.startswith("raycrawl."):
            values |= {name: value for name, value in vars(cls).items() if isinstance(value, list | set | dict | deque)}
    values |= vars(spider)
    for name, value in values.items():
        if name not in _NOT_THE_USERS and not name.startswith("__"):
            yield name, value


def _digest(value: Any) -> bytes:
    try:
        return _walk(value, [LOOKS_INTO])
    except (_TooLarge, RecursionError):
        return _hash(type(value).__name__, len(value) if hasattr(value, "__len__") else 0)


def _walk(value: Any, budget: list[int]) -> bytes:
    """Equal for equal values, in whatever process: sets and dicts have no order."""
    budget[0] -= 1
    if budget[0] < 0:
        raise _TooLarge
    name = type(value).__name__
    if isinstance(value, _SCALARS):
        return _hash(name, value)
    if isinstance(value, Mapping):
        return _hash(name, sorted(_walk(key, budget) + _walk(item, budget) for key, item in value.items()))
    if isinstance(value, _UNORDERED):
        return _hash(name, sorted(_walk(item, budget) for item in value))
    if isinstance(value, _ORDERED):
        return _hash(name, [_walk(item, budget) for item in value])
    return _hash(name, None)  # an object of a class of its own: nobody knows what makes two of them the same


def _hash(name: str, value: Any) -> bytes:
    return blake2b(f"{name} {value!r}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
