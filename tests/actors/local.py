"""A whole crawl in one process: sites without a network, the Boot of a crawl, and its host."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import cloudpickle

from raycrawl.actors.process import Boot
from raycrawl.crawler import Crawler
from raycrawl.exceptions import DownloadFailedError
from raycrawl.http import HtmlResponse, Request, Response
from raycrawl.testing.localchannel import Faults, LocalHandle, LocalHost
from raycrawl.transport.sent import on_sent

if TYPE_CHECKING:
    from raycrawl.spiders import Spider

SITES: dict[str, FakeSite] = {}
_numbers = itertools.count()
ROOT = "http://site.test/"


class FakeSite:
    """What the web is made of here. ``hits`` counts requests by path, ``times`` says when each began."""

    def __init__(self, page: Callable[[str], bytes], latency_s: float = 0.0) -> None:
        self.page = page
        self.latency_s = latency_s
        self.hits: Counter[str] = Counter()
        self.order: list[str] = []
        self.times: list[float] = []
        self.on_hit: Callable[[str], Awaitable[None] | None] = lambda path: None
        self.name = f"site-{next(_numbers)}"
        SITES[self.name] = self


class FakeHandler:
    """A download handler (DOWNLOAD_HANDLERS) that asks the FakeSite that the setting TEST_SITE names."""

    lazy = False

    def __init__(self, site: FakeSite) -> None:
        self._site = site

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> FakeHandler:
        return cls(SITES[crawler.settings["TEST_SITE"]])

    async def download_request(self, request: Request) -> Response:
        site, path = self._site, request.url.removeprefix(ROOT)
        site.hits[path] += 1
        site.order.append(path)
        site.times.append(time.monotonic())
        if (has_left := on_sent.get()) is not None:
            has_left()
        if (waiting := site.on_hit(path)) is not None:
            await waiting
        await asyncio.sleep(site.latency_s)
        if path.startswith("broken"):
            raise DownloadFailedError("the wire broke")
        status = int(path.partition("status/")[2] or 200)
        return HtmlResponse(request.url, status=status, body=site.page(path), encoding="utf-8", request=request)

    async def close(self) -> None:
        return None


def linked(count: int, links: int = 5, latency_s: float = 0.0) -> FakeSite:
    """A site of ``count`` pages (p/0 ...), each one reachable from p/0."""

    def page(path: str) -> bytes:
        number = int(path.partition("/")[2])
        rng = Random(number)
        targets = [number, 2 * number, *(rng.randrange(count) for _ in range(links))]
        # No link leads back to p/0: start requests are not filtered, so it would be fetched twice.
        anchors = "".join(f'<a href="/p/{1 + target % (count - 1)}">x</a>' for target in targets)
        return f"<html><title>Page {number}</title>{anchors}</html>".encode()

    return FakeSite(page, latency_s)


def boot_for(
    spidercls: type[Spider],
    site: FakeSite,
    tmp_path: Path,
    *,
    settings: dict[str, Any] | None = None,
    feeds: dict[str, dict[str, Any]] | None = None,
    shards: int = 1,
    downloaders: int = 1,
    scrapers: int = 2,
    durable: bool = False,
    spool: bool = False,
    concurrency: int = 16,
    **spider_arguments: Any,
) -> Boot:
    """The Boot of a crawl of ``site`` in this process."""
    handler = "tests.actors.local.FakeHandler"
    quiet = {
        "HEARTBEAT_INTERVAL": 0,
        "ROBOTSTXT_OBEY": False,
        "RETRY_ENABLED": False,
        "CONCURRENT_REQUESTS_PER_DOMAIN": concurrency,
        "CONCURRENT_REQUESTS": concurrency,
        "DOWNLOAD_DELAY": 0,
        "TELNETCONSOLE_ENABLED": False,
        "TEST_SITE": site.name,
        "DOWNLOAD_HANDLERS": {"http": handler, "https": handler},
    }
    crawler = Crawler(spidercls, {**quiet, **(settings or {})})
    crawler.prepare()
    return Boot(
        name=spidercls.name or "test",
        settings=cloudpickle.dumps(crawler.settings),
        spider=cloudpickle.dumps(spidercls),
        spider_args=((), spider_arguments),
        feeds=feeds or {},
        workdir=str(tmp_path / "work"),
        durable=durable,
        paths=(),
        shards=shards,
        downloaders=downloaders,
        scrapers=scrapers,
        batch_pages=8,
        batch_nbytes=100_000,
        batch_delay_s=0.002,
        concurrency=concurrency,
        spool=spool,
    )


class Run:
    """A crawl: its host, its stats (after ``finish``), the lines of its feed."""

    def __init__(
        self, spidercls: type[Spider], site: FakeSite, tmp_path: Path, *, faults: Faults | None = None, **options: Any
    ) -> None:
        self.site = site
        self.feed = tmp_path / "items.jsonl"
        (tmp_path / "work").mkdir(exist_ok=True)
        feeds = {str(self.feed): {"format": "jsonlines", "overwrite": True}}
        self.boot = boot_for(spidercls, site, tmp_path, feeds=options.pop("feeds", feeds), **options)
        self.host = LocalHost(self.boot, faults)
        self.stats: dict[str, Any] = {}

    @property
    def engine(self) -> Any:
        return self.host.engine.plain

    def actor(self, name: str) -> LocalHandle:
        return self.host.actors[name]

    async def finish(self, timeout_s: float = 10.0) -> Run:
        """Runs the crawl to its end, which has to come by itself."""
        self.stats = await asyncio.wait_for(self.host.crawl(), timeout_s)
        self.engine.core.validate()
        return self

    def items(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.feed.read_text("utf-8").splitlines()]

    def assert_whole(self, count: int) -> None:
        """Every page of a linked site was done, every item is in the feed once, the audit holds."""
        assert self.stats["audit"] == ""
        urls = Counter(item["url"] for item in self.items())
        assert urls == Counter(f"{ROOT}p/{number}" for number in range(count))
        assert len(self.site.hits) == count
        assert self.stats["frontier/pending"] == self.stats["frontier/leased"] == 0
        assert self.stats["finish_reason"] == "finished"
