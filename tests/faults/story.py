"""The story of every fault test: a crawl of a slow site, something that dies in its middle, the books after it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from random import Random

import psutil

from raycrawl.testing import SiteRequest, SiteResponse, SiteServer
from tests.cluster.conftest import SPIDER, Scripts, hits_of, lines_of

PAGES = 300
CONCURRENCY = 32
LATENCY_S = 0.05
PATIENCE_S = 60.0

CRAWL = """
if __name__ == "__main__":
    crawl = scrapy.crawl(Pages, settings={{**QUIET, {settings}}}, feeds={{"items.jsonl": {{"overwrite": False}}}})
    print("STATS", __import__("json").dumps({{k: v for k, v in crawl.stats().items() if isinstance(v, (int, str))}}))
"""


async def _page(request: SiteRequest) -> SiteResponse:
    await asyncio.sleep(LATENCY_S)
    number = int(request.path.rpartition("/")[2] or 0)
    rng = Random(number)
    targets = [number, 2 * number, *(rng.randrange(PAGES) for _ in range(8))]
    anchors = "".join(f'<a href="/p/{1 + target % (PAGES - 1)}">x</a>' for target in targets)
    return SiteResponse(body=f"<html><title>Page {number}</title>{anchors}</html>".encode())


class Story:
    """One crawl of ``PAGES`` pages in a script of its own."""

    def __init__(self, scripts: Scripts, folder: Path, server: SiteServer, *, settings: str = "") -> None:
        self.scripts, self.folder, self.server = scripts, folder, server
        self.text = SPIDER.format(url=server.url) + CRAWL.format(settings=settings)
        self.process: subprocess.Popen[str]
        self.others: list[psutil.Process] = []
        self.stats: dict[str, int | str] = {}

    def begin(self) -> None:
        self.process = self.scripts.start(self.text, self.folder)

    def wait_for_hits(self, count: int) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while len(self.server.hits) < count:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline_s, f"only {len(self.server.hits)} pages were fetched"
            time.sleep(0.01)  # another process is watched: there is nothing to be told by

    def victim(self, title: str) -> psutil.Process:
        """The crawl's process with this title, the first by age."""
        self.others = psutil.Process(self.process.pid).children(recursive=True)
        for process in sorted(self.others, key=lambda process: process.pid):
            try:
                if "".join(process.cmdline()).startswith(title):
                    return process
            except psutil.Error:
                continue
        raise AssertionError(f"no {title} runs: {self.others}")

    def strike(self, title: str, at: int, number: int = signal.SIGKILL) -> psutil.Process:
        """Sends a signal to a process of the crawl when the site has had ``at`` hits."""
        self.wait_for_hits(at)
        victim = self.victim(title)
        victim.send_signal(number)
        return victim

    def end(self) -> None:
        """Waits for the crawl to end by itself."""
        try:
            out, err = self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            for process in [*psutil.Process(self.process.pid).children(recursive=True), self.process]:
                process.kill()
            out, err = self.process.communicate()
            raise AssertionError(f"the crawl did not end:\n{out[-3000:]}\n{err[-6000:]}") from None
        assert self.process.returncode == 0, f"exit code {self.process.returncode}\n{out[-3000:]}\n{err[-6000:]}"
        (line,) = [line for line in out.splitlines() if line.startswith("STATS")]
        self.stats = json.loads(line.removeprefix("STATS"))
        _, alive = psutil.wait_procs(self.others, timeout=5)
        assert alive == []

    def audit(self, kills: int) -> None:
        """Every page fetched, every item once, refetched at most what was in flight, the crawl's own books in order."""
        expected = {f"/p/{number}" for number in range(PAGES)}
        hits = hits_of(self.server)
        assert set(hits) == expected
        items = Counter(item["url"] for item in lines_of(self.folder / "items.jsonl"))
        wanted = {self.server.url.rstrip("/") + path for path in expected}
        assert set(items) == wanted, f"missing: {sorted(wanted - set(items))[:5]}"
        assert set(items.values()) == {1}, [url for url, count in items.items() if count > 1][:5]
        refetched = hits.total() - PAGES
        assert refetched <= 2 * CONCURRENCY * kills, f"{refetched} pages were fetched again"
        assert self.stats["finish_reason"] == "finished"
        assert self.stats["frontier/pending"] == self.stats["frontier/leased"] == 0
        assert self.stats["frontier/done"] == self.stats["frontier/enqueued"] == PAGES


def slow_site() -> SiteServer:
    return SiteServer(_page)
