"""Counts log lines by level."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from raycrawl import signals
from raycrawl.utils.log import LogCounterHandler

if TYPE_CHECKING:
    from typing import Self

    from raycrawl.crawler import Crawler
    from raycrawl.spiders import Spider

logger = logging.getLogger(__name__)


class LogCount:
    """``log_count/LEVEL``: the lines that this process logged while the spider was open, at ``LOG_LEVEL`` or above."""

    process = "every"

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler
        self.handler: logging.Handler | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        extension = cls(crawler)
        crawler.signals.connect(extension.spider_opened, signal=signals.spider_opened)
        crawler.signals.connect(extension.spider_closed, signal=signals.spider_closed)
        return extension

    def spider_opened(self, spider: Spider) -> None:
        if self.handler is None:
            level = self.crawler.settings.get("LOG_LEVEL") or logging.NOTSET
            self.handler = LogCounterHandler(self.crawler, level=level)
            logging.root.addHandler(self.handler)

    def spider_closed(self, spider: Spider, reason: str) -> None:
        if self.handler is not None:
            logging.root.removeHandler(self.handler)
            self.handler = None
