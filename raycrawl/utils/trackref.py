"""Keeping track of live objects, to find memory leaks.

Objects of classes that derive from ``object_ref`` are listed by ``print_live_refs`` while they live.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from operator import itemgetter
from time import time
from types import NoneType
from typing import Any
from weakref import WeakKeyDictionary

live_refs: defaultdict[type, WeakKeyDictionary[Any, float]] = defaultdict(WeakKeyDictionary)


class object_ref:  # noqa: N801 - the public name
    """Derive from this to have a class's objects tracked."""

    __slots__ = ()

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        obj = object.__new__(cls)
        live_refs[cls][obj] = time()
        return obj


def format_live_refs(ignore: Any = NoneType) -> str:
    """How many objects of each class live, and how old the oldest is, as text."""
    lines = ["Live References", ""]
    now = time()
    for cls, refs in sorted(live_refs.items(), key=lambda entry: entry[0].__name__):
        if not refs or issubclass(cls, ignore):
            continue
        oldest = min(refs.values())
        lines.append(f"{cls.__name__:<30} {len(refs):6}   oldest: {int(now - oldest)}s ago")
    return "\n".join(lines) + "\n"


def print_live_refs(*a: Any, **kw: Any) -> None:
    """Print ``format_live_refs``."""
    print(format_live_refs(*a, **kw))


def get_oldest(class_name: str) -> Any:
    """The oldest live object of the class with that name, None when there is none."""
    for cls, refs in tuple(live_refs.items()):
        if cls.__name__ == class_name and refs:
            return min(refs.items(), key=itemgetter(1))[0]
    return None


def iter_all(class_name: str) -> Iterable[Any]:
    """All live objects of the class with that name; an empty list when there is none."""
    for cls, refs in tuple(live_refs.items()):
        if cls.__name__ == class_name:
            return refs.keys()
    return []
