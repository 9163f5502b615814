"""What every actor's process has: its identity, the crawl's settings and spider class, its channel, its health."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import pickle
import sys
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from raycrawl import signals
from raycrawl.actors.channel import Channel
from raycrawl.actors.logs import LogShip
from raycrawl.actors.loop import Tasks
from raycrawl.actors.nodememory import rss_nbytes, used_percent
from raycrawl.actors.outbox import Outbox
from raycrawl.actors.reporter import Reporter
from raycrawl.core.engine import SUSPECT_ATTEMPTS
from raycrawl.core.facade import EngineStatus, ExecutionEngine
from raycrawl.core.messages import RequestRecord
from raycrawl.frontier.store import FrontierFullError

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response

logger = logging.getLogger(__name__)
TICK_S = 0.5
DISK_RETRY_S = 0.5
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What every actor of a crawl is started with; made once, by the driver.

    ``settings`` and ``spider`` (the class) are cloudpickled, so that code from a script or a notebook travels;
    ``workdir`` is the job directory or a temporary one; ``paths`` are put on ``sys.path`` before anything is loaded.
    """

    name: str
    settings: bytes
    spider: bytes
    spider_args: tuple[tuple[Any, ...], dict[str, Any]]
    feeds: dict[str, dict[str, Any]]
    workdir: str
    durable: bool
    paths: tuple[str, ...]
    cwd: str = ""
    shards: int
    downloaders: int
    scrapers: int
    batch_pages: int
    batch_nbytes: int
    batch_delay_s: float
    concurrency: int
    close_if_idle: bool = True
    spool: bool = False
    has_single_pipelines: bool = False

    @property
    def item_targets(self) -> list[str]:
        """Where Scrapers send their items."""
        return ["pipeline:0"] if self.has_single_pipelines else [f"sink:{index}" for index in range(self.sinks)]

    @property
    def sinks(self) -> int:
        """How many FeedSinks there are: one per feed; the first also spools, so there may be one without a feed."""
        return max(len(self.feeds), int(self.spool))

    def load_crawler(self) -> Crawler:
        """A prepared Crawler for this process. Imports the spider's code: call it in the process that runs it."""
        if os.path.isdir(self.cwd):  # the driver's, where it exists: what is relative is meant from there
            os.chdir(self.cwd)
        for path in reversed(self.paths):
            if path not in sys.path:
                sys.path.insert(0, path)
        from raycrawl.crawler import Crawler

        spidercls = pickle.loads(self.spider)  # made by the driver's own cloudpickle, never by the web
        crawler = Crawler(spidercls, pickle.loads(self.settings))
        crawler.prepare()
        return crawler


@dataclass(frozen=True, slots=True)
class Health:
    """An actor's pulse: seconds since its main loop last ran, the pages it knows, its resident memory in bytes."""

    tick_age_s: float
    known: frozenset[bytes] = frozenset()
    rss_nbytes: int = 0
    node: str = ""
    memory_percent: float = 0.0
    busy_with: str = ""


@dataclass(slots=True)
class Pulse:
    """The main loop's last sign of life; read from another thread."""

    at_s: float = field(default_factory=time.monotonic)
    busy_with: str = ""


class ActorProcess:
    """The base of every actor but the engine: identity, reports, health, wiring."""

    kind = ""

    def __init__(self, boot: Boot, index: int, incarnation: int, channel: Channel) -> None:
        self.boot, self.index, self.incarnation, self.channel = boot, index, incarnation, channel
        self.name = f"{self.kind}:{index}"
        self.tasks = Tasks(self.name)
        self.pulse = Pulse()
        self.crawler: Any = None
        self.is_open = False
        self._is_full = False

    async def _open(self) -> None:
        boot = self.boot
        self.crawler = boot.load_crawler()
        self.crawler.stats.track_deltas()
        self.crawler.process_index = self.index
        self.reporter = Reporter(
            self.channel,
            self.tasks,
            sender=self.name,
            incarnation=self.incarnation,
            batch=boot.batch_pages,
            interval_s=boot.batch_delay_s,
            take_stats=self.crawler.stats.take_delta,
            on_status=self._set_status,
        )
        if self.channel.ships_logs:
            LogShip.install(self.crawler.settings, self.reporter.log)
        self.channel.on_death = self._suspect
        self._ticker = asyncio.get_running_loop().create_task(self._tick())

    async def open(self) -> None:
        """Builds what the actor needs; by each kind of actor in its own way."""
        await self._open()

    async def begin(self, *args: Any) -> dict[str, Any]:
        """Opens the actor and says where it runs; an error is told as text, never raised through the call."""
        error = ""
        try:
            await self.open(*args)
            self.is_open = True
            # What is there now stays: without it in its way, the garbage collector costs a third as much.
            gc.collect()
            gc.freeze()
        except Exception as exception:
            error = self._explain(exception)
        return {"error": error, "pid": os.getpid(), "node": os.uname().nodename, "box": self.box_path()}

    def box_path(self) -> str:
        """The file that says what this process works on; empty: it has none."""
        return ""

    async def examine(self, path: str, pid: int, discard: bool) -> Any:
        """What the box of another process of this node says."""
        from raycrawl.actors.inquest import examine

        return examine(path, pid, discard=discard)

    def _explain(self, error: Exception) -> str:
        """A user's own mistake in one line, anything else with its traceback."""
        from raycrawl.exceptions import NotConfigured, UsageError

        if isinstance(error, UsageError | NotConfigured):
            return str(error)
        return f"{self.kind} could not start: " + "".join(traceback.format_exception(error)).rstrip()

    async def _tick(self) -> None:
        while True:
            self._beat()
            await asyncio.sleep(TICK_S)

    def _beat(self) -> None:
        """The main loop runs."""
        self.pulse.at_s = time.monotonic()

    def _suspect(self, peer: str, incarnation: int) -> None:
        """A call found a peer dead: the engine, which decides, is told at once."""
        if peer != "engine":
            self.tasks.spawn(self.channel.call("engine", "suspect", peer, incarnation))

    def _set_status(self, status: EngineStatus) -> None:
        """The engine answered a report."""

    async def _announce_opening(self) -> None:
        """The signals of the start, to this process's listeners."""
        await self.crawler.signals.send_catch_log_async(signals.engine_started)
        await self.crawler.signals.send_catch_log_async(signals.spider_opened, spider=self.crawler.spider)

    async def _announce_closing(self, reason: str) -> None:
        """The signals of the end, to this process's listeners."""
        send = self.crawler.signals.send_catch_log_async
        await send(signals.spider_closed, spider=self.crawler.spider, reason=reason)
        await send(signals.engine_stopped)

    async def wire(self, peers: dict[str, tuple[Any, int]]) -> None:
        """Connects peers by name; called again when one is replaced."""
        for peer, (handle, incarnation) in peers.items():
            self.channel.connect(peer, handle, incarnation)

    def known_pages(self) -> list[bytes]:
        """The pages that are in this process or in a report that the engine has not answered."""
        return self.reporter.unreported()

    def health(self) -> Health:
        """The pulse; runs in a thread of its own, whatever the main loop does."""
        while True:
            try:
                known = frozenset(self.known_pages()) if self.is_open else frozenset()
                break
            except RuntimeError:  # a container changed while it was copied from this thread: once more
                continue
        return Health(
            tick_age_s=time.monotonic() - self.pulse.at_s,
            known=known,
            rss_nbytes=rss_nbytes(),
            node=os.uname().nodename,
            memory_percent=used_percent(),
            busy_with=self.pulse.busy_with,
        )

    async def _with_room(self, write: Callable[[], T]) -> T:
        """Calls ``write`` until the disk has room for it: the crawl waits, and loses nothing.

        ``write`` MUST be repeatable: it raises FrontierFullError, or OSError with ENOSPC, when nothing was written.
        """
        while True:
            try:
                result = write()
                break
            except (FrontierFullError, OSError) as error:
                if isinstance(error, OSError) and error.errno != errno.ENOSPC:
                    raise
                if not self._is_full:
                    self._is_full = True
                    logger.error("The disk of %s is full: the crawl pauses until there is room", self.boot.workdir)
                    self.reporter.disk_full(True)
            await asyncio.sleep(DISK_RETRY_S)
        if self._is_full:
            self._is_full = False
            logger.warning("There is room on the disk of %s again: the crawl goes on", self.boot.workdir)
            self.reporter.disk_full(False)
        return result

    async def stop(self, deadline_s: float) -> None:
        """Finishes what is under way (up to ``deadline_s`` seconds) and reports it."""
        await self.tasks.stop(deadline_s)
        await self.reporter.flush()
        self._ticker.cancel()


class CrawlProcess(ActorProcess):
    """The base of Downloader and Scraper: adds the outbox to the frontier and the link behind ``crawler.engine``."""

    def __init__(self, boot: Boot, index: int, incarnation: int, channel: Channel) -> None:
        super().__init__(boot, index, incarnation, channel)
        self._ordinal = 0
        self._suspects = asyncio.Lock()

    async def _open(self) -> None:
        await super()._open()
        self.crawler.engine = ExecutionEngine(self.crawler, link=self)
        self.outbox = Outbox(
            self.channel,
            self.tasks,
            shards=self.boot.shards,
            delay_s=self.boot.batch_delay_s,
            on_durable=self._on_durable,
            batch_nbytes=self.boot.batch_nbytes,
        )

    def _set_status(self, status: EngineStatus) -> None:
        self.crawler.engine.status = status

    def _on_durable(self, shard: int, records: list[RequestRecord], duplicates: set[int]) -> None:
        stats = self.crawler.stats
        new = len(records) - len(duplicates)
        if new:
            stats.inc_value("scheduler/enqueued", new)
            self.reporter.touched(shard)
        if duplicates:
            stats.inc_value("dupefilter/filtered", len(duplicates))

    @asynccontextmanager
    async def _alone_if_suspect(self, page_id: bytes, attempts: int) -> AsyncIterator[None]:
        """Suspects (see ``SUSPECT_ATTEMPTS``) are worked on one at a time, and the engine knows on which."""
        if attempts < SUSPECT_ATTEMPTS:
            yield
            return
        async with self._suspects:
            await self.reporter.alone(page_id)
            try:
                yield
            finally:
                await self.reporter.alone(b"")

    # EngineLink

    def schedule(self, request: Request) -> None:
        """Puts a request into the frontier from outside a page."""
        raise RuntimeError(f"{self.name} cannot schedule {request}")

    def download(self, request: Request) -> Awaitable[Response]:
        """Fetches past the frontier."""
        raise RuntimeError(f"{self.name} cannot download {request}")

    def order(self, name: str, *args: Any) -> Awaitable[None]:
        """Sends "pause", "unpause" or "close" to the engine."""
        return self.tasks.spawn(self.channel.call("engine", name, *args))

    def slot_notice(self, slot: str, *, delay_s: float | None = None, hold_s: float | None = None) -> None:
        """Only a Downloader has slots."""
        raise RuntimeError(f"{self.name} has no slots: {slot}")

    async def stop(self, deadline_s: float) -> None:
        """Sends what waits in the outbox, finishes, reports."""
        self.outbox.flush()
        await super().stop(deadline_s)


def stand_in_spider(crawler: Crawler, spider_args: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
    """The spider for a process that runs none of its code: name, class attributes, arguments; no ``__init__``.

    Middlewares and extensions read attributes of it. Signal handlers that the spider connects live in the Scrapers.
    """
    spider = crawler.spidercls.__new__(crawler.spidercls)
    spider.__dict__.update(spider_args[1])
    spider.crawler = crawler
    spider.settings = crawler.settings
    if "name" not in spider.__dict__ and not getattr(spider, "name", None):
        spider.name = crawler.spidercls.__name__.lower()
    return spider


def first_delay_s(settings: Any) -> float:
    """The delay that slots begin with, in seconds."""
    delay_s: float = settings.getfloat("DOWNLOAD_DELAY")
    if settings.getbool("AUTOTHROTTLE_ENABLED"):
        delay_s = max(delay_s, settings.getfloat("AUTOTHROTTLE_START_DELAY"))
    return delay_s
