"""Helps to find what keeps memory."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from raycrawl import signals
from raycrawl.exceptions import NotConfigured
from raycrawl.utils.trackref import live_refs

if TYPE_CHECKING:
    from typing import Self

    from raycrawl.crawler import Crawler
    from raycrawl.spiders import Spider
    from raycrawl.statscollectors import StatsCollector


class MemoryDebugger:
    """At the end: what the garbage collector cannot free and the tracked objects that still live.

    On with ``MEMDEBUG_ENABLED``; sets ``memdebug/gc_garbage_count`` and ``memdebug/live_refs/CLASS``.
    """

    process = "every"

    def __init__(self, stats: StatsCollector) -> None:
        self.stats = stats

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        if not crawler.settings.getbool("MEMDEBUG_ENABLED"):
            raise NotConfigured
        extension = cls(crawler.stats)
        crawler.signals.connect(extension.spider_closed, signal=signals.spider_closed)
        return extension

    def spider_closed(self, spider: Spider, reason: str) -> None:
        gc.collect()
        self.stats.set_value("memdebug/gc_garbage_count", len(gc.garbage), spider=spider)
        for cls, instances in live_refs.items():
            if instances:
                self.stats.set_value(f"memdebug/live_refs/{cls.__name__}", len(instances), spider=spider)
