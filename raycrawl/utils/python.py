"""Small helpers about Python values: text and bytes, call signatures, chained iterators."""

from __future__ import annotations

import gc
import inspect
import sys
import weakref
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from functools import partial, wraps
from itertools import chain
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

_T = TypeVar("_T")
_KT = TypeVar("_KT")
_VT = TypeVar("_VT")
_SelfT = TypeVar("_SelfT")
_P = ParamSpec("_P")

# Control characters that text does not have. NUL is no sign: UTF-16 is full of them.
_BINARY_BYTES = bytes(set(range(32)) - set(b"\0\t\n\r"))


def is_listlike(x: Any) -> bool:
    """Whether ``x`` is an iterable of values rather than one value (text and bytes are values).

    >>> is_listlike("foo"), is_listlike(["foo"]), is_listlike(range(2)), is_listlike(5)
    (False, True, True, False)
    """
    return hasattr(x, "__iter__") and not isinstance(x, str | bytes)


def to_unicode(text: str | bytes, encoding: str | None = None, errors: str = "strict") -> str:
    """``text`` as str: bytes are decoded (UTF-8 unless told), str is returned as it is.

    Raises:
        TypeError: for anything but str and bytes.
    """
    if isinstance(text, str):
        return text
    if not isinstance(text, bytes):
        raise TypeError(f"to_unicode must receive a bytes or str object, got {type(text).__name__}")
    return text.decode(encoding or "utf-8", errors)


def to_bytes(text: str | bytes, encoding: str | None = None, errors: str = "strict") -> bytes:
    """``text`` as bytes: str is encoded (UTF-8 unless told), bytes are returned as they are.

    Raises:
        TypeError: for anything but str and bytes.
    """
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str):
        raise TypeError(f"to_bytes must receive a str or bytes object, got {type(text).__name__}")
    return text.encode(encoding or "utf-8", errors)


def unique(list_: Iterable[_T], key: Callable[[_T], Any] = lambda x: x) -> list[_T]:
    """The values without repeats, in their first order; ``key`` says when two values are the same."""
    seen: dict[Any, _T] = {}
    for value in list_:
        seen.setdefault(key(value), value)
    return list(seen.values())


def memoizemethod_noargs(method: Callable[Concatenate[_SelfT, _P], _T]) -> Callable[Concatenate[_SelfT, _P], _T]:
    """Decorator: compute a method without arguments once per object, and forget it with the object."""
    cache: weakref.WeakKeyDictionary[Any, _T] = weakref.WeakKeyDictionary()

    @wraps(method)
    def cached(self: _SelfT, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        if self not in cache:
            cache[self] = method(self, *args, **kwargs)
        return cache[self]

    return cached  # type: ignore[return-value]


def binary_is_text(data: bytes) -> bool:
    """Whether ``data`` could be text: it has no control characters that text does not use.

    Raises:
        TypeError: when ``data`` is not bytes.
    """
    if not isinstance(data, bytes):
        raise TypeError(f"data must be bytes, got {type(data).__name__}")
    return len(data.translate(None, _BINARY_BYTES)) == len(data)


def get_func_args(func: Callable[..., Any], stripself: bool = False) -> list[str]:
    """Names of the arguments that ``func`` takes.

    Arguments that a ``partial`` has already filled are left out; so is ``self`` of bound methods, and the first
    argument of a plain function when ``stripself`` is true.
    """
    if not callable(func):
        raise TypeError(f"func must be callable, got {type(func).__name__}")
    if isinstance(func, partial):
        filled = func.keywords
        args = get_func_args(func.func, stripself)[len(func.args) :]
        return [name for name in args if name not in filled]
    args = _signature_args(func)
    if stripself and not inspect.ismethod(func) and args and args[0] == "self":
        args = args[1:]
    return args


def _signature_args(func: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(func).parameters.values()
    except ValueError:  # a builtin without a signature
        return []
    return [parameter.name for parameter in parameters]


def get_spec(func: Callable[..., Any]) -> tuple[list[str], dict[str, Any]]:
    """The positional arguments of ``func``, ``self`` included, as (names without default, {name: default}).

    Raises:
        TypeError: when ``func`` cannot be called.
    """
    if not callable(func):
        raise TypeError(f"{type(func)} is not callable")
    is_function = inspect.isfunction(func) or inspect.ismethod(func)
    spec = inspect.getfullargspec(func if is_function else func.__call__)  # type: ignore[operator]
    defaults = spec.defaults or ()
    cut = len(spec.args) - len(defaults)
    return spec.args[:cut], dict(zip(spec.args[cut:], defaults, strict=True))


@overload
def without_none_values(iterable: Mapping[_KT, _VT]) -> dict[_KT, _VT]: ...
@overload
def without_none_values(iterable: Iterable[_VT]) -> Iterable[_VT]: ...
def without_none_values(iterable: Any) -> Any:
    """A copy of a mapping or iterable without its ``None`` values, of the same kind."""
    if isinstance(iterable, Mapping):
        return {key: value for key, value in iterable.items() if value is not None}
    return type(iterable)(value for value in iterable if value is not None)


def global_object_name(obj: Any) -> str:
    """The full name of a class or function: ``module.qualname``.

    >>> global_object_name(ValueError)
    'builtins.ValueError'
    """
    return f"{obj.__module__}.{obj.__qualname__}"


def garbage_collect() -> None:
    """Collect garbage; twice on PyPy, whose finalizers run in the first round only."""
    gc.collect()
    if sys.implementation.name == "pypy":
        gc.collect()


class MutableChain(Iterator[_T]):
    """Several iterables one after another, to which more can be added while it is being read."""

    def __init__(self, *args: Iterable[_T]) -> None:
        self.data: Iterator[_T] = chain.from_iterable(args)

    def extend(self, *iterables: Iterable[_T]) -> None:
        """Add iterables to the end."""
        self.data = chain(self.data, chain.from_iterable(iterables))

    def __iter__(self) -> Iterator[_T]:
        return self

    def __next__(self) -> _T:
        return next(self.data)


async def _async_chain(*iterables: Iterable[_T] | AsyncIterable[_T]) -> AsyncIterator[_T]:
    for iterable in iterables:
        if isinstance(iterable, AsyncIterable):
            async for value in iterable:
                yield value
        else:
            for value in iterable:
                yield value


class MutableAsyncChain(AsyncIterator[_T]):
    """Like `MutableChain`, of plain and asynchronous iterables."""

    def __init__(self, *args: Iterable[_T] | AsyncIterable[_T]) -> None:
        self.data: AsyncIterator[_T] = _async_chain(*args)

    def extend(self, *iterables: Iterable[_T] | AsyncIterable[_T]) -> None:
        """Add iterables to the end."""
        self.data = _async_chain(self.data, _async_chain(*iterables))

    def __aiter__(self) -> AsyncIterator[_T]:
        return self

    async def __anext__(self) -> _T:
        return await self.data.__anext__()
