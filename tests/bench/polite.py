"""``polite``: many hosts, each with a delay: how near to HOSTS/DELAY requests a second, and no host contacted early.

Hosts are loopback addresses 127.0.h.k. Each host's first page links to its others, so that after one request of each
host all of them have work. The rate counts every request, robots.txt included, from the first one logged to the last.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.runs import Crawled, crawl_with_raycrawl, crawl_with_scrapy
from tests.bench.site import serve, write_polite_site

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_EFFICIENCY = 0.8
# the server's log has milliseconds: two rounded times
CLOCK_TOLERANCE_S = 0.001


def main(argv: Sequence[str]) -> int:
    """Run it; 1 when a host was contacted early, the rate is under the goal, or a page was lost or doubled."""
    options = _options(argv)
    hosts = [f"127.0.{1 + number // 250}.{1 + number % 250}" for number in range(options.hosts)]
    with tempfile.TemporaryDirectory(prefix="raycrawl-bench-") as name:
        work = Path(name)
        write_polite_site(work / "site", options.per_host)
        with serve(work / "site", work, hosts) as server:
            start_urls = [f"http://{host}:{server.port}/0.html" for host in hosts]
            settings = {
                "DOWNLOAD_DELAY": str(options.delay),
                "DOWNLOAD_DELAY_JITTER": "0",
                "CONCURRENT_REQUESTS_PER_DOMAIN": "8",
            }
            ours = crawl_with_raycrawl(server, start_urls, work, settings)
            theirs = (
                crawl_with_scrapy(options.scrapy_python, server, start_urls, work, settings)
                if options.scrapy_python
                else None
            )
    expected = {f"{host}/{number}.html" for host in hosts for number in range(options.per_host)}
    print(f"{options.hosts} hosts, {options.per_host} pages each, {options.delay} s: ideal {_ideal(options):.0f}/s")
    is_good = _report(ours, options, expected)
    if theirs is not None:
        _report(theirs, options, expected)
    return 0 if is_good else 1


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench polite", description=__doc__)
    parser.add_argument("--hosts", type=int, default=300)
    parser.add_argument("--per-host", type=int, default=20)
    parser.add_argument("--delay", type=float, default=0.5, metavar="SECONDS")
    parser.add_argument("--scrapy-python", metavar="PY", help="a Python that has Scrapy, for the comparison")
    return parser.parse_args(argv)


def _ideal(options: argparse.Namespace) -> float:
    rate: float = options.hosts / options.delay
    return rate


def _report(run: Crawled, options: argparse.Namespace, expected: set[str]) -> bool:
    times = sorted(request.time_s for request in run.requests)
    span_s = times[-1] - times[0] + options.delay if times else 0.0
    rate = len(times) / span_s if span_s else 0.0
    efficiency = rate / _ideal(options)
    gap_s, host = smallest_gap(run)
    print(
        f"{run.who:<9}{rate:7.0f}/s, efficiency {efficiency:.2f} (goal {MIN_EFFICIENCY}); "
        f"smallest gap {gap_s:.3f} s at {host}"
    )
    faults = run.faults(expected)
    if gap_s < options.delay - CLOCK_TOLERANCE_S:
        faults.append(f"{host} was contacted {options.delay - gap_s:.3f} s early")
    for fault in faults:
        print(f"  WRONG: {fault}")
    if run.usage.exit_code != 0:
        print(run.output[-3000:])
    return not faults and efficiency >= MIN_EFFICIENCY


def smallest_gap(run: Crawled) -> tuple[float, str]:
    """(seconds, host): the shortest time between two requests to one host; infinite when no host had two."""
    by_host: dict[str, list[float]] = defaultdict(list)
    for request in run.requests:
        by_host[request.host].append(request.time_s)
    gaps = [
        (later - earlier, host)
        for host, times in by_host.items()
        for earlier, later in zip(sorted(times), sorted(times)[1:], strict=False)
    ]
    return min(gaps, default=(float("inf"), "-"))
