"""SOCKS version 5 as a client: the name goes to the proxy, which resolves it (RFC 1928, RFC 1929)."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable

from raycrawl.exceptions import DownloadFailedError
from raycrawl.transport.connection import Connection
from raycrawl.transport.origin import Origin, Proxy

_REPLIES = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "expired",
    7: "command not supported",
    8: "address type not supported",
}


class _Handshake(asyncio.Protocol):
    """Collects bytes while the proxy is talked to; takes the place of the connection for that long."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._buffer = b""
        self._needed = 0
        self._waiter: asyncio.Future[None] | None = None
        self.is_lost = False

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done() and (self.is_lost or len(self._buffer) >= self._needed):
            waiter.set_result(None)

    async def read(self, nbytes: int) -> bytes:
        if len(self._buffer) < nbytes and not self.is_lost:
            self._needed = nbytes
            self._waiter = self._loop.create_future()
            await self._waiter
        if len(self._buffer) < nbytes:
            raise DownloadFailedError("the SOCKS proxy closed the connection")
        data, self._buffer = self._buffer[:nbytes], self._buffer[nbytes:]
        return data


async def socks5_connect(connection: Connection, loop: asyncio.AbstractEventLoop, origin: Origin, proxy: Proxy) -> None:
    """Ask the proxy at the other end of ``connection`` for a way to ``origin``.

    Raises:
        DownloadFailedError: the proxy refused, or does not speak SOCKS 5.
    """
    transport = connection.transport
    assert transport is not None
    handshake = _Handshake(loop)
    transport.set_protocol(handshake)
    await _authenticate(handshake, transport.write, proxy)
    transport.write(b"\x05\x01\x00" + _address(origin.host) + origin.port.to_bytes(2, "big"))
    reply = await handshake.read(4)
    if reply[0] != 5 or reply[1]:
        reason = _REPLIES.get(reply[1], "unknown reply")
        raise DownloadFailedError(f"the SOCKS proxy did not connect to {origin.host}: {reason}")
    size = {1: 4, 4: 16}.get(reply[3]) or (await handshake.read(1))[0]
    await handshake.read(size + 2)
    if handshake.is_lost:
        raise DownloadFailedError("the SOCKS proxy closed the connection")
    transport.set_protocol(connection)


async def _authenticate(handshake: _Handshake, write: Callable[[bytes], None], proxy: Proxy) -> None:
    has_login = bool(proxy.user or proxy.password)
    write(b"\x05\x02\x00\x02" if has_login else b"\x05\x01\x00")
    version, method = await handshake.read(2)
    if version != 5 or method not in ((0, 2) if has_login else (0,)):
        raise DownloadFailedError("the SOCKS proxy offers no way to log in that is known")
    if method == 2:
        user, password = proxy.user.encode()[:255], proxy.password.encode()[:255]
        write(b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password)
        if (await handshake.read(2))[1]:
            raise DownloadFailedError("the SOCKS proxy refused the credentials")


def _address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("ascii")[:255]
        return b"\x03" + bytes([len(name)]) + name
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed
