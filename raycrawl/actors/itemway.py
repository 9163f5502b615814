"""An item's way from a callback through this process's pipelines to the feeds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from itemadapter import ItemAdapter

from raycrawl.actors.eventlog import EventLog
from raycrawl.actors.guard import Guard, stepwise
from raycrawl.actors.itembox import ITEMS_PER_PART, ItemBox
from raycrawl.actors.loop import Tasks
from raycrawl.actors.pagework import PageWork
from raycrawl.exceptions import DropItem

if TYPE_CHECKING:
    from raycrawl.pipelines import ItemPipelineManager


class ItemWay:
    """Takes the items of pages; up to CONCURRENT_ITEMS of them are in the pipelines at a time.

    An item that a pipeline drops or fails on, that is none, or that no feed can take, costs itself alone.
    """

    def __init__(
        self,
        crawler: Any,
        pipelines: ItemPipelineManager,
        box: ItemBox,
        log: EventLog,
        tasks: Tasks,
        guard: Guard,
        *,
        has_targets: bool,
        has_single_pipelines: bool,
    ) -> None:
        self._crawler, self._pipelines, self._box = crawler, pipelines, box
        self._log, self._tasks, self._guard = log, tasks, guard
        self._has_targets, self._has_single_pipelines = has_targets, has_single_pipelines
        self._has_pipelines = bool(pipelines.middlewares)
        self._slots = asyncio.Semaphore(max(1, crawler.settings.getint("CONCURRENT_ITEMS")))

    async def take(self, item: Any, work: PageWork, response: Any) -> None:
        """An item of a page; None is none."""
        if item is None:
            return
        if not self._has_pipelines:
            self._scraped(item, work, response)
            if self._box.needs_room():
                await self._box.room()
            return
        await self._slots.acquire()
        work.hold()
        work.producers += 1
        self._tasks.spawn(stepwise(self._guard, work, self._through_pipelines, item, work, response))

    def produced(self, work: PageWork) -> None:
        """The callback, or an item's way through the pipelines, has ended; after the last the page gives no items."""
        work.producers -= 1
        if not work.producers:
            self._box.finish(work)

    def count(self, work: PageWork) -> None:
        """Counts a page's items when it ends (a large page's in parts): a page that is scraped again counts once."""
        if work.uncounted:
            self._crawler.stats.inc_value("item_scraped_count", work.uncounted)
            work.uncounted = 0

    async def _through_pipelines(self, item: Any, work: PageWork, response: Any) -> None:
        try:
            result = await self._pipelines.process_item_async(item)
        except DropItem as error:
            self._log.dropped(item, error, response)
        except BaseException as error:
            if work.is_being_cancelled(error):
                raise
            if late := work.lateness(error, "process_item", self._guard.timeout_s):
                self._crawler.stats.inc_value("scraper/timeout")
            self._log.failed(item, late or error, response)
        else:
            self._scraped(result, work, response)
        finally:
            self._slots.release()
            self.produced(work)
            work.release()

    def _scraped(self, item: Any, work: PageWork, response: Any) -> None:
        try:
            if self._has_targets and type(item) is not dict and not ItemAdapter.is_item(item):
                raise TypeError(_no_item(item, response))
            self._box.add(item, work)
        except Exception as error:
            self._crawler.stats.inc_value("feedexport/items_dropped")
            self._log.failed(item, error, response)
            return
        if self._has_single_pipelines:
            return  # what becomes of the item is said where it has gone
        work.uncounted += 1
        if work.uncounted >= ITEMS_PER_PART:
            self.count(work)
        self._log.scraped(item, response)


def _no_item(value: Any, response: Any) -> str:
    whose = "An item pipeline must return an item" if value is None else "Spider must return request, item, or None"
    return f"{whose}, got {type(value).__name__!r} in {getattr(response, 'request', None) or response}"
