"""Loading objects by path, building components, and small helpers that components share."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import os
import re
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler

T = TypeVar("T")

# Strings, mappings and items are single values to arg_to_iter, although one can iterate over them.
_SINGLE_VALUES = (dict, str, bytes)


def arg_to_iter(arg: Any) -> Iterable[Any]:
    """``arg`` as an iterable: None gives an empty list; a string, dict, item or other single value a list of one."""
    if arg is None:
        return []
    if not isinstance(arg, _SINGLE_VALUES) and hasattr(arg, "__iter__") and not _is_item(arg):
        return cast("Iterable[Any]", arg)
    return [arg]


def _is_item(arg: Any) -> bool:
    from raycrawl.item import Item

    return isinstance(arg, Item)


@lru_cache(maxsize=1024)
def translate_path(path: str) -> str:
    """``path`` with a leading ``scrapy.`` replaced by ``raycrawl.`` when that name's module exists in raycrawl.

    So a project whose settings name the default components of Scrapy runs unchanged.
    """
    if not path.startswith("scrapy."):
        return path
    own = "raycrawl." + path[len("scrapy.") :]
    module_name = own.rpartition(".")[0]
    try:
        found = importlib.util.find_spec(module_name) is not None
    except ModuleNotFoundError:
        found = False
    return own if found else path


def load_object(path: str | Callable[..., Any]) -> Any:
    """The object that an absolute import path names; a class or function is returned as it is.

    ``scrapy.x.Y`` loads ``raycrawl.x.Y`` when that module exists here.

    Raises:
        ValueError: ``path`` has no dot.
        TypeError: ``path`` is neither a string nor callable.
        NameError: the module has no such object.
        ImportError: the module cannot be imported.
    """
    if not isinstance(path, str):
        if callable(path):
            return path
        raise TypeError(f"expected an import path or a class, got {path!r} ({type(path).__name__})")
    module_name, dot, name = translate_path(path).rpartition(".")
    if not dot:
        raise ValueError(f"{path!r} is not a full import path: expected 'module.Name'")
    module = importlib.import_module(module_name)
    try:
        return getattr(module, name)
    except AttributeError:
        raise NameError(f"there is no {name!r} in module {module_name!r}") from None


def walk_modules_iter(path: str) -> Iterator[ModuleType]:
    """Import and yield the module ``path`` and everything below it, parents first."""
    module = importlib.import_module(path)
    yield module
    if not hasattr(module, "__path__"):
        return
    for _, name, is_package in iter_modules(module.__path__):
        full_path = f"{path}.{name}"
        if is_package:
            yield from walk_modules_iter(full_path)
        else:
            yield importlib.import_module(full_path)


def walk_modules(path: str) -> list[ModuleType]:
    """Like ``walk_modules_iter``, as a list.

    Raises:
        ImportError: when any of the modules fails to import.
    """
    return list(walk_modules_iter(path))


def md5sum(file: Any) -> str:
    """The hex MD5 of a binary file object's content, read in blocks from where it stands."""
    import hashlib

    digest = hashlib.md5(usedforsecurity=False)
    while block := file.read(65536):
        digest.update(block)
    return digest.hexdigest()


_REL_SEPARATOR = re.compile(r"[\s,]+")


def rel_has_nofollow(rel: str | None) -> bool:
    """Whether a link's ``rel`` attribute holds ``nofollow``, separated by blanks or commas."""
    return rel is not None and "nofollow" in _REL_SEPARATOR.split(rel.lower())


def build_from_crawler(objcls: type[T], crawler: Crawler, /, *args: Any, **kwargs: Any) -> T:
    """An instance of ``objcls``: by its ``from_crawler(crawler, ...)`` when it has one, else by ``objcls(...)``.

    A class of older code that only has ``from_settings(settings, ...)`` is built with that.

    Raises:
        TypeError: the factory returned None.
    """
    component: Any = objcls
    if hasattr(component, "from_crawler"):
        instance = component.from_crawler(crawler, *args, **kwargs)
        method = "from_crawler"
    elif hasattr(component, "from_settings"):
        instance = component.from_settings(crawler.settings, *args, **kwargs)
        method = "from_settings"
    else:
        instance = component(*args, **kwargs)
        method = "__new__"
    if instance is None:
        raise TypeError(f"{objcls.__qualname__}.{method} gave None instead of an instance")
    return cast("T", instance)


@contextmanager
def set_environ(**kwargs: str) -> Iterator[None]:
    """Set environment variables for the duration of a ``with`` block."""
    before = {name: os.environ.get(name) for name in kwargs}
    os.environ.update(kwargs)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@lru_cache(maxsize=256)
def _generator_returns_value(code_owner: Callable[..., Any]) -> bool:
    try:
        source = textwrap.dedent(inspect.getsource(code_owner))
        tree = ast.parse(source)
    except (OSError, TypeError, SyntaxError):
        return False
    pending: list[ast.AST] = list(ast.iter_child_nodes(tree.body[0]))
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            continue  # another function's return is not ours
        if isinstance(node, ast.Return) and not (
            node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None)
        ):
            return True
        pending.extend(ast.iter_child_nodes(node))
    return False


def is_generator_with_return_value(callable: Callable[..., Any]) -> bool:
    """Whether ``callable`` is a generator function with a ``return`` of something other than None."""
    import functools

    function = callable.func if isinstance(callable, functools.partial) else callable
    return inspect.isgeneratorfunction(function) and _generator_returns_value(function)


def warn_on_generator_with_return_value(spider: Any, callable: Callable[..., Any]) -> None:
    """Warn when a callback is a generator that returns a value, since that value is lost.

    Off with ``WARN_ON_GENERATOR_RETURN_VALUE = False``.
    """
    if not spider.settings.getbool("WARN_ON_GENERATOR_RETURN_VALUE", True):
        return
    if is_generator_with_return_value(callable):
        warnings.warn(
            f"{type(spider).__name__}.{callable.__name__} is a generator that returns a value: the value is lost, "
            "yield it instead.",
            stacklevel=2,
        )
