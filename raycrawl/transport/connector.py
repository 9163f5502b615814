"""Opening connections: name lookup, the address rule, TCP with a second try beside a slow first, proxies, TLS.

This is the only place that decides about an address, and it decides about the one that it connects to.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from typing import Any

from raycrawl.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
)
from raycrawl.transport.addresses import AddressPolicy, is_private_address
from raycrawl.transport.connection import Connection, Exchange
from raycrawl.transport.origin import Origin, Proxy
from raycrawl.transport.resolver import Resolver
from raycrawl.transport.socks import socks5_connect
from raycrawl.transport.tls import SessionContext

# RFC 8305 section 8: how long the first address may be alone before the next is tried beside it.
STAGGER_S = 0.25


class Connector:
    """Opens connections to origins, directly or through proxies.

    Args:
        context: TLS for https.
        bind_address: local ``(host, port)`` to connect from unless the request has its own.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        resolver: Resolver,
        policy: AddressPolicy,
        context: SessionContext,
        *,
        bind_address: tuple[str, int] | None = None,
    ) -> None:
        self._loop = loop
        self._resolver = resolver
        self._policy = policy
        self._context = context
        self._bind_address = bind_address

    async def open(
        self,
        origin: Origin,
        *,
        is_trusted: bool,
        proxy: Proxy | None = None,
        proxy_authorization: bytes | None = None,
        bind_address: tuple[str, int] | None = None,
    ) -> Connection:
        """A connection that is ready for a request to ``origin``.

        Raises:
            CannotResolveHostError, DownloadConnectionRefusedError, DownloadFailedError: as their names say.
            DownloadCancelledError: only private addresses, and the request may not go there.
        """
        local = bind_address or self._bind_address
        if proxy is None:
            connection = await self._connect(origin.host, origin.port, local, is_trusted)
        else:
            if not is_trusted:
                self.check_literal(origin)
            # The proxy's own address is the user's choice: the rule is about where pages lead.
            connection = await self._connect(proxy.host, proxy.port, local, True)
        try:
            if proxy is not None:
                await self._through_proxy(connection, origin, proxy, proxy_authorization)
            if origin.is_tls:
                await self._start_tls(connection, origin.host)
        except BaseException:
            connection.abort()
            raise
        return connection

    def check_literal(self, origin: Origin) -> None:
        """Apply the rule to a URL whose host is an address: all that can be known before a proxy resolves it."""
        try:
            ipaddress.ip_address(origin.host)
        except ValueError:
            if not (origin.host.rstrip(".") == "localhost" or origin.host.rstrip(".").endswith(".localhost")):
                return
            if not self._policy.is_allowed(origin.host, "127.0.0.1"):
                raise _refused(origin.host) from None
            return
        if not self._policy.is_allowed(origin.host, origin.host):
            raise _refused(origin.host)

    async def _connect(self, host: str, port: int, local: tuple[str, int] | None, is_trusted: bool) -> Connection:
        try:
            ipaddress.ip_address(host)
            addresses = [host]
        except ValueError:
            addresses = await self._resolver.resolve(host)
        if not is_trusted:
            allowed = [address for address in addresses if self._policy.is_allowed(host, address)]
            if not allowed and addresses:
                raise _refused(host)
            addresses = allowed
        if not addresses:
            raise CannotResolveHostError(f"{host!r} has no address")
        addresses = _interleave(addresses)
        if len(addresses) == 1:
            return await self._connect_to(addresses[0], port, local)
        return await self._race(addresses, port, local)

    async def _race(self, addresses: list[str], port: int, local: tuple[str, int] | None) -> Connection:
        waiting = list(addresses)
        tasks: set[asyncio.Task[Connection]] = set()
        error: BaseException | None = None
        try:
            while waiting or tasks:
                if waiting:
                    tasks.add(self._loop.create_task(self._connect_to(waiting.pop(0), port, local)))
                done, tasks = await asyncio.wait(
                    tasks, timeout=STAGGER_S if waiting else None, return_when=asyncio.FIRST_COMPLETED
                )
                for index, task in enumerate(list(done)):
                    if task.exception() is None:
                        tasks.update(list(done)[index + 1 :])
                        return task.result()
                    error = error or task.exception()
        finally:
            for task in tasks:
                task.cancel()
                task.add_done_callback(_drop)
        assert error is not None
        raise error

    async def _connect_to(self, ip: str, port: int, local: tuple[str, int] | None) -> Connection:
        try:
            _transport, connection = await self._loop.create_connection(
                lambda: Connection(self._loop), ip, port, local_addr=local
            )
        except ConnectionRefusedError as exc:
            raise DownloadConnectionRefusedError(f"connection refused by {ip}:{port}") from exc
        except OSError as exc:
            raise DownloadFailedError(f"cannot connect to {ip}:{port}: {exc.strerror or type(exc).__name__}") from exc
        except (ValueError, UnicodeError) as exc:
            raise DownloadFailedError(f"cannot connect to {ip}:{port}: {exc}") from exc
        connection.ip = ip
        connection.is_private = is_private_address(ip)
        connection.ip_address = ipaddress.ip_address(ip.partition("%")[0])
        return connection

    async def _start_tls(self, connection: Connection, host: str) -> None:
        assert connection.transport is not None
        try:
            transport = await self._loop.start_tls(
                connection.transport, connection, self._context, server_hostname=host.rstrip(".")
            )
        except ssl.SSLError as exc:
            reason = getattr(exc, "verify_message", None) or exc.reason or type(exc).__name__
            raise DownloadFailedError(f"TLS handshake with {host!r} failed: {reason}") from exc
        except (OSError, ValueError) as exc:
            raise DownloadFailedError(f"TLS handshake with {host!r} failed: {exc or type(exc).__name__}") from exc
        if transport is None:
            raise DownloadFailedError(f"TLS handshake with {host!r} failed: connection closed")
        connection.transport = transport
        ssl_object: Any = transport.get_extra_info("ssl_object")
        connection.certificate = ssl_object.getpeercert(True) if ssl_object is not None else None

    def remember_session(self, connection: Connection) -> None:
        """Keep the TLS session for the next connection to this host."""
        if connection.transport is not None:
            self._context.remember(connection.transport.get_extra_info("ssl_object"))

    async def _through_proxy(
        self, connection: Connection, origin: Origin, proxy: Proxy, authorization: bytes | None
    ) -> None:
        if proxy.scheme == "https":
            await self._start_tls(connection, proxy.host)
            connection.certificate = None
        if proxy.is_socks:
            await socks5_connect(connection, self._loop, origin, proxy)
        elif origin.is_tls:
            await self._tunnel(connection, origin, authorization)

    async def _tunnel(self, connection: Connection, origin: Origin, authorization: bytes | None) -> None:
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        target = f"{host}:{origin.port}".encode("ascii")
        lines = [b"CONNECT " + target + b" HTTP/1.1", b"Host: " + target]
        if authorization:
            lines.append(b"Proxy-Authorization: " + authorization)
        exchange = Exchange(self._loop.create_future(), is_head=True)
        connection.send(exchange, b"\r\n".join(lines) + b"\r\n\r\n")
        await exchange.future
        head = exchange.head
        if head is None or head.status != 200:
            status = head.status if head is not None else "none"
            raise DownloadFailedError(f"the proxy refused to open a tunnel to {origin.host}: status {status}")
        if connection.is_closed:
            raise DownloadFailedError(f"the proxy closed the tunnel to {origin.host}")


def _refused(host: str) -> DownloadCancelledError:
    return DownloadCancelledError(
        f"{host!r} has a private address and the request came from a public page; see ALLOW_PRIVATE_ADDRESSES"
    )


def _interleave(addresses: list[str]) -> list[str]:
    """Alternate the address families, keeping the order in each (RFC 8305 section 4)."""
    first = [address for address in addresses if (":" in address) == (":" in addresses[0])]
    second = [address for address in addresses if (":" in address) != (":" in addresses[0])]
    mixed: list[str] = []
    for index in range(max(len(first), len(second))):
        mixed += first[index : index + 1] + second[index : index + 1]
    return mixed


def _drop(task: asyncio.Task[Connection]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().abort()
