"""``crawler.engine``: what spiders, middlewares, pipelines and extensions see of the engine, in any process.

It has the names of Scrapy's ExecutionEngine. Questions are answered at once from the last status that the engine sent
with its answers to this process's reports; orders are handed to the process's ``EngineLink``, which sends them.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from raycrawl.http import Request, Response


class EngineStatus(msgspec.Struct, frozen=True, array_like=True):
    """The engine in a nutshell, as of its last answer."""

    state: str = "new"
    backout: str = ""
    idle: bool = False
    scheduler_empty: bool = False


class EngineLink(Protocol):
    """How a process reaches the engine, the frontier and the Downloaders."""

    def schedule(self, request: Request) -> None:
        """Puts a request on its way into the frontier."""

    def download(self, request: Request) -> Awaitable[Response]:
        """Fetches a request at the Downloader that owns its slot, past the frontier and the callbacks."""

    def order(self, name: str, *args: Any) -> Awaitable[None]:
        """Calls ``name`` ("pause", "unpause", "close") on the engine."""

    def slot_notice(self, slot: str, *, delay_s: float | None = None, hold_s: float | None = None) -> None:
        """Changes how a slot of this process is served."""


class EngineNotRunning(RuntimeError):
    """An order to an engine that has not been started, or that this process cannot reach."""


@dataclass(slots=True)
class _Unlinked:
    """The link of a crawler that does not crawl: every order says so."""

    def schedule(self, request: Request) -> None:
        raise EngineNotRunning(f"cannot crawl {request}: the engine is not running")

    async def download(self, request: Request) -> Response:
        raise EngineNotRunning(f"cannot download {request}: the engine is not running")

    async def order(self, name: str, *args: Any) -> None:
        raise EngineNotRunning(f"cannot {name}: the engine is not running")

    def slot_notice(self, slot: str, *, delay_s: float | None = None, hold_s: float | None = None) -> None:
        raise EngineNotRunning(f"cannot change slot {slot!r}: the engine is not running")


class ExecutionEngine:
    """The engine as seen from one process.

    Args:
        crawler: the process's Crawler.
        spider_closed_callback: called with the spider when it has been closed; kept for Scrapy's signature.
        link: how orders reach the real engine; without one every order raises EngineNotRunning.
    """

    def __init__(
        self,
        crawler: Any,
        spider_closed_callback: Callable[..., Any] | None = None,
        *,
        link: EngineLink | None = None,
    ) -> None:
        self.crawler = crawler
        self.settings = crawler.settings
        self.signals = getattr(crawler, "signals", None)
        self.logformatter = getattr(crawler, "logformatter", None)
        self.spider: Any = getattr(crawler, "spider", None)
        self.start_time: float = time.time()
        self.status = EngineStatus()
        self._spider_closed_callback = spider_closed_callback
        self._link: EngineLink = link or _Unlinked()

    @property
    def running(self) -> bool:
        """True between the start and the end of the crawl, pauses included."""
        return self.status.state in ("running", "paused", "closing")

    @property
    def paused(self) -> bool:
        """True while the crawl is paused."""
        return self.status.state == "paused"

    @property
    def open_spiders(self) -> list[Any]:
        """The spider, in a list, while it is open (the spelling of older Scrapy)."""
        return [self.spider] if self.spider is not None and self.running else []

    def needs_backout(self) -> bool:
        """True: the crawl takes no new requests now (see ``backout_reason``)."""
        return self.status.state != "running" or bool(self.status.backout)

    def backout_reason(self) -> str | None:
        """The cause of ``needs_backout``, or None."""
        return self.status.backout or None

    def has_capacity(self) -> bool:
        """True: the crawl would take another request."""
        return not self.needs_backout()

    def spider_is_idle(self) -> bool:
        """True: nothing is in flight or pending and ``Spider.start()`` has ended."""
        return self.status.idle

    def scheduler_empty(self) -> bool:
        """True: nothing is pending in the frontier."""
        return self.status.scheduler_empty

    def crawl(self, request: Request, spider: Any = None) -> None:
        """Puts ``request`` into the frontier; its callback will get the response.

        Raises: ValueError when its callback, meta or cb_kwargs cannot travel; EngineNotRunning.
        """
        self._link.schedule(request)

    def schedule(self, request: Request, spider: Any = None) -> None:
        """``crawl`` under its older name."""
        self.crawl(request)

    def download(self, request: Request, spider: Any = None) -> Awaitable[Response]:
        """Fetches ``request`` through the downloader middlewares and its slot, and answers the caller.

        Raises: what the download raised (``raycrawl.exceptions``), IgnoreRequest when a middleware refused it.
        """
        return self._link.download(request)

    async def download_async(self, request: Request) -> Response:
        """``download`` as a coroutine."""
        return await self._link.download(request)

    def pause(self) -> Awaitable[None]:
        """Takes nothing new until ``unpause``; what is in flight goes on. Need not be awaited."""
        return self._link.order("pause")

    def unpause(self) -> Awaitable[None]:
        """Ends a pause. Need not be awaited."""
        return self._link.order("unpause")

    def start(self) -> Awaitable[None]:
        """Resumes a paused crawl; one that runs goes on. (The engine itself starts with the crawl.)"""
        return self._link.order("unpause")

    async def start_async(self) -> None:
        """``start`` as a coroutine."""
        await self.start()

    def open_spider(self, spider: Any = None, close_if_idle: bool = True) -> Awaitable[None]:
        """Says whether the crawl ends when it is idle; without that it waits for ``crawl()`` until it is closed."""
        return self._link.order("open_spider", close_if_idle)

    async def open_spider_async(self, *, close_if_idle: bool = True) -> None:
        """``open_spider`` as a coroutine."""
        await self.open_spider(close_if_idle=close_if_idle)

    def close_spider(self, spider: Any = None, reason: str = "cancelled") -> Awaitable[None]:
        """Ends the crawl gracefully: what is in flight is finished. Need not be awaited."""
        return self._link.order("close", reason)

    async def close_spider_async(self, *, reason: str = "cancelled") -> None:
        """``close_spider`` as a coroutine."""
        await self.close_spider(reason=reason)

    def stop(self) -> Awaitable[None]:
        """Ends the crawl gracefully with reason "shutdown". Need not be awaited."""
        return self._link.order("close", "shutdown")

    async def stop_async(self) -> None:
        """``stop`` as a coroutine."""
        await self.stop()

    def close(self) -> Awaitable[None]:
        """``stop``: an engine that runs is stopped, one that does not raises EngineNotRunning."""
        return self._link.order("close", "shutdown")

    async def close_async(self, *, reason: str = "shutdown") -> None:
        """``close`` as a coroutine, with a reason."""
        await self._link.order("close", reason)

    def set_slot_delay(self, slot: str, delay_s: float) -> None:
        """From now on, at least ``delay_s`` seconds between requests of ``slot`` (Downloader processes only)."""
        self._link.slot_notice(slot, delay_s=delay_s)

    def pause_slot(self, slot: str, hold_s: float) -> None:
        """No request of ``slot`` for ``hold_s`` seconds (Retry-After; Downloader processes only)."""
        self._link.slot_notice(slot, hold_s=hold_s)
