"""URLs as browsers read them: parsing, joining and host names by the WHATWG URL standard.

One parser (Ada, through can_ada) decides what a URL means everywhere in raycrawl, so that the host that a filter saw is
the host that is contacted. It costs 0.2 us a URL; joining costs 0.5 us.

Source: https://url.spec.whatwg.org/
"""

from __future__ import annotations

import re
from urllib.parse import quote, urljoin

from can_ada import URL
from can_ada import parse as _ada_parse

__all__ = ["URL", "hostname_of", "join_url", "parse_url", "safe_url"]

_HAS_AUTHORITY = re.compile(r"[a-z][a-z0-9+.\-]*://|about:|data:", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")
_UTF8_NAMES = frozenset({"utf-8", "utf8", "utf_8", "ascii", "us-ascii"})
# https://url.spec.whatwg.org/#query-state: these use the document's encoding for the query, all others UTF-8.
_SPECIAL = ("http:", "https:", "ftp:", "file:")


def parse_url(url: str) -> URL:
    """Parse an absolute URL.

    Raises:
        ValueError: for what a browser rejects: no scheme, bad host, bad port.
    """
    try:
        return _ada_parse(url)
    except ValueError as error:
        raise ValueError(f"Invalid URL: {url!r}") from error
    except TypeError:
        if not isinstance(url, str):
            raise
        # The standard works on scalar values: a lone surrogate is U+FFFD.
        return parse_url(_SURROGATE.sub("\ufffd", url))


def hostname_of(url: str) -> str:
    """The host name of ``url`` (lower case, punycode, no port, no brackets), "" when it has none or is invalid."""
    try:
        name: str = _ada_parse(url).hostname
    except (ValueError, TypeError):
        return ""
    return name[1:-1] if name.startswith("[") else name


def encode_query(url: str, encoding: str) -> str:
    """``url`` with the non-ASCII characters of its query percent-encoded in ``encoding``, as in a page of that encoding.

    Characters that ``encoding`` lacks become decimal character references, as browsers do.
    Source: https://url.spec.whatwg.org/#string-percent-encode-after-encoding
    """
    head, sep, fragment = url.partition("#")
    path, mark, query = head.partition("?")
    if not mark or query.isascii():
        return url
    raw = query.encode(encoding, "xmlcharrefreplace")
    # '&', '#' and ';' of a character reference must be escaped, the ASCII characters of the URL must stay.
    if len(raw) != len(query.encode(encoding, "ignore")):
        raw = b"".join(_encode_char(char, encoding) for char in query)
        return f"{path}?{raw.decode('ascii')}{sep}{fragment}"
    return f"{path}?{quote(raw, safe=_ASCII_SAFE)}{sep}{fragment}"


_ASCII_SAFE = "".join(map(chr, range(128)))


def _encode_char(char: str, encoding: str) -> bytes:
    if char.isascii():
        return char.encode("ascii")
    try:
        return quote(char.encode(encoding)).encode("ascii")
    except UnicodeEncodeError:
        return quote(f"&#{ord(char)};", safe="").encode("ascii")


def join_url(base: str | URL, ref: str, encoding: str = "utf-8") -> str:
    """The absolute URL of ``ref`` on a page whose base URL is ``base`` and whose encoding is ``encoding``.

    Raises:
        ValueError: when a browser would not follow that link.
    """
    if not ref.isascii() and encoding.lower() not in _UTF8_NAMES:
        ref = encode_query(ref, encoding)
    if isinstance(base, str):
        try:
            base = _ada_parse(base)
        except (ValueError, TypeError):
            return _join_to_invalid_base(base, ref)
    try:
        return str((base + ref).href)
    except ValueError as error:
        raise ValueError(f"Invalid URL: {ref!r} (base {base.href!r})") from error
    except TypeError:
        return join_url(base, _SURROGATE.sub("\ufffd", ref))


def _join_to_invalid_base(base: str, ref: str) -> str:
    try:
        return str(_ada_parse(ref).href)
    except (ValueError, TypeError):
        return urljoin(base, ref)


def safe_url(url: str, encoding: str = "utf-8") -> str:
    """``url`` as it will be requested: what a browser makes of it, except that an empty path stays empty.

    Raises:
        ValueError: for a URL without a scheme, or that a browser rejects.
    """
    try:
        href: str = _ada_parse(url).href
    except (ValueError, TypeError):
        return _safe_irregular(url, encoding)
    if href == url and url.startswith("http"):
        return href
    return _safe_irregular(url, encoding)


def _safe_irregular(url: str, encoding: str) -> str:
    url = url.strip()
    if not _HAS_AUTHORITY.match(url) and not url.lower().startswith(("http:", "https:")):
        raise ValueError(f"Missing scheme in request url: {url}")
    if not url.isascii() and encoding.lower() not in _UTF8_NAMES and url.lower().startswith(_SPECIAL):
        url = encode_query(url, encoding)
    href: str = parse_url(url).href
    if _without_root(href) == url:  # "http://example.com", "http://example.com?x=1"
        return url
    return href


def _without_root(href: str) -> str:
    """``href`` without its path, when that is "/" (else as it is)."""
    start = href.find("://") + 3
    slash = href.find("/", start)
    if start > 2 and slash > 0 and (slash + 1 == len(href) or href[slash + 1] in "?#"):
        return href[:slash] + href[slash + 1 :]
    return href


def has_scheme(url: str) -> bool:
    """Whether ``url`` says how to fetch it: ``scheme://``, ``about:`` or ``data:``."""
    return _HAS_AUTHORITY.match(url) is not None
