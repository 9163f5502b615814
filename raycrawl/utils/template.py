"""Rendering the template files of new projects and spiders."""

from __future__ import annotations

import os
import re
import string
from pathlib import Path
from typing import Any

_NO_NAME = re.compile(r"[^a-zA-Z\d]")


def render_templatefile(path: str | os.PathLike[str], **kwargs: Any) -> None:
    """Replace ``$name`` and ``${name}`` in a file in place; a file ``x.tmpl`` becomes ``x``."""
    source = Path(path)
    content = string.Template(source.read_text(encoding="utf-8")).substitute(**kwargs)
    target = source.with_suffix("") if source.suffix == ".tmpl" else source
    if target != source:
        source.rename(target)
    target.write_text(content, encoding="utf-8")


def string_camelcase(string: str) -> str:
    """``"lost-pound"`` as ``"LostPound"``: without what cannot be in a name."""
    return _NO_NAME.sub("", string.title())
