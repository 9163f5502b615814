"""The bytes of a request. Anything that could end a line early is refused, never escaped or cut.

Source: RFC 9112 section 3 (request line), RFC 9110 section 5 (fields).
"""

from __future__ import annotations

import re
from functools import lru_cache

from raycrawl.exceptions import DownloadCancelledError
from raycrawl.http import Headers, Request
from raycrawl.transport.origin import Origin

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+$")
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
# These belong to the connection; raycrawl sets them itself.
_OWN = frozenset({b"Host", b"Content-Length", b"Transfer-Encoding", b"Proxy-Authorization"})


@lru_cache(maxsize=1024)
def _is_token(name: bytes) -> bool:
    return _TOKEN.match(name) is not None


def request_bytes(
    request: Request,
    origin: Origin,
    target: bytes,
    authorization: bytes | None = None,
    *,
    is_proxied: bool = False,
    proxy_authorization: bytes | None = None,
) -> bytes:
    """The request as it goes over the wire.

    Args:
        authorization: from the URL's credentials; a header that the request has outranks it.
        is_proxied: the request goes to a proxy that forwards it: absolute form and ``Proxy-Authorization``.

    Raises:
        DownloadCancelledError: a method or header that would forge a request; names it and quotes no value.
    """
    method = request.method.encode("latin-1", "replace")
    if not _is_token(method):
        raise DownloadCancelledError(f"{request.method!r} is no HTTP method")
    headers: Headers = request.headers
    if is_proxied:
        target = b"http://" + origin.host_header + target
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: " + (headers.get(b"Host") or origin.host_header)]
    for name, values in headers.items():
        if name in _OWN:
            continue
        if not _is_token(name):
            raise DownloadCancelledError(f"{name!r} is no header name")
        for value in values:
            lines.append(name + b": " + value)
    if authorization is not None and b"Authorization" not in headers:
        lines.append(b"Authorization: " + authorization)
    if is_proxied and proxy_authorization:
        lines.append(b"Proxy-Authorization: " + proxy_authorization)
    body = request.body
    if body or request.method in _METHODS_WITH_BODY:
        lines.append(b"Content-Length: %d" % len(body))
    blob = b"\r\n".join(lines)
    count = len(lines) - 1
    if blob.count(b"\n") != count or blob.count(b"\r") != count or b"\0" in blob:
        raise DownloadCancelledError(f"the header {_culprit(lines)!r} contains a line end or NUL")
    return blob + b"\r\n\r\n" + body


def _culprit(lines: list[bytes]) -> str:
    for line in lines:
        if b"\r" in line or b"\n" in line or b"\0" in line:
            return line.partition(b":")[0].decode("latin-1")
    return ""
