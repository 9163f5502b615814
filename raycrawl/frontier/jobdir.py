"""A job directory: the crawl that can be killed and gone on with.

::

    JOBDIR/
      raycrawl-job.json       format, spider, the settings that matter, number of shards, generation; with a checksum
      raycrawl-job.lock       held while a crawl uses the directory; says by whom
      frontier-G/shard-I/     the store of shard I; G counts how often the shards were dealt anew
      state/*.state           small values (``jobstate``)

Everything is refused that is not certainly ours, whole and free: each ``JobDirError`` says what to do.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Mapping
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from raycrawl.frontier.jobstate import JobState, JobStateError
from raycrawl.frontier.redeal import redeal
from raycrawl.frontier.rocks import RocksStore
from raycrawl.frontier.store import FrontierCorruptError, FrontierLockedError, FrontierStoreError
from raycrawl.frontier.verify import verify

FORMAT = 1
"""The version of the layout; a directory with another one is refused."""

INFO_NAME = "raycrawl-job.json"
LOCK_NAME = "raycrawl-job.lock"
STATE_NAME = "state"
LOCK_WAIT_S = 1.5
"""How long the shards of a crawl that was just killed may take to let go of their stores."""
VERIFY_S = 1.0
"""How long a directory is read for damage before a crawl goes on; what is not read then is checked when it is used."""
_SCRAPY_NAMES = frozenset({"requests.seen", "requests.queue", "spider.state"})
_EXAMPLES = 3

Settings = Mapping[str, str | int | float | bool | None]


class JobDirError(Exception):
    """The job directory cannot be used; the message says why and what to do. The command line exits with 2."""


class JobInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What ``raycrawl-job.json`` says."""

    format: int
    spider: str
    settings: dict[str, str | int | float | bool | None]
    shards: int
    generation: int = 0
    created_s: float = 0.0


def read_info(path: str | Path) -> JobInfo:
    """What kind of job the directory ``path`` holds; takes no lock.

    Raises:
        JobDirError: there is no job, it is damaged, or of another format.
    """
    directory = Path(path)
    file = directory / INFO_NAME
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        raise JobDirError(_foreign(directory)) from None
    except OSError as error:
        raise JobDirError(f"{file} cannot be read ({error.strerror}): check its permissions") from error
    damaged = f"{file} is damaged: start again with an empty JOBDIR, or restore the directory from a copy"
    try:
        fields = json.loads(raw)
        digest = fields.pop("checksum")
        version = int(fields["format"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JobDirError(damaged) from error
    if digest != _checksum(fields):
        raise JobDirError(damaged)
    if version != FORMAT:
        age = "newer" if version > FORMAT else "older"
        raise JobDirError(
            f"{directory} was made by a raycrawl that is {age} (format {version}, this one reads {FORMAT}): "
            f"go on with that version, or start again with an empty JOBDIR"
        )
    try:
        return msgspec.convert(fields, JobInfo)
    except msgspec.ValidationError as error:
        raise JobDirError(damaged) from error


def shard_paths(path: str | Path, info: JobInfo) -> list[Path]:
    """Where the shards of the job at ``path`` keep their stores."""
    base = Path(path) / f"frontier-{info.generation}"
    return [base / f"shard-{index}" for index in range(info.shards)]


def shard_path(workdir: str | Path, index: int) -> Path:
    """Where shard ``index`` of a crawl in ``workdir`` (a job directory, or a temporary one) keeps its store.

    Raises:
        JobDirError: the job's description is damaged.
    """
    if (Path(workdir) / INFO_NAME).exists():
        return shard_paths(workdir, read_info(workdir))[index]
    return Path(workdir) / "frontier-0" / f"shard-{index}"


class JobDir:
    """A job directory that this process holds. Make it with ``open``; ``close`` it when the crawl is over.

    Attributes:
        info: of the job, as it is now.
        is_resumed: True: the directory held this job already.
        state: small durable values.
    """

    def __init__(self, path: Path, info: JobInfo, lock: FileIO, *, is_resumed: bool) -> None:
        self.path = path
        self.info = info
        self.is_resumed = is_resumed
        self.state = JobState(path / STATE_NAME)
        self._lock: FileIO | None = lock

    @classmethod
    def open(cls, path: str | Path, *, spider: str, shards: int = 1, settings: Settings | None = None) -> JobDir:
        """Take the directory ``path`` for a crawl, making it when it is missing or empty.

        Args:
            spider: its name; a directory belongs to one.
            shards: how many the crawl will have; another number than last time deals the frontier anew.
            settings: those with which another frontier would come out (filter, fingerprints, order); they must be as
                they were.

        Raises:
            JobDirError: in use, damaged, foreign, of another version, another spider or other settings.
        """
        directory = Path(path)
        _refuse_foreign(directory)
        lock = _take_lock(directory)
        try:
            is_resumed = (directory / INFO_NAME).exists()
            if is_resumed:
                info = _resume(directory, spider, shards, dict(settings or {}))
            else:
                info = _begin(directory, spider, shards, dict(settings or {}))
        except FrontierStoreError as error:
            lock.close()
            raise JobDirError(f"{error}: {_what_to_do(error)}") from error
        except JobStateError as error:
            lock.close()
            raise JobDirError(str(error)) from error
        except OSError as error:
            lock.close()
            raise JobDirError(_unusable(directory, error)) from error
        except BaseException:
            lock.close()
            raise
        return cls(directory, info, lock, is_resumed=is_resumed)

    def shard_path(self, index: int) -> Path:
        """Where shard ``index`` keeps its store (``RocksStore(path)``)."""
        return shard_paths(self.path, self.info)[index]

    def close(self) -> None:
        """Let the directory go; idempotent. The shards' stores MUST be closed before."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> JobDir:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _what_to_do(error: FrontierStoreError) -> str:
    if isinstance(error, FrontierLockedError):
        return "wait until the crawl that uses it has ended, or use another JOBDIR"
    if isinstance(error, FrontierCorruptError):
        return "restore the directory from a copy, or start again with an empty JOBDIR"
    return "make room or give permission, and run the same command again"


def _take_lock(directory: Path) -> FileIO:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = open(directory / LOCK_NAME, "a+b", buffering=0)  # noqa: SIM115 - held as long as the job
    except OSError as error:
        raise JobDirError(_unusable(directory, error)) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        holder = lock.read(200).decode("utf-8", "replace").strip() or "another process"
        lock.close()
        raise JobDirError(
            f"{directory} is in use by {holder}: wait until that crawl has ended, or use another JOBDIR"
        ) from error
    try:
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    except OSError as error:
        lock.close()
        raise JobDirError(_unusable(directory, error)) from error
    return lock


def _unusable(directory: Path, error: OSError) -> str:
    return f"{directory} cannot be used as JOBDIR ({error.strerror}): make room, give permission, or choose another one"


def _foreign(directory: Path) -> str:
    names = sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []
    names = [name for name in names if name != LOCK_NAME]
    if not names:
        return f"{directory} holds no job: give the directory that a crawl ran with (JOBDIR)"
    if _SCRAPY_NAMES.intersection(names):
        return f"{directory} was made by Scrapy, which raycrawl cannot go on with: use an empty JOBDIR"
    held = ", ".join(names[:_EXAMPLES]) + (", ..." if len(names) > _EXAMPLES else "")
    return f"{directory} is not a job directory of raycrawl (it holds {held}): use an empty JOBDIR"


def _begin(directory: Path, spider: str, shards: int, settings: dict[str, Any]) -> JobInfo:
    info = JobInfo(format=FORMAT, spider=spider, settings=settings, shards=shards, created_s=time.time())
    for path in shard_paths(directory, info):
        path.mkdir(parents=True, exist_ok=True)
    _write_info(directory, info)
    return info


def _refuse_foreign(directory: Path) -> None:
    try:
        if not directory.is_dir() or (directory / INFO_NAME).exists():
            return
        is_foreign = any(entry.name != LOCK_NAME and not _is_leftover(entry) for entry in directory.iterdir())
    except OSError as error:
        raise JobDirError(_unusable(directory, error)) from error
    if is_foreign:
        raise JobDirError(_foreign(directory))


def _is_leftover(entry: Path) -> bool:
    """True: a first start was killed before the directory counted."""
    return entry.name in ("frontier-0", f"{INFO_NAME}.tmp")


def _resume(directory: Path, spider: str, shards: int, settings: dict[str, Any]) -> JobInfo:
    info = read_info(directory)
    if info.spider != spider:
        raise JobDirError(f"{directory} holds a crawl of spider {info.spider!r}, not {spider!r}: use another JOBDIR")
    names = sorted(name for name in {*settings, *info.settings} if settings.get(name) != info.settings.get(name))
    if names:
        changes = ", ".join(f"{name} was {info.settings.get(name)!r}, is {settings.get(name)!r}" for name in names)
        raise JobDirError(
            f"{directory} was begun with other settings ({changes}): set them back, or use another JOBDIR"
        )
    _remove_other_generations(directory, info)
    state = JobState(directory / STATE_NAME)
    for name in state.names():
        state.get(name)
    stores: list[RocksStore] = []
    try:
        for path in shard_paths(directory, info):
            if not path.is_dir():
                raise FrontierCorruptError(f"{path} is missing")
            if any(path.iterdir()):
                stores.append(_open_freed(path))
        verify(stores, budget_s=VERIFY_S)
        if shards != info.shards:
            info = _deal_anew(directory, info, shards, stores)
    finally:
        for store in stores:
            store.close()
    _remove_other_generations(directory, info)
    return info


def _remove_other_generations(directory: Path, info: JobInfo) -> None:
    for leftover in directory.glob("frontier-*"):
        if leftover.name != f"frontier-{info.generation}":
            shutil.rmtree(leftover)


def _open_freed(path: Path) -> RocksStore:
    deadline_s = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            return RocksStore(path)
        except FrontierLockedError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.05)


def _deal_anew(directory: Path, info: JobInfo, shards: int, sources: list[RocksStore]) -> JobInfo:
    new = msgspec.structs.replace(info, shards=shards, generation=info.generation + 1)
    targets: list[RocksStore] = []
    try:
        for path in shard_paths(directory, new):
            targets.append(RocksStore(path))
        if sources:
            redeal(sources, targets)
    finally:
        for target in targets:
            target.close()
    _write_info(directory, new)
    return new


def _write_info(directory: Path, info: JobInfo) -> None:
    fields = msgspec.to_builtins(info)
    fields["checksum"] = _checksum(fields)
    temporary = directory / f"{INFO_NAME}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(fields, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, directory / INFO_NAME)


def _checksum(fields: Mapping[str, Any]) -> str:
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode("utf-8"), digest_size=16).hexdigest()
