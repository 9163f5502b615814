"""Spiders in files: import them, find the spider, or say what is wrong, in the user's words."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raycrawl.exceptions import UsageError

if TYPE_CHECKING:
    from types import ModuleType

    from raycrawl.settings import Settings
    from raycrawl.spiders import Spider

_SUFFIXES = (".py", ".pyw")


def spider_from_file(path: str, name: str | None = None) -> type[Spider]:
    """Import the file and return its spider class.

    Args:
        path: a Python file. Its directory becomes the first of ``sys.path``, as for ``python FILE``.
        name: which spider, when the file has several.

    Raises:
        UsageError: no such file, a file that does not import (with file and line), no spider in it, a spider without
            a name, several spiders and no ``name``.
    """
    module = _import_file(path)
    classes = _spider_classes(module)
    named = [cls for cls in classes if getattr(cls, "name", None)]
    chosen = named if name is None else [cls for cls in named if cls.name == name]
    if len(chosen) == 1:
        return chosen[0]
    if name is not None and not chosen:
        raise UsageError(f"there is no spider {name!r} in {path}: {_listed(named)}")
    if chosen:
        raise UsageError(f"there are {len(chosen)} spiders in {path}: {_listed(chosen)}; choose one with --spider NAME")
    if classes:
        raise UsageError(f'{classes[-1].__name__} in {path} has no name: give the class a line like name = "quotes"')
    raise UsageError(f"there is no spider in {path}: it needs a class derived from raycrawl.Spider with a name")


def _listed(classes: list[type[Spider]]) -> str:
    return ", ".join(f"{cls.name} ({cls.__name__})" for cls in classes) or "it has none with a name"


def _spider_classes(module: ModuleType) -> list[type[Spider]]:
    from raycrawl.spiders import Spider

    return [
        value for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Spider) and value.__module__ == module.__name__
    ]  # fmt: skip


def _import_file(path: str) -> ModuleType:
    file = Path(path).absolute()
    if not file.is_file():
        raise UsageError(f"there is no file {path}")
    if file.suffix not in _SUFFIXES:
        raise UsageError(f"{path} is not a Python file: its name has to end in .py")
    sys.path.insert(0, str(file.parent))
    try:
        return _load(file)
    except Exception as error:
        raise UsageError(_story(error, file)) from error


def project_spiders(settings: Settings) -> Any:
    """The project's spider loader. UsageError, with file and line, when a spider's module does not import."""
    from raycrawl.spiderloader import get_spider_loader

    try:
        return get_spider_loader(settings)
    except Exception as error:
        raise UsageError(_story(error)) from error


def project_spider(settings: Settings, name: str) -> type[Spider]:
    """The project's spider of that name. UsageError, with the names that there are, when there is none."""
    loader = project_spiders(settings)
    try:
        spidercls: type[Spider] = loader.load(name)
    except KeyError as error:
        known = ", ".join(sorted(loader.list())) or "it has none"
        raise UsageError(f"there is no spider {name!r} in this project: {known}") from error
    return spidercls


def _load(file: Path) -> ModuleType:
    """Execute the file as a module. Loaded by path, so that a spider in json.py or ray.py hides nobody's module."""
    name = file.stem if file.stem not in sys.modules else f"{file.stem}_spiderfile"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None, file
    assert spec.loader is not None, file
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _story(error: BaseException, file: Path | None = None) -> str:
    """One line: where (file:line), which error, its message."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    return f"{_line_of(error, file)}: {type(error).__name__}: {error}"


def _line_of(error: BaseException, file: Path | None) -> str:
    """file:line of the deepest frame in the file itself (the line that its author can change), else of the deepest."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if Path(frame.filename).absolute() == file]
    deepest = (own or frames)[-1]
    return f"{deepest.filename}:{deepest.lineno}"
