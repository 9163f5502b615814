"""A small HTTP/1.1 server for tests and the demo: loopback only, its own thread, every request on record.

A site is a function from :class:`SiteRequest` to :class:`SiteResponse`, plain or ``async``. A response may also say
how the server is to misbehave on the wire (close, reset, promise more bytes than it sends): see
`raycrawl.testing.misbehaviours`.
"""

from __future__ import annotations

import asyncio
import inspect
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from types import TracebackType

MAX_HEAD_NBYTES = 64 * 1024


class Ending(Enum):
    """What happens to the connection after the body."""

    KEEP = "keep"  # as HTTP/1.1 says
    CLOSE = "close"  # an orderly close, whatever was promised
    RESET = "reset"  # TCP RST
    HANG = "hang"  # nothing more comes, the connection stays open


@dataclass(frozen=True, slots=True)
class SiteRequest:
    """A request as the server read it. Header names are lower case; ``query`` keeps the last of repeated names."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    peer: str
    host: str

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteResponse:
    """An answer. ``chunks`` (pieces sent one by one) goes instead of ``body``; ``raw_head`` replaces the whole head."""

    body: bytes = b""
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    headers: list[tuple[str, str]] = field(default_factory=list)
    chunks: AsyncIterator[bytes] | None = None
    promised_nbytes: int | None = None
    raw_head: bytes | None = None
    ending: Ending = Ending.KEEP


@dataclass(frozen=True, slots=True)
class Hit:
    """One request on record: when its head was complete, on the server's monotonic clock."""

    time_s: float
    host: str
    method: str
    target: str
    headers: dict[str, str]


Site = Callable[[SiteRequest], SiteResponse | Awaitable[SiteResponse]]


class SiteServer:
    """Serves a site on loopback from a thread of its own; a context manager.

    Args:
        site: the function that answers.
        hosts: loopback addresses to listen at, all on one port (on Linux 127.0.0.0/8 needs no set-up).
        port: 0 for any free one.
        tls: a server context for https.

    ``hits`` is the record of requests, appended by the server's thread in the order of arrival.
    """

    def __init__(
        self, site: Site, *, hosts: tuple[str, ...] = ("127.0.0.1",), port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        if any(not host.startswith("127.") and host != "::1" for host in hosts):
            raise ValueError(f"a test site is served on loopback only, not on {', '.join(hosts)}")
        self._site = site
        self._hosts = hosts
        self._port = port
        self._tls = tls
        self.hits: list[Hit] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="raycrawl-site", daemon=True)
        self._ready = threading.Event()
        self._error: OSError | None = None
        self._stop: asyncio.Event | None = None

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        """The root's URL on the first host, with a slash at its end."""
        return f"{'https' if self._tls else 'http'}://{self._hosts[0]}:{self._port}/"

    def urljoin(self, path: str) -> str:
        """The URL of an absolute path."""
        return self.url + path.lstrip("/")

    def __enter__(self) -> SiteServer:
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stop = self._stop
        if stop is not None:
            self._loop.call_soon_threadsafe(stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
            self._loop.run_until_complete(_cancel_the_rest())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        try:
            servers = [await self._listen(self._hosts[0])]
            self._port = servers[0].sockets[0].getsockname()[1]
            servers += [await self._listen(host) for host in self._hosts[1:]]
        except OSError as error:
            self._error = error
            return
        finally:
            self._ready.set()
        await self._stop.wait()
        for server in servers:
            server.close()

    async def _listen(self, host: str) -> asyncio.Server:
        return await asyncio.start_server(
            self._connection, host, self._port, ssl=self._tls, limit=MAX_HEAD_NBYTES, backlog=1024
        )

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read_request(reader, writer)) is not None:
                self.hits.append(Hit(time.monotonic(), request.host, request.method, request.target, request.headers))
                response = self._site(request)
                if inspect.isawaitable(response):
                    response = await response
                await _send(writer, request, response)
                if not await _goes_on(writer, reader, request, response):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError):
            writer.transport.abort()  # the client's end of it, or a client that speaks no HTTP
        except asyncio.CancelledError:
            writer.transport.abort()  # the server stops: the task ends here, and streams complain about a cancelled one
        finally:
            writer.close()


async def _cancel_the_rest() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> SiteRequest | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, _, rest = lines[0].partition(" ")
    target = rest.rpartition(" ")[0]
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length") or 0))
    local = writer.get_extra_info("sockname")[0]
    return SiteRequest(method, target, headers, body, writer.get_extra_info("peername")[0], local)


async def _send(writer: asyncio.StreamWriter, request: SiteRequest, response: SiteResponse) -> None:
    writer.write(response.raw_head if response.raw_head is not None else _head(request, response))
    if request.method != "HEAD":
        if response.chunks is None:
            writer.write(response.body)
        else:
            is_chunked = response.promised_nbytes is None
            async for piece in response.chunks:
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
                await writer.drain()
            if is_chunked and response.ending is Ending.KEEP:
                writer.write(b"0\r\n\r\n")
    await writer.drain()


def _head(request: SiteRequest, response: SiteResponse) -> bytes:
    try:
        reason = HTTPStatus(response.status).phrase
    except ValueError:
        reason = ""
    lines = [f"HTTP/1.1 {response.status} {reason}", f"content-type: {response.content_type}"]
    if response.chunks is not None and response.promised_nbytes is None:
        lines.append("transfer-encoding: chunked")
    else:
        promised = len(response.body) if response.promised_nbytes is None else response.promised_nbytes
        lines.append(f"content-length: {promised}")
    lines += [f"{name}: {value}" for name, value in response.headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def _goes_on(
    writer: asyncio.StreamWriter, reader: asyncio.StreamReader, request: SiteRequest, response: SiteResponse
) -> bool:
    if response.ending is Ending.RESET:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # on, 0 s: RST
        writer.transport.abort()
        return False
    if response.ending is Ending.HANG:
        await reader.read()  # until the client gives up
        return False
    return response.ending is Ending.KEEP and request.headers.get("connection", "").lower() != "close"
