"""What a person sees while a crawl runs: a live panel on a terminal, log lines elsewhere. Never on standard output.

A progress is told the crawl's status a few times a second and decides itself when to show it.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import TextIO

    from rich.console import Console
    from rich.live import Live
    from rich.panel import Panel

logger = logging.getLogger(__name__)


class Status(Protocol):
    """What is shown of a crawl: see :class:`raycrawl.crawl.CrawlStatus`."""

    @property
    def state(self) -> str: ...
    @property
    def pages(self) -> int: ...
    @property
    def items(self) -> int: ...
    @property
    def pages_per_s(self) -> float: ...
    @property
    def queued(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def errors(self) -> int: ...
    @property
    def backout_reason(self) -> str | None: ...
    @property
    def elapsed_s(self) -> float: ...
    @property
    def finish_reason(self) -> str | None: ...


class Progress:
    """Shows nothing: the base of the two that do."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, status: Status) -> None:
        """The crawl's status now; shown if it is time to."""


class ProgressLines(Progress):
    """One line every ``interval_s`` seconds, for logs, pipes and job runners. ``emit`` shows it; the log by default."""

    def __init__(
        self, interval_s: float, emit: Callable[[str], None] = logger.info, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval_s = interval_s
        self._emit = emit
        self._clock = clock
        self._next_s = clock() + interval_s

    def show(self, status: Status) -> None:
        now_s = self._clock()
        if now_s >= self._next_s:
            self._next_s = now_s + self._interval_s
            self._emit(status_line(status))


class ProgressPanel(Progress):
    """A panel at the foot of the terminal; log lines scroll above it; the last one stays as the crawl's summary."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live

        self._live: Live = Live(console=console, refresh_per_second=4, redirect_stdout=False)
        self._moved: list[logging.StreamHandler[TextIO]] = []

    def __enter__(self) -> ProgressPanel:
        original = sys.stderr
        self._live.start()  # from here on sys.stderr prints above the panel
        self._moved = [handler for handler in _stream_handlers() if handler.stream is original]
        for handler in self._moved:
            handler.setStream(sys.stderr)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        for handler in self._moved:
            handler.setStream(sys.stderr)
        self._moved = []

    def show(self, status: Status) -> None:
        self._live.update(status_panel(status))


def _stream_handlers() -> list[logging.StreamHandler[TextIO]]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, logging.StreamHandler)]


def print_line(line: str) -> None:
    """Show a line on standard error, whatever the log's level."""
    print(line, file=sys.stderr, flush=True)


def progress_for(
    *, interval_s: float, emit: Callable[[str], None] = logger.info, stream: TextIO | None = None
) -> Progress:
    """The panel when ``stream`` (standard error) is a terminal that can show it; lines otherwise; 0 means none."""
    stream = stream if stream is not None else sys.stderr
    if stream.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from rich.console import Console

        return ProgressPanel(Console(file=stream))
    return ProgressLines(interval_s, emit) if interval_s > 0 else Progress()


def status_line(status: Status) -> str:
    """The status in one line, numbers with their units."""
    line = (
        f"{status.state}: {status.pages} pages ({status.pages_per_s:.1f}/s), {status.items} items, "
        f"{status.queued} queued, {status.in_flight} in flight, {status.errors} errors"
    )
    return f"{line}, backing out: {status.backout_reason}" if status.backout_reason else line


def status_panel(status: Status) -> Panel:
    """The status as a panel of two rows."""
    from rich.panel import Panel
    from rich.table import Table

    grid = Table.grid(padding=(0, 3))
    for _ in range(4):
        grid.add_column()
    errors = f"[red]{status.errors:,}[/]" if status.errors else "0"
    grid.add_row(
        f"[bold]{status.pages:,}[/] pages", f"[bold]{status.items:,}[/] items",
        f"[bold]{status.pages_per_s:,.1f}[/] pages/s", f"{errors} errors",
    )  # fmt: skip
    grid.add_row(
        f"{status.queued:,} queued", f"{status.in_flight:,} in flight", f"{status.elapsed_s:.0f} s",
        f"backing out: {status.backout_reason}" if status.backout_reason else "",
    )  # fmt: skip
    title = f"raycrawl: {status.state}" + (f" ({status.finish_reason})" if status.finish_reason else "")
    return Panel(grid, title=title, title_align="left", border_style="cyan", expand=False)
