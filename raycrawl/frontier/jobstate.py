"""Small durable values beside the frontier: ``spider.state``, statistics, cookies, robots.txt, progress of start()."""

from __future__ import annotations

import os
import re
from hashlib import blake2b
from pathlib import Path

_MAGIC = b"raycrawl-state-1\n"
_DIGEST_NBYTES = 16
_SUFFIX = ".state"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


class JobStateError(Exception):
    """A value is damaged; says which file and what to do."""


class JobState:
    """Named bytes in a directory, one file each: a value is replaced whole or not at all, and checked when it is read.

    Any process may read; for one name only one process may write at a time.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def get(self, name: str) -> bytes | None:
        """The value of ``name``; None: it was never put.

        Raises:
            JobStateError: what is on the disk is not what was put there.
        """
        path = self._file(name)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        head, value = raw[: len(_MAGIC) + _DIGEST_NBYTES], raw[len(_MAGIC) + _DIGEST_NBYTES :]
        if head != _MAGIC + _digest(value):
            raise JobStateError(f"{path} is damaged: remove it to go on without what it kept ({name})")
        return value

    def put(self, name: str, value: bytes) -> None:
        """Replace the value of ``name``. On the disk when this returns: survives kills and the loss of power.

        Raises:
            OSError: no room, or no right; the old value is still there.
        """
        path = self._file(name)
        self.path.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        try:
            with open(temporary, "wb") as file:
                file.write(_MAGIC + _digest(value) + value)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def delete(self, name: str) -> None:
        """Forget ``name``; idempotent."""
        self._file(name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """The names that have a value, sorted."""
        return sorted(path.name[: -len(_SUFFIX)] for path in self.path.glob(f"*{_SUFFIX}"))

    def _file(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a name of a job's state: letters, digits, dots, dashes, underscores")
        return self.path / f"{name}{_SUFFIX}"


def _digest(value: bytes) -> bytes:
    return blake2b(value, digest_size=_DIGEST_NBYTES).digest()
