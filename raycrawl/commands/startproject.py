"""``raycrawl startproject NAME [DIRECTORY]``: the files that a project starts from."""

from __future__ import annotations

import re
import string
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import raycrawl
from raycrawl.commands import ScrapyCommand
from raycrawl.exceptions import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from raycrawl.settings import Settings

# what is never copied from a templates directory of one's own
IGNORE = ("__pycache__", ".git", ".svn", ".DS_Store")
_SUFFIX = ".tmpl"


class Command(ScrapyCommand):
    """Make a project: scrapy.cfg, settings, items, pipelines, middlewares, a package for spiders."""

    default_settings = {"LOG_ENABLED": False}

    def syntax(self) -> str:
        return "<project_name> [project_dir]"

    def short_desc(self) -> str:
        return "make a new project"

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        if len(args) not in {1, 2}:
            raise UsageError("give the project's name, and a directory if it is not to have that name")
        name = args[0]
        directory = Path(args[1] if len(args) == 2 else name)
        _check_name(name)
        if (directory / "scrapy.cfg").exists():
            raise UsageError(f"there is a project in {directory.absolute()} already (scrapy.cfg)")
        if (directory / name).exists():
            raise UsageError(f"{(directory / name).absolute()} exists already")
        values = {"project_name": name, "ProjectName": camel_case(name)}
        for source, target in _targets(templates_directory(self.settings) / "project", directory, name):
            target.parent.mkdir(parents=True, exist_ok=True)
            text = source.read_text(encoding="utf-8")
            target.write_text(string.Template(text).substitute(values), encoding="utf-8")
        print(f"The project {name!r} is in {directory.absolute()}. A first spider:")
        print(f"    cd {directory}\n    raycrawl genspider example example.com")


def _check_name(name: str) -> None:
    if re.fullmatch(r"[A-Za-z]\w*", name) is None:
        raise UsageError(f"{name!r} is no project name: it begins with a letter and has letters, digits and _ only")
    if find_spec(name) is not None:
        raise UsageError(f"there is a Python module {name!r} already: choose another name")


def _targets(templates: Path, directory: Path, name: str) -> Iterator[tuple[Path, Path]]:
    for source in sorted(templates.rglob("*")):
        relative = source.relative_to(templates)
        if source.is_dir() or any(part in IGNORE or part.endswith(".pyc") for part in relative.parts):
            continue
        parts = [name if part == "module" else part for part in relative.parts]
        parts[-1] = parts[-1].removesuffix(_SUFFIX)
        yield source, directory.joinpath(*parts)


def templates_directory(settings: Settings) -> Path:
    """The setting TEMPLATES_DIR, or the templates that come with raycrawl."""
    own = settings.get("TEMPLATES_DIR")
    return Path(own) if own else Path(raycrawl.__file__).parent / "templates"


def camel_case(name: str) -> str:
    """``my_shop`` as ``MyShop``."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", name))
