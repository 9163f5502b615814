"""Reading HTTP/1.x responses, forgiving where forgiving is safe. No I/O and no clock in here.

Real servers break the grammar in many ways, and a page behind a broken header is still a page. What is accepted beyond
RFC 9112: bare LF line ends, lines without a colon (skipped), folded lines, NUL and Latin-1 in values, blanks before the
colon, a status line without a reason or with another protocol word (``ICY``), a Content-Length that is no number.
Whatever needed forgiveness, or came with more bytes than announced, costs the connection: it is never used again, so
that a response can not be smuggled into the next one. What stays refused: no status line at all, Content-Length values
that contradict each other, chunks that can not be read, and anything endless.

Source: RFC 9112 sections 2.2, 4, 5, 6 and 7.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import NamedTuple

# A head larger than this is an attack or not HTTP. Chromium and Twisted stop at 256 and 16 KiB.
MAX_HEAD_NBYTES = 256 * 1024
MAX_CHUNK_LINE_NBYTES = 16 * 1024
# RFC 9110 section 15.2 allows any number of interim responses; nobody honest sends this many.
MAX_INTERIM_RESPONSES = 100

# Chunks of a byte or two cost much time for little body; nobody honest sends megabytes of chunk headers.
MAX_CHUNK_OVERHEAD_NBYTES = 1024 * 1024

_STATUS_LINE = re.compile(rb"(?:HTTP/(\d)(?:\.(\d+))?|ICY)[ \t]+(\d{3})(?!\d)[ \t:]*(.*)", re.DOTALL | re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"[ \t]*0*([0-9a-fA-F]{1,16})[ \t]*(?:;.*)?$", re.DOTALL)
_DIGITS = re.compile(rb"\d{1,100}$")


class BadResponse(Exception):
    """The bytes are no HTTP response that can be read safely; the message says why and quotes no body."""


class Framing(IntEnum):
    """How the end of a body is known."""

    LENGTH = 0
    CHUNKED = 1
    UNTIL_CLOSE = 2


class Head(NamedTuple):
    """A parsed status line and header section.

    ``length`` is the announced size in bytes for ``Framing.LENGTH``, else -1. ``can_keep_alive`` is False when the
    server said so or when the head needed forgiveness.
    """

    status: int
    protocol: str
    headers: list[tuple[bytes, bytes]]
    framing: Framing
    length: int
    can_keep_alive: bool
    transfer_codings: tuple[bytes, ...] = ()


def find_head_end(data: bytes | bytearray, start: int = 0) -> int:
    """The index just behind the blank line that ends a head, or -1 when it is not complete."""
    crlf = data.find(b"\n\r\n", start)
    bare = data.find(b"\n\n", start, crlf + 1 if crlf >= 0 else len(data))
    if bare >= 0:
        return bare + 2
    return crlf + 3 if crlf >= 0 else -1


def parse_head(head: bytes, *, is_head_request: bool = False) -> Head:
    """Parse a status line and its headers (``head`` ends with the blank line).

    Raises:
        BadResponse: no status line, or contradicting lengths.
    """
    lines = head.split(b"\n")
    match = _STATUS_LINE.match(lines[0].rstrip(b"\r"))
    if match is None:
        raise BadResponse("the server's answer does not start with an HTTP status line")
    major, minor, code, _reason = match.groups()
    status = int(code)
    if status < 100:
        raise BadResponse(f"the server sent the status code {status}")
    is_http11 = major is not None and (major > b"1" or (minor or b"0") >= b"1")
    headers, was_clean = _parse_fields(lines)
    framing, length, codings, is_exact = _framing(headers, status, is_head_request)
    keep = was_clean and is_exact and major is not None and status != 101 and _wants_keep_alive(headers, is_http11)
    protocol = f"HTTP/{major.decode()}.{(minor or b'0').decode()}" if major is not None else "HTTP/1.0"
    return Head(status, protocol, headers, framing, length, keep, codings)


def _parse_fields(lines: list[bytes]) -> tuple[list[tuple[bytes, bytes]], bool]:
    headers: list[tuple[bytes, bytes]] = []
    was_clean = True
    for line in lines[1:]:
        if line in (b"\r", b""):
            continue
        name, colon, value = line.partition(b":")
        if line[0] in b" \t":
            was_clean = False
            if headers:  # obs-fold, RFC 9112 section 5.2: one blank instead of the line end
                previous_name, previous = headers[-1]
                headers[-1] = (previous_name, (previous + b" " + line.strip(b" \t\r")).strip())
            continue
        if not colon or not name.rstrip(b" \t"):
            was_clean = False
            continue
        if name[-1] in b" \t":
            name = name.rstrip(b" \t")
            was_clean = False
        value = value.strip(b" \t\r")
        if b"\0" in value or b"\r" in value:  # RFC 9110 section 5.5: replace with a blank
            value = value.replace(b"\0", b" ").replace(b"\r", b" ")
            was_clean = False
        headers.append((name, value))
    return headers, was_clean


def _values(headers: list[tuple[bytes, bytes]], wanted: bytes) -> list[bytes]:
    size = len(wanted)
    return [value for name, value in headers if len(name) == size and name.lower() == wanted]


def _wants_keep_alive(headers: list[tuple[bytes, bytes]], is_http11: bool) -> bool:
    values = _values(headers, b"connection")
    if not values:
        return is_http11
    tokens = b",".join(values).lower()
    if b"close" in tokens:
        return False
    return is_http11 or b"keep-alive" in tokens


def _framing(
    headers: list[tuple[bytes, bytes]], status: int, is_head_request: bool
) -> tuple[Framing, int, tuple[bytes, ...], bool]:
    """RFC 9112 section 6.3; the last value is False when the connection must not be used again."""
    codings = _values(headers, b"transfer-encoding")
    lengths = _values(headers, b"content-length")
    if is_head_request or status in (204, 304) or 100 <= status < 200:
        return Framing.LENGTH, 0, (), True
    if codings:
        names = [part.strip().lower() for part in b",".join(codings).split(b",")]
        names = [name for name in names if name and name != b"identity"]
        if b"chunked" in names:
            others = tuple(name for name in names if name != b"chunked")
            return Framing.CHUNKED, -1, others, not lengths and names.count(b"chunked") == 1 and names[-1] == b"chunked"
        if names:
            return Framing.UNTIL_CLOSE, -1, tuple(names), False
    if not lengths:
        return Framing.UNTIL_CLOSE, -1, (), False
    if len(lengths) == 1 and _DIGITS.match(lengths[0]):
        return Framing.LENGTH, int(lengths[0]), (), True
    distinct = {part.strip() for value in lengths for part in value.split(b",")}
    if len(distinct) == 1:
        (value,) = distinct
        if _DIGITS.match(value):
            return Framing.LENGTH, int(value), (), False
        return Framing.UNTIL_CLOSE, -1, (), False
    raise BadResponse("the server sent contradicting Content-Length headers")


class ChunkedDecoder:
    """Takes the bytes of a chunked body apart. Trailers are read and dropped (RFC 9110 section 6.5.1)."""

    __slots__ = ("_body_nbytes", "_buffer", "_left", "_overhead_nbytes", "_trailer_nbytes", "is_done", "rest")

    def __init__(self) -> None:
        self._buffer = b""
        self._left = 0  # bytes of the current chunk, with its line end, that are still to come
        self._trailer_nbytes = -1  # >= 0: the last chunk was seen
        self._body_nbytes = 0
        self._overhead_nbytes = 0
        self.is_done = False
        self.rest = b""

    @property
    def has_last_chunk(self) -> bool:
        """Whether the zero chunk came: what follows is only trailers, so a close now loses nothing."""
        return self._trailer_nbytes >= 0

    def feed(self, data: bytes, out: list[bytes]) -> None:
        """Append the body bytes in ``data`` to ``out``; sets ``is_done`` and ``rest`` at the end of the body.

        Raises:
            BadResponse: the chunks can not be read.
        """
        buffer = self._buffer + data if self._buffer else data
        position = 0
        size = len(buffer)
        while position < size and not self.is_done:
            if self._trailer_nbytes >= 0:
                position = self._feed_trailers(buffer, position)
                if position < 0:
                    return
                continue
            if self._left > 2:
                position = self._take(buffer, position, size, out)
                continue
            if self._left:
                next_position = self._skip_line_end(buffer, position)
                if next_position < 0:
                    break
                position = next_position
                continue
            end = buffer.find(b"\n", position)
            if end < 0:
                if size - position > MAX_CHUNK_LINE_NBYTES:
                    raise BadResponse("a chunk size line without end")
                break
            self._count_overhead(end + 3 - position)
            self._start_chunk(buffer[position:end].rstrip(b"\r"))
            position = end + 1
        self._buffer = buffer[position:] if position < size and not self.is_done else b""
        if self.is_done:
            self.rest = buffer[position:]

    def _take(self, buffer: bytes, position: int, size: int, out: list[bytes]) -> int:
        end = min(size, position + self._left - 2)
        out.append(buffer[position:end])
        self._body_nbytes += end - position
        self._left -= end - position
        return end

    def _skip_line_end(self, buffer: bytes, position: int) -> int:
        if buffer[position] == 10:
            self._left = 0
            return position + 1
        if buffer[position] != 13:
            raise BadResponse("a chunk is longer than its size says")
        if position + 1 >= len(buffer):
            return -1
        if buffer[position + 1] != 10:
            raise BadResponse("a chunk is longer than its size says")
        self._left = 0
        return position + 2

    def _start_chunk(self, line: bytes) -> None:
        match = _CHUNK_SIZE.match(line)
        if match is None:
            raise BadResponse("a chunk size that is no hexadecimal number")
        length = int(match[1], 16)
        if length:
            self._left = length + 2
        else:
            self._trailer_nbytes = 0

    def _count_overhead(self, nbytes: int) -> None:
        self._overhead_nbytes += nbytes
        if self._overhead_nbytes > MAX_CHUNK_OVERHEAD_NBYTES and self._overhead_nbytes > 4 * self._body_nbytes:
            raise BadResponse("the chunks are mostly chunk headers")

    def _feed_trailers(self, buffer: bytes, position: int) -> int:
        end = buffer.find(b"\n", position)
        if end < 0:
            self._count_trailer(len(buffer) - position)
            self._buffer = buffer[position:]
            return -1
        self._count_trailer(end + 1 - position)
        if buffer[position:end] in (b"", b"\r"):
            self.is_done = True
        return end + 1

    def _count_trailer(self, nbytes: int) -> None:
        self._trailer_nbytes += nbytes
        if self._trailer_nbytes > MAX_HEAD_NBYTES:
            raise BadResponse("endless trailers behind the last chunk")
