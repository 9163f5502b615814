"""``Crawler``, what the components of one crawl share, and the classes that run crawls from a script.

A crawl runs in several processes, and each of them has a Crawler: the one in your script, whose ``crawl`` starts the
actors, and one in each actor, which the components there are built with.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import signal
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from raycrawl.addons import AddonManager
from raycrawl.settings import BaseSettings, Settings
from raycrawl.settings.check import check_settings
from raycrawl.signalmanager import SignalManager
from raycrawl.spiders import Spider
from raycrawl.utils.log import configure_logging, log_crawler_info, set_crawler_log_level
from raycrawl.utils.misc import build_from_crawler, load_object

if TYPE_CHECKING:
    from raycrawl.logformatter import LogFormatter
    from raycrawl.middleware import MiddlewareManager
    from raycrawl.statscollectors import StatsCollector
    from raycrawl.utils.request import RequestFingerprinterProtocol

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class _Later:
    """An attribute of Crawler that raises RuntimeError until it is set."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.slot = f"_{name}"

    def __get__(self, crawler: Any, owner: type | None = None) -> Any:
        if crawler is None:
            return self
        value = crawler.__dict__.get(self.slot)
        if value is None:
            raise RuntimeError(
                f"Crawler.{self.name} does not exist before the crawl starts: use it from then on, e.g. in a handler "
                "of the spider_opened signal"
            )
        return value

    def __set__(self, crawler: Any, value: Any) -> None:
        crawler.__dict__[self.slot] = value


class Crawler:
    """What the components of a crawl share.

    Args:
        spidercls: the spider's class.
        settings: a dict (project priority) or Settings; copied.
        init_reactor: accepted for compatibility; there is no reactor.

    Attributes:
        settings: those of this crawl: ``settings``, the spider's, and what add-ons add; frozen by ``prepare``.
        signals: the SignalManager.
        spider: the spider, None before ``create_spider``.
        stats, logformatter, request_fingerprinter: from ``prepare`` on; RuntimeError before.
        engine, extensions: in a running crawl; RuntimeError before.
        crawling: True between the start of ``crawl`` and its end.
    """

    if TYPE_CHECKING:
        stats: StatsCollector
        logformatter: LogFormatter
        request_fingerprinter: RequestFingerprinterProtocol
        engine: Any
        extensions: Any
    else:
        stats = _Later()
        logformatter = _Later()
        request_fingerprinter = _Later()
        engine = _Later()
        extensions = _Later()

    def __init__(
        self,
        spidercls: type[Spider],
        settings: dict[str, Any] | Settings | None = None,
        init_reactor: bool = False,
    ) -> None:
        if isinstance(spidercls, Spider):
            raise ValueError("Crawler needs a spider class, got a spider object")
        self.spidercls = spidercls
        if not isinstance(settings, BaseSettings):
            settings = Settings(settings)
        self.settings: Settings = settings.copy()
        self._apply_spider_settings()
        self.signals = SignalManager(self)
        self.addons = AddonManager(self)
        self.spider: Spider | None = None
        self.crawling = False
        self._prepared = False
        self._started = False
        self._handle: Any = None
        self._chains: dict[str, MiddlewareManager] = {}

    # --- building

    def _apply_spider_settings(self) -> None:
        # Settings that come from another process of the same crawl hold the spider's.
        mark = f"{self.spidercls.__module__}.{self.spidercls.__qualname__}"
        if mark not in self.settings.applied:
            self.spidercls.update_settings(self.settings)
            self.settings.applied |= {mark}

    def prepare(self) -> None:
        """Apply the add-ons, freeze the settings and build what every process needs. Does nothing the second time."""
        if self._prepared:
            return
        self._prepared = True
        self.addons.load_settings(self.settings)
        self.settings.freeze()
        self.stats = load_object(self.settings["STATS_CLASS"])(self)
        self.logformatter = build_from_crawler(load_object(self.settings["LOG_FORMATTER"]), self)
        self.request_fingerprinter = build_from_crawler(
            load_object(self.settings["REQUEST_FINGERPRINTER_CLASS"]), self
        )

    _apply_settings = prepare

    def create_spider(self, *args: Any, **kwargs: Any) -> Spider:
        """Build the spider with ``from_crawler`` and keep it as ``self.spider``."""
        self.spider = self._create_spider(*args, **kwargs)
        return self.spider

    def _create_spider(self, *args: Any, **kwargs: Any) -> Spider:
        return self.spidercls.from_crawler(self, *args, **kwargs)

    # --- running

    async def crawl_async(self, *args: Any, **kwargs: Any) -> None:
        """Run the crawl; ends when it is over.

        Args:
            args, kwargs: for the spider. They are sent to other processes: plain data.

        Raises:
            RuntimeError: this crawler has run, or is running.
            UsageError: settings have values that cannot be used; the message names all of them.
        """
        if self._started:
            raise RuntimeError("a Crawler runs once: create another one")
        self.crawling = self._started = True
        try:
            self.prepare()
            check_settings(self.settings)
            set_crawler_log_level(self)
            log_crawler_info(self)
            self._handle = _start(self, *args, **kwargs)
            await self._handle
        finally:
            self.crawling = False

    def crawl(self, *args: Any, **kwargs: Any) -> asyncio.Future[None]:
        """Start ``crawl_async`` on the running event loop; to be awaited."""
        return _ensure_future(self.crawl_async(*args, **kwargs))

    async def stop_async(self) -> None:
        """Stop the crawl gracefully; ends when it has stopped."""
        if self.crawling:
            self.crawling = False
            await self._stop_running("shutdown")

    def stop(self) -> asyncio.Future[None]:
        """Start ``stop_async`` on the running event loop; to be awaited."""
        return _ensure_future(self.stop_async())

    async def _stop_running(self, reason: str) -> None:
        if self._handle is not None:
            # Stopping waits for messages to other processes: not on this event loop.
            result = await asyncio.to_thread(self._handle.stop, reason)
        elif self.__dict__.get("_engine") is not None:
            result = self.engine.close_spider(reason=reason)
        else:
            return
        if inspect.isawaitable(result):
            await result

    # --- looking up components of the running crawl

    def get_addon(self, cls: type[_T]) -> _T | None:
        """The add-on that is an instance of ``cls``, None when there is none."""
        return _first(self.addons.addons, cls)

    def get_downloader_middleware(self, cls: type[_T]) -> _T | None:
        """The downloader middleware of ``cls`` in this process, None when there is none."""
        return _first(self._chain("downloader middleware").middlewares, cls)

    def get_extension(self, cls: type[_T]) -> _T | None:
        """The extension of ``cls`` in this process, None when there is none."""
        return _first(self._chain("extension").middlewares, cls)

    def get_item_pipeline(self, cls: type[_T]) -> _T | None:
        """The item pipeline of ``cls`` in this process, None when there is none."""
        return _first(self._chain("item pipeline").middlewares, cls)

    def get_spider_middleware(self, cls: type[_T]) -> _T | None:
        """The spider middleware of ``cls`` in this process, None when there is none."""
        return _first(self._chain("spider middleware").middlewares, cls)

    def register_chain(self, chain: MiddlewareManager) -> None:
        """Make the components of ``chain`` known to the ``get_*`` methods; called when a chain is built."""
        self._chains[chain.component_name] = chain
        if chain.component_name == "extension":
            self.extensions = chain

    def _chain(self, component_name: str) -> MiddlewareManager:
        chain = self._chains.get(component_name)
        if chain is None:
            raise RuntimeError(
                f"there are no {component_name}s before the crawl starts, nor in a process that has none: ask from "
                "then on, e.g. in a handler of the engine_started or spider_opened signal"
            )
        return chain


def _first(components: Iterable[Any], cls: type[_T]) -> _T | None:
    return next((component for component in components if isinstance(component, cls)), None)


def _is_loop_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _ensure_future(coroutine: Coroutine[Any, Any, _T]) -> asyncio.Future[_T]:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        coroutine.close()
        raise RuntimeError("this needs a running event loop: call it in a coroutine, or use CrawlerProcess") from None
    return loop.create_task(coroutine)


def _start(crawler: Crawler, *args: Any, **kwargs: Any) -> Any:
    from raycrawl.crawl import crawl

    return crawl(crawler.spidercls, *args, settings=crawler.settings, wait=False, **kwargs)


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
        task = cast("asyncio.Task[None]", _ensure_future(self._run(crawler, *args, **kwargs)))
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


class AsyncCrawlerProcess(CrawlerRunnerBase):
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
        self._waiting: list[tuple[Crawler, tuple[Any, ...], dict[str, Any]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def crawl(self, crawler_or_spidercls: type[Spider] | str | Crawler, *args: Any, **kwargs: Any) -> Any:
        """Schedule a crawl, which begins with ``start``; in a running event loop (a notebook) it begins at once.

        Returns:
            A task in a running event loop, else None.
        """
        crawler = self.create_crawler(crawler_or_spidercls)
        if _is_loop_running():
            return self._crawl_task(crawler, *args, **kwargs)
        self._waiting.append((crawler, args, kwargs))
        self._crawlers[crawler] = None
        return None

    def stop(self) -> Any:
        """Stop all crawls gracefully; to be awaited, when it is called in the event loop."""
        return _ensure_future(self._stop_all())

    def join(self) -> Any:
        """Ends when all crawls have ended; to be awaited."""
        return _ensure_future(self._join())

    def start(self, stop_after_crawl: bool = True, install_signal_handlers: bool = True) -> None:
        """Run the scheduled crawls; returns when they have ended.

        The first SIGINT or SIGTERM stops them gracefully, the second at once.

        Args:
            stop_after_crawl: False goes on running until a signal comes.
            install_signal_handlers: handle SIGINT and SIGTERM.

        Raises:
            RuntimeError: an event loop is running: await ``join()`` there.
        """
        if _is_loop_running():
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


class CrawlerProcess(AsyncCrawlerProcess):
    """Same as AsyncCrawlerProcess: there are no Deferreds here."""


def _log_failure(task: asyncio.Task[None]) -> None:
    if task.cancelled():
        return
    error = task.exception()
    if error is not None:
        logger.critical("The crawl failed: %s", error, exc_info=(type(error), error, error.__traceback__))


