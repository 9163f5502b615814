"""``raycrawl version``: the version, and with ``-v`` those of what it stands on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import raycrawl
from raycrawl.commands import ScrapyCommand

if TYPE_CHECKING:
    import argparse

# what a bug report has to name
_PACKAGES = (
    "ray", "aiohttp", "uvloop", "parsel", "lxml", "w3lib", "itemadapter", "itemloaders", "protego", "tldextract",
    "rocksdict", "msgspec", "can_ada", "pyarrow", "fsspec",
)  # fmt: skip


class Command(ScrapyCommand):
    """Print raycrawl's version."""

    default_settings = {"LOG_ENABLED": False}

    def syntax(self) -> str:
        return "[-v]"

    def short_desc(self) -> str:
        return "print the version"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        parser.add_argument("-v", "--verbose", action="store_true", help="also Python, platform and dependencies")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        if not opts.verbose:
            print(f"raycrawl {raycrawl.__version__}")
            return
        rows = [("raycrawl", raycrawl.__version__), ("python", platform.python_version())]
        rows += [(name, _version_of(name)) for name in _PACKAGES]
        rows.append(("platform", platform.platform()))
        for name, value in rows:
            print(f"{name:<12}: {value}")


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
