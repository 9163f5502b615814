"""Nasty item values on their way through a whole crawl: every feed stays readable, what cannot be written is said."""

from __future__ import annotations

import csv
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from raycrawl import Spider
from tests.actors.local import ROOT, FakeSite, Run

CYCLE: dict[str, Any] = {"name": "cycle"}
CYCLE["self"] = CYCLE
NESTED: list[Any] = []
for _ in range(3000):
    NESTED = [NESTED]
FINE = {
    "plain": "words",
    "surrogate": "\ud800 and \udcff",
    "nul": "a\x00b",
    "controls": "\x01\x08\x0b\x1f\x7f\x85\u2028\ufffe",
    "lines": 'a\r\nb\rc\n"d",\te',
    "nan": float("nan"),
    "infinite": float("-inf"),
    "large number": 10**40,
    "bytes": b"\xff\x00",
    "set": {3},
    "formula": "=1+1",
    "markup": "]]><a>&amp;",
}


@pytest.fixture(autouse=True)
def _long_csv_fields() -> Iterator[None]:
    before = csv.field_size_limit(2**31)
    yield
    csv.field_size_limit(before)  # it belongs to the process, and so to the next test


class Nasty(Spider):
    """One item for each value, with the ones that cannot be written in between."""

    name = "nasty"
    start_urls = [f"{ROOT}p/0"]
    size = 5_000_000

    def parse(self, response: Any) -> Any:
        for name, value in FINE.items():
            yield {"name": name, "value": value}
        yield {"name": "large", "value": "x" * self.size}
        yield CYCLE
        yield {"name": "nested", "value": NESTED}
        yield {"name": "open file", "value": open(__file__, "rb")}  # noqa: SIM115
        yield {"name": "function", "value": lambda: None}
        yield {"name": "last", "value": 1}


def read_json(path: Path) -> list[str]:
    return [item["name"] for item in json.loads(path.read_text("utf-8"))]


def read_jsonlines(path: Path) -> list[str]:
    return [json.loads(line)["name"] for line in path.read_text("utf-8").split("\n") if line]


def read_csv(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return [row["name"] for row in csv.DictReader(file)]


def read_xml(path: Path) -> list[str]:
    return [str(item.findtext("name")) for item in ElementTree.parse(path).getroot()]


def read_pickle(path: Path) -> list[str]:
    names = []
    with path.open("rb") as file:
        while True:
            try:
                names.append(pickle.load(file)["name"])
            except EOFError:
                return names


def read_parquet(path: Path) -> list[str]:
    import pyarrow.parquet

    return [str(name) for name in pyarrow.parquet.read_table(path).column("name").to_pylist()]


# What a format has no way to hold, and what does not even travel to the feeds: each is said and counted.
LEFT_OUT = {
    "jsonlines": ("bytes", "cycle", "function"), "json": ("bytes", "cycle", "function"), "csv": ("bytes",),
    "xml": ("cycle",), "pickle": ("function",),
}  # fmt: skip
NOWHERE = ("nested", "open file")
READERS = {
    "jsonlines": read_jsonlines, "json": read_json, "csv": read_csv, "xml": read_xml, "pickle": read_pickle,
    "parquet": read_parquet,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_every_feed_stays_readable(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    feeds = {str(tmp_path / f"items.{name}"): {"format": name, "overwrite": True} for name in READERS}
    run = await Run(Nasty, FakeSite(lambda path: b""), tmp_path, feeds=feeds).finish(30)
    assert run.stats["finish_reason"] == "finished"
    assert run.stats["audit"] == ""
    names = [*FINE, "large", "cycle", "function", "last"]
    for format_, reader in READERS.items():
        expected = [name for name in names if name not in LEFT_OUT.get(format_, ())]
        assert reader(tmp_path / f"items.{format_}") == expected, format_
    count = len(NOWHERE) + sum(map(len, LEFT_OUT.values()))
    assert run.stats["feedexport/items_dropped"] == count
    assert caplog.text.count("An item is missing in its feed") == count - len(NOWHERE)
    errors = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert len([error for error in errors if "cannot travel" in error]) == len(NOWHERE)
