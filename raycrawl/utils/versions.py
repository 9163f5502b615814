"""The versions of what a crawl runs on."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version

DEFAULT_SOFTWARES = [
    "raycrawl", "ray", "aiohttp", "lxml", "libxml2", "cssselect", "parsel", "w3lib", "Python", "Platform",
]  # fmt: skip


def _libxml2() -> str:
    from lxml import etree

    return ".".join(str(part) for part in etree.LIBXML_VERSION)


_SPECIAL: dict[str, Callable[[], str]] = {
    "libxml2": _libxml2,
    "Python": lambda: sys.version.replace("\n", "- "),
    "Platform": platform.platform,
}


def get_versions(software: Iterable[str] | None = None) -> list[tuple[str, str]]:
    """``[(name, version)]``; "not installed" for a package that is not there.

    Args:
        software: names of installed packages, "Python", "Platform" and "libxml2".
    """
    return [(name, _version_of(name)) for name in software or DEFAULT_SOFTWARES]


scrapy_components_versions = get_versions


def _version_of(name: str) -> str:
    if name in _SPECIAL:
        return _SPECIAL[name]()
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
