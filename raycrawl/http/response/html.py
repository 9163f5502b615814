"""`HtmlResponse`: an HTML page."""

from __future__ import annotations

from raycrawl.http.response.text import TextResponse


class HtmlResponse(TextResponse):
    """A text response whose encoding may be declared by a ``<meta>`` element."""

    __slots__ = ()
    _declares_encoding = True
