"""A crawl by the command line of a spider with hostile callbacks, on a Ray of its own, and what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raycrawl.testing import SiteRequest, SiteResponse, SiteServer

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = 40
SPIDER = '''
import raycrawl


class Hostile(raycrawl.Spider):
    name = "hostile"
    deeds = {deeds!r}
    custom_settings = {settings!r}

    async def start(self):
        for number in range({pages}):
            deed = self.deeds.get(number)
            callback = getattr(self, deed) if deed else self.parse
            yield raycrawl.Request("{url}%d" % number, callback=callback, errback=self.sorry)

    def parse(self, response):
        yield {{"url": response.url}}

    def sorry(self, failure):
        yield {{"sorry": failure.request.callback.__name__, "type": failure.type.__name__}}

    def after_crawl(self, reason):
        for key, value in sorted(self.crawler.stats.get_stats().items()):
            print(key, value)

{methods}
'''


@dataclass(frozen=True)
class Outcome:
    """``urls`` of the items of ordinary pages, ``sorry`` of errbacks, what the crawl said, its exit code."""

    code: int
    items: list[dict[str, Any]]
    said: str
    hits: Counter[str]

    @property
    def sorry(self) -> dict[str, str]:
        return {item["sorry"]: item["type"] for item in self.items if "sorry" in item}

    def numbers(self) -> list[int]:
        return sorted(int(item["url"].rpartition("/")[2]) for item in self.items if "url" in item)


def crawl(tmp_path: Path, methods: str, deeds: dict[int, str], **settings: Any) -> Outcome:
    """Crawls ``PAGES`` pages; those in ``deeds`` have the method of that name as their callback."""
    hits: Counter[str] = Counter()

    def page(request: SiteRequest) -> SiteResponse:
        hits[request.path] += 1
        return SiteResponse(body=b"<title>page</title>")

    with SiteServer(page) as site:
        spider = tmp_path / "hostile.py"
        values = {
            "ROBOTSTXT_OBEY": False, "LOG_LEVEL": "INFO", "HEARTBEAT_INTERVAL": 1.0, "RETRY_ENABLED": False,
            "SCRAPER_ACTORS": 2, "DOWNLOADER_ACTORS": 1, "CONCURRENT_REQUESTS_PER_DOMAIN": 8, **settings,
        }  # fmt: skip
        text = SPIDER.format(deeds=deeds, settings=values, pages=PAGES, url=site.url, methods=methods)
        spider.write_text(text, "utf-8")
        feed = tmp_path / "items.jsonl"
        ended = subprocess.run(
            [sys.executable, "-m", "raycrawl", "runspider", str(spider), "-O", str(feed)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    items = [json.loads(line) for line in feed.read_text("utf-8").splitlines()] if feed.exists() else []
    return Outcome(ended.returncode, items, ended.stdout + ended.stderr, hits)


def assert_only_the_guilty_paid(outcome: Outcome, guilty: dict[int, str]) -> None:
    """Every other page's item is there once, and the crawl ended well."""
    assert outcome.code == 0, outcome.said
    assert outcome.numbers() == [number for number in range(PAGES) if number not in guilty]
    assert set(outcome.sorry) == set(guilty.values()), outcome.said
