"""Tracks how far from a start request each request is."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from raycrawl.spidermiddlewares.base import BaseSpiderMiddleware, Step

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from typing import Any, Self

    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response
    from raycrawl.spiders import Spider
    from raycrawl.statscollectors import StatsCollector

logger = logging.getLogger(__name__)


class DepthMiddleware(BaseSpiderMiddleware):
    """Sets ``meta["depth"]``, drops requests beyond ``DEPTH_LIMIT`` and adjusts priorities by ``DEPTH_PRIORITY``.

    A request from ``Spider.start()`` has no depth until its response is seen, which counts as 0. A request with
    ``meta["depth_reset"]`` starts again at 0.

    Args:
        maxdepth: the deepest that is still followed; 0 is no limit.
        stats: gets ``request_depth_max``, ``request_depth_count/N`` and ``depth/request_ignored_count``.
        verbose_stats: count requests per depth, too (``DEPTH_STATS_VERBOSE``).
        prio: ``priority -= depth * prio``: a positive value crawls breadth first, a negative one depth first.
    """

    crawler: Crawler

    def __init__(self, maxdepth: int, stats: StatsCollector, verbose_stats: bool = False, prio: int = 1) -> None:
        self.maxdepth = maxdepth
        self.stats = stats
        self.verbose_stats = verbose_stats
        self.prio = prio
        self._is_first_refusal = True

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        settings = crawler.settings
        middleware = cls(
            settings.getint("DEPTH_LIMIT"),
            crawler.stats,
            settings.getbool("DEPTH_STATS_VERBOSE"),
            settings.getint("DEPTH_PRIORITY"),
        )
        middleware.crawler = crawler
        return middleware

    def process_spider_output(
        self, response: Response | None, result: Iterable[Any], spider: Spider | None = None
    ) -> Iterator[Any]:
        self._depth_of(response)
        return super().process_spider_output(response, result, spider)

    async def process_spider_output_async(
        self, response: Response | None, result: AsyncIterator[Any], spider: Spider | None = None
    ) -> AsyncIterator[Any]:
        self._depth_of(response)
        async for one in super().process_spider_output_async(response, result, spider):
            yield one

    def is_fusible(self) -> bool:
        # The two methods above only add what request_step() does at its start.
        cls = type(self)
        return (
            cls.process_spider_output is DepthMiddleware.process_spider_output
            and cls.process_spider_output_async is DepthMiddleware.process_spider_output_async
        )

    def get_processed_request(self, request: Request, response: Response | None) -> Request | None:
        if response is None:
            return request
        processed: Request | None = self._step(self._depth_of(response))(request)
        return processed

    def request_step(self, response: Response | None) -> Step | None:
        if response is None:
            return None
        return self._step(self._depth_of(response))

    def _depth_of(self, response: Response | None) -> int:
        """The response's depth; the first look at a start request's response sets it to 0."""
        if response is None or response.request is None:
            return 0
        meta = response.request.meta
        depth = meta.get("depth")
        if depth is None:
            meta["depth"] = depth = 0
            if self.verbose_stats:
                self.stats.inc_value("request_depth_count/0")
        return int(depth)

    def _step(self, parent_depth: int) -> Step:
        child_depth = parent_depth + 1
        prio_change = child_depth * self.prio
        is_refused = bool(self.maxdepth) and child_depth > self.maxdepth
        count_key = f"request_depth_count/{child_depth}" if self.verbose_stats else ""
        inc_value, max_value = self.stats.inc_value, self.stats.max_value
        is_deepest_known = False

        def step(request: Request) -> Request | None:
            nonlocal is_deepest_known
            meta = request.meta
            if meta.get("depth_reset"):
                return self._restart(request)
            meta["depth"] = child_depth
            if prio_change:
                request.priority -= prio_change
            if is_refused:
                self._refuse(request)
                return None
            if count_key:
                inc_value(count_key)
            # The depth is the same for all links of a page: one look at the maximum is enough.
            if not is_deepest_known:
                max_value("request_depth_max", child_depth)
                is_deepest_known = True
            return request

        return step

    def _restart(self, request: Request) -> Request:
        # The flag has done its work; a copied meta must not restart the next request as well.
        del request.meta["depth_reset"]
        request.meta["depth"] = 0
        if self.verbose_stats:
            self.stats.inc_value("request_depth_count/0")
        self.stats.max_value("request_depth_max", 0)
        return request

    def _refuse(self, request: Request) -> None:
        self.stats.inc_value("depth/request_ignored_count")
        if self._is_first_refusal:
            self._is_first_refusal = False
            logger.debug(
                "Ignoring link (depth > %(maxdepth)d): %(url)s - no more ignored links will be shown",
                {"maxdepth": self.maxdepth, "url": request.url},
                extra={"spider": getattr(getattr(self, "crawler", None), "spider", None)},
            )
