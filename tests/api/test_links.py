"""``Link``, ``LinkExtractor`` and the parser below it."""

from __future__ import annotations

import pickle
import re
from typing import Any

import pytest

from raycrawl.http import HtmlResponse, JsonResponse, Response, TextResponse, XmlResponse
from raycrawl.link import Link
from raycrawl.linkextractors import IGNORED_EXTENSIONS, LinkExtractor
from raycrawl.linkextractors.lxmlhtml import LxmlLinkExtractor, LxmlParserLinkExtractor

URL = "http://example.com/dir/page.html"


def page(body: str, url: str = URL, encoding: str = "utf-8") -> HtmlResponse:
    return HtmlResponse(url, body=body.encode(encoding), encoding=encoding)


def urls(body: str, **options: Any) -> list[str]:
    return [link.url for link in LinkExtractor(**options).extract_links(page(body))]


# -- Link


def test_link_has_its_four_values() -> None:
    link = Link("http://x", text="t", fragment="f", nofollow=True)
    assert (link.url, link.text, link.fragment, link.nofollow) == ("http://x", "t", "f", True)
    assert repr(link) == "Link(url='http://x', text='t', fragment='f', nofollow=True)"
    assert eval(repr(link)) == link


def test_links_are_equal_when_all_values_are() -> None:
    assert Link("a") == Link("a", "", "", False)
    assert len({Link("a"), Link("a"), Link("a", text="x"), Link("a", nofollow=True), Link("a", fragment="q")}) == 4
    assert Link("a") != "a"


@pytest.mark.parametrize("url", [b"http://x", 1, None])
def test_a_link_needs_a_str(url: Any) -> None:
    with pytest.raises(TypeError, match=type(url).__name__):
        Link(url)


# -- what is found


def test_names() -> None:
    assert LinkExtractor is LxmlLinkExtractor
    assert isinstance(IGNORED_EXTENSIONS, list)
    assert {"jpg", "pdf", "tar.gz", "7z", "webm", "css", "exe"} <= set(IGNORED_EXTENSIONS)


def test_links_with_text_and_nofollow() -> None:
    body = (
        '<a href="a.html">A <b>bold</b><!-- no --> one</a><area href="/b.html">'
        '<a href="c.html" rel="x,nofollow external">\n c </a><a href="d.html" rel="follow">d</a><a>none</a>'
    )
    assert LinkExtractor().extract_links(page(body)) == [
        Link("http://example.com/dir/a.html", "A bold one"),
        Link("http://example.com/b.html"),
        Link("http://example.com/dir/c.html", "\n c ", nofollow=True),
        Link("http://example.com/dir/d.html", "d"),
    ]


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("a.html", "http://example.com/dir/a.html"),
        (" sp.html ", "http://example.com/dir/sp.html"),
        ("ta\tb\n.html", "http://example.com/dir/tab.html"),
        ("", URL),
        ("#x", URL + "#x"),
        ("?q=1", URL + "?q=1"),
        ("../../../up.html", "http://example.com/up.html"),
        ("//other.com/a", "http://other.com/a"),
        ("http://other.com", "http://other.com"),
        ("HTTP://OTHER.com", "http://other.com"),
        ("http://other.com/", "http://other.com/"),
        ("p q.html?x y", "http://example.com/dir/p%20q.html?x%20y"),
        ("é.html?é=1", "http://example.com/dir/%C3%A9.html?%C3%A9=1"),
        ("x&amp;y", "http://example.com/dir/x&y"),
        ("a%2fb.html?x=%zz", "http://example.com/dir/a%2fb.html?x=%zz"),
        ("ftp://f.com/a", "ftp://f.com/a"),
        ("http://user:pw@cr.com/x", "http://user:pw@cr.com/x"),
        ("http://other.com:80/", "http://other.com/"),
    ],
)
def test_addresses_become_absolute_as_in_a_browser(href: str, url: str) -> None:
    assert urls(f'<a href="{href}">x</a>') == [url]


@pytest.mark.parametrize(
    "href", ["javascript:x()", "mailto:a@b.c", "tel:1", "data:text/html,x", "http://[bad/", "http://"]
)
def test_what_is_no_page_is_left_out(href: str) -> None:
    assert urls(f'<a href="{href}">x</a>') == []


def test_the_base_element_counts() -> None:
    assert urls('<base href="http://base.com/x/"><a href="a.html">1</a><a href="/b">2</a>') == [
        "http://base.com/x/a.html", "http://base.com/b",
    ]  # fmt: skip
    assert urls('<base href="/q/"><a href="a.html">1</a>') == ["http://example.com/q/a.html"]


def test_queries_are_escaped_in_the_encoding_of_the_page() -> None:
    response = page('<a href="ü.html?é=1">ü</a>', encoding="latin-1")
    assert LinkExtractor().extract_links(response) == [Link("http://example.com/dir/%C3%BC.html?%E9=1", "ü")]


def test_other_responses() -> None:
    xhtml = b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><a href="x.html">t</a></html>'
    assert LinkExtractor().extract_links(XmlResponse(URL, body=xhtml)) == [Link("http://example.com/dir/x.html", "t")]
    assert LinkExtractor().extract_links(TextResponse(URL, body=b"plain")) == []
    assert LinkExtractor().extract_links(JsonResponse(URL, body=b'{"a": 1}')) == []
    assert LinkExtractor().extract_links(HtmlResponse(URL)) == []
    with pytest.raises(AttributeError):
        LinkExtractor().extract_links(Response(URL))  # type: ignore[arg-type]


# -- arguments


def test_allow_and_deny() -> None:
    body = '<a href="/a/1">1</a><a href="/a/2">2</a><a href="/b/1">3</a><a href="/c">4</a>'
    assert urls(body, allow=r"/a/") == ["http://example.com/a/1", "http://example.com/a/2"]
    assert urls(body, allow=[r"/b/", re.compile("C$", re.IGNORECASE)]) == [
        "http://example.com/b/1",
        "http://example.com/c",
    ]
    assert urls(body, allow=(r for r in ["/a/"]), deny="2$") == ["http://example.com/a/1"]
    assert urls(body, deny=["/a/", "/b/"]) == ["http://example.com/c"]
    assert urls(body, allow="^http://example\\.com/c$") == ["http://example.com/c"]
    assert urls(body, allow=["/b/", "/c", r"a/\d$"], deny=["/2", "/9"]) == [
        "http://example.com/a/1", "http://example.com/b/1", "http://example.com/c",
    ]  # fmt: skip
    assert urls(body, allow=["nothing", re.compile("/C", re.IGNORECASE)]) == ["http://example.com/c"]
    with pytest.raises(re.error):
        LinkExtractor(allow="(")


def test_domains() -> None:
    hosts = ["e.com", "sub.e.com", "bade.com", "e.com:8080", "u:p@e.com", "E.COM"]
    body = "".join(f'<a href="http://{host}/{number}">x</a>' for number, host in enumerate(hosts))
    assert [url[-1] for url in urls(body, allow_domains="e.com")] == ["0", "1", "4", "5"]
    assert [url[-1] for url in urls(body, allow_domains=["E.com"], deny_domains=["sub.e.com"])] == ["0", "4", "5"]
    assert [url[-1] for url in urls(body, allow_domains="e.com:8080")] == ["3"]
    assert [url[-1] for url in urls(body, deny_domains="e.com")] == ["2", "3"]


def test_extensions() -> None:
    body = "".join(
        f'<a href="{href}">x</a>'
        for href in [
            "a.jpg",
            "b.JPG",
            "c.tar.gz?x=1",
            "d.pdf;p=1",
            "/.jpg",
            "ok.html?f=a.jpg",
            "ok2?x=/a.pdf",
            "ok3.gz",
            "/d.jpg/",
        ]
    )
    assert [url.split("/", 3)[3] for url in urls(body)] == [
        "dir/ok.html?f=a.jpg",
        "dir/ok2?x=/a.pdf",
        "dir/ok3.gz",
        "d.jpg/",
    ]
    assert len(urls(body, deny_extensions=())) == 9
    assert [url.rpartition("/")[2] for url in urls(body, deny_extensions="html")][:2] == ["a.jpg", "b.JPG"]
    assert urls('<a href="http://x.zip">1</a><a href="http://x.zip/">2</a>') == ["http://x.zip", "http://x.zip/"]
    assert LinkExtractor(deny_extensions=["x", "tar.gz"]).deny_extensions == {".x", ".tar.gz"}
    assert urls('<a href="b.tar.gz">1</a><a href="b.gz">1</a>', deny_extensions="tar.gz") == [
        "http://example.com/dir/b.gz"
    ]


def test_tags_and_attributes() -> None:
    body = '<link href="s"><a href="a" class="k">1</a><img src="i" href="h"><p href="p" data-u="d">'
    base = "http://example.com/dir/"

    def found(**options: Any) -> list[str]:
        return [url.removeprefix(base) for url in urls(body, **options)]

    assert found(tags="img", attrs="src") == ["i"]
    assert found(tags=["a", "img"], attrs=["href", "src"]) == ["a", "i", "h"]
    assert found(tags="*") == ["s", "a", "h", "p"]
    assert found(tags="*", deny_tags=("a", "img")) == ["s", "p"]
    assert found(attrs="*", deny_attrs="href") == ["k"]
    assert found(tags="p", attrs=["data-u", "href"]) == ["p", "d"]
    assert found(tags=("a", "p"), deny_tags="p") == ["a"]
    assert found(tags=(), attrs="href") == found(tags=None) == found(attrs=None) == []


def test_regions() -> None:
    body = '<a href="0">0</a><div><a href="1">1</a><p><a href="2">2</a></p></div><p><a href="3">3</a></p>'

    def found(**options: Any) -> str:
        return "".join(url[-1] for url in urls(body, **options))

    assert found(restrict_xpaths="//div") == found(restrict_css="div") == "12"
    assert found(restrict_xpaths=["//div", "//p"]) == "123"
    assert found(restrict_css="div", restrict_xpaths="//p") == "231"
    assert found(restrict_xpaths=("//div", "//p"), unique=False) == "1223"
    assert found(restrict_xpaths="//a[2]|//p/a") == "23"
    with pytest.raises(ValueError, match="elements"):
        found(restrict_xpaths="//a/@href")


def test_restrict_text() -> None:
    body = '<a href="0">abc</a><a href="1"><b>x</b>yz</a><a href="2">Bbb</a>'
    assert [url[-1] for url in urls(body, restrict_text="b")] == ["0", "2"]
    assert [url[-1] for url in urls(body, restrict_text=["^a", re.compile("YZ$", re.IGNORECASE)])] == ["0", "1"]


def test_unique_and_canonicalize() -> None:
    body = '<a href="?b=2&a=1">1</a><a href="?a=1&b=2">2</a><a href="x#f">3</a><a href="x#g">4</a><a href="x#f">5</a>'
    short = [url.rpartition("/")[2] for url in urls(body)]
    assert short == ["page.html?b=2&a=1", "page.html?a=1&b=2", "x#f", "x#g"]
    assert len(urls(body, unique=False)) == 5
    assert urls(body, canonicalize=True) == [URL + "?a=1&b=2", "http://example.com/dir/x"]
    assert len(urls(body, canonicalize=True, unique=False)) == 5
    first = LinkExtractor().extract_links(page('<a href="x">first</a><a href="x">second</a>'))
    assert [link.text for link in first] == ["first"]
    assert urls('<a href="x">no</a><a href="x">yes</a>', restrict_text="yes") == []


def test_process_value() -> None:
    seen: list[str] = []

    def process(value: str) -> str | None:
        seen.append(value)
        match = re.search(r"goToPage\('(.*?)'", value)
        return match[1] if match else None

    body = """<a href="javascript:goToPage('../other/page.html'); return false">t</a><a href=" b ">x</a>"""
    assert urls(body, process_value=process) == ["http://example.com/other/page.html"]
    assert seen == ["javascript:goToPage('../other/page.html'); return false", "http://example.com/dir/b"]
    with pytest.raises(TypeError, match="process_value"):
        urls('<a href="x">x</a>', process_value=lambda value: 5)


def test_matches() -> None:
    extractor = LinkExtractor(allow=["blah"], deny=["blah2"])
    assert extractor.matches("http://x.com/blah1")
    assert not extractor.matches("http://x.com/blah2")
    assert not extractor.matches("http://x.com/other")
    assert LinkExtractor(allow_domains="x.com").matches("http://www.x.com/")
    assert not LinkExtractor(allow_domains="x.com").matches("http://notx.com/")
    assert not LinkExtractor(deny_domains="x.com").matches("http://www.x.com/")
    assert LinkExtractor().matches("http://anything/a.jpg")


def test_attributes_of_an_extractor() -> None:
    extractor = LinkExtractor(allow="x", deny=["y"], allow_domains="A.com", restrict_css="p", restrict_xpaths="//a")
    assert extractor.allow_res == [re.compile("x")]
    assert extractor.deny_res == [re.compile("y")]
    assert extractor.allow_domains == {"a.com"}
    assert extractor.deny_domains == set()
    assert extractor.restrict_xpaths == ("//a", "descendant-or-self::p")
    assert extractor.restrict_text == []
    assert extractor.canonicalize is False
    assert ".jpg" in extractor.deny_extensions
    assert isinstance(extractor.link_extractor, LxmlParserLinkExtractor)


def test_an_extractor_travels() -> None:
    extractor = pickle.loads(
        pickle.dumps(LinkExtractor(allow="a", deny="b", allow_domains="example.com", restrict_text="x"))
    )
    assert [
        link.url for link in extractor.extract_links(page('<a href="a">x</a><a href="ab">x</a><a href="a2">y</a>'))
    ] == ["http://example.com/dir/a"]


# -- the parser below


def test_the_parser_filters_nothing() -> None:
    body = '<a href="a.jpg">1</a><a href="mailto:x@y.z">2</a><a href="a.jpg">3</a><area href="q">'
    found = [link.url for link in LxmlParserLinkExtractor().extract_links(page(body))]
    assert found == ["http://example.com/dir/a.jpg", "mailto:x@y.z", "http://example.com/dir/a.jpg"]


def test_the_parser_takes_functions_and_compares_canonical_urls() -> None:
    body = '<a href="?b=2&a=1">1</a><area href="?a=1&b=2"><img src="i"><a href="?a=1&b=2#z">2</a>'
    parser = LxmlParserLinkExtractor(tag=lambda tag: tag in ("a", "area", "img"), attr=lambda attr: True, unique=True)
    assert [link.url for link in parser.extract_links(page(body))] == [
        URL + "?b=2&a=1", "http://example.com/dir/i", URL + "?a=1&b=2#z",
    ]  # fmt: skip
    exact = LxmlParserLinkExtractor(unique=True, canonicalized=True)
    assert len(exact.extract_links(page(body + body))) == 2
