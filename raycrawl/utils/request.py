"""Requests as fingerprints, dicts, cURL commands and bytes."""

from __future__ import annotations

import logging
import shlex
from typing import TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import urlsplit

from raycrawl.fingerprints import fingerprint
from raycrawl.http.request import Request

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.spiders import Spider


logger = logging.getLogger(__name__)


class RequestFingerprinterProtocol(Protocol):
    """What ``REQUEST_FINGERPRINTER_CLASS`` must be."""

    def fingerprint(self, request: Request) -> bytes:
        """The bytes that requests for the same thing share."""


class RequestFingerprinter:
    """The default fingerprinter: canonical URL, method and body."""

    def __init__(self, crawler: Crawler | None = None) -> None:
        self._fingerprint = fingerprint

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build it for a crawler."""
        return cls(crawler)

    def fingerprint(self, request: Request) -> bytes:
        """The fingerprint of ``request``."""
        return self._fingerprint(request)


def request_from_dict(d: dict[str, Any], *, spider: Spider | None = None) -> Request:
    """The request that ``Request.to_dict`` gave ``d`` for; callbacks are looked up by name on ``spider``.

    Raises:
        ValueError: when the spider has no such method, or ``_class`` is not a request class.
    """
    cls: type[Request] = Request
    if "_class" in d:
        from raycrawl.utils.misc import load_object

        cls = load_object(d["_class"])
        if not (isinstance(cls, type) and issubclass(cls, Request)):
            raise ValueError(f"{d['_class']} is not a Request class")
    kwargs = {name: value for name, value in d.items() if name in cls.attributes}
    if spider is not None:
        for name in ("callback", "errback"):
            if d.get(name) and not callable(d[name]):
                kwargs[name] = _get_method(spider, d[name])
    return cls(**kwargs)


def _get_method(obj: Any, name: str) -> Any:
    try:
        return getattr(obj, str(name))
    except AttributeError:
        raise ValueError(f"Method {name!r} not found in: {obj!r}") from None


def referer_str(request: Request) -> str | None:
    """The Referer header as str for logs; None without one."""
    referer = request.headers.get("Referer")
    return None if referer is None else referer.decode("utf-8", "replace")


def request_httprepr(request: Request) -> bytes:
    """The request as HTTP/1.1 bytes, for people to read: what is really sent may differ in headers."""
    parts = urlsplit(request.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = f"{request.method} {path} HTTP/1.1\r\nHost: {parts.hostname or ''}\r\n".encode()
    headers = request.headers.to_string()
    return head + (headers + b"\r\n" if headers else b"") + b"\r\n" + request.body


def request_to_curl(request: Request) -> str:
    """A cURL command that makes ``request``, quoted for a POSIX shell."""
    parts = ["curl", "-X", request.method, shlex.quote(request.url)]
    if request.body:
        parts += ["--data-raw", _quote(request.body.decode("utf-8", "replace"))]
    for name, value in request.headers.to_tuple_list():
        parts += ["-H", _quote(f"{name}: {value}")]
    cookies = _cookie_pairs(request)
    if cookies:
        parts += ["--cookie", _quote("; ".join(f"{name}={value}" for name, value in cookies))]
    return " ".join(parts)


def _quote(value: str) -> str:
    return "'" + value.replace("'", "'\"'\"'") + "'"


def _cookie_pairs(request: Request) -> list[tuple[str, str]]:
    cookies = request.cookies
    if isinstance(cookies, dict):
        return [(_text(name), _text(value)) for name, value in cookies.items()]
    pairs = []
    for cookie in cookies:
        missing = [key for key in ("name", "value") if cookie.get(key) is None]
        if missing:
            logger.warning("Invalid cookie found in request %s: %s (%r is missing)", request, cookie, missing[0])
            continue
        pairs.append((_text(cookie["name"]), _text(cookie["value"])))
    return pairs


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
