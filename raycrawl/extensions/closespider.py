"""Closes the spider when a limit is reached."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from raycrawl import signals
from raycrawl.exceptions import NotConfigured
from raycrawl.extension import close_spider, is_plain_process
from raycrawl.utils.asyncio import call_later, create_looping_call

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from raycrawl.crawler import Crawler
    from raycrawl.failure import Failure
    from raycrawl.http import Request, Response
    from raycrawl.spiders import Spider

logger = logging.getLogger(__name__)


class CloseSpider:
    """Closes the spider after a time or after so many items, pages or errors.

    ``CLOSESPIDER_TIMEOUT`` and ``CLOSESPIDER_TIMEOUT_NO_ITEM`` (seconds), ``CLOSESPIDER_ITEMCOUNT``,
    ``CLOSESPIDER_PAGECOUNT``, ``CLOSESPIDER_PAGECOUNT_NO_ITEM`` and ``CLOSESPIDER_ERRORCOUNT``; 0 is no limit. The
    reason of the end is the setting's name in lower case without its underscore, e.g. ``closespider_itemcount``.

    In a crawl of actors the counts are those of the whole crawl, as the engine merges them (``on_stats``); pages that
    are already in flight when a limit is reached are still finished.
    """

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler
        settings = crawler.settings
        self.close_on: dict[str, float] = {
            "timeout": settings.getfloat("CLOSESPIDER_TIMEOUT"),
            "itemcount": settings.getint("CLOSESPIDER_ITEMCOUNT"),
            "pagecount": settings.getint("CLOSESPIDER_PAGECOUNT"),
            "errorcount": settings.getint("CLOSESPIDER_ERRORCOUNT"),
            "timeout_no_item": settings.getint("CLOSESPIDER_TIMEOUT_NO_ITEM"),
            "pagecount_no_item": settings.getint("CLOSESPIDER_PAGECOUNT_NO_ITEM"),
        }
        if not any(self.close_on.values()):
            raise NotConfigured
        self.counter: dict[str, int] = dict.fromkeys(("itemcount", "pagecount", "errorcount", "pagecount_no_item"), 0)
        self.task: Any = None
        self.task_no_item: Any = None
        self.items_in_period = 0
        self._pages_at_item = 0
        self._is_closing = False
        self._connect()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def _connect(self) -> None:
        connect = self.crawler.signals.connect
        if self.close_on["timeout"]:
            connect(self.spider_opened, signal=signals.spider_opened)
        if self.close_on["timeout_no_item"]:
            connect(self.spider_opened_no_item, signal=signals.spider_opened)
        connect(self.spider_closed, signal=signals.spider_closed)
        if not is_plain_process(self.crawler):
            return
        if self.close_on["errorcount"]:
            connect(self.error_count, signal=signals.spider_error)
        if self.close_on["pagecount"] or self.close_on["pagecount_no_item"]:
            connect(self.page_count, signal=signals.response_received)
        if self.close_on["itemcount"] or self.close_on["pagecount_no_item"]:
            connect(self.item_scraped, signal=signals.item_scraped)
        if self.close_on["timeout_no_item"]:
            connect(self.item_scraped_no_item, signal=signals.item_scraped)

    # -- one process: signals ------------------------------------------------------------------------------------

    def error_count(self, failure: Failure, response: Response, spider: Spider) -> None:
        self._count("errorcount")

    def page_count(self, response: Response, request: Request, spider: Spider) -> None:
        self._count("pagecount")
        self._count("pagecount_no_item")

    def item_scraped(self, item: Any, spider: Spider) -> None:
        self.counter["pagecount_no_item"] = 0
        self._count("itemcount")

    def item_scraped_no_item(self, item: Any, spider: Spider) -> None:
        self.items_in_period += 1

    def _count(self, what: str) -> None:
        self.counter[what] += 1
        self._check(what)

    # -- a crawl of actors: merged stats -------------------------------------------------------------------------

    def on_stats(self, stats: Mapping[str, Any]) -> None:
        """Compare the crawl's merged counts with the limits."""
        if is_plain_process(self.crawler):
            return
        items = int(stats.get("item_scraped_count", 0))
        pages = int(stats.get("response_received_count", 0))
        new_items = items - self.counter["itemcount"]
        if new_items:
            self.items_in_period += new_items
            self._pages_at_item = pages
        self.counter["itemcount"] = items
        self.counter["pagecount"] = pages
        self.counter["errorcount"] = int(stats.get("spider_exceptions/count", 0))
        self.counter["pagecount_no_item"] = pages - self._pages_at_item
        for what in self.counter:
            self._check(what)

    def _check(self, what: str) -> None:
        limit = self.close_on[what]
        if limit and self.counter[what] >= limit:
            self._close_spider(f"closespider_{what}")

    # -- time ----------------------------------------------------------------------------------------------------

    def spider_opened(self, spider: Spider) -> None:
        self.task = call_later(self.close_on["timeout"], self._close_spider, "closespider_timeout")

    def spider_opened_no_item(self, spider: Spider) -> None:
        self.items_in_period = 0
        self.task_no_item = create_looping_call(self._count_items_produced)
        self.task_no_item.start(self.close_on["timeout_no_item"], now=False)

    def _count_items_produced(self) -> None:
        if self.items_in_period:
            self.items_in_period = 0
            return
        logger.info(
            "Closing spider since no items were produced in the last %d seconds.", self.close_on["timeout_no_item"]
        )
        self._close_spider("closespider_timeout_no_item")

    def spider_closed(self, spider: Spider) -> None:
        if self.task is not None:
            self.task.cancel()
            self.task = None
        if self.task_no_item is not None and self.task_no_item.running:
            self.task_no_item.stop()
            self.task_no_item = None

    def _close_spider(self, reason: str) -> None:
        # Merged counts arrive many times a second and stay above the limit.
        if not self._is_closing:
            self._is_closing = True
            close_spider(self.crawler, reason)
