"""A crawl in the foreground of a terminal: its signals, its progress, its exit code.

The first SIGINT or SIGTERM asks the crawl to end (what is in flight is finished, feeds are closed, exit 0); the
second ends it at once (exit 130 or 143). Handlers only note the signal, or raise for the second one: everything that
talks to the crawl happens in the loop that waits for it.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from raycrawl.progress import print_line, progress_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from raycrawl.progress import Progress, Status

logger = logging.getLogger(__name__)

# how often the loop looks at signals and shows progress; a person sees half a second
POLL_S = 0.25
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class ForegroundCrawl(Protocol):
    """What is used of a :class:`raycrawl.crawl.Crawl`."""

    @property
    def exit_code(self) -> int | None: ...

    def status(self) -> Status: ...

    def wait(self, timeout: float | None = None) -> Any: ...

    def stop(self, reason: str = "shutdown") -> Any: ...

    def kill(self) -> Any: ...


class SecondSignal(BaseException):
    """The user asked twice: end at once. Not an Exception, so that nothing in between swallows it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.exit_code = 128 + signum


class StopSignals:
    """The handlers of SIGINT and SIGTERM for as long as a crawl runs; the earlier ones come back at the end.

    ``count`` says how many signals came. From ``is_over`` on, the crawl has ended and only Ray has to: two signals
    change nothing any more. Does nothing in a thread that is not the main one, which gets no signals.
    """

    def __init__(self) -> None:
        self.count = 0
        self.is_over = False
        self._earlier: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        self.install()
        return self

    def install(self) -> None:
        """Install the handlers, again if need be: importing Ray puts one of its own on SIGTERM."""
        if threading.current_thread() is not threading.main_thread():
            return
        for signum in _SIGNALS:
            earlier = signal.signal(signum, self._handle)
            self._earlier.setdefault(signum, earlier)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for signum, handler in self._earlier.items():
            signal.signal(signum, handler)
        self._earlier.clear()

    def _handle(self, signum: int, frame: object) -> None:
        self.count += 1
        if self.count == 2 and not self.is_over:
            raise SecondSignal(signum)
        if self.count > 2:  # even the quick end hangs: leave Ray's processes to their own watch over this one
            os._exit(128 + signum)


def run_in_foreground(
    start: Callable[[], ForegroundCrawl], *, interval_s: float = 60.0, emit: Callable[[str], None] | None = None
) -> tuple[int, ForegroundCrawl]:
    """Start a crawl, show its progress, wait for its end.

    Args:
        start: returns the started crawl, e.g. ``lambda: crawl(Spider, wait=False)``.
        interval_s: seconds between progress lines where there is no terminal; 0 for none.
        emit: where those lines go; the log by default.

    Returns:
        The exit code and the crawl.
    """
    from raycrawl.crawl import CrawlError

    crawl: ForegroundCrawl | None = None
    with StopSignals() as signals:
        try:
            crawl = start()
            signals.install()
            _watch(crawl, signals, progress_for(interval_s=interval_s, emit=emit or logger.info))
        except SecondSignal as second:
            if crawl is not None:
                crawl.kill()
            raise SystemExit(second.exit_code) from None
        except CrawlError as error:
            _tell(str(error))
            if crawl is None:
                raise SystemExit(1) from None
        finally:
            signals.is_over = True
            _end_own_ray()
    assert crawl is not None
    return (1 if crawl.exit_code is None else crawl.exit_code), crawl


def _tell(message: str) -> None:
    """Log an error, and print it where the log does not go to standard error: nobody is left with a bare exit code."""
    logger.error("%s", message)
    handlers = logging.getLogger().handlers
    if not any(isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr for handler in handlers):
        print_line(message)


def _end_own_ray() -> None:
    """End the cluster that the crawl started here, while a late Ctrl-C cannot tear its end apart."""
    if "raycrawl.actors.cluster" in sys.modules:  # else Ray was never imported, and there is nothing to end
        from raycrawl.actors.cluster import end_own

        end_own()


def _watch(crawl: ForegroundCrawl, signals: StopSignals, progress: Progress) -> None:
    is_stopping = False
    with progress:
        while True:
            if signals.count and not is_stopping:
                is_stopping = True
                logger.info("Received a stop signal: what is in flight will be finished. Send it again to end at once.")
                crawl.stop("shutdown")
            try:
                crawl.wait(timeout=POLL_S)
                return
            except TimeoutError:
                pass  # it still runs
            finally:
                progress.show(crawl.status())
