"""One callback that yields a million requests: the whole way from the spider to the durable frontier.

Part ``crawl`` of ``python -m tests.bench frontier``. The crawl is paused first, so that nothing is fetched meanwhile;
the time counts from the first request to the end of the crawl, when all of them are durable.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import raycrawl
from raycrawl.exceptions import CloseSpider
from tests.bench.processes import measure


class MillionSpider(raycrawl.Spider):
    """Yields ``urls`` requests to ``hosts`` hosts from one callback."""

    name = "million"
    start_urls = ["data:,go"]
    urls = "1000000"
    hosts = "5000"

    def parse(self, response: Any) -> Any:
        self.crawler.engine.pause()
        hosts = int(self.hosts)
        self.crawler.stats.set_value("bench/started_s", time.time())
        for number in range(int(self.urls)):
            host = number % hosts
            url = f"http://127.{host >> 8}.{host & 255}.1/catalogue/page-{number}.html?ref={number % 7}"
            yield raycrawl.Request(url, callback=self.unreached)
        raise CloseSpider("all given")

    def unreached(self, response: Any) -> None:
        """Never called: the crawl is paused."""


def crawl(urls: int, hosts: int) -> dict[str, float]:
    """Runs the crawl; requests a second, from the first one yielded until all are durable."""
    settings = {"LOG_LEVEL": "WARNING", "STATS_DUMP": False}
    handle = raycrawl.crawl(MillionSpider, settings=settings, urls=str(urls), hosts=str(hosts))
    stats = handle.stats()
    took_s = stats["finish_time"].timestamp() - stats["bench/started_s"]
    if stats["frontier/pending"] != urls:
        raise RuntimeError(f"{stats['frontier/pending']} requests are pending, not {urls}")
    return {"crawl_requests_per_s": urls / took_s}


def bench(urls: int, hosts: int) -> dict[str, float]:
    """The crawl in a process of its own; its rate, and the memory (PSS) of all processes together."""
    with tempfile.TemporaryDirectory() as folder:
        output, log = Path(folder) / "figures.json", Path(folder) / "log"
        command = [sys.executable, "-m", "tests.bench.million", str(urls), str(hosts), str(output)]
        usage = measure(command, cwd=Path(__file__).parents[2], output=log)
        if usage.exit_code:
            raise RuntimeError(f"the crawl failed with exit code {usage.exit_code}:\n{log.read_text()}")
        figures: dict[str, float] = json.loads(output.read_text())
    return {**figures, "crawl_peak_mb": usage.peak_pss_nbytes / 1e6}


if __name__ == "__main__":
    Path(sys.argv[3]).write_text(json.dumps(crawl(int(sys.argv[1]), int(sys.argv[2]))))
