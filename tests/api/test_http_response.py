"""`Response` and its subclasses: values, encodings, joining and following links."""

from __future__ import annotations

import codecs
import copy
import ipaddress
import pickle
from typing import Any

import pytest

from raycrawl.exceptions import NotSupported
from raycrawl.http import (
    Headers,
    HtmlResponse,
    JsonResponse,
    Request,
    Response,
    TextResponse,
    XmlResponse,
)
from raycrawl.link import Link
from raycrawl.selector import Selector

URL = "http://example.com"
TEXT_CLASSES = [TextResponse, HtmlResponse, XmlResponse, JsonResponse]
ALL_CLASSES = [Response, *TEXT_CLASSES]


class CustomResponse(TextResponse):
    attributes = (*TextResponse.attributes, "foo", "bar")

    def __init__(self, *args: Any, foo: Any = None, bar: Any = None, **kwargs: Any) -> None:
        self.foo = foo
        self.bar = bar
        super().__init__(*args, **kwargs)


def html(body: str | bytes = "", url: str = "http://example.com/dir/index.html", **kwargs: Any) -> HtmlResponse:
    return HtmlResponse(url, body=body, encoding=kwargs.pop("encoding", "utf-8"), **kwargs)


# -- Response


@pytest.mark.parametrize("cls", ALL_CLASSES)
def test_defaults(cls: type[Response]) -> None:
    response = cls(URL)
    assert response.url == URL
    assert response.status == 200
    assert response.body == b""
    assert isinstance(response.headers, Headers)
    assert not response.headers
    assert response.flags == []
    assert (response.request, response.certificate, response.ip_address, response.protocol) == (None,) * 4
    assert repr(response) == str(response) == "<200 http://example.com>"


def test_arguments() -> None:
    request = Request(URL)
    address = ipaddress.ip_address("127.0.0.1")
    response = Response(URL, "301", {"A": ["1", "2"]}, b"body", ["f"], request, "cert", address, "HTTP/1.1")  # type: ignore[arg-type]
    assert response.status == 301
    assert response.headers == {b"A": [b"1", b"2"]}
    assert (response.body, response.flags, response.request) == (b"body", ["f"], request)
    assert (response.certificate, response.ip_address, response.protocol) == ("cert", address, "HTTP/1.1")


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        Response(URL, status="abc")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="url must be str, got bytes"):
        Response(b"http://example.com")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="body must be bytes"):
        Response(URL, body="text")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Response()  # type: ignore[call-arg]
    assert Response(URL, body=None).body == b""  # type: ignore[arg-type]
    assert Response("not a url").url == "not a url"


@pytest.mark.parametrize("name", ["url", "body", "meta", "cb_kwargs", "text"])
def test_read_only(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(Response(URL), name, b"x")


def test_headers_and_flags_can_be_set() -> None:
    response = Response(URL)
    response.headers = {"A": "b"}  # type: ignore[assignment]
    response.flags = ["x"]
    assert response.headers["a"] == b"b"
    assert response.flags == ["x"]


def test_meta_and_cb_kwargs_are_those_of_the_request() -> None:
    request = Request(URL, meta={"a": 1}, cb_kwargs={"k": 2})
    response = Response(URL, request=request)
    assert response.meta is request.meta
    assert response.cb_kwargs is request.cb_kwargs


@pytest.mark.parametrize("name", ["meta", "cb_kwargs"])
def test_without_a_request_there_is_no_meta(name: str) -> None:
    with pytest.raises(
        AttributeError, match=rf"Response\.{name} not available, this response is not tied to any request"
    ):
        getattr(Response(URL), name)
    assert not hasattr(Response(URL), name)


def test_a_response_that_is_not_text() -> None:
    response = Response(URL, body=b"x")
    with pytest.raises(AttributeError, match="Response content isn't text"):
        _ = response.text
    for call in (response.css, response.xpath, response.jmespath):
        with pytest.raises(NotSupported, match="Response content isn't text"):
            call("a")


@pytest.mark.parametrize("cls", ALL_CLASSES)
def test_copy_and_replace(cls: type[Response]) -> None:
    response = cls(
        "http://example.com/x",
        body=b"abc",
        status=404,
        headers={"A": "b"},
        flags=["cached"],
        request=Request(URL),
        ip_address=ipaddress.ip_address("::1"),
        protocol="h2",
        certificate=b"c",
    )
    same = response.copy()
    assert type(same) is cls
    for name in cls.attributes:
        assert getattr(same, name) == getattr(response, name), name
    assert same.headers is not response.headers
    assert same.flags is not response.flags
    other = response.replace(status=500, body=b"other", flags=[])
    assert (other.status, other.body, other.flags, other.url) == (500, b"other", [], "http://example.com/x")
    assert other.request is response.request


def test_replace_class() -> None:
    custom = CustomResponse(URL, foo=1, bar=2, encoding="utf-8")
    assert (custom.replace(body=b"x").foo, custom.copy().bar, custom.replace(foo=7).foo) == (1, 2, 7)
    response = Response(URL, body=b"x", flags=["f"]).replace(cls=HtmlResponse, encoding="ascii")
    assert (type(response), response.encoding, response.flags) == (HtmlResponse, "ascii", ["f"])
    assert type(custom.replace(cls=Response)) is Response
    with pytest.raises(TypeError):
        custom.replace(unknown=1)


@pytest.mark.parametrize("cls", [*ALL_CLASSES, CustomResponse])
def test_to_dict_and_back(cls: type[Response]) -> None:
    response = cls(
        "http://example.com/x",
        body=b"\xffabc",
        status=404,
        headers={"A": ["1", "2"]},
        flags=["f"],
        request=Request(URL),
        protocol="HTTP/1.1",
        certificate=object(),
    )
    d = response.to_dict()
    assert "request" not in d
    assert "certificate" not in d
    assert ("_class" in d) == (cls is not Response)
    again = Response.from_dict(d)
    assert type(again) is cls
    for name in cls.attributes:
        if name not in ("request", "certificate"):
            assert getattr(again, name) == getattr(response, name), name
    with pytest.raises(ValueError, match="not a Response class"):
        Response.from_dict({**d, "_class": "collections.OrderedDict"})


def test_pickle_and_deepcopy_after_everything_was_computed() -> None:
    response = html("<base href='/b/'><a href=x>", request=Request(URL))
    assert response.css("a")
    assert response.urljoin("y") == "http://example.com/b/y"
    for other in (pickle.loads(pickle.dumps(response)), copy.deepcopy(response)):
        assert (other.url, other.body, other.encoding, type(other)) == (
            response.url,
            response.body,
            "utf-8",
            HtmlResponse,
        )
        assert other.css("a::attr(href)").get() == "x"
        assert other.urljoin("z") == "http://example.com/b/z"
    data = JsonResponse(URL, body=b'{"a": 1}')
    data.json()
    assert pickle.loads(pickle.dumps(data)).json() == {"a": 1}


# -- encodings


@pytest.mark.parametrize(
    ("kwargs", "encoding"),
    [
        ({"body": b"", "encoding": "utf-8"}, "utf-8"),
        ({"body": b"\xa3", "encoding": "latin-1", "headers": {"Content-Type": "text/html; charset=utf-8"}}, "latin-1"),
        ({"body": b"\xa3", "headers": {"Content-Type": "text/html; charset=iso-8859-1"}}, "cp1252"),
        ({"body": b"\xc2\xa3", "headers": {"Content-Type": "text/html; charset=utf-8"}}, "utf-8"),
        ({"body": b"\xa3", "headers": {"Content-Type": 'text/html; charset="CP1251"'}}, "cp1251"),
        ({"body": b"\xc2\xa3", "headers": {"Content-Type": "text/html; charset=none"}}, "utf-8"),
        ({"body": codecs.BOM_UTF8 + b"x", "headers": {"Content-Type": "text/html; charset=iso-8859-1"}}, "utf-8"),
        ({"body": "\ufeffx".encode("utf-16-le")}, "utf-16-le"),
        ({"body": "\ufeffx".encode("utf-16-be")}, "utf-16-be"),
        ({"body": "\ufeffx".encode("utf-32-le")}, "utf-32-le"),
        ({"body": b""}, "cp1252"),
        ({"body": b"ascii"}, "cp1252"),
        ({"body": "ü€".encode()}, "utf-8"),
        ({"body": b"\x80 5"}, "cp1252"),
        ({"body": b"fianc\xe9e"}, "cp1252"),
        ({"body": "Привет мир, как твои дела?".encode("cp1251")}, "cp1251"),
        ({"body": "日本語のテキストです。こんにちは世界。".encode("shift_jis")}, "cp932"),
        ({"body": "这是一个中文网页,内容很丰富,欢迎访问。".encode("gbk")}, "gb18030"),
        ({"body": "안녕하세요 세계. 이것은 테스트입니다.".encode("euc-kr")}, "cp949"),
    ],
)
@pytest.mark.parametrize("cls", TEXT_CLASSES)
def test_encoding(cls: type[TextResponse], kwargs: dict[str, Any], encoding: str) -> None:
    assert cls(URL, **kwargs).encoding == encoding


@pytest.mark.parametrize(
    ("cls", "body", "encoding"),
    [
        (HtmlResponse, b'<meta charset="cp1251">\xe9', "cp1251"),
        (HtmlResponse, b'<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1">\xe9', "cp1252"),
        (HtmlResponse, b'<?xml version="1.0" encoding="iso-8859-5"?><html>\xe9', "iso8859-5"),
        (HtmlResponse, b'<meta charset="none">\xc3\xa9', "utf-8"),
        (XmlResponse, b'<?xml version="1.0" encoding="cp1251"?><a>\xe9</a>', "cp1251"),
        (TextResponse, b'<meta charset="cp1251">\xc3\xa9', "utf-8"),
        (JsonResponse, b'{"a": "<meta charset=cp1251>\xc3\xa9"}', "utf-8"),
    ],
)
def test_declared_encoding(cls: type[TextResponse], body: bytes, encoding: str) -> None:
    assert cls(URL, body=body).encoding == encoding


def test_the_header_beats_the_declaration() -> None:
    response = HtmlResponse(
        URL, body=b'<meta charset="cp1251">\xe9', headers={"Content-Type": "text/html; charset=utf-8"}
    )
    assert response.encoding == "utf-8"
    assert HtmlResponse(URL, body=b'<meta charset="cp1251">\xe9', encoding="cp1252").encoding == "cp1252"


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"body": "ü", "encoding": "latin-1"}, "ü"),
        ({"body": b"\xe9", "encoding": "latin-1"}, "é"),
        ({"body": codecs.BOM_UTF8 + b"abc"}, "abc"),
        ({"body": codecs.BOM_UTF8 + b"abc", "encoding": "utf-8"}, "abc"),
        ({"body": "\ufeffWORD".encode("utf-16-le")}, "WORD"),
        ({"body": b"\xe3\xa9x", "encoding": "utf-8"}, "\ufffdx"),
        ({"body": b"\x93quoted\x94", "headers": {"Content-Type": "text/plain; charset=iso-8859-1"}}, "“quoted”"),
        ({"body": b"PREFIX\xe3\xabSUFFIX", "encoding": "utf-8"}, "PREFIX\ufffdSUFFIX"),
        ({"body": b"\xe9", "encoding": "nonsense"}, "\ufffd"),
    ],
)
def test_text(kwargs: dict[str, Any], text: str) -> None:
    response = TextResponse(URL, **kwargs)
    assert response.text == text
    assert response.text is response.text


def test_a_str_body_needs_an_encoding() -> None:
    with pytest.raises(TypeError, match="has no encoding"):
        HtmlResponse(URL, body="ü")
    assert HtmlResponse(URL, body="ü", encoding="latin-1").body == b"\xfc"
    assert HtmlResponse(URL, body=b"x", encoding="latin-1").replace(body="ü").body == b"\xfc"


def test_replace_finds_the_encoding_again() -> None:
    response = HtmlResponse(URL, body=b"\xc3\xa9")
    assert response.encoding == "utf-8"
    assert response.replace(body="é").body == "é".encode()


# -- JSON


def test_json_is_decoded_once() -> None:
    response = JsonResponse(URL, body=b'{"ip": [1]}')
    assert response.json() == {"ip": [1]}
    assert response.json() is response.json()
    null = TextResponse(URL, body=b"null")
    assert null.json() is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32", "utf-8-sig"])
def test_json_encodings(encoding: str) -> None:
    assert TextResponse(URL, body='["ü"]'.encode(encoding)).json() == ["ü"]
    assert TextResponse(URL, body='["ü"]'.encode("latin-1"), encoding="latin-1").json() == ["ü"]


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a"'])
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|Unexpected"):
        TextResponse(URL, body=body).json()


# -- selecting


def test_selector_shortcuts() -> None:
    response = html("<html><head><title>Hi</title></head><body><p class=x>a</p><p>b</p></body></html>")
    assert isinstance(response.selector, Selector)
    assert response.selector is response.selector
    assert response.css("title::text").get() == "Hi"
    assert response.xpath("//p/text()").getall() == ["a", "b"]
    assert response.xpath("//p[@class=$c]/text()", c="x").get() == "a"
    ns = XmlResponse(URL, body=b'<a xmlns:s="urn:s"><s:b>1</s:b></a>')
    assert ns.xpath("//q:b/text()", namespaces={"q": "urn:s"}).get() == "1"
    assert JsonResponse(URL, body=b'{"a": [{"b": 1}, {"b": 2}]}').jmespath("a[*].b").getall() == [1, 2]


# -- joining


@pytest.mark.parametrize(
    ("base", "url", "expected"),
    [
        ("http://www.example.com", "/test", "http://www.example.com/test"),
        ("http://www.example.com/index.html", "/newpage", "http://www.example.com/newpage"),
        ("http://www.example.com/a/b?q", "c", "http://www.example.com/a/c"),
        ("http://www.example.com/a/b", "../../../c", "http://www.example.com/c"),
        ("http://www.example.com/a", "//other.com/x", "http://other.com/x"),
        ("http://www.example.com/a", "?x=1", "http://www.example.com/a?x=1"),
        ("http://www.example.com/a?b", "#f", "http://www.example.com/a?b#f"),
        ("http://www.example.com/a", "", "http://www.example.com/a"),
        ("http://www.example.com/a", "mailto:x@y.z", "mailto:x@y.z"),
        ("http://www.example.com/a", "http:\\\\other.com\\x", "http://other.com/x"),
        ("http://www.example.com/a", " x\ny ", "http://www.example.com/xy"),
        ("file:///tmp/a.html", "b.html", "file:///tmp/b.html"),
        ("about:blank", "http://a.com/x", "http://a.com/x"),
        ("odd base", "http://a.com/x", "http://a.com/x"),
    ],
)
@pytest.mark.parametrize("cls", [Response, HtmlResponse])
def test_urljoin(cls: type[Response], base: str, url: str, expected: str) -> None:
    assert cls(base).urljoin(url) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<base href='http://other.com/x/'>", "http://other.com/x/y"),
        ('<BASE HREF="/x/">', "http://example.com/x/y"),
        ("<base target=_blank><base href=z/>", "http://example.com/dir/z/y"),
        ("<base href=' q/ '>", "http://example.com/dir/q/y"),
        ("<base href='/a&amp;b/'>", "http://example.com/a&b/y"),
        ("<!-- <base href='/x/'> -->", "http://example.com/dir/y"),
        ("<base href='http://[bad'>", "http://example.com/dir/y"),
        ("<base>", "http://example.com/dir/y"),
        ("<base href=''>", "http://example.com/dir/y"),
        (" " * 5000 + "<base href='/x/'>", "http://example.com/dir/y"),
        ("<p data-base href='/x/'>", "http://example.com/dir/y"),
    ],
)
def test_urljoin_with_a_base_element(body: str, expected: str) -> None:
    assert html(body).urljoin("y") == expected
    assert TextResponse("http://example.com/dir/index.html", body=body, encoding="utf-8").urljoin("y") == expected


# -- following


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("foo", "http://example.com/dir/foo"),
        ("http://www.example.com/index.html", "http://www.example.com/index.html"),
        ("http://foo.example.com", "http://foo.example.com"),
        ("  http://foo.example.com/x  ", "http://foo.example.com/x"),
        (" foo", "http://example.com/dir/foo"),
        ("\nfoo\n", "http://example.com/dir/foo"),
        ("", "http://example.com/dir/index.html"),
        ("foo bar", "http://example.com/dir/foo%20bar"),
        ("#frag", "http://example.com/dir/index.html#frag"),
        (Link("http://example.com/foo"), "http://example.com/foo"),
        (Link("foo"), "http://example.com/dir/foo"),
    ],
)
@pytest.mark.parametrize("cls", ALL_CLASSES)
def test_follow(cls: type[Response], url: Any, expected: str) -> None:
    request = cls("http://example.com/dir/index.html").follow(url)
    assert type(request) is Request
    assert request.url == expected


@pytest.mark.parametrize("cls", ALL_CLASSES)
def test_follow_what_cannot_be_followed(cls: type[Response]) -> None:
    response = cls(URL)
    with pytest.raises(ValueError, match="url can't be None"):
        response.follow(None)  # type: ignore[arg-type]
    for url in (1, b"foo", ["foo"], object()):
        with pytest.raises(TypeError):
            response.follow(url)  # type: ignore[arg-type]
    for text in ("javascript:alert(1)", "mailto:a@b.c", "http://[bad", "tel:1"):
        with pytest.raises(ValueError, match=r"Missing scheme|Invalid URL"):
            response.follow(text)


@pytest.mark.parametrize("cls", ALL_CLASSES)
def test_follow_passes_the_other_arguments(cls: type[Response]) -> None:
    def callback(response: Any) -> None: ...

    request = cls(URL).follow(
        "x",
        callback,
        method="POST",
        headers={"a": "b"},
        body="q",
        cookies={"c": "1"},
        meta={"m": 1},
        priority=3,
        dont_filter=True,
        errback=callback,
        cb_kwargs={"k": 1},
        flags=["f"],
    )
    assert (request.callback, request.errback, request.method, request.body) == (callback, callback, "POST", b"q")
    assert (request.headers, request.cookies, request.meta) == ({b"A": [b"b"]}, {"c": "1"}, {"m": 1})
    assert (request.priority, request.dont_filter, request.cb_kwargs, request.flags) == (3, True, {"k": 1}, ["f"])


def test_follow_uses_the_encoding_of_the_page() -> None:
    response = html("", encoding="cp1251", url="http://example.com/")
    request = response.follow("foo?привет")
    assert request.url == "http://example.com/foo?%EF%F0%E8%E2%E5%F2"
    assert request.encoding == "cp1251"
    assert response.follow("foo?é", encoding="utf-8").url == "http://example.com/foo?%C3%A9"
    assert Response(URL).follow("/é?é", encoding="latin-1").url == "http://example.com/%C3%A9?%E9"
    with pytest.raises(ValueError, match="encoding"):
        Response(URL).follow("x", encoding=None)


PAGE = """<base href="/base/"><a href=" one ">1</a><a>no</a><a href="two">2</a><link href="three"><img src="four">
<p>five</p><a href="">same</a>"""


def test_follow_selectors() -> None:
    response = html(PAGE)
    assert response.follow(response.css("a")[0]).url == "http://example.com/base/one"
    assert response.follow(response.css("link")[0]).url == "http://example.com/base/three"
    assert response.follow(response.css("img::attr(src)")[0]).url == "http://example.com/base/four"
    assert response.follow(response.xpath("//a/@href")[0]).url == "http://example.com/base/one"
    assert response.follow(response.css("p::text")[0]).url == "http://example.com/base/five"


@pytest.mark.parametrize(
    ("select", "message"),
    [
        (lambda r: r.css("a")[1], "<a> element has no href attribute"),
        (lambda r: r.css("p")[0], "Only <a> and <link> elements are supported; got <p>"),
        (lambda r: r.css("img")[0], "Only <a> and <link> elements are supported; got <img>"),
        (lambda r: r.css("a"), "SelectorList is not supported"),
    ],
)
def test_follow_selectors_without_a_url(select: Any, message: str) -> None:
    response = html(PAGE)
    with pytest.raises(ValueError, match=message):
        response.follow(select(response))


@pytest.mark.parametrize("kwargs", [{"css": "a"}, {"xpath": "//a"}, {"css": "a::attr(href)"}, {"xpath": "//a/@href"}])
def test_follow_all_selects(kwargs: dict[str, str]) -> None:
    urls = [request.url for request in html(PAGE).follow_all(**kwargs)]
    assert urls == ["http://example.com/base/one", "http://example.com/base/two", "http://example.com/base/"]


def test_follow_all_of_a_selector_list_leaves_out_what_has_no_url() -> None:
    response = html(PAGE)
    assert len(list(response.follow_all(response.css("a")))) == 3
    assert list(response.follow_all(response.css("p"))) == []
    with pytest.raises(ValueError, match="no href"):
        list(response.follow_all(list(response.css("a"))))


@pytest.mark.parametrize("cls", ALL_CLASSES)
def test_follow_all(cls: type[Response]) -> None:
    response = cls("http://example.com/a/")
    requests = list(response.follow_all(["x", Link("http://b.com/y"), "/z"], flags=["f"], meta={"m": 1}, priority=2))
    assert [r.url for r in requests] == ["http://example.com/a/x", "http://b.com/y", "http://example.com/z"]
    assert all((r.flags, r.meta, r.priority) == (["f"], {"m": 1}, 2) for r in requests)
    assert requests[0].meta is not requests[1].meta
    assert list(response.follow_all([])) == []
    assert [r.url for r in response.follow_all(url for url in ("x",))] == ["http://example.com/a/x"]
    assert iter(response.follow_all(["x"]))


@pytest.mark.parametrize("cls", ALL_CLASSES)
def test_follow_all_of_bad_values(cls: type[Response]) -> None:
    response = cls(URL)
    with pytest.raises(TypeError, match="'urls' argument must be an iterable"):
        response.follow_all(12)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="url can't be None"):
        list(response.follow_all([None]))  # type: ignore[list-item]
    with pytest.raises(TypeError):
        list(response.follow_all([1]))  # type: ignore[list-item]


@pytest.mark.parametrize(
    "kwargs", [{}, {"css": "a", "xpath": "//a"}, {"urls": ["x"], "css": "a"}, {"urls": ["x"], "xpath": "//a"}]
)
def test_follow_all_takes_exactly_one(kwargs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Please supply exactly one of the following arguments"):
        html(PAGE).follow_all(**kwargs)
