"""``raycrawl.crawl(SpiderClass)``: starts a crawl on Ray and gives a handle to look at, pause, steer, and read from.

The module is callable, so that ``raycrawl.crawl(...)`` works whether or not it was imported as a module.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib
import logging
import os
import pickle
import shutil
import sys
import tempfile
import threading
import time
import types
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raycrawl.exceptions import UsageError

if TYPE_CHECKING:
    from raycrawl.actors.process import Boot
    from raycrawl.actors.record import Snapshot
    from raycrawl.frontier.jobdir import JobDir
    from raycrawl.settings import Settings
    from raycrawl.spiders import Spider

logger = logging.getLogger(__name__)
WATCH_S = 0.5
ENGINE_RESTARTS = 20
EXIT_OK, EXIT_FAILED, EXIT_RESUMABLE = 0, 1, 75


class CrawlError(RuntimeError):
    """The crawl could not start or did not end well; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlStatus:
    """A crawl in numbers. ``queued`` requests are pending in the frontier, ``in_flight`` is downloads and callbacks."""

    state: str = "opening"
    pages: int = 0
    items: int = 0
    pages_per_s: float = 0.0
    queued: int = 0
    in_flight: int = 0
    errors: int = 0
    backout_reason: str | None = None
    elapsed_s: float = 0.0
    finish_reason: str | None = None


class Crawl:
    """A handle to a crawl; made by ``crawl()``.

    Await it, or call ``wait()``, for its end; both raise CrawlError when it failed. A thread of this process takes log
    lines and numbers from the engine; when this process ends, so does the crawl.
    """

    def __init__(self, boot: Boot, *, job: JobDir | None, options: dict[str, Any]) -> None:
        self.name = boot.name
        self.exit_code: int | None = None
        self._boot, self._job, self._options = boot, job, options
        self._is_killed = False
        self._engine: Any = None
        self._pids: dict[str, int] = {}
        self._status = CrawlStatus()
        self._stats: dict[str, Any] = {}
        self._error = ""
        self._done = threading.Event()
        self._opened = threading.Event()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"crawl-{self.name}", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<Crawl {self.name!r} {self._status.state}>"

    # Looking.

    def status(self) -> CrawlStatus:
        """The crawl's numbers, at most half a second old."""
        return self._status

    def stats(self) -> dict[str, Any]:
        """The stats of the whole crawl under Scrapy's keys: now, or as they were at the end."""
        if not self._done.is_set() and self._opened.is_set():
            self._stats = pickle.loads(self._ask("stats", default=pickle.dumps(self._stats)))
        return dict(self._stats)

    def slots(self) -> list[dict[str, Any]]:
        """The slots of all Downloaders: key, concurrency, delay, queued, transferring, seconds until ready."""
        return list(self._ask("slots", default=[]))

    def frontier(self, limit: int = 10) -> list[dict[str, Any]]:
        """A look into every shard of the frontier: counts, the oldest and the next requests."""
        return list(self._ask("frontier", limit, default=[]))

    def pids(self) -> dict[str, int]:
        """Process ids of the crawl's actors by name ("downloader:0"), as of the start."""
        return dict(self._pids)

    def items(self) -> Iterator[Any]:
        """The items, as they come: blocks for the next one, ends with the crawl. Each call starts from the first."""
        if not self._boot.spool:
            raise CrawlError("items() needs ITEMS_SPOOL, which this crawl was started without")
        from raycrawl.actors.spool import SpoolReader

        reader = SpoolReader(str(Path(self._boot.workdir) / "items.spool"))
        while True:
            ended = self._done.is_set()
            items = reader.read()
            yield from items
            if not items:
                if ended:
                    return
                self._done.wait(0.1)

    # Steering.

    def pause(self) -> None:
        """Takes nothing new until ``unpause``; what is in flight goes on."""
        self._ask("pause", default=None)

    def unpause(self) -> None:
        """Ends a pause."""
        self._ask("unpause", default=None)

    def stop(self, reason: str = "shutdown") -> None:
        """Asks for a graceful end and returns at once: what is in flight is finished, feeds are closed."""
        if not self._opened.wait(timeout=60):
            self.kill()
        self._ask("close", reason, default=None)

    def kill(self) -> None:
        """Ends the crawl at once. With a JOBDIR it can be resumed."""
        import ray

        engine, self._is_killed = self._engine, True
        if engine is not None and not self._done.is_set():
            ray.kill(engine, no_restart=True)

    def _ask(self, method: str, *args: Any, default: Any) -> Any:
        """A call to the engine; ``default`` when the crawl has ended."""
        import ray
        from ray.exceptions import RayActorError

        if self._done.is_set() or self._engine is None:
            return default
        try:
            return ray.get(getattr(self._engine, method).remote(*args), timeout=60)
        except RayActorError:
            return default

    # Waiting.

    def wait(self, timeout: float | None = None) -> Crawl:
        """Waits for the end, at most ``timeout`` seconds.

        Raises: TimeoutError when it still runs; CrawlError when it failed.
        """
        deadline_s = None if timeout is None else time.monotonic() + timeout
        # An Event.wait without a limit would keep Ctrl-C from being seen on some platforms.
        while not self._done.wait(0.5 if deadline_s is None else max(0.0, min(0.5, deadline_s - time.monotonic()))):
            if deadline_s is not None and time.monotonic() >= deadline_s:
                raise TimeoutError(f"the crawl {self.name!r} is still running")
        self._raise_error()
        return self

    def __await__(self) -> Generator[Any, None, Crawl]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if self._done.is_set():
                future.set_result(None)
            else:
                self._waiters.append((loop, future))
        yield from future.__await__()
        self._raise_error()
        return self

    def _raise_error(self) -> None:
        if self._error:
            raise CrawlError(self._error)

    # The thread.

    def _run(self) -> None:
        try:
            restarts = 0
            while not self._run_engine() and not self._is_killed:
                restarts += 1
                if restarts > ENGINE_RESTARTS:
                    self._fail("the engine has died too often" + self._how_to_resume(), EXIT_RESUMABLE)
                    return
                logger.warning("The engine has died: another one takes over what is in %s", self._boot.workdir)
            if self._is_killed and self.exit_code is None:
                self._fail("the crawl was killed" + self._how_to_resume(), EXIT_RESUMABLE)
        except Exception as error:
            self._fail(f"the crawl ended with an error of its own: {error!r}", EXIT_FAILED)
            logger.critical("The crawl %r failed", self.name, exc_info=error)
        finally:
            self._end()

    def _run_engine(self) -> bool:
        """Runs the crawl with one engine; False when that engine died."""
        import ray
        from ray.exceptions import RayActorError

        from raycrawl.actors import wiring

        self._engine = wiring.start_engine(self._boot, self._options)
        try:
            answer = ray.get(self._engine.begin.remote(self._engine))
        except RayActorError:
            return False
        self._pids = answer["pids"]
        if answer["error"]:
            self._fail(answer["error"], EXIT_FAILED)
            return True
        self._opened.set()
        return self._watch()

    def _watch(self) -> bool:
        import msgspec
        import ray
        from ray.exceptions import RayActorError

        from raycrawl.actors.record import Snapshot

        decode = msgspec.msgpack.Decoder(Snapshot).decode
        snapshot = None
        while snapshot is None or not snapshot.finished:
            try:
                snapshot = decode(ray.get(self._engine.watch.remote(WATCH_S)))
            except RayActorError:
                return False
            self._take(snapshot)
        self._stats = pickle.loads(ray.get(self._engine.stats.remote()))
        self._conclude(snapshot)
        return True

    def _how_to_resume(self) -> str:
        return "; run the same command again to go on" if self._job is not None else ""

    def _take(self, snapshot: Snapshot) -> None:
        from raycrawl.actors.logs import replay

        for line in snapshot.logs:
            replay(line)
        self._status = CrawlStatus(
            state=snapshot.state if not snapshot.finished else "closed",
            pages=snapshot.pages,
            items=snapshot.items,
            pages_per_s=snapshot.pages_per_s,
            queued=snapshot.queued,
            in_flight=snapshot.in_flight,
            errors=snapshot.errors,
            backout_reason=snapshot.backout_reason or None,
            elapsed_s=snapshot.elapsed_s,
            finish_reason=snapshot.finish_reason or None,
        )

    def _conclude(self, snapshot: Snapshot) -> None:
        if snapshot.audit:
            self._fail(snapshot.audit, EXIT_FAILED)
        elif snapshot.failed_feeds:
            self._fail("feeds could not be delivered: " + "; ".join(snapshot.failed_feeds), EXIT_RESUMABLE)
        else:
            self.exit_code = EXIT_OK

    def _fail(self, message: str, code: int) -> None:
        self._error = self._error or message
        self.exit_code = code

    def _end(self) -> None:
        if self._engine is not None:
            self._dismiss()
        if self._job is not None:
            self._job.close()
        elif not self._boot.spool:
            _remove(self._boot.workdir)
        if self.exit_code is None:
            self.exit_code = EXIT_FAILED
        with self._lock:
            self._done.set()
            waiters, self._waiters = self._waiters, []
        for loop, future in waiters:
            loop.call_soon_threadsafe(_resolve, future)

    def _dismiss(self) -> None:
        import ray

        if ray.is_initialized():
            ray.kill(self._engine, no_restart=True)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def crawl(
    spidercls: type[Spider],
    *spider_argv: Any,
    settings: Mapping[str, Any] | Settings | None = None,
    feeds: Mapping[str, Any] | None = None,
    jobdir: str | os.PathLike[str] | None = None,
    name: str | None = None,
    address: str | None = None,
    wait: bool = True,
    **spider_arguments: Any,
) -> Crawl:
    """Crawls with a spider, on the Ray cluster that this process belongs to, or on a local one that it starts.

    Args:
        spidercls: the spider's class; may be defined in a script or a notebook cell.
        spider_argv, spider_arguments: for the spider, as with ``-a`` on the command line.
        settings: a dict, at project priority, or a Settings object.
        feeds: ``FEEDS``: {URI: options}.
        jobdir: ``JOBDIR``: where the crawl's state is kept, to be resumed.
        name: of the crawl, for logs; by default the spider's.
        address: of the Ray cluster ("host:port", "auto", "local"); by default RAY_ADDRESS, then a cluster that runs on
            this machine, then a local one that ends with this process.
        wait: False returns at once; await the handle or call its ``wait()``.

    Returns:
        The handle; with ``wait`` of a crawl that has ended.

    Raises:
        UsageError: something is wrong with the arguments, settings or feeds; nothing was started.
        CrawlError: the crawl could not start or did not end well (only with ``wait``).
    """
    handle = start(
        spidercls,
        (spider_argv, spider_arguments),
        settings=settings,
        feeds=feeds,
        jobdir=jobdir,
        name=name,
        address=address,
    )
    return handle.wait() if wait else handle


def start(
    spidercls: type[Spider],
    spider_args: tuple[tuple[Any, ...], Mapping[str, Any]] = ((), {}),
    *,
    settings: Mapping[str, Any] | Settings | None = None,
    feeds: Mapping[str, Any] | None = None,
    jobdir: str | os.PathLike[str] | None = None,
    name: str | None = None,
    address: str | None = None,
) -> Crawl:
    """``crawl(..., wait=False)`` for a spider whose arguments may have any names, also those of ``crawl``'s own."""
    from raycrawl.crawler import Crawler
    from raycrawl.preflight import check_crawl

    crawler = Crawler(spidercls, dict(settings) if _is_plain(settings) else settings)  # type: ignore[arg-type]
    if feeds is not None:
        crawler.settings.set("FEEDS", {str(uri): dict(options or {}) for uri, options in feeds.items()}, "cmdline")
    if jobdir is not None:
        crawler.settings.set("JOBDIR", os.fspath(jobdir), "cmdline")
    if crawler.settings.get("JOBDIR"):  # absolute: the actors' working directory is another
        crawler.settings.set("JOBDIR", os.path.abspath(crawler.settings["JOBDIR"]), "cmdline")
    crawler.prepare()
    check_crawl(spidercls, crawler.settings, address)
    return _launch(crawler, name, address, spider_args)


def _is_plain(settings: Any) -> bool:
    from raycrawl.settings import BaseSettings

    return settings is not None and not isinstance(settings, BaseSettings)


def _launch(crawler: Any, name: str | None, address: str | None, spider_args: Any) -> Crawl:
    from raycrawl.actors import cluster
    from raycrawl.actors.process import Boot
    from raycrawl.pipelines import ItemPipelineManager
    from raycrawl.shipping import ship

    settings, spidercls = crawler.settings, crawler.spidercls
    spider = ship(spidercls, f"the spider {spidercls.__name__}")
    shipped_settings = ship(settings, "the settings")
    try:
        pickle.dumps(spider_args)
    except Exception as error:
        raise UsageError(f"the spider's arguments cannot be sent to other processes: {error}") from error
    is_own = cluster.ensure_ray(address or settings.get("RAY_ADDRESS"))
    downloaders, scrapers = cluster.actor_counts(settings, cluster.cluster_cpus())
    job = _open_job(settings, getattr(spidercls, "name", None) or spidercls.__name__)
    workdir = str(job.path) if job is not None else _temporary_workdir()
    boot = Boot(
        name=name or getattr(spidercls, "name", None) or spidercls.__name__,
        settings=shipped_settings,
        spider=spider,
        spider_args=spider_args,
        feeds=_absolute(settings.getdict("FEEDS")),
        workdir=workdir,
        durable=job is not None,
        paths=tuple(path or os.getcwd() for path in sys.path),
        shards=settings.getint("SCHEDULER_SHARDS", 1),
        downloaders=downloaders,
        scrapers=scrapers,
        batch_pages=settings.getint("BATCH_PAGES", 32),
        batch_nbytes=settings.getint("BATCH_BYTES", 1_000_000),
        batch_delay_s=settings.getfloat("BATCH_DELAY", 0.02),
        concurrency=settings.getint("CONCURRENT_REQUESTS"),
        spool=settings.getbool("ITEMS_SPOOL", True),
        has_single_pipelines=bool(ItemPipelineManager.split(settings)[1]),
    )
    return Crawl(boot, job=job, options=cluster.actor_options(settings, is_own=is_own))


def _open_job(settings: Any, spider: str) -> JobDir | None:
    """The job directory, held by this process; None when there is none. Raises: UsageError when it cannot be used."""
    from raycrawl.frontier.jobdir import JobDir, JobDirError

    if not settings.get("JOBDIR"):
        return None
    matter = {name: str(settings.get(name)) for name in ("DUPEFILTER_CLASS", "REQUEST_FINGERPRINTER_CLASS")}
    try:
        shards = settings.getint("SCHEDULER_SHARDS")
        return JobDir.open(settings["JOBDIR"], spider=spider, shards=shards, settings=matter)
    except JobDirError as error:
        raise UsageError(str(error)) from error


def _temporary_workdir() -> str:
    """A directory that goes with this process."""
    temporary = tempfile.mkdtemp(prefix="raycrawl-")
    atexit.register(_remove, temporary)
    return temporary


def _remove(path: str) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _absolute(feeds: Mapping[Any, Any]) -> dict[str, dict[str, Any]]:
    """Feeds with their local paths made absolute: the actors' working directory is another."""
    result: dict[str, dict[str, Any]] = {}
    for uri, options in feeds.items():
        text = str(uri)
        is_local = "://" not in text and not text.startswith(("stdout:", "file:")) and text != "-"
        result[os.path.join(os.getcwd(), text) if is_local else text] = dict(options)
    return result


def attach(name: str, *, address: str | None = None) -> Crawl:
    """Attaches to a running crawl."""
    raise CrawlError(f"no crawl {name!r} is known on this cluster")


class _CallableModule(types.ModuleType):
    """This module, callable like the function it is named after."""

    def __call__(self, *args: Any, **kwargs: Any) -> Crawl:
        return crawl(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        # A spider's functions that use the name "crawl" take this module along when they are pickled.
        return importlib.import_module, (self.__name__,)


sys.modules[__name__].__class__ = _CallableModule
