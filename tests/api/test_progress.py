"""What a person sees of a crawl: lines or a panel, on standard error alone."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from raycrawl.progress import Progress, ProgressLines, ProgressPanel, progress_for, status_line
from raycrawl.testing import ManualClock
from tests.api.cmdline_helpers import FakeStatus


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_says_everything() -> None:
    line = status_line(FakeStatus(backout_reason="downloads"))
    assert line == ("running: 3 pages (1.5/s), 2 items, 4 queued, 1 in flight, 0 errors, backing out: downloads")
    assert "backing out" not in status_line(FakeStatus())


def test_lines_come_at_their_interval() -> None:
    clock, lines = ManualClock(), []
    progress = ProgressLines(10, emit=lines.append, clock=clock)
    for _ in range(41):
        progress.show(FakeStatus())
        clock.advance(0.5)
    assert len(lines) == 2


def test_a_terminal_gets_a_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(progress_for(interval_s=1, stream=Terminal()), ProgressPanel)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(progress_for(interval_s=1, stream=Terminal()), ProgressLines)
    assert isinstance(progress_for(interval_s=1, stream=io.StringIO()), ProgressLines)
    assert type(progress_for(interval_s=0, stream=io.StringIO())) is Progress


def test_log_lines_go_above_the_panel_and_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    handler = logging.StreamHandler(terminal)
    logging.root.addHandler(handler)
    try:
        with progress_for(interval_s=1) as progress:
            progress.show(FakeStatus(pages=12345))
            logging.getLogger("test").warning("a line of the log")
            assert handler.stream is not terminal
        assert handler.stream is terminal
    finally:
        logging.root.removeHandler(handler)
    shown = terminal.getvalue()
    assert "12,345" in shown
    assert "a line of the log" in shown
    assert capsys.readouterr().out == ""
