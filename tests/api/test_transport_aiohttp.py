"""The alternative HTTP handler: the same promises, kept by aiohttp."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from raycrawl import signals
from raycrawl.core.downloader.handlers import DownloadHandlers
from raycrawl.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    ResponseDataLossError,
    StopDownload,
)
from raycrawl.http import HtmlResponse, Request, Response
from raycrawl.utils.test import get_crawler
from tests.api.rawserver import Peer, keep_alive, raw, serving

PATH = "raycrawl.core.downloader.handlers._aiohttp.AiohttpDownloadHandler"
CERTIFICATE = Path(__file__).parents[1] / "data" / "tls-localhost.pem"


class Client:
    def __init__(self, **settings: Any) -> None:
        base = {"DOWNLOAD_TIMEOUT": 5, "DOWNLOAD_HANDLERS": {"http": PATH, "https": PATH}}
        self.crawler = get_crawler(settings_dict={**base, "DOWNLOAD_VERIFY_CERTIFICATES": False, **settings})
        self.handlers = DownloadHandlers(self.crawler)

    async def get(self, url: str, **kwargs: Any) -> Response:
        return await self.handlers.download_request_async(Request(url, **kwargs))


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    made = Client()
    yield made
    await made.handlers.close()


async def test_a_page_with_all_its_attributes(client: Client) -> None:
    async with serving(keep_alive(b"<p>hi</p>")) as server:
        for _ in range(3):
            request = Request(server.url + "/a%2Fb?b=c#d", headers={"X-A": ["1", "2"]}, method="POST", body=b"z")
            response = await client.handlers.download_request_async(request)
        assert server.connections == 1
    assert isinstance(response, HtmlResponse)
    assert (response.status, response.body, response.flags) == (200, b"<p>hi</p>", [])
    assert response.url == server.url + "/a%2Fb?b=c"
    assert str(response.ip_address) == "127.0.0.1"
    assert response.protocol == "HTTP/1.1"
    assert request.meta["download_latency"] >= 0
    assert request.meta["_private_ok"] is True
    head = server.requests[0]
    assert head.startswith(b"POST /a%2Fb?b=c HTTP/1.1\r\n")
    assert b"X-A: 1\r\nX-A: 2\r\n" in head
    assert b"User-Agent" not in head
    assert head.endswith(b"\r\n\r\nz")


async def test_https(client: Client) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    async with serving(keep_alive(), context=context) as server:
        response = await client.get(server.url)
    assert isinstance(response.certificate, bytes)


async def test_errors(client: Client) -> None:
    async with serving(keep_alive()) as server:
        url = server.url
    with pytest.raises(DownloadConnectionRefusedError):
        await client.get(url)
    with pytest.raises(CannotResolveHostError):
        await client.get("http://nowhere.invalid/")
    async with serving(raw(b"garbage\r\n\r\n")) as server:
        with pytest.raises(DownloadFailedError):
            await client.get(server.url)
    async with serving(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")) as server:
        with pytest.raises(ResponseDataLossError):
            await client.get(server.url)
        response = await client.get(server.url, meta={"download_fail_on_dataloss": False})
        assert (response.body, response.flags) == (b"half", ["dataloss"])


async def test_limits(client: Client) -> None:
    async def endless(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.send(b"x" * 1000)

    async def silent(peer: Peer) -> None:
        await peer.request()
        await asyncio.Event().wait()

    async with serving(endless) as server:
        with pytest.raises(DownloadCancelledError):
            await client.get(server.url, meta={"download_maxsize": 5000})
        response = await client.get(server.url, meta={"_truncate_nbytes": 5000})
        assert (response.body, response.flags) == (b"x" * 5000, ["truncated"])
    async with serving(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")) as server:
        with pytest.raises(DownloadCancelledError):
            await client.get(server.url)
    async with serving(silent) as server:
        with pytest.raises(DownloadTimeoutError):
            await client.get(server.url, meta={"download_timeout": 0.05})


async def test_injection_is_refused(client: Client) -> None:
    async with serving(keep_alive()) as server:
        for kwargs in ({"headers": {"X-A": "b\r\nEvil: 1"}}, {"method": "G T"}):
            with pytest.raises(DownloadCancelledError):
                await client.get(server.url, **kwargs)
        assert server.requests == []


async def test_signals(client: Client) -> None:
    def stop(headers: Any, body_length: int) -> None:
        raise StopDownload(fail=False)

    client.crawler.signals.connect(stop, signals.headers_received)
    async with serving(keep_alive(b"x" * 50)) as server:
        response = await client.get(server.url)
    assert (response.body, response.flags) == (b"", ["download_stopped"])


async def test_private_addresses(client: Client) -> None:
    async with serving(keep_alive()) as server:
        await client.get(server.url)
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(DownloadCancelledError, match="ALLOW_PRIVATE_ADDRESSES"):
                await client.get(f"http://{host}:{server.port}/", meta={"depth": 1})
        with pytest.raises(DownloadCancelledError):
            await client.get("http://127.0.0.1/", meta={"depth": 1, "proxy": server.url})
        assert len(server.requests) == 1


async def test_proxy(client: Client) -> None:
    async with serving(keep_alive(b"via")) as proxy:
        meta = {"proxy": f"http://u:p@127.0.0.1:{proxy.port}"}
        response = await client.get("http://example.test/x", meta=meta)
    assert response.body == b"via"
    assert proxy.requests[0].startswith(b"GET http://example.test/x HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dTpw" in proxy.requests[0]
