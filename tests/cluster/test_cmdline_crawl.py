"""The command line with a real Ray and a real site: standard output, exit codes, two signals, nothing left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from raycrawl.testing import SiteRequest, SiteResponse, SiteServer, misbehaving_site

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

SPIDER = """
import raycrawl


class NumbersSpider(raycrawl.Spider):
    name = "numbers"
    start_urls = ["{url}0"]

    def parse(self, response):
        yield {{"url": response.url, "mark": getattr(self, "mark", None)}}
        yield from response.follow_all(css="a")
"""


class Tree:
    """Pages by number, each linked to the next ``width``; ``last`` None makes it endless."""

    def __init__(self, width: int, last: int | None) -> None:
        self._width, self._last = width, last

    def __call__(self, request: SiteRequest) -> SiteResponse:
        if not request.path[1:].isdigit():
            return SiteResponse(status=404)
        number = int(request.path[1:])
        children = range(number * self._width + 1, (number + 1) * self._width + 1)
        links = "".join(f'<a href="/{child}">x</a>' for child in children if self._last is None or child <= self._last)
        return SiteResponse(body=f"<title>{number}</title>{links}".encode())


class Command:
    """A ``raycrawl`` command in a process of its own, marked in its environment as are all that it starts.

    It is killed after a minute: then what the test reads ends, and the exit code is -9.
    """

    def __init__(self, directory: Path, *arguments: str) -> None:
        self._mark = f"TEST_MARK={uuid.uuid4().hex}"
        name, _, value = self._mark.partition("=")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "raycrawl", *arguments],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), name: value},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._watchdog = threading.Timer(60, self.process.kill)
        self._watchdog.start()

    def end(self) -> tuple[int, str, str]:
        """(exit code, standard output, standard error): what was not read before."""
        output, error = self.process.communicate()
        self._watchdog.cancel()
        return self.process.returncode, output, error

    def wait_for_items(self, count: int) -> list[str]:
        """The first lines of standard output, as they come."""
        assert self.process.stdout is not None
        return [self.process.stdout.readline() for _ in range(count)]

    def survivors(self) -> list[str]:
        """The command lines of what still runs of all that it started."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self._mark.encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # gone, or not ours to look at
        return found


@pytest.fixture
def endless() -> Iterator[SiteServer]:
    with SiteServer(Tree(4, None)) as server:
        yield server


def _spider(directory: Path, server: SiteServer) -> str:
    (directory / "numbers_spider.py").write_text(SPIDER.format(url=server.url))
    return "numbers_spider.py"


def test_items_on_standard_output_and_nothing_else(tmp_path: Path) -> None:
    with SiteServer(Tree(3, 39)) as server:
        spider = _spider(tmp_path, server)
        command = Command(tmp_path, "runspider", spider, "-a", "mark=m", "-o", "-:jsonlines", "-o", "items.csv")
        code, output, error = command.end()
    assert code == 0, error
    items = [json.loads(line) for line in output.splitlines()]
    assert sorted(item["url"] for item in items) == sorted(server.urljoin(f"/{number}") for number in range(40))
    assert {item["mark"] for item in items} == {"m"}
    assert len((tmp_path / "items.csv").read_text().splitlines()) == 41
    assert "'finish_reason': 'finished'" in error
    assert "Audit: 40 enqueued = 40 done" in error
    assert command.survivors() == []


def test_one_signal_ends_a_crawl_gracefully(tmp_path: Path, endless: SiteServer) -> None:
    command = Command(tmp_path, "runspider", _spider(tmp_path, endless), "-o", "-:jsonlines", "-L", "INFO")
    lines = command.wait_for_items(5)
    command.process.send_signal(signal.SIGTERM)
    code, output, error = command.end()
    assert code == 0, error
    urls = [json.loads(line)["url"] for line in [*lines, *output.splitlines()]]
    assert len(urls) == len(set(urls))
    assert "'finish_reason': 'shutdown'" in error
    assert "Traceback" not in error
    assert command.survivors() == []


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    def slow(request: SiteRequest) -> SiteResponse:
        return Tree(4, None)(request) if request.path == "/0" else misbehaving_site()(request)  # type: ignore[return-value]

    with SiteServer(slow) as server:
        (tmp_path / "hang.py").write_text(SPIDER.format(url=server.url).replace('css="a"', 'urls=["/hang"]'))
        command = Command(tmp_path, "runspider", "hang.py", "-o", "-:jsonlines", "-L", "INFO")
        command.wait_for_items(1)
        command.process.send_signal(signal.SIGINT)  # the page that hangs is in flight: this alone would wait for it
        assert command.process.stderr is not None
        seen = []
        for line in command.process.stderr:
            seen.append(line)
            if "Send it again" in line:
                break
        command.process.send_signal(signal.SIGINT)
        code, _, error = command.end()
    assert code == 130, "".join(seen) + error
    assert "Traceback" not in error
    assert command.survivors() == []


def test_a_spider_that_cannot_start_is_exit_code_1(tmp_path: Path, endless: SiteServer) -> None:
    spider = _spider(tmp_path, endless)
    with (tmp_path / spider).open("a") as file:
        file.write("\n    def __init__(self, **kwargs):\n        raise RuntimeError('no luck today')\n")
    command = Command(tmp_path, "runspider", spider, "-L", "ERROR")
    code, output, error = command.end()
    assert code == 1
    assert "no luck today" in error
    assert output == ""
    assert command.survivors() == []


def test_the_demo(tmp_path: Path) -> None:
    code, output, error = (command := Command(tmp_path, "demo")).end()
    assert code == 0, error
    for category in ("clocks", "kettles", "kites", "lamps", "maps", "radios"):
        assert f" {category} " in output
    assert "120 items" in output
    assert command.survivors() == []
