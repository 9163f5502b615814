"""``Crawler``, what the components of one crawl share. The classes that run crawls from a script are in ``runners``.

A crawl runs in several processes, and each of them has a Crawler: the one in your script, whose ``crawl`` starts the
actors, and one in each actor, which the components there are built with.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import warnings
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from raycrawl.addons import AddonManager
from raycrawl.exceptions import ScrapyDeprecationWarning
from raycrawl.settings import BaseSettings, Settings
from raycrawl.settings.check import check_settings
from raycrawl.signalmanager import SignalManager
from raycrawl.spiders import Spider
from raycrawl.utils.log import log_crawler_info, set_crawler_log_level
from raycrawl.utils.misc import build_from_crawler, load_object

if TYPE_CHECKING:
    from raycrawl import runners
    from raycrawl.logformatter import LogFormatter
    from raycrawl.middleware import MiddlewareManager
    from raycrawl.statscollectors import StatsCollector
    from raycrawl.utils.request import RequestFingerprinterProtocol

    AsyncCrawlerProcess = runners.AsyncCrawlerProcess
    AsyncCrawlerRunner = runners.AsyncCrawlerRunner
    CrawlerProcess = runners.CrawlerProcess
    CrawlerRunner = runners.CrawlerRunner
    CrawlerRunnerBase = runners.CrawlerRunnerBase

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

# The public names of ``raycrawl.runners``, which imports this module.
_RUNNERS = frozenset(
    {"AsyncCrawlerProcess", "AsyncCrawlerRunner", "CrawlerProcess", "CrawlerProcessBase", "CrawlerRunner",
     "CrawlerRunnerBase"}
)  # fmt: skip


# attribute of a spider -> the setting that it stands for
_OLDER_ATTRIBUTES = {"download_delay": "DOWNLOAD_DELAY", "max_concurrent_requests": "CONCURRENT_REQUESTS_PER_DOMAIN"}


def __getattr__(name: str) -> Any:
    if name not in _RUNNERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from raycrawl import runners

    return getattr(runners, name)


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
        self.settings.frozen = False
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
        if mark in self.settings.applied:
            return
        self.settings.applied |= {mark}
        self.spidercls.update_settings(self.settings)
        for attribute, name in _OLDER_ATTRIBUTES.items():
            value = getattr(self.spidercls, attribute, None)
            if isinstance(value, (int, float)):
                warnings.warn(
                    f"{mark}.{attribute} is the older spelling: set {name} in custom_settings",
                    ScrapyDeprecationWarning,
                    stacklevel=3,
                )
                # It goes before every setting, as it always did.
                self.settings.set(name, value, priority="cmdline")

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
        return ensure_future(self.crawl_async(*args, **kwargs))

    async def stop_async(self) -> None:
        """Stop the crawl gracefully: what is in flight is finished. Nothing happens when it is not running."""
        self.crawling = False
        await self._stop_running("shutdown")

    def stop(self) -> asyncio.Future[None]:
        """Start ``stop_async`` on the running event loop; to be awaited."""
        return ensure_future(self.stop_async())

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


def is_loop_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def ensure_future(coroutine: Coroutine[Any, Any, _T]) -> asyncio.Future[_T]:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        coroutine.close()
        raise RuntimeError("this needs a running event loop: call it in a coroutine, or use CrawlerProcess") from None
    return loop.create_task(coroutine)


def _start(crawler: Crawler, *args: Any, **kwargs: Any) -> Any:
    """The handle of the crawl that begins. Not by ``crawl()``, whose own arguments a spider's may be named like."""
    from raycrawl.launch import launch
    from raycrawl.preflight import check_crawl

    check_crawl(crawler.spidercls, crawler.settings)
    return launch(crawler, None, None, (args, kwargs))
