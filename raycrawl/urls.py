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

__all__ = ["URL", "has_scheme", "hostname_of", "join_url", "link_url", "parse_url", "safe_url", "without_credentials"]

_HAS_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*://|about:|data:", re.IGNORECASE)
_AUTHORITY_END = re.compile(r"[/?#\\]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_UTF8_NAMES = frozenset({"utf-8", "utf8", "utf_8", "ascii", "us-ascii"})
# Of these a browser encodes the query in the document's encoding; of all others in UTF-8 (query state of the standard).
_SPECIAL = ("http:", "https:", "ftp:", "file:")
_STRIPPED = "".join(map(chr, range(33)))  # C0 controls and space
_ASCII = "".join(map(chr, range(128)))


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


def has_scheme(url: str) -> bool:
    """Whether ``url`` says how to fetch it: ``scheme://``, ``about:`` or ``data:``."""
    return _HAS_SCHEME.match(url) is not None


def hostname_of(url: str) -> str:
    """The host name of ``url`` (lower case, punycode, no port, no brackets), "" when it has none or is invalid."""
    try:
        name: str = _ada_parse(url).hostname
    except (ValueError, TypeError):
        masked, token = _mask_punycode(url)
        try:
            name = parse_url(masked).hostname.replace(token, "xn--") if token else ""
        except ValueError:
            return ""
    return name[1:-1] if name.startswith("[") else name


def join_url(base: str | URL, ref: str, encoding: str = "utf-8") -> str:
    """The absolute URL of ``ref`` on a page whose base URL is ``base`` and whose encoding is ``encoding``.

    Raises:
        ValueError: when a browser would not follow that link.
    """
    if not ref.isascii() and encoding.lower() not in _UTF8_NAMES:
        ref = encode_query(ref, encoding)
    if isinstance(base, str):
        try:
            parsed = _ada_parse(base)
        except (ValueError, TypeError):
            return _join_to_odd_base(base, ref)
    else:
        parsed = base
    try:
        return str((parsed + ref).href)
    except (ValueError, TypeError):
        return _join_odd_ref(parsed, ref)


def link_url(base: str | URL, ref: str, encoding: str = "utf-8") -> str:
    """`join_url` for a link that will be requested: "http://example.com" stays without its slash, as in `safe_url`.

    Raises:
        ValueError: when a browser would not follow that link.
    """
    href = join_url(base, ref, encoding)
    return ref if len(href) == len(ref) + 1 and href.startswith(ref) and _BARE_HOST(ref) else href


def safe_url(url: str, encoding: str = "utf-8") -> str:
    """``url`` as it will be requested: what a browser makes of it, except that an empty path stays empty.

    Args:
        encoding: of the query, as a page of that encoding would have it.

    Raises:
        ValueError: for a URL without a scheme, or that a browser rejects.
    """
    return safe_url_and_host(url, encoding)[0]


def safe_url_and_host(url: str, encoding: str) -> tuple[str, str | None]:
    """`safe_url`, and the host name when it cost nothing to know it (else None)."""
    try:
        parsed = _ada_parse(url)
    except (ValueError, TypeError):
        return _safe_irregular(url, encoding), None
    if parsed.href == url and url.startswith("http"):
        host: str = parsed.hostname
        return url, None if host.startswith("[") else host
    return _safe_irregular(url, encoding), None


def _safe_irregular(url: str, encoding: str) -> str:
    url = url.strip(_STRIPPED)
    if not has_scheme(url) and not url.lower().startswith(("http:", "https:")):
        raise ValueError(f"Missing scheme in request url: {url}")
    if not url.isascii() and encoding.lower() not in _UTF8_NAMES and url.lower().startswith(_SPECIAL):
        url = encode_query(url, encoding)
    href = _href(url)
    return url if _BARE_HOST(url) and _without_root(href) == url else href


# "http://example.com", "http://example.com?x=1": a request for the root, which everybody writes without its slash.
_BARE_HOST = re.compile(r"https?://[a-z0-9.\-]+(?::[0-9]+)?(?:[?#].*)?", re.DOTALL).fullmatch


def _href(url: str) -> str:
    """The URL in normal form.

    Raises:
        ValueError: for what a browser rejects.
    """
    try:
        return str(parse_url(url).href)
    except ValueError:
        masked, token = _mask_punycode(url)
        if not token:
            raise
        return _unmask(str(parse_url(masked).href), token)


def _without_root(href: str) -> str:
    """``href`` without its path, when that is "/" (else as it is)."""
    start = href.find("://") + 3
    slash = href.find("/", start)
    if start > 2 and slash > 0 and (slash + 1 == len(href) or href[slash + 1] in "?#"):
        return href[:slash] + href[slash + 1 :]
    return href


def _join_to_odd_base(base: str, ref: str) -> str:
    """Join to a base that is no absolute URL, or whose host Ada does not know as one."""
    masked, token = _mask_punycode(base)
    if token:
        try:
            return _unmask(str((parse_url(masked) + ref).href), token)
        except (ValueError, TypeError):
            return _href(ref)
    return _href(ref) if has_scheme(ref) else urljoin(base, ref)


def _join_odd_ref(base: URL, ref: str) -> str:
    ref = _SURROGATE.sub("\ufffd", ref)
    masked, token = _mask_punycode(ref)
    try:
        href = str((base + masked).href)
    except ValueError as error:
        raise ValueError(f"Invalid URL: {ref!r} (base {base.href!r})") from error
    return _unmask(href, token) if token else href


# An authority: of an absolute URL, or of one that starts with two slashes.
_AUTHORITY = re.compile(r"(\s*(?:[a-z][a-z0-9+.\-]*:)?[/\\]{2,})([^/\\?#]*)", re.IGNORECASE)
_PUNYCODE = re.compile("xn--", re.IGNORECASE)


def _mask_punycode(url: str) -> tuple[str, str]:
    """``url`` with another word for "xn--" in its ASCII host, and that word ("" when there is nothing to mask).

    The standard lets a host of ASCII through as it is, whatever its "xn--" labels hold (domain to ASCII, step 3); Ada,
    as can_ada has it, rejects those that are not punycode.
    """
    match = _AUTHORITY.match(url)
    if match is None or not match[2].isascii() or not _PUNYCODE.search(match[2]):
        return url, ""
    token = "qz7x"
    while token in url.lower():
        token += "q"
    return f"{match[1]}{_PUNYCODE.sub(token, match[2])}{url[match.end() :]}", token


def _unmask(href: str, token: str) -> str:
    return href.replace(token, "xn--")


def encode_query(url: str, encoding: str) -> str:
    """``url`` with the non-ASCII characters of its query percent-encoded as in a page of that ``encoding``.

    Characters that ``encoding`` lacks become decimal character references, as browsers do.
    Source: https://url.spec.whatwg.org/#string-percent-encode-after-encoding
    """
    head, sep, fragment = url.partition("#")
    path, mark, query = head.partition("?")
    if not mark or query.isascii():
        return url
    try:
        encoded = quote(query.encode(encoding), safe=_ASCII)
    except UnicodeEncodeError:
        encoded = "".join(_encode_char(char, encoding) for char in query)
    return f"{path}?{encoded}{sep}{fragment}"


def _encode_char(char: str, encoding: str) -> str:
    if char.isascii():
        return char
    try:
        return quote(char.encode(encoding), safe="")
    except UnicodeEncodeError:
        return quote(f"&#{ord(char)};", safe="")


def without_credentials(url: str) -> str:
    """``url`` as it may be shown in a log or an error: without the user and password before the host."""
    scheme, separator, rest = url.partition("://")
    if "@" not in rest:
        return url
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    if not separator or "@" not in authority:
        return url
    return f"{scheme}://{rest[authority.rindex('@') + 1 :]}"
