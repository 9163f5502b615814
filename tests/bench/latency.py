"""``latency``: how long a 10-page crawl takes from the command to the prompt, Ray's start and end included."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.runs import crawl_with_raycrawl, crawl_with_scrapy
from tests.bench.site import serve, write_linked_site

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT_S = 12.0


def main(argv: Sequence[str]) -> int:
    """Run it; 1 when it took longer than the limit, or a page or an item was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench latency", description=__doc__)
    parser.add_argument("--pages", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scrapy-python", metavar="PY", help="a Python that has Scrapy, for the comparison")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="raycrawl-bench-") as name:
        work = Path(name)
        write_linked_site(work / "site", options.pages)
        expected = {f"127.0.0.1/p/{number}.html" for number in range(options.pages)}
        with serve(work / "site", work) as server:
            start_urls = [f"http://127.0.0.1:{server.port}/p/0.html"]
            runs = [crawl_with_raycrawl(server, start_urls, work) for _ in range(options.runs)]
            if options.scrapy_python:
                other = crawl_with_scrapy(options.scrapy_python, server, start_urls, work)
                print(f"scrapy: {other.usage.wall_s:.1f} s")
    faults = [fault for run in runs for fault in run.faults(expected)]
    walls = sorted(run.usage.wall_s for run in runs)
    print(
        f"raycrawl: {options.pages} pages in {', '.join(f'{wall_s:.1f}' for wall_s in walls)} s (limit {LIMIT_S:.0f} s)"
    )
    for fault in faults:
        print(f"  WRONG: {fault}")
    return 0 if not faults and walls[len(walls) // 2] <= LIMIT_S else 1
