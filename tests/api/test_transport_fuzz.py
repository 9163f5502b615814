"""Whatever a server sends, in whatever pieces: the same result, one end, and only errors that are ours."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from raycrawl.exceptions import DownloadCancelledError, DownloadFailedError, ResponseDataLossError
from raycrawl.transport.connection import Connection, Exchange
from raycrawl.transport.inflate import InflateLimitExceeded, inflate

OURS = (DownloadCancelledError, DownloadFailedError, ResponseDataLossError)


class Loop:
    def time(self) -> float:
        return 0.0


class Transport:
    is_aborted = False

    def write(self, data: bytes) -> None:
        return None

    def abort(self) -> None:
        self.is_aborted = True


class Outcome:
    """A future that notes its only result."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.ends = 0

    def done(self) -> bool:
        return self.ends > 0

    def set_result(self, value: None) -> None:
        self.ends += 1

    def set_exception(self, error: Exception) -> None:
        self.ends += 1
        self.error = error


def receive(pieces: list[bytes], *, is_head: bool = False, max_nbytes: int = 0) -> tuple[Any, ...]:
    connection = Connection(Loop())  # type: ignore[arg-type]
    connection.connection_made(Transport())  # type: ignore[arg-type]
    outcome = Outcome()
    exchange = Exchange(outcome, is_head=is_head, max_nbytes=max_nbytes)  # type: ignore[arg-type]
    connection.send(exchange, b"GET / HTTP/1.1\r\n\r\n")
    for piece in pieces:
        if piece and not connection.is_closed and not outcome.done():
            connection.data_received(piece)
    if not outcome.done():
        connection.connection_lost(None)
    assert outcome.ends == 1
    assert outcome.error is None or isinstance(outcome.error, OURS)
    head = exchange.head
    return (
        None if head is None else head.status,
        None if head is None else head.headers,
        exchange.body if max_nbytes == 0 else len(exchange.body) <= max_nbytes,
        type(outcome.error),
    )


lines = st.sampled_from(
    [
        b"HTTP/1.1 200 OK", b"HTTP/1.0 404", b"HTTP/1.1 204 No", b"HTTP/1.1 100 Continue", b"ICY 200", b"junk",
        b"Content-Length: 5", b"Content-Length: 0", b"Content-Length: -1", b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked", b"Connection: keep-alive", b"Connection: close", b" folded", b"no colon",
        b"X: \x00", b"", b"", b"5", b"hello", b"0", b"3;ext", b"abc",
    ]
)  # fmt: skip
ends = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"])
messages = st.lists(st.tuples(lines, ends), max_size=14).map(lambda parts: b"".join(a + b for a, b in parts))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(marks)]


@settings(max_examples=300, deadline=None)
@given(messages | st.binary(max_size=80), st.lists(st.integers(0, 10_000), max_size=12), st.booleans())
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", list(range(60)), False)
@example(b"\r\n\r\nHTTP/1.1 200 OK\n\nbody", list(range(30)), False)
def test_pieces_make_no_difference(data: bytes, places: list[int], is_head: bool) -> None:
    assert receive(cut(data, places), is_head=is_head) == receive([data], is_head=is_head)


@settings(max_examples=200, deadline=None)
@given(messages, st.lists(st.integers(0, 10_000), max_size=8), st.integers(1, 10))
def test_no_body_exceeds_its_limit(data: bytes, places: list[int], max_nbytes: int) -> None:
    assert receive(cut(data, places), max_nbytes=max_nbytes)[2] is True


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"gzip", b"deflate", b"br", b"zstd"]), st.booleans())
def test_garbage_never_breaks_decompression(data: bytes, coding: bytes, has_magic: bool) -> None:
    if has_magic:
        data = {b"gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\0", b"zstd": b"\x28\xb5\x2f\xfd"}.get(coding, b"\x78\x9c") + data
    with suppress(InflateLimitExceeded):
        assert len(inflate(data, coding, 10_000)) <= 10_000
