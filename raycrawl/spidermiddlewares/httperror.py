"""Keeps responses that are not a success from the callbacks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from raycrawl.exceptions import IgnoreRequest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from raycrawl.crawler import Crawler
    from raycrawl.http import Response
    from raycrawl.settings import BaseSettings
    from raycrawl.spiders import Spider

logger = logging.getLogger(__name__)


class HttpError(IgnoreRequest):
    """A response whose status is neither a success nor allowed; the errback gets it as ``failure.value.response``."""

    def __init__(self, response: Response, *args: Any, **kwargs: Any) -> None:
        self.response = response
        super().__init__(*args, **kwargs)


class HttpErrorMiddleware:
    """Raises ``HttpError`` for statuses outside 200-299, and drops it again when no errback wanted it.

    What is let through, first match wins: ``meta["handle_httpstatus_all"]``, ``meta["handle_httpstatus_list"]``,
    ``HTTPERROR_ALLOW_ALL``, the spider's ``handle_httpstatus_list``, ``HTTPERROR_ALLOWED_CODES``.
    """

    crawler: Crawler | None = None

    def __init__(self, settings: BaseSettings) -> None:
        self.handle_httpstatus_all: bool = settings.getbool("HTTPERROR_ALLOW_ALL")
        self.handle_httpstatus_list: list[Any] = settings.getlist("HTTPERROR_ALLOWED_CODES")
        self._allowed_by_settings = frozenset(int(code) for code in self.handle_httpstatus_list)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        middleware = cls(crawler.settings)
        middleware.crawler = crawler
        return middleware

    def process_spider_input(self, response: Response, spider: Spider | None = None) -> None:
        if 200 <= response.status < 300 or self._is_allowed(response, spider):
            return
        raise HttpError(response, "Ignoring non-200 response")

    def process_spider_exception(
        self, response: Response, exception: Exception, spider: Spider | None = None
    ) -> Iterable[Any] | None:
        if not isinstance(exception, HttpError):
            return None
        if self.crawler is not None and self.crawler.stats is not None:
            stats = self.crawler.stats
            stats.inc_value("httperror/response_ignored_count")
            stats.inc_value(f"httperror/response_ignored_status_count/{response.status}")
        logger.info(
            "Ignoring response %(response)r: HTTP status code is not handled or not allowed",
            {"response": response},
            extra={"spider": spider or getattr(self.crawler, "spider", None)},
        )
        return ()

    def _is_allowed(self, response: Response, spider: Spider | None) -> bool:
        meta = response.meta if response.request is not None else {}
        if meta.get("handle_httpstatus_all", False):
            return True
        if "handle_httpstatus_list" in meta:
            return response.status in meta["handle_httpstatus_list"]
        if self.handle_httpstatus_all:
            return True
        spider = spider or getattr(self.crawler, "spider", None)
        allowed = getattr(spider, "handle_httpstatus_list", self._allowed_by_settings)
        return response.status in allowed
