"""The HTTP and HTTPS download handler: one request in, one Response out.

It owns the order of things (connection, request, limits, response) and the mapping of meta keys and settings; how bytes
are read is ``connection``'s business, and where it may connect ``connector``'s.

It is an HTTP client of its own because a page's cost decides: 0.01 ms of CPU for the exchange of a 16 KB page on
keep-alive, where aiohttp's client takes 0.05, and because it reads responses that aiohttp's parser refuses.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol, Self

from raycrawl import signals
from raycrawl.exceptions import (
    DownloadCancelledError,
    DownloadFailedError,
    DownloadTimeoutError,
    ResponseDataLossError,
    StopDownload,
)
from raycrawl.http import Headers, Request, Response
from raycrawl.responsetypes import responsetypes
from raycrawl.transport.addresses import PRIVATE_OK, AddressPolicy
from raycrawl.transport.connection import Connection, Exchange, NothingReceived
from raycrawl.transport.connector import Connector
from raycrawl.transport.http1 import Head
from raycrawl.transport.inflate import InflateLimitExceeded, inflate, is_known
from raycrawl.transport.origin import Origin, Proxy, parse_proxy, split_url, without_credentials
from raycrawl.transport.pool import ConnectionPool
from raycrawl.transport.requesthead import request_bytes
from raycrawl.transport.resolver import Resolver
from raycrawl.transport.sent import note_sent
from raycrawl.transport.tls import client_context

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler

logger = logging.getLogger(__name__)

# meta key, for components: cut the body at this many bytes instead of failing (flag "truncated").
TRUNCATE_NBYTES = "_truncate_nbytes"

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})  # RFC 9110 section 9.2.2


class Peer(Protocol):
    """The other end, as a response shows it."""

    is_private: bool
    ip_address: Any
    certificate: Any


class HTTP11DownloadHandler:
    """Fetches http and https URLs. One per Downloader; it opens nothing before the first request.

    Raises on download: CannotResolveHostError, DownloadConnectionRefusedError, DownloadTimeoutError,
    DownloadCancelledError (size limits, unsafe requests, private addresses), DownloadFailedError,
    ResponseDataLossError, StopDownload.
    """

    lazy = False

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        self._crawler = crawler
        self._timeout_s = settings.getfloat("DOWNLOAD_TIMEOUT")
        self._max_nbytes = settings.getint("DOWNLOAD_MAXSIZE")
        self._warn_nbytes = settings.getint("DOWNLOAD_WARNSIZE")
        self._fail_on_dataloss = settings.getbool("DOWNLOAD_FAIL_ON_DATALOSS")
        self._policy = AddressPolicy(settings.get("ALLOW_PRIVATE_ADDRESSES", "start"))
        self._bind_address = bind_address(settings.get("DOWNLOAD_BIND_ADDRESS"))
        self._context = client_context(
            verify=settings.getbool("DOWNLOAD_VERIFY_CERTIFICATES"),
            method=settings.get("DOWNLOADER_CLIENT_TLS_METHOD", "TLS"),
            ciphers=settings.get("DOWNLOADER_CLIENT_TLS_CIPHERS"),
            min_version=settings.get("DOWNLOAD_TLS_MIN_VERSION"),
            max_version=settings.get("DOWNLOAD_TLS_MAX_VERSION"),
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool: ConnectionPool
        self._connector: Connector
        self._resolver: Resolver

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        settings = self._crawler.settings
        self._loop = loop
        self._pool = ConnectionPool(loop)
        cache_size = settings.getint("DNSCACHE_SIZE") if settings.getbool("DNSCACHE_ENABLED") else 0
        self._resolver = Resolver(
            loop,
            cache_size=cache_size,
            timeout_s=settings.getfloat("DNS_TIMEOUT"),
            threads=max(128, settings.getint("REACTOR_THREADPOOL_MAXSIZE")),
        )
        self._connector = Connector(loop, self._resolver, self._policy, self._context, bind_address=self._bind_address)
        return loop

    def is_trusted(self, request: Request) -> bool:
        """Whether the request may go to any address (see ``addresses``)."""
        return self._policy.is_trusted(request.meta)

    async def open_stream(
        self, origin: Origin, *, is_trusted: bool
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A plain TCP connection to ``origin`` as streams, for protocols that are spoken elsewhere."""
        loop = self._loop or self._start()
        async with asyncio.timeout(self._timeout_s):
            connection = await self._connector.open(origin._replace(scheme="http"), is_trusted=is_trusted)
        assert connection.transport is not None
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        connection.transport.set_protocol(protocol)
        protocol.connection_made(connection.transport)
        return reader, asyncio.StreamWriter(connection.transport, protocol, reader, loop)

    async def close(self) -> None:
        """Close idle connections and the resolver. Downloads under way keep theirs until they end."""
        if self._loop is not None:
            self._pool.close()
            self._resolver.close()
            self._loop = None

    async def download_request(self, request: Request) -> Response:
        loop = self._loop or self._start()
        meta = request.meta
        try:
            origin, target, authorization = split_url(request.url)
            proxy = parse_proxy(meta["proxy"]) if meta.get("proxy") else None
        except ValueError as exc:
            raise DownloadCancelledError(f"cannot request {without_credentials(request.url)}: {exc}") from None
        bind = meta.get("bindaddress")
        local = bind_address(bind) if bind else None
        timeout_s = meta.get("download_timeout") or self._timeout_s
        proxy_authorization = None
        if proxy is not None:
            proxy_authorization = request.headers.get(b"Proxy-Authorization") or proxy.authorization
        data = request_bytes(
            request,
            origin,
            target,
            authorization,
            is_proxied=proxy is not None and not origin.is_tls and not proxy.is_socks,
            proxy_authorization=proxy_authorization,
        )
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(loop, request, data, origin, proxy, proxy_authorization, local)
        except TimeoutError:
            raise DownloadTimeoutError(
                f"getting {without_credentials(request.url)} took longer than {timeout_s:g} seconds"
            ) from None
        except NothingReceived as exc:  # a class of our own would not travel to other processes
            raise DownloadFailedError(str(exc)) from None

    async def _exchange(
        self,
        loop: asyncio.AbstractEventLoop,
        request: Request,
        data: bytes,
        origin: Origin,
        proxy: Proxy | None,
        proxy_authorization: bytes | None,
        local: tuple[str, int] | None,
    ) -> Response:
        key = (origin.scheme, origin.host, origin.port, proxy, proxy_authorization if proxy else None, local)
        is_trusted = self._policy.is_trusted(request.meta)
        is_second = False
        while True:
            pool = None if is_second else self._pool
            connection = await self._connection(key, origin, proxy, proxy_authorization, local, is_trusted, pool)
            exchange = self._new_exchange(loop, request)
            started_s = loop.time()
            connection.send(exchange, data)
            note_sent()
            try:
                await exchange.future
            except NothingReceived:
                if connection.exchanges > 1 and request.method in _IDEMPOTENT:
                    is_second = True  # the server had closed a connection that was idle: once more, on a new one
                    continue
                raise
            except ResponseDataLossError:
                if exchange.head is None or request.meta.get("download_fail_on_dataloss", self._fail_on_dataloss):
                    raise
            except BaseException:
                connection.abort()
                raise
            else:
                if origin.is_tls and connection.exchanges == 1:
                    self._connector.remember_session(connection)
                if connection.is_reusable:
                    self._pool.release(connection)
            return self._response(request, connection, exchange, started_s, is_proxied=proxy is not None)

    async def _connection(
        self,
        key: Any,
        origin: Origin,
        proxy: Proxy | None,
        proxy_authorization: bytes | None,
        local: tuple[str, int] | None,
        is_trusted: bool,
        pool: ConnectionPool | None,
    ) -> Connection:
        policy = self._policy
        accepts = None
        if not is_trusted:
            if proxy is not None:
                self._connector.check_literal(origin)
            else:
                accepts = lambda open_: not open_.is_private or policy.is_allowed(origin.host, open_.ip)  # noqa: E731
        connection = pool.acquire(key, accepts) if pool is not None else None
        if connection is None:
            connection = await self._connector.open(
                origin,
                is_trusted=is_trusted,
                proxy=proxy,
                proxy_authorization=proxy_authorization,
                bind_address=local,
            )
            connection.key = key
        return connection

    def _new_exchange(self, loop: asyncio.AbstractEventLoop, request: Request) -> Exchange:
        crawler_signals = self._crawler.signals
        exchange = Exchange(
            loop.create_future(),
            is_head=request.method == "HEAD",
            max_nbytes=int(request.meta.get("download_maxsize", self._max_nbytes)),
        )
        exchange.truncate_nbytes = request.meta.get(TRUNCATE_NBYTES, 0)
        if crawler_signals.has_listeners(signals.headers_received):
            exchange.on_headers = lambda head: self._send(
                signals.headers_received, request, headers=build_headers(head), body_length=head.length
            )
        if crawler_signals.has_listeners(signals.bytes_received):
            exchange.on_bytes = lambda data: self._send(signals.bytes_received, request, data=data)
        return exchange

    def _send(self, signal: object, request: Request, **arguments: Any) -> StopDownload | None:
        results = self._crawler.signals.send_catch_log(
            signal, request=request, spider=self._crawler.spider, dont_log=StopDownload, **arguments
        )
        for _receiver, result in results:
            error = getattr(result, "value", None)
            if isinstance(error, StopDownload):
                return error
        return None

    def _response(
        self, request: Request, connection: Peer, exchange: Exchange, started_s: float, *, is_proxied: bool
    ) -> Response:
        head = exchange.head
        assert head is not None
        meta = request.meta
        meta["download_latency"] = exchange.head_at_s - started_s
        meta[PRIVATE_OK] = connection.is_private and not is_proxied
        body = exchange.body
        if head.transfer_codings:
            body = _decode_transfer(body, head, exchange.max_nbytes)
        self._warn_of_size(request, len(body))
        headers = build_headers(head)
        flags = None
        if exchange.stop is not None:
            flags = ["download_stopped"]
        elif exchange.is_truncated:
            flags = ["truncated"]
        elif not exchange.is_complete:
            flags = ["dataloss"]
        response_class = responsetypes.from_args(headers=headers, url=request.url, body=body)
        response = response_class(
            url=request.url.partition("#")[0],  # the fragment was never sent, so the answer is not to it
            status=head.status,
            body=body,
            flags=flags,
            certificate=connection.certificate,
            ip_address=connection.ip_address,
            protocol=head.protocol,
        )
        response.headers = headers
        if exchange.stop is not None and exchange.stop.fail:
            response.request = request
            exchange.stop.response = response
            raise exchange.stop
        return response

    def _warn_of_size(self, request: Request, nbytes: int) -> None:
        warn_nbytes = int(request.meta.get("download_warnsize", self._warn_nbytes))
        if warn_nbytes and nbytes > warn_nbytes:
            logger.warning(
                "Received %d bytes, more than DOWNLOAD_WARNSIZE (%d), from %s",
                nbytes,
                warn_nbytes,
                without_credentials(request.url),
            )


def build_headers(head: Head) -> Headers:
    """The response's headers as Scrapy shows them, in the order in which they came."""
    headers = Headers()
    normkey = headers.normkey
    for name, value in head.headers:
        key = normkey(name)
        values = dict.get(headers, key)
        if values is None:
            dict.__setitem__(headers, key, [value])
        else:
            values.append(value)
    return headers


def _decode_transfer(body: bytes, head: Head, max_nbytes: int) -> bytes:
    for coding in reversed(head.transfer_codings):
        if not is_known(coding):
            return body
        try:
            body = inflate(body, coding, max_nbytes)
        except InflateLimitExceeded as exc:
            raise DownloadCancelledError(
                f"the decompressed response is larger than the limit of {max_nbytes} bytes ({exc.nbytes} so far)"
            ) from None
    return body


def bind_address(value: object) -> tuple[str, int] | None:
    """A local address from a setting or meta key: ``"10.0.0.5"``, ``"10.0.0.5:0"`` or ``(host, port)``."""
    if not value:
        return None
    if isinstance(value, str):
        host, _, port = value.rpartition(":")
        if host and port.isdigit() and (":" not in host or host.startswith("[")):
            return host.strip("[]"), int(port)
        return value.strip("[]"), 0
    if isinstance(value, (tuple, list)) and len(value) == 2:
        host = value[0].decode() if isinstance(value[0], bytes) else str(value[0])
        return host, int(value[1])
    raise ValueError(f"bindaddress: expected a host or (host, port), got {value!r}")
