"""HTTP headers: names in any case, values that may repeat, everything as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, AnyStr, Self, TypeAlias

from raycrawl.utils.datatypes import CaseInsensitiveDict

RawValue: TypeAlias = bytes | str | int
HeadersInput: TypeAlias = Mapping[Any, Any] | Iterable[tuple[Any, Any]]


@lru_cache(maxsize=4096)
def _norm_str(key: str, encoding: str) -> bytes:
    return key.title().encode(encoding)


@lru_cache(maxsize=4096)
def _norm_bytes(key: bytes) -> bytes:
    return key.title()


class Headers(dict[bytes, list[bytes]]):
    """The headers of a request or response: a dict from bytes names (``b"Content-Type"``) to lists of bytes.

    Names match in any case. ``headers["name"]``, `get` and `values` give the last value of a name (None when it has an
    empty list, as a name set to None has), `getlist` all of them. str keys and values are encoded with ``encoding``.
    """

    encoding: str

    def __init__(self, seq: HeadersInput | None = None, encoding: str = "utf-8") -> None:
        self.encoding = encoding
        super().__init__()
        if seq:
            self.update(seq)

    def normkey(self, key: str | bytes) -> bytes:
        """The name as it is stored: bytes, each word capitalised.

        Raises:
            TypeError: when ``key`` is neither str nor bytes.
        """
        if isinstance(key, str):
            return _norm_str(key, self.encoding)
        if isinstance(key, bytes):
            return _norm_bytes(key)
        raise TypeError(f"Unsupported header name type: {type(key)}")

    def normvalue(self, value: RawValue | Iterable[RawValue] | None) -> list[bytes]:
        """The values as they are stored: a list of bytes; None is an empty list.

        Raises:
            TypeError: for values that are not str, bytes or int, or iterables of these.
        """
        if value is None:
            return []
        if isinstance(value, bytes | str):
            return [self._to_bytes(value)]
        if hasattr(value, "__iter__"):
            return [self._to_bytes(item) for item in value]
        return [self._to_bytes(value)]

    def _to_bytes(self, value: RawValue) -> bytes:
        if isinstance(value, bytes):
            return value
        if isinstance(value, str):
            return value.encode(self.encoding)
        if isinstance(value, int):
            return str(value).encode(self.encoding)
        raise TypeError(f"Unsupported value type: {type(value)}")

    def __getitem__(self, key: AnyStr) -> bytes | None:  # type: ignore[override]
        values = super().__getitem__(self.normkey(key))
        return values[-1] if values else None

    def __setitem__(self, key: AnyStr, value: Any) -> None:
        super().__setitem__(self.normkey(key), self.normvalue(value))

    def __delitem__(self, key: AnyStr) -> None:
        super().__delitem__(self.normkey(key))

    def __contains__(self, key: object) -> bool:
        return super().__contains__(self.normkey(key))  # type: ignore[arg-type]

    has_key = __contains__

    def __copy__(self) -> Self:
        return type(self)(self, self.encoding)

    def copy(self) -> Self:
        """A copy, with the same encoding, whose lists are its own."""
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), dict(dict.items(self)), self.encoding)

    def __or__(self, other: Any) -> Self:  # type: ignore[override]
        result = self.copy()
        result.update(other)
        return result

    def __ior__(self, other: Any) -> Self:  # type: ignore[override]
        self.update(other)
        return self

    def get(self, key: AnyStr, def_val: Any = None) -> bytes | None:  # type: ignore[override]
        """The last value of ``key``; ``def_val`` (as bytes) when the name is not there; None when it has no values."""
        values = super().get(self.normkey(key))
        if values is None:
            values = self.normvalue(def_val)
        return values[-1] if values else None

    def getlist(self, key: AnyStr, def_val: Any = None) -> list[bytes]:
        """All values of ``key``, else ``def_val`` as a list of bytes (empty by default)."""
        values = super().get(self.normkey(key))
        return self.normvalue(def_val) if values is None else values

    def setlist(self, key: AnyStr, list_: Iterable[Any]) -> None:
        """Replace the values of ``key``."""
        self[key] = list_

    def setlistdefault(self, key: AnyStr, default_list: Iterable[Any] = ()) -> Any:
        """The values of ``key``, after setting them to ``default_list`` when the name is not there."""
        return self.setdefault(key, default_list)

    def setdefault(self, key: AnyStr, def_val: Any = None) -> Any:
        """The list of values of ``key``, after setting it to ``def_val`` when the name is not there."""
        return super().setdefault(self.normkey(key), self.normvalue(def_val))

    def appendlist(self, key: AnyStr, value: Any) -> None:
        """Add one value, or all of an iterable, to those of ``key``."""
        self[key] = [*self.getlist(key), *self.normvalue(value)]

    def pop(self, key: AnyStr, *args: Any) -> Any:
        """Remove a name and give the list of its values.

        Raises:
            KeyError: when the name is not there and no default was given.
        """
        return super().pop(self.normkey(key), *args)

    def update(self, seq: HeadersInput = (), **kwargs: Any) -> None:  # type: ignore[override]
        """Set names from a mapping or from pairs; pairs of one name add up, and replace what the name had."""
        if isinstance(seq, Headers):
            for key, values in dict.items(seq):
                dict.__setitem__(self, key, list(values))
        else:
            collected: dict[bytes, list[bytes]] = {}
            for key, value in seq.items() if isinstance(seq, Mapping) else seq:
                name = self.normkey(key)
                values = [value] if type(value) is bytes else self.normvalue(value)
                if name in collected:
                    collected[name] += values
                else:
                    collected[name] = values
            dict.update(self, collected)
        for keyword, value in kwargs.items():
            self[keyword] = value

    @classmethod
    def fromkeys(cls, keys: Iterable[Any], value: Any = None) -> Self:  # type: ignore[override]
        """Headers with the same ``value`` for each of ``keys``."""
        return cls((key, value) for key in keys)

    def values(self) -> list[bytes | None]:  # type: ignore[override]
        """The last value of each name."""
        return [values[-1] if values else None for values in dict.values(self)]

    def to_string(self) -> bytes:
        """The headers as they are sent: ``Name: value`` lines joined by CRLF, without a last line end."""
        return b"\r\n".join(b"%b: %b" % (name, value) for name, values in self.items() for value in values)

    def to_unicode_dict(self) -> CaseInsensitiveDict:
        """A case-insensitive dict of str names and str values, where the values of a name are joined by commas."""
        return CaseInsensitiveDict(
            (name.decode(self.encoding), b",".join(values).decode(self.encoding)) for name, values in self.items()
        )

    def to_tuple_list(self) -> list[tuple[str, str]]:
        """(name, value) pairs of str, one for each value."""
        return [
            (name.decode(self.encoding), value.decode(self.encoding))
            for name, values in self.items()
            for value in values
        ]


def _rebuild(cls: type[Headers], values: dict[bytes, list[bytes]], encoding: str) -> Headers:
    headers = cls(encoding=encoding)
    for key, value in values.items():
        dict.__setitem__(headers, key, list(value))
    return headers
