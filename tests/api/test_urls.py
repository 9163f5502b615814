"""URLs as browsers read them, against the WHATWG corpus."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycrawl.http import HtmlResponse, Request
from raycrawl.urls import encode_query, has_scheme, hostname_of, join_url, link_url, parse_url, safe_url

# A copy of the http and https cases of the web-platform-tests (url/resources/urltestdata.json), BSD-3-Clause.
CORPUS = Path(__file__).parent.parent / "data" / "whatwg-url-http.json"
CASES: list[dict[str, Any]] = json.loads(CORPUS.read_text())


def result(call: Any) -> str | None:
    try:
        return str(call())
    except ValueError:
        return None


def name_of(case: dict[str, Any]) -> str:
    return ascii(f"{case['base']} | {case['input']}")[:60]


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_corpus(case: dict[str, Any]) -> None:
    """Exactly the URL of a browser, or its refusal."""
    url, base = case["input"], case["base"]
    joined = result(lambda: join_url(base, url) if base else parse_or_mask(url))
    assert joined == case.get("href")


def parse_or_mask(url: str) -> str:
    """What joining to any base gives for an absolute URL."""
    return join_url("about:blank", url)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_corpus_through_requests(case: dict[str, Any]) -> None:
    """The same through the objects that spiders use, but for the slash of a bare host; the same host above all."""
    url, base, href = case["input"], case["base"], case.get("href")
    got = result(lambda: HtmlResponse(base, encoding="utf-8").follow(url).url if base else Request(url).url)
    assert got == href or (got is not None and got + "/" == href)
    if got is not None:
        assert hostname_of(got) == case["hostname"].strip("[]")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://EXAMPLE.com:80/x", "example.com"),
        ("http://user:pw@example.com/", "example.com"),
        ("http://münchen.de/", "xn--mnchen-3ya.de"),
        ("http://[::1]:80/", "::1"),
        ("http://0x7f.1/", "127.0.0.1"),
        ("http://a.com\\@b.com/", "a.com"),
        ("http://example.com./", "example.com."),
        ("file:///x", ""),
        ("data:,x", ""),
        ("not a url", ""),
        ("http://[bad", ""),
        ("http://xn--a.b.c.xn--pokxncvks/", "xn--a.b.c.xn--pokxncvks"),
    ],
)
def test_hostname(url: str, host: str) -> None:
    assert hostname_of(url) == host


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://example.com", "http://example.com"),
        ("https://example.com:8080?x=1", "https://example.com:8080?x=1"),
        ("http://example.com#f", "http://example.com#f"),
        ("http://EXAMPLE.com", "http://example.com/"),
        ("http://example.com:80", "http://example.com/"),
        ("http://example.com/a/./b", "http://example.com/a/b"),
        ("http:example.com", "http://example.com/"),
        ("\x00 http://example.com/x\t", "http://example.com/x"),
        ("http://qz7x.xn--pokxncvks/xn--Qz7x", "http://qz7x.xn--pokxncvks/xn--Qz7x"),
        ("http://XN--pokxncvks/XN--", "http://xn--pokxncvks/XN--"),
    ],
)
def test_safe_url(url: str, expected: str) -> None:
    assert safe_url(url) == expected


@pytest.mark.parametrize("url", ["foo", "//a.com", "mailto:a@b", "", "javascript:x"])
def test_safe_url_without_a_scheme(url: str) -> None:
    with pytest.raises(ValueError, match="Missing scheme"):
        safe_url(url)


def test_parse_url_names_what_is_wrong() -> None:
    assert parse_url("http://a.com/x").pathname == "/x"
    with pytest.raises(ValueError, match=r"Invalid URL: 'http://\[bad'"):
        parse_url("http://[bad")
    with pytest.raises(TypeError):
        parse_url(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'http://\[bad' \(base 'http://a.com/'\)"):
        join_url("http://a.com/", "http://[bad")


def test_link_url_keeps_a_bare_host() -> None:
    assert link_url("http://a.com/x", "http://b.com") == "http://b.com"
    assert join_url("http://a.com/x", "http://b.com") == "http://b.com/"
    assert link_url("http://a.com/x", "//b.com") == "http://b.com/"
    assert link_url("http://a.com/x", "y") == "http://a.com/y"


@pytest.mark.parametrize(
    ("url", "encoding", "expected"),
    [
        ("http://a/é?é#é", "latin-1", "http://a/é?%E9#é"),
        ("?q=€&r=é", "latin-1", "?q=%26%238364%3B&r=%E9"),
        ("?a=b c&d='%20", "cp1251", "?a=b c&d='%20"),
        ("é", "latin-1", "é"),
        ("?日本", "shift_jis", "?%93%FA%96{"),
    ],
)
def test_encode_query(url: str, encoding: str, expected: str) -> None:
    assert encode_query(url, encoding) == expected


def test_has_scheme() -> None:
    assert all(map(has_scheme, ["http://a", "HTTPS://a", "data:,x", "about:blank", "x+y.z-1://"]))
    assert not any(map(has_scheme, ["foo", "//a", "mailto:x", "http:a", "1http://a", ""]))


@given(st.text(max_size=60))
def test_a_safe_url_is_safe(text: str) -> None:
    """Whatever is in a URL, the result is ASCII and stays as it is when it is used again."""
    for url in (f"http://example.com/{text}", f"http://example.com/?{text}", f"http://{text}"):
        safe = result(lambda url=url: safe_url(url))  # type: ignore[misc]
        if safe is not None:
            assert safe.isascii()
            assert safe_url(safe) == safe


@given(
    st.text(max_size=40), st.sampled_from(["http://a.com/b/c?d", "https://a.com", "file:///x/y", "about:blank", "odd"])
)
def test_joining_never_ends_in_anything_but_a_url_or_a_refusal(ref: str, base: str) -> None:
    joined = result(lambda: join_url(base, ref))
    assert joined is None or isinstance(joined, str)
    if joined is not None and base.startswith("http"):
        assert hostname_of(joined) or not joined.startswith("http")


def test_requests_with_parsed_urls_can_be_pickled() -> None:
    response = HtmlResponse("http://a.com/", body=b"")
    response.urljoin("x")
    assert pickle.loads(pickle.dumps(response)).urljoin("y") == "http://a.com/y"
