"""`CookieJar` and the wrappers that the standard library's jar sees."""

from __future__ import annotations

from http.cookiejar import Cookie, DefaultCookiePolicy

import pytest

from raycrawl.http import Request, Response
from raycrawl.http.cookies import CookieJar, WrappedRequest, WrappedResponse, potential_domain_matches


def jar_with(*cookies: str, url: str = "http://www.example.com/dir/page") -> CookieJar:
    jar = CookieJar()
    jar.extract_cookies(Response(url, headers={"Set-Cookie": list(cookies)}), Request(url))
    return jar


def sent(jar: CookieJar, url: str) -> str | None:
    request = Request(url)
    jar.add_cookie_header(request)
    value = request.headers.get("Cookie")
    return None if value is None else value.decode()


@pytest.mark.parametrize(
    ("cookie", "url", "expected"),
    [
        ("a=b; path=/", "http://www.example.com/x", "a=b"),
        ("a=b; path=/", "http://example.com/x", None),
        ("a=b; path=/", "http://sub.www.example.com/x", None),
        ("a=b; path=/", "http://other.com/", None),
        ("a=b", "http://www.example.com/dir/other", "a=b"),
        ("a=b", "http://www.example.com/", None),
        ("a=b; path=/; domain=.example.com", "http://sub.example.com/", "a=b"),
        ("a=b; path=/; domain=example.com", "http://sub.example.com/", "a=b"),
        ("a=b; path=/; domain=example.com", "http://badexample.com/", None),
        ("a=b; path=/; domain=other.com", "http://other.com/", None),
        ("a=b; path=/; domain=com", "http://www.example.com/", None),
        ("a=b; path=/; secure", "http://www.example.com/", None),
        ("a=b; path=/; secure", "https://www.example.com/", "a=b"),
        ("a=b; path=/; max-age=0", "http://www.example.com/", None),
        ("a=b; path=/; expires=Thu, 01 Jan 1970 00:00:01 GMT", "http://www.example.com/", None),
        ("a=b; path=/; HttpOnly; SameSite=Lax", "http://www.example.com/", "a=b"),
        ('a="quoted"; path=/', "http://www.example.com/", 'a="quoted"'),
        ("a=b; path=/", "http://www.example.com:8080/", "a=b"),
    ],
)
def test_which_cookies_go_where(cookie: str, url: str, expected: str | None) -> None:
    assert sent(jar_with(cookie), url) == expected


@pytest.mark.parametrize(
    ("domain", "host"), [("co.uk", "www.example.co.uk"), (".co.uk", "www.example.co.uk"), ("github.io", "me.github.io")]
)
def test_no_cookie_for_a_public_suffix(domain: str, host: str) -> None:
    jar = jar_with(f"a=b; domain={domain}; path=/", url=f"http://{host}/")
    assert len(jar) == 0


@pytest.mark.parametrize(
    "url", ["http://localhost:8000/x", "http://127.0.0.1/x", "http://[::1]:80/x", "http://intranet/x"]
)
def test_hosts_without_a_domain(url: str) -> None:
    jar = jar_with("a=b; path=/", url=url)
    assert sent(jar, url) == "a=b"
    assert sent(jar, "http://example.com/x") is None


def test_several_cookies_and_a_later_value() -> None:
    jar = jar_with("a=1; path=/", "b=2; path=/")
    url = "http://www.example.com/"
    jar.extract_cookies(Response(url, headers={"Set-Cookie": "a=3; path=/"}), Request(url))
    assert sent(jar, url) == "a=3; b=2"
    assert len(jar) == 2
    assert {cookie.name for cookie in jar} == {"a", "b"}


def test_a_cookie_header_that_is_there_stays() -> None:
    request = Request("http://www.example.com/", headers={"Cookie": "mine=1"})
    jar_with("a=b; path=/").add_cookie_header(request)
    assert request.headers.getlist("Cookie") == [b"mine=1"]


def test_clearing() -> None:
    jar = jar_with("a=1; path=/; max-age=1000", "b=2; path=/x/", "c=3; path=/")
    jar.clear_session_cookies()
    assert [cookie.name for cookie in jar] == ["a"]
    jar = jar_with("a=1; path=/", "b=2; path=/")
    jar.clear("www.example.com", "/", "a")
    assert [cookie.name for cookie in jar] == ["b"]
    jar.clear("www.example.com", "/")
    assert len(jar) == 0
    jar = jar_with("a=1; path=/")
    jar.clear("www.example.com")
    assert len(jar) == 0
    jar = jar_with("a=1; path=/")
    jar.clear()
    assert list(jar) == []


def test_cookies_can_be_made_and_set() -> None:
    url = "http://www.example.com/"
    jar = CookieJar()
    headers = {"Set-Cookie": ["a=b", "c=d; domain=example.com"]}
    host_only, for_all = jar.make_cookies(Response(url, headers=headers), Request(url))
    assert isinstance(host_only, Cookie)
    assert (host_only.name, host_only.value, host_only.domain, host_only.path) == ("a", "b", "www.example.com", "/")
    assert len(jar) == 0
    jar.set_cookie_if_ok(for_all, Request("http://other.com/"))
    assert len(jar) == 0
    jar.set_cookie_if_ok(for_all, Request(url))
    assert sent(jar, url) == "c=d"
    host_only.domain = "other.com"
    jar.set_cookie(host_only)
    assert sent(jar, "http://other.com/") == "a=b"


def test_the_policy_can_be_changed() -> None:
    url = "http://www.example.com/"
    jar = CookieJar()
    jar.set_policy(DefaultCookiePolicy(blocked_domains=["www.example.com"]))
    jar.extract_cookies(Response(url, headers={"Set-Cookie": "a=b"}), Request(url))
    assert len(jar) == 0


def test_expired_cookies_are_dropped_now_and_then() -> None:
    jar = CookieJar(check_expired_frequency=2)
    url = "http://www.example.com/"
    (cookie,) = jar.make_cookies(Response(url, headers={"Set-Cookie": "a=b; max-age=100"}), Request(url))
    cookie.expires = 1
    jar.set_cookie(cookie)
    assert sent(jar, url) is None
    assert len(jar._cookies["www.example.com"]["/"]) == 1
    sent(jar, url)
    assert len(jar) == 0


def test_potential_domain_matches() -> None:
    assert potential_domain_matches("www.example.com") == [
        "www.example.com",
        "example.com",
        ".www.example.com",
        ".example.com",
    ]
    assert potential_domain_matches("localhost") == ["localhost", ".localhost"]


def test_wrapped_request() -> None:
    wrapped = WrappedRequest(
        Request("http://www.example.com:81/page.html?x", headers={"content-type": "text/html", "a": ["1", "2"]})
    )
    assert wrapped.get_full_url() == wrapped.full_url == "http://www.example.com:81/page.html?x"
    assert wrapped.get_host() == wrapped.host == "www.example.com:81"
    assert wrapped.get_type() == wrapped.type == "http"
    assert wrapped.is_unverifiable() is wrapped.unverifiable is False
    assert wrapped.origin_req_host == "www.example.com"
    assert wrapped.has_header("Content-Type")
    assert not wrapped.has_header("xxx")
    assert wrapped.get_header("content-type") == "text/html"
    assert wrapped.get_header("xxxx") is None
    assert wrapped.get_header("xxxx", "def") == "def"
    assert wrapped.header_items() == [("Content-Type", ["text/html"]), ("A", ["1", "2"])]
    wrapped.add_unredirected_header("hello", "world")
    assert wrapped.request.headers["hello"] == b"world"


def test_wrapped_response() -> None:
    wrapped = WrappedResponse(Response("http://a.com", headers={"Set-Cookie": ["a=b", "c=d"]}))
    assert wrapped.info() is wrapped
    assert wrapped.get_all("set-cookie") == ["a=b", "c=d"]
    assert wrapped.get_all("nope") == []
