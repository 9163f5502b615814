"""Small collections: case-insensitive dict, bounded caches, exclusion."""

from __future__ import annotations

import collections
import weakref
from collections.abc import Iterable, Mapping
from typing import Any, Self, TypeVar

_KT = TypeVar("_KT")
_VT = TypeVar("_VT")


class CaseInsensitiveDict(collections.UserDict[Any, Any]):
    """A dict whose str or bytes keys match whatever their case, and keep the case they were first set with.

    Subclasses may override `_normkey` (how keys compare) and `_normvalue` (what is stored).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._keys: dict[Any, Any] = {}
        super().__init__(*args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self._keys[self._normkey(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        norm = self._normkey(key)
        if norm in self._keys:
            super().__delitem__(self._keys[norm])
        self._keys[norm] = key
        super().__setitem__(key, self._normvalue(value))

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(self._keys.pop(self._normkey(key)))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str | bytes) and self._normkey(key) in self._keys

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {super().__repr__()}>"

    def copy(self) -> Self:
        """A copy."""
        return type(self)(self)

    __copy__ = copy

    def _normkey(self, key: Any) -> Any:
        return key.lower()

    def _normvalue(self, value: Any) -> Any:
        return value


class LocalCache(collections.OrderedDict[_KT, _VT]):
    """A dict that keeps the ``limit`` entries that were added last (``None``: all of them)."""

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()
        self.limit = limit

    def __setitem__(self, key: _KT, value: _VT) -> None:
        if self.limit:
            while len(self) >= self.limit:
                self.popitem(last=False)
        super().__setitem__(key, value)


class LocalWeakReferencedCache(weakref.WeakKeyDictionary[Any, Any]):
    """A `LocalCache` with weakly referenced keys; a key that cannot be weakly referenced is never stored."""

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()
        self.data: LocalCache[Any, Any] = LocalCache(limit=limit)

    def __setitem__(self, key: Any, value: Any) -> None:
        try:
            super().__setitem__(key, value)
        except TypeError:
            return

    def __getitem__(self, key: Any) -> Any:
        """The value of ``key``, None when there is none."""
        try:
            return super().__getitem__(key)
        except (TypeError, KeyError):
            return None


class SequenceExclude:
    """``x in SequenceExclude(seq)`` is true for everything that ``seq`` does not contain."""

    def __init__(self, seq: Iterable[Any] | Mapping[Any, Any]) -> None:
        self.seq = seq

    def __contains__(self, item: Any) -> bool:
        return item not in self.seq
