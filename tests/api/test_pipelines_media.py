"""The media pipelines: names, downloads, what is fetched once, images, stores, and that no name leaves the store."""

from __future__ import annotations

import asyncio
import ftplib
import hashlib
import io
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from raycrawl.exceptions import DropItem, IgnoreRequest, NotConfigured
from raycrawl.http import Request, Response
from raycrawl.http.request import NO_CALLBACK
from raycrawl.item import Field, Item
from raycrawl.pipelines import media as media_module
from raycrawl.pipelines.files import FilesPipeline, FSFilesStore, FTPFilesStore, S3FilesStore
from raycrawl.pipelines.images import ImageException, ImagesPipeline
from raycrawl.pipelines.media import FileException, MediaPipeline
from raycrawl.utils.test import get_crawler


class FakeEngine:
    """Downloads from a dict; counts; can be told to wait."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.requests: list[Request] = []
        self.gate: asyncio.Event | None = None

    async def download_async(self, request: Request) -> Response:
        self.requests.append(request)
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers[request.url]
        if isinstance(answer, Exception):
            raise answer
        options = {"body": answer} if isinstance(answer, bytes) else answer
        return Response(request.url, request=request, **options)


def pipeline(cls: Any, settings: dict[str, Any], answers: dict[str, Any]) -> Any:
    crawler = get_crawler(settings_dict=settings)
    crawler.engine = FakeEngine(answers)
    one = cls.from_crawler(crawler)
    one.open_spider()
    return one


def sha1(url: str) -> str:
    return hashlib.sha1(url.encode()).hexdigest()


def stats(one: Any) -> dict[str, Any]:
    found: dict[str, Any] = one.crawler.stats.get_stats()
    return found


class TestFiles:
    async def test_files_are_stored_and_listed(self, tmp_path: Path) -> None:
        url = "http://a.example/x.pdf"
        files = pipeline(FilesPipeline, {"FILES_STORE": str(tmp_path)}, {url: b"content"})
        item = await files.process_item({"file_urls": [url]})
        name = f"full/{sha1(url)}.pdf"
        checksum = hashlib.md5(b"content").hexdigest()
        assert item["files"] == [{"url": url, "path": name, "checksum": checksum, "status": "downloaded"}]
        assert (tmp_path / name).read_bytes() == b"content"
        assert [one.name for one in (tmp_path / "full").iterdir()] == [f"{sha1(url)}.pdf"]
        assert stats(files) == {"file_count": 1, "file_status_count/downloaded": 1}
        (request,) = files.crawler.engine.requests
        assert request.callback is NO_CALLBACK
        assert request.meta == {"handle_httpstatus_all": True}

    async def test_what_fails_is_left_out_and_fails_nothing_else(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        answers = {
            "http://a.example/1.txt": b"1",
            "http://a.example/missing": {"status": 404, "body": b"no"},
            "http://a.example/empty": b"",
            "http://a.example/lost": OSError("lost"),
            "http://a.example/robots": IgnoreRequest("forbidden"),
            "http://a.example/cached": {"body": b"c", "flags": ["cached"]},
        }
        files = pipeline(FilesPipeline, {"FILES_STORE": str(tmp_path)}, answers)
        item = await files.process_item({"file_urls": list(answers)})
        assert [(one["url"][17:], one["status"]) for one in item["files"]] == [
            ("1.txt", "downloaded"),
            ("cached", "cached"),
        ]
        assert stats(files)["file_count"] == 2
        said = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
        assert [one.split(")")[0] for one in said] == [
            "File (code: 404",
            "File (empty-content",
            "File (unknown-error",
        ]

    async def test_results_say_what_failed(self, tmp_path: Path) -> None:
        class Strict(FilesPipeline):
            LOG_FAILED_RESULTS = False

            def item_completed(self, results: Any, item: Any, info: Any) -> Any:
                self.results = results
                if not all(is_stored for is_stored, _ in results):
                    raise DropItem("incomplete")
                return item

        strict = pipeline(Strict, {"FILES_STORE": str(tmp_path)}, {"http://a.example/": {"status": 500, "body": b""}})
        with pytest.raises(DropItem):
            await strict.process_item({"file_urls": ["http://a.example/"]})
        ((is_stored, failure),) = strict.results
        assert is_stored is False
        assert failure.check(FileException)
        assert failure.getErrorMessage() == "download-error"

    async def test_a_file_is_fetched_once_for_all_items(self, tmp_path: Path) -> None:
        url = "http://a.example/x.txt"
        files = pipeline(FilesPipeline, {"FILES_STORE": str(tmp_path)}, {url: b"x"})
        files.crawler.engine.gate = asyncio.Event()
        work = [asyncio.ensure_future(files.process_item({"file_urls": [url, url]})) for _ in range(3)]
        await asyncio.sleep(0)
        files.crawler.engine.gate.set()
        items = await asyncio.gather(*work)
        items.append(await files.process_item({"file_urls": [url]}))
        assert [len(one["files"]) for one in items] == [2, 2, 2, 1]
        assert len(files.crawler.engine.requests) == 1
        assert not files.spiderinfo.downloading
        assert not files.spiderinfo.waiting

    async def test_the_memory_of_results_is_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(media_module, "MAX_REMEMBERED", 2)
        urls = [f"http://a.example/{n}" for n in range(5)]
        files = pipeline(FilesPipeline, {"FILES_STORE": str(tmp_path)}, dict.fromkeys(urls, b"x"))
        await files.process_item({"file_urls": urls})
        assert len(files.spiderinfo.downloaded) == 2
        # The oldest one is not remembered, but the store has it.
        item = await files.process_item({"file_urls": urls[:1]})
        assert item["files"][0]["status"] == "uptodate"
        assert len(files.crawler.engine.requests) == 5

    async def test_a_young_file_in_the_store_is_not_fetched_again(self, tmp_path: Path) -> None:
        url = "http://a.example/x.txt"
        path = tmp_path / "full" / f"{sha1(url)}.txt"
        path.parent.mkdir()
        path.write_bytes(b"older")
        settings = {"FILES_STORE": str(tmp_path), "FILES_EXPIRES": 30}
        files = pipeline(FilesPipeline, settings, {url: b"newer"})
        (result,) = (await files.process_item({"file_urls": [url]}))["files"]
        assert (result["status"], result["checksum"]) == ("uptodate", hashlib.md5(b"older").hexdigest())
        assert stats(files) == {"file_count": 1, "file_status_count/uptodate": 1}
        os.utime(path, (0, time.time() - 31 * 86400))
        expired = pipeline(FilesPipeline, settings, {url: b"newer"})
        (result,) = (await expired.process_item({"file_urls": [url]}))["files"]
        assert (result["status"], path.read_bytes()) == ("downloaded", b"newer")

    @pytest.mark.parametrize(
        ("url", "extension"),
        [
            ("http://a.example/x.pdf", ".pdf"),
            ("http://a.example/x.JPG", ".jpg"),
            ("http://a.example/x.jpg?a=1.png", ".jpg"),
            ("http://a.example/x.tar.gz", ".gz"),
            ("http://a.example/dir/", ""),
            ("http://a.example/x.nosuchtype", ""),
            ("http://a.example/x.p/../../../etc/passwd", ""),
            ("data:text/plain,hello", ".txt"),
        ],
    )
    def test_names(self, tmp_path: Path, url: str, extension: str) -> None:
        files = pipeline(FilesPipeline, {"FILES_STORE": str(tmp_path)}, {})
        request = Request(url)
        assert files.file_path(request) == f"full/{sha1(request.url)}{extension}"

    async def test_redirects_are_followed_when_allowed(self, tmp_path: Path) -> None:
        url = "http://a.example/x"
        settings = {"FILES_STORE": str(tmp_path), "MEDIA_ALLOW_REDIRECTS": True}
        files = pipeline(FilesPipeline, settings, {url: b"x"})
        await files.process_item({"file_urls": [url]})
        handled = files.crawler.engine.requests[0].meta["handle_httpstatus_list"]
        assert (404 in handled, 500 in handled, 200 in handled, 301 in handled, 302 in handled) == (
            True,
            True,
            True,
            False,
            False,
        )

    def test_without_a_store_it_is_off(self) -> None:
        with pytest.raises(NotConfigured, match="FILES_STORE"):
            FilesPipeline.from_crawler(get_crawler())

    def test_an_unknown_scheme(self) -> None:
        with pytest.raises(NotConfigured, match="gopher"):
            pipeline(FilesPipeline, {"FILES_STORE": "gopher://x/"}, {})

    def test_the_field_must_be_a_list(self, tmp_path: Path) -> None:
        files = pipeline(FilesPipeline, {"FILES_STORE": str(tmp_path)}, {})
        with pytest.raises(TypeError, match="file_urls"):
            files.get_media_requests({"file_urls": "http://a.example/"}, files.spiderinfo)

    async def test_hooks_of_a_subclass_may_be_async(self, tmp_path: Path) -> None:
        class Own(FilesPipeline):
            async def get_media_requests(self, item: Any, info: Any) -> Any:  # type: ignore[override]
                return [Request(item["url"])]

            def file_path(self, request: Any, response: Any = None, info: Any = None, *, item: Any = None) -> str:
                return f"mine/{item['name']}"

            async def item_completed(self, results: Any, item: Any, info: Any) -> Any:
                return results[0][1]["path"]

        own = pipeline(Own, {"FILES_STORE": str(tmp_path)}, {"http://a.example/": b"x"})
        assert await own.process_item({"url": "http://a.example/", "name": "n.txt"}) == "mine/n.txt"
        assert (tmp_path / "mine/n.txt").read_bytes() == b"x"


class TestSettingsOfSubclasses:
    def test_each_pipeline_may_have_its_own(self, tmp_path: Path) -> None:
        class Reports(FilesPipeline):
            EXPIRES = 3
            FILES_URLS_FIELD = "report_urls"

        settings = {"FILES_STORE": str(tmp_path), "REPORTS_FILES_RESULT_FIELD": "reports"}
        reports = pipeline(Reports, settings, {})
        assert (reports.expires, reports.files_urls_field, reports.files_result_field) == (3, "report_urls", "reports")
        plain = pipeline(FilesPipeline, settings, {})
        assert (plain.expires, plain.files_urls_field, plain.files_result_field) == (90, "file_urls", "files")
        theirs = pipeline(Reports, {**settings, "REPORTS_FILES_EXPIRES": 7, "FILES_EXPIRES": 5}, {})
        assert theirs.expires == 7
        assert pipeline(Reports, {**settings, "FILES_EXPIRES": 5}, {}).expires == 5

    def test_field_names_from_the_settings(self, tmp_path: Path) -> None:
        settings = {"IMAGES_STORE": str(tmp_path), "IMAGES_URLS_FIELD": "pics", "IMAGES_RESULT_FIELD": "done"}
        images = pipeline(ImagesPipeline, settings, {})
        assert (images.images_urls_field, images.images_result_field) == ("pics", "done")

    @pytest.mark.parametrize("kind", ["dict", "item", "dataclass"])
    async def test_all_kinds_of_items(self, tmp_path: Path, kind: str) -> None:
        class FileItem(Item):
            file_urls = Field()
            files = Field()

        @dataclass
        class FileData:
            file_urls: list[str] = field(default_factory=list)
            files: list[Any] = field(default_factory=list)

        url = "http://a.example/x"
        item: Any = {"dict": dict, "item": FileItem, "dataclass": FileData}[kind](file_urls=[url])
        files = pipeline(FilesPipeline, {"FILES_STORE": str(tmp_path)}, {url: b"x"})
        done = await files.process_item(item)
        assert done is item
        assert len(item.files if kind == "dataclass" else item["files"]) == 1

    async def test_an_item_without_the_result_field_stays_as_it_is(self, tmp_path: Path) -> None:
        class FileItem(Item):
            file_urls = Field()

        files = pipeline(FilesPipeline, {"FILES_STORE": str(tmp_path)}, {"http://a.example/x": b"x"})
        item = await files.process_item(FileItem(file_urls=["http://a.example/x"]))
        assert dict(item) == {"file_urls": ["http://a.example/x"]}


def picture(mode: str = "RGB", kind: str = "JPEG", size: tuple[int, int] = (20, 30), **options: Any) -> bytes:
    buf = io.BytesIO()
    Image.new(mode, size, 0).save(buf, kind, **options)
    return buf.getvalue()


def opened(path: Path) -> Image.Image:
    """An image whose file is closed again."""
    return Image.open(io.BytesIO(path.read_bytes()))


class TestImages:
    async def test_images_become_jpeg_with_thumbnails(self, tmp_path: Path) -> None:
        turned = Image.Exif()
        turned[0x0112] = 6
        bodies = {
            "http://a.example/j.jpg": picture(),
            "http://a.example/p.png": picture("RGBA", "PNG"),
            "http://a.example/g.gif": picture("P", "GIF"),
            "http://a.example/l.png": picture("LA", "PNG"),
            "http://a.example/c.jpg": picture("CMYK"),
            "http://a.example/e.jpg": picture(exif=turned),
        }
        settings = {"IMAGES_STORE": str(tmp_path), "IMAGES_THUMBS": {"small": (10, 10)}}
        images = pipeline(ImagesPipeline, settings, bodies)
        item = await images.process_item({"image_urls": list(bodies)})
        assert len(item["images"]) == len(bodies)
        for found in item["images"]:
            assert found["path"] == f"full/{sha1(found['url'])}.jpg"
            content = (tmp_path / found["path"]).read_bytes()
            assert hashlib.md5(content).hexdigest() == found["checksum"]
            stored = Image.open(io.BytesIO(content))
            assert (stored.format, stored.mode) == ("JPEG", "RGB")
            assert stored.size == ((30, 20) if "e.jpg" in found["url"] else (20, 30))
            thumb = opened(tmp_path / "thumbs" / "small" / f"{sha1(found['url'])}.jpg")
            assert max(thumb.size) == 10
        original = f"full/{sha1('http://a.example/j.jpg')}.jpg"
        assert (tmp_path / original).read_bytes() == bodies["http://a.example/j.jpg"]
        assert stats(images)["file_count"] == len(bodies)

    async def test_transparency_becomes_white(self, tmp_path: Path) -> None:
        url = "http://a.example/t.png"
        images = pipeline(ImagesPipeline, {"IMAGES_STORE": str(tmp_path)}, {url: picture("RGBA", "PNG")})
        await images.process_item({"image_urls": [url]})
        assert opened(tmp_path / f"full/{sha1(url)}.jpg").getpixel((0, 0)) == (255, 255, 255)

    async def test_small_ones_and_what_is_no_image(self, tmp_path: Path) -> None:
        bodies = {"http://a.example/small.jpg": picture(size=(9, 50)), "http://a.example/text.jpg": b"no image"}
        settings = {"IMAGES_STORE": str(tmp_path), "IMAGES_MIN_WIDTH": 10, "IMAGES_MIN_HEIGHT": 10}
        images = pipeline(ImagesPipeline, settings, bodies)
        item = await images.process_item({"image_urls": list(bodies)})
        assert item["images"] == []
        assert not (tmp_path / "full").exists()
        failures = list(images.spiderinfo.downloaded.values())
        assert failures[0].check(ImageException)
        assert "9x50 < 10x10" in failures[0].getErrorMessage()
        assert failures[1].check(FileException)

    async def test_get_images_of_a_subclass(self, tmp_path: Path) -> None:
        class Gray(ImagesPipeline):
            def get_images(self, response: Any, request: Any, info: Any, *, item: Any = None) -> Any:
                for path, image, _ in super().get_images(response, request, info, item=item):
                    buf = io.BytesIO()
                    image.convert("L").save(buf, "JPEG")
                    yield f"gray/{path}", image, buf

            def thumb_path(self, request: Any, thumb_id: str, *args: Any, **kwargs: Any) -> str:
                return f"t-{thumb_id}.jpg"

            THUMBS = {"s": (5, 5)}

        url = "http://a.example/x.jpg"
        gray = pipeline(Gray, {"IMAGES_STORE": str(tmp_path)}, {url: picture()})
        assert len((await gray.process_item({"image_urls": [url]}))["images"]) == 1
        assert opened(tmp_path / f"gray/full/{sha1(url)}.jpg").mode == "L"
        assert (tmp_path / "gray/t-s.jpg").exists()

    def test_without_a_store_it_is_off(self) -> None:
        with pytest.raises(NotConfigured, match="IMAGES_STORE"):
            ImagesPipeline.from_crawler(get_crawler())


BAD_NAMES = ["../x", "a/../../x", "/etc/passwd", "a/..", "..", "", ".", "a\0b", "..\\x", "a\\..\\..\\x", "C:\\x"]


class TestNoNameLeavesTheStore:
    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_directory(self, tmp_path: Path, name: str) -> None:
        store = FSFilesStore(str(tmp_path / "store"))
        info: Any = None
        with pytest.raises(FileException, match="not a path inside the store"):
            store.persist_file(name, io.BytesIO(b"x"), info)
        with pytest.raises(FileException):
            store.stat_file(name, info)
        assert os.listdir(tmp_path) == ["store"]

    def test_a_link_that_leads_out(self, tmp_path: Path) -> None:
        store = FSFilesStore(str(tmp_path / "store"))
        (tmp_path / "outside").mkdir()
        (tmp_path / "store" / "link").symlink_to(tmp_path / "outside")
        info: Any = None
        with pytest.raises(FileException):
            store.persist_file("link/x", io.BytesIO(b"x"), info)
        assert list((tmp_path / "outside").iterdir()) == []

    @pytest.mark.parametrize("name", BAD_NAMES)
    async def test_the_other_stores(self, name: str) -> None:
        info: Any = None
        for store in (S3FilesStore("s3://bucket/prefix"), FTPFilesStore("ftp://h.example/base")):
            with pytest.raises(FileException):
                await store.persist_file(name, io.BytesIO(b"x"), info)

    async def test_a_name_from_the_web_costs_that_file_alone(self, tmp_path: Path) -> None:
        class Named(FilesPipeline):
            def file_path(self, request: Any, response: Any = None, info: Any = None, *, item: Any = None) -> str:
                return request.url.split("?name=")[1]  # type: ignore[no-any-return]

        bad, good = "http://a.example/?name=../../../../tmp/x", "http://a.example/?name=ok.txt"
        named = pipeline(Named, {"FILES_STORE": str(tmp_path / "store")}, {bad: b"x", good: b"x"})
        item = await named.process_item({"file_urls": [bad, good]})
        assert [one["path"] for one in item["files"]] == ["ok.txt"]


class TestStores:
    @pytest.mark.parametrize("prefix", ["", "file://"])
    def test_directory_uris(self, tmp_path: Path, prefix: str) -> None:
        files = pipeline(FilesPipeline, {"FILES_STORE": f"{prefix}{tmp_path}/new/dir"}, {})
        assert isinstance(files.store, FSFilesStore)
        assert (tmp_path / "new/dir").is_dir()
        assert files.store.stat_file("nothing", files.spiderinfo) == {}

    def test_a_path_object(self, tmp_path: Path) -> None:
        assert FilesPipeline(tmp_path, crawler=get_crawler()).store.basedir == str(tmp_path)  # type: ignore[attr-defined]

    def test_s3_settings_and_acl(self) -> None:
        settings = {
            "FILES_STORE": "s3://bucket/some/prefix/",
            "FILES_STORE_S3_ACL": "public-read",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            "AWS_REGION_NAME": "eu-west-1",
        }
        store = pipeline(FilesPipeline, settings, {}).store
        assert isinstance(store, S3FilesStore)
        assert (store.bucket, store.prefix, store.POLICY) == ("bucket", "some/prefix/", "public-read")
        assert store._key("full/x.jpg") == "bucket/some/prefix/full/x.jpg"
        options = store._options()
        assert (options["key"], options["endpoint_url"]) == ("id", "http://127.0.0.1:1")
        # The class itself is untouched: another pipeline has its own values.
        assert (S3FilesStore.POLICY, S3FilesStore.AWS_ACCESS_KEY_ID) == ("private", None)

    async def test_a_store_that_cannot_answer_still_gets_the_file(self, tmp_path: Path) -> None:
        class Moody(FSFilesStore):
            def stat_file(self, path: Any, info: Any) -> Any:
                raise OSError("no answer")

        class Own(FilesPipeline):
            STORE_SCHEMES = {"file": Moody}

        url = "http://a.example/x"
        own = pipeline(Own, {"FILES_STORE": str(tmp_path)}, {url: b"x"})
        assert len((await own.process_item({"file_urls": [url]}))["files"]) == 1

    async def test_ftp(self, monkeypatch: pytest.MonkeyPatch) -> None:
        server = FakeFTPServer()
        monkeypatch.setattr(ftplib, "FTP", lambda: FakeFTP(server))
        settings = {"FILES_STORE": "ftp://u:p%40ss@ftp.example:2121/base", "FEED_STORAGE_FTP_ACTIVE": True}
        url = "http://a.example/x.txt"
        files = pipeline(FilesPipeline, settings, {url: b"content"})
        await files.process_item({"file_urls": [url]})
        assert server.files == {f"/base/full/{sha1(url)}.txt": b"content"}
        assert server.logins[0] == ("ftp.example", 2121, "u", "p@ss", False)
        assert "/base/full" in server.directories
        stat = await files.store.stat_file(f"full/{sha1(url)}.txt", files.spiderinfo)
        assert stat == {"checksum": hashlib.md5(b"content").hexdigest(), "last_modified": 1577934245.0}
        assert await files.store.stat_file("full/none", files.spiderinfo) == {}


class FakeFTPServer:
    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.directories: set[str] = {"/base"}
        self.logins: list[Any] = []


class FakeFTP:
    """The part of ftplib.FTP that the store uses, on a dict; 2020-01-02 03:04:05 UTC is when every file was written."""

    def __init__(self, server: FakeFTPServer) -> None:
        self.server = server

    def __enter__(self) -> FakeFTP:
        return self

    def __exit__(self, *args: Any) -> None:
        pass

    def connect(self, host: str, port: int) -> None:
        self.address = (host, port)

    def login(self, user: str, password: str) -> None:
        self.user = (user, password)

    def set_pasv(self, is_passive: bool) -> None:
        self.server.logins.append((*self.address, *self.user, is_passive))

    def mkd(self, path: str) -> None:
        if path in self.server.directories:
            raise ftplib.error_perm("550 exists")
        self.server.directories.add(path)

    def storbinary(self, command: str, file: Any) -> None:
        name = command.removeprefix("STOR ")
        if name.rpartition("/")[0] not in self.server.directories:
            raise ftplib.error_perm("550 no directory")
        self.server.files[name] = file.read()

    def voidcmd(self, command: str) -> str:
        if command.removeprefix("MDTM ") not in self.server.files:
            raise ftplib.error_perm("550 no file")
        return "213 20200102030405"

    def retrbinary(self, command: str, callback: Any) -> None:
        callback(self.server.files[command.removeprefix("RETR ")])


def test_media_pipeline_is_abstract() -> None:
    with pytest.raises(TypeError):
        MediaPipeline(crawler=get_crawler())  # type: ignore[abstract]
