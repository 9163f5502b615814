"""Printing Python objects, in colour where there is a terminal."""

from __future__ import annotations

import sys
from pprint import pformat as _pformat
from typing import Any


def pformat(obj: Any, *args: Any, **kwargs: Any) -> str:
    """``obj`` as text; in colour when standard output is a terminal, unless ``colorize=False``."""
    wants_color = kwargs.pop("colorize", True)
    text = _pformat(obj, *args, **kwargs)
    return _colored(text) if wants_color and sys.stdout.isatty() else text


def pprint(obj: Any, *args: Any, **kwargs: Any) -> None:
    """Print ``pformat``."""
    print(pformat(obj, *args, **kwargs))


def _colored(text: str) -> str:
    from rich.console import Console
    from rich.syntax import Syntax

    console = Console(file=sys.stdout)
    with console.capture() as capture:
        console.print(Syntax(text, "python", background_color="default"))
    return capture.get().rstrip("\n")
