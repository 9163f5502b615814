"""What a Scraper does against callbacks that never come back, eat the memory or end their process.

A page is to pay for its own deeds. So it is known at every moment which page has the CPU: the task of a page runs in
steps (from one ``await`` to the next), and each step is written into a *black box* before it begins and after it ended,
a few bytes of a file mapped into memory, which outlive the process. ``raycrawl.actors.inquest`` reads it.

A step that is longer than SCRAPER_TIMEOUT is ended by what works first:

1. ``CallbackInterrupt`` is raised in it, from a thread: ends any loop of Python code, and costs that page alone.
2. After ``GRACE_S`` more, when it sleeps or is in C code: the process ends, and its box says why.
3. The same when C code holds Python's global lock, so that no thread runs: faulthandler's own thread, in C, ends it.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import logging
import mmap
import os
import struct
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from types import coroutine
from typing import Any, Protocol

logger = logging.getLogger(__name__)
GRACE_S = 2.0
ALARM_EVERY_S = 1.0
LOOKS_EVERY_S = 0.5
TRACEBACK_AT = 64
EXIT_CODE = 70  # EX_SOFTWARE
_STEP = struct.Struct("<Bd16s")  # state, begun at (monotonic, s), page id
IDLE, RUNNING, TIMED_OUT = 0, 1, 2
_raise_in_thread = ctypes.pythonapi.PyThreadState_SetAsyncExc


class Work(Protocol):
    """What runs in steps: a page (or ``START_ID``), and when it last began one."""

    page_id: bytes
    stepped_s: float


class CallbackInterrupt(BaseException):
    """A step took too long. No Exception, so that ``except Exception`` in a loop does not swallow it."""


class BlackBox:
    """The file that says on what a process worked; read by others, also when the process is gone."""

    def __init__(self) -> None:
        descriptor, self.path = tempfile.mkstemp(prefix="raycrawl-box-")
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        self._file.truncate(TRACEBACK_AT)
        self._memory = mmap.mmap(self._file.fileno(), TRACEBACK_AT)
        self._file.seek(TRACEBACK_AT)  # tracebacks are written by faulthandler, in C, from here on

    def begin(self, page_id: bytes, now_s: float) -> None:
        """A step begins."""
        _STEP.pack_into(self._memory, 0, RUNNING, now_s, page_id)

    def end(self) -> None:
        """The step ended."""
        self._memory[0] = IDLE

    def condemn(self) -> None:
        """The step took too long, and this process ends."""
        self._memory[0] = TIMED_OUT
        faulthandler.dump_traceback(self._file, all_threads=True)

    def watch_crashes(self) -> None:
        """A segmentation fault leaves its traceback here."""
        faulthandler.enable(self._file, all_threads=False)

    def set_alarm(self, timeout_s: float) -> None:
        """Ends the process in ``timeout_s`` seconds, whoever holds the global lock, unless it is set anew before."""
        faulthandler.dump_traceback_later(timeout_s, exit=True, file=self._file)

    def discard(self) -> None:
        """The process ends in good order."""
        faulthandler.cancel_dump_traceback_later()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


class Guard:
    """Knows which page has the CPU and since when, and ends what takes too long.

    Args:
        timeout_s: SCRAPER_TIMEOUT.
        owns_process: may end the process; else (actors that share one, in tests) it can only interrupt.

    Invariant: ``CallbackInterrupt`` reaches nothing but a page's step.
    """

    def __init__(self, timeout_s: float, *, owns_process: bool) -> None:
        self.timeout_s = timeout_s
        self.box = BlackBox() if owns_process else None
        self._thread_id = threading.get_ident()
        self._number = 0
        self._page_id = b""  # of the running step; empty: none runs
        self._begun_s = 0.0
        self._interrupted = 0  # the number of the step that is being interrupted
        self._is_sent = False
        self._alarm_s = 0.0
        self._watch = threading.Thread(target=_watch, args=(weakref.ref(self),), name="raycrawl-guard", daemon=True)
        self._is_closed = False
        if self.box is not None:
            self.box.watch_crashes()
        self._watch.start()

    def close(self) -> None:
        """The actor ends in good order."""
        self._is_closed = True
        if self.box is not None:
            self.box.discard()

    def beat(self) -> None:
        """The main loop runs: the last resort is put off."""
        now_s = time.monotonic()
        if self.box is not None and not self._is_closed and now_s - self._alarm_s >= ALARM_EVERY_S:
            self._alarm_s = now_s
            self.box.set_alarm(self.timeout_s + GRACE_S + ALARM_EVERY_S)

    # Steps, in the main thread.

    def begin(self, work: Work) -> None:
        """A step of the page begins, or it has a new start (its errback is called)."""
        self._number += 1
        work.stepped_s = self._begun_s = now_s = time.monotonic()
        self._page_id = page_id = work.page_id
        if self.box is not None:
            self.box.begin(page_id, now_s)

    def end(self) -> None:
        """The step ended. An interrupt that was on its way is waited for here, so that it strikes nobody else."""
        self._page_id = b""
        if self._interrupted == self._number:
            try:
                while self._interrupted == self._number and not self._is_sent:
                    time.sleep(0.001)
                for _ in range(1000):  # it is raised between two operations of this thread: here, unless it has been
                    pass
            except CallbackInterrupt:
                logger.debug("A callback ended just before it was interrupted")
            self._interrupted = 0
        if self.box is not None:
            self.box.end()

    # The watch, in a thread of its own.

    def look(self) -> None:
        """Ends the running step when it has taken too long."""
        number, page_id = self._number, self._page_id
        age_s = time.monotonic() - self._begun_s
        if not page_id or age_s < self.timeout_s or number != self._number:
            return
        if self._interrupted != number:
            self._interrupt(number)
        elif age_s >= self.timeout_s + GRACE_S and self.box is not None:
            self.box.condemn()
            os._exit(EXIT_CODE)

    def _interrupt(self, number: int) -> None:
        self._is_sent, self._interrupted = False, number
        if self._number == number and self._page_id:
            _raise_in_thread(ctypes.c_ulong(self._thread_id), ctypes.py_object(CallbackInterrupt))
            self._is_sent = True
        else:
            self._interrupted = 0  # it has just ended


def _watch(reference: weakref.ref[Guard]) -> None:
    while (guard := reference()) is not None and not guard._is_closed:
        guard.look()
        wait_s = min(LOOKS_EVERY_S, guard.timeout_s / 4)
        del guard  # a Scraper that nobody has any more takes its watch along
        time.sleep(wait_s)


async def stepwise(guard: Guard, work: Work, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Any:
    """Runs ``function(*args)`` for ``work`` under ``guard``: each stretch between two awaits is a step of it."""
    return await _steps(function(*args), guard, work)


@coroutine
def _steps(run: Coroutine[Any, Any, Any], guard: Guard, work: Work) -> Generator[Any, Any, Any]:
    begin, end, send = guard.begin, guard.end, run.send
    error: BaseException | None = None
    while True:
        try:
            begin(work)
            try:
                waited_for = send(None) if error is None else run.throw(error)
            finally:
                end()
        except StopIteration as stop:
            return stop.value
        except CallbackInterrupt as interrupt:
            if run.cr_frame is None:  # type: ignore[attr-defined]
                return None
            error = interrupt  # it came just outside: the work is told
            continue
        error = None
        try:
            yield waited_for
        except BaseException as thrown:
            error = thrown


class MemoryLimit:
    """Keeps a process from taking all of its node's memory: what asks for more gets MemoryError.

    The limit is on what is allocated from now on; what is there already (code, threads, a model that the spider loaded)
    does not count. Source: setrlimit(2), RLIMIT_DATA; Linux.
    """

    AUTO_SHARE = 0.5  # of the node's memory, for all Scrapers on it together
    AUTO_LEAST_NBYTES, AUTO_MOST_NBYTES = 512 * 2**20, 3072 * 2**20

    @classmethod
    def nbytes(cls, setting: Any, scrapers: int) -> int:
        """SCRAPER_MEMORY_LIMIT in bytes; 0: none."""
        if setting != "auto":
            return int(float(setting) * 2**20)
        from raycrawl.actors.nodememory import total_nbytes

        share = int(total_nbytes() * cls.AUTO_SHARE / max(1, min(scrapers, os.cpu_count() or 1)))
        return min(max(share, cls.AUTO_LEAST_NBYTES), cls.AUTO_MOST_NBYTES)

    @staticmethod
    def set(nbytes: int) -> None:
        """Allows this process ``nbytes`` more than it has now."""
        import resource

        try:
            lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        except OSError:
            return  # no Linux: the limit counts other things there
        used = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:")), 0)
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        limit = used + nbytes if hard == resource.RLIM_INFINITY else min(used + nbytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
