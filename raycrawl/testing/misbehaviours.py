"""A site whose pages misbehave by name: what the web does to crawlers, one path each.

``/`` lists them. Sizes are bytes, times are seconds; every parameter has a default, e.g. ``/status?n=503``,
``/delay?s=2``.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import Counter
from typing import TYPE_CHECKING

from raycrawl.testing.server import Ending, SiteRequest, SiteResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from raycrawl.testing.server import Site

    Page = Callable[[SiteRequest], SiteResponse | Awaitable[SiteResponse]]


def misbehaving_site(extra: dict[str, Page] | None = None) -> Site:
    """A site with all misbehaviours, and the ``extra`` pages by path. Counters (``/flaky``) belong to this one site."""
    pages: dict[str, Page] = {**_PAGES, "/flaky": _Flaky(), **(extra or {})}

    def site(request: SiteRequest) -> SiteResponse | Awaitable[SiteResponse]:
        page = pages.get(request.path)
        if page is None:
            return SiteResponse(body=b"no such page", status=404)
        return page(request)

    links = "".join(f'<li><a href="{path}">{path}</a></li>' for path in pages)
    pages.setdefault("/", lambda request: SiteResponse(body=f"<ul>{links}</ul>".encode()))
    return site


def _number(request: SiteRequest, name: str, default: float) -> float:
    return float(request.query.get(name, default))


def _ok(request: SiteRequest) -> SiteResponse:
    return SiteResponse(body=b"<html><title>ok</title><body>Works</body></html>")


def _status(request: SiteRequest) -> SiteResponse:
    """``?n=503``: that status, with a Retry-After of ``?retry_after=`` seconds when given."""
    retry_after = request.query.get("retry_after")
    headers = [("retry-after", retry_after)] if retry_after else []
    status = int(_number(request, "n", 503))
    return SiteResponse(body=f"status {status}".encode(), status=status, headers=headers)


async def _delay(request: SiteRequest) -> SiteResponse:
    """``?s=1``: answers after that time."""
    await asyncio.sleep(_number(request, "s", 1.0))
    return _ok(request)


def _echo(request: SiteRequest) -> SiteResponse:
    """The request as JSON."""
    seen = {
        "method": request.method, "target": request.target, "headers": request.headers,
        "body": request.body.decode("latin-1"), "peer": request.peer,
    }  # fmt: skip
    return SiteResponse(body=json.dumps(seen).encode(), content_type="application/json")


def _redirect(request: SiteRequest) -> SiteResponse:
    """``?to=/ok&n=302``."""
    target = request.query.get("to", "/ok")
    return SiteResponse(status=int(_number(request, "n", 302)), headers=[("location", target)])


def _redirect_loop(request: SiteRequest) -> SiteResponse:
    """Every answer redirects to a new URL of the same page."""
    step = int(_number(request, "n", 0)) + 1
    return SiteResponse(status=302, headers=[("location", f"/redirect-loop?n={step}")])


def _huge(request: SiteRequest) -> SiteResponse:
    """``?n=200000000``: that many bytes, with an honest content-length."""
    total = int(_number(request, "n", 200_000_000))
    return SiteResponse(chunks=_zeros(total), promised_nbytes=total)


def _endless(request: SiteRequest) -> SiteResponse:
    """A chunked body without an end."""
    return SiteResponse(chunks=_zeros(None))


async def _zeros(total: int | None) -> AsyncIterator[bytes]:
    piece = b"0" * 65536
    sent = 0
    while total is None or sent < total:
        size = len(piece) if total is None else min(len(piece), total - sent)
        sent += size
        yield piece[:size]


def _gzip_bomb(request: SiteRequest) -> SiteResponse:
    """``?n=100000000``: that many bytes after decompression, a thousandth of it on the wire."""
    body = gzip.compress(b"0" * int(_number(request, "n", 100_000_000)), compresslevel=1)
    return SiteResponse(body=body, headers=[("content-encoding", "gzip")])


def _drip(request: SiteRequest) -> SiteResponse:
    """``?n=100&s=0.1``: n bytes, one every s seconds."""
    total, pause_s = int(_number(request, "n", 100)), _number(request, "s", 0.1)

    async def bytes_one_by_one() -> AsyncIterator[bytes]:
        for _ in range(total):
            await asyncio.sleep(pause_s)
            yield b"."

    return SiteResponse(chunks=bytes_one_by_one(), promised_nbytes=total)


def _cookie(request: SiteRequest) -> SiteResponse:
    """Sets the cookie ``?name=a&value=b`` and shows what it was sent."""
    name, value = request.query.get("name", "session"), request.query.get("value", "1")
    return SiteResponse(
        body=request.headers.get("cookie", "").encode("latin-1"), headers=[("set-cookie", f"{name}={value}; Path=/")]
    )


class _Flaky:
    """``?key=x&fail=2``: the first two requests for that key get 503, then it works."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def __call__(self, request: SiteRequest) -> SiteResponse:
        key = request.query.get("key", "")
        self._seen[key] += 1
        if self._seen[key] <= int(_number(request, "fail", 2)):
            return SiteResponse(body=b"not yet", status=503)
        return _ok(request)


_SHORT = b"<html><body>the rest is mis"

_PAGES: dict[str, Page] = {
    "/ok": _ok,
    "/status": _status,
    "/delay": _delay,
    "/echo": _echo,
    "/redirect": _redirect,
    "/redirect-loop": _redirect_loop,
    "/huge": _huge,
    "/endless": _endless,
    "/gzip-bomb": _gzip_bomb,
    "/drip": _drip,
    "/cookie": _cookie,
    # what the wire does
    "/close": lambda request: SiteResponse(raw_head=b"", ending=Ending.CLOSE),
    "/reset": lambda request: SiteResponse(raw_head=b"", ending=Ending.RESET),
    "/hang": lambda request: SiteResponse(raw_head=b"", ending=Ending.HANG),
    "/truncated": lambda request: SiteResponse(body=_SHORT, promised_nbytes=1000, ending=Ending.CLOSE),
    "/stalled": lambda request: SiteResponse(body=_SHORT, promised_nbytes=1000, ending=Ending.HANG),
    "/no-length": lambda request: SiteResponse(
        raw_head=b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n", body=b"<p>until close</p>", ending=Ending.CLOSE
    ),
    "/not-http": lambda request: SiteResponse(raw_head=b"SSH-2.0-OpenSSH_9.2\r\n", ending=Ending.CLOSE),
    "/bad-gzip": lambda request: SiteResponse(body=b"not gzip", headers=[("content-encoding", "gzip")]),
    "/bad-charset": lambda request: SiteResponse(body=b"caf\xe9", content_type="text/html; charset=utf-8"),
    "/bad-location": lambda request: SiteResponse(status=302, headers=[("location", "http://[::1/")]),
}
