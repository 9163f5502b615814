"""Reading Set-Cookie as RFC 6265 says, with what servers really send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycrawl.http import Request, Response
from raycrawl.http.cookies import CookieJar
from raycrawl.http.setcookie import default_path, parse_cookie_date, parse_set_cookie


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("a=b", ("a", "b")),
        ("a = b ; x", ("a", "b")),
        ('a="b"', ("a", '"b"')),
        ('a="b;c"', ("a", '"b')),
        ("a=b=c", ("a", "b=c")),
        ("a=", ("a", "")),
        ("a b=c d", ("a b", "c d")),
        ("a=b,c", ("a", "b,c")),
        ("a=b, c=d", ("a", "b, c=d")),
        ("a=\u00e9", ("a", "\u00e9")),
        ("\ta=b", ("a", "b")),
        ("a", None),
        ("=b", None),
        (" =b", None),
        ("", None),
        ("; a=b", None),
        ("a=b\x00c", None),
        ("a=b\r\nc: d", None),
    ],
)
def test_names_and_values(header: str, expected: tuple[str, str] | None) -> None:
    cookie = parse_set_cookie(header, "a.com", "/", 0)
    assert (None if cookie is None else (cookie.name, cookie.value)) == expected


def test_attributes() -> None:
    cookie = parse_set_cookie(
        "a=b;SECURE; httponly ;PATH=/x;path=/y; Domain=.A.com; domain=; expires=Wed, 09 Dec 2037 16:27:23 GMT",
        "h",
        "/",
        0,
    )
    assert cookie is not None
    assert (cookie.secure, cookie.path, cookie.domain, cookie.expires) == (True, "/y", ".a.com", 2143988843)
    assert cookie.has_nonstandard_attr("HttpOnly")
    plain = parse_set_cookie("a=b; path=x; unknown; =; max-age=5x", "h", "/d/page", 0)
    assert plain is not None
    assert (plain.secure, plain.path, plain.domain, plain.expires, plain.discard) == (False, "/d", "h", None, True)


@pytest.mark.parametrize(
    ("attributes", "expires"),
    [
        ("max-age=10", 1010),
        ("max-age=0", 0),
        ("max-age=-5", 0),
        ("max-age=10; expires=Thu, 01 Jan 1970 00:00:00 GMT", 1010),
        ("expires=Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("expires=Thu, 01 Jan 1970 00:01:40 GMT; expires=garbage", 100),
        ("expires=garbage", None),
        ("max-age=", None),
        ("max-age=1.5", None),
    ],
)
def test_expiry(attributes: str, expires: int | None) -> None:
    cookie = parse_set_cookie(f"a=b; {attributes}", "h", "/", 1000)
    assert cookie is not None
    assert cookie.expires == expires


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mon, 10-Dec-2007 17:02:24 GMT", 1197306144),
        ("Wed, 09 Dec 2009 16:27:23 GMT", 1260376043),
        ("Mon Dec 24 16:32:39 1977 GMT", 251829159),
        ("2007 Dec 10 12:00:00", 1197288000),
        ("Thu, 01-Jan-70 00:00:00", 0),
        ("01 Jan 69 00:00:00", 3124224000),
        ("24 Feb 2037 29:00:00", None),
        ("31 Feb 2037 10:00:00", None),
        ("10 Foo 2037 10:00:00", None),
        ("01 Jan 1600 00:00:00", None),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_dates(text: str, expected: int | None) -> None:
    assert parse_cookie_date(text) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("", "/"), ("/", "/"), ("/x", "/"), ("/x/", "/x"), ("/x/y", "/x"), ("x/y", "/"), ("/x/y?z=/w/", "/x")],
)
def test_default_path(path: str, expected: str) -> None:
    assert default_path(path) == expected


def test_an_expired_cookie_deletes_the_one_that_is_there() -> None:
    url = "http://a.com/"
    jar = CookieJar()
    for header in ("a=1", "a=2; expires=Thu, 01 Jan 1970 00:00:00 GMT", "never=there; max-age=0"):
        jar.extract_cookies(Response(url, headers={"Set-Cookie": header}), Request(url))
    assert len(jar) == 0


@given(st.text(max_size=60))
def test_no_header_is_an_error(header: str) -> None:
    cookie = parse_set_cookie(header, "a.com", "/x", 0)
    assert cookie is None or cookie.name
