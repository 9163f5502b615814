"""Questions about URLs that spiders and link extractors ask."""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import ParseResult, urlparse, urlunparse

from raycrawl.urls import parse_url

if TYPE_CHECKING:
    from raycrawl.spiders import Spider

UrlT: TypeAlias = str | bytes | ParseResult

_DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21}
_SCHEME = re.compile(r"^\w+://")


def _text(url: UrlT) -> str:
    if isinstance(url, ParseResult):
        return url.geturl()
    return url.decode("utf-8", "replace") if isinstance(url, bytes) else url


def url_is_from_any_domain(url: UrlT, domains: Iterable[str]) -> bool:
    """Whether the host (with its port, unless it is the scheme's own) is one of ``domains`` or below one of them."""
    try:
        host = parse_url(_text(url)).host.lower()
    except ValueError:
        return False
    if not host:
        return False
    return any(host == domain or host.endswith("." + domain) for domain in map(str.lower, domains))


def url_is_from_spider(url: UrlT, spider: type[Spider]) -> bool:
    """Whether ``url`` is of the spider's ``allowed_domains``, or of the domain that its name is."""
    return url_is_from_any_domain(url, [spider.name, *(getattr(spider, "allowed_domains", None) or [])])


def url_has_any_extension(url: UrlT, extensions: Iterable[str]) -> bool:
    """Whether the URL's path ends with one of ``extensions`` (lower case, with their dot: ".tar.gz")."""
    path = url.path if isinstance(url, ParseResult) else urlparse(_text(url)).path
    lowered = path.lower()
    return any(lowered.endswith(extension) for extension in extensions)


def add_http_if_no_scheme(url: str) -> str:
    """``url`` with ``http://`` in front when it has no scheme."""
    if _SCHEME.match(url):
        return url
    return "http:" + url if url.startswith("//") else "http://" + url


_POSIX_PATH = re.compile(r"^(\.|\.\.|/|~)?/|^\.{1,2}$|^/|^~/")
_WINDOWS_PATH = re.compile(r"^([a-z]:\\|\\\\)", re.IGNORECASE)


def guess_scheme(url: str) -> str:
    """``url`` with ``file://`` in front when it looks like a path, with ``http://`` when it has no scheme."""
    if _SCHEME.match(url):
        return url
    if _WINDOWS_PATH.match(url):
        return url
    if url.startswith(("/", "./", "../", "~/")):
        return "file://" + os.path.abspath(os.path.expanduser(url))
    return add_http_if_no_scheme(url)


def strip_url(
    url: str,
    strip_credentials: bool = True,
    strip_default_port: bool = True,
    origin_only: bool = False,
    strip_fragment: bool = True,
) -> str:
    """``url`` without its credentials, default port and fragment, as asked for; only its origin for ``origin_only``."""
    parts = urlparse(url)
    netloc = parts.netloc
    if (strip_credentials or origin_only) and (parts.username or parts.password):
        netloc = netloc.rpartition("@")[2]
    if strip_default_port and parts.port is not None and _DEFAULT_PORTS.get(parts.scheme) == parts.port:
        netloc = netloc.removesuffix(f":{parts.port}")
    return urlunparse(
        (
            parts.scheme,
            netloc,
            "/" if origin_only else parts.path,
            "" if origin_only else parts.params,
            "" if origin_only else parts.query,
            "" if strip_fragment or origin_only else parts.fragment,
        )
    )
