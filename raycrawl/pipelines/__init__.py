"""Item pipelines: what happens to an item between the callback and the feeds."""

from __future__ import annotations

import asyncio
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Protocol, Self

from raycrawl.middleware import MiddlewareManager, component_list
from raycrawl.utils.misc import load_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from raycrawl.crawler import Crawler
    from raycrawl.settings import Settings
    from raycrawl.spiders import Spider


class ItemProcessorProtocol(Protocol):
    """What ``ITEM_PROCESSOR`` may name; ``ItemPipelineManager`` is the default."""

    async def open_spider_async(self) -> None: ...

    async def process_item_async(self, item: Any) -> Any: ...

    async def close_spider_async(self) -> None: ...


class ItemPipelineManager(MiddlewareManager):
    """Owns the enabled item pipelines, in their order.

    A pipeline class with ``single = True`` keeps something that the whole crawl shares (a connection, a set of seen
    keys) and lives in one process. So that the order holds with a single hop, the pipelines that follow it live there,
    too: ``local`` are those before the first single one, ``single`` that one and all after it.

    Attributes:
        local, single: the pipelines, split as said.
        is_plain: every ``process_item`` is a plain function: ``process_item_now`` may be used.
    """

    component_name = "item pipeline"

    def __init__(self, *middlewares: Any, crawler: Crawler | None = None) -> None:
        super().__init__(*middlewares, crawler=crawler)
        first = next((at for at, one in enumerate(middlewares) if is_single(one)), len(middlewares))
        self.local: tuple[Any, ...] = middlewares[:first]
        self.single: tuple[Any, ...] = middlewares[first:]
        self._process: tuple[Callable[[Any], Any], ...] = tuple(hook.call for hook in self.methods["process_item"])
        self.is_plain = not any(hook.is_async for hook in self.methods["process_item"])

    @classmethod
    def _get_mwlist_from_settings(cls, settings: Settings) -> list[Any]:
        return component_list(settings, "ITEM_PIPELINES")

    @classmethod
    def split(cls, settings: Settings) -> tuple[list[Any], list[Any]]:
        """The classes of the local and of the single pipelines: known before any of them is built."""
        classes = [load_object(entry) for entry in cls._get_mwlist_from_settings(settings)]
        first = next((at for at, one in enumerate(classes) if is_single(one)), len(classes))
        return classes[:first], classes[first:]

    @classmethod
    def local_from_crawler(cls, crawler: Crawler) -> Self:
        """Only the pipelines that every Scraper has."""
        return cls._part_from_crawler(crawler, 0)

    @classmethod
    def single_from_crawler(cls, crawler: Crawler) -> Self:
        """Only the pipelines of the one process that has the single ones."""
        return cls._part_from_crawler(crawler, 1)

    @classmethod
    def _part_from_crawler(cls, crawler: Crawler, part: int) -> Self:
        whole = cls

        class _Part(cls):  # type: ignore[valid-type, misc]
            @classmethod
            def _get_mwlist_from_settings(cls, settings: Settings) -> list[Any]:
                return whole.split(settings)[part]

        chain: Self = _Part.from_crawler(crawler)
        return chain

    def _add_middleware(self, mw: Any) -> None:
        super()._add_middleware(mw)
        self._add_hook("open_spider", mw, 0)
        self._add_hook("process_item", mw, 1)
        self._add_hook("close_spider", mw, 0, first=True)

    async def open_spider_async(self) -> None:
        """Open all pipelines at once; raises what the first one that failed raised."""
        await self._all("open_spider")

    async def close_spider_async(self) -> None:
        """Close all pipelines at once, the last first; all are closed before a failure is raised."""
        await self._all("close_spider")

    async def process_item_async(self, item: Any) -> Any:
        """What the pipelines make of ``item``.

        Raises:
            DropItem: a pipeline dropped it.
            Exception: a pipeline failed; this costs the item alone.
        """
        for process in self._process:
            item = process(item)
            if hasattr(item, "__await__"):
                item = await item
        return item

    def process_item_now(self, item: Any) -> Any:
        """The same without a coroutine, when ``is_plain``. The result may still be awaitable: then await
        ``finish_item`` on it."""
        for at, process in enumerate(self._process):
            item = process(item)
            if hasattr(item, "__await__"):
                return self._finish(item, at + 1)
        return item

    async def _finish(self, item: Any, at: int) -> Any:
        item = await item
        for process in self._process[at:]:
            item = process(item)
            if hasattr(item, "__await__"):
                item = await item
        return item

    async def process_item(self, item: Any, spider: Spider | None = None) -> Any:
        """The older name of ``process_item_async``."""
        if spider is not None:
            self._spider = spider
        return await self.process_item_async(item)

    async def _all(self, name: str) -> None:
        pending = []
        failures: list[BaseException] = []
        for hook in tuple(self.methods[name]):
            try:
                result = hook.call()
            except Exception as error:
                failures.append(error)
                continue
            if isawaitable(result):
                pending.append(asyncio.ensure_future(result))
        outcomes = await asyncio.gather(*pending, return_exceptions=True)
        failures.extend(outcome for outcome in outcomes if isinstance(outcome, BaseException))
        if failures:
            raise failures[0]


def is_single(pipeline: Any) -> bool:
    """Whether this pipeline (or class) lives in one process of the crawl."""
    return bool(getattr(pipeline, "single", False))
