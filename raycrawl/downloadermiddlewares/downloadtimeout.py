"""``DOWNLOAD_TIMEOUT``, or the spider's ``download_timeout``, as ``meta["download_timeout"]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from raycrawl import signals

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response
    from raycrawl.spiders import Spider


class DownloadTimeoutMiddleware:
    """Sets the timeout (seconds, for the whole download) of requests that have none."""

    def __init__(self, timeout: float = 180) -> None:
        self._timeout: float = timeout

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        middleware = cls(crawler.settings.getfloat("DOWNLOAD_TIMEOUT"))
        crawler.signals.connect(middleware.spider_opened, signal=signals.spider_opened)
        if crawler.spider is not None:
            middleware.spider_opened(crawler.spider)
        return middleware

    def spider_opened(self, spider: Spider) -> None:
        self._timeout = getattr(spider, "download_timeout", self._timeout)

    def process_request(self, request: Request) -> Request | Response | None:
        if self._timeout:
            request.meta.setdefault("download_timeout", self._timeout)
        return None
