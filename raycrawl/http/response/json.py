"""`JsonResponse`: a JSON document."""

from __future__ import annotations

from raycrawl.http.response.text import TextResponse


class JsonResponse(TextResponse):
    """A text response that the server says is JSON."""

    __slots__ = ()
