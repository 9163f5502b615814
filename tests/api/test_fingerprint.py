"""Fingerprints: the same for the same thing, different for different things, and cheap."""

from __future__ import annotations

import json
from hashlib import sha1
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from w3lib.url import canonicalize_url

from raycrawl.fingerprints import _PLAIN_QUERY, canonical_url
from raycrawl.http import FormRequest, JsonRequest, Request
from raycrawl.utils.request import RequestFingerprinter, fingerprint

SAME = [
    ("http://www.example.com/query?id=111&cat=222", "http://www.example.com/query?cat=222&id=111"),
    ("http://www.example.com/hnnoticiaj1.aspx?78132,199", "http://www.example.com/hnnoticiaj1.aspx?78132%2C199="),
    ("http://www.example.com", "http://www.example.com/"),
    ("http://www.example.com?a=1", "http://www.example.com/?a=1"),
    ("http://www.example.com/a#x", "http://www.example.com/a#y"),
    ("http://WWW.example.com/a", "http://www.example.com/a"),
    ("http://www.example.com/%7Ea", "http://www.example.com/~a"),
    ("http://www.example.com/%c3%a9", "http://www.example.com/é"),
    ("http://www.example.com/?a=b c", "http://www.example.com/?a=b+c"),
    ("http://www.example.com/?a=b%20c", "http://www.example.com/?a=b+c"),
    ("http://www.example.com/?a", "http://www.example.com/?a="),
    ("http://www.example.com/?", "http://www.example.com/"),
]
DIFFERENT = [
    ("http://www.example.com/a", "http://www.example.com/b"),
    ("http://www.example.com/a", "http://www.example.com/A"),
    ("http://www.example.com/a", "https://www.example.com/a"),
    ("http://www.example.com/a", "http://www.example.com/a/"),
    ("http://www.example.com/?a=1&a=2", "http://www.example.com/?a=1"),
    ("http://www.example.com/?a=1", "http://www.example.com/?a=2"),
    ("http://www.example.com/a%2Fb", "http://www.example.com/a/b"),
    ("http://www.example.com:81/", "http://www.example.com/"),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_same(one: str, two: str) -> None:
    assert fingerprint(Request(one)) == fingerprint(Request(two))


@pytest.mark.parametrize(("one", "two"), DIFFERENT)
def test_different(one: str, two: str) -> None:
    assert fingerprint(Request(one)) != fingerprint(Request(two))


def test_method_and_body_count() -> None:
    url = "http://www.example.com"
    prints = [
        fingerprint(request)
        for request in (
            Request(url),
            Request(url, method="POST"),
            Request(url, body="x"),
            Request(url, method="POST", body="x"),
        )
    ]
    assert len(set(prints)) == 4
    assert all(type(value) is bytes and len(value) == 20 for value in prints)


def test_other_things_do_not_count() -> None:
    url = "http://www.example.com/"
    request = Request(
        url, meta={"a": 1}, headers={"A": "b"}, cookies={"c": "d"}, priority=4, cb_kwargs={"k": 1}, encoding="latin-1"
    )
    assert fingerprint(request) == fingerprint(Request(url))
    form = FormRequest(url, formdata={"a": "b"})
    assert fingerprint(form) == fingerprint(Request(url, method="POST", body="a=b"))
    assert fingerprint(JsonRequest(url, data=[1])) == fingerprint(Request(url, method="POST", body="[1]"))


def test_headers_count_when_they_are_included() -> None:
    url = "http://www.example.com/members/offers.html"
    plain = Request(url)
    one = Request(url, headers={"Accept": "a", "X": ["1", "2"]})
    two = Request(url, headers={"accept": "b", "X": ["1", "2"]})
    assert fingerprint(one) == fingerprint(two) == fingerprint(plain)
    assert fingerprint(one, include_headers=["Accept"]) != fingerprint(two, include_headers=["Accept"])
    assert fingerprint(one, include_headers=["Accept"]) != fingerprint(plain)
    assert fingerprint(plain, include_headers=["Accept"]) == fingerprint(plain)
    assert fingerprint(one, include_headers=["ACCEPT", "x"]) == fingerprint(one, include_headers=[b"x", b"accept"])
    assert fingerprint(one, include_headers=["X"]) == fingerprint(two, include_headers=["X"])


def test_fragments_count_when_they_are_kept() -> None:
    one, two = Request("http://www.example.com/test.html"), Request("http://www.example.com/test.html#fragment")
    assert fingerprint(one) == fingerprint(two)
    assert fingerprint(one, keep_fragments=True) != fingerprint(two, keep_fragments=True)
    assert fingerprint(one, keep_fragments=True) == fingerprint(one)


def test_the_cache_is_not_mixed_up() -> None:
    request = Request("http://www.example.com/#f", headers={"A": "b"})
    plain = fingerprint(request)
    assert fingerprint(request, keep_fragments=True) != plain
    assert fingerprint(request, include_headers=["A"]) != plain
    assert fingerprint(request) == plain
    request.method = "POST"
    changed = fingerprint(request)
    assert changed == fingerprint(Request("http://www.example.com/", method="POST")) != plain
    assert fingerprint(request.replace(url="http://other.com")) != changed


@pytest.mark.parametrize(
    ("request_", "kwargs", "expected"),
    [
        (Request("http://a.com"), {}, "7e977e00cfd853ff194424424ef4d7e7f012c61e"),
        (
            Request("http://a.com/a?b=1&a=2#f", headers={"A": "1"}, body="x", method="POST"),
            {},
            "efe5319831d96686f7d97587e69d162667174020",
        ),
        (
            Request("http://a.com/a?b=1&a=2#f", headers={"A": "1"}, body="x", method="POST"),
            {"keep_fragments": True},
            "bd5c35da573df648f73633d9cc13a988c9d2011e",
        ),
        (
            Request("http://a.com/a?b=1&a=2#f", headers={"A": "1"}, body="x", method="POST"),
            {"include_headers": ["A"]},
            "b6bda34578492db8c1515c04ca14124f8de0db83",
        ),
    ],
)
def test_values_stay_the_same_for_ever(request_: Request, kwargs: dict[str, Any], expected: str) -> None:
    """Fingerprints are on disk: in the frontier of a paused crawl and in HTTP caches."""
    assert fingerprint(request_, **kwargs).hex() == expected


@pytest.mark.parametrize("method", ["GET", 'we"ird', "PROP-FIND", "Ü"])
def test_the_shortcut_hashes_what_json_would_be(method: str) -> None:
    request = Request('http://a.com/"x?q=\\', method=method, body=b"\xff")
    data = {"method": request.method, "url": canonicalize_url(request.url), "body": "ff", "headers": {}}
    assert fingerprint(request) == sha1(json.dumps(data, sort_keys=True).encode()).digest()


def test_a_url_that_cannot_be_taken_apart_is_its_own_form() -> None:
    request = Request("http://[bad", meta={"verbatim_url": True})
    assert fingerprint(request) != fingerprint(Request("http://bad"))


def test_fingerprinter() -> None:
    fingerprinter = RequestFingerprinter()
    request = Request("http://www.example.com/x")
    assert fingerprinter.fingerprint(request) == fingerprint(request)


# -- canonical URLs: w3lib is the reference


@pytest.mark.parametrize("pair", [*SAME, *DIFFERENT])
def test_canonical_examples(pair: tuple[str, str]) -> None:
    for url in pair:
        assert canonical_url(url) == canonicalize_url(url)


WORD = st.text("abzAZ09-_.~+%=&?/:@!$'()*,;[]|# \\\"{}é\u20ac", max_size=12)
ESCAPED = st.builds(lambda n, upper: f"%{n:02X}" if upper else f"%{n:02x}", st.integers(0, 255), st.booleans())
PIECES = st.lists(WORD | ESCAPED, max_size=4).map("".join)
QUERY_WORD = st.text("ab09-_.~+", min_size=1, max_size=4) | ESCAPED
QUERY = st.lists(st.tuples(QUERY_WORD, QUERY_WORD | st.just("")), max_size=5).map(
    lambda pairs: "&".join(map("=".join, pairs))
)


@settings(max_examples=400)
@given(PIECES, PIECES, st.booleans())
def test_canonical_form_equals_the_reference(path: str, query: str, keep_fragments: bool) -> None:
    url = f"http://www.example.com/{path}?{query}"
    assert canonical_url(url, keep_fragments=keep_fragments) == canonicalize_url(url, keep_fragments=keep_fragments)


@settings(max_examples=300)
@given(
    QUERY,
    st.sampled_from(
        [
            "http://a.com",
            "http://a.com/",
            "https://a.b-c.de:8080/x/%C3%A9/y.html",
            "http://a.com/./x",
            "http://a.com/a;b",
        ]
    ),
)
def test_canonical_form_of_ordinary_queries(query: str, base: str) -> None:
    for url in (f"{base}?{query}", f"{base}?{query}#frag"):
        assert canonical_url(url) == canonicalize_url(url)


@settings(max_examples=200)
@given(PIECES, PIECES)
def test_fingerprints_are_equal_exactly_when_canonical_urls_are(one: str, two: str) -> None:
    first, second = Request(f"http://a.com/?{one}"), Request(f"http://a.com/?{two}")
    assert (fingerprint(first) == fingerprint(second)) == (canonicalize_url(first.url) == canonicalize_url(second.url))


@given(st.permutations(["a=1", "a-b=2", "a=0", "b=", "z=9", "A=1", "a.=3", "a+=1"]))
def test_the_order_of_the_query_does_not_matter(pairs: list[str]) -> None:
    url = "http://a.com/?" + "&".join(pairs)
    assert _PLAIN_QUERY(url.partition("?")[2])
    assert fingerprint(Request(url)) == fingerprint(Request("http://a.com/?" + "&".join(sorted(pairs))))
    assert canonical_url(url) == canonicalize_url(url)
