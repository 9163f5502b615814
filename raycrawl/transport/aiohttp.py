"""The HTTP handler on aiohttp's client, an alternative to ``http11``.

``raycrawl.core.downloader.handlers._aiohttp.AiohttpDownloadHandler`` in ``DOWNLOAD_HANDLERS`` chooses it. It has the
same settings, meta keys and limits, costs five times the CPU, and refuses what aiohttp's parser refuses. aiohttp's
redirects, cookies and decompression are off: raycrawl's middlewares own those.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import hdrs
from yarl import URL

from raycrawl.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    ResponseDataLossError,
)
from raycrawl.transport.addresses import is_private_address
from raycrawl.transport.connection import Exchange
from raycrawl.transport.http1 import MAX_HEAD_NBYTES, Framing, Head
from raycrawl.transport.http11 import HTTP11DownloadHandler, bind_address
from raycrawl.transport.origin import Origin, Proxy, parse_proxy, split_url, without_credentials
from raycrawl.transport.requesthead import request_bytes

if TYPE_CHECKING:
    from raycrawl.http import Request, Response


@dataclass(slots=True)
class _Peer:
    is_private: bool
    ip_address: Any
    certificate: Any


class _Refused(OSError):
    """The connector was about to use an address that the request may not connect to."""


class AiohttpDownloadHandler(HTTP11DownloadHandler):
    """Fetches http and https URLs with aiohttp. The exceptions are those of HTTP11DownloadHandler."""

    def __init__(self, crawler: Any) -> None:
        super().__init__(crawler)
        self._sessions: dict[tuple[bool, tuple[str, int] | None], aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """Close the sessions and their connections."""
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            await session.close()

    def _session(self, is_trusted: bool, local: tuple[str, int] | None) -> aiohttp.ClientSession:
        """A session for requests that may go anywhere, and one for the others: they share no connection."""
        session = self._sessions.get((is_trusted, local))
        if session is None:
            connector = aiohttp.TCPConnector(
                limit=0,
                ssl=self._context,
                local_addr=local,
                socket_factory=_open_socket if is_trusted else self._open_allowed_socket,
            )
            session = self._sessions[is_trusted, local] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                response_class=_Answer,
                max_line_size=MAX_HEAD_NBYTES,
                max_field_size=MAX_HEAD_NBYTES,
                skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE),
            )
        return session

    def _open_allowed_socket(self, address: Any) -> socket.socket:
        ip = str(address[4][0])
        if not self._policy.is_allowed("", ip):
            raise _Refused(f"{ip} is a private address")
        return _open_socket(address)

    async def download_request(self, request: Request) -> Response:
        meta = request.meta
        try:
            origin, target, authorization = split_url(request.url)
            proxy = parse_proxy(meta["proxy"]) if meta.get("proxy") else None
        except ValueError as exc:
            raise DownloadCancelledError(f"cannot request {without_credentials(request.url)}: {exc}") from None
        # aiohttp writes the request itself; this refuses what must not be written.
        request_bytes(request, origin, target, authorization)
        timeout_s = meta.get("download_timeout") or self._timeout_s
        is_trusted = self._policy.is_trusted(meta)
        arguments = _arguments(request, origin, target, authorization, proxy)
        bound = meta.get("bindaddress")
        session = self._session(is_trusted or proxy is not None, bind_address(bound) if bound else self._bind_address)
        if proxy is not None and not is_trusted:
            self._check_proxied(origin)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._fetch(session, request, arguments, is_proxied=proxy is not None)
        except TimeoutError:
            raise DownloadTimeoutError(
                f"getting {without_credentials(request.url)} took longer than {timeout_s:g} seconds"
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise _mapped(exc, origin) from exc

    def _check_proxied(self, origin: Origin) -> None:
        try:
            is_allowed = self._policy.is_allowed(origin.host, str(ipaddress.ip_address(origin.host)))
        except ValueError:
            is_allowed = origin.host.rstrip(".") != "localhost" and not origin.host.rstrip(".").endswith(".localhost")
        if not is_allowed:
            raise DownloadCancelledError(f"{origin.host!r} is private; see ALLOW_PRIVATE_ADDRESSES")

    async def _fetch(
        self, session: aiohttp.ClientSession, request: Request, arguments: dict[str, Any], *, is_proxied: bool
    ) -> Response:
        loop = asyncio.get_running_loop()
        exchange = self._new_exchange(loop, request)
        started_s = loop.time()
        async with session.request(**arguments) as answer:
            exchange.head_at_s = loop.time()
            peer = answer.peer if isinstance(answer, _Answer) and answer.peer is not None else _peer_of(None)
            exchange.head = head = _head_of(answer)
            is_lost = False
            try:
                await self._read(answer, exchange, head)
            except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError) as exc:
                if request.meta.get("download_fail_on_dataloss", self._fail_on_dataloss):
                    raise ResponseDataLossError("the connection closed before the end of the body") from exc
                is_lost = True
            exchange.is_complete = not is_lost
            if exchange.is_cut or is_lost:
                answer.close()
        return self._response(request, peer, exchange, started_s, is_proxied=is_proxied)

    async def _read(self, answer: aiohttp.ClientResponse, exchange: Exchange, head: Head) -> None:
        limit = exchange.max_nbytes
        if limit and head.length > limit and not exchange.truncate_nbytes:
            answer.close()
            raise DownloadCancelledError(
                f"the announced size ({head.length} bytes) is larger than the limit of {limit}"
            )
        if exchange.on_headers is not None:
            exchange.stop = exchange.on_headers(head)
        if exchange.stop is not None:
            return
        async for block in answer.content.iter_any():
            exchange.body_nbytes += len(block)
            cut = exchange.body_nbytes - exchange.truncate_nbytes
            if exchange.truncate_nbytes and cut > 0:
                exchange.add(block[:-cut])
                exchange.is_truncated = True
                return
            if limit and exchange.body_nbytes > limit and not exchange.truncate_nbytes:
                answer.close()
                raise DownloadCancelledError(f"the response is larger than the limit of {limit} bytes")
            exchange.add(block)
            if exchange.on_bytes is not None:
                exchange.stop = exchange.on_bytes(block)
                if exchange.stop is not None:
                    return


def _arguments(
    request: Request, origin: Origin, target: bytes, authorization: bytes | None, proxy: Proxy | None
) -> dict[str, Any]:
    """What ``ClientSession.request`` is called with."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    headers: list[tuple[str, str]] = []
    proxy_authorization = request.headers.get(b"Proxy-Authorization")
    for name, values in request.headers.items():
        if name not in (b"Proxy-Authorization", b"Content-Length", b"Transfer-Encoding"):
            headers += [(name.decode("latin-1"), value.decode("utf-8", "surrogateescape")) for value in values]
    if authorization is not None and b"Authorization" not in request.headers:
        headers.append(("Authorization", authorization.decode("ascii")))
    arguments: dict[str, Any] = {
        "method": request.method,
        "url": URL(f"{origin.scheme}://{host}:{origin.port}{target.decode('ascii')}", encoded=True),
        "headers": headers,
        "data": request.body or None,
        "allow_redirects": False,
        "timeout": aiohttp.ClientTimeout(total=None),
    }
    if proxy is not None:
        if proxy.is_socks:
            raise DownloadCancelledError("SOCKS proxies need the default HTTP handler")
        credentials = proxy_authorization or proxy.authorization
        arguments["proxy"] = URL(f"{proxy.scheme}://{proxy.host}:{proxy.port}")
        if credentials and origin.is_tls:  # for the CONNECT alone
            arguments["proxy_headers"] = {"Proxy-Authorization": credentials.decode("latin-1")}
        elif credentials:
            headers.append(("Proxy-Authorization", credentials.decode("latin-1")))
    return arguments


def _open_socket(address: Any) -> socket.socket:
    family, kind, protocol, _name, _address = address
    return socket.socket(family=family, type=kind, proto=protocol)


class _Answer(aiohttp.ClientResponse):
    """A response that remembers who sent it: aiohttp lets go of the connection when a short body is there at once."""

    peer: _Peer | None = None

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        self.peer = _peer_of(connection.transport)
        return await super().start(connection)


def _peer_of(transport: asyncio.Transport | None) -> _Peer:
    name = transport.get_extra_info("peername") if transport is not None else None
    if transport is None or not name:
        return _Peer(False, None, None)
    ssl_object = transport.get_extra_info("ssl_object")
    ip = str(name[0])
    certificate = ssl_object.getpeercert(True) if ssl_object is not None else None
    return _Peer(is_private_address(ip), ipaddress.ip_address(ip.partition("%")[0]), certificate)


def _head_of(answer: aiohttp.ClientResponse) -> Head:
    version = answer.version
    protocol = f"HTTP/{version.major}.{version.minor}" if version is not None else "HTTP/1.1"
    length = answer.content_length
    return Head(
        answer.status,
        protocol,
        list(answer.raw_headers),
        Framing.UNTIL_CLOSE if length is None else Framing.LENGTH,
        -1 if length is None else length,
        False,
    )


def _mapped(error: Exception, origin: Origin) -> Exception:
    """aiohttp's error as one of raycrawl.exceptions."""
    cause = getattr(error, "os_error", error)
    if isinstance(cause, _Refused) or isinstance(error.__cause__, _Refused):
        return DownloadCancelledError(f"{origin.host!r} has a private address; see ALLOW_PRIVATE_ADDRESSES")
    if isinstance(error, aiohttp.ClientConnectorDNSError) or isinstance(cause, socket.gaierror):
        return CannotResolveHostError(f"DNS lookup failed for {origin.host!r}")
    if isinstance(cause, ConnectionRefusedError):
        return DownloadConnectionRefusedError(f"connection refused by {origin.host}:{origin.port}")
    return DownloadFailedError(f"{type(error).__name__} from {origin.host}:{origin.port}")
