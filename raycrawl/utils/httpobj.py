"""A request's or response's URL, taken apart once."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import ParseResult, urlparse
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from raycrawl.http import Request, Response

_parsed: WeakKeyDictionary[Request | Response, ParseResult] = WeakKeyDictionary()


def urlparse_cached(request_or_response: Request | Response) -> ParseResult:
    """``urlparse(obj.url)``, computed once per object."""
    result = _parsed.get(request_or_response)
    if result is None:
        result = _parsed[request_or_response] = urlparse(request_or_response.url)
    return result
