"""When two requests ask for the same thing: canonical URLs and fingerprints.

The canonical form is that of ``w3lib.url.canonicalize_url`` (query sorted, fragment dropped, percent-encoding made
uniform), and the fingerprint is the SHA-1 of the JSON of method, canonical URL, body and chosen headers: what Scrapy's
documentation describes, so that a ``requests.seen`` file or an HTTP cache stays valid. A URL is fingerprinted for each
link of a page, so the URLs that most sites have (plain ASCII, nothing to re-encode) take a path that costs 1 us.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha1
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, unquote_to_bytes

from w3lib.url import canonicalize_url as _reference

if TYPE_CHECKING:
    from raycrawl.http.request import Request

# What canonicalisation leaves as it is in a path. Escapes: the upper-case ones whose character has to stay escaped.
# Possessive quantifiers throughout: each part ends where a character comes that it cannot have, so there is nothing to
# try twice, and no URL can make the search slow.
_PATH = r"/(?:[A-Za-z0-9_\-./~!$&'()*+,:=@]++|%(?:[89A-F][0-9A-F]|2[0235F]))*+"
_WITH_QUERY = re.compile(
    rf"(https?://[a-z0-9_\-.]++(?::[0-9]++)?+)({_PATH})?+(?:\?([!-\"$-~]*+))?+(?:#.*)?", re.DOTALL
).fullmatch
_WORD = r"[A-Za-z0-9_\-.~+]"
_PLAIN_QUERY = re.compile(f"{_WORD}++={_WORD}*+(?:&{_WORD}++={_WORD}*+)*+").fullmatch


def canonical_url(url: str, *, keep_fragments: bool = False) -> str:
    """The form that URLs of the same thing share.

    Args:
        keep_fragments: whether the part after ``#`` tells URLs apart.
    """
    match = _WITH_QUERY(url)
    if match is None or "/." in url or (keep_fragments and "#" in url):
        return canonical_reference(url, keep_fragments=keep_fragments)
    origin, path, query = match.groups()
    if not query:
        return f"{origin}{path or '/'}"
    if not _PLAIN_QUERY(query):
        query = _encoded_query(query)
        return f"{origin}{path or '/'}?{query}" if query else f"{origin}{path or '/'}"
    if "&" in query:
        # By name, then value: what separates them must be less than any character of a name.
        query = "&".join(sorted(query.replace("=", "\0").split("&"))).replace("\0", "=")
    return f"{origin}{path or '/'}?{query}"


def _encoded_query(query: str) -> str:
    """The query with its fields sorted and encoded anew."""
    fields = []
    for pair in query.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            fields.append((unquote_to_bytes(name.replace("+", " ")), unquote_to_bytes(value.replace("+", " "))))
    fields.sort()
    return "&".join([f"{quote_plus(name)}={quote_plus(value)}" for name, value in fields])


def canonical_reference(url: str, *, keep_fragments: bool = False) -> str:
    """`canonical_url` by w3lib; a URL that it cannot take apart is its own canonical form."""
    try:
        return str(_reference(url, keep_fragments=keep_fragments))
    except ValueError:
        return url


def fingerprint(
    request: Request, *, include_headers: Iterable[bytes | str] | None = None, keep_fragments: bool = False
) -> bytes:
    """The 20 bytes that two requests share when they ask for the same thing.

    Args:
        request: its method, canonical URL and body count; the result is kept on it.
        include_headers: names of headers that count too (none by default).
        keep_fragments: whether the part of the URL after ``#`` counts.
    """
    if include_headers or keep_fragments:
        return _digest(request, _header_values(request, include_headers or ()), keep_fragments)
    kept = request._fingerprint
    if kept is not None and kept[0] == request.method:
        return kept[1]
    if request.method == "GET" and not request.body:
        digest = _digest_of_get(request.url)
    else:
        digest = _digest(request, {}, False)
    request._fingerprint = (request.method, digest)
    return digest


@lru_cache(maxsize=16_384)  # a site's pages link to each other: most links have been seen lately
def _digest_of_get(url: str) -> bytes:
    return _digest_of("GET", canonical_url(url), "", {})


def _digest(request: Request, headers: dict[str, list[str]], keep_fragments: bool) -> bytes:
    url = canonical_url(request.url, keep_fragments=keep_fragments)
    return _digest_of(request.method, url, request.body.hex(), headers)


def _digest_of(method: str, url: str, body: str, headers: dict[str, list[str]]) -> bytes:
    if not headers and method.isalpha() and method.isascii() and url.isascii() and '"' not in url and "\\" not in url:
        # The JSON of below for values that need no escaping.
        data = f'{{"body": "{body}", "headers": {{}}, "method": "{method}", "url": "{url}"}}'
    else:
        data = json.dumps({"body": body, "headers": headers, "method": method, "url": url}, sort_keys=True)
    return sha1(data.encode(), usedforsecurity=False).digest()


def _header_values(request: Request, include_headers: Iterable[bytes | str]) -> dict[str, list[str]]:
    names = {name.lower() if isinstance(name, bytes) else name.encode().lower() for name in include_headers}
    return {
        name.hex(): [value.hex() for value in request.headers.getlist(name)]
        for name in sorted(names)
        if name in request.headers
    }
