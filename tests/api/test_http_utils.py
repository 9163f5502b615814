"""The helpers around requests and responses: cURL, URLs, response types, Python values."""

from __future__ import annotations

import functools
import operator
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest

from raycrawl.http import Headers, HtmlResponse, JsonResponse, Request, Response, TextResponse, XmlResponse
from raycrawl.responsetypes import responsetypes
from raycrawl.utils.curl import curl_to_request_kwargs
from raycrawl.utils.httpobj import urlparse_cached
from raycrawl.utils.python import (
    MutableAsyncChain,
    MutableChain,
    binary_is_text,
    garbage_collect,
    get_func_args,
    get_spec,
    global_object_name,
    is_listlike,
    memoizemethod_noargs,
    to_bytes,
    to_unicode,
    unique,
    without_none_values,
)
from raycrawl.utils.request import referer_str, request_httprepr
from raycrawl.utils.response import (
    get_base_url,
    get_meta_refresh,
    open_in_browser,
    response_from_dict,
    response_status_message,
)
from raycrawl.utils.url import (
    add_http_if_no_scheme,
    guess_scheme,
    strip_url,
    url_has_any_extension,
    url_is_from_any_domain,
    url_is_from_spider,
)

# -- cURL


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("curl http://example.org/", {"method": "GET", "url": "http://example.org/"}),
        ("curl 'http://example.org/'", {"method": "GET", "url": "http://example.org/"}),
        ("curl example.org", {"method": "GET", "url": "http://example.org"}),
        ("curl -X POST http://e.org", {"method": "POST", "url": "http://e.org"}),
        ("curl -XPUT http://e.org", {"method": "PUT", "url": "http://e.org"}),
        ("curl http://e.org --request PATCH", {"method": "PATCH", "url": "http://e.org"}),
        ("curl --url http://e.org", {"method": "GET", "url": "http://e.org"}),
        (
            "curl -H 'A: b: c' -H 'a:d' http://e.org",
            {"method": "GET", "url": "http://e.org", "headers": [("A", "b: c"), ("a", "d")]},
        ),
        ("curl -H 'A;' http://e.org", {"method": "GET", "url": "http://e.org", "headers": [("A", "")]}),
        (
            "curl -H 'Cookie: x=y; z=1=2' http://e.org",
            {"method": "GET", "url": "http://e.org", "cookies": {"x": "y", "z": "1=2"}},
        ),
        (
            "curl -b 'x=y' --cookie 'a=b' http://e.org",
            {"method": "GET", "url": "http://e.org", "cookies": {"x": "y", "a": "b"}},
        ),
        ("curl -b cookies.txt http://e.org", {"method": "GET", "url": "http://e.org"}),
        ("curl -d 'a=b' http://e.org", {"method": "POST", "url": "http://e.org", "body": "a=b"}),
        (
            "curl --data a=b --data-raw c=d --data-binary e http://e.org",
            {"method": "POST", "url": "http://e.org", "body": "a=b&c=d&e"},
        ),
        ("curl --data-urlencode 'a=b c&' http://e.org", {"method": "POST", "url": "http://e.org", "body": "a=b+c%26"}),
        ("curl --data-urlencode 'b c' http://e.org", {"method": "POST", "url": "http://e.org", "body": "b+c"}),
        ("curl -X GET -d x http://e.org", {"method": "GET", "url": "http://e.org", "body": "x"}),
        ("curl -d '' http://e.org", {"method": "GET", "url": "http://e.org"}),
        ("curl -G -d a=b -d 'c=d' 'http://e.org/?z=1'", {"method": "GET", "url": "http://e.org/?z=1&a=b&c=d"}),
        ("curl -I http://e.org", {"method": "HEAD", "url": "http://e.org"}),
        (
            "curl -u user:pass http://e.org",
            {"method": "GET", "url": "http://e.org", "headers": [("Authorization", b"Basic dXNlcjpwYXNz")]},
        ),
        (
            "curl -A ua -e ref http://e.org",
            {"method": "GET", "url": "http://e.org", "headers": [("User-Agent", "ua"), ("Referer", "ref")]},
        ),
        (
            "curl --json '{\"a\": 1}' http://e.org",
            {
                "method": "POST",
                "url": "http://e.org",
                "body": '{"a": 1}',
                "headers": [("Content-Type", "application/json"), ("Accept", "application/json")],
            },
        ),
        ("curl http://e.org --compressed -s -v -#", {"method": "GET", "url": "http://e.org"}),
        ("curl \\\n 'http://e.org' \\\n  -H 'A: b'", {"method": "GET", "url": "http://e.org", "headers": [("A", "b")]}),
        (
            r"curl 'http://e.org' --data-raw $'it\'s\u0021\n'",
            {"method": "POST", "url": "http://e.org", "body": "it's!\n"},
        ),
        ("curl 'http://e.org/?a=1&b=$x'", {"method": "GET", "url": "http://e.org/?a=1&b=$x"}),
    ],
)
def test_curl(command: str, expected: dict[str, Any]) -> None:
    assert curl_to_request_kwargs(command) == expected
    assert Request(**curl_to_request_kwargs(command)).method == expected["method"]


@pytest.mark.parametrize("command", ["wget http://x", "", "   ", "echo curl"])
def test_what_is_no_curl_command(command: str) -> None:
    with pytest.raises(ValueError, match='A curl command must start with "curl"'):
        curl_to_request_kwargs(command)


@pytest.mark.parametrize("command", ["curl", "curl -X POST", "curl http://e.org -H", "curl http://e.org -H nonsense"])
def test_curl_commands_that_are_wrong(command: str) -> None:
    with pytest.raises(ValueError, match="error parsing the curl command"):
        curl_to_request_kwargs(command)


def test_curl_with_unknown_options() -> None:
    with pytest.warns(UserWarning, match="Unrecognized options: --bar, --baz"):
        assert curl_to_request_kwargs("curl --bar --baz http://e.org") == {"method": "GET", "url": "http://e.org"}
    with pytest.raises(ValueError, match="Unrecognized options: --bar, --baz"):
        curl_to_request_kwargs("curl --bar --baz http://e.org", ignore_unknown_options=False)
    with pytest.warns(UserWarning, match="--max-time, 3"):
        assert curl_to_request_kwargs("curl --max-time 3 http://e.org")["url"] == "http://e.org"


# -- URLs


@pytest.mark.parametrize(
    ("url", "domains", "expected"),
    [
        ("http://www.wheele-bin-art.co.uk/get/product/123", ["wheele-bin-art.co.uk"], True),
        ("http://www.wheele-bin-art.co.uk/get/product/123", ["art.co.uk"], False),
        ("http://wheele-bin-art.co.uk/get", ["wheele-bin-art.co.uk"], True),
        ("http://www.Example.com/x", ["EXAMPLE.com"], True),
        ("http://192.169.0.15:8080/mypage.html", ["192.169.0.15:8080"], True),
        ("http://192.169.0.15:8080/mypage.html", ["192.169.0.15"], False),
        ("http://example.com:80/", ["example.com"], True),
        ("http://u:p@example.com/", ["example.com"], True),
        ("http://example.com@evil.com/", ["example.com"], False),
        ("http://evil.com\\@example.com/", ["example.com"], False),
        ("javascript:%20document.orderform.submit();", ["testdomain.com"], False),
        ("javascript:x", [""], False),
        ("/a", ["a"], False),
        ("http://example.com", [], False),
        (b"http://a.example.com", ["b.com", "example.com"], True),
        (urlparse("http://a.example.com/x"), ["example.com"], True),
    ],
)
def test_url_is_from_any_domain(url: Any, domains: list[str], expected: bool) -> None:
    assert url_is_from_any_domain(url, domains) is expected


@pytest.mark.parametrize("domains", [["example.net"], ("example.net",), {"example.net"}])
def test_url_is_from_spider(domains: Any) -> None:
    class Named:
        name = "example.com"

    class Allowed(Named):
        allowed_domains = domains

    class Empty(Named):
        allowed_domains = None

    for spider in (Named, Allowed, Empty):
        assert url_is_from_spider("http://www.example.com/some/page.html", spider)  # type: ignore[arg-type]
        assert not url_is_from_spider("http://www.example.org/some/page.html", spider)  # type: ignore[arg-type]
    assert url_is_from_spider("http://sub.example.net/", Allowed)  # type: ignore[arg-type]
    assert not url_is_from_spider("http://sub.example.net/", Named)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "extensions", "expected"),
    [
        ("http://www.example.com/page.doc", [".doc", ".tar.gz"], True),
        ("http://www.example.com/page.pas", [".doc", ".tar.gz"], False),
        ("http://www.example.com/archive.tar.gz", [".doc", ".tar.gz"], True),
        ("http://www.example.com/page.doc.1", [".doc"], False),
        ("http://www.example.com/A.PDF?x=1", [".pdf"], True),
        ("http://www.example.com/x?y=a.pdf", [".pdf"], False),
        (urlparse("http://www.example.com/a.pdf"), {".pdf"}, True),
    ],
)
def test_url_has_any_extension(url: Any, extensions: Any, expected: bool) -> None:
    assert url_has_any_extension(url, extensions) is expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("www.example.com", "http://www.example.com"),
        ("example.com:80/a?b#c", "http://example.com:80/a?b#c"),
        ("username:password@www.example.com", "http://username:password@www.example.com"),
        ("http://www.example.com", "http://www.example.com"),
        ("//www.example.com", "http://www.example.com"),
        ("ftp://www.example.com", "ftp://www.example.com"),
        ("www.example.com/do?a=http://x", "http://www.example.com/do?a=http://x"),
        ("", "http://"),
    ],
)
def test_add_http_if_no_scheme(url: str, expected: str) -> None:
    assert add_http_if_no_scheme(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/index", "file:///index"),
        ("/index.html", "file:///index.html"),
        ("index.html", "http://index.html"),
        ("./index.html", None),
        ("../index.html", None),
        ("./data/index.html", None),
        ("www.example.com", "http://www.example.com"),
        ("index", "http://index"),
        ("http://a.com", "http://a.com"),
        ("file:///x", "file:///x"),
        ("example.com/.hidden", "http://example.com/.hidden"),
        ("C:\\index.html", "C:\\index.html"),
        ("/tmp/dir.name/x", "file:///tmp/dir.name/x"),
        ("localhost:80", "http://localhost:80"),
    ],
)
def test_guess_scheme(url: str, expected: str | None) -> None:
    guessed = guess_scheme(url)
    if expected is None:
        expected = "file://" + os.path.abspath(url)
    assert guessed == expected


@pytest.mark.parametrize(
    ("url", "kwargs", "expected"),
    [
        ("http://u:p@a.com:80/x?y#z", {}, "http://a.com/x?y"),
        ("http://u:p@a.com:80/x?y#z", {"strip_credentials": False}, "http://u:p@a.com/x?y"),
        ("http://u:p@a.com:80/x?y#z", {"strip_default_port": False}, "http://a.com:80/x?y"),
        ("http://u:p@a.com:80/x?y#z", {"strip_fragment": False}, "http://a.com/x?y#z"),
        ("http://u:p@a.com:80/x?y#z", {"origin_only": True}, "http://a.com/"),
        ("http://u:p@a.com:80/x", {"origin_only": True, "strip_credentials": False}, "http://a.com/"),
        ("https://a.com:443", {}, "https://a.com"),
        ("http://a.com:443/", {}, "http://a.com:443/"),
        ("ftp://u@a.com:21/x", {}, "ftp://a.com/x"),
        ("http://u%40x:p@a.com:8080/;p", {}, "http://a.com:8080/;p"),
        ("http://[::1]:80/x", {}, "http://[::1]/x"),
    ],
)
def test_strip_url(url: str, kwargs: dict[str, bool], expected: str) -> None:
    assert strip_url(url, **kwargs) == expected


def test_urlparse_cached() -> None:
    request = Request("http://www.example.com/index.html?x#y")
    parsed = urlparse_cached(request)
    assert urlparse_cached(request) is parsed
    assert parsed == urlparse(request.url)
    assert urlparse_cached(Response("http://a.com/")).hostname == "a.com"


# -- requests


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request("http://www.example.com"), b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n"),
        (
            Request("http://www.example.com/some/page.html?arg=1#f"),
            b"GET /some/page.html?arg=1 HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
        ),
        (
            Request("http://www.example.com", method="POST", headers={"Content-type": "text/html"}, body=b"Some body"),
            b"POST / HTTP/1.1\r\nHost: www.example.com\r\nContent-Type: text/html\r\n\r\nSome body",
        ),
        (Request("file:///tmp/foo.txt"), b"GET /tmp/foo.txt HTTP/1.1\r\nHost: \r\n\r\n"),
    ],
)
def test_request_httprepr(request_: Request, expected: bytes) -> None:
    assert request_httprepr(request_) == expected


def test_referer_str() -> None:
    assert referer_str(Request("http://a.com", headers={"Referer": b"http://\xff"})) == "http://\ufffd"
    assert referer_str(Request("http://a.com")) is None


# -- responses


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'<meta http-equiv="refresh" content="5;url=/newpage"/>', (5.0, "http://example.org/newpage")),
        (b'<base href="http://b.com/q/"><meta http-equiv="refresh" content="0.5; url=x">', (0.5, "http://b.com/q/x")),
        (b"<p>", (None, None)),
        (b"<META content='1; URL=x' HTTP-EQUIV=Refresh>", (1.0, "http://example.org/dir/x")),
        (b"<meta http-equiv='refresh' content='0;url=\"/a>b\"'>", (0.0, "http://example.org/a%3Eb")),
        (b"<meta http-equiv=refresh content='3, url=http://b.com'>", (3.0, "http://b.com")),
        (b"<meta http-equiv=refresh content='.5;url=/a?b=1&amp;c=2'>", (0.5, "http://example.org/a?b=1&c=2")),
        (b"<meta http-equiv=refresh content='5'>", (None, None)),
        (b"<meta name=refresh content='5;url=/x'>", (None, None)),
        (b"<meta http-equiv=refresh content='5;url=http://[bad'>", (None, None)),
        (b"<meta http-equiv=refresh content='0;url=http:\\\\b.com\\x'>", (0.0, "http://b.com/x")),
        (b"<p>no refresh</p>" + b" " * 5000 + b"<meta http-equiv=refresh content='5;url=/x'>", (None, None)),
        (b'<noscript><meta http-equiv="refresh" content="5;url=/x"/></noscript>', (None, None)),
        (b'<script><meta http-equiv="refresh" content="5;url=/x"/></script>', (None, None)),
        (b'<!-- <meta http-equiv="refresh" content="5;url=/x"/> -->', (None, None)),
    ],
)
def test_get_meta_refresh(body: bytes, expected: Any) -> None:
    assert get_meta_refresh(HtmlResponse("http://example.org/dir/x", body=body)) == expected


def test_get_meta_refresh_with_other_ignored_tags() -> None:
    body = b'<noscript><meta http-equiv="refresh" content="5;url=/x"/></noscript>'
    assert get_meta_refresh(HtmlResponse("http://a.com/", body=body), ignore_tags=("script",)) == (
        5.0,
        "http://a.com/x",
    )


def test_get_base_url() -> None:
    assert (
        get_base_url(HtmlResponse("https://example.org", body=b'<base href="http://b.com/img/">'))
        == "http://b.com/img/"
    )
    assert get_base_url(HtmlResponse("https://example.org/x", body=b"blah")) == "https://example.org/x"


@pytest.mark.parametrize(
    ("status", "message"),
    [(200, "200 OK"), ("404", "404 Not Found"), (b"500", "500 Internal Server Error"), (573, "573 Unknown Status")],
)
def test_response_status_message(status: Any, message: str) -> None:
    assert response_status_message(status) == message


def test_response_from_dict() -> None:
    response = response_from_dict(HtmlResponse("http://a.com", body=b"x", headers={"A": "b"}).to_dict())
    assert (type(response), response.body, response.headers) == (HtmlResponse, b"x", {b"A": [b"b"]})


def opened(response: Any) -> bytes:
    contents = []

    def open_(url: str) -> bool:
        path = Path(urlparse(url).path)
        contents.append(path.read_bytes())
        path.unlink()
        return True

    assert open_in_browser(response, _openfunc=open_) is True
    return contents[0]


def test_open_in_browser() -> None:
    url = "http://www.example.com/some/page.html"
    assert b'<head><base href="http://www.example.com/some/page.html">' in opened(
        HtmlResponse(url, body=b"<html><head><title>x</title></head>")
    )
    assert b'<head lang="en"><base href=' in opened(HtmlResponse(url, body=b'<html><head lang="en"></head>'))
    assert opened(HtmlResponse(url, body=b"<html><header>no head</header>")) == b"<html><header>no head</header>"
    body = b"<!-- <head> --><head><title>x"
    assert opened(HtmlResponse(url, body=body)).count(b"<base") == 1
    assert opened(HtmlResponse(url, body=body)).startswith(b"<!-- <head> --><head><base")
    assert opened(HtmlResponse(url, body=b"<head><base href='/x'>")) == b"<head><base href='/x'>"
    assert opened(TextResponse(url, body=b"plain")) == b"plain"
    with pytest.raises(TypeError, match="Unsupported response type"):
        open_in_browser(Response(url, body=b"x"))  # type: ignore[arg-type]


# -- response types


@pytest.mark.parametrize(
    ("mimetype", "cls"),
    [
        ("text/html", HtmlResponse),
        ("application/xhtml+xml", HtmlResponse),
        ("application/vnd.wap.xhtml+xml", HtmlResponse),
        ("text/xml", XmlResponse),
        ("application/xml", XmlResponse),
        ("application/atom+xml", XmlResponse),
        ("application/rss+xml", XmlResponse),
        ("application/rdf+xml", XmlResponse),
        ("application/json", JsonResponse),
        ("application/x-json", JsonResponse),
        ("application/json-amazonui-streaming", JsonResponse),
        ("application/javascript", TextResponse),
        ("application/x-javascript", TextResponse),
        ("text/javascript", TextResponse),
        ("text/plain", TextResponse),
        ("text/css", TextResponse),
        ("text/anything", TextResponse),
        ("image/png", Response),
        ("application/pdf", Response),
        ("application/octet-stream", Response),
        ("", Response),
    ],
)
def test_response_class_by_mimetype(mimetype: str, cls: type[Response]) -> None:
    assert responsetypes.from_mimetype(mimetype) is cls
    assert responsetypes.from_content_type(f"{mimetype}; charset=utf-8") is cls
    assert responsetypes.from_content_type(f" {mimetype.upper()} ".encode()) is cls
    assert responsetypes.from_content_type(mimetype, b"gzip") is Response


@pytest.mark.parametrize(
    ("disposition", "cls"),
    [
        (b'attachment; filename="data.xml"', XmlResponse),
        (b"attachment; filename=data.html", HtmlResponse),
        (b"attachment; filename=data.xml.gz", Response),
        (b"attachment", Response),
        ("attachment; filename=a.txt; x=y", TextResponse),
        ("inline; filename=dataµ.tar.gz".encode("latin-1"), Response),
        ("filename=x.json", Response),
    ],
)
def test_response_class_by_content_disposition(disposition: Any, cls: type[Response]) -> None:
    assert responsetypes.from_content_disposition(disposition) is cls


@pytest.mark.parametrize(
    ("filename", "cls"),
    [
        ("data.bin", Response),
        ("file.txt", TextResponse),
        ("file.xml.gz", Response),
        ("file.xml", XmlResponse),
        ("file.html", HtmlResponse),
        ("http://a.com/file.json", JsonResponse),
        ("http://a.com/", Response),
        ("http://a.com/a.php", Response),
        ("a.rss", XmlResponse),
        ("a.csv", TextResponse),
        ("a.pdf", Response),
        ("a.svg", Response),
        ("a.xhtml", HtmlResponse),
        ("", Response),
    ],
)
def test_response_class_by_filename(filename: str, cls: type[Response]) -> None:
    assert responsetypes.from_filename(filename) is cls


@pytest.mark.parametrize(
    ("body", "cls"),
    [
        (b"\x03\x02\xdf\xdd\x23", Response),
        (b"Some plain text\ndata with tabs\t and null bytes\0", TextResponse),
        (b"<html><head><title>Hello</title></head>", HtmlResponse),
        (b"<!DOCTYPE html>\n<title>", HtmlResponse),
        (b'<?xml version="1.0" encoding="utf-8"', XmlResponse),
        (b"", TextResponse),
        (b"\x89PNG\r\n\x1a\n", Response),
        (b"\xef\xbb\xbf<HTML>", HtmlResponse),
        (b"{}", TextResponse),
    ],
)
def test_response_class_by_body(body: bytes, cls: type[Response]) -> None:
    assert responsetypes.from_body(body) is cls


@pytest.mark.parametrize(
    ("headers", "cls"),
    [
        ({"Content-Type": ["text/html; charset=utf-8"]}, HtmlResponse),
        ({"Content-Type": ["text/html; charset=utf-8"], "Content-Encoding": ["gzip"]}, Response),
        (
            {"Content-Type": ["application/octet-stream"], "Content-Disposition": ["attachment; filename=data.txt"]},
            TextResponse,
        ),
        ({"Content-Disposition": ["attachment; filename=data.txt"]}, TextResponse),
        ({"Content-Type": None}, Response),
        ({}, Response),
    ],
)
def test_response_class_by_headers(headers: Any, cls: type[Response]) -> None:
    assert responsetypes.from_headers(Headers(headers)) is cls


@pytest.mark.parametrize(
    ("kwargs", "cls"),
    [
        ({"url": "http://www.example.com/data.csv"}, TextResponse),
        ({"headers": Headers({"Content-Type": ["text/html"]}), "url": "http://www.example.com/data.csv"}, HtmlResponse),
        (
            {
                "headers": Headers({"Content-Type": ["application/octet-stream"]}),
                "url": "http://www.example.com/data.csv",
            },
            TextResponse,
        ),
        ({"url": "http://www.example.com/item/", "body": b"<html>"}, HtmlResponse),
        ({"url": "http://www.example.com/item/", "filename": "a.xml", "body": b"<html>"}, XmlResponse),
        ({"body": b"\x00\x01\x02"}, Response),
        ({"headers": {b"Content-Type": b"application/json"}}, JsonResponse),
        ({}, Response),
    ],
)
def test_response_class_by_arguments(kwargs: dict[str, Any], cls: type[Response]) -> None:
    assert responsetypes.from_args(**kwargs) is cls


# -- Python values


def test_to_unicode_and_to_bytes() -> None:
    assert to_unicode(b"lel\xc3\xb1e") == to_unicode("lel\xf1e") == "lel\xf1e"
    assert to_unicode(b"lel\xf1e", "latin-1") == "lel\xf1e"
    assert to_unicode(b"a\xedb", "utf-8", errors="replace") == "a\ufffdb"
    assert to_bytes("\xa3 49") == b"\xc2\xa3 49"
    assert to_bytes("\xa3 49", "latin-1") == b"\xa3 49"
    assert to_bytes(b"x") == b"x"
    assert to_bytes("a\ufffdb", "latin-1", errors="replace") == b"a?b"
    for value in (None, 1, object()):
        with pytest.raises(TypeError, match="to_unicode must receive a bytes or str object"):
            to_unicode(value)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="to_bytes must receive a str or bytes object"):
            to_bytes(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"hello", True), (b"", True), (b"\t\r\n", True), (b"\xc2\xa3", True), (b"\x02", False), (b"a\x00", True)],
)
def test_binary_is_text(data: bytes, expected: bool) -> None:
    assert binary_is_text(data) is expected


def test_binary_is_text_takes_bytes() -> None:
    with pytest.raises(TypeError, match="data must be bytes"):
        binary_is_text("text")  # type: ignore[arg-type]


class Callable_:  # noqa: N801
    def __call__(self, a: Any, b: Any = 1) -> None: ...

    def method(self, a: Any, b: Any = 2) -> None: ...


def function(a: Any, b: Any = None, *, c: Any = None) -> None: ...


@pytest.mark.parametrize(
    ("func", "names"),
    [
        (function, ["a", "b", "c"]),
        (functools.partial(function, 1), ["b", "c"]),
        (functools.partial(function, b=1), ["a", "c"]),
        (Callable_(), ["a", "b"]),
        (Callable_().method, ["a", "b"]),
        (Callable_.method, ["self", "a", "b"]),
        (Callable_, []),
        (" ".join, ["iterable"]),
        (object, []),
    ],
)
def test_get_func_args(func: Any, names: list[str]) -> None:
    if isinstance(func, functools.partial) and "b" in func.keywords:
        assert set(get_func_args(func)) == {"a", "c"}
    else:
        assert get_func_args(func) == names


def test_get_func_args_without_self_and_of_what_is_no_function() -> None:
    assert get_func_args(Callable_.method, stripself=True) == ["a", "b"]
    assert get_func_args(Callable_().method, stripself=True) == ["a", "b"]
    with pytest.raises(TypeError, match="func must be callable"):
        get_func_args(3)  # type: ignore[arg-type]


def test_get_spec() -> None:
    assert get_spec(function) == (["a"], {"b": None})
    assert get_spec(Callable_) == (["self", "a"], {"b": 1})
    assert get_spec(Callable_()) == (["self", "a"], {"b": 1})
    assert get_spec(Callable_.method) == (["self", "a"], {"b": 2})
    assert get_spec(Callable_().method) == (["self", "a"], {"b": 2})
    assert get_spec(operator.itemgetter(2))[1] == {}
    with pytest.raises(TypeError, match="is not callable"):
        get_spec(1)  # type: ignore[arg-type]


def test_memoizemethod_noargs() -> None:
    class Counter:
        calls = 0

        @memoizemethod_noargs
        def value(self) -> object:
            type(self).calls += 1
            return object()

    one, two = Counter(), Counter()
    assert one.value() is one.value()
    assert one.value() is not two.value()
    assert Counter.calls == 2


def test_without_none_values() -> None:
    assert without_none_values([1, None, 3]) == [1, 3]
    assert without_none_values((1, None)) == (1,)
    assert without_none_values({"a": None, "b": 0}) == {"b": 0}


def test_is_listlike_unique_and_names() -> None:
    assert [is_listlike(x) for x in ("foo", b"foo", 5, None, [1], (1,), {}, {1}, range(2), iter(()))] == [False] * 4 + [
        True
    ] * 6
    assert unique([3, 1, 3, 2]) == [3, 1, 2]
    assert unique(["a", "A", "b"], key=str.lower) == ["a", "b"]
    assert global_object_name(ValueError) == "builtins.ValueError"
    assert global_object_name(Request.copy) == "raycrawl.http.request.Request.copy"
    garbage_collect()


def test_mutable_chain() -> None:
    chain = MutableChain(range(2), [2])
    chain.extend([3], "x")
    assert next(chain) == 0
    chain.extend(["last"])
    assert list(chain) == [1, 2, 3, "x", "last"]


async def test_mutable_async_chain() -> None:
    async def numbers() -> Any:
        for i in range(2):
            yield i

    chain = MutableAsyncChain(numbers(), [2])
    chain.extend(["a"], numbers())
    assert [value async for value in chain] == [0, 1, 2, "a", 0, 1]
    with pytest.raises(StopAsyncIteration):
        await chain.__anext__()
