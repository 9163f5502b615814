"""What a feed costs: items a second that one core decodes, exports and commits, and the memory it takes.

    python -m tests.bench feeds [--items 1000000] [--formats jsonl,parquet] [--pages-per-batch 32] [--items-per-page 4]

The items come as they do in a crawl: batches of pages, encoded, each committed and later forgotten. A format runs in a
process of its own, so that the memory is its own. Goals: JSON Lines 50,000/s, Parquet 100,000/s, under 300 MB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_GOALS = {"jsonl": 50_000, "parquet": 100_000}
_MEMORY_GOAL_MB = 300


def _item(number: int) -> dict[str, Any]:
    return {
        "url": f"https://books.example/catalogue/{number}.html",
        "title": f"A title of a book, number {number}",
        "price": number % 5000 / 100,
        "tags": ["fiction", "history"],
        "in_stock": number % 3 == 0,
    }


def _run(format_name: str, items: int, pages: int, per_page: int) -> dict[str, float]:
    from raycrawl.feeds import FeedWriter, decode_items, encode_items
    from raycrawl.settings import Settings

    batch = pages * per_page
    # 64 different batches, encoded beforehand: encoding is the Scraper's cost
    blobs = [encode_items([_item(start * batch + at) for at in range(batch)]) for start in range(64)]
    encode_started = time.process_time()
    encode_items([_item(0)] * 100_000)
    encode_us = (time.process_time() - encode_started) * 10
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / f"out.{format_name}"
        writer = FeedWriter(str(output), {}, settings=Settings(), workdir=directory)
        writer.open()
        wall, cpu = time.perf_counter(), time.process_time()
        previous: list[bytes] = []
        for number in range(items // batch):
            rows = decode_items(blobs[number % len(blobs)])
            ids = [(number * pages + page).to_bytes(16, "big") for page in range(pages)]
            writer.write([(ids[page], rows[page * per_page : (page + 1) * per_page]) for page in range(pages)])
            writer.commit()
            writer.forget(previous)
            previous = ids
        result = writer.close()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        written = _count(output, format_name)
        if written != result.items:
            raise SystemExit(f"{format_name}: {result.items} items were exported, {written} are in the file")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"items": written, "cpu_s": cpu, "wall_s": wall, "rate": written / cpu, "peak_mb": peak_mb,
            "encode_us": encode_us}  # fmt: skip


def _count(output: Path, format_name: str) -> int:
    if format_name == "parquet":
        import pyarrow.parquet as pq

        return int(pq.read_metadata(output).num_rows)
    with output.open("rb") as file:
        if format_name == "xml":
            return sum(chunk.count(b"<item>") for chunk in file)
        lines = sum(1 for _ in file)
    return lines - {"csv": 1, "json": 2}.get(format_name, 0)


def main(argv: list[str]) -> int:
    """Run the bench; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench feeds")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--formats", default="jsonl,parquet,json,csv,xml")
    parser.add_argument("--pages-per-batch", type=int, default=32)
    parser.add_argument("--items-per-page", type=int, default=4)
    parser.add_argument("--only", help="run one format in this process and print its figures as JSON")
    options = parser.parse_args(argv)
    if options.only:
        print(json.dumps(_run(options.only, options.items, options.pages_per_batch, options.items_per_page)))
        return 0
    missed = 0
    print(f"{'format':8} {'items':>9} {'items/CPU s':>12} {'wall s':>7} {'peak MB':>8} {'encode us':>10}")
    for format_name in options.formats.split(","):
        command = [sys.executable, "-m", "tests.bench", "feeds", *argv, "--only", format_name]
        figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        bad = figures["rate"] < _GOALS.get(format_name, 0) or figures["peak_mb"] > _MEMORY_GOAL_MB
        missed += bad
        print(
            f"{format_name:8} {figures['items']:>9.0f} {figures['rate']:>12,.0f} {figures['wall_s']:>7.1f} "
            f"{figures['peak_mb']:>8.0f} {figures['encode_us']:>10.2f}{'  GOAL MISSED' if bad else ''}"
        )
    return 1 if missed else 0
