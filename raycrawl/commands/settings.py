"""``raycrawl settings``: what a setting's value is, here and now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from raycrawl.commands import ScrapyCommand
from raycrawl.exceptions import UsageError

if TYPE_CHECKING:
    import argparse


class Command(ScrapyCommand):
    """Print a setting's value, as it is or converted."""

    default_settings = {"LOG_ENABLED": False}

    def syntax(self) -> str:
        return "--get NAME"

    def short_desc(self) -> str:
        return "print a setting's value"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        parser.add_argument("--get", metavar="NAME", help="print the raw value")
        for kind in ("bool", "int", "float", "list"):
            parser.add_argument(f"--get{kind}", metavar="NAME", help=f"print the value as a {kind}")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        asked = False
        for method in ("get", "getbool", "getint", "getfloat", "getlist"):
            name = getattr(opts, method)
            if name is not None:
                asked = True
                print(self._value(method, name))
        if not asked:
            raise UsageError("name a setting: raycrawl settings --get NAME")

    def _value(self, method: str, name: str) -> str:
        from raycrawl.settings import BaseSettings

        try:
            value = getattr(self.settings, method)(name)
        except ValueError as error:
            raise UsageError(f"{name}={self.settings.get(name)!r} does not convert: {error}") from error
        if method == "get" and isinstance(value, BaseSettings):
            return json.dumps(value.copy_to_dict(), default=str)
        return str(value)
