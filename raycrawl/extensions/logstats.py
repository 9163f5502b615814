"""Says how fast the crawl goes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from raycrawl import signals
from raycrawl.exceptions import NotConfigured
from raycrawl.utils.asyncio import create_looping_call

if TYPE_CHECKING:
    from typing import Self

    from raycrawl.crawler import Crawler
    from raycrawl.spiders import Spider
    from raycrawl.statscollectors import StatsCollector
    from raycrawl.utils.asyncio import AsyncioLoopingCall

logger = logging.getLogger(__name__)


class LogStats:
    """Logs pages and items and their rates every ``LOGSTATS_INTERVAL`` seconds; 0 switches it off.

    At the end it sets ``responses_per_minute`` and ``items_per_minute``: the averages of the whole crawl.
    """

    def __init__(self, stats: StatsCollector, interval: float = 60.0) -> None:
        self.stats = stats
        self.interval = interval
        self.multiplier = 60.0 / interval
        self.task: AsyncioLoopingCall[..., None] | None = None
        self.pagesprev = self.itemsprev = 0
        self.pages = self.items = 0
        self.prate = self.irate = 0.0

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        interval = crawler.settings.getfloat("LOGSTATS_INTERVAL")
        if not interval:
            raise NotConfigured
        extension = cls(crawler.stats, interval)
        crawler.signals.connect(extension.spider_opened, signal=signals.spider_opened)
        crawler.signals.connect(extension.spider_closed, signal=signals.spider_closed)
        return extension

    def spider_opened(self, spider: Spider) -> None:
        self.pagesprev = self.itemsprev = 0
        self.task = create_looping_call(self.log, spider)
        self.task.start(self.interval)

    def log(self, spider: Spider) -> None:
        self.calculate_stats()
        logger.info(
            "Crawled %(pages)d pages (at %(pagerate)d pages/min), scraped %(items)d items (at %(itemrate)d items/min)",
            {"pages": self.pages, "pagerate": self.prate, "items": self.items, "itemrate": self.irate},
            extra={"spider": spider},
        )

    def calculate_stats(self) -> None:
        """Read the counts and derive the rates since the last time."""
        self.items = self.stats.get_value("item_scraped_count", 0)
        self.pages = self.stats.get_value("response_received_count", 0)
        self.irate = (self.items - self.itemsprev) * self.multiplier
        self.prate = (self.pages - self.pagesprev) * self.multiplier
        self.pagesprev, self.itemsprev = self.pages, self.items

    def spider_closed(self, spider: Spider, reason: str) -> None:
        if self.task is not None and self.task.running:
            self.task.stop()
        pages_per_minute, items_per_minute = self.calculate_final_stats(spider)
        self.stats.set_value("responses_per_minute", pages_per_minute)
        self.stats.set_value("items_per_minute", items_per_minute)

    def calculate_final_stats(self, spider: Spider) -> tuple[None, None] | tuple[float, float]:
        """Pages and items per minute over the whole crawl; None when its duration is unknown or nothing."""
        start_time = self.stats.get_value("start_time")
        finish_time = self.stats.get_value("finish_time")
        if not start_time or not finish_time:
            return None, None
        minutes = (finish_time - start_time).total_seconds() / 60
        if minutes <= 0:
            return None, None
        pages = self.stats.get_value("response_received_count", 0)
        items = self.stats.get_value("item_scraped_count", 0)
        return pages / minutes, items / minutes
