"""kill -9 of a process that writes a feed, again and again at any moment: every item once, and a whole file."""

from __future__ import annotations

import csv
import gzip
import json
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

PAGES = 400
KILLS = 6

# Writes all pages, again and again those that it may have written before, and says where it is after each commit.
WRITER = textwrap.dedent(
    """
    import json, sys
    from raycrawl.feeds import FeedWriter
    from raycrawl.settings import Settings

    uri, workdir, options, pages = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
    writer = FeedWriter(uri, options, settings=Settings(), workdir=workdir)
    writer.open()
    print("open", flush=True)
    for start in range(0, pages, 8):
        numbers = range(start, start + 8)
        writer.write([(n.to_bytes(16, "big"), [{"n": n, "k": k, "t": "text, " * 40} for k in (0, 1)]) for n in numbers])
        writer.commit()
        print("commit", flush=True)
    writer.close()
    print("closed", flush=True)
    """
)


def run(arguments: list[str], stop_after: int | None) -> bool:
    """Run the writer; kill it after so many lines of its output. True when it came to its end."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        last = ""
        for number, line in enumerate(process.stdout):
            last = line.strip()
            if number == stop_after:
                process.send_signal(signal.SIGKILL)
    return last == "closed"


def read(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    if path.suffix == ".json":
        items: list[dict[str, Any]] = json.loads(data)
        return items
    if path.suffix == ".csv":
        return list(csv.DictReader(data.decode().splitlines()))
    if path.suffix == ".xml":
        return [{field.tag: field.text for field in item} for item in etree.fromstring(data)]
    return [json.loads(line) for line in data.splitlines()]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("out.jsonl", {}),
        ("out.json", {"overwrite": True}),
        ("out.csv", {}),
        ("out.xml", {}),
        ("out.parquet", {"item_export_kwargs": {"row_group_size": 37}}),
        ("out.jsonl.gz", {"format": "jsonl", "postprocessing": ["raycrawl.extensions.postprocessing.GzipPlugin"]}),
        ("out-%(batch_id)03d.json", {"batch_item_count": 30}),
    ],
)
def test_killed_at_any_moment(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    arguments = [str(tmp_path / name), str(tmp_path / "work"), json.dumps(options), str(PAGES)]
    moments = random.Random(name)
    # A kill comes while the next pages are being written: its moment is the machine's choice.
    finished = [run(arguments, stop_after=moments.randrange(PAGES // 8)) for _ in range(KILLS)]
    assert not all(finished), "no kill came in time to test anything"
    assert run(arguments, stop_after=None)
    files = sorted(tmp_path.glob("out*"))
    items = sorted((int(item["n"]), int(item["k"])) for file in files for item in read(file))
    assert items == [(n, k) for n in range(PAGES) for k in (0, 1)]
