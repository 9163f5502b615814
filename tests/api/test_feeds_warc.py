"""WARC feeds, read back by warcio."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from raycrawl import Request
from raycrawl.feeds import FeedWriter, decode_items, encode_items
from raycrawl.feeds.options import page_feeds
from raycrawl.feeds.warc import encode_page
from raycrawl.http import HtmlResponse
from raycrawl.settings import Settings

warcio = pytest.importorskip("warcio", reason="the warc extra is not installed")

FETCHED = datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC)


def fetched_page(number: int, **request_options: Any) -> tuple[Request, HtmlResponse]:
    request = Request(
        f"https://site.test/page?n={number}#part",
        headers={"User-Agent": "bot", "Referer": "https://site.test/"},
        meta={"depth": number, "download_latency": 0.25, "redirect_urls": ["https://site.test/a", "https://site.test/b"]},
        **request_options,
    )
    response = HtmlResponse(
        f"https://site.test/page?n={number}",
        headers={"Content-Type": "text/html", "Content-Encoding": "gzip", "Content-Length": "17",
                 "Set-Cookie": ["a=1", "b=2"], "X-Odd": "one\r\ntwo"},
        body=b"<html>" + b"x" * number, request=request, status=404, protocol="HTTP/1.1",
    )  # fmt: skip
    return request, response


def records(path: Path) -> list[tuple[Any, bytes]]:
    from warcio.archiveiterator import ArchiveIterator

    with path.open("rb") as file:
        iterator = ArchiveIterator(file, check_digests="raise")
        return [(record, record.content_stream().read()) for record in iterator]


def write(path: Path, workdir: Path, *pages: Any) -> Any:
    writer = FeedWriter(str(path), {}, settings=Settings(), workdir=workdir)
    writer.open()
    writer.write([(number.to_bytes(16, "big"), [page]) for number, page in enumerate(pages)])
    return writer.close()


def test_a_warc_reader_gets_everything(tmp_path: Path) -> None:
    path = tmp_path / "crawl.warc.gz"
    pages = [encode_page(*fetched_page(number), fetched=FETCHED) for number in (1, 2)]
    assert write(path, tmp_path / "w", *decode_items(encode_items(pages))).items == 2
    found = records(path)
    assert [record.rec_type for record, _ in found] == ["warcinfo", *["response", "request", "metadata"] * 2]
    response, body = found[4]
    assert body == b"<html>xx"
    assert response.rec_headers.get_header("WARC-Target-URI") == "https://site.test/page?n=2"
    assert response.rec_headers.get_header("WARC-Date") == "2026-01-02T03:04:05.000600Z"
    assert response.http_headers.get_statuscode() == "404"
    headers = response.http_headers.headers
    assert [value for name, value in headers if name == "Set-Cookie"] == ["a=1", "b=2"]
    assert ("X-Archive-Orig-Content-Encoding", "gzip") in headers
    assert ("Content-Length", "8") in headers
    assert ("X-Odd", "one two") in headers
    request, _ = found[5]
    assert request.http_headers.statusline == "page?n=2 HTTP/1.1" or "/page?n=2" in str(request.http_headers)
    assert request.http_headers.get_header("Host") == "site.test"
    assert request.rec_headers.get_header("WARC-Concurrent-To") == response.rec_headers.get_header("WARC-Record-ID")
    metadata, text = found[6]
    assert metadata.rec_headers.get_header("Content-Type") == "application/warc-fields"
    assert text.decode().splitlines() == [
        "via: https://site.test/", "hopsFromSeed: 2", "fetchTimeMs: 250", "redirectedFrom: https://site.test/a",
        "redirectedFrom: https://site.test/b",
    ]  # fmt: skip


def test_a_posted_body(tmp_path: Path) -> None:
    path = tmp_path / "crawl.warc.gz"
    write(path, tmp_path / "w", encode_page(*fetched_page(1, method="POST", body=b"a=1")))
    request, body = records(path)[2]
    assert body == b"a=1"
    assert request.http_headers.protocol == "POST"


def test_every_record_is_a_gzip_member_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "crawl.warc.gz"
    write(path, tmp_path / "w", encode_page(*fetched_page(1)))
    data = path.read_bytes()
    assert gzip.decompress(data).count(b"WARC/1.1") == data.count(b"\x1f\x8b\x08\x00\x00\x00\x00\x00") == 4


def test_appending_and_going_on(tmp_path: Path) -> None:
    path = tmp_path / "crawl.warc.gz"
    for number in (1, 2):
        write(path, tmp_path / f"w{number}", encode_page(*fetched_page(1)))
    assert [record.rec_type for record, _ in records(path)] == ["warcinfo", *["response", "request", "metadata"] * 2]
    write(path, tmp_path / "w2", encode_page(*fetched_page(1)), encode_page(*fetched_page(2)))
    assert len(records(path)) == 10


def test_it_takes_pages_only(tmp_path: Path) -> None:
    result = write(tmp_path / "crawl.warc.gz", tmp_path / "w", {"a": 1})
    assert result.items == 0
    assert "feedexport/items_dropped" not in result.stats
    assert [record.rec_type for record, _ in records(tmp_path / "crawl.warc.gz")] == ["warcinfo"]


def test_feeds_of_items_take_no_pages(tmp_path: Path) -> None:
    settings = Settings({"FEEDS": {"a.jsonl": {}, "b.warc.gz": {}}})
    writer = FeedWriter(str(tmp_path / "a.jsonl"), {}, settings=settings, workdir=tmp_path / "w")
    writer.open()
    writer.write([(bytes(16), [encode_page(*fetched_page(1)), {"a": 1}])])
    assert writer.close().stats == {"feedexport/success_count/FileFeedStorage": 1}
    assert (tmp_path / "a.jsonl").read_bytes() == b'{"a": 1}\n'


def test_which_feeds_take_pages() -> None:
    feeds = {"a.jsonl": {}, "b.warc.gz": {}, "s3://b/c/": {"format": "warc"}}
    assert page_feeds(Settings({"FEEDS": feeds})) == ["b.warc.gz", "s3://b/c/"]
