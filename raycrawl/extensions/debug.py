"""Looks into a running process on a signal."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import traceback
from pdb import Pdb
from typing import TYPE_CHECKING, Any

from raycrawl.utils.engine import format_engine_status
from raycrawl.utils.trackref import format_live_refs

if TYPE_CHECKING:
    from types import FrameType
    from typing import Self

    from raycrawl.crawler import Crawler

logger = logging.getLogger(__name__)


def _install(names: tuple[str, ...], handler: Any) -> None:
    """Handle the signals that this platform has; only a process' main thread can."""
    if threading.current_thread() is not threading.main_thread():
        logger.warning("Signal handlers need the main thread: %s are not handled in this process", " and ".join(names))
        return
    for name in names:
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, handler)


class StackTraceDump:
    """Logs the stacks of all threads, the engine's status and live references on SIGQUIT or SIGUSR2."""

    process = "every"

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler
        _install(("SIGUSR2", "SIGQUIT"), self.dump_stacktrace)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def dump_stacktrace(self, signum: int, frame: FrameType | None) -> None:
        try:
            status = format_engine_status(self.crawler.engine)
        except RuntimeError:
            status = "There is no engine yet."
        logger.info(
            "Dumping stack trace and engine status\n%(stacks)s\n%(status)s\n%(refs)s",
            {
                "stacks": self._thread_stacks(),
                "status": status,
                "refs": format_live_refs(),
            },
            extra={"crawler": self.crawler},
        )

    def _thread_stacks(self) -> str:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        parts = []
        for ident, frame in sys._current_frames().items():
            stack = "".join(traceback.format_stack(frame))
            parts.append(f"# Thread: {names.get(ident, 'unknown')} ({ident})\n{stack}")
        return "\n".join(parts)


class Debugger:
    """Starts the Python debugger on SIGUSR2."""

    def __init__(self) -> None:
        _install(("SIGUSR2",), self._enter_debugger)

    def _enter_debugger(self, signum: int, frame: FrameType | None) -> None:
        assert frame is not None, "a signal interrupts a frame"
        Pdb().set_trace(frame.f_back)
