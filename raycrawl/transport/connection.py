"""One HTTP/1.1 connection: an ``asyncio.Protocol`` that carries one exchange at a time.

It owns the reading of a response and its limits while bytes arrive. It never opens, retries or pools anything, and it
never closes an exchange twice. After each exchange ``is_reusable`` says whether the socket may serve another one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from raycrawl.exceptions import DownloadCancelledError, DownloadFailedError, ResponseDataLossError, StopDownload
from raycrawl.transport.http1 import (
    MAX_HEAD_NBYTES,
    MAX_INTERIM_RESPONSES,
    BadResponse,
    ChunkedDecoder,
    Framing,
    Head,
    find_head_end,
    parse_head,
)

_MAX_PARTS = 64


class NothingReceived(DownloadFailedError):
    """The connection closed before the first byte of the response; on a reused socket the request may be repeated."""


class Exchange:
    """A request on the wire and what has come back of it.

    Args:
        future: gets None when the response is complete, or an exception of raycrawl.exceptions.
        is_head: the response has no body (HEAD, or CONNECT that succeeded).
        max_nbytes: a larger body cancels the download; 0 is no limit.
        on_headers, on_bytes: called while receiving; a StopDownload that they return ends the download.
    """

    __slots__ = (
        "_buffer",
        "body_nbytes",
        "future",
        "head",
        "head_at_s",
        "is_complete",
        "is_head",
        "is_truncated",
        "max_nbytes",
        "on_bytes",
        "on_headers",
        "parts",
        "stop",
        "truncate_nbytes",
    )

    def __init__(
        self,
        future: asyncio.Future[None],
        *,
        is_head: bool = False,
        max_nbytes: int = 0,
        on_headers: Callable[[Head], StopDownload | None] | None = None,
        on_bytes: Callable[[bytes], StopDownload | None] | None = None,
    ) -> None:
        self.future = future
        self.is_head = is_head
        self.max_nbytes = max_nbytes
        self.on_headers = on_headers
        self.on_bytes = on_bytes
        self.head: Head | None = None
        self.head_at_s = 0.0
        self.parts: list[bytes] = []
        self._buffer: bytearray | None = None
        self.body_nbytes = 0
        self.is_complete = False
        self.is_truncated = False
        self.truncate_nbytes = 0  # cut the body here instead of failing; 0: never
        self.stop: StopDownload | None = None

    @property
    def is_cut(self) -> bool:
        """Whether the rest of the body is not wanted."""
        return self.stop is not None or self.is_truncated

    def add(self, data: bytes) -> None:
        """Take a piece of the body. A body of a million tiny pieces takes the memory of the body, not of the pieces."""
        if self._buffer is not None:
            self._buffer += data
            return
        self.parts.append(data)
        if len(self.parts) == _MAX_PARTS:
            self._buffer = bytearray(b"".join(self.parts))
            self.parts.clear()

    @property
    def body(self) -> bytes:
        if self._buffer is not None:
            return bytes(self._buffer)
        return self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)


class Connection(asyncio.Protocol):
    """A socket to one origin (or proxy). ``key`` says whose pool it belongs to."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.key: Any = None
        self.transport: asyncio.Transport | None = None
        self.ip = ""
        self.is_private = False
        self.ip_address: Any = None
        self.certificate: Any = None
        self.is_closed = False
        self.is_reusable = False
        self.exchanges = 0
        self.idle_since_s = 0.0
        self._exchange: Exchange | None = None
        self._buffer: bytes | bytearray = b""
        self._scanned = 0
        self._decoder: ChunkedDecoder | None = None
        self._interim_count = 0
        self._interim_nbytes = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:  # nobody asked: whatever it is must never become the next response
            self.abort()
            return
        try:
            if exchange.head is None:
                self._feed_head(exchange, data)
            else:
                self._feed_body(exchange, exchange.head, data)
        except BadResponse as exc:
            self._fail(DownloadFailedError(str(exc)) if exchange.head is None else ResponseDataLossError(str(exc)))
        except DownloadCancelledError as exc:
            self._fail(exc)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        self.is_reusable = False
        exchange = self._exchange
        if exchange is None:
            return
        head = exchange.head
        if head is None:
            why = "without sending a response" if not self._buffer else "within the response's headers"
            kind = DownloadFailedError if self._buffer or self._interim_count else NothingReceived
            self._fail(kind(f"the server closed the connection {why}{_reason(exc)}"))
        elif self._is_whole(head, exc):
            self._finish(exchange, b"", can_reuse=False)
        else:
            self._fail(ResponseDataLossError(f"the connection closed before the end of the body{_reason(exc)}"))

    def _is_whole(self, head: Head, exc: Exception | None) -> bool:
        """Whether a close at this point ends the body instead of cutting it."""
        if self._decoder is not None:
            return self._decoder.has_last_chunk
        return head.framing is Framing.UNTIL_CLOSE and exc is None

    # what the handler uses

    def send(self, exchange: Exchange, data: bytes) -> None:
        """Begin an exchange: ``data`` is the whole request. The connection must not be carrying another one."""
        self._exchange = exchange
        self.is_reusable = False
        self.exchanges += 1
        if self.is_closed or self.transport is None:
            self._fail(NothingReceived("the server closed the connection without sending a response"))
        else:
            self.transport.write(data)

    def abort(self) -> None:
        """Close at once, dropping what is buffered. Harmless when repeated."""
        self.is_closed = True
        self.is_reusable = False
        self._exchange = None
        self._buffer = b""
        if self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        """Close an idle connection politely (TLS close_notify)."""
        self.is_closed = True
        if self.transport is not None:
            self.transport.close()

    # reading

    def _feed_head(self, exchange: Exchange, data: bytes) -> None:
        buffer: bytes | bytearray = data
        if self._buffer:  # a head that comes in many pieces must not be copied for each of them
            if isinstance(self._buffer, bytes):
                self._buffer = bytearray(self._buffer)
            self._buffer += data
            buffer = self._buffer
        while True:
            if buffer[:1] in (b"\r", b"\n"):
                buffer = buffer.lstrip(b"\r\n")
                self._scanned = 0
            end = find_head_end(buffer, self._scanned)
            if end < 0 or end > MAX_HEAD_NBYTES:
                if len(buffer) > MAX_HEAD_NBYTES:
                    raise BadResponse(f"the response's headers are larger than {MAX_HEAD_NBYTES} bytes")
                if len(buffer) >= 5 and not buffer[:5].upper().startswith((b"HTTP/", b"ICY ")):
                    raise BadResponse("the server's answer does not start with an HTTP status line")
                self._buffer = buffer
                self._scanned = max(0, len(buffer) - 3)
                return
            head = parse_head(bytes(buffer[:end]), is_head_request=exchange.is_head)
            self._scanned = 0
            if not 100 <= head.status < 200 or head.status == 101:
                break
            self._count_interim(end)
            buffer = buffer[end:]
        self._buffer = b""
        exchange.head = head
        exchange.head_at_s = self._loop.time()
        self._start_body(exchange, head, bytes(buffer), end)

    def _count_interim(self, nbytes: int) -> None:
        self._interim_count += 1
        self._interim_nbytes += nbytes
        if self._interim_count > MAX_INTERIM_RESPONSES or self._interim_nbytes > MAX_HEAD_NBYTES:
            raise BadResponse("the server sent interim (1xx) responses without end")

    def _start_body(self, exchange: Exchange, head: Head, buffer: bytes, start: int) -> None:
        if exchange.max_nbytes and head.length > exchange.max_nbytes and not exchange.truncate_nbytes:
            raise DownloadCancelledError(
                f"the announced response size ({head.length} bytes) is larger than the limit of {exchange.max_nbytes}"
            )
        if exchange.on_headers is not None:
            exchange.stop = exchange.on_headers(head)
            if exchange.stop is not None:
                self._finish(exchange, b"", can_reuse=False)
                return
        length = head.length
        if head.framing is Framing.LENGTH and len(buffer) - start >= length:
            is_exact = len(buffer) - start == length
            body = buffer[start : start + length]
            self._take(exchange, body)
            self._finish(exchange, b"", can_reuse=is_exact and not exchange.is_cut)
            return
        if head.framing is Framing.CHUNKED:
            self._decoder = ChunkedDecoder()
        if len(buffer) > start:
            self._feed_body(exchange, head, buffer[start:])

    def _feed_body(self, exchange: Exchange, head: Head, data: bytes) -> None:
        if head.framing is Framing.LENGTH:
            left = head.length - exchange.body_nbytes
            if len(data) < left:
                self._take(exchange, data)
            else:
                is_exact = len(data) == left
                self._take(exchange, data if is_exact else data[:left])
                self._finish(exchange, b"", can_reuse=is_exact and not exchange.is_cut)
                return
        elif self._decoder is not None:
            out: list[bytes] = []
            try:
                self._decoder.feed(data, out)
            finally:
                for part in out:
                    self._take(exchange, part)
            if self._decoder.is_done:
                self._finish(exchange, self._decoder.rest, can_reuse=not exchange.is_cut)
                return
        else:
            self._take(exchange, data)
        if exchange.is_cut:
            self._finish(exchange, b"", can_reuse=False)

    def _take(self, exchange: Exchange, data: bytes) -> None:
        if exchange.is_cut:
            return
        exchange.body_nbytes += len(data)
        if exchange.truncate_nbytes and exchange.body_nbytes > exchange.truncate_nbytes:
            data = data[: len(data) - (exchange.body_nbytes - exchange.truncate_nbytes)]
            exchange.is_truncated = True
        elif exchange.max_nbytes and exchange.body_nbytes > exchange.max_nbytes:
            raise DownloadCancelledError(f"the response is larger than the limit of {exchange.max_nbytes} bytes")
        if data:
            exchange.add(data)
            if exchange.on_bytes is not None:
                exchange.stop = exchange.on_bytes(data)

    # ending

    def _reset(self) -> None:
        self._exchange = None
        self._buffer = b""
        self._decoder = None
        self._scanned = self._interim_count = self._interim_nbytes = 0

    def _finish(self, exchange: Exchange, rest: bytes, *, can_reuse: bool) -> None:
        head = exchange.head
        self._reset()
        self.is_reusable = can_reuse and not rest and head is not None and head.can_keep_alive and not self.is_closed
        exchange.is_complete = True
        if not exchange.future.done():
            exchange.future.set_result(None)
        if not self.is_reusable:
            self.abort()

    def _fail(self, error: Exception) -> None:
        exchange = self._exchange
        self._reset()
        self.abort()
        if exchange is not None and not exchange.future.done():
            exchange.future.set_exception(error)


def _reason(exc: Exception | None) -> str:
    return "" if exc is None else f" ({type(exc).__name__})"
