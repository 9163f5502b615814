"""Helpers for tests of components."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.spiders import Spider


def get_reactor_settings() -> dict[str, Any]:
    """Settings that a test's crawl needs for its event loop: none, since everything here runs on asyncio."""
    return {}


def get_crawler(
    spidercls: type[Spider] | None = None,
    settings_dict: dict[str, Any] | None = None,
    prevent_warnings: bool = True,
) -> Crawler:
    """A prepared, unstarted Crawler: settings, signals, stats, fingerprinter and, when its class allows it, a spider.

    Args:
        spidercls: default ``DefaultSpider``. A class that cannot be built without arguments leaves ``crawler.spider``
            as None.
        settings_dict: project-priority settings.
        prevent_warnings: accepted for compatibility; nothing here warns.
    """
    from raycrawl.crawler import CrawlerRunner
    from raycrawl.utils.spider import DefaultSpider

    runner = CrawlerRunner(dict(settings_dict or {}))
    crawler = runner.create_crawler(spidercls or DefaultSpider)
    crawler.prepare()
    try:
        crawler.create_spider()
    except (TypeError, ValueError):
        crawler.spider = None
    return crawler


def get_testenv() -> dict[str, str]:
    """An environment for a subprocess that imports this very raycrawl."""
    import raycrawl

    root = str(Path(raycrawl.__file__).resolve().parent.parent)
    env = os.environ.copy()
    env["PYTHONPATH"] = os.pathsep.join(part for part in (root, env.get("PYTHONPATH", "")) if part)
    return env


async def get_from_asyncio_queue(value: Any) -> Any:
    """``value``, after a trip through an asyncio queue: a coroutine that truly waits."""
    queue: asyncio.Queue[Any] = asyncio.Queue()
    waiter = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.put_nowait(value)
    return await waiter
