"""Drops requests whose URL is longer than servers and browsers agree on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from raycrawl.exceptions import NotConfigured
from raycrawl.spidermiddlewares.base import BaseSpiderMiddleware, Step

if TYPE_CHECKING:
    from typing import Self

    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response

logger = logging.getLogger(__name__)


class UrlLengthMiddleware(BaseSpiderMiddleware):
    """Drops requests whose URL has more than ``URLLENGTH_LIMIT`` characters; 0 switches it off."""

    crawler: Crawler

    def __init__(self, maxlength: int) -> None:
        self.maxlength = maxlength

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        maxlength = crawler.settings.getint("URLLENGTH_LIMIT")
        if not maxlength:
            raise NotConfigured
        middleware = cls(maxlength)
        middleware.crawler = crawler
        return middleware

    def get_processed_request(self, request: Request, response: Response | None) -> Request | None:
        if len(request.url) <= self.maxlength:
            return request
        logger.info(
            "Ignoring link (url length > %(maxlength)d): %(url)s",
            {"maxlength": self.maxlength, "url": request.url},
            extra={"spider": self.crawler.spider},
        )
        self.crawler.stats.inc_value("urllength/request_ignored_count")
        return None

    def request_step(self, response: Response | None) -> Step | None:
        maxlength = self.maxlength
        refuse = self.get_processed_request

        def step(request: Request) -> Request | None:
            return request if len(request.url) <= maxlength else refuse(request, response)

        return step
