"""``DEFAULT_REQUEST_HEADERS``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from raycrawl.http import Headers
from raycrawl.utils.python import without_none_values

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response


class DefaultHeadersMiddleware:
    """Gives requests the default headers that they do not have. A default of None is no header."""

    def __init__(self, headers: Iterable[tuple[str, str]]) -> None:
        self._headers = headers
        # Encoded once: this runs for every page.
        self._pairs = [(name, tuple(values)) for name, values in Headers(headers).items()]

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        headers = without_none_values(crawler.settings["DEFAULT_REQUEST_HEADERS"])
        return cls(headers.items())

    def process_request(self, request: Request) -> Request | Response | None:
        headers = request.headers
        for name, values in self._pairs:
            if name not in headers:
                headers[name] = values
        return None
