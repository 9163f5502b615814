"""Finding the spiders of a project by their names."""

from __future__ import annotations

import traceback
import warnings
from collections import defaultdict
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, Self, cast, runtime_checkable

from raycrawl.utils.misc import load_object, walk_modules
from raycrawl.utils.spider import iter_spider_classes

if TYPE_CHECKING:
    from raycrawl.http import Request
    from raycrawl.settings import BaseSettings
    from raycrawl.spiders import Spider


@runtime_checkable
class SpiderLoaderProtocol(Protocol):
    """What ``SPIDER_LOADER_CLASS`` has to offer."""

    @classmethod
    def from_settings(cls, settings: BaseSettings) -> Self:
        """A loader for a project's settings."""

    def load(self, spider_name: str) -> type[Spider]:
        """The class of that name; KeyError when there is none."""

    def find_by_request(self, request: Request) -> list[str]:
        """The names of the spiders that handle ``request``."""

    def list(self) -> list[str]:
        """The names of all spiders."""


def get_spider_loader(settings: BaseSettings) -> Any:
    """The spider loader that the settings name."""
    loader_class = load_object(cast("str", settings.get("SPIDER_LOADER_CLASS")))
    return loader_class.from_settings(settings.frozencopy())


class SpiderLoader:
    """Finds the spiders in the modules of ``SPIDER_MODULES`` and below them.

    A module that cannot be imported is an error, or a warning with ``SPIDER_LOADER_WARN_ONLY``. Of two spiders of one
    name the one that is found last is used, with a warning.
    """

    def __init__(self, settings: BaseSettings) -> None:
        self.spider_modules: list[str] = settings.getlist("SPIDER_MODULES")
        self.warn_only: bool = settings.getbool("SPIDER_LOADER_WARN_ONLY")
        self._spiders: dict[str, type[Spider]] = {}
        self._found: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        self._load_all_spiders()

    @classmethod
    def from_settings(cls, settings: BaseSettings) -> Self:
        """A loader for a project's settings."""
        return cls(settings)

    def load(self, spider_name: str) -> type[Spider]:
        """The class of that name.

        Raises:
            KeyError: there is none.
        """
        try:
            return self._spiders[spider_name]
        except KeyError:
            raise KeyError(f"Spider not found: {spider_name}") from None

    def find_by_request(self, request: Request) -> list[str]:
        """The names of the spiders that handle ``request``."""
        return [name for name, spidercls in self._spiders.items() if spidercls.handles_request(request)]

    def _load_all_spiders(self) -> None:
        for module_path in self.spider_modules:
            try:
                for module in walk_modules(module_path):
                    self._load_spiders(module)
            except (ImportError, SyntaxError):
                if not self.warn_only:
                    raise
                warnings.warn(
                    f"\n{traceback.format_exc()}Could not load spiders from module {module_path!r}: see the traceback "
                    "above",
                    RuntimeWarning,
                    stacklevel=2,
                )
        self._warn_of_duplicates()

    def _load_spiders(self, module: ModuleType) -> None:
        for spidercls in iter_spider_classes(module):
            self._found[spidercls.name].append((module.__name__, spidercls.__name__))
            self._spiders[spidercls.name] = spidercls

    def _warn_of_duplicates(self) -> None:
        lines = [
            f"  {class_name} named {name!r} (in {module})"
            for name, places in self._found.items()
            if len(places) > 1
            for module, class_name in places
        ]
        if lines:
            warnings.warn(
                "There are several spiders with the same name, of which the last is used:\n" + "\n".join(lines),
                UserWarning,
                stacklevel=2,
            )

    # Last: inside the class body, this name hides the builtin.
    def list(self) -> list[str]:
        """The names of all spiders."""
        return [*self._spiders]


class DummySpiderLoader:
    """A loader without spiders, for where there is no project."""

    @classmethod
    def from_settings(cls, settings: BaseSettings) -> Self:
        """A loader; the settings are not looked at."""
        return cls()

    def load(self, spider_name: str) -> type[Spider]:
        """Always raises KeyError."""
        raise KeyError(f"there are no spiders here, so no {spider_name!r}")

    def find_by_request(self, request: Request) -> list[str]:
        """None handles it."""
        return []

    def list(self) -> list[str]:
        """There are none."""
        return []
