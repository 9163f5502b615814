"""The chain of extensions."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Self

from raycrawl.middleware import MiddlewareManager, component_list
from raycrawl.utils.misc import load_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from raycrawl.crawler import Crawler
    from raycrawl.settings import Settings

logger = logging.getLogger(__name__)

# Where an extension without a ``process`` attribute lives.
DEFAULT_PROCESS = "engine"
EVERY_PROCESS = "every"


class ExtensionManager(MiddlewareManager):
    """Owns the enabled extensions of one process.

    An extension class says with its attribute ``process`` where it lives: ``"engine"`` (the default: one instance,
    which sees the merged stats of the crawl), ``"scraper"``, ``"downloader"`` (one instance in each such process, where
    their signals happen) or ``"every"``.

    An extension may define ``on_stats(stats)``: the engine calls it with the crawl's merged stats each time that they
    changed (every 20-100 ms while pages flow), so that limits and reports need no signal per page or item.
    """

    component_name = "extension"

    def __init__(self, *middlewares: Any, crawler: Crawler | None = None) -> None:
        super().__init__(*middlewares, crawler=crawler)
        self._on_stats: tuple[Callable[[Mapping[str, Any]], None], ...] = tuple(
            extension.on_stats for extension in middlewares if hasattr(extension, "on_stats")
        )

    @classmethod
    def _get_mwlist_from_settings(cls, settings: Settings) -> list[Any]:
        return component_list(settings, "EXTENSIONS")

    @classmethod
    def for_process(cls, crawler: Crawler, process: str) -> Self:
        """The extensions that live in ``process`` (``"engine"``, ``"scraper"``, ``"downloader"``)."""

        setattr(crawler, "process", process)  # noqa: B010 - not an attribute that every crawler has

        class _OfProcess(cls):  # type: ignore[valid-type, misc]
            @classmethod
            def _get_mwlist_from_settings(cls, settings: Settings) -> list[Any]:
                entries = component_list(settings, "EXTENSIONS")
                return [entry for entry in entries if lives_in(load_object(entry), process)]

        chain: Self = _OfProcess.from_crawler(crawler)
        return chain

    def stats_changed(self, stats: Mapping[str, Any]) -> None:
        """Tell the extensions; one that fails is logged and does not keep the others from hearing it."""
        for on_stats in self._on_stats:
            try:
                on_stats(stats)
            except Exception:
                logger.exception("on_stats() of %r failed", on_stats, extra={"crawler": self.crawler})


def lives_in(extension_class: Any, process: str) -> bool:
    """Whether ``extension_class`` belongs into a process of this kind."""
    return getattr(extension_class, "process", DEFAULT_PROCESS) in (process, EVERY_PROCESS)


def is_plain_process(crawler: Crawler) -> bool:
    """True when this crawler is not part of a crawl of actors: its own signals then tell everything that happens."""
    return getattr(crawler, "process", None) is None


def close_spider(crawler: Crawler, reason: str) -> None:
    """Ask the crawl's engine to end the crawl with ``reason``."""
    closing = crawler.engine.close_spider_async(reason=reason)
    if asyncio.iscoroutine(closing):
        task = asyncio.ensure_future(closing)
        # The loop keeps only a weak reference to a task.
        _closing.add(task)
        task.add_done_callback(_closing.discard)


_closing: set[asyncio.Future[Any]] = set()
