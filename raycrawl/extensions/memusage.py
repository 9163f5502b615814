"""Watches the memory of the crawl's processes on each node."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raycrawl import signals
from raycrawl.exceptions import NotConfigured
from raycrawl.extension import close_spider, is_plain_process
from raycrawl.utils.asyncio import create_looping_call

if TYPE_CHECKING:
    from typing import Self

    from raycrawl.crawler import Crawler
    from raycrawl.utils.asyncio import AsyncioLoopingCall

logger = logging.getLogger(__name__)

_MB = 1024 * 1024
_ROLES = ("ExecutionEngine", "Scheduler", "Downloader", "Scraper", "FeedSink", "ItemPipeline")


class MemoryUsage:
    """Warns at ``MEMUSAGE_WARNING_MB`` and closes the spider at ``MEMUSAGE_LIMIT_MB`` (0: no limit).

    In one process the size is that process' peak. In a crawl of actors it is what all processes of the crawl use on
    this node now, and the oldest of them watches it: a limit holds per node, and is said once per node.
    """

    process = "every"

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        if not settings.getbool("MEMUSAGE_ENABLED"):
            raise NotConfigured
        if sys.platform == "win32":
            raise NotConfigured("MemoryUsage: this platform does not tell how much memory a process uses")
        self.crawler = crawler
        self.warned = False
        self.tasks: list[AsyncioLoopingCall[..., None]] = []
        self.limit: int = settings.getint("MEMUSAGE_LIMIT_MB") * _MB
        self.warning: int = settings.getint("MEMUSAGE_WARNING_MB") * _MB
        self.check_interval: float = settings.getfloat("MEMUSAGE_CHECK_INTERVAL_SECONDS")
        crawler.signals.connect(self.engine_started, signal=signals.engine_started)
        crawler.signals.connect(self.engine_stopped, signal=signals.engine_stopped)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def get_virtual_size(self) -> int:
        """Bytes in use; see the class."""
        if is_plain_process(self.crawler):
            return _peak_nbytes()
        return sum(size for _, size in _crawl_processes())

    def engine_started(self) -> None:
        self.crawler.stats.max_value("memusage/startup", self.get_virtual_size())
        checks: list[Any] = [self.update]
        if self.limit:
            checks.append(self._check_limit)
        if self.warning:
            checks.append(self._check_warning)
        for check in checks:
            task = create_looping_call(check)
            self.tasks.append(task)
            task.start(self.check_interval, now=True)

    def engine_stopped(self) -> None:
        for task in self.tasks:
            if task.running:
                task.stop()

    def update(self) -> None:
        self.crawler.stats.max_value("memusage/max", self.get_virtual_size())

    def _check_limit(self) -> None:
        size = self.get_virtual_size()
        if size <= self.limit or not self._is_watcher():
            return
        self.crawler.stats.set_value("memusage/limit_reached", 1)
        logger.error(
            "Memory usage exceeded %(limit)d MiB (it is %(size)d MiB). Shutting down the crawl...",
            {"limit": self.limit // _MB, "size": size // _MB},
            extra={"crawler": self.crawler},
        )
        close_spider(self.crawler, "memusage_exceeded")

    def _check_warning(self) -> None:
        if self.warned:
            return
        size = self.get_virtual_size()
        if size <= self.warning or not self._is_watcher():
            return
        self.warned = True
        self.crawler.stats.set_value("memusage/warning_reached", 1)
        logger.warning(
            "Memory usage reached %(warning)d MiB (it is %(size)d MiB)",
            {"warning": self.warning // _MB, "size": size // _MB},
            extra={"crawler": self.crawler},
        )
        self.crawler.signals.send_catch_log(signal=signals.memusage_warning_reached)

    def _is_watcher(self) -> bool:
        if is_plain_process(self.crawler):
            return True
        return os.getpid() == min((pid for pid, _ in _crawl_processes()), default=os.getpid())


def _peak_nbytes() -> int:
    """The most memory that this process ever had."""
    import resource  # not on every platform

    # The unit of ru_maxrss: man 2 getrusage; on macOS it is bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _crawl_processes(proc: Path = Path("/proc"), parent: int | None = None) -> list[tuple[int, int]]:
    """(process id, bytes of its own) of this crawl's processes on this node: the actors beside this one.

    Memory that processes share (the object store) is left out: it would count once for each. Where there is no /proc,
    only this process is known, by its peak.
    """
    parent = os.getppid() if parent is None else parent
    found = {}
    page = os.sysconf("SC_PAGE_SIZE")
    for directory in proc.iterdir() if proc.is_dir() else ():
        if not directory.name.isdigit():
            continue
        try:
            parent_of = int((directory / "stat").read_text().rpartition(")")[2].split()[1])
            title = (directory / "cmdline").read_bytes()
            pages = (directory / "statm").read_text().split()
        except (OSError, ValueError, IndexError):
            continue  # it ended while we looked, or is not ours to see
        is_ours = int(directory.name) == os.getpid()
        is_actor = parent_of == parent and title.startswith(b"ray::") and title.decode("latin1")[5:].startswith(_ROLES)
        if is_ours or is_actor:
            found[int(directory.name)] = max(0, int(pages[1]) - int(pages[2])) * page
    if not found:
        found[os.getpid()] = _peak_nbytes()
    return sorted(found.items())
