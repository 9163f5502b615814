"""`Request`, `JsonRequest`, `XmlRpcRequest`: what they take, keep, refuse and give back."""

from __future__ import annotations

import copy
import pickle
import warnings
import xmlrpc.client
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from raycrawl.http import FormRequest, Headers, JsonRequest, Request, XmlRpcRequest
from raycrawl.http.request import NO_CALLBACK
from raycrawl.utils.request import request_from_dict

URL = "http://www.example.com"
REQUEST_CLASSES = [Request, FormRequest, JsonRequest, XmlRpcRequest]


class FakeSpider:
    name = "fake"

    def parse(self, response: Any) -> None: ...

    def on_error(self, failure: Any) -> None: ...

    def __private(self, response: Any) -> None: ...

    def private_request(self) -> Request:
        return Request(URL, callback=self.__private)


class OtherSpider(FakeSpider):
    def only_here(self, response: Any) -> None: ...


class CustomRequest(Request):
    attributes = (*Request.attributes, "extra")

    def __init__(self, *args: Any, extra: Any = None, **kwargs: Any) -> None:
        self.extra = extra
        super().__init__(*args, **kwargs)


def nothing(response: Any) -> None: ...


def test_defaults() -> None:
    request = Request(URL)
    assert request.url == URL
    assert request.method == "GET"
    assert request.body == b""
    assert request.encoding == "utf-8"
    assert request.priority == 0
    assert request.dont_filter is False
    assert request.callback is None
    assert request.errback is None
    assert request.meta == {}
    assert request.cb_kwargs == {}
    assert request.cookies == {}
    assert request.flags == []
    assert isinstance(request.headers, Headers)
    assert not request.headers


@pytest.mark.parametrize("name", ["meta", "cb_kwargs", "cookies", "flags", "headers"])
def test_lazy_attributes_are_kept_once_seen(name: str) -> None:
    request = Request(URL)
    assert getattr(request, name) is getattr(request, name)
    assert getattr(Request(URL), name) is not getattr(request, name)


def test_all_arguments() -> None:
    spider = FakeSpider()
    request = Request(
        "http://www.example.com/x",
        spider.parse,
        "post",
        {"Accept": "text/html"},
        "body",
        {"a": "1"},
        {"m": 1},
        "latin-1",
        5,
        True,
        spider.on_error,
        ["flag"],
        {"k": 2},
    )
    assert request.callback == spider.parse
    assert request.method == "POST"
    assert request.headers == {b"Accept": [b"text/html"]}
    assert request.body == b"body"
    assert request.cookies == {"a": "1"}
    assert request.meta == {"m": 1}
    assert request.encoding == "latin-1"
    assert request.priority == 5
    assert request.dont_filter is True
    assert request.errback == spider.on_error
    assert request.flags == ["flag"]
    assert request.cb_kwargs == {"k": 2}


@pytest.mark.parametrize("name", ["url", "body", "meta", "cb_kwargs", "encoding"])
def test_read_only_attributes(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(Request(URL), name, "x")


def test_attributes_that_can_be_set() -> None:
    request = Request(URL)
    request.method = "PUT"
    request.priority = 3
    request.dont_filter = True
    request.callback = nothing
    request.errback = nothing
    request.headers = {"A": "b"}  # type: ignore[assignment]
    request.cookies = {"c": "d"}
    request.flags = ["f"]
    assert request.headers == Headers({"A": "b"})
    assert (request.method, request.priority, request.cookies, request.flags) == ("PUT", 3, {"c": "d"}, ["f"])


def test_an_unknown_attribute_is_an_error_because_it_would_not_travel() -> None:
    with pytest.raises(AttributeError):
        Request(URL).depth = 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("url", [None, 1, b"http://www.example.com", ["http://a.com"]])
def test_url_must_be_str(url: Any) -> None:
    with pytest.raises(TypeError, match="url must be str"):
        Request(url)


@pytest.mark.parametrize(
    "url", ["foo", "/foo/bar", "//x", "", "www.example.com", "mailto:a@b.com", "javascript:x", "foo:bar"]
)
def test_url_needs_a_scheme(url: str) -> None:
    with pytest.raises(ValueError, match="Missing scheme in request url"):
        Request(url)


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://a b/", "https://exa%00mple.com/", "http://a:99999/", "http:", "http://"]
)
def test_url_that_no_browser_accepts(url: str) -> None:
    with pytest.raises(ValueError, match="Invalid URL"):
        Request(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://www.example.com",
        "http://www.example.com/",
        "https://a.com?x=1",
        "https://a.com:8080",
        "data:,hello",
        "file:///tmp/x",
        "about:blank",
        "s3://bucket/key",
        "ftp://a.com/b",
        "http://a.com/%20?a=%26#frag",
        "http://a.com/?q=a+b",
        "http://a.com/path;param?x",
        "http://a.com/%",
        "http://127.0.0.1:8000/x",
        "http://[::1]/",
    ],
)
def test_urls_that_stay_as_they_are(url: str) -> None:
    assert Request(url).url == url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://www.example.com/blank space", "http://www.example.com/blank%20space"),
        ("http://www.example.com/blank%20space", "http://www.example.com/blank%20space"),
        ("http://www.example.com/£", "http://www.example.com/%C2%A3"),
        ("http://www.example.com/?price=£", "http://www.example.com/?price=%C2%A3"),
        ("http://www.example.com?price=£", "http://www.example.com/?price=%C2%A3"),
        ("HTTP://EX.com/a", "http://ex.com/a"),
        ("  http://a.com/ \n", "http://a.com/"),
        ("http://münchen.de/ü", "http://xn--mnchen-3ya.de/%C3%BC"),
        ("http://a.com/../b", "http://a.com/b"),
        ("http://a.com:80/", "http://a.com/"),
        ("http:\\\\a.com\\b", "http://a.com/b"),
        ("http://a.com/\nb", "http://a.com/b"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://a.com/\ud800", "http://a.com/%EF%BF%BD"),
    ],
)
def test_urls_become_what_a_browser_requests(url: str, expected: str) -> None:
    assert Request(url).url == expected


@pytest.mark.parametrize(
    ("url", "encoding", "expected"),
    [
        ("http://a.com/é?é", "latin-1", "http://a.com/%C3%A9?%E9"),
        ("http://a.com/é?é#é", "latin-1", "http://a.com/%C3%A9?%E9#%C3%A9"),
        ("http://a.com/?€", "latin-1", "http://a.com/?%26%238364%3B"),
        ("http://a.com/?q=Привет", "cp1251", "http://a.com/?q=%CF%F0%E8%E2%E5%F2"),
        ("http://a.com/?é", "utf8", "http://a.com/?%C3%A9"),
    ],
)
def test_the_query_is_in_the_encoding(url: str, encoding: str, expected: str) -> None:
    assert Request(url, encoding=encoding).url == expected


@pytest.mark.parametrize("url", ["http://a.com/a b#é", "HTTP://a.com:80/../x", "http://a.com/%7e?b&a"])
def test_verbatim_url(url: str) -> None:
    request = Request(url, meta={"verbatim_url": True})
    assert request.url == url
    assert request.copy().url == url
    assert request.replace(url="http://b.com/ä").url == "http://b.com/ä"
    assert Request(url, meta={"verbatim_url": False}).url == Request(url).url


def test_verbatim_url_needs_a_scheme_too() -> None:
    with pytest.raises(ValueError, match="Missing scheme"):
        Request("foo", meta={"verbatim_url": True})


@pytest.mark.parametrize(
    ("body", "encoding", "expected"),
    [
        (None, "utf-8", b""),
        (b"\xff", "utf-8", b"\xff"),
        ("ü", "utf-8", b"\xc3\xbc"),
        ("ü", "latin-1", b"\xfc"),
        ("", "utf-8", b""),
    ],
)
def test_body(body: Any, encoding: str, expected: bytes) -> None:
    assert Request(URL, body=body, encoding=encoding).body == expected


@pytest.mark.parametrize("body", [1, ["a"], {"a": 1}])
def test_body_of_another_type(body: Any) -> None:
    with pytest.raises(TypeError):
        Request(URL, body=body)


@pytest.mark.parametrize("priority", ["1", 1.5, None, [1]])
def test_priority_must_be_int(priority: Any) -> None:
    with pytest.raises(TypeError, match="Request priority not an integer"):
        Request(URL, priority=priority)


def test_negative_priority() -> None:
    assert Request(URL, priority=-10).priority == -10


@pytest.mark.parametrize("value", ["parse", 1, object()])
@pytest.mark.parametrize("name", ["callback", "errback"])
def test_callbacks_must_be_callable(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{name} must be a callable, got {type(value).__name__}"):
        Request(URL, **{name: value})


def test_an_errback_needs_no_callback() -> None:
    assert Request(URL, errback=nothing).callback is None
    assert Request(URL, callback=NO_CALLBACK, errback=nothing).callback is NO_CALLBACK


def test_no_callback_is_never_called() -> None:
    with pytest.raises(RuntimeError, match="NO_CALLBACK"):
        NO_CALLBACK(1, x=2)


def test_encoding_must_be_str() -> None:
    with pytest.raises(TypeError, match="encoding must be str"):
        Request(URL, encoding=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("method", "expected"), [("get", "GET"), ("Post", "POST"), ("put", "PUT"), ("HEAD", "HEAD")])
def test_method_is_upper_case(method: str, expected: str) -> None:
    assert Request(URL, method=method).method == expected


def test_mappings_and_lists_are_copied() -> None:
    meta, cb_kwargs, flags, headers = {"a": [1]}, {"k": 1}, ["f"], {"A": "b"}
    request = Request(URL, meta=meta, cb_kwargs=cb_kwargs, flags=flags, headers=headers)
    meta["b"] = cb_kwargs["b"] = 2  # type: ignore[assignment]
    flags.append("g")
    headers["B"] = "c"
    assert request.meta == {"a": [1]}
    assert request.meta["a"] is meta["a"]  # shallow
    assert request.cb_kwargs == {"k": 1}
    assert request.flags == ["f"]
    assert request.headers == {b"A": [b"b"]}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Accept": "text/html", "caca": "coco"}, {b"Accept": [b"text/html"], b"Caca": [b"coco"]}),
        ([("A", "b"), ("a", "c")], {b"A": [b"b", b"c"]}),
        ({"A": None, "B": ["1", 2]}, {b"A": [], b"B": [b"1", b"2"]}),
        ({b"x-y": b"\xff"}, {b"X-Y": [b"\xff"]}),
    ],
)
def test_headers(headers: Any, expected: dict[bytes, list[bytes]]) -> None:
    assert Request(URL, headers=headers).headers == expected


def test_header_values_are_in_the_requests_encoding() -> None:
    request = Request(URL, headers={"X": "é"}, encoding="latin-1")
    assert request.headers["X"] == b"\xe9"
    request.headers["Y"] = "ü"
    assert request.headers["Y"] == b"\xfc"


@pytest.mark.parametrize(
    "cookies", [{"a": "b"}, [{"name": "a", "value": "b", "domain": "x.com", "path": "/"}], [{"name": "a", "value": 1}]]
)
def test_cookies_stay_as_given(cookies: Any) -> None:
    assert Request(URL, cookies=cookies).cookies == cookies


def test_repr() -> None:
    assert (
        repr(Request("http://a.com", method="post"))
        == str(Request("http://a.com", method="post"))
        == "<POST http://a.com>"
    )


def test_identity_and_weak_references() -> None:
    one, two = Request(URL), Request(URL)
    assert one != two
    assert len({one, two}) == 2
    cache: WeakKeyDictionary[Request, int] = WeakKeyDictionary()
    cache[one] = 1
    assert cache[one] == 1


# -- copy, replace


@pytest.mark.parametrize("cls", REQUEST_CLASSES)
def test_copy(cls: type[Request]) -> None:
    request = cls(
        "http://www.example.com/a",
        callback=nothing,
        errback=nothing,
        method="PUT",
        body="x",
        headers={"A": ["1", "2"]},
        cookies={"c": "d"},
        meta={"m": 1},
        encoding="latin-1",
        priority=2,
        dont_filter=True,
        flags=["f"],
        cb_kwargs={"k": 1},
    )
    other = request.copy()
    assert type(other) is cls
    assert other is not request
    for name in cls.attributes:
        assert getattr(other, name) == getattr(request, name), name
    for name in ("meta", "cb_kwargs", "flags", "headers"):
        assert getattr(other, name) is not getattr(request, name), name


def test_replace() -> None:
    request = Request("http://www.example.com", method="POST", body="a", meta={"a": 1}, headers={"A": "b"})
    other = request.replace(method="GET", body="b", url="http://b.com/x", headers={"C": "d"})
    assert (other.method, other.body, other.url) == ("GET", b"b", "http://b.com/x")
    assert other.headers == {b"C": [b"d"]}
    assert other.meta == {"a": 1}
    assert (request.method, request.body) == ("POST", b"a")


def test_replace_with_empty_values() -> None:
    request = Request(URL, body="x", meta={"a": 1}, dont_filter=True, cb_kwargs={"k": 1})
    other = request.replace(body="", meta={}, dont_filter=False, cb_kwargs={})
    assert (other.body, other.meta, other.dont_filter, other.cb_kwargs) == (b"", {}, False, {})


def test_replace_class() -> None:
    request = CustomRequest(URL, extra=3, meta={"a": 1})
    assert request.replace(url="http://b.com").extra == 3
    assert request.copy().extra == 3
    plain = request.replace(cls=Request)
    assert type(plain) is Request
    assert plain.meta == {"a": 1}
    custom = Request(URL, priority=4).replace(cls=CustomRequest, extra=5)
    assert (type(custom), custom.extra, custom.priority) == (CustomRequest, 5, 4)


def test_replace_with_an_unknown_argument() -> None:
    with pytest.raises(TypeError):
        Request(URL).replace(unknown=1)


def test_pickle_and_deepcopy() -> None:
    request = Request("http://a.com/x", meta={"a": [1]}, headers={"A": "b"}, body="x")
    for other in (pickle.loads(pickle.dumps(request)), copy.deepcopy(request)):
        assert other.to_dict() == request.to_dict()
        assert other.meta is not request.meta


# -- dicts


def test_to_dict_of_a_plain_request() -> None:
    assert Request("http://www.example.com").to_dict() == {
        "url": "http://www.example.com",
        "callback": None,
        "errback": None,
        "headers": {},
        "method": "GET",
        "body": b"",
        "cookies": {},
        "meta": {},
        "encoding": "utf-8",
        "priority": 0,
        "dont_filter": False,
        "flags": [],
        "cb_kwargs": {},
    }


def test_to_dict_names_the_methods_of_the_spider() -> None:
    spider = FakeSpider()
    d = Request(URL, callback=spider.parse, errback=spider.on_error).to_dict(spider=spider)  # type: ignore[arg-type]
    assert (d["callback"], d["errback"]) == ("parse", "on_error")
    request = request_from_dict(d, spider=spider)  # type: ignore[arg-type]
    assert request.callback == spider.parse
    assert request.errback == spider.on_error


def test_private_methods_travel_under_their_mangled_name() -> None:
    spider = FakeSpider()
    request = spider.private_request()
    d = request.to_dict(spider=spider)  # type: ignore[arg-type]
    assert request_from_dict(d, spider=spider).callback == request.callback  # type: ignore[arg-type]


@pytest.mark.parametrize("function", [lambda response: None, nothing, OtherSpider().only_here, len])
def test_to_dict_refuses_functions_that_are_no_methods_of_the_spider(function: Any) -> None:
    spider: Any = FakeSpider()
    with pytest.raises(ValueError, match="is not an instance method in"):
        Request(URL, callback=function).to_dict(spider=spider)
    with pytest.raises(ValueError, match="is not an instance method in"):
        Request(URL, errback=function).to_dict(spider=spider)


def test_to_dict_with_a_callback_needs_the_spider() -> None:
    with pytest.raises(ValueError, match="is not an instance method in: None"):
        Request(URL, callback=FakeSpider().parse).to_dict()


@pytest.mark.parametrize("cls", [*REQUEST_CLASSES, CustomRequest])
def test_request_from_dict_keeps_class_and_values(cls: type[Request]) -> None:
    request = cls(
        "http://www.example.com/p",
        method="POST",
        body=b"\xff",
        headers={"A": ["1", "2"]},
        meta={"a": "b"},
        cookies={"c": "d"},
        encoding="latin-1",
        priority=20,
        dont_filter=True,
        flags=["f"],
        cb_kwargs={"k": 1},
    )
    d = request.to_dict()
    assert ("_class" in d) == (cls is not Request)
    other = request_from_dict(d)
    assert type(other) is cls
    for name in cls.attributes:
        assert getattr(other, name) == getattr(request, name), name


def test_request_from_dict_with_a_method_that_is_not_there() -> None:
    spider: Any = FakeSpider()
    with pytest.raises(ValueError, match="Method 'nope' not found in"):
        request_from_dict({"url": URL, "callback": "nope"}, spider=spider)


def test_request_from_dict_ignores_other_keys_and_refuses_other_classes() -> None:
    assert request_from_dict({"url": URL, "foo": 1}).url == URL
    with pytest.raises(ValueError, match="not a Request class"):
        request_from_dict({"url": URL, "_class": "collections.OrderedDict"})


# -- JsonRequest


def test_json_request_headers_and_method() -> None:
    request = JsonRequest(URL)
    assert request.method == "GET"
    assert request.headers[b"Content-Type"] == b"application/json"
    assert request.headers[b"Accept"] == b"application/json, text/javascript, */*; q=0.01"
    request = JsonRequest(URL, data={"b": 1, "a": "é"})
    assert (request.method, request.body) == ("POST", b'{"a": "\\u00e9", "b": 1}')


@pytest.mark.parametrize(("data", "body"), [({}, b"{}"), ([], b"[]"), (0, b"0"), (False, b"false"), ("", b'""')])
def test_json_request_with_empty_data(data: Any, body: bytes) -> None:
    request = JsonRequest(URL, data=data)
    assert (request.method, request.body) == ("POST", body)


def test_json_request_without_data() -> None:
    assert JsonRequest(URL, data=None).body == b""
    assert JsonRequest(URL, data={"a": 1}, body=None).body == b'{"a": 1}'


def test_json_request_keeps_a_given_method_and_headers() -> None:
    request = JsonRequest(URL, data=1, method="GET", headers={"Content-Type": "x", "Accept": "y"})
    assert (request.method, request.headers[b"Content-Type"], request.headers[b"Accept"]) == ("GET", b"x", b"y")


def test_json_request_with_body_and_data() -> None:
    with pytest.warns(UserWarning, match="Both body and data passed. data will be ignored"):
        request = JsonRequest(URL, body=b"body", data={"a": 1})
    assert (request.method, request.body) == ("GET", b"body")


def test_json_request_dumps_kwargs() -> None:
    kwargs = {"ensure_ascii": False, "sort_keys": False}
    request = JsonRequest(URL, data={"b": "é", "a": 1}, dumps_kwargs=kwargs)
    assert request.body == '{"b": "é", "a": 1}'.encode()
    assert request.dumps_kwargs == kwargs
    assert request.replace(data={"z": "ü", "y": 1}).body == '{"z": "ü", "y": 1}'.encode()
    assert kwargs == {"ensure_ascii": False, "sort_keys": False}
    with pytest.raises(AttributeError):
        request.dumps_kwargs = {}  # type: ignore[misc]


def test_json_request_replace() -> None:
    request = JsonRequest(URL, data={"a": 1})
    assert request.replace(data={"b": 2}).body == b'{"b": 2}'
    assert request.replace(url="http://b.com").body == b'{"a": 1}'
    assert request.replace(data=None).body == b'{"a": 1}'
    assert request.replace(body=b"raw").body == b"raw"
    with pytest.warns(UserWarning, match="Both body and data passed"):
        assert request.replace(body=b"raw", data={"b": 2}).body == b"raw"


def test_json_request_with_data_that_is_no_json() -> None:
    with pytest.raises(TypeError):
        JsonRequest(URL, data=object())


# -- XmlRpcRequest


@pytest.mark.parametrize(
    "kwargs",
    [
        {"params": ("value",)},
        {"params": ("username", "password"), "methodname": "login"},
        {"params": ("response",), "methodresponse": "login"},
        {"params": (None,), "allow_none": 1},
        {"params": ()},
        {"params": ("pas£",), "encoding": "latin-1"},
    ],
)
def test_xmlrpc_request(kwargs: dict[str, Any]) -> None:
    request = XmlRpcRequest("http://example.com/rpc2", **kwargs)
    assert request.headers[b"Content-Type"] == b"text/xml"
    assert request.method == "POST"
    assert request.dont_filter is True
    assert request.encoding == kwargs.get("encoding", "utf-8")
    assert request.body == xmlrpc.client.dumps(**kwargs).encode(request.encoding)


def test_xmlrpc_request_that_cannot_be_marshalled() -> None:
    with pytest.raises(TypeError):
        XmlRpcRequest("http://example.com/rpc2", params=(None,))


# -- cURL


def test_from_curl() -> None:
    request = Request.from_curl(
        "curl 'http://httpbin.org/post' -X POST -H 'Cookie: a=b; c=d' -H 'Origin: http://httpbin.org' --data 'x=1&y=2'",
        meta={"m": 1},
    )
    assert (request.method, request.url, request.body) == ("POST", "http://httpbin.org/post", b"x=1&y=2")
    assert request.cookies == {"a": "b", "c": "d"}
    assert request.headers == {b"Origin": [b"http://httpbin.org"]}
    assert request.meta == {"m": 1}


def test_from_curl_with_arguments_that_win() -> None:
    request = Request.from_curl("curl -X PATCH http://example.org --data x", method="PUT", body="y", headers={"A": "b"})
    assert (request.method, request.body, request.headers) == ("PUT", b"y", {b"A": [b"b"]})
    assert type(FormRequest.from_curl("curl http://example.org")) is FormRequest


def test_from_curl_with_unknown_options() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        request = Request.from_curl("curl -X PATCH --bar --baz http://example.org", ignore_unknown_options=True)
    assert (request.method, request.url) == ("PATCH", "http://example.org")
    with pytest.raises(ValueError, match=r"Unrecognized options:.*--bar.*--baz"):
        Request.from_curl("curl --bar --baz http://example.org", ignore_unknown_options=False)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request("https://e.org"), "curl -X GET https://e.org"),
        (
            Request("https://e.org/post", method="POST", body='{"foo": "bar"}'),
            'curl -X POST https://e.org/post --data-raw \'{"foo": "bar"}\'',
        ),
        (
            Request("https://e.org", headers={"Content-Type": "application/json", "Accept": "x"}),
            "curl -X GET https://e.org -H 'Content-Type: application/json' -H 'Accept: x'",
        ),
        (
            Request("https://e.org", cookies={"foo": "bar", "a": "b"}),
            "curl -X GET https://e.org --cookie 'foo=bar; a=b'",
        ),
        (
            Request("https://e.org", cookies=[{"name": "foo", "value": "bar"}]),
            "curl -X GET https://e.org --cookie 'foo=bar'",
        ),
        (Request("https://e.org/?a=1&b=2"), "curl -X GET 'https://e.org/?a=1&b=2'"),
        (Request("https://e.org", body="it's"), "curl -X GET https://e.org --data-raw 'it'\"'\"'s'"),
    ],
)
def test_to_curl(request_: Request, expected: str) -> None:
    assert request_.to_curl() == expected


def test_curl_and_back() -> None:
    request = Request(
        "https://e.org/x?a=1&b='", method="PUT", body="a'b\"c $x", headers={"A": "b'c"}, cookies={"c": "d"}
    )
    again = Request.from_curl(request.to_curl())
    assert (again.url, again.method, again.body, again.headers, again.cookies) == (
        request.url,
        request.method,
        request.body,
        request.headers,
        request.cookies,
    )


def test_to_curl_of_a_cookie_without_a_name(caplog: pytest.LogCaptureFixture) -> None:
    assert Request("https://e.org", cookies=[{"value": "x"}]).to_curl() == "curl -X GET https://e.org"  # type: ignore[typeddict-item]
    assert "'name' is missing" in caplog.text
