"""One crawl of a bench, with raycrawl or with Scrapy: the same spider, the same settings, through the command lines."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.processes import Usage, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.bench.site import LoggedRequest, Server

REPOSITORY = Path(__file__).resolve().parents[2]

# all of the default middlewares stay on in both
COMMON_SETTINGS = {
    "ROBOTSTXT_OBEY": "True",
    "CONCURRENT_REQUESTS": "64",
    "CONCURRENT_REQUESTS_PER_DOMAIN": "64",
    "DOWNLOAD_DELAY": "0",
    "TELNETCONSOLE_ENABLED": "False",
    "LOG_LEVEL": "INFO",
}

SPIDER = """\
import {package} as scrapy


class LinksSpider(scrapy.Spider):
    name = "links"
    start_urls = {start_urls!r}

    def parse(self, response):
        yield {{"url": response.url, "title": response.css("title::text").get()}}
        for href in response.css("a::attr(href)").getall():
            yield response.follow(href, callback=self.parse)
"""


@dataclass(frozen=True)
class Crawled:
    """A finished crawl: what it cost, what the server saw of it, what it delivered."""

    who: str
    usage: Usage
    requests: list[LoggedRequest]
    items: list[dict[str, str]]
    output: str

    @property
    def pages(self) -> list[LoggedRequest]:
        """The requests for pages: robots.txt left out."""
        return [request for request in self.requests if request.uri != "/robots.txt"]

    def pages_per_s(self) -> float:
        """By the server's clock, between 10 % and 90 % of the pages."""
        times = sorted(request.time_s for request in self.pages)
        first, last = len(times) // 10, len(times) * 9 // 10
        span_s = times[last] - times[first] if len(times) > 10 else 0.0
        return (last - first) / span_s if span_s > 0 else 0.0

    def cpu_ms_per_page(self) -> float:
        """All processes, start-up included."""
        return self.usage.total_cpu_s * 1000 / max(1, len(self.pages))

    def faults(self, expected: set[str]) -> list[str]:
        """What is wrong: pages not fetched once, items not delivered once. ``expected``: "host/path" of all pages."""
        fetched = Counter(f"{request.host}{request.uri}" for request in self.pages)
        delivered = Counter(item["url"].partition("://")[2] for item in self.items)
        delivered = Counter({_without_port(url): count for url, count in delivered.items()})
        faults = [] if self.usage.exit_code == 0 else [f"exit code {self.usage.exit_code}"]
        for what, counts in (("fetched", fetched), ("delivered", delivered)):
            missing, extra = expected - set(counts), {url for url, count in counts.items() if count > 1}
            unknown = set(counts) - expected
            if missing:
                faults.append(f"{len(missing)} pages never {what}, e.g. {min(missing)}")
            if extra:
                faults.append(f"{len(extra)} pages {what} more than once, e.g. {min(extra)}")
            if unknown:
                faults.append(f"{len(unknown)} unknown pages {what}, e.g. {min(unknown)}")
        return faults


def _without_port(url: str) -> str:
    host, slash, path = url.partition("/")
    return host.partition(":")[0] + slash + path


def crawl_with_raycrawl(
    server: Server, start_urls: Sequence[str], work: Path, settings: Mapping[str, str] | None = None,
    on_actor: Callable[[str, int], None] | None = None,
) -> Crawled:  # fmt: skip
    """The crawl with this repository's raycrawl, its Ray started and ended by it."""
    command = [sys.executable, "-m", "raycrawl"]
    return _crawl("raycrawl", command, server, start_urls, work, {**COMMON_SETTINGS, **(settings or {})}, on_actor)


def crawl_with_scrapy(
    python: str, server: Server, start_urls: Sequence[str], work: Path, settings: Mapping[str, str] | None = None
) -> Crawled:
    """The crawl with the Scrapy of another virtual environment."""
    return _crawl("scrapy", [python, "-m", "scrapy"], server, start_urls, work, {**COMMON_SETTINGS, **(settings or {})})


def _crawl(
    who: str,
    command: Sequence[str],
    server: Server,
    start_urls: Sequence[str],
    work: Path,
    settings: Mapping[str, str],
    on_actor: Callable[[str, int], None] | None = None,
) -> Crawled:
    directory = work / who
    directory.mkdir(exist_ok=True)
    spider = directory / f"links_{who}.py"
    spider.write_text(SPIDER.format(package=who, start_urls=list(start_urls)), encoding="ascii")
    feed, output = directory / "items.jsonl", directory / "output.txt"
    options = [f"-s{name}={value}" for name, value in settings.items()]
    before = server.mark()
    env = {"PYTHONPATH": str(REPOSITORY)} if who == "raycrawl" else {}
    usage = measure(
        [*command, "runspider", str(spider), "-O", f"{feed}:jsonlines", *options],
        cwd=directory,
        output=output,
        env=env,
        on_actor=on_actor,
    )
    text = output.read_text(encoding="utf-8", errors="replace")
    lines = feed.read_text(encoding="utf-8").splitlines() if feed.exists() else []
    return Crawled(who, usage, server.requests()[before:], [json.loads(line) for line in lines], text)
