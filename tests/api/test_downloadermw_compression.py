"""Compressed responses, and the bombs among them."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from typing import Any

import brotli
import pytest
import zstandard

from raycrawl.downloadermiddlewares.httpcompression import ACCEPTED_ENCODINGS, HttpCompressionMiddleware
from raycrawl.exceptions import IgnoreRequest, NotConfigured
from raycrawl.http import HtmlResponse, Request, Response
from raycrawl.utils.test import get_crawler

URL = "http://a.com/x"
PAGE = b"<p>hello</p>"


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data)[2:-4]


PACKERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


def made(**settings: Any) -> tuple[HttpCompressionMiddleware, Any]:
    crawler = get_crawler(settings_dict=settings)
    return HttpCompressionMiddleware.from_crawler(crawler), crawler


def unpack(body: bytes, coding: Any, meta: dict[str, Any] | None = None, method: str = "GET", **settings: Any) -> Any:
    headers = {"Content-Type": "text/html", "Content-Encoding": coding}
    request = Request(URL, meta=meta, method=method)
    return made(**settings)[0].process_response(request, Response(URL, body=body, headers=headers))


def test_accept_encoding() -> None:
    assert ACCEPTED_ENCODINGS == [b"gzip", b"deflate", b"br", b"zstd"]
    request = Request(URL)
    assert made()[0].process_request(request) is None
    assert request.headers["Accept-Encoding"] == b"gzip, deflate, br, zstd"
    own = Request(URL, headers={"Accept-Encoding": "identity"})
    made()[0].process_request(own)
    assert own.headers["Accept-Encoding"] == b"identity"


@pytest.mark.parametrize("coding", PACKERS)
def test_codings(coding: str) -> None:
    for name in (coding, coding.upper()):
        response = unpack(PACKERS[coding](PAGE), name)
        assert isinstance(response, HtmlResponse)
        assert response.body == PAGE
        assert "Content-Encoding" not in response.headers


def test_raw_deflate() -> None:
    assert unpack(raw_deflate(PAGE), "deflate").body == PAGE


@pytest.mark.parametrize("header", ["gzip, br", ["gzip", "br"], " gzip ,, BR"])
def test_stacked_codings(header: Any) -> None:
    assert unpack(brotli.compress(gzip.compress(PAGE)), header).body == PAGE


def test_many_members_and_padding() -> None:
    assert unpack(gzip.compress(b"a") + gzip.compress(b"b") + b"\0\0", "gzip").body == b"ab"
    assert unpack(gzip.compress(b"a") + b"garbage", "gzip").body == b"a"


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_cut_off_data_gives_what_can_be_read(coding: str) -> None:
    packed = PACKERS[coding](b"x" * 100_000)
    body = unpack(packed[: len(packed) // 2], coding).body
    assert set(body) == {ord("x")}


@pytest.mark.parametrize("coding", PACKERS)
def test_what_is_not_compressed_stays(coding: str) -> None:
    response = unpack(b"\xff plain", coding)
    assert response.body == b"\xff plain"
    assert unpack(b"", coding).body == b""


def test_unknown_codings_stay(caplog: pytest.LogCaptureFixture) -> None:
    response = unpack(b"x", "bogus")
    assert response.body == b"x"
    assert response.headers["Content-Encoding"] == b"bogus"
    assert "unsupported encoding(s) 'bogus'" in caplog.text
    packed = gzip.compress(PAGE)
    assert unpack(packed, "bogus, gzip").headers.getlist("Content-Encoding") == [b"bogus"]
    assert unpack(packed, "gzip, bogus").body == packed


def test_head_and_uncompressed_responses_pass() -> None:
    packed = gzip.compress(PAGE)
    assert unpack(packed, "gzip", method="HEAD").body == packed
    response = Response(URL, body=b"x")
    assert made()[0].process_response(Request(URL), response) is response


def test_stats_and_switch() -> None:
    middleware, crawler = made()
    response = Response(URL, body=gzip.compress(PAGE), headers={"Content-Encoding": "gzip"})
    middleware.process_response(Request(URL), response)
    assert crawler.stats.get_stats() == {
        "httpcompression/response_count": 1,
        "httpcompression/response_bytes": len(PAGE),
    }
    with pytest.raises(NotConfigured):
        made(COMPRESSION_ENABLED=False)


# bombs


@pytest.mark.parametrize("coding", PACKERS)
def test_bombs_stop_at_the_limit(coding: str) -> None:
    bomb = PACKERS[coding](b"\0" * 20_000_000)
    tracemalloc.start()
    try:
        for settings, meta in (({"DOWNLOAD_MAXSIZE": 100_000}, {}), ({}, {"download_maxsize": 100_000})):
            with pytest.raises(IgnoreRequest, match="exceeded DOWNLOAD_MAXSIZE"):
                unpack(bomb, coding, meta, **settings)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def test_stacked_bombs_stop_at_the_limit() -> None:
    bomb = gzip.compress(gzip.compress(gzip.compress(b"\0" * 20_000_000)))
    with pytest.raises(IgnoreRequest):
        unpack(bomb, "gzip, gzip, gzip", {"download_maxsize": 1_000_000})


def test_many_empty_members_end() -> None:
    empty = gzip.compress(b"")
    assert unpack(empty * 50_000, "gzip").body == b""


def test_the_limit_itself_is_allowed() -> None:
    assert len(unpack(gzip.compress(b"x" * 1000), "gzip", {"download_maxsize": 1000}).body) == 1000
    with pytest.raises(IgnoreRequest):
        unpack(gzip.compress(b"x" * 1001), "gzip", {"download_maxsize": 1000})


def test_warnsize(caplog: pytest.LogCaptureFixture) -> None:
    unpack(gzip.compress(b"z" * 10_000), "gzip", {"download_warnsize": 100})
    assert "body size after decompression (10000 B) is larger than the download warning size (100 B)" in caplog.text


def test_truncation_for_components() -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)
    assert len(unpack(bomb, "gzip", {"_truncate_nbytes": 5000, "download_maxsize": 10}).body) == 5000
