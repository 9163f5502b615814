"""URLs and proxies as the HTTP client needs them: an origin to connect to and the bytes of the request target."""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from raycrawl.urls import parse_url
from raycrawl.urls import without_credentials as without_credentials

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?#\\]*)([^#]*)")
# Whatever could end the request line or a header: controls, blanks and everything that is not ASCII.
_UNSAFE = re.compile(r"[^\x21-\x7e]")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PROXY_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080, "socks": 1080}


class Origin(NamedTuple):
    """Scheme, host and port of a URL. ``host`` has no brackets; ``host_header`` is the ``Host`` header's value."""

    scheme: str
    host: str
    port: int
    host_header: bytes

    @property
    def is_tls(self) -> bool:
        return self.scheme == "https"


class Proxy(NamedTuple):
    """A proxy without its credentials, which travel in ``authorization`` (``b"Basic ..."``) or, for SOCKS, as given."""

    scheme: str
    host: str
    port: int
    authorization: bytes | None = None
    user: str = ""
    password: str = ""

    @property
    def is_socks(self) -> bool:
        return self.scheme.startswith("socks")


@lru_cache(maxsize=4096)
def _origin(scheme: str, authority: str) -> Origin:
    scheme = scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        raise ValueError(f"the scheme {scheme!r} is not http or https")
    try:
        parsed = parse_url(f"{scheme}://{authority}/")
    except ValueError:
        raise ValueError(f"{authority!r} is no valid host") from None
    host = str(parsed.hostname)
    default = _DEFAULT_PORTS[scheme]
    port = int(parsed.port) if parsed.port else default
    header = host if port == default else f"{host}:{port}"
    return Origin(scheme, host.strip("[]"), port, header.encode("ascii"))


def split_url(url: str) -> tuple[Origin, bytes, bytes | None]:
    """``(origin, request target, authorization)`` of an absolute http(s) URL.

    The fragment is left out; credentials in the URL become the value of an ``Authorization`` header.

    Raises:
        ValueError: no http(s) URL, no valid host, or characters that could forge a request. Quotes no credentials.
    """
    match = _URL.match(url)
    if match is None:
        raise ValueError("not an absolute http(s) URL")
    scheme, authority, target = match.groups()
    if _UNSAFE.search(target):
        raise ValueError("the URL contains blanks, control or non-ASCII characters")
    authorization = None
    if "@" in authority:
        userinfo, _, authority = authority.rpartition("@")
        authorization = basic_auth(*map(unquote, userinfo.partition(":")[::2])) if userinfo.strip(":") else None
    origin = _origin(scheme, authority)
    if target[:1] != "/":
        target = "/" + target.removeprefix("\\")
    return origin, target.encode("ascii"), authorization


def basic_auth(user: str, password: str, encoding: str = "utf-8") -> bytes:
    """The value of an ``Authorization`` header (RFC 7617)."""
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode(encoding))


@lru_cache(maxsize=1024)
def parse_proxy(url: str) -> Proxy:
    """A proxy from its URL: ``http://user:password@host:port``, also https, socks5 and socks5h.

    Raises:
        ValueError: the scheme or host is wrong. Quotes no credentials.
    """
    parts = urlsplit(url if "://" in url else "http://" + url.removeprefix("//"))
    scheme = parts.scheme.lower()
    if scheme not in _PROXY_PORTS:
        raise ValueError(f"proxy: unknown scheme {scheme!r}, use http, https, socks5 or socks5h")
    if not parts.hostname:
        raise ValueError("proxy: the URL has no host")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    authorization = None
    if user or password:
        authorization = basic_auth(user, password)
    return Proxy(scheme, parts.hostname, parts.port or _PROXY_PORTS[scheme], authorization, user, password)
