"""Rendering pages in a browser: requests with ``meta["playwright"]`` (pip install raycrawl[browser]).

The system's Chromium is used (or what ``PLAYWRIGHT_LAUNCH_OPTIONS`` names), headless, one for a Downloader and a fresh
context for each request, so that pages share no cookies or storage. The response is the page's HTML after its scripts
have run. All of the browser's traffic goes through ``forwardproxy``, so a page cannot reach where its request may not.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import shutil
from typing import TYPE_CHECKING, Any, Self

from raycrawl.exceptions import (
    DownloadCancelledError,
    DownloadFailedError,
    DownloadTimeoutError,
    NotConfigured,
)
from raycrawl.http import Headers, HtmlResponse
from raycrawl.transport.addresses import PRIVATE_OK, is_private_address
from raycrawl.transport.forwardproxy import ForwardProxy
from raycrawl.transport.http11 import HTTP11DownloadHandler
from raycrawl.transport.origin import split_url, without_credentials

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# A context takes 30 to 100 MB.
_MAX_CONTEXTS = 8
# What the browser says of itself, and what belongs to the connection.
_NOT_FORWARDED = frozenset({b"User-Agent", b"Accept-Encoding", b"Host", b"Content-Length", b"Proxy-Authorization"})


class PlaywrightDownloadHandler:
    """Fetches http(s) pages with a browser. Only GET; other methods are refused."""

    lazy = True

    def __init__(self, crawler: Crawler) -> None:
        try:
            import playwright.async_api
        except ImportError:
            raise NotConfigured(
                "meta['playwright'] needs the package playwright (pip install raycrawl[browser])"
            ) from None
        settings = crawler.settings
        self._api: Any = playwright.async_api
        self._options: dict[str, Any] = dict(settings.getdict("PLAYWRIGHT_LAUNCH_OPTIONS") or {})
        self._timeout_s = settings.getfloat("DOWNLOAD_TIMEOUT")
        self._max_nbytes = settings.getint("DOWNLOAD_MAXSIZE")
        self._http = HTTP11DownloadHandler(crawler)
        self._starting: asyncio.Future[Any] | None = None
        self._playwright: Any = None
        self._browser: Any = None
        self._proxies: dict[bool, tuple[ForwardProxy, str]] = {}
        self._contexts = asyncio.Semaphore(_MAX_CONTEXTS)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    async def download_request(self, request: Request) -> Response:
        """The rendered page.

        Raises:
            DownloadCancelledError: not a GET, too large, or where it may not go; DownloadTimeoutError;
            DownloadFailedError: anything that the browser reports.
        """
        if request.method != "GET":
            raise DownloadCancelledError(f"the browser renders GET requests, not {request.method}")
        timeout_s = request.meta.get("download_timeout") or self._timeout_s
        url = without_credentials(request.url)
        try:
            async with asyncio.timeout(timeout_s), self._contexts:
                await self._open_browser()
                return await self._render(request, timeout_s)
        except (TimeoutError, self._api.TimeoutError):
            raise DownloadTimeoutError(f"rendering {url} took longer than {timeout_s:g} seconds") from None
        except self._api.Error as exc:
            raise DownloadFailedError(f"rendering {url}: {str(exc).splitlines()[0]}") from exc

    async def _open_browser(self) -> None:
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._launch())
        await asyncio.shield(self._starting)

    async def _launch(self) -> None:
        options = {"headless": True, **self._options}
        if "executable_path" not in options and "channel" not in options:
            path = next(filter(None, map(shutil.which, _BROWSERS)), None)
            if path is not None:
                options["executable_path"] = path
        for is_trusted in (True, False):
            proxy = ForwardProxy(self._http, is_trusted=is_trusted)
            self._proxies[is_trusted] = (proxy, await proxy.start())
        self._playwright = await self._api.async_playwright().start()
        # The default rules would send loopback addresses past the proxy.
        options["proxy"] = {"server": self._proxies[False][1], "bypass": "<-loopback>"}
        self._browser = await self._playwright.chromium.launch(**options)

    async def _render(self, request: Request, timeout_s: float) -> Response:
        is_trusted = self._http.is_trusted(request)
        proxy, address = self._proxies[is_trusted]
        refused = proxy.refused
        context = await self._browser.new_context(**_context_options(request, proxy, address))
        try:
            page = await context.new_page()
            wait_until = request.meta.get("playwright_wait_until", "load")
            cookies = _cookies(request)
            if cookies:
                await context.add_cookies(cookies)
            try:
                answer = await page.goto(request.url, timeout=timeout_s * 1000, wait_until=wait_until)
            except self._api.Error:
                if proxy.refused > refused:  # over https all that the browser sees is a tunnel that failed
                    raise _refused() from None
                raise
            if answer is None or (answer.status == 403 and proxy.refused > refused):
                raise _refused()
            body = (await page.content()).encode()
            if self._max_nbytes and len(body) > self._max_nbytes:
                raise DownloadCancelledError(f"the rendered page is larger than the limit of {self._max_nbytes} bytes")
            return await _response(request, page.url, answer, body)
        finally:
            await context.close()

    async def close(self) -> None:
        """End the browser."""
        if self._browser is not None:
            await self._browser.close()
        if self._playwright is not None:
            await self._playwright.stop()
        for proxy, _ in self._proxies.values():
            await proxy.close()
        await self._http.close()


def _refused() -> DownloadCancelledError:
    return DownloadCancelledError("the page leads to a private address; see ALLOW_PRIVATE_ADDRESSES")


def _cookies(request: Request) -> list[dict[str, str]]:
    """The ``Cookie`` header as the browser wants it: bound to the page's host."""
    header = (request.headers.get(b"Cookie") or b"").decode("utf-8", "replace")
    pairs = [pair.strip().partition("=") for pair in header.split(";") if "=" in pair]
    return [{"name": name, "value": value, "url": request.url} for name, _, value in pairs]


def _credentials(request: Request) -> dict[str, str] | None:
    """Basic credentials for the page's own origin."""
    kind, _, encoded = (request.headers.get(b"Authorization") or b"").partition(b" ")
    if kind.lower() != b"basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded).decode("utf-8", "replace").partition(":")
    except ValueError:
        return None
    origin = split_url(request.url)[0]
    return {
        "username": user,
        "password": password,
        "origin": f"{origin.scheme}://{origin.host_header.decode('ascii')}",
        "send": "always",
    }


def _context_options(request: Request, proxy: ForwardProxy, address: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "proxy": {"server": address, "username": proxy.user, "password": proxy.password, "bypass": "<-loopback>"},
        "accept_downloads": False,
        "service_workers": "block",
    }
    agent = request.headers.get(b"User-Agent")
    if agent:
        options["user_agent"] = agent.decode("latin-1")
    extra = {
        name.decode("latin-1"): b", ".join(values).decode("latin-1")
        for name, values in request.headers.items()
        if name not in _NOT_FORWARDED and name not in (b"Authorization", b"Cookie")
    }
    # Headers of a context go with every request of the page, also to other sites: credentials must not be among them.
    options["extra_http_headers"] = extra
    credentials = _credentials(request)
    if credentials is not None:
        options["http_credentials"] = credentials
    return options


async def _response(request: Request, url: str, answer: Any, body: bytes) -> Response:
    headers = Headers(await answer.all_headers())
    for name in (b"Content-Encoding", b"Content-Length", b"Transfer-Encoding"):
        headers.pop(name, None)
    headers[b"Content-Type"] = b"text/html; charset=utf-8"
    request.meta[PRIVATE_OK] = _is_private(url)
    return HtmlResponse(url=url, status=answer.status, headers=headers, body=body, encoding="utf-8", flags=["rendered"])


def _is_private(url: str) -> bool:
    """Whether a URL's host is a private address. A name is taken for public, which is the safe side."""
    try:
        host = split_url(url)[0].host
        return is_private_address(str(ipaddress.ip_address(host)))
    except ValueError:
        return False
