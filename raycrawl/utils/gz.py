"""Decompressing gzip data of unknown quality, within a limit."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raycrawl.http import Response

_MAGIC = b"\x1f\x8b\x08"
_CHUNK_NBYTES = 64 * 1024
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class DecompressionMaxSizeExceeded(ValueError):
    """Data grows beyond the allowed size when it is decompressed."""


def gunzip(data: bytes, *, max_size: int = 0) -> bytes:
    """Decompress ``data``; of a damaged or cut file, what can be read before the damage.

    Args:
        max_size: the most bytes that the result may have; 0 means no limit. Never more than this and one chunk of
            64 KiB is held.

    Raises:
        gzip.BadGzipFile: ``data`` is not gzip.
        EOFError: the file is cut before its first byte of content.
        DecompressionMaxSizeExceeded: the result exceeds ``max_size``.
    """
    output = bytearray()
    rest = data
    while rest:
        if rest[:2] != _MAGIC[:2]:
            if not output and rest is data:
                raise gzip.BadGzipFile(f"Not a gzipped file ({rest[:2]!r})")
            break  # trailing garbage
        member = zlib.decompressobj(_GZIP_WINDOW)
        if not _read_member(member, rest, output, max_size):
            if not output:
                raise EOFError("Compressed file ended before the end-of-stream marker was reached")
            break
        rest = member.unused_data.lstrip(b"\x00")
    return bytes(output)


def _read_member(member: zlib._Decompress, data: bytes, output: bytearray, max_size: int) -> bool:
    """Append one member's content to ``output``; False when it is cut or damaged."""
    pending = data
    while not member.eof:
        before = member.copy()
        try:
            chunk = member.decompress(pending, _CHUNK_NBYTES)
        except zlib.error:
            output += _before_damage(before, pending)
            return False
        output += chunk
        if max_size and len(output) > max_size:
            raise DecompressionMaxSizeExceeded(
                f"The decompressed data exceeds the limit of {max_size} bytes (read so far: {len(output)} bytes)"
            )
        pending = member.unconsumed_tail
        if not chunk and not pending and not member.eof:
            return False
    return True


def _before_damage(member: zlib._Decompress, data: bytes) -> bytes:
    """What ``data`` gives up to the damage (a wrong checksum at the end, say): less than a chunk.

    zlib gives nothing of a call that fails, so the place is approached in smaller and smaller steps.
    """
    output = bytearray()
    for step in (4096, 64, 1):
        while data:
            before = member.copy()
            try:
                output += member.decompress(data[:step], _CHUNK_NBYTES)
            except zlib.error:
                member = before
                break
            data = member.unconsumed_tail + data[step:]
            if len(output) >= _CHUNK_NBYTES:
                return bytes(output[:_CHUNK_NBYTES])
    return bytes(output)


def gzip_magic_number(response: Response) -> bool:
    """Whether the body of ``response`` starts as a gzip file does (RFC 1952, 2.3)."""
    return response.body[:3] == _MAGIC


__all__ = ["DecompressionMaxSizeExceeded", "gunzip", "gzip_magic_number"]
