"""``raycrawl.crawl(SpiderClass)``: starts a crawl on Ray and gives a handle to look at, pause, steer, and read from.

The module is callable, so that ``raycrawl.crawl(...)`` works whether or not it was imported as a module.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import pickle
import sys
import threading
import time
import types
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

from raycrawl.actors.view import ASK_TIMEOUT_S, CrawlError, CrawlStatus, CrawlView, status_of

if TYPE_CHECKING:
    from raycrawl.actors.process import Boot
    from raycrawl.actors.record import Snapshot
    from raycrawl.frontier.jobdir import JobDir
    from raycrawl.settings import Settings
    from raycrawl.spiders import Spider

__all__ = ["Crawl", "CrawlError", "CrawlStatus", "CrawlView", "attach", "crawl"]

logger = logging.getLogger(__name__)
WATCH_S = 0.5
ENGINE_RESTARTS = 20
EXIT_OK, EXIT_FAILED, EXIT_RESUMABLE = 0, 1, 75


class Crawl(CrawlView):
    """A handle to a crawl; made by ``crawl()``.

    Await it, or call ``wait()``, for its end; both raise CrawlError when it failed. A thread of this process takes log
    lines and numbers from the engine; when this process ends, so does the crawl.
    """

    def __init__(self, boot: Boot, *, job: JobDir | None, options: dict[str, Any]) -> None:
        super().__init__(None, boot.name, boot.workdir, has_spool=boot.spool)
        self.exit_code: int | None = None
        self._boot, self._job, self._options = boot, job, options
        self._is_killed = False
        self._keeps_stdout = any(uri == "-" or uri.startswith("stdout:") for uri in boot.feeds)
        self._pids: dict[str, int] = {}
        self._status = CrawlStatus()
        self._error = ""
        self._done = threading.Event()
        self._opened = threading.Event()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"crawl-{self.name}", daemon=True)
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        """True: the crawl is over."""
        return self._done.is_set()

    def status(self) -> CrawlStatus:
        """The crawl's numbers, at most half a second old."""
        return self._status

    def stats(self) -> dict[str, Any]:
        """The stats of the whole crawl under Scrapy's keys: now, or as they were at the end."""
        return dict(self._stats) if self._done.is_set() or not self._opened.is_set() else super().stats()

    def pids(self) -> dict[str, int]:
        """Process ids of the crawl's actors by name ("downloader:0"), as of the start."""
        return dict(self._pids)

    def stop(self, reason: str = "shutdown") -> None:
        """Asks for a graceful end and returns at once: what is in flight is finished, feeds are closed."""
        if self._has_opened():
            super().stop(reason)
        else:
            self.kill()

    def _ask(self, method: str, *args: Any, default: Any) -> Any:
        """An order to a crawl that is still opening, or whose engine is being replaced, waits until it can be heard."""
        return super()._ask(method, *args, default=default) if self._has_opened() else default

    def _has_opened(self) -> bool:
        """Waits for the crawl to open; False when it does not, or ended instead."""
        deadline_s = time.monotonic() + ASK_TIMEOUT_S
        while not self._opened.wait(0.1):
            if self._done.is_set() or time.monotonic() > deadline_s:
                return False
        return True

    def kill(self) -> None:
        """Ends the crawl at once. With a JOBDIR it can be resumed."""
        import ray

        engine, self._is_killed = self._engine, True
        if engine is not None and not self._done.is_set():
            ray.kill(engine, no_restart=True)

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

        self._opened.clear()
        self._engine = wiring.start_engine(self._boot, self._options)
        try:
            answer = ray.get(self._engine.call.remote("begin", self._engine))
        except RayActorError:
            return False
        self._pids = answer["pids"]
        if answer["error"]:
            self._fail(answer["error"], EXIT_FAILED)
            return True
        self._opened.set()
        return self._watch()

    def _watch(self) -> bool:
        import ray
        from ray.exceptions import RayActorError

        from raycrawl.actors.record import decode_snapshot

        snapshot = None
        while snapshot is None or not snapshot.finished:
            try:
                snapshot = decode_snapshot(ray.get(self._engine.call.remote("watch", WATCH_S)))
            except RayActorError:
                return False
            self._take(snapshot)
        self._stats = pickle.loads(ray.get(self._engine.call.remote("stats")))
        self._conclude(snapshot)
        return True

    def _how_to_resume(self) -> str:
        return "; run the same command again to go on" if self._job is not None else ""

    def _take(self, snapshot: Snapshot) -> None:
        from raycrawl.actors.logs import replay

        for line in snapshot.logs:
            replay(line, keeps_stdout=self._keeps_stdout)
        self._status = status_of(snapshot)

    def _conclude(self, snapshot: Snapshot) -> None:
        if snapshot.given_up:
            self._fail(f"the crawl was given up ({snapshot.given_up}){self._how_to_resume()}", EXIT_RESUMABLE)
        elif snapshot.audit:
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
        from raycrawl.launch import remove_workdir

        if self._job is not None:
            self._job.close()
        elif not self._boot.spool:
            remove_workdir(self._boot.workdir)
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
    from raycrawl.launch import start

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


def attach(name: str, *, address: str | None = None) -> CrawlView:
    """A view of a crawl that another process started on the cluster that this one belongs to (or joins).

    Args:
        name: the crawl's (``crawl(name=...)``; by default the spider's); of several, the one that was started last.
        address: of the Ray cluster, if this process has not joined it.

    Raises: CrawlError when there is no such crawl.
    """
    from raycrawl.actors import cluster, wiring

    cluster.ensure_ray(address)
    engine = wiring.find_engine(name)
    if engine is None:
        known = ", ".join(sorted(wiring.crawl_names())) or "none"
        raise CrawlError(f"there is no crawl {name!r} on this cluster; running: {known}")
    import ray

    known_as, workdir, has_spool = ray.get(engine.call.remote("describe"))
    return CrawlView(engine, known_as, workdir, has_spool=has_spool)


class _CallableModule(types.ModuleType):
    """This module, callable like the function it is named after."""

    def __call__(self, *args: Any, **kwargs: Any) -> Crawl:
        return crawl(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        # A spider's functions that use the name "crawl" take this module along when they are pickled.
        return importlib.import_module, (self.__name__,)


sys.modules[__name__].__class__ = _CallableModule
