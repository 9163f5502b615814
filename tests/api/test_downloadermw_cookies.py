"""Cookies: jars, attributes, domains, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from raycrawl.downloadermiddlewares.cookies import CookiesMiddleware, is_public_suffix
from raycrawl.exceptions import NotConfigured
from raycrawl.http import Request, Response
from raycrawl.utils.test import get_crawler


class Session:
    def __init__(self, **settings: Any) -> None:
        self.middleware = CookiesMiddleware.from_crawler(get_crawler(settings_dict=settings))

    def send(self, url: str, **kwargs: Any) -> dict[str, str]:
        """The cookies that a request carries."""
        request = Request(url, **kwargs)
        assert self.middleware.process_request(request) is None
        header = request.headers.get("Cookie")
        return dict(pair.split("=", 1) for pair in header.decode().split("; ")) if header else {}

    def receive(self, url: str, *set_cookie: str | bytes, **kwargs: Any) -> None:
        response = Response(url, headers={"Set-Cookie": list(set_cookie)})
        assert self.middleware.process_response(Request(url, **kwargs), response) is response


def test_cookies_of_requests_and_responses_are_kept() -> None:
    session = Session()
    assert session.send("http://a.com/") == {}
    assert session.send("http://a.com/", cookies={"k": "v"}) == {"k": "v"}
    session.receive("http://a.com/", "c=1; Path=/", "d=2; path=/sub")
    assert session.send("http://a.com/") == {"k": "v", "c": "1"}
    assert session.send("http://a.com/sub/x") == {"k": "v", "c": "1", "d": "2"}
    assert session.send("http://a.com/", cookies={"k": "new"}) == {"k": "new", "c": "1"}
    assert session.send("http://b.com/") == {}


def test_the_cookie_header_of_a_request_is_replaced() -> None:
    session = Session()
    assert session.send("http://a.com/", headers={"Cookie": "x=y"}) == {}
    assert session.send("http://a.com/", headers={"Cookie": "x=y"}, cookies={"k": "v"}) == {"k": "v"}


def test_dont_merge_cookies() -> None:
    session = Session()
    session.send("http://a.com/", cookies={"k": "v"})
    meta = {"dont_merge_cookies": True}
    assert session.send("http://a.com/", headers={"Cookie": "own=1"}, cookies={"q": "1"}, meta=meta) == {"own": "1"}
    session.receive("http://a.com/", "c=1", meta=meta)
    assert session.send("http://a.com/") == {"k": "v"}


def test_jars() -> None:
    session = Session()
    session.send("http://a.com/", cookies={"k": "v"}, meta={"cookiejar": 1})
    session.receive("http://a.com/", "c=1", meta={"cookiejar": 2})
    assert session.send("http://a.com/") == {}
    assert session.send("http://a.com/", meta={"cookiejar": 1}) == {"k": "v"}
    assert session.send("http://a.com/", meta={"cookiejar": 2}) == {"c": "1"}


@pytest.mark.parametrize(
    ("set_cookie", "url", "is_sent"),
    [
        ("c=1", "http://a.com/", True),
        ("c=1", "http://www.a.com/", False),
        ("c=1; Domain=a.com", "http://www.a.com/", True),
        ("c=1; Domain=.a.com", "http://www.a.com/", True),
        ("c=1; Domain=a.com", "http://aa.com/", False),
        ("c=1; Domain=b.com", "http://b.com/", False),
        ("c=1; Domain=www.a.com", "http://www.a.com/", False),
        ("c=1; Domain=com", "http://a.com/", False),
        ("c=1; Secure", "http://a.com/", False),
        ("c=1; Secure", "https://a.com/", True),
        ("c=1; HttpOnly", "http://a.com/", True),
        ("c=1; Max-Age=0", "http://a.com/", False),
        ("c=1; Max-Age=100", "http://a.com/", True),
        ("c=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://a.com/", False),
        ("c=1; Path=/p", "http://a.com/", False),
        ("c=1; Path=/p", "http://a.com/p/q", True),
        ("c=1; Path=/p", "http://a.com/pq", False),
    ],
)
def test_attributes(set_cookie: str, url: str, is_sent: bool) -> None:
    session = Session()
    session.receive("http://a.com/", set_cookie)
    assert session.send(url) == ({"c": "1"} if is_sent else {})


def test_cookies_without_path_belong_to_the_directory() -> None:
    session = Session()
    session.receive("http://a.com/dir/page", "p=1")
    assert session.send("http://a.com/dir/other") == {"p": "1"}
    assert session.send("http://a.com/") == {}


def test_public_suffixes() -> None:
    session = Session()
    session.receive("http://x.co.uk/", "a=1; Domain=co.uk")
    session.receive("http://me.github.io/", "b=1; Domain=github.io")
    session.receive("http://co.uk/", "c=1; Domain=co.uk")
    assert session.send("http://y.co.uk/") == {}
    assert session.send("http://x.co.uk/") == {}
    assert session.send("http://you.github.io/") == {}
    session.send("http://x.co.uk/", cookies=[{"name": "d", "value": "1", "domain": "co.uk"}])
    assert session.send("http://y.co.uk/") == {}


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("com", True),
        ("co.uk", True),
        ("github.io", True),
        ("a.com", False),
        ("x.github.io", False),
        ("localhost", False),
        ("127.0.0.1", False),
    ],
)
def test_is_public_suffix(domain: str, expected: bool) -> None:
    assert is_public_suffix(domain) is expected


def test_hosts_without_a_dot_and_addresses() -> None:
    session = Session()
    session.receive("http://localhost:8000/", "a=1")
    session.receive("http://127.0.0.1:8000/", "b=1")
    assert session.send("http://localhost/") == {"a": "1"}
    assert session.send("http://127.0.0.1:9000/") == {"b": "1"}
    assert session.send("http://127.0.0.2/") == {}


@pytest.mark.parametrize(
    ("cookies", "expected"),
    [
        ({"a": "b", "n": 1, "f": 1.5, "t": True}, {"a": "b", "n": "1", "f": "1.5", "t": "True"}),
        ([{"name": "a", "value": "b"}, {"name": "c", "value": 0}], {"a": "b", "c": "0"}),
        ({b"bk": b"bv"}, {"bk": "bv"}),
        ({"a": "b; c"}, {"a": "b"}),
        ({"\u00e9": "\u00fc"}, {"\u00e9": "\u00fc"}),
        ([{"name": "s", "value": "1", "secure": True}], {}),
        ([{"name": "s", "value": "1", "secure": False}], {"s": "1"}),
        ([{"name": "s", "value": "1", "path": "/elsewhere"}], {}),
        ([{"name": "s", "value": "1", "domain": "other.com"}], {}),
        ([{"name": "s", "value": "1", "domain": "com"}], {}),
        ([{"name": "s", "value": "1", "domain": "a.com"}], {"s": "1"}),
    ],
)
def test_cookies_argument(cookies: Any, expected: dict[str, str]) -> None:
    session = Session()
    assert session.send("http://a.com/", cookies=cookies) == expected
    assert session.send("http://a.com/") == expected


def test_cookies_with_a_domain_go_to_subdomains() -> None:
    session = Session()
    session.send("http://www.a.com/", cookies=[{"name": "s", "value": "1", "domain": "a.com"}])
    assert session.send("http://shop.a.com/") == {"s": "1"}


def test_cookies_given_with_https_stay_there() -> None:
    session = Session()
    assert session.send("https://a.com/", cookies={"a": "1"}) == {"a": "1"}
    assert session.send("http://a.com/") == {}


@pytest.mark.parametrize(
    "cookie",
    [
        {"name": "a"},
        {"value": "b"},
        {"name": "a", "value": None},
        {"name": "", "value": "q"},
        {"name": "a", "value": "b\r\nEvil: 1"},
        {"name": "a\nb", "value": "c"},
        {"name": "a", "value": "b\0"},
        {"name": "a", "value": "b", "path": "/\r\nEvil: 1"},
        {"name": "a=b", "value": "c"},
        {"name": "a;b", "value": "c"},
    ],
)
def test_invalid_cookies_are_left_out_and_logged(cookie: Any, caplog: pytest.LogCaptureFixture) -> None:
    session = Session()
    assert session.send("http://a.com/", cookies=[cookie, {"name": "ok", "value": "1"}]) == {"ok": "1"}
    assert "Invalid cookie found in request <GET http://a.com/>" in caplog.text


def test_non_utf8_values() -> None:
    assert Session().send("http://a.com/", cookies={"a": b"\xa3"}) == {"a": "\u00a3"}
    session = Session()
    session.receive("http://a.com/", b"s=caf\xe9", "t=1")
    assert session.send("http://a.com/")["t"] == "1"


def test_debug_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    quiet = Session()
    quiet.send("http://a.com/", cookies={"a": "secret"})
    quiet.receive("http://a.com/", "b=secret")
    assert "secret" not in caplog.text
    session = Session(COOKIES_DEBUG=True)
    session.send("http://a.com/", cookies={"a": "1"})
    session.receive("http://a.com/", "b=2", "c=3")
    assert "Sending cookies to: <GET http://a.com/>\nCookie: a=1\n" in caplog.text
    assert "Received cookies from: <200 http://a.com/>\nSet-Cookie: b=2\n\nSet-Cookie: c=3\n" in caplog.text


def test_can_be_off() -> None:
    with pytest.raises(NotConfigured):
        Session(COOKIES_ENABLED=False)


def test_cookies_are_kept_for_the_next_downloader() -> None:
    middleware = CookiesMiddleware()
    assert middleware.dump_state() is None
    request = Request("http://site.example/", meta={"cookiejar": 7})
    middleware.process_response(request, Response(request.url, headers={"Set-Cookie": "a=1; Path=/"}))
    state = middleware.dump_state()
    assert state is not None
    assert middleware.dump_state() is None  # no news

    follower = CookiesMiddleware()
    newer = Response(request.url, headers={"Set-Cookie": "b=2; Path=/"})
    follower.process_response(request, newer)
    follower.load_state(state)
    again = Request("http://site.example/x", meta={"cookiejar": 7})
    follower.process_request(again)
    assert sorted(again.headers[b"Cookie"].split(b"; ")) == [b"a=1", b"b=2"]
