"""The browser handler, with a stand-in for the browser, and the proxy that its traffic goes through."""

from __future__ import annotations

import asyncio
import ssl
import sys
import types
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from raycrawl.core.downloader.handlers import DownloadHandlers
from raycrawl.exceptions import (
    DownloadCancelledError,
    DownloadFailedError,
    DownloadTimeoutError,
    UnsupportedURLSchemeError,
)
from raycrawl.http import HtmlResponse, Request
from raycrawl.transport.forwardproxy import ForwardProxy
from raycrawl.transport.http11 import HTTP11DownloadHandler
from raycrawl.utils.test import get_crawler
from tests.api.rawserver import keep_alive, serving

CERTIFICATE = Path(__file__).parents[1] / "data" / "tls-localhost.pem"


# the proxy, used by raycrawl's own HTTP client


class Through:
    def __init__(self, is_trusted: bool) -> None:
        settings = {"DOWNLOAD_TIMEOUT": 5, "DOWNLOAD_VERIFY_CERTIFICATES": False}
        self.inner = HTTP11DownloadHandler(get_crawler(settings_dict=settings))
        self.outer = HTTP11DownloadHandler(get_crawler(settings_dict=settings))
        self.proxy = ForwardProxy(self.inner, is_trusted=is_trusted)
        self.url = ""

    async def __aenter__(self) -> Through:
        self.url = await self.proxy.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.outer.close()
        await self.proxy.close()
        await self.inner.close()

    async def get(self, url: str, password: str | None = None, **kwargs: Any) -> Any:
        login = f"{self.proxy.user}:{password or self.proxy.password}"
        proxy = self.url.replace("//", f"//{login}@")
        return await self.outer.download_request(Request(url, meta={"proxy": proxy}, **kwargs))


async def test_the_proxy_carries_http_and_https() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    async with (
        serving(keep_alive(b"plain")) as plain,
        serving(keep_alive(b"tls"), context=context) as secure,
        Through(True) as through,
    ):
        for _ in range(2):
            assert (await through.get(plain.url + "/a?b", method="POST", body=b"xyz")).body == b"plain"
            assert (await through.get(secure.url)).body == b"tls"
        head = plain.requests[0]
        assert head.startswith(b"POST /a?b HTTP/1.1\r\n")
        assert head.endswith(b"xyz")
        assert b"Proxy-Authorization" not in head
        assert b"Connection: close" in head


async def test_the_proxy_keeps_the_rule() -> None:
    async with serving(keep_alive()) as server, Through(False) as through:
        assert (await through.get(server.url)).status == 403
        with pytest.raises(DownloadFailedError, match="403"):
            await through.get(server.url.replace("http:", "https:"))
        assert through.proxy.refused == 2
        assert server.requests == []


async def test_the_proxy_is_for_its_browser_only() -> None:
    async with serving(keep_alive()) as server, Through(True) as through:
        assert (await through.get(server.url, password="wrong")).status == 407
        response = await through.outer.download_request(Request(server.url, meta={"proxy": through.url}))
        assert response.status == 407
        assert server.requests == []


async def test_the_proxy_says_when_a_server_is_away() -> None:
    async with serving(keep_alive()) as server:
        url = server.url
    async with Through(True) as through:
        assert (await through.get(url)).status == 502


# the handler


class ApiError(Exception):
    pass


class ApiTimeout(ApiError):
    pass


class Browser:
    """Stands for playwright's module, playwright, chromium, browser, context and page at once."""

    Error = ApiError
    TimeoutError = ApiTimeout

    def __init__(self) -> None:
        self.launched: list[dict[str, Any]] = []
        self.contexts: list[dict[str, Any]] = []
        self.cookies: list[Any] = []
        self.closed: list[str] = []
        self.goto_result: Any = None
        self.html = "<html>rendered</html>"
        self.url = "http://a.com/final"
        self.status = 200
        self.chromium = self
        self.open_contexts = 0

    def async_playwright(self) -> Browser:
        return self

    async def start(self) -> Browser:
        return self

    async def launch(self, **options: Any) -> Browser:
        self.launched.append(options)
        return self

    async def new_context(self, **options: Any) -> Browser:
        self.contexts.append(options)
        self.open_contexts += 1
        return self

    async def add_cookies(self, cookies: Any) -> None:
        self.cookies.extend(cookies)

    async def new_page(self) -> Browser:
        return self

    async def goto(self, url: str, **options: Any) -> Any:
        if isinstance(self.goto_result, Exception):
            raise self.goto_result
        if callable(self.goto_result):
            await self.goto_result()
        return self

    async def content(self) -> str:
        return self.html

    async def all_headers(self) -> dict[str, str]:
        return {"content-type": "text/html", "content-encoding": "gzip", "x-a": "b"}

    async def close(self) -> None:
        self.open_contexts -= 1

    async def stop(self) -> None:
        self.closed.append("playwright")


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    fake = Browser()
    package = types.ModuleType("playwright")
    package.async_api = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "playwright", package)
    monkeypatch.setitem(sys.modules, "playwright.async_api", fake)  # type: ignore[arg-type]
    return fake


@pytest.fixture
async def handlers(browser: Browser) -> AsyncIterator[DownloadHandlers]:
    made = DownloadHandlers(get_crawler(settings_dict={"PLAYWRIGHT_LAUNCH_OPTIONS": {"args": ["--x"]}}))
    yield made
    await made.close()


def asked(**kwargs: Any) -> Request:
    meta = {"playwright": True, **kwargs.pop("meta", {})}
    return Request("http://a.com/x", meta=meta, **kwargs)


async def test_a_page_is_rendered(browser: Browser, handlers: DownloadHandlers) -> None:
    request = asked(headers={"User-Agent": "bot", "X-A": "1", "Authorization": "Basic dTpw", "Cookie": "a=b; c=d"})
    response = await handlers.download_request_async(request)
    assert isinstance(response, HtmlResponse)
    assert (response.url, response.status, response.text) == ("http://a.com/final", 200, "<html>rendered</html>")
    assert response.flags == ["rendered"]
    assert response.headers["X-A"] == b"b"
    assert "Content-Encoding" not in response.headers
    assert request.meta["_private_ok"] is False
    options = browser.contexts[0]
    assert options["user_agent"] == "bot"
    assert options["extra_http_headers"] == {"X-A": "1"}  # these go to every site that the page loads from
    assert options["http_credentials"] == {
        "username": "u", "password": "p", "origin": "http://a.com", "send": "always",
    }  # fmt: skip
    assert [(cookie["name"], cookie["url"]) for cookie in browser.cookies] == [("a", request.url), ("c", request.url)]
    assert browser.launched[0]["args"] == ["--x"]
    assert browser.launched[0]["headless"] is True
    assert options["proxy"]["bypass"] == "<-loopback>"


async def test_one_browser_a_context_for_each_page(browser: Browser, handlers: DownloadHandlers) -> None:
    await asyncio.gather(*(handlers.download_request_async(asked()) for _ in range(5)))
    assert len(browser.launched) == 1
    assert len(browser.contexts) == 5
    assert browser.open_contexts == 0


async def test_trusted_and_untrusted_requests_have_their_own_proxies(
    browser: Browser, handlers: DownloadHandlers
) -> None:
    await handlers.download_request_async(asked(meta={"is_start_request": True}))
    await handlers.download_request_async(asked(meta={"depth": 1}))
    servers = [options["proxy"]["server"] for options in browser.contexts]
    assert len(set(servers)) == 2


async def test_errors(browser: Browser, handlers: DownloadHandlers) -> None:
    with pytest.raises(DownloadCancelledError, match="GET"):
        await handlers.download_request_async(asked(method="POST"))
    browser.goto_result = ApiError("net::ERR_CONNECTION_RESET\nlong log")
    with pytest.raises(DownloadFailedError, match=r"ERR_CONNECTION_RESET$"):
        await handlers.download_request_async(asked())
    browser.goto_result = ApiTimeout("x")
    with pytest.raises(DownloadTimeoutError):
        await handlers.download_request_async(asked())
    browser.goto_result = asyncio.Event().wait
    with pytest.raises(DownloadTimeoutError):
        await handlers.download_request_async(asked(meta={"download_timeout": 0.02}))
    assert browser.open_contexts == 0


async def test_size_limit(browser: Browser) -> None:
    browser.html = "x" * 1000
    limited = DownloadHandlers(get_crawler(settings_dict={"DOWNLOAD_MAXSIZE": 100}))
    with pytest.raises(DownloadCancelledError, match="limit"):
        await limited.download_request_async(asked())
    await limited.close()


async def test_without_the_package_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "playwright", None)
    monkeypatch.setitem(sys.modules, "playwright.async_api", None)
    with pytest.raises(UnsupportedURLSchemeError, match=r"raycrawl\[browser\]"):
        await DownloadHandlers(get_crawler()).download_request_async(asked())
