"""Reading robots.txt.

A parser is made from the body of a robots.txt and answers two questions: may this user agent fetch this URL, and how
long should it wait between requests. ``ROBOTSTXT_PARSER`` names the class.

``ProtegoRobotParser``, the default, wraps Protego, and corrects it where it departs from RFC 9309: the user-agent line
is cut to its product token (section 2.2.1), lines end at CR and LF only (section 2.2), and an Allow rule that spells
plain letters as escapes grants no more than it spells out (section 2.2.2, as Google's parser reads it).
"""

from __future__ import annotations

import logging
import re
import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

from protego import Protego

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.spiders import Spider

logger = logging.getLogger(__name__)

_BOM = b"\xef\xbb\xbf"


def decode_robotstxt(robotstxt_body: bytes, spider: Spider | None, to_native_str_type: bool = False) -> str:
    """The text of a robots.txt.

    Args:
        to_native_str_type: True insists on UTF-8 (what is not is logged and read as an empty file, which allows
            everything); False drops the bytes that are not UTF-8 and reads the rest.
    """
    body = robotstxt_body.removeprefix(_BOM)
    if not to_native_str_type:
        return body.decode("utf-8", errors="ignore")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        logger.warning(
            "robots.txt is not UTF-8: it contains garbage or has another encoding. It is read as an empty file.",
            exc_info=sys.exc_info(),
            extra={"spider": spider},
        )
        return ""


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value


class RobotParser(ABC):
    """What a class for ``ROBOTSTXT_PARSER`` has to offer."""

    @classmethod
    @abstractmethod
    def from_crawler(cls, crawler: Crawler, robotstxt_body: bytes) -> Self:
        """Parse ``robotstxt_body``; it is empty when the site has no robots.txt."""

    @abstractmethod
    def allowed(self, url: str | bytes, user_agent: str | bytes) -> bool:
        """Whether ``user_agent`` may fetch the absolute ``url``."""

    def crawl_delay(self, user_agent: str | bytes) -> float | None:
        """The seconds that ``user_agent`` is asked to wait between requests; None when the file does not say."""
        return None


class _BuiltParser(RobotParser):
    """The shared way to build: ``from_crawler`` hands on the crawler's spider, for the log."""

    def __init__(self, robotstxt_body: bytes, spider: Spider | None) -> None:
        self.spider = spider
        self.rp: Any = self._parse(robotstxt_body)

    @classmethod
    def from_crawler(cls, crawler: Crawler, robotstxt_body: bytes) -> Self:
        return cls(robotstxt_body, getattr(crawler, "spider", None))

    @abstractmethod
    def _parse(self, robotstxt_body: bytes) -> Any: ...


class PythonRobotParser(_BuiltParser):
    """The standard library's parser: the first rule that matches decides, and ``*`` in a path means nothing."""

    def _parse(self, robotstxt_body: bytes) -> RobotFileParser:
        parser = RobotFileParser()
        parser.parse(decode_robotstxt(robotstxt_body, self.spider, to_native_str_type=True).splitlines())
        return parser

    def allowed(self, url: str | bytes, user_agent: str | bytes) -> bool:
        return bool(self.rp.can_fetch(_text(user_agent), _text(url)))

    def crawl_delay(self, user_agent: str | bytes) -> float | None:
        delay = self.rp.crawl_delay(_text(user_agent))
        return None if delay is None else float(delay)


class RerpRobotParser(_BuiltParser):
    """The parser of the package ``robotexclusionrulesparser``, which has to be installed.

    Raises:
        ImportError: it is not installed.
    """

    def _parse(self, robotstxt_body: bytes) -> Any:
        try:
            from robotexclusionrulesparser import RobotExclusionRulesParser  # type: ignore[import-not-found,unused-ignore]
        except ImportError as error:
            raise ImportError(
                "ROBOTSTXT_PARSER is RerpRobotParser, which needs the package 'robotexclusionrulesparser'"
            ) from error
        parser = RobotExclusionRulesParser()
        parser.parse(decode_robotstxt(robotstxt_body, self.spider))
        return parser

    def allowed(self, url: str | bytes, user_agent: str | bytes) -> bool:
        return bool(self.rp.is_allowed(_text(user_agent), _text(url)))

    def crawl_delay(self, user_agent: str | bytes) -> float | None:
        delay = self.rp.get_crawl_delay(_text(user_agent))
        return None if delay is None else float(delay)


_LINE_END = re.compile(r"\r\n|\r|\n")
# Python's splitlines, which Protego uses, also ends lines here; RFC 9309 does not.
_OTHER_LINE_END = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# The product token, without its version. "Mozilla" names no crawler, as every browser starts with it: lists of bad bots
# that hold whole browser names are to hit that version only.
_USER_AGENT_LINE = re.compile(r"[ \t]*user[- ]?agent[ \t]*:[ \t]*(?P<token>mozilla/[^\s#]+|[^\s/#]+)", re.IGNORECASE)
_ALLOW_LINE = re.compile(r"(?P<name>[ \t]*allow[ \t]*:[ \t]*)(?P<path>[^#]*%[^#]*)", re.IGNORECASE)
# Escapes of characters that need none (RFC 3986, 2.3): letters, digits and "-._~".
_NEEDLESS_ESCAPE = re.compile(r"%(?=(?:3[0-9]|[46][1-9a-f]|[57][0-9a]|2d|2e|5f|7e))", re.IGNORECASE)


def _percent_encoded(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8"))


class ProtegoRobotParser(_BuiltParser):
    """RFC 9309: the longest rule that matches decides, Allow before Disallow; ``*`` and ``$`` in paths; any order."""

    def _parse(self, robotstxt_body: bytes) -> Protego:
        self._escaped_allows: list[str] = []
        lines = _LINE_END.split(decode_robotstxt(robotstxt_body, self.spider))
        return Protego.parse("\n".join(map(self._normalized, lines)))

    def _normalized(self, line: str) -> str:
        """``line`` as Protego has to see it to act by the RFC."""
        line = _OTHER_LINE_END.sub(_percent_encoded, line)
        if match := _USER_AGENT_LINE.match(line):
            return f"User-agent: {match['token']}"
        if (match := _ALLOW_LINE.match(line)) and _NEEDLESS_ESCAPE.search(match["path"]):
            # Protego would decode the escapes; escaping "%" itself leaves the rule as literal as it is written.
            self._escaped_allows.append(re.split(r"[*$]", match["path"].strip())[0])
            return match["name"] + _NEEDLESS_ESCAPE.sub("%25", match["path"])
        return line

    def allowed(self, url: str | bytes, user_agent: str | bytes) -> bool:
        url, user_agent = _text(url), _text(user_agent)
        if self.rp.can_fetch(url, user_agent):
            return True
        if not self._escaped_allows or not urlsplit(url).path.startswith(tuple(self._escaped_allows)):
            return False
        return bool(self.rp.can_fetch(_NEEDLESS_ESCAPE.sub("%25", url), user_agent))

    def crawl_delay(self, user_agent: str | bytes) -> float | None:
        delay = self.rp.crawl_delay(_text(user_agent))
        return None if delay is None else float(delay)


__all__ = [
    "ProtegoRobotParser",
    "PythonRobotParser",
    "RerpRobotParser",
    "RobotParser",
    "decode_robotstxt",
]
