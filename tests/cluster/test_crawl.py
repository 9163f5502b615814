"""``raycrawl.crawl`` on a local Ray that it starts itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from raycrawl.testing import SiteServer
from tests.cluster.conftest import SPIDER, Scripts, hits_of, lines_of

pytestmark = pytest.mark.cluster


def test_a_script_crawls_and_leaves_nothing_behind(scripts: Scripts, site: SiteServer, tmp_path: Path) -> None:
    site.hits.clear()
    text = SPIDER.format(url=site.url) + (
        """
if __name__ == "__main__":
    import psutil
    seen = set()
    crawl = scrapy.crawl(Pages, settings={**QUIET, "HEARTBEAT_INTERVAL": 0}, feeds={"items.jsonl": {}}, wait=False)
    while crawl.exit_code is None:
        for process in psutil.Process().children(recursive=True):
            try:
                title = "".join(process.cmdline())
            except psutil.Error:
                continue
            if title.startswith("ray::"):
                seen.add(title.partition(".")[0].strip())
    crawl.wait()
    print("TITLES", sorted(seen))
    print("STATS", crawl.stats()["finish_reason"], crawl.stats()["item_scraped_count"], crawl.exit_code)
    print("ITEMS", len(list(crawl.items())))
"""
    )
    outcome = scripts.run(text, tmp_path)
    assert outcome.code == 0, outcome.err
    assert outcome.survivors == []
    assert "STATS finished 80 0" in outcome.out
    assert "ITEMS 80" in outcome.out
    for actor in ("ExecutionEngine", "Scheduler", "Downloader", "Scraper", "FeedSink"):
        assert f"ray::{actor}" in outcome.out
    assert sorted(item["url"] for item in lines_of(tmp_path / "items.jsonl")) == sorted(
        f"{site.url}p/{number}" for number in range(80)
    )
    assert set(hits_of(site).values()) == {1}


def test_in_a_running_event_loop_two_at_once_and_again(scripts: Scripts, site: SiteServer, tmp_path: Path) -> None:
    text = SPIDER.format(url=site.url) + (
        """
import asyncio

async def main():
    first = scrapy.crawl(Pages, settings=QUIET, feeds={"first.jsonl": {}}, wait=False)
    second = scrapy.crawl(Pages, settings=QUIET, feeds={"second.jsonl": {}}, name="second", wait=False)
    ticks = 0
    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)
    ticker = asyncio.create_task(tick())
    await asyncio.gather(_wait(first), _wait(second))
    ticker.cancel()
    print("TICKS", ticks > 20)
    third = await scrapy.crawl(Pages, settings={**QUIET, "CLOSESPIDER_PAGECOUNT": 10}, wait=False)
    print("THIRD", third.stats()["finish_reason"], third.exit_code)

async def _wait(crawl):
    await crawl
    print("ITEMS", sum(1 for _ in crawl.items()))

if __name__ == "__main__":
    asyncio.run(main())
    again = scrapy.crawl(Pages, settings=QUIET)
    print("AGAIN", again.stats()["item_scraped_count"])
"""
    )
    outcome = scripts.run(text, tmp_path, 90)
    assert outcome.code == 0, outcome.err
    assert outcome.survivors == []
    assert outcome.out.count("ITEMS 80") == 2
    assert "TICKS True" in outcome.out
    assert "THIRD closespider_pagecount 0" in outcome.out
    assert "AGAIN 80" in outcome.out
    assert len(lines_of(tmp_path / "first.jsonl")) == len(lines_of(tmp_path / "second.jsonl")) == 80


def test_what_goes_wrong_is_said_and_nothing_is_left(scripts: Scripts, site: SiteServer, tmp_path: Path) -> None:
    text = SPIDER.format(url=site.url) + (
        """
import sys, threading

class Locked(Pages):
    lock = threading.Lock()

class Unwilling(Pages):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        raise ValueError("this spider has no will to live")

if __name__ == "__main__":
    try:
        scrapy.crawl(Locked, settings=QUIET)
    except Exception as error:
        print("LOCKED", type(error).__name__, error)
    print("RAY", "ray" in sys.modules and sys.modules["ray"].is_initialized())
    crawl = scrapy.crawl(Unwilling, settings=QUIET, wait=False)
    try:
        crawl.wait()
    except Exception as error:
        print("UNWILLING", type(error).__name__, error)
    sys.exit(crawl.exit_code)
"""
    )
    outcome = scripts.run(text, tmp_path)
    assert outcome.code == 1, outcome.err
    assert outcome.survivors == []
    assert "LOCKED UsageError" in outcome.out
    assert "Locked.lock" in outcome.out
    assert "RAY False" in outcome.out
    assert "UNWILLING CrawlError" in outcome.out
    assert "this spider has no will to live" in outcome.out


def test_callback_that_computes_for_long_costs_no_page_twice(
    scripts: Scripts, tmp_path: Path, site: SiteServer
) -> None:
    site.hits.clear()
    text = SPIDER.format(url=site.url) + (
        """
import time

class Busy(Pages):
    def parse(self, response):
        if response.url.endswith("/p/3"):
            time.sleep(4)
        yield from super().parse(response)

if __name__ == "__main__":
    settings = {**QUIET, "HEARTBEAT_INTERVAL": 1, "SCRAPER_ACTORS": 1}
    crawl = scrapy.crawl(Busy, settings=settings, feeds={"items.jsonl": {}})
    stats = crawl.stats()
    print("STATS", stats["item_scraped_count"], {key: n for key, n in stats.items() if "replaced" in key})
"""
    )
    outcome = scripts.run(text, tmp_path)
    assert outcome.code == 0, outcome.err
    assert "STATS 80 {}" in outcome.out
    assert len(lines_of(tmp_path / "items.jsonl")) == 80
    assert set(hits_of(site).values()) == {1}


def test_handle_steers_from_its_first_moment(scripts: Scripts, site: SiteServer, tmp_path: Path) -> None:
    text = SPIDER.format(url=site.url) + (
        """
import time

if __name__ == "__main__":
    crawl = scrapy.crawl(Pages, settings={**QUIET, "DOWNLOAD_DELAY": 0.02}, feeds={"items.jsonl": {}}, wait=False)
    crawl.pause()
    while crawl.status().state != "paused":
        time.sleep(0.05)
    while crawl.status().in_flight:
        time.sleep(0.05)
    before = crawl.status().pages
    time.sleep(0.7)
    print("PAUSED", crawl.status().pages == before < 80, crawl.status().backout_reason)
    crawl.unpause()
    while crawl.status().pages < before + 5:
        time.sleep(0.05)
    print("SLOTS", [slot["slot"] for slot in crawl.slots()])
    print("FRONTIER", crawl.frontier().counts["enqueued"] > 0)
    crawl.stop("seen enough")
    crawl.wait(30)
    stats = crawl.stats()
    print("END", stats["finish_reason"], crawl.exit_code, 0 < stats["item_scraped_count"] < 80)
    refused = scrapy.crawl(Pages, settings=QUIET, wait=False)
    refused.stop()
    print("AT ONCE", refused.wait(30).stats()["finish_reason"], refused.exit_code)
"""
    )
    outcome = scripts.run(text, tmp_path)
    assert outcome.code == 0, outcome.err
    assert "PAUSED True paused" in outcome.out
    assert "SLOTS ['127.0.0.1']" in outcome.out
    assert "FRONTIER True" in outcome.out
    assert "END seen enough 0 True" in outcome.out
    assert "AT ONCE shutdown 0" in outcome.out
    assert outcome.survivors == []
