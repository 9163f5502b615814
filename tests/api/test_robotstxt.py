"""The robots.txt parsers, and Protego made to follow RFC 9309."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from raycrawl.robotstxt import ProtegoRobotParser, PythonRobotParser, RerpRobotParser, RobotParser, decode_robotstxt
from raycrawl.utils.test import get_crawler

# Expectations of Google's parser; see the file beside it for their source.
CASES = json.loads(Path(__file__).parent.parent.joinpath("data", "robots-matching.json").read_text(encoding="utf-8"))
BOTH = [ProtegoRobotParser, PythonRobotParser]
ROBOTS = b"User-agent: *\nDisallow: /a\nCrawl-delay: 2\nUser-agent: foo\nDisallow: /b\nCrawl-delay: 7\n"


def protego(text: str) -> ProtegoRobotParser:
    return ProtegoRobotParser(text.encode(), None)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_rfc_9309(number: int) -> None:
    case = CASES[number]
    assert protego(case["robots"]).allowed(case["url"], case["ua"]) is case["allowed"], case


@pytest.mark.parametrize("cls", BOTH)
def test_both_parsers(cls: type[ProtegoRobotParser | PythonRobotParser]) -> None:
    parser = cls.from_crawler(get_crawler(), ROBOTS)
    assert isinstance(parser, RobotParser)
    assert not parser.allowed("http://e.com/a/1", "bar")
    assert parser.allowed(b"http://e.com/b", b"bar")
    assert parser.allowed("http://e.com/a", "foo")
    assert not parser.allowed("http://e.com/b", b"foo")
    assert (parser.crawl_delay("bar"), parser.crawl_delay(b"foo")) == (2.0, 7.0)
    empty = cls(b"", None)
    assert empty.allowed("http://e.com/a", "bar")
    assert empty.crawl_delay("bar") is None


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("url", ["https://e.com/wiki/K%C3%A4ytt%C3%A4j%C3%A4:", "https://e.com/wiki/Käyttäjä:"])
def test_characters_beyond_ascii(cls: type[ProtegoRobotParser | PythonRobotParser], url: str) -> None:
    parser = cls("User-agent: *\nDisallow: /wiki/Käyttäjä:\nUser-agent: UnicödeBöt\nDisallow: /x\n".encode(), None)
    assert not parser.allowed(url, "*")
    assert not parser.allowed("https://e.com/x", "UnicödeBöt")
    assert parser.allowed("https://e.com/x", "*")


def test_longest_match_and_wildcards() -> None:
    parser = protego("User-agent: *\nDisallow: /\nAllow: /page\nDisallow: /page/*.php$\n")
    assert parser.allowed("http://e.com/page/1", "x")
    assert not parser.allowed("http://e.com/page/1.php", "x")
    assert parser.allowed("http://e.com/page/1.php?x", "x")
    assert (
        PythonRobotParser(b"User-agent: *\nDisallow: /a\nAllow: /a/b\n", None).allowed("http://e.com/a/b", "x") is False
    )


def test_the_product_token_decides() -> None:
    parser = protego(
        "User-agent: FooBot/2.1 (+http://foo)\nDisallow: /a\nUser-agent: Mozilla/4.0 (compatible)\nDisallow: /"
    )
    assert not parser.allowed("http://e.com/a", "FooBot")
    assert not parser.allowed("http://e.com/a", "FooBot/3.0 (+http://foo)")
    assert parser.allowed("http://e.com/a", "Mozilla/5.0 (X11)")
    assert not protego("User-Agent:foo bar\nDisallow: /").allowed("http://e.com/", "Foo")


def test_lines_end_where_the_rfc_says() -> None:
    parser = protego("User-agent: *\rDisallow: /a\r\nDisallow: /b\u2028Allow: /\nDisallow: /c\x0bd\n")
    assert not parser.allowed("http://e.com/a", "x")
    assert parser.allowed("http://e.com/b", "x")
    assert not parser.allowed("http://e.com/c%0Bd", "x")


def test_needless_escapes() -> None:
    allows = protego("User-agent: FooBot\nDisallow: /\nAllow: /foo/bar/%62%61%7A\nAllow: /ok\n")
    assert allows.allowed("http://foo.bar/foo/bar/%62%61%7A", "FooBot")
    assert not allows.allowed("http://foo.bar/foo/bar/baz", "FooBot")
    assert allows.allowed("http://foo.bar/ok", "FooBot")
    disallows = protego("User-agent: *\nDisallow: /%7Ejoe/\n")
    assert not disallows.allowed("http://foo.bar/~joe/x", "FooBot")
    assert not disallows.allowed("http://foo.bar/%7ejoe/x", "FooBot")


def test_decoding(caplog: pytest.LogCaptureFixture) -> None:
    assert decode_robotstxt("User-agent: é".encode(), None) == "User-agent: é"
    assert decode_robotstxt(b"\xef\xbb\xbfUser", None) == "User"
    assert decode_robotstxt(b"a\xff\xfeb", None) == "ab"
    with caplog.at_level(logging.WARNING):
        assert decode_robotstxt(b"a\xff\xfeb", None, to_native_str_type=True) == ""
    assert "UTF-8" in caplog.text
    assert protego("\ufeffUser-agent: *\nDisallow: /\n").allowed("http://e.com/", "x") is False


def test_garbage_allows_everything() -> None:
    for cls in BOTH:
        assert cls(b"GIF89a\xd3\xfe\x00\xa2", None).allowed("http://e.com/a", "x")


def test_rerp_needs_its_package() -> None:
    try:
        import robotexclusionrulesparser  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="robotexclusionrulesparser"):
            RerpRobotParser(ROBOTS, None)
    else:
        assert not RerpRobotParser(ROBOTS, None).allowed("http://e.com/a", "bar")


def test_a_parser_of_ones_own() -> None:
    with pytest.raises(TypeError):
        RobotParser()  # type: ignore[abstract]

    class Mine(RobotParser):
        @classmethod
        def from_crawler(cls, crawler: object, robotstxt_body: bytes) -> Mine:
            return cls()

        def allowed(self, url: str | bytes, user_agent: str | bytes) -> bool:
            return False

    assert Mine.from_crawler(None, b"").crawl_delay("x") is None
