"""How fast the frontier is: ``python -m tests.bench frontier [--part P] [--urls N] [--hosts H] [--json]``.

Parts: ``enqueue`` (new records and duplicates, one shard on RocksDB), ``cycle`` (lease and acknowledge), ``choice``
(the next requests among 100, 10,000 and 100,000 domains) and ``resume`` (a killed shard with a million pending requests
is opened again and leases its first page), ``crawl`` (one callback yields them all, through a whole crawl on Ray). Each
part runs in a process of its own, so its memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from raycrawl.core.frontier import Frontier, FrontierPolicy
from raycrawl.core.messages import Ack, RequestRecord
from raycrawl.frontier.rocks import RocksStore
from tests.bench import million

PAYLOAD_NBYTES = 160
CHOICE_DOMAINS = (100, 10_000, 100_000)
GOALS = {
    "enqueue_new_per_s": 100_000,
    "enqueue_seen_per_s": 100_000,
    "choice_us": 60.0,
    "resume_s": 2.0,
    "open_s": 0.1,
    "crawl_requests_per_s": 10_000,
    "crawl_peak_mb": 1_200,
}

Figures = dict[str, float]


def rss_mb() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def records(n: int, hosts: int, seed: int) -> list[RequestRecord]:
    """``n`` new requests that are spread over ``hosts`` domains."""
    rng = random.Random(seed)
    tail = os.urandom(PAYLOAD_NBYTES // 2) + b"u" * (PAYLOAD_NBYTES // 2)
    return [
        RequestRecord(rng.randbytes(16), f"site{rng.randrange(hosts)}.example", 0, tail[: -(i % 32) or None])
        for i in range(n)
    ]


def fill(frontier: Frontier, urls: int, hosts: int, batch: int = 1000) -> float:
    """Enqueue ``urls`` requests; returns the seconds spent in the frontier."""
    spent_s = 0.0
    for number, first in enumerate(range(0, urls, batch)):
        chunk = records(min(batch, urls - first), hosts, number)
        started_s = time.perf_counter()
        frontier.enqueue(chunk, now_s=0.0)
        spent_s += time.perf_counter() - started_s
    return spent_s


def bench_enqueue(path: Path, urls: int, hosts: int) -> Figures:
    started_s = time.perf_counter()
    store = RocksStore(path)
    frontier = Frontier(store)
    open_s = time.perf_counter() - started_s
    cpu_s = time.process_time()
    new_s = fill(frontier, urls, hosts)
    cpu_s = time.process_time() - cpu_s
    seen = min(urls, 200_000)
    seen_s = fill(frontier, seen, hosts)
    counts = frontier.counts()
    assert (counts.enqueued, counts.filtered) == (urls, seen), counts
    figures = {
        "open_s": open_s,
        "enqueue_new_per_s": urls / new_s,
        "enqueue_cpu_us": cpu_s / urls * 1e6,
        "enqueue_seen_per_s": seen / seen_s,
        "rss_mb": rss_mb(),
    }
    store.close()
    return figures


def bench_cycle(path: Path, urls: int, hosts: int) -> Figures:
    store = RocksStore(path)
    frontier = Frontier(store)
    urls = min(urls, 300_000)
    fill(frontier, urls, hosts)
    n = lease_s = ack_s = 0.0
    while n < urls:
        started_s = time.perf_counter()
        ids = [record.id for leased in frontier.lease(64, now_s=n, owners=2).values() for record in leased]
        leased_s = time.perf_counter()
        frontier.fetched(ids)
        frontier.ack([Ack(id_) for id_ in ids])
        ack_s += time.perf_counter() - leased_s
        lease_s += leased_s - started_s
        n += len(ids)
        assert ids, frontier.counts()
    figures = {"cycle_lease_us": lease_s / n * 1e6, "cycle_ack_us": ack_s / n * 1e6, "rss_mb": rss_mb()}
    store.close()
    return figures


def bench_choice(path: Path, urls: int, hosts: int) -> Figures:
    """Microseconds for each request that is chosen, in leases of 32."""
    store = RocksStore(path)
    frontier = Frontier(store, FrontierPolicy(delay_s=0.0))
    fill(frontier, max(hosts * 3, 60_000), hosts)
    spent_s, n = 0.0, 0
    while n < 30_000:
        started_s = time.perf_counter()
        leased = frontier.lease(32, now_s=1.0, owners=2)
        spent_s += time.perf_counter() - started_s
        ids = [record.id for batch in leased.values() for record in batch]
        assert ids, frontier.counts()
        frontier.ack([Ack(id_) for id_ in ids])
        n += len(ids)
    figures = {f"choice_{hosts}_us": spent_s / n * 1e6, f"choice_{hosts}_rss_mb": rss_mb()}
    store.close()
    return figures


def bench_fill(path: Path, urls: int, hosts: int) -> Figures:
    """Prepares ``resume``: fills a store and dies without closing it."""
    frontier = Frontier(RocksStore(path))
    fill(frontier, urls, hosts)
    print(json.dumps({"pending": frontier.counts().pending}), flush=True)
    os._exit(0)


def bench_resume(path: Path, urls: int, hosts: int) -> Figures:
    started_s = time.perf_counter()
    store = RocksStore(path)
    frontier = Frontier(store)
    leased = frontier.lease(32, now_s=0.0)
    spent_s = time.perf_counter() - started_s
    assert sum(map(len, leased.values())) == 32
    assert frontier.counts().enqueued == urls
    figures = {"resume_s": spent_s, "resume_rss_mb": rss_mb()}
    store.close()
    return figures


PARTS: dict[str, Callable[[Path, int, int], Figures]] = {
    "enqueue": bench_enqueue,
    "cycle": bench_cycle,
    "choice": bench_choice,
    "fill": bench_fill,
    "resume": bench_resume,
}


def run_part(part: str, path: Path, urls: int, hosts: int) -> Figures:
    """Run one part in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.frontier", "--inside", str(path), "--part", part]
    command += ["--urls", str(urls), "--hosts", str(hosts)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the part {part} failed:\n{done.stderr}")
    figures: Figures = json.loads(done.stdout)
    return figures


def run_all(parts: list[str], urls: int, hosts: int) -> Figures:
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="raycrawl-bench-") as base:
        for part in parts:
            path = Path(base) / part
            if part == "choice":
                for domains in CHOICE_DOMAINS:
                    figures |= run_part(part, Path(f"{path}-{domains}"), urls, domains)
                continue
            if part == "crawl":
                figures |= million.bench(urls, hosts)
                continue
            if part == "resume":
                run_part("fill", path, urls, hosts)
            own = run_part(part, path, urls, hosts)
            figures |= {f"{part}_{name}" if name == "rss_mb" else name: figure for name, figure in own.items()}
    return figures


def missed_goals(figures: Figures) -> list[str]:
    """What is worse than ``GOALS``, in words."""
    missed = []
    for name, figure in figures.items():
        goal = GOALS.get("choice_us" if name.startswith("choice") and name.endswith("_us") else name)
        if goal is not None and (figure < goal if name.endswith("per_s") else figure > goal):
            missed.append(f"{name}: {figure:,.3f}, goal {goal:,}")
    return missed


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="frontier", description=__doc__)
    parser.add_argument("--part", action="append", choices=sorted([*PARTS, "crawl"]))
    parser.add_argument("--urls", type=int, default=1_000_000)
    parser.add_argument("--hosts", type=int, default=5_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.inside:
        print(json.dumps(PARTS[args.part[0]](Path(args.inside), args.urls, args.hosts)))
        return 0
    figures = run_all(args.part or ["enqueue", "cycle", "choice", "resume", "crawl"], args.urls, args.hosts)
    missed = missed_goals(figures)
    if args.json:
        print(json.dumps({"figures": figures, "missed": missed}))
    else:
        for name, figure in figures.items():
            print(f"{name:24} {figure:14,.3f}")
        print("\n".join(missed) or "all goals met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
