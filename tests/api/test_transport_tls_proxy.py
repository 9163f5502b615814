"""TLS, and proxies of every kind, on loopback."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from raycrawl.core.downloader.handlers import DownloadHandlers
from raycrawl.exceptions import DownloadCancelledError, DownloadConnectionRefusedError, DownloadFailedError
from raycrawl.http import Request, Response
from raycrawl.transport.origin import parse_proxy, split_url, without_credentials
from raycrawl.transport.tls import client_context
from raycrawl.utils.test import get_crawler
from tests.api.rawserver import Peer, keep_alive, serving

CERTIFICATE = Path(__file__).parents[1] / "data" / "tls-localhost.pem"


def server_context(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


class Client:
    def __init__(self, **settings: Any) -> None:
        settings.setdefault("DOWNLOAD_TIMEOUT", 5)
        settings.setdefault("DOWNLOAD_VERIFY_CERTIFICATES", False)
        self.handlers = DownloadHandlers(get_crawler(settings_dict=settings))

    async def get(self, url: str, **kwargs: Any) -> Response:
        return await self.handlers.download_request_async(Request(url, **kwargs))


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    made = Client()
    yield made
    await made.handlers.close()


# TLS


async def test_https_with_its_certificate(client: Client) -> None:
    async with serving(keep_alive(b"secret"), context=server_context()) as server:
        for _ in range(3):
            response = await client.get(server.url)
            assert response.body == b"secret"
            assert isinstance(response.certificate, bytes)
            assert response.certificate == ssl.PEM_cert_to_DER_cert(_certificate_text())
        assert server.connections == 1


def _certificate_text() -> str:
    text = CERTIFICATE.read_text()
    return text[text.index("-----BEGIN CERTIFICATE") :]


async def test_sessions_are_reused() -> None:
    reused: list[bool] = []
    context = server_context(ssl.TLSVersion.TLSv1_2)

    async def script(peer: Peer) -> None:
        await peer.request()
        reused.append(peer.writer.get_extra_info("ssl_object").session_reused)
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    client = Client()
    async with serving(script, context=context) as server:
        for _ in range(3):
            await client.get(f"https://localhost:{server.port}/")
    await client.handlers.close()
    assert reused == [False, True, True]


async def test_verification_refuses_a_certificate_that_nobody_signed() -> None:
    client = Client(DOWNLOAD_VERIFY_CERTIFICATES=True)
    async with serving(keep_alive(), context=server_context()) as server:
        with pytest.raises(DownloadFailedError, match="certificate"):
            await client.get(server.url)
        assert server.requests == []
    await client.handlers.close()


async def test_tls_versions() -> None:
    async with serving(keep_alive(), context=server_context(ssl.TLSVersion.TLSv1_2)) as server:
        client = Client(DOWNLOAD_TLS_MIN_VERSION="TLSv1.3")
        with pytest.raises(DownloadFailedError, match="TLS"):
            await client.get(server.url)
        await client.handlers.close()
        client = Client(DOWNLOAD_TLS_MAX_VERSION="TLSv1.2")
        assert (await client.get(server.url)).status == 200
        await client.handlers.close()


async def test_plain_http_behind_https_is_a_clear_error(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(script) as server:
        with pytest.raises(DownloadFailedError, match="TLS"):
            await client.get(f"https://127.0.0.1:{server.port}/")


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"min_version": "SSLv3"}, "DOWNLOAD_TLS_MIN_VERSION"),
        ({"max_version": "2"}, "DOWNLOAD_TLS_MAX_VERSION"),
        ({"method": "SSLv3"}, "DOWNLOADER_CLIENT_TLS_METHOD"),
        ({"ciphers": "NO-SUCH-CIPHER"}, "DOWNLOADER_CLIENT_TLS_CIPHERS"),
    ],
)
def test_bad_settings_name_themselves(kwargs: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        client_context(**kwargs)


def test_ciphers_and_verification_reach_the_context() -> None:
    context = client_context(ciphers="ECDHE+AESGCM", verify=True, max_version="TLSv1.2")
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert all("AES" in cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.2")


# HTTP proxies


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


async def tunnel(peer: Peer, host: str, port: int) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        await asyncio.gather(pipe(peer.reader, writer), pipe(reader, peer.writer))
    finally:
        writer.close()


def connect_proxy(answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> Any:
    async def script(peer: Peer) -> None:
        head = await peer.request()
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        await peer.send(answer)
        if b" 200 " in answer:
            await tunnel(peer, host.strip("[]"), int(port))

    return script


async def test_http_through_a_proxy_in_absolute_form(client: Client) -> None:
    async with serving(keep_alive(b"via")) as proxy:
        meta = {"proxy": proxy.url}
        for _ in range(2):
            response = await client.get(
                "http://example.test:81/a?b", meta=meta, headers={"Proxy-Authorization": "Basic c2VjcmV0"}
            )
        assert response.body == b"via"
        assert proxy.requests[0].startswith(b"GET http://example.test:81/a?b HTTP/1.1\r\nHost: example.test:81\r\n")
        assert b"Proxy-Authorization: Basic c2VjcmV0\r\n" in proxy.requests[0]
        assert proxy.connections == 1


async def test_https_through_a_tunnel_hides_nothing_from_nobody_else(client: Client) -> None:
    async with serving(keep_alive(b"tls"), context=server_context()) as server, serving(connect_proxy()) as proxy:
        for _ in range(2):
            response = await client.get(
                server.url,
                meta={"proxy": proxy.url},
                headers={"Proxy-Authorization": "Basic cHJveHk=", "Authorization": "Basic c2VydmVy"},
            )
        assert response.body == b"tls"
        assert len(proxy.requests) == 1
        assert proxy.requests[0].startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n".encode())
        assert b"Proxy-Authorization: Basic cHJveHk=" in proxy.requests[0]
        assert b"c2VydmVy" not in proxy.requests[0]
        assert all(b"Proxy-Authorization" not in request for request in server.requests)
        assert all(b"Authorization: Basic c2VydmVy" in request for request in server.requests)


async def test_credentials_of_the_proxy_url_without_the_middleware(client: Client) -> None:
    async with serving(keep_alive()) as proxy:
        await client.get("http://example.test/", meta={"proxy": f"http://u:p%40@127.0.0.1:{proxy.port}"})
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"u:p@") in proxy.requests[0]


async def test_tunnels_are_not_shared_between_credentials(client: Client) -> None:
    async with serving(keep_alive(), context=server_context()) as server, serving(connect_proxy()) as proxy:
        for value in ("Basic AAAA", "Basic BBBB"):
            await client.get(server.url, meta={"proxy": proxy.url}, headers={"Proxy-Authorization": value})
        assert len(proxy.requests) == 2


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 502 No\r\n\r\n", b"garbage\r\n\r\n", b""]
)
async def test_a_proxy_that_refuses(client: Client, answer: bytes) -> None:
    async with serving(connect_proxy(answer)) as proxy:
        with pytest.raises(DownloadFailedError) as caught:
            await client.get("https://example.test/", meta={"proxy": f"http://user:hunter2@127.0.0.1:{proxy.port}"})
    assert "hunter2" not in str(caught.value)
    assert caught.type is DownloadFailedError


async def test_a_proxy_that_is_not_there(client: Client) -> None:
    async with serving(keep_alive()) as proxy:
        url = proxy.url
    with pytest.raises(DownloadConnectionRefusedError):
        await client.get("http://example.test/", meta={"proxy": url})


async def test_https_proxy(client: Client) -> None:
    async with serving(keep_alive(b"via tls"), context=server_context()) as proxy:
        response = await client.get("http://example.test/", meta={"proxy": proxy.url})
    assert response.body == b"via tls"
    assert response.certificate is None


@pytest.mark.parametrize("url", ["gopher://p:1", "http://", "http://user:hunter2@"])
async def test_bad_proxies_are_named_without_credentials(client: Client, url: str) -> None:
    with pytest.raises(DownloadCancelledError, match="proxy") as caught:
        await client.get("http://example.test/", meta={"proxy": url})
    assert "hunter2" not in str(caught.value)


# SOCKS


def socks_proxy(seen: list[Any], login: tuple[bytes, bytes] | None = None, reply: int = 0) -> Any:
    async def script(peer: Peer) -> None:
        reader = peer.reader
        _version, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        if login is None:
            await peer.send(b"\x05\x00")
        else:
            assert 2 in methods
            await peer.send(b"\x05\x02")
            await reader.readexactly(1)
            user = await reader.readexactly((await reader.readexactly(1))[0])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            is_right = (user, password) == login
            await peer.send(b"\x01\x00" if is_right else b"\x01\x01")
            if not is_right:
                return
        _, _, _, kind = await reader.readexactly(4)
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        seen.append((host, port))
        await peer.send(b"\x05" + bytes([reply]) + b"\x00\x01\0\0\0\0\0\0")
        if not reply:
            await tunnel(peer, "127.0.0.1", port)

    return script


@pytest.mark.parametrize("host", ["127.0.0.1", "resolved-by-the-proxy.test"])
async def test_socks(client: Client, host: str) -> None:
    seen: list[Any] = []
    async with serving(keep_alive(b"socks")) as server, serving(socks_proxy(seen)) as proxy:
        url = f"http://{host}:{server.port}/"
        for _ in range(2):
            response = await client.get(url, meta={"proxy": f"socks5://127.0.0.1:{proxy.port}"})
        assert response.body == b"socks"
        assert seen == [(host, server.port)]
        assert server.requests[0].startswith(b"GET / HTTP/1.1\r\n")


async def test_socks_with_tls_and_login(client: Client) -> None:
    seen: list[Any] = []
    async with (
        serving(keep_alive(b"tls"), context=server_context()) as server,
        serving(socks_proxy(seen, (b"u", b"p"))) as proxy,
    ):
        response = await client.get(server.url, meta={"proxy": f"socks5h://u:p@127.0.0.1:{proxy.port}"})
        assert response.body == b"tls"
        with pytest.raises(DownloadFailedError, match="credentials"):
            await client.get(server.url, meta={"proxy": f"socks5h://u:wrong@127.0.0.1:{proxy.port}"})


async def test_socks_refusal(client: Client) -> None:
    async with serving(socks_proxy([], reply=5)) as proxy:
        with pytest.raises(DownloadFailedError, match="connection refused"):
            await client.get("http://example.test/", meta={"proxy": f"socks5://127.0.0.1:{proxy.port}"})


# reading URLs


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("http://a.com", "a.com", 80, b"/"),
        ("https://a.com?x=1", "a.com", 443, b"/?x=1"),
        ("http://a.com:8080/p?q#f", "a.com", 8080, b"/p?q"),
        ("HTTP://A.com/", "a.com", 80, b"/"),
        ("http://u:p@[::1]:8/", "::1", 8, b"/"),
        ("http://0x7f.1/", "127.0.0.1", 80, b"/"),
        ("http://b\u00fccher.example/", "xn--bcher-kva.example", 80, b"/"),
        ("http://a.com\\@evil.com/", "a.com", 80, b"/@evil.com/"),
    ],
)
def test_split_url(url: str, host: str, port: int, target: bytes) -> None:
    origin, found, _ = split_url(url)
    assert (origin.host, origin.port, found) == (host, port, target)


@pytest.mark.parametrize("url", ["a.com", "ftp://a.com/", "http:///x", "http://a b/", "http://a.com:99999/"])
def test_what_is_no_web_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"valid|URL|scheme"):
        split_url(url)


def test_proxies_are_read() -> None:
    proxy = parse_proxy("http://u:p%40@h:1")
    assert (proxy.host, proxy.port, proxy.user, proxy.password) == ("h", 1, "u", "p@")
    assert parse_proxy("//h").port == 80
    assert parse_proxy("h:3128").port == 3128


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://u:p@a.com/x@y", "http://a.com/x@y"),
        ("http://u:p@q@a.com?z", "http://a.com?z"),
        ("http://a.com/x@y", "http://a.com/x@y"),
        ("data:x@y", "data:x@y"),
    ],
)
def test_without_credentials(url: str, expected: str) -> None:
    assert without_credentials(url) == expected
