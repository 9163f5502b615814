"""A TCP server whose answers are scripts: bytes to send, what to do after them, and a record of what it was sent."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

Script = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One accepted connection, as a script sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: RawServer) -> None:
        self.reader = reader
        self.writer = writer
        self.server = server

    async def request(self) -> bytes:
        """The next request head; raises IncompleteReadError when the client is gone."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                head += await self.reader.readexactly(int(line.partition(b":")[2]))
        self.server.requests.append(head)
        return head

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        self.writer.transport.abort()


class RawServer:
    """``url`` is where it listens; ``requests`` what came in; ``connections`` how many were accepted."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.scheme = "http"
        self.host = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.script(Peer(reader, writer, self))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    script: Script, *, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[RawServer]:
    server = RawServer(script)
    server.host = host
    server.scheme = "https" if context else "http"
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await server._serve(reader, writer)
        finally:
            tasks.discard(task)

    listener = await asyncio.start_server(serve, host, 0, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def raw(data: bytes) -> Script:
    """Answer the first request with ``data`` and close."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(data)

    return script


def keep_alive(body: bytes = b"ok", head: bytes = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n") -> Script:
    """Answer every request on a connection alike."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    return script
