"""The ordered end of a crawl: Downloaders, Scrapers, feeds, shards, then signals, stats and the audit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from raycrawl.actors.crew import Crew
from raycrawl.actors.spidercopies import diverged

if TYPE_CHECKING:
    from raycrawl.actors.record import Record

logger = logging.getLogger(__name__)
STOP_DEADLINE_S = 5.0


class Closing:
    """Closes everyone, in the order in which data flows, so that nothing is cut off on its way."""

    def __init__(self, crew: Crew, record: Record) -> None:
        self._crew, self._record = crew, record

    async def run(self, reason: str) -> None:
        """Ends the crawl with ``reason``."""
        logger.info("Closing spider (%s)", reason)
        crew, record = self._crew, self._record
        await crew.gather("downloader", "close_spider", reason)
        await crew.gather("downloader", "stop", STOP_DEADLINE_S)
        self._compare_copies(await crew.gather("scraper", "close_spider", reason))
        await crew.gather("scraper", "stop", STOP_DEADLINE_S)
        await crew.gather("pipeline", "close_spider", reason)
        await self._close_feeds(reason)
        record.audit = self._audit(await crew.gather("scheduler", "counts"))
        await crew.gather("scheduler", "stop", STOP_DEADLINE_S)
        spider = record.crawler.spider
        await record.signal("spider_closed", spider=spider, reason=reason)
        record.stats.close_spider(spider, reason=reason)
        logger.info("Spider closed (%s)", reason)
        await record.signal("engine_stopped")

    def _compare_copies(self, copies: list[dict[str, bytes]]) -> None:
        if names := diverged(copies):
            logger.warning(
                "The spider's %s %s differ%s between the %d Scrapers: each has a copy of its own of the spider; "
                "SCRAPER_ACTORS=1 gives one",
                "attribute" if len(names) == 1 else "attributes",
                ", ".join(map(repr, names)),
                "s" if len(names) == 1 else "",
                len(copies),
            )

    async def _close_feeds(self, reason: str) -> None:
        for answer in await self._crew.gather("sink", "close_feed", reason):
            for failed in answer["failed"]:
                logger.error("The feed %s could not be delivered: %s", answer["uri"], failed)
            self._record.failed_feeds += answer["failed"]

    def _audit(self, shards: list[dict[str, int]]) -> str:
        """Checks that every request is accounted for; the text of what is wrong, empty when all is well."""
        total: dict[str, int] = {}
        for counts in shards:
            for state, count in counts.items():
                total[state] = total.get(state, 0) + count
        for state, count in total.items():
            self._record.stats.set_value(f"frontier/{state}", count)
        ended = total.get("done", 0) + total.get("failed", 0) + total.get("dropped", 0)
        left = total.get("pending", 0) + total.get("leased", 0)
        logger.info(
            "Audit: %d enqueued = %d done + %d failed + %d dropped + %d pending",
            total.get("enqueued", 0), total.get("done", 0), total.get("failed", 0), total.get("dropped", 0), left,
        )  # fmt: skip
        if total.get("leased", 0):
            return f"{total['leased']} requests were still in flight when the crawl ended"
        if total.get("enqueued", 0) != ended + left:
            return f"the audit does not add up: {total}"
        return ""
