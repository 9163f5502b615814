"""The statistics that every crawl has."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from raycrawl import signals
from raycrawl.extension import is_plain_process

if TYPE_CHECKING:
    from typing import Self

    from raycrawl.crawler import Crawler
    from raycrawl.spiders import Spider
    from raycrawl.statscollectors import StatsCollector


class CoreStats:
    """``start_time``, ``finish_time``, ``elapsed_time_seconds``, ``finish_reason`` and the counts of items and pages.

    In a crawl of actors the counts are made where items and pages are, and this runs in the engine for the rest.
    """

    def __init__(self, stats: StatsCollector) -> None:
        self.stats = stats
        self.start_time: datetime | None = None
        self._start_s: float | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        extension = cls(crawler.stats)
        connect = crawler.signals.connect
        connect(extension.spider_opened, signal=signals.spider_opened)
        connect(extension.spider_closed, signal=signals.spider_closed)
        if is_plain_process(crawler):
            connect(extension.item_scraped, signal=signals.item_scraped)
            connect(extension.item_dropped, signal=signals.item_dropped)
            connect(extension.response_received, signal=signals.response_received)
        return extension

    def spider_opened(self, spider: Spider) -> None:
        self.start_time = datetime.now(tz=UTC)
        self._start_s = time.monotonic()
        self.stats.set_value("start_time", self.start_time, spider=spider)

    def spider_closed(self, spider: Spider, reason: str) -> None:
        if self._start_s is not None:
            self.stats.set_value("elapsed_time_seconds", time.monotonic() - self._start_s, spider=spider)
        self.stats.set_value("finish_time", datetime.now(tz=UTC), spider=spider)
        self.stats.set_value("finish_reason", reason, spider=spider)

    def item_scraped(self, item: Any, spider: Spider) -> None:
        self.stats.inc_value("item_scraped_count", spider=spider)

    def response_received(self, spider: Spider) -> None:
        self.stats.inc_value("response_received_count", spider=spider)

    def item_dropped(self, item: Any, spider: Spider, exception: BaseException) -> None:
        self.stats.inc_value("item_dropped_count", spider=spider)
        self.stats.inc_value(f"item_dropped_reasons_count/{type(exception).__name__}", spider=spider)
