"""The items of a crawl on the engine's disk, in the order of their commits: what ``Crawl.items()`` reads.

Records are ``length | crc32 | ItemBatch``; a cut last record (a kill) is cut off when the file is opened again.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from raycrawl.actors.itembox import ItemBatch
from raycrawl.feeds.codec import ItemCodec

_HEADER = struct.Struct("<II")
_decode = msgspec.msgpack.Decoder(ItemBatch).decode
_encode = msgspec.msgpack.Encoder().encode


class Spool:
    """Appends batches; each (page, part) once, also over restarts."""

    def __init__(self, path: Path) -> None:
        self._known: set[tuple[bytes, int]] = set()
        end = 0
        if path.exists():
            data = path.read_bytes()
            for batch, end in _batches(data, 0):  # noqa: B007 - the last end is where it goes on
                self._known.update((page_id, part) for page_id, part, _ in batch.parts)
        self._file = path.open("ab")
        self._file.truncate(end)

    def write(self, batch: ItemBatch) -> None:
        """Appends what is new; it survives a kill of this process when this returns."""
        parts = [part for part in batch.parts if (part[0], part[1]) not in self._known]
        if not parts:
            return
        body = _encode(ItemBatch(batch.heads, parts))
        self._file.write(_HEADER.pack(len(body), zlib.crc32(body)) + body)
        self._file.flush()
        self._known.update((page_id, part) for page_id, part, _ in parts)

    def forget(self, page_ids: list[bytes]) -> None:
        """These pages cannot come again."""
        gone = set(page_ids)
        self._known = {key for key in self._known if key[0] not in gone}

    def close(self) -> None:
        """Closes the file; it stays where it is."""
        self._file.close()


def _batches(data: bytes, at: int) -> Iterator[tuple[ItemBatch, int]]:
    while at + _HEADER.size <= len(data):
        length, checksum = _HEADER.unpack_from(data, at)
        body = data[at + _HEADER.size : at + _HEADER.size + length]
        if len(body) < length or zlib.crc32(body) != checksum:
            return
        at += _HEADER.size + length
        yield _decode(body), at


class SpoolReader:
    """Reads a spool from the start on, as far as it goes, again and again."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._at = 0
        self._codec = ItemCodec()

    def read(self, limit_nbytes: int = 4_000_000) -> list[Any]:
        """The next items; an empty list when there are no more yet."""
        if not os.path.exists(self._path):
            return []
        with open(self._path, "rb") as file:
            file.seek(self._at)
            data = file.read(limit_nbytes)
            if len(data) >= _HEADER.size and len(data) - _HEADER.size < _HEADER.unpack_from(data)[0]:
                data += file.read(_HEADER.unpack_from(data)[0])
        items: list[Any] = []
        end = 0
        for batch, end in _batches(data, 0):  # noqa: B007 - the last end is where the next read begins
            items += unpacked(batch, self._codec)
        self._at += end
        return items


def unpacked(batch: ItemBatch, codec: ItemCodec) -> list[Any]:
    """The items of all parts of a batch."""
    return [codec.decode(batch.heads[head] + body)[0] for _, _, items in batch.parts for head, body in items]
