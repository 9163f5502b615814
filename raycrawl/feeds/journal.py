"""The journal of a feed: which pages are in it, and how far its files are committed.

Append-only records ``length | crc32 | MessagePack``. What follows the last whole record (a write that a kill cut) is
cut off when it is opened. Only one process can have it open: a lock on the file goes away with the process, however
it ends, so the sink that replaces a dead one gets it at once and one that only seemed dead cannot write beside it.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgpack

_HEADER = struct.Struct("<II")
_PAGE_ID_NBYTES = 16
_COMPACT_AT_NBYTES = 1 << 22  # rewriting 4 MiB costs 10 ms, and happens once per 250,000 pages
_LOCK_PATIENCE_S = 5.0

VERSION = 1


class FeedError(Exception):
    """A feed that cannot be written: the message names the feed and says what to do."""


class Journal:
    """Owns the file at ``path``, the set of committed pages, and the list of the feed's full files.

    Invariant: after ``commit`` returned, another process that opens the file finds those page ids and that state,
    whatever happened to this process.

    Args:
        path: of the journal.
        fsync: also survive the machine (each commit then costs a disk flush, 1 to 20 ms).
    """

    def __init__(self, path: Path, *, fsync: bool = False) -> None:
        self.path = path
        self.page_ids: set[bytes] = set()
        self.state: dict[str, Any] | None = None
        self.created: list[dict[str, Any]] = []
        self.files: list[str] = []
        self._fsync = fsync
        self._nbytes = 0
        self._fd = -1

    def open(self) -> bool:
        """Lock and read the journal. True if a state was found, False if it is new.

        Raises:
            FeedError: another process has it open, or another version of raycrawl wrote it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock()
        data = self.path.read_bytes()
        end = 0
        for record, end in _records(data):  # noqa: B007 - the last end is where the next record goes
            self._apply(record)
        os.ftruncate(self._fd, end)
        self._nbytes = end
        return self.state is not None

    def _lock(self) -> None:
        deadline_s = time.monotonic() + _LOCK_PATIENCE_S
        while not self._try_lock():
            if time.monotonic() > deadline_s:
                raise FeedError(f"another process writes this feed: {self.path} is locked")
            time.sleep(0.02)

    def _try_lock(self) -> bool:
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(fd), os.stat(self.path)):  # else it was compacted away meanwhile
                self._fd = fd
                return True
        except BlockingIOError:
            pass  # the caller tries again until its patience ends
        os.close(fd)
        return False

    def _apply(self, record: dict[str, Any]) -> None:
        if record["v"] != VERSION:
            raise FeedError(f"{self.path} was written by another version of raycrawl; remove it to start the feed anew")
        if "new" in record:
            self.created.append(record["new"])
            return
        ids: bytes = record["ids"]
        self.page_ids.update(ids[at : at + _PAGE_ID_NBYTES] for at in range(0, len(ids), _PAGE_ID_NBYTES))
        self.state = record["state"]
        self.files.extend(record["files"])
        self.created = []

    def commit(self, page_ids: Iterable[bytes], state: dict[str, Any], files: Sequence[str] = ()) -> None:
        """Write that these pages are in the feed, whose growing file is now in this state and got these full files."""
        new_ids = list(page_ids)
        self._append({"v": VERSION, "ids": b"".join(new_ids), "state": state, "files": list(files)})
        self.files.extend(files)
        self.page_ids.update(new_ids)
        self.state = state
        if self._nbytes > _COMPACT_AT_NBYTES and self._nbytes > 4 * _PAGE_ID_NBYTES * len(self.page_ids):
            self._compact()

    def intend(self, file: dict[str, Any]) -> None:
        """Write that a file is about to be created, so that a recovery can remove it if it was never committed."""
        self._append({"v": VERSION, "new": file})

    def forget(self, page_ids: Iterable[bytes]) -> None:
        """These pages cannot come again. They leave memory now and the file when it is next rewritten."""
        self.page_ids.difference_update(page_ids)

    def _append(self, record: dict[str, Any]) -> None:
        self._nbytes += write_all(self._fd, _frame(record), self._nbytes)
        if self._fsync:
            os.fdatasync(self._fd)

    def _compact(self) -> None:
        """Rewrite as one record, beside the old file, then rename over it: a kill leaves the one or the other."""
        temporary = self.path.with_suffix(".new")
        data = _frame({"v": VERSION, "ids": b"".join(self.page_ids), "state": self.state, "files": self.files})
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        fcntl.flock(fd, fcntl.LOCK_EX)
        self._nbytes = write_all(fd, data, 0)
        if self._fsync:
            os.fdatasync(fd)
        os.replace(temporary, self.path)
        os.close(self._fd)
        self._fd = fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _frame(record: dict[str, Any]) -> bytes:
    body: bytes = msgpack.packb(record, unicode_errors="surrogatepass")
    return _HEADER.pack(len(body), zlib.crc32(body)) + body


def _records(data: bytes) -> Iterator[tuple[dict[str, Any], int]]:
    """The whole records of ``data``, each with the offset where it ends."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, checksum = _HEADER.unpack_from(data, at)
        body = data[at + _HEADER.size : at + _HEADER.size + length]
        if len(body) < length or zlib.crc32(body) != checksum:
            return
        at += _HEADER.size + length
        yield msgpack.unpackb(body, strict_map_key=False, unicode_errors="surrogatepass"), at


def write_all(fd: int, data: bytes, offset: int) -> int:
    """Write ``data`` at ``offset``, however many calls that takes. Returns its length."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written
    return len(data)
