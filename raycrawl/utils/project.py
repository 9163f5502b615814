"""What the current folder's project says: its settings, the place for its data; and which projects a folder holds."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from raycrawl.exceptions import NotConfigured
from raycrawl.settings import Settings
from raycrawl.utils.conf import closest_scrapy_cfg, get_config, init_env

logger = logging.getLogger(__name__)

_CFG = "scrapy.cfg"
_DATA_FOLDER = ".scrapy"
_VENV_MARK = "pyvenv.cfg"  # every virtual environment has one (PEP 405)
_VARIABLE_PREFIX = "SCRAPY_"
_MODULE_VARIABLE = "SCRAPY_SETTINGS_MODULE"
# What these variables say is no setting: they choose the project, or steer a command.
_STEERING_VARIABLES = (_MODULE_VARIABLE, "SCRAPY_PROJECT", "SCRAPY_PYTHON_SHELL", "SCRAPY_CHECK")


def get_project_settings() -> Settings:
    """The defaults, with the project's settings module and the environment's ``SCRAPY_NAME`` variables over them.

    Without a project, only the variables are added.

    Raises:
        ImportError: there is no such settings module (it may raise anything else, too).
    """
    if not os.environ.get(_MODULE_VARIABLE):
        init_env(os.environ.get("SCRAPY_PROJECT", "default"))
    settings = Settings()
    if module_path := os.environ.get(_MODULE_VARIABLE):
        settings.setmodule(module_path, priority="project")
    for variable, value in os.environ.items():
        if variable.startswith(_VARIABLE_PREFIX) and variable not in _STEERING_VARIABLES:
            settings.set(variable.removeprefix(_VARIABLE_PREFIX), value, priority="project")
    return settings


def inside_project() -> bool:
    """True where a project is: in its folder or below it, or anywhere when the environment names its settings.

    Warns when the module that the environment names cannot be imported.
    """
    return _has_settings_module() or closest_scrapy_cfg() != ""


def _has_settings_module() -> bool:
    module_path = os.environ.get(_MODULE_VARIABLE, "")
    if not module_path:
        return False
    try:
        import_module(module_path)
    except ImportError as error:
        warnings.warn(f"{_MODULE_VARIABLE} is {module_path!r}, which cannot be imported: {error}", stacklevel=3)
        return False
    return True


def project_data_dir(project: str = "default") -> str:
    """The project's folder for data; it is there when this returns.

    Args:
        project: the option of ``[datadir]`` in ``scrapy.cfg`` that may name the folder. Without it, the folder is
            ``.scrapy``, next to ``scrapy.cfg``.

    Raises:
        NotConfigured: this is not inside a project, or nothing says where its data are.
    """
    if not inside_project():
        raise NotConfigured("the data folder is part of a project, and the current folder belongs to none")
    named = get_config().get("datadir", project, fallback=None)
    if named is not None:
        folder = Path(named)
    elif cfg := closest_scrapy_cfg():
        folder = Path(cfg).with_name(_DATA_FOLDER)
    else:
        raise NotConfigured(f"no {_CFG} in the current folder or above it: where the project's data are is unknown")
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def data_path(path: str | os.PathLike[str], createdir: bool = False) -> str:
    """Where the data called ``path`` are: in the project's data folder, without a project in ``.scrapy`` here.

    Args:
        path: relative to that folder. An absolute path stays as it is.
        createdir: make a folder of that name, unless there is one.
    """
    found = Path(path)
    if not found.is_absolute():
        found = Path(project_data_dir() if inside_project() else _DATA_FOLDER, found)
    if createdir:
        found.mkdir(parents=True, exist_ok=True)
    return str(found)


def find_projects(
    path: str | os.PathLike[str] = ".", *, max_depth: int | None = None, ignored_dirs: Iterable[str] = ()
) -> Iterator[Path]:
    """Search ``path`` and what is below it for projects: folders with a ``scrapy.cfg``.

    The search goes neither into projects (none is expected within another) nor into hidden folders, virtual
    environments and links to folders. Folders that cannot be read are logged and left out.

    Args:
        max_depth: levels below ``path`` that are searched; 0 looks at ``path`` only, None at all of them.
        ignored_dirs: names of further folders that are left out, at any level.

    Yields:
        The folders, each beginning with ``path``, in alphabetical order.
    """
    start = Path(path)
    left_out = frozenset(ignored_dirs)
    for place, below, files in os.walk(start, onerror=_say_unreadable):
        folder = Path(place)
        depth = len(folder.parts) - len(start.parts)
        if _CFG in files:  # also when the project's folder is its virtual environment
            yield folder
            below.clear()
        elif _VENV_MARK in files or (max_depth is not None and depth >= max_depth):
            below.clear()
        else:
            below[:] = sorted(name for name in below if not name.startswith(".") and name not in left_out)


def _say_unreadable(error: OSError) -> None:
    logger.warning("No projects are looked for in %s: %s", error.filename, error.strerror)


__all__ = ["data_path", "find_projects", "get_project_settings", "inside_project", "project_data_dir"]
