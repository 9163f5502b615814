"""``links``: microseconds per page of 100 links, for link extractors and CrawlSpider rules, beside Scrapy's.

The file also runs as a script under another Python: ``python links.py scrapy`` prints the figures of that package.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import timeit
from collections.abc import Callable, Sequence
from typing import Any

# Extraction has to be at least this many times faster than Scrapy's.
GOAL = 3.0
_ROUNDS = 5
_ROUND_S = 0.15


def _page() -> bytes:
    """24 KB: 100 links, 10 of them repeated, some off site, some to files, with text and markup around them."""
    rows = []
    for number in range(100):
        href = {
            0: f"http://other{number % 7}.example.net/page/{number}",
            1: f"../up/{number}.html?a={number}&b=2",
            2: f"/files/{number}.pdf",
            3: "/about.html",
            4: f"item/{number}.html#part",
        }.get(number % 10, f"/catalogue/category-{number % 5}/product_{number}/index.html")
        rows.append(
            f'<li class="row"><h3><a href="{href}" title="Product {number}">Product <b>number</b> {number}</a></h3>'
            f'<p class="price">{number}.99</p><p class="text">In stock, and some words about the product.</p></li>'
        )
    return ("<html><head><title>Catalogue</title></head><body><ul>" + "".join(rows) + "</ul></body></html>").encode()


def _timed(function: Callable[[], Any]) -> float:
    """The best of some rounds, in microseconds a call."""
    timer = timeit.Timer(function)
    once_s = max(timer.timeit(1), 1e-7)
    number = max(1, int(_ROUND_S / once_s))
    return min(timer.repeat(_ROUNDS, number)) / number * 1e6


def measure(package: str) -> dict[str, float]:
    """Microseconds per page, by what was done, with ``package`` (``raycrawl`` or ``scrapy``)."""
    http = importlib.import_module(f"{package}.http")
    extractor = importlib.import_module(f"{package}.linkextractors").LinkExtractor
    body = _page()
    url = "http://www.example.com/catalogue/page-1.html"
    response = http.HtmlResponse(url, body=body, encoding="utf-8")
    plain = extractor()
    filtered = extractor(
        allow=[r"/catalogue/", r"/item/"], deny=r"/category-4/", allow_domains="example.com", restrict_css="ul"
    )
    spider = _rules_spider(package)
    return {
        "LinkExtractor(), 100 links": _timed(lambda: plain.extract_links(response)),
        "LinkExtractor(allow, deny, allow_domains, restrict_css)": _timed(lambda: filtered.extract_links(response)),
        "parse and LinkExtractor()": _timed(
            lambda: plain.extract_links(http.HtmlResponse(url, body=body, encoding="utf-8"))
        ),
        "CrawlSpider, 3 rules": _timed(lambda: list(spider._requests_to_follow(response))),
    }


def _rules_spider(package: str) -> Any:
    extractor = importlib.import_module(f"{package}.linkextractors").LinkExtractor
    spiders = importlib.import_module(f"{package}.spiders")
    rules = (
        spiders.Rule(extractor(allow=r"/product_\d+/", deny=r"/category-4/"), callback="parse_item"),
        spiders.Rule(extractor(allow=r"/item/", allow_domains="example.com"), callback="parse_item", follow=True),
        spiders.Rule(extractor(allow_domains="example.com")),
    )
    members = {"name": "bench", "rules": rules, "parse_item": lambda self, response: None}
    return type("BenchSpider", (spiders.CrawlSpider,), members)()


def bench_links(scrapy_python: str | None = None) -> list[tuple[str, float, float | None]]:
    """(what, our microseconds, Scrapy's or None) for each measurement."""
    ours = measure("raycrawl")
    theirs: dict[str, float] = {}
    if scrapy_python:
        command = [scrapy_python, __file__, "scrapy"]
        run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        theirs = json.loads(run.stdout)
    return [(what, us, theirs.get(what)) for what, us in ours.items()]


def main(argv: Sequence[str]) -> int:
    """Print the figures; 1 when plain extraction is less than ``GOAL`` times faster than Scrapy's."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench links", description=__doc__)
    parser.add_argument("--scrapy-python", metavar="PY", help="a Python that has Scrapy, for the comparison")
    options = parser.parse_args(argv)
    rows = bench_links(options.scrapy_python)
    for what, ours, theirs in rows:
        other = f"{theirs:9.0f} us  {theirs / ours:5.1f} x" if theirs else ""
        print(f"{what:<58}{ours:9.0f} us{other}")
    _, ours, theirs = rows[0]
    return 1 if theirs is not None and theirs < GOAL * ours else 0


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
