"""Crawls on a real Ray: each in a process of its own, with a temporary directory of this session, sites on loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil
import pytest

from raycrawl.testing import SiteRequest, SiteResponse, SiteServer

REPOSITORY = Path(__file__).resolve().parents[2]

SPIDER = """
import raycrawl as scrapy

class Pages(scrapy.Spider):
    name = "pages"
    start_urls = ["{url}p/0"]

    def parse(self, response):
        yield {{"url": response.url, "title": response.css("title::text").get()}}
        for href in response.css("a::attr(href)").getall():
            yield response.follow(href, self.parse)

QUIET = {{"LOG_LEVEL": "WARNING", "ROBOTSTXT_OBEY": False, "HTTPCACHE_ENABLED": False,
         "CONCURRENT_REQUESTS_PER_DOMAIN": 32, "CONCURRENT_REQUESTS": 32}}
"""


def linked_site(count: int) -> SiteServer:
    """A site of ``count`` pages; p/0 reaches them all, none leads back to it."""

    def site(request: SiteRequest) -> SiteResponse:
        number = int(request.path.rpartition("/")[2] or 0)
        rng = Random(number)
        targets = [number, 2 * number, *(rng.randrange(count) for _ in range(6))]
        anchors = "".join(f'<a href="/p/{1 + target % (count - 1)}">x</a>' for target in targets)
        return SiteResponse(body=f"<html><title>Page {number}</title>{anchors}</html>".encode())

    return SiteServer(site)


def hits_of(server: SiteServer) -> Counter[str]:
    return Counter(hit.target for hit in server.hits)


@dataclass
class Outcome:
    """How a script ended."""

    code: int
    out: str
    err: str
    survivors: list[str] = field(default_factory=list)


class Scripts:
    """Runs scripts, each with a Ray of its own; says what they left running."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
            "RAY_TMPDIR": str(root),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONUNBUFFERED": "1",
        }

    def start(self, text: str, cwd: Path, **environ: str) -> subprocess.Popen[str]:
        script = cwd / "script.py"
        script.write_text(text, encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, str(script)], cwd=cwd, env={**self.environ, **environ}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, text: str, cwd: Path, timeout_s: float = 60.0, **environ: str) -> Outcome:
        process = self.start(text, cwd, **environ)
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"the script did not end in {timeout_s} s:\n{out}\n{err}") from None
        return Outcome(process.returncode, out, err, self.survivors())

    def mine(self) -> list[psutil.Process]:
        """Processes that run in this session's directory."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("RAY_TMPDIR") == str(self.root) and process.pid != os.getpid():
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def survivors(self, patience_s: float = 5.0) -> list[str]:
        """What still runs after a moment."""
        _, alive = psutil.wait_procs(self.mine(), timeout=patience_s)
        return [" ".join(process.cmdline())[:100] for process in alive if process.is_running()]

    def end(self) -> None:
        for process in self.mine():
            process.kill()


@pytest.fixture(scope="session")
def scripts() -> Iterator[Scripts]:
    root = Path(tempfile.mkdtemp(prefix="rc-", dir="/tmp"))  # short: Ray's sockets are below it
    scripts = Scripts(root)
    yield scripts
    scripts.end()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="module")
def site() -> Iterator[SiteServer]:
    with linked_site(80) as server:
        yield server


def lines_of(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
