"""A forward proxy on loopback for a browser: its traffic then leaves through raycrawl's own connector.

So the rule of ``addresses`` holds for whatever a rendered page loads, on the very address that is connected to, and the
request's proxy, bind address and DNS cache apply. Only the browser that was told its port and token gets through.

Source: RFC 9110 section 9.3.6 (CONNECT), RFC 9112 section 3.2.2 (absolute form).
"""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
from contextlib import suppress
from typing import Any, Protocol

from raycrawl.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
)
from raycrawl.transport.http1 import MAX_HEAD_NBYTES
from raycrawl.transport.origin import Origin, split_url

logger = logging.getLogger(__name__)

_BLOCK_NBYTES = 64 * 1024


class StreamOpener(Protocol):
    """How the proxy reaches a server: a socket to ``origin``, checked, without TLS of its own."""

    async def open_stream(
        self, origin: Origin, *, is_trusted: bool
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]: ...


class ForwardProxy:
    """Serves one kind of requests: those that may go to private addresses, or those that may not.

    ``user`` and ``password`` are what the browser has to send; other local programs do not know them.
    """

    def __init__(self, opener: StreamOpener, *, is_trusted: bool) -> None:
        self._opener = opener
        self._is_trusted = is_trusted
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self.user = "browser"
        self.password = secrets.token_urlsafe(24)
        self._expected = b"Basic " + base64.b64encode(f"{self.user}:{self.password}".encode())
        self.refused = 0

    async def start(self) -> str:
        """Listen on a free port of 127.0.0.1; returns the proxy's URL."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=MAX_HEAD_NBYTES)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Stop listening and end the connections."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            logger.debug("A connection of the browser ended early")
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head[:-4].split(b"\r\n")
        parts = lines[0].split(b" ")
        fields = [line.partition(b":") for line in lines[1:]]
        given = [value.strip() for name, _, value in fields if name.lower() == b"proxy-authorization"]
        if len(given) != 1 or not secrets.compare_digest(given[0], self._expected):
            await _answer(
                writer, b"407 Proxy Authentication Required", b'Proxy-Authenticate: Basic realm="raycrawl"\r\n'
            )
            return
        try:
            origin, request = _target(parts, fields)
            upstream, sender = await self._opener.open_stream(origin, is_trusted=self._is_trusted)
        except DownloadCancelledError:
            self.refused += 1
            await _answer(writer, b"403 Forbidden")
            return
        except (ValueError, IndexError):
            await _answer(writer, b"400 Bad Request")
            return
        except (DownloadFailedError, DownloadConnectionRefusedError, CannotResolveHostError, TimeoutError) as exc:
            logger.debug("The browser's request could not be sent: %s", exc)
            await _answer(writer, b"502 Bad Gateway")
            return
        if request is None:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            sender.write(request)
        await _join(reader, writer, upstream, sender)


def _target(parts: list[bytes], fields: list[tuple[bytes, bytes, bytes]]) -> tuple[Origin, bytes | None]:
    """Where a request leads, and its head as the server gets it (None for a tunnel)."""
    if parts[0] == b"CONNECT":
        return split_url(f"http://{parts[1].decode('ascii')}/")[0], None
    origin, target, _ = split_url(parts[1].decode("ascii"))
    if origin.is_tls:
        raise ValueError("https comes through CONNECT")
    hop_by_hop = (b"proxy-authorization", b"proxy-connection", b"connection", b"keep-alive")
    kept = [name + b":" + value for name, _, value in fields if name.lower() not in hop_by_hop]
    # One request a connection: the next one may be for another server.
    return origin, b"\r\n".join([parts[0] + b" " + target + b" HTTP/1.1", *kept, b"Connection: close", b"", b""])


async def _answer(writer: asyncio.StreamWriter, status: bytes, headers: bytes = b"") -> None:
    writer.write(b"HTTP/1.1 " + status + b"\r\n" + headers + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    upstream: asyncio.StreamReader,
    sender: asyncio.StreamWriter,
) -> None:
    """Carry bytes both ways until one side ends."""
    tasks = [asyncio.ensure_future(_pipe(reader, sender)), asyncio.ensure_future(_pipe(upstream, writer))]
    try:
        await tasks[1]  # the server's side decides: a browser may half-close early
    finally:
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        sender.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while block := await reader.read(_BLOCK_NBYTES):
            writer.write(block)
            await writer.drain()
