"""Feeds on an S3 server (moto's, on loopback) and on an FTP server."""

from __future__ import annotations

import ftplib
import gzip
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raycrawl import Spider
from raycrawl.extensions.feedexport import FTPFeedStorage, S3FeedStorage
from raycrawl.feeds import FeedWriter
from raycrawl.feeds.targets import redacted
from raycrawl.settings import Settings
from raycrawl.utils.test import get_crawler

pytestmark = pytest.mark.filterwarnings("default")  # botocore and moto have deprecations of their own


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    pytest.importorskip("s3fs", reason="the s3 extra is not installed")
    server_module = pytest.importorskip("moto.server", reason="moto's S3 server is not installed")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_endpoint: str) -> Any:
    import s3fs

    filesystem = s3fs.S3FileSystem(
        key="key", secret="secret", client_kwargs={"endpoint_url": s3_endpoint}, skip_instance_cache=True,
        use_listings_cache=False,
    )  # fmt: skip
    if not filesystem.exists("crawl"):
        filesystem.mkdir("crawl")
    return filesystem


@pytest.fixture
def s3_settings(s3_endpoint: str) -> Settings:
    return Settings(
        {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": s3_endpoint}
    )


def write(uri: str, settings: Settings, workdir: Path, *items: Any, **options: Any) -> Any:
    writer = FeedWriter(uri, options, settings=settings, workdir=workdir, keep_dir=workdir / "kept")
    writer.open()
    writer.write([(number.to_bytes(16, "big"), [item]) for number, item in enumerate(items)])
    return writer.close()


def test_a_file_on_s3(bucket: Any, s3_settings: Settings, tmp_path: Path) -> None:
    for number in (1, 2):
        result = write("s3://crawl/a/books.json", s3_settings, tmp_path / str(number), {"a": number})
    assert json.loads(bucket.cat_file("crawl/a/books.json")) == [{"a": 2}]
    assert result.stats == {"feedexport/success_count/S3FeedStorage": 1}
    assert not list(tmp_path.rglob("*.json"))


def test_credentials_in_the_uri(bucket: Any, s3_endpoint: str, tmp_path: Path) -> None:
    settings = Settings({"AWS_ENDPOINT_URL": s3_endpoint})
    assert not write("s3://key:se%2Fcret@crawl/b.jsonl", settings, tmp_path, {"a": 1}).failed
    assert bucket.cat_file("crawl/b.jsonl") == b'{"a": 1}\n'
    assert redacted("s3://key:se%2Fcret@crawl/b.jsonl") == "s3://key:***@crawl/b.jsonl"


def test_batches_compressed(bucket: Any, s3_settings: Settings, tmp_path: Path) -> None:
    write(
        "s3://crawl/c-%(batch_id)d.csv.gz", s3_settings, tmp_path, {"a": 1}, {"a": 2}, {"a": 3}, format="csv",
        batch_item_count=2, postprocessing=["raycrawl.extensions.postprocessing.GzipPlugin"],
    )  # fmt: skip
    assert [gzip.decompress(bucket.cat_file(f"crawl/c-{number}.csv.gz")).split() for number in (1, 2)] == [
        [b"a", b"1", b"2"], [b"a", b"3"],
    ]  # fmt: skip


def test_a_dataset_of_part_files(bucket: Any, s3_settings: Settings, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    items = [{"a": number} for number in range(5)]
    for number, overwrite in ((1, True), (2, False), (3, True)):
        write("s3://crawl/set/", s3_settings, tmp_path / str(number), *items, format="parquet", batch_item_count=2,
              overwrite=overwrite)  # fmt: skip
        manifest = json.loads(bucket.cat_file("crawl/set/_manifest.json"))
        parts = [path for path in bucket.ls("crawl/set") if path.endswith(".parquet")]
        assert {path.rpartition("/")[2] for path in parts} == set(manifest["files"])
        assert len(parts) == {1: 3, 2: 6, 3: 3}[number]
    rows = [row for path in sorted(parts) for row in pq.read_table(path, filesystem=bucket).to_pylist()]
    assert rows == items


def test_a_paused_crawl_delivers_what_there_is(bucket: Any, s3_settings: Settings, tmp_path: Path) -> None:
    writer = FeedWriter("s3://crawl/p.json", {}, settings=s3_settings, workdir=tmp_path)
    writer.open()
    writer.write([(b"1" * 16, [{"a": 1}])])
    writer.close("shutdown")
    assert json.loads(bucket.cat_file("crawl/p.json")) == [{"a": 1}]
    writer = FeedWriter("s3://crawl/p.json", {}, settings=s3_settings, workdir=tmp_path)
    assert writer.open()
    writer.write([(b"1" * 16, [{"a": 1}]), (b"2" * 16, [{"a": 2}])])
    writer.close()
    assert json.loads(bucket.cat_file("crawl/p.json")) == [{"a": 1}, {"a": 2}]


def test_a_bucket_that_is_missing(s3_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raycrawl.feeds.targets._TRIES", 2)
    monkeypatch.setattr("raycrawl.feeds.targets._FIRST_PAUSE_S", 0.0)
    result = write("s3://no-such-bucket/x.jsonl", s3_settings, tmp_path, {"a": 1})
    (failed,) = result.failed
    assert Path(failed.path).read_text() == '{"a": 1}\n'
    assert result.stats == {"feedexport/failed_count/S3FeedStorage": 1}


class FtpServer:
    """As much of RFC 959 as storing files takes: one client at a time, passive mode."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.directories = {"/"}
        self.logins: list[tuple[str, str]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb", buffering=0) as stream:
                self._talk(stream)

    def _talk(self, stream: Any) -> None:
        state: dict[str, Any] = {"cwd": "/"}
        stream.write(b"220 hello\r\n")
        while line := stream.readline():
            command, _, argument = line.decode().strip().partition(" ")
            handler: Callable[..., str] = getattr(self, f"do_{command.lower()}", lambda *args: "502 what?")
            stream.write(handler(argument, state, stream).encode() + b"\r\n")

    def do_user(self, argument: str, state: dict[str, Any], stream: Any) -> str:
        state["user"] = argument
        return "331 password?"

    def do_pass(self, argument: str, state: dict[str, Any], stream: Any) -> str:
        self.logins.append((state["user"], argument))
        return "230 in"

    def do_type(self, argument: str, state: dict[str, Any], stream: Any) -> str:
        return "200 ok"

    def do_cwd(self, argument: str, state: dict[str, Any], stream: Any) -> str:
        path = argument if argument.startswith("/") else f"{state['cwd'].rstrip('/')}/{argument}"
        if path not in self.directories:
            return "550 no such directory"
        state["cwd"] = path
        return "250 ok"

    def do_mkd(self, argument: str, state: dict[str, Any], stream: Any) -> str:
        path = f"{state['cwd'].rstrip('/')}/{argument}"
        self.directories.add(path)
        return f'257 "{path}"'

    def do_epsv(self, argument: str, state: dict[str, Any], stream: Any) -> str:
        return "502 use PASV"

    def do_pasv(self, argument: str, state: dict[str, Any], stream: Any) -> str:
        state["data"] = socket.create_server(("127.0.0.1", 0))
        high, low = divmod(state["data"].getsockname()[1], 256)
        return f"227 (127,0,0,1,{high},{low})"

    def _store(self, argument: str, state: dict[str, Any], stream: Any, before: bytes) -> str:
        stream.write(b"150 go on\r\n")
        connection, _ = state["data"].accept()
        data = io.BytesIO()
        with connection, state["data"]:
            while chunk := connection.recv(65536):
                data.write(chunk)
        self.files[f"{state['cwd'].rstrip('/')}/{argument}"] = before + data.getvalue()
        return "226 stored"

    def do_stor(self, argument: str, state: dict[str, Any], stream: Any) -> str:
        return self._store(argument, state, stream, b"")

    def do_appe(self, argument: str, state: dict[str, Any], stream: Any) -> str:
        before = self.files.get(f"{state['cwd'].rstrip('/')}/{argument}", b"")
        return self._store(argument, state, stream, before)

    def do_rnfr(self, argument: str, state: dict[str, Any], stream: Any) -> str:
        state["from"] = f"{state['cwd'].rstrip('/')}/{argument}"
        return "350 to?"

    def do_rnto(self, argument: str, state: dict[str, Any], stream: Any) -> str:
        self.files[f"{state['cwd'].rstrip('/')}/{argument}"] = self.files.pop(state["from"])
        return "250 ok"

    def do_quit(self, argument: str, state: dict[str, Any], stream: Any) -> str:
        return "221 bye"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def ftp() -> Iterator[FtpServer]:
    server = FtpServer()
    yield server
    server.close()


def test_ftp(ftp: FtpServer, tmp_path: Path) -> None:
    uri = f"ftp://me:p%40ss@127.0.0.1:{ftp.port}/new/deep/out.jsonl"
    for number in (1, 2):
        result = write(uri, Settings(), tmp_path / str(number), {"a": number})
        assert result.stats == {"feedexport/success_count/FTPFeedStorage": 1}
    assert ftp.files == {"/new/deep/out.jsonl": b'{"a": 2}\n'}
    assert ftp.logins[0] == ("me", "p@ss")
    write(uri, Settings(), tmp_path / "3", {"a": 3}, overwrite=False)
    assert ftp.files == {"/new/deep/out.jsonl": b'{"a": 2}\n{"a": 3}\n'}


async def test_the_storage_classes_themselves(bucket: Any, s3_settings: Settings, ftp: FtpServer) -> None:
    settings = {key: s3_settings[key] for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL")}
    crawler = get_crawler(Spider, {**settings, "FEED_STORAGE_S3_ACL": "public-read"})
    spider = Spider.from_crawler(crawler, name="x")
    for storage_class, uri in ((S3FeedStorage, "s3://crawl/st.csv"), (FTPFeedStorage, f"ftp://127.0.0.1:{ftp.port}/st")):
        storage = storage_class.from_crawler(crawler, uri)
        file = storage.open(spider)
        file.write(b"content")
        outcome = storage.store(file)
        assert outcome is not None
        await outcome
        assert file.closed
    assert bucket.cat_file("crawl/st.csv") == b"content"
    assert ftp.files == {"/st": b"content"}


def test_an_acl(bucket: Any, s3_settings: Settings, tmp_path: Path) -> None:
    settings = Settings({**s3_settings, "FEED_STORAGE_S3_ACL": "public-read"})
    assert not write("s3://crawl/acl.jsonl", settings, tmp_path, {"a": 1}).failed
    grants = bucket.call_s3("get_object_acl", Bucket="crawl", Key="acl.jsonl")["Grants"]
    assert any("AllUsers" in str(grant) and grant["Permission"] == "READ" for grant in grants)


def test_ftp_that_refuses(ftp: FtpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any, *args: Any) -> None:
        raise ftplib.error_perm("530 not you")

    monkeypatch.setattr(ftplib.FTP, "login", refuse)
    monkeypatch.setattr("raycrawl.feeds.targets._TRIES", 1)
    (failed,) = write(f"ftp://me:secret@127.0.0.1:{ftp.port}/x.jsonl", Settings(), tmp_path, {"a": 1}).failed
    assert "530" in failed.error
    assert "secret" not in failed.uri + failed.path + failed.error
