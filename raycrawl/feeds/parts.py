"""The files of a feed while they grow. A part is one file: what is in it counts when it was flushed and journaled."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from raycrawl.feeds.encoder import FeedEncoder
from raycrawl.feeds.journal import FeedError, write_all

_EARLY_WRITE_NBYTES = 1 << 23


class Part(Protocol):
    """One growing file of a feed."""

    items: int
    is_finished: bool

    @property
    def nbytes(self) -> int:
        """How big it is, what is not flushed included."""

    def add(self, items: Sequence[Any]) -> int:
        """Export items. Returns how many were written."""

    def flush(self) -> dict[str, Any]:
        """Hand everything to the operating system. Returns the state from which the part can be opened again."""

    def finish(self) -> None:
        """Add what ends the file; ``flush`` is called once more afterwards. A second call does nothing."""

    def close(self) -> None:
        """Let go of the file."""


class GrowingFile:
    """A file that is valid up to ``offset``, where a tail may follow that the next flush writes over.

    Args:
        path: of the file.
        offset: where to go on; whatever follows is cut off when it is opened.
        fsync: make each flush survive the machine.
    """

    def __init__(self, path: Path, offset: int, *, fsync: bool = False) -> None:
        self.path = path
        self.offset = offset
        self._fsync = fsync
        self._pending: list[bytes] = []
        self.pending_nbytes = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._end = os.fstat(self._fd).st_size
        if self._end < offset:
            os.close(self._fd)
            raise FeedError(
                f"{path} has {self._end} bytes, {offset} were written: something else cut or replaced it, "
                f"and items of this crawl are lost. Start the crawl anew with another JOBDIR or output"
            )

    def append(self, data: bytes) -> None:
        self._pending.append(data)
        self.pending_nbytes += len(data)
        if self.pending_nbytes > _EARLY_WRITE_NBYTES:  # memory stays bounded when commits are rare
            with contextlib.suppress(OSError):  # nothing is lost: the next flush tries again, and raises
                self._write(b"")

    @property
    def nbytes(self) -> int:
        return self.offset + self.pending_nbytes

    def flush(self, tail: bytes = b"") -> None:
        self._write(tail)
        if self._fsync:
            os.fsync(self._fd)

    def _write(self, tail: bytes) -> None:
        data = b"".join(self._pending)
        end = self.offset + len(data) + len(tail)
        if data or tail:
            write_all(self._fd, data + tail, self.offset)
        if end < self._end:
            os.ftruncate(self._fd, end)
        # Only now: a write that failed (disk full) is done again by the next flush.
        self._pending.clear()
        self.pending_nbytes = 0
        self._end = end
        self.offset += len(data)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class StreamPart:
    """A part in a format that is a stream: every flush appends.

    Args:
        path: of the file that grows.
        encoder: of its format.
        state: what the last ``flush`` that was journaled returned; None for a new file.
        base: for a new file, where to begin (the size of what was there before, to append to it).
        keep_valid: end the file properly at every flush, so that it is readable at any time.
    """

    def __init__(
        self,
        path: Path,
        encoder: FeedEncoder,
        *,
        state: dict[str, Any] | None,
        base: int = 0,
        keep_valid: bool = False,
        fsync: bool = False,
    ) -> None:
        self.path = path
        self.items: int = state["items"] if state else 0
        self.is_finished = False
        self._encoder = encoder
        self._tail = encoder.preview_tail() if keep_valid else b""
        is_new = state is None and base == 0
        if is_new:
            _create(path, encoder.head + self._tail)
        offset = state["offset"] if state else base or len(encoder.head)
        self._file = GrowingFile(path, offset, fsync=fsync)
        if not is_new:
            self._file.flush(self._tail)

    @property
    def nbytes(self) -> int:
        return self._file.nbytes

    def add(self, items: Sequence[Any]) -> int:
        data, written = self._encoder.encode(items)
        if data:
            self._file.append(data)
        self.items += written
        return written

    def flush(self) -> dict[str, Any]:
        self._file.flush(self._tail)
        return {"offset": self._file.offset, "items": self.items, "exporter": self._encoder.state()}

    def finish(self) -> None:
        if not self.is_finished:
            self.is_finished = True
            self._file.append(self._encoder.finish())
            self._tail = b""

    def close(self) -> None:
        self._file.close()


def _create(path: Path, data: bytes) -> None:
    """Make a file that has its first content from its first moment, in the place of what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(data)
    os.replace(temporary, path)


def remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
