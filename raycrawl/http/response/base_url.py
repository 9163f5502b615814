"""The ``<base href>`` of a document."""

from __future__ import annotations

import re
from html import unescape

# As far as browsers' encoding detection and Scrapy's documentation look for things in the head of a page.
_HEAD_CHARS = 4096
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_BASE = re.compile(r"<base\s(?:[^>]*?\s)?href\s*=\s*(?:\"([^\">]*)\"|'([^'>]*)'|([^\s\"'>]+))", re.IGNORECASE)


def find_base_href(text: str) -> str | None:
    """The href of the first ``<base>`` with one in the first 4096 characters, comments aside; None without one."""
    head = text[:_HEAD_CHARS]
    if "<base" not in head and "<base" not in head.lower():
        return None
    match = _BASE.search(_COMMENT.sub("", head))
    if match is None:
        return None
    return unescape(match[1] or match[2] or match[3] or "").strip()
