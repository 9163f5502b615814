"""What a Downloader learns of its slots from the answers: AutoThrottle's delay, and the pages a domain has left."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from raycrawl.core.throttle import next_delay_s
from raycrawl.exceptions import IgnoreRequest

if TYPE_CHECKING:
    from raycrawl.core.downloader import Slot
    from raycrawl.http import Request, Response

logger = logging.getLogger(__name__)
TOLD_RATIO = 1.2
"""The frontier is told of a delay that differs from what it was told last by this factor."""


class Throttle:
    """AUTOTHROTTLE_*: after each answer, the slot's delay follows the site's latency.

    ``change(slot key, delay_s, is_news)`` sets the delay; with ``is_news`` the frontier is told, too.
    """

    def __init__(self, settings: Any, change: Callable[[str, float, bool], None]) -> None:
        self.is_enabled = settings.getbool("AUTOTHROTTLE_ENABLED")
        self._target = settings.getfloat("AUTOTHROTTLE_TARGET_CONCURRENCY")
        self._min_s = settings.getfloat("DOWNLOAD_DELAY")
        self._max_s = settings.getfloat("AUTOTHROTTLE_MAX_DELAY")
        self._debug = settings.getbool("AUTOTHROTTLE_DEBUG")
        self._change = change
        self._told: dict[str, float] = {}

    def answered(self, key: str, slot: Slot, request: Request, response: Response) -> None:
        """A response came; ``request.meta["download_latency"]`` says how quickly."""
        latency_s = request.meta.get("download_latency")
        if latency_s is None or request.meta.get("autothrottle_dont_adjust_delay") is True:
            return
        old_s = slot.delay
        delay_s = next_delay_s(old_s, latency_s, response.status, self._target, self._min_s, self._max_s)
        if delay_s == old_s:
            return
        told_s = self._told.get(key, 0.0)
        is_news = not told_s / TOLD_RATIO <= delay_s <= told_s * TOLD_RATIO
        if is_news:
            self._told[key] = delay_s
        self._change(key, delay_s, is_news)
        if self._debug:
            logger.info(
                "slot: %s | conc: %d | delay: %.0f ms (%+.0f) | latency: %.0f ms | size: %d bytes",
                key, len(slot.transferring), delay_s * 1000, (delay_s - old_s) * 1000, latency_s * 1000,
                len(response.body),
            )  # fmt: skip


class DomainBudget:
    """DOMAIN_PAGE_LIMIT: how many requests a slot may send in the whole crawl; 0 is no limit."""

    def __init__(self, settings: Any, stats: Any) -> None:
        self._limit = settings.getint("DOMAIN_PAGE_LIMIT", 0)
        self._stats = stats
        self.spent: dict[str, int] = {}

    def spend(self, key: str, request: Request) -> None:
        """Takes one page off the budget. Raises: IgnoreRequest when there is none left."""
        if not self._limit or request.meta.get("dont_obey_robotstxt"):
            return
        spent = self.spent.get(key, 0)
        if spent >= self._limit:
            self._stats.inc_value("domain_page_limit/dropped")
            raise IgnoreRequest(f"{key} has had the {self._limit} pages of DOMAIN_PAGE_LIMIT")
        self.spent[key] = spent + 1
