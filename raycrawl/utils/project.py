"""The project that the current folder belongs to: its settings and its data folder."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Iterable, Iterator
from configparser import NoOptionError, NoSectionError
from pathlib import Path

from raycrawl.exceptions import NotConfigured
from raycrawl.settings import Settings
from raycrawl.utils.conf import closest_scrapy_cfg, get_config, init_env

ENVVAR = "SCRAPY_SETTINGS_MODULE"
DATADIR_CFG_SECTION = "datadir"

# Environment variables that start with SCRAPY_ and are no settings.
_NO_SETTINGS = frozenset({"SCRAPY_CHECK", "SCRAPY_PROJECT", "SCRAPY_PYTHON_SHELL", ENVVAR})


def inside_project() -> bool:
    """Whether there is a project: a settings module that can be imported, or a ``scrapy.cfg`` here or above."""
    module = os.environ.get(ENVVAR)
    if module is not None:
        try:
            importlib.import_module(module)
        except ImportError as error:
            warnings.warn(f"cannot import the settings module {module}: {error}", stacklevel=2)
        else:
            return True
    return bool(closest_scrapy_cfg())


def project_data_dir(project: str = "default") -> str:
    """The folder for the project's data, made when it does not exist.

    It is what ``scrapy.cfg`` says in its section ``[datadir]``, else ``.scrapy`` beside that file.

    Raises:
        NotConfigured: there is no project.
    """
    if not inside_project():
        raise NotConfigured("there is no project here")
    try:
        folder = Path(get_config().get(DATADIR_CFG_SECTION, project))
    except (NoSectionError, NoOptionError):
        cfg = closest_scrapy_cfg()
        if not cfg:
            raise NotConfigured("there is no scrapy.cfg here or above to say where the data folder is") from None
        folder = (Path(cfg).parent / ".scrapy").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def data_path(path: str | os.PathLike[str], createdir: bool = False) -> str:
    """``path``, a relative one inside the data folder of the project (``.scrapy`` without one).

    Args:
        createdir: make that folder when it does not exist.
    """
    found = Path(path)
    if not found.is_absolute():
        found = Path(project_data_dir() if inside_project() else ".scrapy", path)
    if createdir:
        found.mkdir(parents=True, exist_ok=True)
    return str(found)


def get_project_settings() -> Settings:
    """The settings of the project that the current folder belongs to; the defaults where there is none.

    ``SCRAPY_NAME`` environment variables are settings, too.
    """
    if ENVVAR not in os.environ:
        init_env(os.environ.get("SCRAPY_PROJECT", "default"))
    settings = Settings()
    module = os.environ.get(ENVVAR)
    if module:
        settings.setmodule(module, priority="project")
    from_environment = {
        name.removeprefix("SCRAPY_"): value
        for name, value in os.environ.items()
        if name.startswith("SCRAPY_") and name not in _NO_SETTINGS
    }
    settings.setdict(from_environment, priority="project")
    return settings


def find_projects(
    path: str | os.PathLike[str] = ".",
    *,
    max_depth: int | None = None,
    ignored_dirs: Iterable[str] = (),
) -> Iterator[Path]:
    """The folders of all projects (those with a ``scrapy.cfg``) in ``path`` and below it.

    It does not look inside projects, hidden folders, virtual environments (``pyvenv.cfg``) and ``ignored_dirs``.

    Args:
        max_depth: how far down to look: 0 is ``path`` alone; None is no limit.
        ignored_dirs: names of folders.
    """
    skipped = frozenset(ignored_dirs)
    level = [Path(path)]
    depth = 0
    while level:
        below: list[Path] = []
        for folder in level:
            if (folder / "scrapy.cfg").is_file():
                yield folder
            elif not (folder / "pyvenv.cfg").is_file():
                below.extend(_folders_in(folder, skipped))
        if max_depth is not None and depth >= max_depth:
            return
        level = below
        depth += 1


def _folders_in(folder: Path, skipped: frozenset[str]) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []  # one that may not be read holds no project for us
    return [
        entry
        for entry in entries
        if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith(".") and entry.name not in skipped
    ]
