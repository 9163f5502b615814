"""The feed writer: every page once, files that are whole, batches, targets, options."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import os
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from raycrawl import Field, Item
from raycrawl.exporters import JsonLinesItemExporter
from raycrawl.feeds import FeedResult, FeedWriter
from raycrawl.feeds import parts as parts_module
from raycrawl.feeds.journal import FeedError
from raycrawl.settings import Settings

PLUGINS = "raycrawl.extensions.postprocessing"
GZIP = [f"{PLUGINS}.GzipPlugin"]
NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def page(number: int, *items: Any) -> tuple[bytes, list[Any]]:
    return number.to_bytes(16, "big"), list(items)


def read(path: Path) -> list[Any]:
    """The items of a feed, by a reader that is not ours."""
    data = path.read_bytes()
    if path.suffix == ".json":
        items: list[Any] = json.loads(data)
        return items
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return [{key: int(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
    if path.suffix == ".xml":
        return [{field.tag: int(field.text or "") for field in item} for item in etree.fromstring(data)]
    if path.suffix == ".pickle":
        with path.open("rb") as file:
            return [pickle.load(file) for _ in range(data.count(b"\x80\x04"))]
    return [json.loads(line) for line in data.splitlines()]


class Feed:
    """Makes writers of one feed and abandons them as a crash would."""

    def __init__(self, tmp_path: Path, name: str = "out.jsonl", /, settings: Any = None, **options: Any) -> None:
        self.uri = str(tmp_path / name)
        self.path = tmp_path / name
        self.workdir = tmp_path / "work"
        self.options = options
        self.settings = Settings(settings or {})
        self.extra: dict[str, Any] = {}

    def open(self, resume: bool = True) -> FeedWriter:
        writer = FeedWriter(
            self.uri, self.options, settings=self.settings, workdir=self.workdir,
            **{"spider": {"name": "spidey", "shop": "s1"}, "now": lambda: NOW, **self.extra},
        )  # fmt: skip
        writer.open(resume)
        return writer

    def write_all(self, *pages: Any) -> FeedResult:
        writer = self.open()
        writer.write(pages)
        return writer.close()


def crash(writer: FeedWriter) -> None:
    """Let go of the lock, as the death of the process does; whatever was not committed stays as it is."""
    writer._journal.close()


GROWING = ["out.jsonl", "out.json", "out.csv", "out.xml", "out.pickle"]


@pytest.mark.parametrize("name", GROWING)
class TestOnce:
    def test_a_page_that_comes_again_is_skipped(self, tmp_path: Path, name: str) -> None:
        feed = Feed(tmp_path, name)
        writer = feed.open()
        assert writer.write([page(1, {"a": 1}), page(1, {"a": 1}), page(2, {"a": 2}, {"a": 3})]) == 1
        writer.commit()
        assert writer.write([page(2, {"a": 2}, {"a": 3})]) == 1
        result = writer.close()
        assert read(feed.path) == [{"a": 1}, {"a": 2}, {"a": 3}]
        assert result.items == 3
        assert result.stats["feedexport/duplicate_pages"] == 2
        assert result.stats["feedexport/success_count/FileFeedStorage"] == 1

    def test_committed_is_kept_and_uncommitted_is_cut(self, tmp_path: Path, name: str) -> None:
        feed = Feed(tmp_path, name)
        writer = feed.open()
        writer.write([page(1, {"a": 1})])
        writer.commit()
        writer.write([page(2, {"a": 2})])
        assert writer._part
        writer._part.flush()  # it is in the file, but not in the journal
        assert len(read(feed.path)) == 2
        crash(writer)
        writer = feed.open()
        assert read(feed.path) == [{"a": 1}]
        writer.write([page(1, {"a": 1}), page(2, {"a": 2}), page(3, {"a": 3})])
        assert writer.close().items == 3
        assert read(feed.path) == [{"a": 1}, {"a": 2}, {"a": 3}]

    def test_the_file_is_whole_after_every_commit(self, tmp_path: Path, name: str) -> None:
        feed = Feed(tmp_path, name)
        writer = feed.open()
        for number in range(1, 5):
            writer.write([page(number, {"a": number})])
            writer.commit()
            assert read(feed.path) == [{"a": each} for each in range(1, number + 1)]
        crash(writer)

    def test_a_paused_crawl_leaves_a_whole_file_and_goes_on(self, tmp_path: Path, name: str) -> None:
        feed = Feed(tmp_path, name, overwrite=True)
        writer = feed.open()
        writer.write([page(1, {"a": 1})])
        writer.close("shutdown")
        assert read(feed.path) == [{"a": 1}]
        feed.write_all(page(1, {"a": 1}), page(2, {"a": 2}))
        assert read(feed.path) == [{"a": 1}, {"a": 2}]

    def test_killed_between_the_end_of_the_feed_and_that_of_the_crawl(self, tmp_path: Path, name: str) -> None:
        feed = Feed(tmp_path, name, overwrite=True)
        feed.write_all(page(1, {"a": 1}))
        assert feed.write_all(page(1, {"a": 1})).items == 1
        assert read(feed.path) == [{"a": 1}]

    def test_a_crawl_that_starts_anew_in_the_same_place(self, tmp_path: Path, name: str) -> None:
        feed = Feed(tmp_path, name, overwrite=True)
        feed.write_all(page(1, {"a": 1}))
        writer = feed.open(resume=False)
        writer.write([page(1, {"a": 5})])
        writer.close()
        assert read(feed.path) == [{"a": 5}]

    def test_another_crawl_appends_and_the_file_stays_valid(self, tmp_path: Path, name: str) -> None:
        for number in (1, 2, 3):
            feed = Feed(tmp_path, name)
            feed.workdir = tmp_path / f"work{number}"
            assert feed.write_all(page(1, {"a": number})).items == 1
        assert read(tmp_path / name) == [{"a": 1}, {"a": 2}, {"a": 3}]

    def test_a_crash_before_the_first_commit_of_an_appending_crawl(self, tmp_path: Path, name: str) -> None:
        Feed(tmp_path, name).write_all(page(1, {"a": 1}))
        before = (tmp_path / name).read_bytes()
        feed = Feed(tmp_path, name)
        feed.workdir = tmp_path / "other"
        writer = feed.open()
        writer.write([page(1, {"a": 2})])
        assert writer._part
        writer._part.flush()
        writer._journal._append({"v": 1, "ids": b"", "state": {**writer._state, "current": None}, "files": []})
        writer._journal.intend(writer._file.to_dict())  # type: ignore[union-attr]
        crash(writer)
        feed.open()
        assert (tmp_path / name).read_bytes() == before

    def test_another_crawl_overwrites(self, tmp_path: Path, name: str) -> None:
        for number in (1, 2):
            feed = Feed(tmp_path, name, overwrite=True)
            feed.workdir = tmp_path / f"work{number}"
            feed.write_all(page(1, *[{"a": number}] * (3 - number)))
        assert read(tmp_path / name) == [{"a": 2}]

    def test_a_disk_that_is_full_loses_and_doubles_nothing(
        self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        feed = Feed(tmp_path, name)
        writer = feed.open()
        writer.write([page(1, {"a": 1})])
        writer.commit()

        def full(fd: int, data: bytes, offset: int) -> int:
            os.pwrite(fd, data[: len(data) // 2], offset)
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(parts_module, "write_all", full)
            writer.write([page(2, {"a": 2})])
            for _ in range(2):
                with pytest.raises(OSError, match="No space"):
                    writer.commit()
        writer.write([page(2, {"a": 2}), page(3, {"a": 3})])
        writer.commit()
        writer.close()
        assert read(feed.path) == [{"a": 1}, {"a": 2}, {"a": 3}]


class TestEmpty:
    @pytest.mark.parametrize(("name", "data"), [
        ("a.json", b"[\n\n]"), ("a.jsonl", b""), ("a.csv", b""),
        ("a.xml", b'<?xml version="1.0" encoding="utf-8"?>\n<items>\n</items>'),
    ])  # fmt: skip
    def test_an_empty_feed_is_stored(self, tmp_path: Path, name: str, data: bytes) -> None:
        feed = Feed(tmp_path, name)
        assert feed.write_all().stats == {"feedexport/success_count/FileFeedStorage": 1}
        assert feed.path.read_bytes() == data

    def test_store_empty_off(self, tmp_path: Path) -> None:
        feed = Feed(tmp_path, "a.json", store_empty=False)
        assert feed.write_all() == FeedResult(uri=feed.uri, items=0, files=(), failed=(), stats={})
        assert not feed.path.exists()

    def test_pages_without_items(self, tmp_path: Path) -> None:
        feed = Feed(tmp_path, "a.json")
        feed.write_all(page(1), page(2))
        assert read(feed.path) == []


class TestAppending:
    def test_a_json_array_of_other_shapes(self, tmp_path: Path) -> None:
        for number, text in enumerate(["[]", " [ ] \n", '[{"a": 0}]\n', '[\n{"a": 0}\n]', '[{"a": "[]"}]']):
            feed = Feed(tmp_path, f"{number}.json")
            feed.path.write_text(text)
            feed.write_all(page(1, {"a": 1}), page(2, {"a": 2}))
            assert read(feed.path) == [*json.loads(text), {"a": 1}, {"a": 2}]

    @pytest.mark.parametrize(
        ("name", "text"), [("a.json", '{"a": 1}'), ("b.json", "[1, 2"), ("c.xml", "<other></other>")]
    )
    def test_what_cannot_be_appended_to_is_refused_at_once(self, tmp_path: Path, name: str, text: str) -> None:
        feed = Feed(tmp_path, name)
        feed.path.write_text(text)
        with pytest.raises(FeedError, match=name):
            feed.open()
        assert feed.path.read_text() == text

    def test_csv_keeps_the_header_and_its_columns(self, tmp_path: Path) -> None:
        feed = Feed(tmp_path, "a.csv")
        feed.path.write_text("b,a\n1,2")
        feed.write_all(page(1, {"a": 3, "b": 4}))
        assert feed.path.read_text().split() == ["b,a", "1,2", "4,3"]

    def test_a_line_without_its_end(self, tmp_path: Path) -> None:
        feed = Feed(tmp_path, "a.jsonl")
        feed.path.write_text('{"a": 0}')
        feed.write_all(page(1, {"a": 1}))
        assert read(feed.path) == [{"a": 0}, {"a": 1}]

    def test_a_compressed_feed(self, tmp_path: Path) -> None:
        for number in (1, 2):
            feed = Feed(tmp_path, "a.jsonl.gz", format="jsonl", postprocessing=GZIP)
            feed.workdir = tmp_path / f"w{number}"
            feed.write_all(page(1, {"a": number}))
        lines = gzip.decompress(feed.path.read_bytes()).splitlines()
        assert [json.loads(line) for line in lines] == [{"a": 1}, {"a": 2}]


class TestOptions:
    def test_settings_are_the_fallback(self, tmp_path: Path) -> None:
        settings = {"FEED_EXPORT_ENCODING": "utf-8", "FEED_EXPORT_FIELDS": ["b", "a"], "FEED_EXPORT_INDENT": None}
        feed = Feed(tmp_path, "a.json", settings)
        feed.write_all(page(1, {"a": "é", "b": 2, "c": 3}))
        assert feed.path.read_bytes() == '[{"b": 2, "a": "é"}]'.encode()

    def test_the_feeds_own_options_come_first(self, tmp_path: Path) -> None:
        feed = Feed(
            tmp_path, "a.json", {"FEED_EXPORT_ENCODING": "utf-8"}, encoding="latin-1", fields={"a": "A", "b": "B"},
            indent=1, item_export_kwargs={"export_empty_fields": True, "sort_keys": True},
        )  # fmt: skip
        feed.write_all(page(1, {"b": "é"}))
        assert feed.path.read_bytes() == '[\n{\n "A": null,\n "B": "é"\n}\n]'.encode("latin-1")

    def test_item_classes_and_serializers(self, tmp_path: Path) -> None:
        class Book(Item):
            price = Field(serializer=lambda value: f"{value} $")

        feed = Feed(tmp_path, item_classes=[Book])
        feed.write_all(page(1, {"a": 1}, Book(price=3)))
        assert read(feed.path) == [{"price": "3 $"}]

    def test_a_filter_and_one_that_fails(self, tmp_path: Path) -> None:
        class Cheap:
            def __init__(self, feed_options: dict[str, Any]) -> None:
                self.limit = feed_options["limit"]

            def accepts(self, item: Any) -> bool:
                return bool(item["price"] < self.limit)

        feed = Feed(tmp_path, item_filter=Cheap, limit=5)
        result = feed.write_all(page(1, {"price": 4}, {"price": 5}, {"no": "price"}))
        assert read(feed.path) == [{"price": 4}]
        assert result.stats["feedexport/items_dropped"] == 1

    def test_the_format_comes_from_the_extension(self, tmp_path: Path) -> None:
        with pytest.raises(FeedError, match=r"a\.zork.*unknown format 'zork'"):
            Feed(tmp_path, "a.zork").open()
        with pytest.raises(FeedError, match="no extension"):
            Feed(tmp_path, "a").open()

    def test_a_format_of_ones_own(self, tmp_path: Path) -> None:
        class Shouting(JsonLinesItemExporter):
            def export_item(self, item: Any) -> None:
                super().export_item({"loud": item["a"].upper()})

        feed = Feed(tmp_path, "a.shout", {"FEED_EXPORTERS": {"shout": Shouting}})
        feed.write_all(page(1, {"a": "x"}))
        assert read(feed.path) == [{"loud": "X"}]

    def test_uri_parameters(self, tmp_path: Path) -> None:
        feed = Feed(tmp_path, "%(name)s-%(shop)s-%(time)s.json")
        (file,) = feed.write_all(page(1, {"a": 1})).files
        assert file == str(tmp_path / "spidey-s1-2026-01-02T03-04-05.json")
        assert read(Path(file)) == [{"a": 1}]
        with pytest.raises(FeedError, match="zork"):
            Feed(tmp_path, "%(zork)s.json").open()

    def test_a_function_for_uri_parameters(self, tmp_path: Path) -> None:
        def more(params: dict[str, Any], spider: Any) -> dict[str, Any]:
            return {**params, "more": spider.shop}

        feed = Feed(tmp_path, "%(name)s-%(more)s.json", uri_params=more)
        assert feed.write_all().files == (str(tmp_path / "spidey-s1.json"),)

    def test_percent_signs_without_parameters_are_left_alone(self, tmp_path: Path) -> None:
        assert Feed(tmp_path, "100%.json").write_all().files == (str(tmp_path / "100%.json"),)

    @pytest.mark.parametrize(("plugin", "opener"), [("Gzip", gzip.open), ("Bz2", bz2.open), ("LZMA", lzma.open)])
    def test_postprocessing(self, tmp_path: Path, plugin: str, opener: Callable[..., Any]) -> None:
        feed = Feed(tmp_path, "a.z", format="json", postprocessing=[f"{PLUGINS}.{plugin}Plugin"])
        feed.write_all(page(1, {"a": 1}), page(2, {"a": 2}))
        with opener(feed.path) as file:
            assert json.load(file) == [{"a": 1}, {"a": 2}]

    def test_a_directory_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(FeedError, match=r"file.out\.json"):
            Feed(tmp_path, "file/out.json").open()

    def test_two_writers_of_one_feed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("raycrawl.feeds.journal._LOCK_PATIENCE_S", 0.0)
        feed = Feed(tmp_path)
        first = feed.open()
        with pytest.raises(FeedError, match="another process"):
            feed.open()
        first.close()
        feed.open().close()

    def test_a_file_that_was_cut_behind_our_back(self, tmp_path: Path) -> None:
        feed = Feed(tmp_path)
        writer = feed.open()
        writer.write([page(1, {"a": 1})])
        writer.commit()
        crash(writer)
        feed.path.write_text("")
        with pytest.raises(FeedError, match=r"out\.jsonl has 0 bytes"):
            feed.open()


class TestBatches:
    def test_full_ones_are_delivered_before_the_end(self, tmp_path: Path) -> None:
        feed = Feed(tmp_path, "b-%(batch_id)02d.json", batch_item_count=2)
        writer = feed.open()
        writer.write([page(1, *({"a": number} for number in range(5)))])
        writer.commit()
        assert [read(tmp_path / f"b-0{number}.json") for number in (1, 2, 3)] == [
            [{"a": 0}, {"a": 1}], [{"a": 2}, {"a": 3}], [{"a": 4}],
        ]  # fmt: skip
        assert writer.take_stats() == {"feedexport/success_count/FileFeedStorage": 2}
        result = writer.close()
        assert len(result.files) == 3
        assert result.items == 5

    def test_no_empty_batch_at_the_end(self, tmp_path: Path) -> None:
        result = Feed(tmp_path, "b-%(batch_id)d.json", batch_item_count=2).write_all(page(1, {"a": 1}, {"a": 2}))
        assert len(result.files) == 1
        assert len(Feed(tmp_path, "c-%(batch_id)d.json", batch_item_count=2).write_all().files) == 1

    def test_a_crash_in_the_middle_of_several(self, tmp_path: Path) -> None:
        feed = Feed(tmp_path, "b-%(batch_id)d.jsonl", {"FEED_EXPORT_BATCH_ITEM_COUNT": 2})
        writer = feed.open()
        writer.write([page(1, {"a": 1})])
        writer.commit()
        writer.write([page(2, *({"a": number} for number in (2, 3, 4, 5)))])
        for part, _ in writer._full:
            part.flush()
        crash(writer)
        assert (tmp_path / "b-3.jsonl").exists()
        writer = feed.open()
        assert [path.name for path in sorted(tmp_path.glob("b-*"))] == ["b-1.jsonl"]
        writer.write([page(1, {"a": 1}), page(3, {"a": 6}, {"a": 7})])
        writer.close()
        assert [read(path) for path in sorted(tmp_path.glob("b-*"))] == [[{"a": 1}, {"a": 6}], [{"a": 7}]]

    def test_the_uri_must_tell_them_apart(self, tmp_path: Path) -> None:
        with pytest.raises(FeedError, match="batch_id"):
            Feed(tmp_path, "a.json", batch_item_count=2).open()


class TestStandardOutput:
    def test_what_was_committed_is_passed_on(self, tmp_path: Path) -> None:
        feed = Feed(tmp_path, format="json")
        feed.uri = "stdout:"
        chunks: list[bytes] = []
        feed.extra = {"sink": chunks.append}
        writer = feed.open()
        writer.write([page(1, {"a": 1})])
        assert not chunks
        writer.commit()
        assert b"".join(chunks) == b'[\n{"a": 1}'
        writer.write([page(2, {"a": 2})])
        result = writer.close()
        assert json.loads(b"".join(chunks)) == [{"a": 1}, {"a": 2}]
        assert result.stats == {"feedexport/success_count/StdoutFeedStorage": 1}

    def test_a_writer_that_takes_over_repeats_nothing(self, tmp_path: Path) -> None:
        feed = Feed(tmp_path, format="jsonl")
        feed.uri = "-"
        chunks: list[bytes] = []
        feed.extra = {"sink": chunks.append}
        writer = feed.open()
        writer.write([page(1, {"a": 1})])
        writer.commit()
        crash(writer)
        feed.write_all(page(1, {"a": 1}), page(2, {"a": 2}))
        assert b"".join(chunks) == b'{"a": 1}\n{"a": 2}\n'

    def test_compressed(self, tmp_path: Path) -> None:
        feed = Feed(tmp_path, format="jsonl", postprocessing=GZIP)
        feed.uri = "stdout:"
        chunks: list[bytes] = []
        feed.extra = {"sink": chunks.append}
        feed.write_all(page(1, {"a": 1}))
        assert gzip.decompress(b"".join(chunks)) == b'{"a": 1}\n'

    def test_it_needs_a_sink(self, tmp_path: Path) -> None:
        feed = Feed(tmp_path, format="jsonl")
        feed.uri = "stdout:"
        with pytest.raises(FeedError, match="sink"):
            feed.open()


class TestNastyValues:
    def cycle(self) -> dict[str, Any]:
        item: dict[str, Any] = {"a": 1}
        item["self"] = item
        return item

    @pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.xml"])
    @pytest.mark.parametrize("encoding", [None, "utf-8"])
    def test_every_feed_stays_readable(self, tmp_path: Path, name: str, encoding: str | None) -> None:
        nasty = [
            {"a": "\ud800"}, {"a": "\x00\x1b"}, {"a": "x\r\ny"}, {"a": float("nan")}, {"a": float("-inf")},
            {"a": "x" * 3_000_000}, {"a": object()}, {"a": b"\xff"}, self.cycle(), {"a": '"],}'},
        ]  # fmt: skip
        feed = Feed(tmp_path, name, encoding=encoding)
        result = feed.write_all(*(page(number, item) for number, item in enumerate(nasty)), page(99, {"a": "last"}))
        data = feed.path.read_bytes()
        if name == "a.xml":
            count = len(etree.fromstring(data, etree.XMLParser(huge_tree=True)))
        elif name == "a.csv":
            before = csv.field_size_limit(10_000_000)
            try:
                count = len(list(csv.DictReader(data.decode().splitlines(keepends=True))))
            finally:
                csv.field_size_limit(before)  # it belongs to the process, and so to the next test
        else:
            def strict(name: str) -> None:
                raise AssertionError(f"{name} is not JSON")

            lines = data.splitlines() if name == "a.jsonl" else [data]
            items = [json.loads(line, parse_constant=strict) for line in lines]
            count = len(items if name == "a.jsonl" else items[0])
        assert count + result.stats.get("feedexport/items_dropped", 0) == len(nasty) + 1
        assert count == result.items
        assert b"last" in data

    def test_what_is_changed_is_counted_and_no_more_than_needed(self, tmp_path: Path) -> None:
        feed = Feed(tmp_path)
        result = feed.write_all(page(1, {"a": float("nan"), "b": "\ud800", "c": [float("inf"), 1.5]}))
        assert read(feed.path) == [{"a": None, "b": "\ud800", "c": [None, 1.5]}]
        assert result.stats["feedexport/items_repaired"] == 1

    def test_nan_by_request(self, tmp_path: Path) -> None:
        feed = Feed(tmp_path, item_export_kwargs={"allow_nan": True})
        feed.write_all(page(1, {"a": float("nan")}))
        assert feed.path.read_text() == '{"a": NaN}\n'


class TestDirectories:
    def test_part_files_and_a_manifest(self, tmp_path: Path) -> None:
        feed = Feed(tmp_path, format="jsonl", batch_item_count=2)
        feed.uri = f"{tmp_path}/parts/"
        result = feed.write_all(page(1, *({"a": number} for number in range(3))))
        manifest = json.loads((tmp_path / "parts" / "_manifest.json").read_text())
        assert [name for file in result.files for name in [Path(file).name]] == manifest["files"]
        assert [read(tmp_path / "parts" / name) for name in manifest["files"]] == [[{"a": 0}, {"a": 1}], [{"a": 2}]]
        assert not list(tmp_path.glob("parts/.*"))

    @pytest.mark.parametrize(("overwrite", "expected"), [(False, 2), (True, 1)])
    def test_a_second_crawl(self, tmp_path: Path, overwrite: bool, expected: int) -> None:
        for number in (1, 2):
            feed = Feed(tmp_path, format="jsonl", overwrite=overwrite)
            feed.uri = f"{tmp_path}/parts/"
            feed.workdir = tmp_path / f"w{number}"
            feed.write_all(page(1, {"a": number}))
        manifest = json.loads((tmp_path / "parts" / "_manifest.json").read_text())
        assert len(manifest["files"]) == len(list(tmp_path.glob("parts/*.jsonl"))) == expected

    def test_two_writers_side_by_side(self, tmp_path: Path) -> None:
        writers = []
        for label in ("0", "1"):
            feed = Feed(tmp_path, format="jsonl")
            feed.uri = f"{tmp_path}/parts/"
            feed.extra = {"label": label}
            writers.append(feed.open())
        for number, writer in enumerate(writers):
            writer.write([page(number, {"a": number})])
        for writer in writers:
            writer.close()
        assert sorted(read(path)[0]["a"] for path in tmp_path.glob("parts/*.jsonl")) == [0, 1]


class TestDelivery:
    def test_a_failed_one_is_tried_again_kept_and_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pauses: list[float] = []
        monkeypatch.setattr("raycrawl.feeds.targets.time.sleep", pauses.append)

        class Broken:
            tries = 0

            def __init__(self, uri: str, *, feed_options: Any = None) -> None: ...

            def open(self, spider: Any) -> Any:
                return (tmp_path / "half").open("wb")

            def store(self, file: Any) -> None:
                file.close()
                Broken.tries += 1
                raise OSError("no route")

        feed = Feed(tmp_path, "x", {"FEED_STORAGES": {"zork": Broken}}, format="jsonl")
        feed.uri = "zork://host/out.jsonl"
        feed.extra = {"keep_dir": tmp_path / "kept"}
        result = feed.write_all(page(1, {"a": 1}))
        (failed,) = result.failed
        assert Broken.tries == 5 == len(pauses) + 1
        assert failed.uri == feed.uri
        assert str(failed) == f"{feed.uri}: no route (kept as {failed.path})"
        assert read(Path(failed.path).rename(tmp_path / "kept.jsonl")) == [{"a": 1}]
        assert result.stats == {"feedexport/failed_count/Broken": 1}

    def test_a_storage_of_ones_own(self, tmp_path: Path) -> None:
        stored: list[bytes] = []

        class Mine:
            def __init__(self, uri: str, *, feed_options: Any = None) -> None:
                assert feed_options["mine"] == 1

            def open(self, spider: Any) -> Any:
                return (tmp_path / spider.name).open("w+b")

            async def store(self, file: Any) -> None:
                file.seek(0)
                stored.append(file.read())
                file.close()

        feed = Feed(tmp_path, "x", {"FEED_STORAGES": {"mine": Mine}}, format="jsonl", mine=1)
        feed.uri = "mine://host/out.jsonl"
        result = feed.write_all(page(1, {"a": 1}))
        assert stored == [b'{"a": 1}\n']
        assert result.stats == {"feedexport/success_count/Mine": 1}

    def test_a_crash_before_the_delivery(self, tmp_path: Path) -> None:
        feed = Feed(
            tmp_path, "b-%(batch_id)d.jsonl.gz", format="jsonl", batch_item_count=1,
            postprocessing=GZIP,
        )  # fmt: skip
        writer = feed.open()
        writer._shipping.ship = lambda *args, **kwargs: None  # type: ignore[method-assign]
        writer.write([page(1, {"a": 1}, {"a": 2})])
        writer.commit()
        crash(writer)
        assert not list(tmp_path.glob("b-*"))
        feed.write_all(page(1, {"a": 1}, {"a": 2}))
        batches = [gzip.decompress(path.read_bytes()) for path in sorted(tmp_path.glob("b-*"))]
        assert batches == [b'{"a": 1}\n', b'{"a": 2}\n']


class TestJournal:
    def test_it_stays_small_when_pages_are_forgotten(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("raycrawl.feeds.journal._COMPACT_AT_NBYTES", 20_000)
        feed = Feed(tmp_path)
        writer = feed.open()
        sizes = []
        for number in range(200):
            pages = [page(number * 10 + at, {"a": number * 10 + at}) for at in range(10)]
            writer.write(pages)
            writer.commit()
            if number:
                writer.forget([(number * 10 - 10 + at).to_bytes(16, "big") for at in range(10)])
            sizes.append(writer._journal.path.stat().st_size)
        assert max(sizes) < 25_000
        assert len(writer._journal.page_ids) == 10
        crash(writer)
        writer = feed.open()
        assert writer.write([page(1999, {"a": 1999})]) == 1
        assert writer.close().items == 2000
        assert len(read(feed.path)) == 2000

    def test_a_torn_record_is_cut_off(self, tmp_path: Path) -> None:
        feed = Feed(tmp_path)
        writer = feed.open()
        writer.write([page(1, {"a": 1})])
        writer.commit()
        whole = writer._journal.path.stat().st_size
        writer.write([page(2, {"a": 2})])
        writer.commit()
        crash(writer)
        with writer._journal.path.open("r+b") as file:
            file.truncate(whole + 11)
        writer = feed.open()
        assert read(feed.path) == [{"a": 1}]
        writer.write([page(2, {"a": 2})])
        writer.close()
        assert read(feed.path) == [{"a": 1}, {"a": 2}]
