"""Requests and responses as bytes between processes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import functools
import ipaddress
import math
import subprocess
import sys
import textwrap
import threading
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycrawl.http import (
    FormRequest,
    Headers,
    HtmlResponse,
    JsonRequest,
    JsonResponse,
    Request,
    Response,
    TextResponse,
    XmlResponse,
    XmlRpcRequest,
)
from raycrawl.http.request import NO_CALLBACK
from raycrawl.item import Field, Item
from raycrawl.records import (
    RemoteCallback,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    request_id,
    slot_key,
)
from raycrawl.travel import Unloaded
from raycrawl.utils.request import RequestFingerprinter, fingerprint

URL = "http://www.example.com/x?a=1"


class MySpider:
    name = "mine"

    def parse(self, response: Any) -> None: ...

    def on_error(self, failure: Any) -> None: ...

    def __private(self, response: Any) -> None: ...

    @classmethod
    def of_class(cls, response: Any) -> None: ...

    @staticmethod
    def static(response: Any) -> None: ...

    def private(self) -> Any:
        return self.__private


class Child(MySpider):
    def more(self, response: Any) -> None: ...


class ExtraRequest(Request):
    attributes = (*Request.attributes, "extra")

    def __init__(self, *args: Any, extra: Any = None, **kwargs: Any) -> None:
        self.extra = extra
        super().__init__(*args, **kwargs)


class PlainSubclass(FormRequest):
    pass


class ExtraResponse(HtmlResponse):
    attributes = (*HtmlResponse.attributes, "extra")

    def __init__(self, *args: Any, extra: Any = None, **kwargs: Any) -> None:
        self.extra = extra
        super().__init__(*args, **kwargs)


class Product(Item):
    name = Field()
    price = Field()


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Colour(enum.Enum):
    RED = "red"


class Number(int):
    pass


class Sub(dict):  # type: ignore[type-arg]
    pass


def module_function(response: Any) -> None: ...


def travel(request: Request, spider: Any = None) -> Request:
    return decode_request(encode_request(request, spider), spider)


def travel_value(value: Any) -> Any:
    return travel(Request(URL, meta={"v": value})).meta["v"]


# -- requests


@pytest.mark.parametrize("cls", [Request, FormRequest, JsonRequest, XmlRpcRequest, ExtraRequest, PlainSubclass])
def test_everything_travels(cls: type[Request]) -> None:
    spider = MySpider()
    request = cls(
        URL,
        callback=spider.parse,
        errback=spider.on_error,
        method="PUT",
        body=b"\xff",
        headers={"A": ["1", "é"]},
        cookies=[{"name": "a", "value": "b"}],
        meta={"m": 1},
        encoding="latin-1",
        priority=-3,
        dont_filter=True,
        flags=["f"],
        cb_kwargs={"k": (1, 2)},
    )
    other = travel(request, spider)
    assert type(other) is cls
    for name in cls.attributes:
        assert getattr(other, name) == getattr(request, name), name
    assert other.headers.encoding == "latin-1"


@pytest.mark.parametrize("cls", [Request, FormRequest, ExtraRequest])
def test_defaults_travel(cls: type[Request]) -> None:
    other = travel(cls(URL))
    assert other.to_dict() == cls(URL).to_dict()
    assert slot_key(other) == "www.example.com"
    assert fingerprint(other) == fingerprint(cls(URL))
    other.meta["new"] = 1
    other.headers["A"] = "b"
    assert other.replace(priority=1).meta == {"new": 1}


def test_attributes_of_subclasses_travel() -> None:
    assert travel(ExtraRequest(URL, extra={"a": (1,)})).extra == {"a": (1,)}  # type: ignore[attr-defined]
    request = travel(JsonRequest(URL, data=[1], dumps_kwargs={"indent": 2}))
    assert isinstance(request, JsonRequest)
    assert request.dumps_kwargs == {"sort_keys": True, "indent": 2}
    with pytest.raises(ValueError, match="extra cannot travel"):
        encode_request(ExtraRequest(URL, extra=threading.Lock()))


def test_a_class_that_nobody_can_import_travels_by_value() -> None:
    class Local(ExtraRequest):
        pass

    other = travel(Local(URL, extra=1))
    assert type(other).__name__ == "Local"
    assert isinstance(other, ExtraRequest)
    assert other.extra == 1


@pytest.mark.parametrize("url", ["http://a.com", "http://a.com/a b", "data:,x y", "file:///x"])
def test_urls_travel_as_they_are(url: str) -> None:
    assert travel(Request(url)).url == Request(url).url
    verbatim = Request(url, meta={"verbatim_url": True})
    assert travel(verbatim).url == url


# -- callbacks


def test_bound_methods_become_names_and_methods_again() -> None:
    spider, other = MySpider(), MySpider()
    data = encode_request(Request(URL, callback=spider.parse, errback=spider.on_error), spider)
    request = decode_request(data, other)
    assert request.callback == other.parse
    assert request.errback == other.on_error


def test_inherited_private_class_and_static_methods() -> None:
    spider = Child()
    for callback in (spider.more, spider.parse, spider.private(), spider.of_class, spider.static):
        assert travel(Request(URL, callback=callback), spider).callback == callback


def test_no_callback_and_none() -> None:
    spider = MySpider()
    assert travel(Request(URL), spider).callback is None
    request = travel(Request(URL, callback=NO_CALLBACK, errback=NO_CALLBACK), spider)
    assert (request.callback, request.errback) == (NO_CALLBACK, NO_CALLBACK)


def test_without_a_spider_the_name_travels_on() -> None:
    spider = MySpider()
    request = decode_request(encode_request(Request(URL, callback=spider.parse), spider))
    assert isinstance(request.callback, RemoteCallback)
    assert request.callback == "parse"
    with pytest.raises(RuntimeError, match="'parse' runs where the spider is"):
        request.callback(None)
    again = decode_request(encode_request(request.replace(priority=2)), spider)
    assert (again.callback, again.priority) == (spider.parse, 2)


@pytest.mark.parametrize(
    "function",
    [
        lambda response: None,
        module_function,
        print,
        functools.partial(MySpider().parse),
        Child().more,
        [].append,
        MySpider,
    ],
)
@pytest.mark.parametrize("name", ["callback", "errback"])
def test_foreign_functions_are_refused_at_once(function: Any, name: str) -> None:
    with pytest.raises(ValueError, match="must be methods of the spider") as error:
        encode_request(Request(URL, **{name: function}), MySpider())
    assert URL in str(error.value)


def test_lambdas_are_refused_without_a_spider_too() -> None:
    with pytest.raises(ValueError, match="must be methods of the spider"):
        encode_request(Request(URL, callback=lambda response: None))


def test_a_method_that_the_other_spider_lacks() -> None:
    spider = Child()
    data = encode_request(Request(URL, callback=spider.more), spider)
    with pytest.raises(ValueError, match="Method 'more' not found in"):
        decode_request(data, MySpider())


# -- values

VALUES = [
    None,
    True,
    False,
    0,
    -1,
    2**63 - 1,
    -(2**63),
    2**64 - 1,
    2**64,
    -(2**80),
    1.5,
    math.inf,
    "",
    "ü",
    "\ud800",
    "a\0b",
    b"",
    b"\xff",
    bytearray(b"x"),
    [],
    [1, [2, [3]]],
    (),
    (1, (2, "x")),
    {},
    {"a": {"b": [1, (2,)]}},
    {1: "a", b"b": 2},
    {"\ud800": 1},
    {(1, 2): 3},
    {None: 1},
    {1, 2},
    frozenset("ab"),
    {(1, 2)},
    dt.date(2026, 1, 2),
    dt.datetime(2026, 1, 2, 3, 4, 5, 6),
    dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
    dt.timedelta(1),
    dt.time(1, 2),
    decimal.Decimal("1.10"),
    uuid.UUID(int=5),
    Colour.RED,
    Number(3),
    Sub(a=1),
    Point(1, 2),
    ipaddress.ip_address("::1"),
    Product(name="x", price=1),
    range(3),
    module_function,
    dict,
    Headers({"a": "b"}),
    {"item": Product(name="y")},
    [Point(1, 2), (Point(3, 4),)],
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:40])
def test_values_keep_their_type(value: Any) -> None:
    other = travel_value(value)
    assert other == value
    assert type(other) is type(value)
    nested = travel_value({"x": [value, (value,)]})
    assert nested == {"x": [value, (value,)]}
    assert type(nested["x"][1]) is tuple
    assert travel(Request(URL, cb_kwargs={"k": value})).cb_kwargs == {"k": value}


def test_nan() -> None:
    assert math.isnan(travel_value(math.nan))


def test_objects_are_copies() -> None:
    request = travel(Request(URL, meta={"request": Request("http://b.com", meta={"a": 1})}))
    assert request.meta["request"].url == "http://b.com"
    assert request.meta["request"].meta == {"a": 1}


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.dates()
    | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(PLAIN)
def test_plain_data_is_kept_exactly(value: Any) -> None:
    other = travel_value(value)
    assert other == value
    assert repr(other) == repr(value)


@pytest.mark.parametrize(
    "value", [threading.Lock(), (x for x in ()), lambda: None, sys.stdout, memoryview(b"x")], ids=repr
)
def test_what_cannot_travel_is_named(value: Any) -> None:
    with pytest.raises(ValueError, match=r"meta\['page'\] cannot travel between processes"):
        encode_request(Request(URL, meta={"ok": 1, "page": value}))
    with pytest.raises(ValueError, match=r"cb_kwargs\['a'\]\[1\]\['b'\] cannot travel"):
        encode_request(Request(URL, cb_kwargs={"a": [1, {"b": value}]}))


def test_a_value_that_contains_itself() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match=r"meta\['loop'\] contains itself"):
        encode_request(Request(URL, meta={"loop": loop}))


def test_keys_of_meta() -> None:
    assert travel(Request(URL, meta={1: "x", b"y": 2, "ü": 3})).meta == {1: "x", b"y": 2, "ü": 3}  # type: ignore[dict-item]
    with pytest.raises(ValueError, match=r"meta has the key \(1, 2\), but only str, int and bytes keys"):
        encode_request(Request(URL, meta={(1, 2): "x"}))  # type: ignore[dict-item]


def test_text_from_the_web_never_becomes_an_object() -> None:
    """An extension is a type of msgpack that text and bytes cannot take, whatever they contain."""
    evil = encode_request(Request(URL, meta={"v": Point(1, 2)}))
    other = travel_value([evil, evil.decode("latin-1")])
    assert [type(value) for value in other] == [bytes, str]


def test_damaged_records() -> None:
    data = encode_request(Request(URL))
    for damaged in (b"", data[:-1], b"\x93\x01\x02\x03", b"\xc1"):
        with pytest.raises(ValueError, match="unreadable request record"):
            decode_request(damaged)
    with pytest.raises(ValueError, match="unreadable response record"):
        decode_response(b"\x91\x01", None)
    unknown = msgspec.msgpack.encode(msgspec.msgpack.Ext(99, b""))
    with pytest.raises(ValueError, match="unknown extension 99"):
        decode_request(unknown)


class Fragile:
    """Can be made again only where ``here`` is true."""

    here = True

    def __reduce__(self) -> Any:
        return _make_fragile, ()


def _make_fragile() -> Fragile:
    if not Fragile.here:
        raise ImportError("no module of that name")
    return Fragile()


def test_what_a_downloader_cannot_make_again_travels_on(monkeypatch: pytest.MonkeyPatch) -> None:
    spider = MySpider()
    data = encode_request(Request(URL, meta={"v": [Fragile(), (Fragile(), 1)]}), spider)
    monkeypatch.setattr(Fragile, "here", False)
    carried = decode_request(data)
    assert isinstance(carried.meta["v"][1][0], Unloaded)
    assert "no module of that name" in repr(carried.meta["v"][0])
    with pytest.raises(ValueError, match="cannot be made again in this process: no module of that name"):
        decode_request(data, spider)
    again = encode_request(carried)
    monkeypatch.setattr(Fragile, "here", True)
    first, (second, one) = decode_request(again, spider).meta["v"]
    assert (type(first), type(second), one) == (Fragile, Fragile, 1)


def test_a_script_class_reaches_another_process(tmp_path: Any) -> None:
    """Classes of ``__main__`` exist nowhere else: they travel by value."""
    script = tmp_path / "crawl.py"
    script.write_text(
        textwrap.dedent("""
        import sys
        from raycrawl import Item, Field, Request
        from raycrawl.records import encode_request
        class Product(Item):
            name = Field()
        class MyRequest(Request):
            pass
        sys.stdout.buffer.write(encode_request(MyRequest("http://a.com", meta={"item": Product(name="x")})))
        """)
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, check=True, timeout=60)
    request = decode_request(done.stdout)
    assert type(request).__name__ == "MyRequest"
    assert request.meta["item"]["name"] == "x"


# -- responses


@pytest.mark.parametrize("cls", [Response, TextResponse, HtmlResponse, XmlResponse, JsonResponse, ExtraResponse])
def test_responses_travel(cls: type[Response]) -> None:
    request = Request(URL, meta={"a": 1})
    response = cls(
        "http://www.example.com/final",
        status=404,
        headers={"Content-Type": "text/html", "Set-Cookie": ["a=b", "c=d"]},
        body=b"\x00body\xff",
        flags=["cached"],
        ip_address=ipaddress.ip_address("::1"),
        protocol="HTTP/1.1",
        certificate={"subject": ("x",)},
        request=Request("http://other.com"),
    )
    other = decode_response(encode_response(response), request)
    assert type(other) is cls
    assert other.request is request
    assert other.meta is request.meta
    for name in cls.attributes:
        if name != "request":
            assert getattr(other, name) == getattr(response, name), name


def test_a_given_encoding_travels_and_a_found_one_is_found_again() -> None:
    given_ = decode_response(encode_response(HtmlResponse(URL, body=b"\xe9", encoding="latin-1")), None)
    assert isinstance(given_, HtmlResponse)
    assert (given_.encoding, given_.text) == ("latin-1", "é")
    found = decode_response(encode_response(HtmlResponse(URL, body=b"<meta charset=cp1251>\xe9")), None)
    assert isinstance(found, HtmlResponse)
    assert found.encoding == "cp1251"
    assert found.replace(body=b"\xc3\xa9", encoding=None).encoding == "utf-8"


def test_attributes_of_response_subclasses_travel() -> None:
    other = decode_response(encode_response(ExtraResponse(URL, extra=(1, Point(1, 2)))), None)
    assert isinstance(other, ExtraResponse)
    assert other.extra == (1, Point(1, 2))
    with pytest.raises(ValueError, match="certificate cannot travel"):
        encode_response(Response(URL, certificate=threading.Lock()))


def test_a_plain_response() -> None:
    other = decode_response(encode_response(Response(URL)), None)
    assert other.to_dict() == Response(URL).to_dict()
    assert other.request is None


# -- ids and slots


def test_request_id_is_the_fingerprint() -> None:
    fingerprinter = RequestFingerprinter()
    one = request_id(Request("http://a.com/?b=1&a=2"), fingerprinter, b"parent", 0)
    two = request_id(Request("http://a.com/?a=2&b=1"), fingerprinter, b"other", 7)
    assert one == two
    assert len(one) == 16
    assert one != request_id(Request("http://a.com/?a=2&b=2"), fingerprinter, b"parent", 0)


def test_request_id_of_requests_that_are_not_filtered() -> None:
    fingerprinter = RequestFingerprinter()

    def id_of(url: str, parent: bytes, ordinal: int) -> bytes:
        return request_id(Request(url, dont_filter=True), fingerprinter, parent, ordinal)

    base = id_of("http://a.com", b"p" * 16, 3)
    assert base == id_of("http://a.com", b"p" * 16, 3)
    others = [
        id_of("http://a.com", b"p" * 16, 4),
        id_of("http://a.com", b"q" * 16, 3),
        id_of("http://a.com", b"", 3),
        id_of("http://b.com", b"p" * 16, 3),
        request_id(Request("http://a.com"), fingerprinter, b"p" * 16, 3),
    ]
    assert len({base, *others}) == 6
    assert all(len(value) == 16 for value in others)


@pytest.mark.parametrize("length", [0, 1, 16, 20, 100])
def test_request_id_of_a_users_fingerprinter(length: int) -> None:
    class Mine:
        def fingerprint(self, request: Request) -> bytes:
            return b"x" * length + request.url.encode()

    one, two = (request_id(Request(f"http://a.com/{i}"), Mine(), b"", 0) for i in (1, 2))
    assert one != two
    assert len(one) == len(two) == 16


@pytest.mark.parametrize(
    ("request_", "slot"),
    [
        (Request("http://WWW.Example.com:8080/x"), "www.example.com"),
        (Request("http://[::1]:80/"), "::1"),
        (Request("http://127.1/"), "127.0.0.1"),
        (Request("data:,x"), ""),
        (Request("http://a.com", meta={"download_slot": "mine"}), "mine"),
        (Request("http://a.com", meta={"download_slot": None}), "a.com"),
        (Request("http://a.com", meta={"other": 1}), "a.com"),
    ],
)
def test_slot_key(request_: Request, slot: str) -> None:
    assert slot_key(request_) == slot
    assert slot_key(request_) == slot
    assert slot_key(travel(request_)) == slot


def test_slot_key_follows_the_meta() -> None:
    request = Request("http://a.com/")
    assert slot_key(request) == "a.com"
    request.meta["download_slot"] = "x"
    assert slot_key(request) == "x"
    assert slot_key(request.replace(url="http://b.com", meta={})) == "b.com"
