"""Decompression that stops at a limit while it inflates, for Content-Encoding and Transfer-Encoding.

A compressed page of 1 MB can hold 1 GB: the limit is checked on every block that comes out, so memory never exceeds it
by more than one block. Data that ends early or turns to garbage gives what could be read before that, as browsers do;
data that was never in that coding is given back as it is, since servers mislabel what is not compressed at all.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

_BLOCK_NBYTES = 64 * 1024
# Empty members cost time and give nothing: nobody honest concatenates this many (RFC 1952 allows any number).
_MAX_EMPTY_MEMBERS = 1000


class InflateLimitExceeded(Exception):
    """The output would be larger than allowed.

    Attributes:
        nbytes: how much had come out when it stopped.
    """

    def __init__(self, nbytes: int) -> None:
        super().__init__(f"{nbytes} bytes decompressed so far")
        self.nbytes = nbytes


class UnknownCoding(Exception):
    """No decoder for this coding is available."""


class _NotEncoded(Exception):
    """The data is not in the coding that it is said to be in."""


def _zlib_blocks(data: bytes, wbits: int) -> Iterator[bytes]:
    """Blocks of output; for gzip all members, ignoring garbage behind the last."""
    empty = 0
    is_first = True
    while data:
        decoder = zlib.decompressobj(wbits)
        produced = 0
        while True:
            try:
                block = decoder.decompress(data, _BLOCK_NBYTES)
            except zlib.error:
                if is_first and not produced:
                    raise _NotEncoded from None
                return
            produced += len(block)
            if block:
                yield block
            data = decoder.unconsumed_tail
            if decoder.eof or (not data and len(block) < _BLOCK_NBYTES):
                break
        is_first = False
        if not decoder.eof or wbits < 16:
            return
        data = decoder.unused_data.lstrip(b"\0")  # padding between members
        empty = 0 if produced else empty + 1
        if empty > _MAX_EMPTY_MEMBERS or data[:2] != b"\x1f\x8b":
            return


def _gzip(data: bytes) -> Iterator[bytes]:
    return _zlib_blocks(data, 16 + zlib.MAX_WBITS)


def _deflate(data: bytes) -> Iterator[bytes]:
    """zlib (RFC 1950) as the standard says, or raw deflate (RFC 1951) as many servers send."""
    is_zlib = len(data) >= 2 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
    return _zlib_blocks(data, zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)


def _brotli(data: bytes) -> Iterator[bytes]:
    import brotli

    decoder = brotli.Decompressor()
    produced = 0
    try:
        block = decoder.process(data, output_buffer_limit=_BLOCK_NBYTES)
        while block or not (decoder.is_finished() or decoder.can_accept_more_data()):
            produced += len(block)
            yield block
            block = decoder.process(b"", output_buffer_limit=_BLOCK_NBYTES)
    except brotli.error:
        if not produced:
            raise _NotEncoded from None


def _zstd(data: bytes) -> Iterator[bytes]:
    import zstandard

    produced = 0
    try:
        # RFC 9659 allows windows of 8 MiB; servers exceed it, but a header must not claim gigabytes.
        decoder = zstandard.ZstdDecompressor(max_window_size=128 * 1024 * 1024)
        with decoder.stream_reader(data, read_across_frames=True) as reader:
            while block := reader.read(_BLOCK_NBYTES):
                produced += len(block)
                yield block
    except zstandard.ZstdError:
        if not produced:
            raise _NotEncoded from None


_DECODERS: dict[bytes, Callable[[bytes], Iterator[bytes]]] = {
    b"gzip": _gzip,
    b"x-gzip": _gzip,
    b"deflate": _deflate,
    b"br": _brotli,
    b"zstd": _zstd,
}


def is_known(coding: bytes) -> bool:
    return coding in _DECODERS


def inflate(data: bytes, coding: bytes, max_nbytes: int = 0, *, may_truncate: bool = False) -> bytes:
    """``data`` decoded from ``coding`` (lower case; ``gzip, x-gzip, deflate, br, zstd``).

    Args:
        max_nbytes: 0 is no limit.
        may_truncate: at the limit, give the first ``max_nbytes`` bytes instead of raising.

    Raises:
        UnknownCoding: no decoder.
        InflateLimitExceeded: more than ``max_nbytes`` would come out.
    """
    try:
        blocks = _DECODERS[coding](data)
    except KeyError:
        raise UnknownCoding(coding.decode("latin-1")) from None
    parts: list[bytes] = []
    size = 0
    try:
        for block in blocks:
            size += len(block)
            parts.append(block)
            if max_nbytes and size > max_nbytes:
                if may_truncate:
                    return b"".join(parts)[:max_nbytes]
                raise InflateLimitExceeded(size)
    except _NotEncoded:
        return data
    return b"".join(parts)
