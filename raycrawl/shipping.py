"""Sending a spider's code to other processes, and saying what is to blame when that does not work."""

from __future__ import annotations

import importlib.machinery
import site
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

from raycrawl.exceptions import UsageError


def ship(value: Any, what: str) -> bytes:
    """``value`` pickled; classes and functions of scripts, notebooks and the user's own modules by value.

    Raises: UsageError that names the attribute that cannot travel.
    """
    import cloudpickle

    modules = [module for module in _modules_of(value) if _travels_by_value(module)]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(value))
    except Exception as error:
        raise UsageError(f"{what} cannot be sent to other processes: {_culprit(value, error)}") from error
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _modules_of(value: Any) -> list[ModuleType]:
    classes = value.__mro__ if isinstance(value, type) else ()
    names = {cls.__module__ for cls in classes} - {"__main__", "builtins"}
    return [sys.modules[name] for name in sorted(names) if name in sys.modules]


def _travels_by_value(module: ModuleType) -> bool:
    """A module that other processes might not find: loaded from a path, or beside the user's script."""
    if module.__name__.partition(".")[0] == "raycrawl":
        return False
    package = module.__name__.partition(".")[0]
    if importlib.machinery.PathFinder.find_spec(package) is None:
        return True
    file = getattr(module, "__file__", None)
    if file is None:
        return False
    installed = [sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    installed += [*site.getsitepackages(), site.getusersitepackages()]
    return not any(Path(file).is_relative_to(folder) for folder in installed if folder)


def _culprit(value: Any, error: Exception) -> str:
    """The attribute of a class that cannot be pickled."""
    import cloudpickle

    if isinstance(value, type):
        for cls in value.__mro__:
            for name, attribute in vars(cls).items():
                if name.startswith("__"):
                    continue
                try:
                    cloudpickle.dumps(getattr(attribute, "__func__", attribute))
                except Exception as own_error:
                    where = f"{cls.__name__}.{name} ({type(attribute).__name__})"
                    return f"its attribute {where} cannot be pickled: {own_error}"
    return str(error)
