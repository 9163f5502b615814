"""AutoThrottle: a site's delay follows its latency."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from raycrawl import signals
from raycrawl.core.throttle import next_delay_s
from raycrawl.exceptions import NotConfigured
from raycrawl.extension import is_plain_process

if TYPE_CHECKING:
    from typing import Self

    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response
    from raycrawl.spiders import Spider

logger = logging.getLogger(__name__)


class AutoThrottle:
    """Adjusts the delay of the slot of each response; on with ``AUTOTHROTTLE_ENABLED``.

    In a crawl of actors the Downloaders apply the rule themselves, in the slots that they own; this class checks the
    settings, sets the spider's first delay, and adjusts the slots of an engine that runs in this process.

    Raises:
        NotConfigured: it is off, or ``AUTOTHROTTLE_TARGET_CONCURRENCY`` is not positive.
    """

    process = "downloader"

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler
        settings = crawler.settings
        if not settings.getbool("AUTOTHROTTLE_ENABLED"):
            raise NotConfigured
        self.debug: bool = settings.getbool("AUTOTHROTTLE_DEBUG")
        self.target_concurrency: float = settings.getfloat("AUTOTHROTTLE_TARGET_CONCURRENCY")
        if self.target_concurrency <= 0.0:
            raise NotConfigured(f"AUTOTHROTTLE_TARGET_CONCURRENCY ({self.target_concurrency!r}) must be higher than 0.")
        self.mindelay: float = self._min_delay(crawler.spider)
        self.maxdelay: float = settings.getfloat("AUTOTHROTTLE_MAX_DELAY")
        crawler.signals.connect(self._spider_opened, signal=signals.spider_opened)
        if is_plain_process(crawler):
            crawler.signals.connect(self._response_downloaded, signal=signals.response_downloaded)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def first_delay_s(self) -> float:
        """The delay of a slot that has had no response yet."""
        return max(self.mindelay, self.crawler.settings.getfloat("AUTOTHROTTLE_START_DELAY"))

    def delay_after(self, delay_s: float, request: Request, response: Response) -> float | None:
        """The delay of a slot after a response; None: this one says nothing about its site's latency."""
        latency_s = request.meta.get("download_latency")
        if latency_s is None or request.meta.get("autothrottle_dont_adjust_delay", False) is True:
            return None
        return next_delay_s(delay_s, latency_s, response.status, self.target_concurrency, self.mindelay, self.maxdelay)

    def _min_delay(self, spider: Spider | None) -> float:
        return float(getattr(spider, "download_delay", self.crawler.settings.getfloat("DOWNLOAD_DELAY")))

    def _spider_opened(self, spider: Spider) -> None:
        self.mindelay = self._min_delay(spider)
        setattr(spider, "download_delay", self.first_delay_s())  # noqa: B010 - spiders may have it

    def _response_downloaded(self, response: Response, request: Request, spider: Spider) -> None:
        key, slot = self._get_slot(request, spider)
        new_s = None if slot is None else self.delay_after(slot.delay, request, response)
        if new_s is None:
            return
        old_s, slot.delay = slot.delay, new_s
        if self.debug:
            logger.info(
                "slot: %(slot)s | conc:%(concurrency)2d | delay:%(delay)5d ms (%(delaydiff)+d) | "
                "latency:%(latency)5d ms | size:%(size)6d bytes",
                {
                    "slot": key,
                    "concurrency": len(slot.transferring),
                    "delay": slot.delay * 1000,
                    "delaydiff": (slot.delay - old_s) * 1000,
                    "latency": request.meta["download_latency"] * 1000,
                    "size": len(response.body),
                },
                extra={"spider": spider},
            )

    def _get_slot(self, request: Request, spider: Spider) -> tuple[str | None, Any]:
        key = request.meta.get("download_slot")
        if key is None:
            return None, None
        return key, self.crawler.engine.downloader.slots.get(key)
