"""What the command line's tests share: run a command in this process, a crawl that does not crawl."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from raycrawl.cmdline import execute
from raycrawl.crawl import CrawlError
from raycrawl.utils.log import uninstall_scrapy_root_handler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass
class FakeStatus:
    state: str = "running"
    pages: int = 3
    items: int = 2
    pages_per_s: float = 1.5
    queued: int = 4
    in_flight: int = 1
    errors: int = 0
    backout_reason: str | None = None
    elapsed_s: float = 2.0
    finish_reason: str | None = None


@dataclass
class FakeCrawl:
    """Ends after ``polls`` looks, or when it is stopped, with ``code``; ``on_wait`` runs at each look."""

    code: int = 0
    polls: int = 2
    on_wait: Callable[[], None] = field(default=lambda: None)
    exit_code: int | None = None
    calls: list[str] = field(default_factory=list)

    def status(self) -> FakeStatus:
        return FakeStatus(finish_reason="finished" if self.exit_code is not None else None)

    def stats(self) -> dict[str, Any]:
        return {"finish_reason": "finished"}

    def wait(self, timeout: float | None = None) -> None:
        self.on_wait()
        self.polls -= 1
        if self.polls > 0:
            raise TimeoutError
        self.exit_code = self.code
        if self.code:
            raise CrawlError("it did not end well")

    def stop(self, reason: str = "shutdown") -> None:
        self.calls.append(f"stop {reason}")
        self.polls = 1

    def kill(self) -> None:
        self.calls.append("kill")


class CrawlRecorder:
    """Stands in for ``raycrawl.launch.start``: keeps what it was called with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, crawl: FakeCrawl | None = None) -> None:
        self.started: list[tuple[Any, dict[str, Any]]] = []
        self.arguments: dict[str, str] = {}
        self.handle = crawl or FakeCrawl()
        monkeypatch.setattr("raycrawl.launch.start", self._start)

    def _start(self, spidercls: Any, spider_args: Any, **kwargs: Any) -> FakeCrawl:
        self.started.append((spidercls, kwargs))
        self.arguments = spider_args[1]
        return self.handle

    @property
    def settings(self) -> Any:
        return self.started[0][1]["settings"]


@contextmanager
def restored_process(directory: Path) -> Iterator[None]:
    """What commands do to the process undone: modules of files in ``directory``, sys.path, logging, the project."""
    path, modules, root = list(sys.path), set(sys.modules), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    os.environ.pop("SCRAPY_SETTINGS_MODULE", None)
    try:
        yield
    finally:
        os.environ.pop("SCRAPY_SETTINGS_MODULE", None)
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if str(directory) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]
        uninstall_scrapy_root_handler()
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)


def run(*arguments: str) -> int:
    """Run ``raycrawl ARGUMENTS`` in this process; its exit code."""
    with pytest.raises(SystemExit) as ended:
        execute(["raycrawl", *arguments])
    code = ended.value.code
    assert isinstance(code, int)
    return code


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str, lines: int = 1) -> str:
    """Run a command that has to fail with 2 and that many lines on standard error; these."""
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == lines, captured.err
    assert "Traceback" not in captured.err
    return captured.err


SPIDER = """
import raycrawl

class QuotesSpider(raycrawl.Spider):
    name = "quotes"
    start_urls = ["http://127.0.0.1:9/"]

    def parse(self, response):
        yield {"url": response.url}
"""
