"""Counting requests and responses: the ``downloader/*`` stats."""

from __future__ import annotations

import re
from http.client import responses as http_reasons
from typing import TYPE_CHECKING, Self

from raycrawl.exceptions import NotConfigured
from raycrawl.utils.python import global_object_name

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Headers, Request, Response
    from raycrawl.statscollectors import StatsCollector

_HTTP_URL = re.compile(r"https?://(?:[^/?#]*@)?(\[[^\]/?#]*\]|[^/?#:]*)(?::\d*)?([^#]*)")
# Lengths of the status lines "HTTP/1.1 200 OK\r\n", by status.
_STATUS_LINE_NBYTES: dict[int, int] = {}


def get_header_size(headers: Headers | dict[str, list[str] | tuple[str, ...]]) -> int:
    """The bytes that headers take: names, values, the ``": "`` between them, and a line end between names.

    As in Scrapy, a line end is counted once for each name, values that are no list or tuple do not count, and no
    headers at all are -2 bytes.
    """
    size = 2 * len(headers) - 2
    for name, values in headers.items():
        if isinstance(values, (list, tuple)):
            width = len(name) + 2
            for value in values:
                size += width + len(value)
    return size


def _status_line_nbytes(status: int) -> int:
    """``"HTTP/1.1 200 OK"`` with its line end and the blank line behind the headers."""
    size = _STATUS_LINE_NBYTES.get(status)
    if size is None:
        size = _STATUS_LINE_NBYTES[status] = len(f"HTTP/1.1 {status} {http_reasons.get(status, '')}") + 6
    return size


class DownloaderStats:
    """Counts ``downloader/request_*``, ``response_*`` and ``exception_*``, unless ``DOWNLOADER_STATS`` is False."""

    def __init__(self, stats: StatsCollector) -> None:
        self.stats = stats
        self._method_keys: dict[str, str] = {}
        self._status_keys: dict[int, str] = {}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        if not crawler.settings.getbool("DOWNLOADER_STATS"):
            raise NotConfigured
        assert crawler.stats is not None
        return cls(crawler.stats)

    def process_request(self, request: Request) -> Request | Response | None:
        inc_value = self.stats.inc_value
        method = request.method
        key = self._method_keys.get(method)
        if key is None:
            key = self._method_keys[method] = f"downloader/request_method_count/{method}"
        inc_value("downloader/request_count")
        inc_value(key)
        inc_value("downloader/request_bytes", count=_request_nbytes(request))
        return None

    def process_response(self, request: Request, response: Response) -> Request | Response:
        inc_value = self.stats.inc_value
        status = response.status
        key = self._status_keys.get(status)
        if key is None:
            key = self._status_keys[status] = f"downloader/response_status_count/{status}"
        inc_value("downloader/response_count")
        inc_value(key)
        nbytes = len(response.body) + get_header_size(response.headers) + _status_line_nbytes(status)
        inc_value("downloader/response_bytes", count=nbytes)
        return response

    def process_exception(self, request: Request, exception: Exception) -> Request | Response | None:
        name = global_object_name(type(exception))
        self.stats.inc_value("downloader/exception_count")
        self.stats.inc_value(f"downloader/exception_type_count/{name}")
        return None


def _request_nbytes(request: Request) -> int:
    """The length of ``request_httprepr(request)``, without making it: this runs for every page."""
    match = _HTTP_URL.match(request.url)
    if match is None:
        from raycrawl.utils.request import request_httprepr

        return len(request_httprepr(request))
    host, target = match.groups()
    path_nbytes = len(target) + (target[:1] != "/")
    # "GET /path HTTP/1.1", "Host: example.com", headers, each with a line end; then a blank line and the body
    size = len(request.method) + path_nbytes + len(host.strip("[]")) + 22 + len(request.body)
    for name, values in request.headers.items():
        width = len(name) + 4
        for value in values:
            size += width + len(value)
    return size
