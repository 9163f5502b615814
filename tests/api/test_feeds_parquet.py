"""Parquet: columns of whatever items hold, files that grow and are put together, the exporter."""

from __future__ import annotations

import dataclasses
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raycrawl import Field, Item
from raycrawl.exporters import ParquetItemExporter
from raycrawl.feeds import FeedResult, FeedWriter
from raycrawl.feeds import parquet as parquet_module
from raycrawl.feeds.columns import column, common_schema
from raycrawl.settings import Settings


class Book(Item):
    name = Field(serializer=str.upper)
    price = Field()


@dataclasses.dataclass
class Point:
    x: int


class Feed:
    def __init__(self, tmp_path: Path, **options: Any) -> None:
        self.path = tmp_path / "out.parquet"
        self.workdir = tmp_path / "work"
        self.options = options

    def open(self) -> FeedWriter:
        writer = FeedWriter(str(self.path), self.options, settings=Settings(), workdir=self.workdir)
        writer.open()
        return writer

    def write(self, *items: Any) -> FeedResult:
        writer = self.open()
        for number, item in enumerate(items):
            writer.write([(number.to_bytes(16, "big"), [item])])
            writer.commit()
        return writer.close()

    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(self.path).to_pylist()
        return rows


def row_groups(size: int) -> dict[str, Any]:
    return {"item_export_kwargs": {"row_group_size": size}}


def test_types_follow_the_items(tmp_path: Path) -> None:
    item = {
        "text": "é", "int": 1, "float": 1.5, "bool": True, "bytes": b"x", "date": date(2020, 1, 2),
        "time": datetime(2020, 1, 2, 3, 4, 5), "price": Decimal("1.10"), "list": ["a"], "tuple": (1, 2),
        "struct": {"a": 1, "b": ["x"]}, "point": Point(1), "none": None,
    }  # fmt: skip
    feed = Feed(tmp_path)
    feed.write(item)
    assert feed.rows() == [{**item, "tuple": [1, 2], "point": {"x": 1}}]
    schema = pq.read_schema(feed.path)
    assert schema.field("int").type == pa.int64()
    assert schema.field("none").type == pa.string()


def test_items_of_different_shapes(tmp_path: Path) -> None:
    feed = Feed(tmp_path, **row_groups(2))
    feed.write({"a": 1}, {"b": "x"}, {"a": 2.5}, {"a": None, "c": [1]}, Book(name="n", price=3))
    rows = feed.rows()
    assert list(rows[0]) == ["a", "b", "c", "name", "price"]
    assert [row["a"] for row in rows] == [1.0, None, 2.5, None, None]
    assert rows[4] == {"a": None, "b": None, "c": None, "name": "N", "price": 3}


@pytest.mark.parametrize("size", [1, 100])
def test_values_that_do_not_agree_become_text(tmp_path: Path, size: int) -> None:
    feed = Feed(tmp_path, **row_groups(size))
    feed.write({"a": 1}, {"a": "one"}, {"a": {"x": [1, None]}}, {"a": None}, {"a": True})
    assert [row["a"] for row in feed.rows()] == ["1", "one", '{"x": [1, null]}', None, "true"]


def test_structs_that_differ_are_merged(tmp_path: Path) -> None:
    feed = Feed(tmp_path, **row_groups(1))
    feed.write({"a": {"x": 1}}, {"a": {"y": "t"}})
    assert [row["a"] for row in feed.rows()] == [{"x": 1, "y": None}, {"x": None, "y": "t"}]


def test_nasty_values_cost_no_row(tmp_path: Path) -> None:
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    bottomless: Any = []
    for _ in range(100_000):
        bottomless = [bottomless]
    ring: list[Any] = []
    ring.append(ring)
    items = [
        {"a": "\ud800"}, {"a": "\x00"}, {"a": float("nan")}, {"a": 2**70}, {"a": {}}, {"a": object()}, {"a": cycle},
        {"a": {1: 2}}, {"a": {"s"}}, {"a": "x" * 2_000_000},
        {"a": deep}, {"a": bottomless}, {"a": ring}, {"a": (ring,)},
    ]  # fmt: skip
    result = Feed(tmp_path).write(*items)
    assert len(Feed(tmp_path).rows()) == result.items == len(items) - result.stats.get("feedexport/items_dropped", 0)
    assert result.items >= len(items) - 1  # the bottomless one
    assert Feed(tmp_path).rows()[0]["a"] == "\ufffd"


@pytest.mark.parametrize("nasty", ["cycle", "ring", "deep"])
def test_alone_in_its_column(tmp_path: Path, nasty: str) -> None:
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    ring: list[Any] = []
    ring.append(ring)
    deep: Any = []
    for _ in range(450):
        deep = [deep]
    value = {"cycle": cycle, "ring": ring, "deep": deep}[nasty]
    result = Feed(tmp_path).write({nasty: value, "a": 1})
    assert result.items == 1
    assert isinstance(Feed(tmp_path).rows()[0][nasty], str)


def test_rows_that_arrow_fails_with_are_stored_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(values: list[Any]) -> Any:
        raise AssertionError("a bug in a converter")

    monkeypatch.setattr("raycrawl.feeds.columns.column", fail)
    result = Feed(tmp_path).write({"a": 1}, {"b": [2]})
    assert result.items == 2
    assert Feed(tmp_path).rows() == [{"a": "1", "b": None}, {"a": None, "b": "[2]"}]


def test_a_schema_that_is_given(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    schema = pa.schema([("name", pa.string()), ("price", pa.float32()), ("stock", pa.int8())])
    feed = Feed(tmp_path, item_export_kwargs={"schema": schema})
    result = feed.write({"price": 1, "name": 5}, {"price": "much", "zork": 1, "stock": 1000})
    assert pq.read_schema(feed.path) == schema
    assert feed.rows() == [
        {"name": "5", "price": 1.0, "stock": None}, {"name": None, "price": None, "stock": None},
    ]  # fmt: skip
    assert result.stats["feedexport/values_nulled"] == 2
    assert "zork" in caplog.text


def test_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Feed(tmp_path, **row_groups(10)).write(*({"a": number} for number in range(25)))
    metadata = pq.read_metadata(tmp_path / "out.parquet")
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [10, 10, 5]
    monkeypatch.setattr(parquet_module, "_ROW_GROUP_NBYTES", 5_000)
    feed = Feed(tmp_path, overwrite=True)
    feed.workdir = tmp_path / "other"
    feed.write(*({"a": "x" * 1000} for _ in range(12)))
    metadata = pq.read_metadata(feed.path)
    assert metadata.num_rows == 12
    assert metadata.num_row_groups == 3


def test_fields_and_options(tmp_path: Path) -> None:
    feed = Feed(tmp_path, fields={"price": "Price", "name": "Name"}, item_export_kwargs={"compression": "gzip"})
    feed.write({"name": "x", "price": 1, "other": 2})
    assert feed.rows() == [{"Price": 1, "Name": "x"}]
    assert pq.read_metadata(feed.path).row_group(0).column(0).compression == "GZIP"


def test_an_empty_one(tmp_path: Path) -> None:
    Feed(tmp_path).write()
    assert Feed(tmp_path).rows() == []


def test_appending(tmp_path: Path) -> None:
    Feed(tmp_path).write({"a": 1})
    feed = Feed(tmp_path)
    feed.workdir = tmp_path / "other"
    feed.write({"a": 2, "b": "x"})
    assert feed.rows() == [{"a": 1, "b": None}, {"a": 2, "b": "x"}]


def test_what_was_not_committed_is_forgotten(tmp_path: Path) -> None:
    feed = Feed(tmp_path, **row_groups(3))
    writer = feed.open()
    writer.write([(bytes(16), [{"a": number} for number in range(5)])])
    writer.commit()
    writer.write([(b"1" * 16, [{"a": number} for number in range(10)])])  # two more segments
    writer._journal.close()
    writer = feed.open()
    writer.write([(bytes(16), [{"a": 0}]), (b"2" * 16, [{"a": 5}])])
    assert writer.close().items == 6
    assert [row["a"] for row in feed.rows()] == list(range(6))


def test_paused_and_continued(tmp_path: Path) -> None:
    feed = Feed(tmp_path, **row_groups(2))
    writer = feed.open()
    writer.write([(bytes(16), [{"a": 1}, {"a": 2}, {"a": 3}])])
    writer.close("shutdown")
    assert len(feed.rows()) == 3
    writer = feed.open()
    writer.write([(bytes(16), [{"a": 1}]), (b"1" * 16, [{"a": 4}])])
    writer.close()
    assert [row["a"] for row in feed.rows()] == [1, 2, 3, 4]
    assert not list(feed.workdir.rglob("*.parquet"))


def export(*items: Any, **options: Any) -> Any:
    file = io.BytesIO()
    exporter = ParquetItemExporter(file, **options)
    exporter.start_exporting()
    for item in items:
        exporter.export_item(item)
    exporter.finish_exporting()
    return pq.read_table(io.BytesIO(file.getvalue()))


class TestExporter:
    def test_rows(self) -> None:
        assert export({"a": 1}, Book(name="x")).to_pylist() == [{"a": 1, "name": None}, {"a": None, "name": "X"}]
        assert export().num_rows == 0

    def test_a_cycle_does_not_end_the_process(self) -> None:
        cycle: dict[str, Any] = {}
        cycle["self"] = cycle
        assert export({"a": cycle}).to_pylist() == [{"a": "{'self': {...}}"}]

    def test_the_first_row_group_fixes_the_schema(self, caplog: pytest.LogCaptureFixture) -> None:
        table = export({"a": 1}, {"a": 2, "late": 1}, row_group_size=1)
        assert table.to_pylist() == [{"a": 1}, {"a": 2}]
        assert "late" in caplog.text

    def test_options(self) -> None:
        table = export({"a": 1, "b": 2}, fields_to_export=["b"], schema=pa.schema([("b", pa.int8())]))
        assert table.schema.field("b").type == pa.int8()
        with pytest.raises(ValueError, match="row_group_size"):
            ParquetItemExporter(io.BytesIO(), row_group_size=0)
        with pytest.raises(TypeError, match="zork"):
            ParquetItemExporter(io.BytesIO(), zork=1)


def test_columns() -> None:
    assert column([1, 2.5]).type == pa.float64()
    assert column([{1, 2}]).to_pylist() == [[1, 2]]
    assert column([{"a": {}}]).to_pylist() == ['{"a": {}}']
    assert column([datetime(2020, 1, 1, tzinfo=UTC)]).type.tz == "UTC"


def test_common_schema() -> None:
    schemas = [pa.schema([("a", pa.int64()), ("b", pa.null())]), pa.schema([("c", pa.string()), ("a", pa.float64())])]
    assert common_schema(schemas) == pa.schema([("a", pa.float64()), ("b", pa.string()), ("c", pa.string())])
