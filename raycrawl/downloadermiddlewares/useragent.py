"""The ``User-Agent`` header: ``USER_AGENT``, or the spider's ``user_agent``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from raycrawl import signals

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response
    from raycrawl.spiders import Spider


class UserAgentMiddleware:
    """Gives requests without a ``User-Agent`` header the crawl's."""

    def __init__(self, user_agent: str = "raycrawl") -> None:
        self.user_agent: str | None = user_agent

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        middleware = cls(crawler.settings["USER_AGENT"])
        crawler.signals.connect(middleware.spider_opened, signal=signals.spider_opened)
        if crawler.spider is not None:
            middleware.spider_opened(crawler.spider)
        return middleware

    def spider_opened(self, spider: Spider) -> None:
        self.user_agent = getattr(spider, "user_agent", self.user_agent)

    def process_request(self, request: Request) -> Request | Response | None:
        if self.user_agent:
            request.headers.setdefault(b"User-Agent", self.user_agent)
        return None
