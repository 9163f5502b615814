"""`XmlResponse`: an XML document."""

from __future__ import annotations

from raycrawl.http.response.text import TextResponse


class XmlResponse(TextResponse):
    """A text response whose encoding may be declared by its XML declaration."""

    __slots__ = ()
    _declares_encoding = True
