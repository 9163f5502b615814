"""Running crawls from a script: on an event loop of yours (runners) or of their own (processes)."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine
from typing import Any, cast

from raycrawl.addons import AddonManager
from raycrawl.crawler import Crawler, ensure_future, is_loop_running
from raycrawl.settings import BaseSettings, Settings
from raycrawl.spiders import Spider
from raycrawl.utils.log import configure_logging, log_scrapy_info

logger = logging.getLogger("raycrawl.crawler")


class CrawlerRunnerBase:
    """Keeps track of crawlers that run on an event loop of yours.

    Args:
        settings: a dict (project priority) or Settings, for all crawlers.
    """

    def __init__(self, settings: dict[str, Any] | Settings | None = None) -> None:
        if not isinstance(settings, BaseSettings):
            settings = Settings(settings)
        AddonManager.load_pre_crawler_settings(settings)
        self.settings: Settings = settings
        self._crawlers: dict[Crawler, None] = {}
        self._active: dict[asyncio.Task[None], None] = {}
        self.bootstrap_failed = False

    @property
    def crawlers(self) -> set[Crawler]:
        """The crawlers that ``crawl`` started and that have not ended."""
        return set(self._crawlers)

    @property
    def spider_loader(self) -> Any:
        """The spider loader of the settings."""
        from raycrawl.spiderloader import get_spider_loader

        return get_spider_loader(self.settings)

    def create_crawler(self, crawler_or_spidercls: type[Spider] | str | Crawler) -> Crawler:
        """A Crawler: the given one, or a new one for a spider class or for the name of a spider of the project.

        Raises:
            ValueError: a spider object was given.
            KeyError: no spider of that name.
        """
        if isinstance(crawler_or_spidercls, Spider):
            raise ValueError("expected a spider class, a spider's name or a Crawler, got a spider object")
        if isinstance(crawler_or_spidercls, Crawler):
            return crawler_or_spidercls
        if isinstance(crawler_or_spidercls, str):
            crawler_or_spidercls = self.spider_loader.load(crawler_or_spidercls)
        return Crawler(cast("type[Spider]", crawler_or_spidercls), self.settings)

    def _run(self, crawler: Crawler, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, None]:
        async def run() -> None:
            self._crawlers[crawler] = None
            try:
                await crawler.crawl_async(*args, **kwargs)
            except BaseException:
                self.bootstrap_failed = True
                raise
            finally:
                self._crawlers.pop(crawler, None)

        return run()

    def _crawl_task(
        self, crawler_or_spidercls: type[Spider] | str | Crawler, *args: Any, **kwargs: Any
    ) -> asyncio.Task[None]:
        crawler = self.create_crawler(crawler_or_spidercls)
        task = cast("asyncio.Task[None]", ensure_future(self._run(crawler, *args, **kwargs)))
        self._crawlers[crawler] = None
        self._active[task] = None
        task.add_done_callback(lambda done: self._active.pop(done, None))
        return task

    async def _stop_all(self) -> None:
        await asyncio.gather(*(crawler.stop_async() for crawler in self.crawlers))

    async def _join(self) -> None:
        while self._active:
            await asyncio.wait(tuple(self._active))


class AsyncCrawlerRunner(CrawlerRunnerBase):
    """Runs crawls on the event loop that is running, for applications that have one."""

    def crawl(
        self, crawler_or_spidercls: type[Spider] | str | Crawler, *args: Any, **kwargs: Any
    ) -> asyncio.Task[None]:
        """Start a crawl; the task ends with it. ``args`` and ``kwargs`` are the spider's."""
        return self._crawl_task(crawler_or_spidercls, *args, **kwargs)

    async def stop(self) -> None:
        """Stop all crawls gracefully; ends when they have stopped."""
        await self._stop_all()

    async def join(self) -> None:
        """Ends when all crawls have ended, also those that are started meanwhile."""
        await self._join()


class CrawlerRunner(AsyncCrawlerRunner):
    """Same as AsyncCrawlerRunner: there are no Deferreds here, its results are awaited."""


class CrawlerProcessBase(AsyncCrawlerRunner):
    """Runs crawls in a process of their own: ``crawl`` as often as needed, then ``start``, which ends with them.

    Args:
        settings: a dict (project priority) or Settings, for all crawlers.
        install_root_handler: install the log handler of the ``LOG_*`` settings.
    """

    def __init__(
        self,
        settings: dict[str, Any] | Settings | None = None,
        install_root_handler: bool = True,
    ) -> None:
        super().__init__(settings)
        configure_logging(self.settings, install_root_handler)
        log_scrapy_info(self.settings)
        self._waiting: list[tuple[Crawler, tuple[Any, ...], dict[str, Any]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def crawl(self, crawler_or_spidercls: type[Spider] | str | Crawler, *args: Any, **kwargs: Any) -> Any:
        """Schedule a crawl, which begins with ``start``; in a running event loop (a notebook) it begins at once.

        Returns:
            A task in a running event loop, else None.
        """
        crawler = self.create_crawler(crawler_or_spidercls)
        if is_loop_running():
            return self._crawl_task(crawler, *args, **kwargs)
        self._waiting.append((crawler, args, kwargs))
        self._crawlers[crawler] = None
        return None

    def stop(self) -> Any:
        """Stop all crawls gracefully; to be awaited, when it is called in the event loop."""
        return ensure_future(self._stop_all())

    def join(self) -> Any:
        """Ends when all crawls have ended; to be awaited."""
        return ensure_future(self._join())

    def start(self, stop_after_crawl: bool = True, install_signal_handlers: bool = True) -> None:
        """Run the scheduled crawls; returns when they have ended.

        The first SIGINT or SIGTERM stops them gracefully, the second at once.

        Args:
            stop_after_crawl: False goes on running until a signal comes.
            install_signal_handlers: handle SIGINT and SIGTERM.

        Raises:
            RuntimeError: an event loop is running: await ``join()`` there.
        """
        if is_loop_running():
            raise RuntimeError("start() runs an event loop of its own: await join() where one is running")
        asyncio.run(self._main(stop_after_crawl, install_signal_handlers))

    async def _main(self, stop_after_crawl: bool, install_signal_handlers: bool) -> None:
        self._loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        if install_signal_handlers:
            self._install_signal_handlers(stopped)
        waiting, self._waiting = self._waiting, []
        for crawler, args, kwargs in waiting:
            task = self._crawl_task(crawler, *args, **kwargs)
            task.add_done_callback(_log_failure)
        await self._join()
        if not stop_after_crawl:
            await stopped.wait()

    def _install_signal_handlers(self, stopped: asyncio.Event) -> None:
        assert self._loop is not None
        loop = self._loop
        received: list[int] = []
        stopping: set[asyncio.Task[None]] = set()

        def on_signal(number: int) -> None:
            received.append(number)
            name = signal.Signals(number).name
            stopped.set()
            if len(received) == 1:
                logger.info("Received %s: stopping gracefully. Send it again to stop at once", name)
                stopping.add(loop.create_task(self._stop_all()))
            else:
                logger.info("Received %s again: stopping at once", name)
                for task in tuple(self._active):
                    task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, on_signal, number)
            except (NotImplementedError, RuntimeError, ValueError) as error:
                # Not in the main thread, or on a platform whose loop has no signal handlers.
                logger.debug("No handler for signal %s: %s", number, error)


class AsyncCrawlerProcess(CrawlerProcessBase):
    """Runs crawls from a script: see CrawlerProcessBase."""


class CrawlerProcess(CrawlerProcessBase, CrawlerRunner):
    """Same as AsyncCrawlerProcess: there are no Deferreds here."""


def _log_failure(task: asyncio.Task[None]) -> None:
    if task.cancelled():
        return
    error = task.exception()
    if error is not None:
        logger.critical("The crawl failed: %s", error, exc_info=(type(error), error, error.__traceback__))


