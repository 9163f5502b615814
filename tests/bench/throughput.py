"""``throughput``: a linked site crawled whole, beside Scrapy in the same run.

16 KB pages with 32 links each, every link followed, one item a page; robots.txt, retries, duplicate filter and all
default middlewares on in both. Pages/s are by the server's clock between 10 % and 90 % of the pages, CPU is that of
all processes with their start, and every page must be fetched once and every item delivered once.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.runs import Crawled, crawl_with_raycrawl, crawl_with_scrapy
from tests.bench.site import serve, write_linked_site

if TYPE_CHECKING:
    from collections.abc import Sequence

# what the project promises beside Scrapy 2.19
MIN_SPEED_RATIO = 6.0
MAX_CPU_RATIO = 1 / 3


def main(argv: Sequence[str]) -> int:
    """Run it; 1 when a page or an item was lost or doubled."""
    options = _options(argv)
    with tempfile.TemporaryDirectory(prefix="raycrawl-bench-") as name:
        work = Path(name)
        write_linked_site(work / "site", options.pages)
        with serve(work / "site", work) as server:
            print(f"{options.pages} pages of 16 KB with 32 links each, served by {server.kind}", flush=True)
            start_urls = [f"http://127.0.0.1:{server.port}/p/0.html"]
            profiler = _Profiler(work) if options.profile else None
            on_actor = profiler.attach if profiler is not None else None
            runs = [crawl_with_raycrawl(server, start_urls, work, _settings(options), on_actor)]
            if profiler is not None:
                profiler.stop()
            if options.scrapy_python:
                runs.append(crawl_with_scrapy(options.scrapy_python, server, start_urls, work))
        expected = {f"127.0.0.1/p/{number}.html" for number in range(options.pages)}
        results = [_report(run, expected) for run in runs]
        if options.profile:
            _print_actors(runs[0])
            if profiler is not None:
                profiler.print()
        if len(runs) == 2:
            _print_ratios(*runs)
        if options.keep:
            shutil.copytree(work / "raycrawl", options.keep, dirs_exist_ok=True)
    return 0 if all(results) else 1


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench throughput", description=__doc__)
    parser.add_argument("--pages", type=int, default=8000)
    parser.add_argument("--scrapy-python", metavar="PY", help="a Python that has Scrapy, for the comparison")
    parser.add_argument("--profile", action="store_true", help="where the CPU went, by actor; with py-spy, by function")
    parser.add_argument("--downloaders", type=int, help="number of Downloader actors")
    parser.add_argument("--scrapers", type=int, help="number of Scraper actors")
    parser.add_argument("--jobdir", action="store_true", help="with a durable job directory")
    parser.add_argument("-s", dest="settings", action="append", default=[], metavar="NAME=VALUE", help="a setting")
    parser.add_argument("--keep", metavar="DIR", help="copy raycrawl's log and feed there")
    return parser.parse_args(argv)


def _settings(options: argparse.Namespace) -> dict[str, str]:
    settings = dict(setting.split("=", 1) for setting in options.settings)
    if options.downloaders:
        settings["DOWNLOADER_ACTORS"] = str(options.downloaders)
    if options.scrapers:
        settings["SCRAPER_ACTORS"] = str(options.scrapers)
    if options.jobdir:
        settings["JOBDIR"] = "job"
    return settings


def _report(run: Crawled, expected: set[str]) -> bool:
    usage = run.usage
    print(
        f"{run.who:<9}{run.pages_per_s():8.0f} pages/s  {run.cpu_ms_per_page():6.2f} ms CPU/page  "
        f"{usage.peak_pss_nbytes / 1e6:6.0f} MB (PSS; RSS {usage.peak_rss_nbytes / 1e6:.0f})  "
        f"{usage.wall_s:6.1f} s in all"
    )
    faults = run.faults(expected)
    for fault in faults:
        print(f"  WRONG: {fault}")
    if usage.exit_code != 0:
        print(run.output[-3000:])
    return not faults


def _print_ratios(ours: Crawled, theirs: Crawled) -> None:
    if not theirs.pages_per_s() or not ours.pages_per_s():
        print("no ratio: one of the crawls did not run")
        return
    speed = ours.pages_per_s() / theirs.pages_per_s()
    cpu = ours.cpu_ms_per_page() / theirs.cpu_ms_per_page()
    print(f"pages/s: {speed:.1f} times Scrapy's (goal: {MIN_SPEED_RATIO:.0f})")
    print(f"CPU per page: {cpu:.2f} of Scrapy's (goal: {MAX_CPU_RATIO:.2f})")
    print(f"memory: {ours.usage.peak_pss_nbytes / theirs.usage.peak_pss_nbytes:.1f} times Scrapy's")


def _print_actors(run: Crawled) -> None:
    pages = max(1, len(run.pages))
    print(f"{'process':<28}{'CPU s':>8}{'ms/page':>9}{'processes':>11}")
    for kind, seconds in sorted(run.usage.cpu_s.items(), key=lambda pair: -pair[1]):
        print(f"{kind:<28}{seconds:8.2f}{seconds * 1000 / pages:9.3f}{len(run.usage.pids[kind]):11}")


class _Profiler:
    """py-spy on each actor from when it appears, if py-spy is installed: the functions with most own time, by actor."""

    def __init__(self, work: Path) -> None:
        beside = Path(sys.executable).with_name("py-spy")
        self._program = str(beside) if beside.exists() else shutil.which("py-spy")
        self._work = work
        self._running: dict[tuple[str, int], subprocess.Popen[bytes]] = {}
        if self._program is None:
            print("py-spy is not installed: CPU by actor only")

    def attach(self, kind: str, pid: int) -> None:
        """Begin to look at an actor."""
        if self._program is None:
            return
        command = [self._program, "record", "--nonblocking", "--rate", "100", "--duration", "600", "--format", "raw"]
        command += ["--output", str(self._work / f"{pid}.raw"), "--pid", str(pid)]
        self._running[kind, pid] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        """Wait until all have written what they saw; they end with their actors, or are told to."""
        for process in self._running.values():
            try:
                process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
        for process in self._running.values():
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()

    def print(self) -> None:
        """The functions with the most own samples of each actor."""
        for kind, pid in sorted(self._running):
            file = self._work / f"{pid}.raw"
            if file.exists():
                _print_functions(f"{kind} ({pid})", file.read_text(encoding="utf-8", errors="replace"))


def _print_functions(title: str, stacks: str) -> None:
    own: dict[str, int] = {}
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        function = stack.rpartition(";")[2]
        own[function] = own.get(function, 0) + int(count)
    total = sum(own.values())
    print(f"\n{title}: {total} samples")
    for function, count in sorted(own.items(), key=lambda pair: -pair[1])[:12]:
        print(f"  {count * 100 / total:5.1f} %  {function}")
