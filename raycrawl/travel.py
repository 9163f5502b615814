"""Values on their way between our own processes: what msgpack can say, and how the rest is carried.

`pack` turns a value into one that msgpack keeps exactly; `unpack_extension` turns the extensions back. A value that no
other process could make again raises a ValueError that names where it was found, when it is packed and not later.
"""

from __future__ import annotations

import datetime as dt
import io
import pickle
import sys
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType
from typing import Any, TypeVar

import msgspec

Ext = msgspec.msgpack.Ext
_encode = msgspec.msgpack.Encoder().encode

# Extension codes (application-specific: 0 to 127).
_PICKLE, _TUPLE, _SET, _FROZENSET, _BIG_INT, _TEXT, _DATE, _DATETIME, _BYTEARRAY = range(1, 10)

_SCALARS = frozenset({str, int, float, bool, type(None), bytes})
_MIN_INT, _MAX_INT = -(2**63), 2**64 - 1  # what msgpack holds
_T = TypeVar("_T")


def pack_dict(values: dict[str, Any], where: str) -> dict[str, Any]:
    """``values`` ready for msgpack; the same object when there is nothing to do.

    Raises:
        ValueError: naming the key (``meta['page']``) whose value cannot travel.
    """
    for key, value in values.items():
        kind = type(value)
        if (type(key) is str and key.isascii()) and (
            (kind is str and value.isascii()) or (kind is int and -_SMALL < value < _SMALL) or kind in _ALWAYS
        ):
            continue
        return {_key(key, where): pack(value, f"{where}[{key!r}]") for key, value in values.items()}
    return values


_SMALL = 2**62
_ALWAYS = frozenset({float, bool, type(None), bytes})


def _key(key: Any, where: str) -> Any:
    if not _is_plain_key(key):
        raise ValueError(f"{where} has the key {key!r}, but only str, int and bytes keys can travel between processes")
    return key


def pack(value: Any, where: str) -> Any:
    """``value`` ready for msgpack.

    Args:
        where: what it is, for the error: ``meta['page']``.

    Raises:
        ValueError: when it cannot travel.
    """
    try:
        return _pack(value, where)
    except RecursionError:
        raise ValueError(f"{where} contains itself or is nested too deeply to travel between processes") from None


def _pack(value: Any, where: str) -> Any:
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _pack_text(value)
    if kind is int:
        return value if _MIN_INT <= value <= _MAX_INT else Ext(_BIG_INT, str(value).encode())
    if kind in _SCALARS:
        return value
    if kind is dict:
        if all(map(_is_plain_key, value)):
            return {key: _pack(item, f"{where}[{key!r}]") for key, item in value.items()}
        return _pickled(value, where)
    if kind is list:
        return [_pack(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if kind is tuple:
        return Ext(_TUPLE, _encode([_pack(item, f"{where}[{i}]") for i, item in enumerate(value)]))
    if kind is set or kind is frozenset:
        return Ext(_SET if kind is set else _FROZENSET, _encode([_pack(item, where) for item in value]))
    if kind is dt.datetime and value.tzinfo is None and not value.fold:
        return Ext(_DATETIME, value.isoformat().encode())
    if kind is dt.date:
        return Ext(_DATE, value.isoformat().encode())
    if kind is bytearray:
        return Ext(_BYTEARRAY, bytes(value))
    if kind is Unloaded:
        return Ext(_PICKLE, value.data)
    return _pickled(value, where)


def _is_plain_key(key: Any) -> bool:
    kind = type(key)
    if kind is str:
        return key.isascii() or type(_pack_text(key)) is str
    return kind is bytes or (kind is int and _MIN_INT <= key <= _MAX_INT)


def _pack_text(value: str) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:  # lone surrogates, which UTF-8 does not have
        return Ext(_TEXT, value.encode("utf-8", "surrogatepass"))
    return value


class _Pickler(pickle.Pickler):
    """A pickler that carries classes of ``__main__`` (a script, a notebook) by value: no other process has them."""

    def reducer_override(self, obj: Any) -> Any:
        if getattr(obj, "__module__", None) == "__main__":
            if isinstance(obj, type):
                return _load_class, (_class_by_value(obj),)
            if isinstance(obj, FunctionType):
                raise pickle.PicklingError(
                    f"function {obj.__qualname__} of the main script cannot be imported elsewhere"
                )
        return NotImplemented


def _dumps(value: Any) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, 5).dump(value)
    return buffer.getvalue()


def _pickled(value: Any, where: str) -> Any:
    try:
        return Ext(_PICKLE, _dumps(value))
    except Exception as error:
        # Any exception: __reduce__ and __getstate__ are the value's own code.
        raise ValueError(
            f"{where} cannot travel between processes: {type(value).__name__} cannot be pickled ({error})"
        ) from error


class Unloaded:
    """A pickled value that this process could not make again: it travels on as it came.

    A Downloader may lack a module that only the spider's process has; it need not understand what it carries.
    """

    __slots__ = ("data", "error")

    def __init__(self, data: bytes, error: Exception) -> None:
        self.data = data
        self.error = error

    def __repr__(self) -> str:
        return f"<a pickled value that cannot be made again in this process: {self.error}>"


def unpack_extension(code: int, data: memoryview) -> Any:
    """The value of an extension that `pack` made.

    Raises:
        ValueError: for a code that is not ours, or an object that cannot be made again here.
    """
    raw = bytes(data)
    if code == _PICKLE:
        try:
            return pickle.loads(raw)
        except Exception as error:
            # Any exception: the classes' own code runs.
            raise ValueError(f"a pickled value cannot be made again in this process: {error}") from error
    return _unpack_plain(code, raw, _decode)


def unpack_for_passage(code: int, data: memoryview) -> Any:
    """Like `unpack_extension`, for a process that passes the value on: what it cannot make again is an `Unloaded`."""
    raw = bytes(data)
    if code == _PICKLE:
        try:
            return pickle.loads(raw)
        except Exception as error:
            # Any exception: the classes' own code runs.
            return Unloaded(raw, error)
    return _unpack_plain(code, raw, _decode_for_passage)


def _unpack_plain(code: int, raw: bytes, decode: Callable[[bytes], Any]) -> Any:
    if code == _TUPLE:
        return tuple(decode(raw))
    if code == _SET:
        return set(decode(raw))
    if code == _FROZENSET:
        return frozenset(decode(raw))
    if code == _BIG_INT:
        return int(raw)
    if code == _TEXT:
        return raw.decode("utf-8", "surrogatepass")
    if code == _DATETIME:
        return dt.datetime.fromisoformat(raw.decode())
    if code == _DATE:
        return dt.date.fromisoformat(raw.decode())
    if code == _BYTEARRAY:
        return bytearray(raw)
    raise ValueError(f"unknown extension {code} in a record")


_decode = msgspec.msgpack.Decoder(ext_hook=unpack_extension).decode
_decode_for_passage = msgspec.msgpack.Decoder(ext_hook=unpack_for_passage).decode


# -- classes


@lru_cache(maxsize=256)
def class_reference(cls: type[Any]) -> str | bytes:
    """``cls`` for another process: its import path, or the class itself when it cannot be imported there."""
    path = f"{cls.__module__}:{cls.__qualname__}"
    if cls.__module__ != "__main__" and _lookup(path) is cls:
        return path
    return _class_by_value(cls)  # type: ignore[arg-type]


def resolve_class(reference: str | bytes, base: type[_T]) -> type[_T]:
    """The class of a `class_reference`.

    Raises:
        ValueError: when it does not exist here or is not a subclass of ``base``.
    """
    cls = _lookup(reference) if isinstance(reference, str) else _load_class(reference)
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise ValueError(f"{reference!r} is not a {base.__name__} class in this process")
    return cls


@lru_cache(maxsize=256)
def _import(module: str) -> Any:
    import importlib

    return importlib.import_module(module)


def _lookup(path: str) -> Any:
    module, _, qualname = path.partition(":")
    try:
        found: Any = sys.modules.get(module) or _import(module)
    except ImportError:
        return None
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found


@lru_cache(maxsize=256)
def _class_by_value(cls: type) -> bytes:
    import cloudpickle

    data: bytes = cloudpickle.dumps(cls)
    return data


@lru_cache(maxsize=256)
def _load_class(data: bytes) -> Any:
    return pickle.loads(data)
