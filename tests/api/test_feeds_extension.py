"""The FeedExporter extension and its parts in a plain process, as Scrapy's documentation describes them."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import io
import json
import lzma
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from raycrawl import Field, Item, Spider, signals
from raycrawl.exceptions import NotConfigured
from raycrawl.extension import ExtensionManager
from raycrawl.extensions.feedexport import (
    BlockingFeedStorage,
    FeedExporter,
    FeedStorageProtocol,
    FileFeedStorage,
    FTPFeedStorage,
    GCSFeedStorage,
    ItemFilter,
    S3FeedStorage,
    StdoutFeedStorage,
    apply_uri_params,
)
from raycrawl.extensions.postprocessing import Bz2Plugin, GzipPlugin, LZMAPlugin, PostProcessingManager
from raycrawl.utils.test import get_crawler


class Book(Item):
    a = Field()
    b = Field()


class Other(Item):
    a = Field()


BOOKS = [Book(a=1, b="x"), Book(a=2, b="y")]


class Run:
    """A crawler whose spider scraped some items; ``events`` has the feed signals."""

    def __init__(self, feeds: Any, settings: Any = None) -> None:
        self.crawler = get_crawler(Spider, {"FEEDS": feeds, **(settings or {})})
        self.spider = Spider.from_crawler(self.crawler, name="spidey", shop="s1")
        self.crawler.spider = self.spider
        self.events: list[Any] = []

        def slot_closed(slot: Any) -> None:
            self.events.append((Path(slot.uri).name, slot.itemcount, slot.batch_id))

        def exporter_closed() -> None:
            self.events.append("closed")

        self._handlers = (slot_closed, exporter_closed)
        self.crawler.signals.connect(slot_closed, signals.feed_slot_closed)
        self.crawler.signals.connect(exporter_closed, signals.feed_exporter_closed)
        self.exporter = FeedExporter.from_crawler(self.crawler)

    async def scrape(self, *items: Any) -> dict[str, Any]:
        self.exporter.open_spider(self.spider)
        for item in items:
            self.exporter.item_scraped(item, self.spider)
        await self.exporter.close_spider(self.spider)
        stats = self.crawler.stats.get_stats()
        return {key: value for key, value in stats.items() if key.startswith("feedexport/")}


async def test_several_feeds(tmp_path: Path) -> None:
    run = Run({
        tmp_path / "a.json": {"format": "json"}, f"file://{tmp_path}/b%20b.csv": {"format": "csv"},
        str(tmp_path / "sub" / "c.xml"): {"format": "xml"}, str(tmp_path / "d.jl"): {},
    })  # fmt: skip
    assert await run.scrape(*BOOKS) == {"feedexport/success_count/FileFeedStorage": 4}
    assert (tmp_path / "a.json").read_bytes() == b'[\n{"a": 1, "b": "x"},\n{"a": 2, "b": "y"}\n]'
    assert (tmp_path / "b b.csv").read_bytes() == b"a,b\r\n1,x\r\n2,y\r\n"
    assert (tmp_path / "sub" / "c.xml").read_bytes().endswith(b"<item><a>2</a><b>y</b></item>\n</items>")
    assert (tmp_path / "d.jl").read_bytes() == b'{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n'
    assert run.events == [("a.json", 2, 1), ("b%20b.csv", 2, 1), ("c.xml", 2, 1), ("d.jl", 2, 1), "closed"]


async def test_by_signals(tmp_path: Path) -> None:
    run = Run({tmp_path / "a.jsonl": {"format": "jsonl"}})
    send = run.crawler.signals.send_catch_log_async
    await send(signals.spider_opened, spider=run.spider)
    await send(signals.item_scraped, item={"a": 1}, response=None, spider=run.spider)
    await send(signals.spider_closed, spider=run.spider, reason="finished")
    assert (tmp_path / "a.jsonl").read_bytes() == b'{"a": 1}\n'


@pytest.mark.parametrize("process", ["engine", "scraper", "downloader"])
def test_it_leaves_the_feeds_to_the_sinks_in_a_cluster(tmp_path: Path, process: str) -> None:
    crawler = get_crawler(Spider, {"FEEDS": {tmp_path / "a.jl": {}}, "MEMUSAGE_ENABLED": False})
    extensions = ExtensionManager.for_process(crawler, process).middlewares
    assert not [extension for extension in extensions if isinstance(extension, FeedExporter)]


async def test_empty_feeds(tmp_path: Path) -> None:
    await Run({tmp_path / "a.json": {"format": "json"}}).scrape()
    assert (tmp_path / "a.json").read_bytes() == b"[\n\n]"
    run = Run({tmp_path / "b.json": {"format": "json", "store_empty": False}})
    assert await run.scrape() == {}
    assert not (tmp_path / "b.json").exists()
    assert run.events == ["closed"]


@pytest.mark.parametrize(("overwrite", "count"), [(False, 2), (True, 1)])
async def test_overwrite(tmp_path: Path, overwrite: bool, count: int) -> None:
    for _ in range(2):
        await Run({tmp_path / "a.jl": {"format": "jl", "overwrite": overwrite}}).scrape({"a": 1})
    assert (tmp_path / "a.jl").read_bytes() == b'{"a": 1}\n' * count


async def test_batches(tmp_path: Path) -> None:
    run = Run({tmp_path / "a-%(batch_id)02d.json": {"format": "json"}}, {"FEED_EXPORT_BATCH_ITEM_COUNT": 2})
    assert await run.scrape(*BOOKS, BOOKS[0]) == {"feedexport/success_count/FileFeedStorage": 2}
    assert [len(json.loads((tmp_path / name).read_bytes())) for name in ("a-01.json", "a-02.json")] == [2, 1]
    assert run.events == [("a-01.json", 2, 1), ("a-02.json", 1, 2), "closed"]


def test_batches_without_an_event_loop(tmp_path: Path) -> None:
    run = Run({tmp_path / "a-%(batch_id)d.jl": {"format": "jl", "batch_item_count": 1}})
    run.exporter.open_spider(run.spider)
    run.exporter.item_scraped({"a": 1}, run.spider)
    assert (tmp_path / "a-1.jl").read_bytes() == b'{"a": 1}\n'
    asyncio.run(run.exporter.close_spider(run.spider))


async def test_uri_parameters(tmp_path: Path) -> None:
    def params(params: dict[str, Any], spider: Any) -> dict[str, Any]:
        return {**params, "more": spider.shop * 2}

    await Run({
        tmp_path / "%(name)s-%(shop)s.jl": {"format": "jl"},
        tmp_path / "%(more)s.jl": {"format": "jl", "uri_params": params},
        tmp_path / "%(time)s-t.jl": {"format": "jl"},
    }).scrape({"a": 1})  # fmt: skip
    names = sorted(os.listdir(tmp_path))
    assert names[1:] == ["s1s1.jl", "spidey-s1.jl"]
    assert names[0].startswith("20")
    assert ":" not in names[0]
    assert apply_uri_params("%(a)s-%(b)03d", {"a": 1, "b": 2}) == "1-002"


async def test_fields_filters_and_exporter_options(tmp_path: Path) -> None:
    class Cheap:
        def __init__(self, feed_options: dict[str, Any]) -> None:
            self.limit = feed_options["limit"]

        def accepts(self, item: Any) -> bool:
            return bool(item["a"] < self.limit)

    await Run({
        tmp_path / "fields.csv": {"fields": ["b"]},
        tmp_path / "renamed.jl": {"fields": {"b": "Bee"}},
        tmp_path / "classes.jl": {"item_classes": [Other, "raycrawl.Request"]},
        tmp_path / "filter.jl": {"item_filter": Cheap, "limit": 2},
        tmp_path / "kwargs.json": {"item_export_kwargs": {"export_empty_fields": True}, "indent": None},
    }).scrape(Book(a=1, b="x"), Other(a=5))  # fmt: skip
    assert (tmp_path / "fields.csv").read_bytes() == b'b\r\nx\r\n""\r\n'
    assert (tmp_path / "renamed.jl").read_bytes() == b'{"Bee": "x"}\n{}\n'
    assert (tmp_path / "classes.jl").read_bytes() == b'{"a": 5}\n'
    assert (tmp_path / "filter.jl").read_bytes() == b'{"a": 1, "b": "x"}\n'
    assert (tmp_path / "kwargs.json").read_bytes() == b'[{"a": 1, "b": "x"},{"a": 5}]'


async def test_postprocessing(tmp_path: Path) -> None:
    plugins = "raycrawl.extensions.postprocessing."
    await Run({
        tmp_path / "a.gz": {"format": "jl", "postprocessing": [plugins + "GzipPlugin"], "gzip_compresslevel": 1},
        tmp_path / "a.bz2": {"format": "jl", "postprocessing": [Bz2Plugin]},
        tmp_path / "a.xz": {"format": "csv", "postprocessing": [LZMAPlugin]},
    }).scrape({"a": 1})  # fmt: skip
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == b'{"a": 1}\n'
    assert bz2.decompress((tmp_path / "a.bz2").read_bytes()) == b'{"a": 1}\n'
    assert lzma.decompress((tmp_path / "a.xz").read_bytes()) == b"a\r\n1\r\n"


@pytest.mark.parametrize(("feeds", "word"), [
    ({}, "FEEDS"), ({"a.zork": {}}, "zork"), ({"a.json": {"format": "zork"}}, "zork"), ({"foo://h/a.json": {}}, "foo"),
    ({"a.json": {"batch_item_count": 3}}, "batch_id"),
])  # fmt: skip
def test_what_cannot_work_switches_the_extension_off(feeds: Any, word: str) -> None:
    with pytest.raises(NotConfigured, match=word):
        Run(feeds)


async def test_a_storage_that_fails(tmp_path: Path) -> None:
    class Broken(FileFeedStorage):
        def store(self, file: Any) -> None:
            super().store(file)
            raise OSError("no")

    run = Run({tmp_path / "a.jl": {}}, {"FEED_STORAGES": {"": Broken}})
    assert await run.scrape({"a": 1}) == {"feedexport/failed_count/Broken": 1}
    assert run.events == [("a.jl", 1, 1), "closed"]


class TestStorages:
    def test_file(self, tmp_path: Path) -> None:
        storage = FileFeedStorage(f"file://{tmp_path}/a%20b/c.txt")
        assert storage.path == f"{tmp_path}/a b/c.txt"
        assert isinstance(storage, FeedStorageProtocol)
        for data in (b"x", b"y"):
            file = storage.open(None)
            file.write(data)
            storage.store(file)
            assert file.closed
        assert Path(storage.path).read_bytes() == b"xy"
        assert storage.write_mode == "ab"
        assert FileFeedStorage("x", feed_options={"overwrite": True}).write_mode == "wb"

    def test_stdout(self, caplog: pytest.LogCaptureFixture) -> None:
        out = io.BytesIO()
        storage = StdoutFeedStorage("stdout:", _stdout=out)
        file = storage.open(None)
        file.write(b"content")
        storage.store(file)
        assert out.getvalue() == b"content"
        assert not caplog.records
        StdoutFeedStorage("stdout:", out, feed_options={"overwrite": True})
        assert "overwrite" in caplog.text

    def test_stdout_is_the_default(self, capfdbinary: Any) -> None:
        file = StdoutFeedStorage("stdout:").open(None)
        assert file is sys.stdout.buffer

    async def test_blocking(self, tmp_path: Path) -> None:
        stored: list[bytes] = []

        class Mine(BlockingFeedStorage):
            def _store_in_thread(self, file: Any) -> None:
                file.seek(0)
                stored.append(file.read())
                file.close()

        spider = Spider.from_crawler(get_crawler(Spider, {"FEED_TEMPDIR": str(tmp_path)}), name="x")
        file = Mine().open(spider)
        assert Path(file.name).parent == tmp_path
        file.write(b"content")
        outcome = Mine().store(file)
        assert outcome is not None
        await outcome
        assert stored == [b"content"]
        spider = Spider.from_crawler(get_crawler(Spider, {"FEED_TEMPDIR": str(tmp_path / "missing")}), name="x")
        with pytest.raises(OSError, match="missing"):
            Mine().open(spider)

    def test_s3(self) -> None:
        crawler = get_crawler(Spider, {
            "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "FEED_STORAGE_S3_ACL": "public-read",
            "AWS_ENDPOINT_URL": "http://s3.test", "AWS_REGION_NAME": "moon", "AWS_SESSION_TOKEN": "token",
        })  # fmt: skip
        storage = S3FeedStorage.from_crawler(crawler, "s3://bucket/a/export.csv")
        assert (storage.bucketname, storage.keyname, storage.access_key, storage.secret_key) == (
            "bucket", "a/export.csv", "key", "secret",
        )  # fmt: skip
        assert (storage.acl, storage.endpoint_url, storage.region_name, storage.session_token) == (
            "public-read", "http://s3.test", "moon", "token",
        )  # fmt: skip
        own = S3FeedStorage.from_crawler(crawler, "s3://own:se%2Fcret@bucket/x")
        assert (own.access_key, own.secret_key) == ("own", "se/cret")

    def test_object_stores_cannot_append(self, caplog: pytest.LogCaptureFixture) -> None:
        S3FeedStorage("s3://bucket/x", feed_options={"overwrite": False})
        GCSFeedStorage("gs://bucket/x", None, None, feed_options={"overwrite": False})
        assert caplog.text.count("cannot append") == 2

    def test_gcs(self) -> None:
        crawler = get_crawler(Spider, {"GCS_PROJECT_ID": "p", "FEED_STORAGE_GCS_ACL": "publicRead"})
        storage = GCSFeedStorage.from_crawler(crawler, "gs://bucket/a/b.csv")
        assert (storage.bucket_name, storage.blob_name, storage.project_id, storage.acl) == (
            "bucket", "a/b.csv", "p", "publicRead",
        )  # fmt: skip

    def test_ftp(self) -> None:
        crawler = get_crawler(Spider, {"FEED_STORAGE_FTP_ACTIVE": True})
        storage = FTPFeedStorage.from_crawler(crawler, "ftps://me:p%40ss@host:2121/a/b.csv")
        assert (storage.host, storage.port, storage.username, storage.password, storage.path) == (
            "host", 2121, "me", "p@ss", "/a/b.csv",
        )  # fmt: skip
        assert storage.use_active_mode
        assert storage.overwrite
        assert not FTPFeedStorage("ftp://h/x", feed_options={"overwrite": False}).overwrite
        with pytest.raises(ValueError, match="no host"):
            FTPFeedStorage("ftp:///x")


class TestItemFilter:
    def test_everything(self) -> None:
        assert ItemFilter({}).accepts({"a": 1})
        assert ItemFilter(None).accepts(Book())

    def test_by_class(self) -> None:
        class Special(Book):
            pass

        item_filter = ItemFilter({"item_classes": [f"{__name__}.Book"]})
        assert item_filter.item_classes == (Book,)
        assert [item_filter.accepts(item) for item in (Book(), Special(), Other(), {})] == [True, True, False, False]

    def test_the_same_class_loaded_twice(self) -> None:
        twin = type("Book", (Item,), {"__module__": Book.__module__, "__qualname__": Book.__qualname__})
        assert ItemFilter({"item_classes": [Book]}).accepts(twin())


class TestPostProcessing:
    def test_a_chain_of_plugins(self) -> None:
        class Shout:
            def __init__(self, file: Any, feed_options: dict[str, Any]) -> None:
                self.file = file
                self.end = feed_options["end"]

            def write(self, data: bytes) -> int:
                return int(self.file.write(data.upper()))

            def close(self) -> None:
                self.file.write(self.end)

        file = io.BytesIO()
        manager = PostProcessingManager([Shout, GzipPlugin], file, {"end": b"!", "gzip_mtime": 0})
        assert manager.writable()
        assert manager.write(b"hello") == 5
        manager.close()
        manager.close()
        assert gzip.decompress(file.getvalue()) == b"HELLO!"
        assert not file.closed

    @pytest.mark.parametrize(("options", "same"), [({"gzip_mtime": 0, "gzip_filename": "x"}, True)])
    def test_gzip_options(self, options: dict[str, Any], same: bool) -> None:
        outputs = []
        for level in (0, 9):
            file = io.BytesIO()
            plugin = GzipPlugin(file, {**options, "gzip_compresslevel": level})
            plugin.write(b"a" * 1000)
            plugin.close()
            outputs.append(file.getvalue())
        assert len(outputs[0]) > 1000 > len(outputs[1])
        assert all(output[4:8] == b"\0\0\0\0" and output[10:12] == b"x\0" for output in outputs) is same

    def test_lzma_options(self) -> None:
        file = io.BytesIO()
        plugin = LZMAPlugin(file, {"lzma_format": lzma.FORMAT_ALONE, "lzma_preset": 0})
        plugin.write(b"abc")
        plugin.close()
        assert lzma.decompress(file.getvalue(), format=lzma.FORMAT_ALONE) == b"abc"

    def test_bz2_options(self) -> None:
        file = io.BytesIO()
        plugin = Bz2Plugin(file, {"bz2_compresslevel": 1})
        plugin.write(b"abc")
        plugin.close()
        assert file.getvalue().startswith(b"BZh1")
