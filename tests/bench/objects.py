"""``objects``: microseconds for what is made once per link or per page, beside Scrapy's and beside the goals.

The file also runs as a script under another Python: ``python objects.py scrapy`` prints the figures of that package.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import pickle
import subprocess
import sys
import timeit
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PAGE_URL = "https://www.example.com/catalogue/page-2.html"
LINK = "../item/1234.html?ref=list&id=1234"
URL = "https://www.example.com/item/1234.html?ref=list&id=1234"

# Microseconds that each may cost (the speed goals of the project); what has none is for information.
GOALS_US = {
    "Request(url)": 2.0,
    "response.follow(relative)": 5.0,
    "fingerprint of a new URL": 4.0,
    "request to record and back": 3.0,
}
# Times faster than Scrapy.
GOALS_TIMES = {"LinkExtractor(), 100 links": 3.0}

_ROUNDS = 5
_ROUND_S = 0.1


class _Spider:
    name = "bench"

    def parse(self, response: Any) -> None: ...


def _timed(function: Callable[[], Any]) -> float:
    """The best of some rounds, in microseconds a call."""
    timer = timeit.Timer(function)
    once_s = max(timer.timeit(1), 1e-7)
    number = max(1, min(100_000, int(_ROUND_S / once_s)))
    return min(timer.repeat(_ROUNDS, number)) / number * 1e6


def _timed_on_new(make: Callable[[], Any], use: Callable[[Any], Any]) -> float:
    """Microseconds of ``use`` on objects that nobody used before, without what it costs to make them."""
    number = 2000
    best = float("inf")
    for _ in range(_ROUNDS):
        pool = [make() for _ in range(number)]
        best = min(best, timeit.timeit(lambda pool=pool: [use(one) for one in pool], number=1) / number * 1e6)  # type: ignore[misc]
    return best


def _record_and_back(package: str, request: Any, spider: Any) -> Callable[[], Any]:
    """How that package takes a request to bytes and back: our records; the disk queue's pickle of a dict."""
    if package == "raycrawl":
        records = importlib.import_module("raycrawl.records")
        return lambda: records.decode_request(records.encode_request(request, spider), spider)
    from_dict = importlib.import_module(f"{package}.utils.request").request_from_dict
    return lambda: from_dict(pickle.loads(pickle.dumps(request.to_dict(spider=spider), protocol=4)), spider=spider)


def measure(package: str) -> dict[str, float]:
    """Microseconds, by what was done, with ``package`` (``raycrawl`` or ``scrapy``)."""
    # glibc gives blocks of more than 128 KB back to the system and takes them again, until a larger one was freed once:
    # a crawl has had that after its first seconds.
    bytes(16 << 20)
    http = importlib.import_module(f"{package}.http")
    fingerprint = importlib.import_module(f"{package}.utils.request").fingerprint
    spider = _Spider()
    text = "<html><body>" + "<p>Some text with an é and a €.</p>" * 3000
    body = text.encode()[:100_000]
    page = http.HtmlResponse(PAGE_URL, body=b"<html><body>", encoding="utf-8")
    request = http.Request(URL, callback=spider.parse, meta={"depth": 1, "link_text": "hello", "rule": 0})

    def new_page() -> Any:
        return http.HtmlResponse(PAGE_URL, body=body, headers={"Content-Type": "text/html; charset=utf-8"})

    return {
        "Request(url)": _timed(lambda: http.Request(URL)),
        "Request(url, callback, meta)": _timed(lambda: http.Request(URL, callback=spider.parse, meta={"depth": 1})),
        "response.follow(relative)": _timed(lambda: page.follow(LINK)),
        "response.urljoin(relative)": _timed(lambda: page.urljoin(LINK)),
        "fingerprint of a new URL": _timed_on_new(lambda: http.Request(URL), fingerprint),
        "fingerprint of a new URL without query": _timed_on_new(lambda: http.Request(PAGE_URL), fingerprint),
        "request to record and back": _timed(_record_and_back(package, request, spider)),
        "request.replace(url)": _timed(lambda: request.replace(url=PAGE_URL)),
        "Headers of a response (6)": _timed(lambda: http.Headers(_HEADERS)),
        "HtmlResponse and its text of 100 KB": _timed(lambda: new_page().text),
        **_links(package),
    }


_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Length": "16384",
    "Date": "Fri, 01 Jan 2027 00:00:00 GMT",
    "Server": "nginx",
    "Set-Cookie": ["a=b; path=/", "c=d; path=/"],
    "ETag": '"abc"',
}


def _links(package: str) -> dict[str, float]:
    """Link extraction and CrawlSpider rules, from the bench that is about them."""
    path = Path(__file__).with_name("links.py")
    spec = importlib.util.spec_from_file_location("links_bench", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    figures: dict[str, float] = module.measure(package)
    return figures


def bench_objects(scrapy_python: str | None = None) -> list[tuple[str, float, float | None]]:
    """(what, our microseconds, Scrapy's or None) for each measurement."""
    ours = measure("raycrawl")
    theirs: dict[str, float] = {}
    if scrapy_python:
        command = [scrapy_python, __file__, "scrapy"]
        run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        theirs = json.loads(run.stdout)
    return [(what, us, theirs.get(what)) for what, us in ours.items()]


def _verdict(what: str, ours: float, theirs: float | None) -> tuple[str, bool]:
    """The goal as text, and whether it is met (without a goal, or without Scrapy to compare with, it is)."""
    if what in GOALS_US:
        return f"goal < {GOALS_US[what]:g} us", ours < GOALS_US[what]
    if what in GOALS_TIMES and theirs is not None:
        return f"goal > {GOALS_TIMES[what]:g} x", theirs >= GOALS_TIMES[what] * ours
    return "", True


def main(argv: Sequence[str]) -> int:
    """Print the figures; 1 when one misses its goal."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench objects", description=__doc__)
    parser.add_argument("--scrapy-python", metavar="PY", help="a Python that has Scrapy, for the comparison")
    options = parser.parse_args(argv)
    scrapy_python = options.scrapy_python
    if scrapy_python is None and importlib.util.find_spec("scrapy") is not None:
        scrapy_python = sys.executable
    missed = 0
    print(f"{'':<58}{'raycrawl':>12}{'Scrapy':>12}")
    for what, ours, theirs in bench_objects(scrapy_python):
        goal, met = _verdict(what, ours, theirs)
        other = f"{theirs:9.2f} us{theirs / ours:7.1f} x" if theirs else " " * 21
        print(f"{what:<58}{ours:9.2f} us{other}  {goal}{'' if met else '  MISSED'}")
        missed += not met
    return 1 if missed else 0


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
