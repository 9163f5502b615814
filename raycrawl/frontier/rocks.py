"""The store contract on RocksDB: one directory per shard.

Why these options: writes go to the log before they return and from there to the operating system (``sync`` off), which
survives a kill of the process and costs no disk wait; ``sync()`` is for the loss of power. The four areas are column
families of one database, so one batch is atomic over all of them, and they are flushed together, so that they agree
even when the end of the log is lost. A log with a damaged middle is refused rather than cut short. Bloom filters stay
outside of the block cache, because a filter of a million keys is larger than a shard of a small cache and would be read
again for every look-up; ``max_open_files`` is what bounds them.
Source: RocksDB wiki, "Setup Options and Basic Tuning", "WAL Recovery Modes", "Memory usage in RocksDB".
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from raycrawl.frontier.store import (
    Area,
    FrontierCorruptError,
    FrontierFullError,
    FrontierLockedError,
    FrontierStoreError,
    WriteBatch,
)

BLOCK_CACHE_NBYTES = 32 << 20
WAL_NBYTES = 64 << 20
"""The log is replayed when a killed shard is opened again: 64 MB take about half a second."""
MAX_OPEN_FILES = 128

_NAMES = {Area.SEEN: "seen", Area.QUEUE: "queue", Area.SLOTS: "slots", Area.META: "meta"}
_MEMTABLE_NBYTES = {Area.SEEN: 16 << 20, Area.QUEUE: 24 << 20, Area.SLOTS: 2 << 20, Area.META: 1 << 20}
_FULL = ("no space left", "disk quota exceeded", "spacelimit", "max allowed space")
_LOCKED = ("lock hold by", "while lock file", "no locks available", "/lock: resource temporarily unavailable")
_CORRUPT = ("corruption", "checksum", "no such file", "not supported", "invalid argument", "bad table magic")


def _mapped(error: Exception, path: Path) -> FrontierStoreError:
    text = str(error)
    lowered = text.lower()
    if any(mark in lowered for mark in _FULL):
        return FrontierFullError(f"{path}: the disk is full ({text})")
    if any(mark in lowered for mark in _LOCKED):
        return FrontierLockedError(f"{path}: another process has this frontier open ({text})")
    if any(mark in lowered for mark in _CORRUPT):
        return FrontierCorruptError(f"{path}: the frontier is damaged ({text})")
    return FrontierStoreError(f"{path}: {text}")


class RocksStore:
    """A shard's state in the directory ``path``, which is made when it is missing.

    After a write that found the disk full RocksDB refuses all further writes, so the next call opens the database
    again; the shell just repeats the call until there is room.

    Args:
        path: a directory of its own, on a local disk.
        read_only: look at it without a lock, also while another process writes; sees the state at the time of opening.

    Raises:
        FrontierLockedError, FrontierCorruptError, FrontierFullError, FrontierStoreError
    """

    def __init__(self, path: str | Path, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self._is_read_only = read_only
        self._is_closed = False
        self._db: Any = None
        self._areas: tuple[Any, ...] = ()
        self._handles: tuple[Any, ...] = ()
        self._open()

    # -- reads ---------------------------------------------------------------------------------------------------

    def get_many(self, area: Area, keys: Sequence[bytes]) -> list[bytes | None]:
        self._ensure_open()
        if not keys:
            return []
        try:
            return self._areas[area].get(list(keys))  # type: ignore[no-any-return]
        except Exception as error:
            raise _mapped(error, self.path) from error

    def scan(self, area: Area, start: bytes, stop: bytes, limit: int) -> list[bytes]:
        self._ensure_open()
        from rocksdict import ReadOptions

        # The bound matters: without it the last step would walk over whatever was deleted behind this range.
        options = ReadOptions()
        options.set_iterate_upper_bound(stop)
        found: list[bytes] = []
        try:
            cursor = self._areas[area].iter(options)
            cursor.seek(start)
            while len(found) < limit and cursor.valid():
                found.append(cursor.key())
                cursor.next()
            cursor.status()  # an iterator that met damage looks like one at its end
        except Exception as error:
            raise _mapped(error, self.path) from error
        return found

    def prefixes(self, area: Area, after: bytes, width: int, limit: int) -> list[bytes]:
        self._ensure_open()
        found: list[bytes] = []
        try:
            cursor = self._areas[area].iter()
            cursor.seek(after + b"\0")
            while len(found) < limit and cursor.valid():
                prefix = cursor.key()[:width]
                found.append(prefix)
                cursor.seek(prefix + b"\xff" * 16)
            cursor.status()
        except Exception as error:
            raise _mapped(error, self.path) from error
        return found

    def items(self, area: Area, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        self._ensure_open()
        try:
            cursor = self._areas[area].iter()
            cursor.seek(start)
            key, value, step, valid = cursor.key, cursor.value, cursor.next, cursor.valid
            while valid():
                yield key(), value()
                step()
            cursor.status()
        except GeneratorExit:
            raise
        except Exception as error:
            raise _mapped(error, self.path) from error

    # -- writes --------------------------------------------------------------------------------------------------

    def write(self, batch: WriteBatch) -> None:
        self._ensure_open()
        try:
            self._db.write(self._native(batch))
        except Exception as error:
            mapped = _mapped(error, self.path)
            if isinstance(mapped, FrontierFullError):
                self._release(is_failed=True)
            raise mapped from error

    def _native(self, batch: WriteBatch) -> Any:
        from rocksdict import WriteBatch as NativeBatch

        native = NativeBatch(raw_mode=True)
        put, delete = native.put, native.delete
        for changes, handle in zip(batch.by_area(), self._handles, strict=True):
            for key, value in changes.items():
                if value is None:
                    delete(key, handle)
                else:
                    put(key, value, handle)
        return native

    def sync(self) -> None:
        self._ensure_open()
        try:
            self._db.flush_wal(True)
        except Exception as error:
            raise _mapped(error, self.path) from error

    def close(self) -> None:
        self._is_closed = True
        self._release()

    # -- opening -------------------------------------------------------------------------------------------------

    def _ensure_open(self) -> None:
        if self._db is None:
            if self._is_closed:
                raise FrontierStoreError(f"{self.path}: the store is closed")
            self._open()

    def _open(self) -> None:
        from rocksdict import AccessType, Rdict

        access = AccessType.read_only(False) if self._is_read_only else AccessType.read_write()
        try:
            if not self._is_read_only:
                self.path.mkdir(parents=True, exist_ok=True)
            families = _family_options()
            self._db = Rdict(str(self.path), _database_options(), column_families=families, access_type=access)
            self._areas = tuple(self._db.get_column_family(_NAMES[area]) for area in Area)
            self._handles = tuple(self._db.get_column_family_handle(_NAMES[area]) for area in Area)
        except Exception as error:
            self._release(is_failed=True)
            raise _mapped(error, self.path) from error

    def _release(self, *, is_failed: bool = False) -> None:
        database, self._db = self._db, None
        parts, self._areas, self._handles = [*self._areas, database], (), ()
        if database is None:
            return
        error: Exception | None = None
        while parts:
            part = parts.pop(0)
            try:
                part.close()
            except Exception as raised:
                error = raised
        # The lock goes with the last reference, and the traceback of a failed write may hold some in a cycle.
        del database, part
        if is_failed:
            gc.collect()
        elif error is not None:  # one that failed complains of it again; what it had accepted is in its log
            raise _mapped(error, self.path) from error


def _database_options() -> Any:
    from rocksdict import DBRecoveryMode, Options

    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    options.set_atomic_flush(True)
    options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    options.set_max_total_wal_size(WAL_NBYTES)
    options.set_max_background_jobs(2)
    options.set_max_open_files(MAX_OPEN_FILES)
    options.set_manifest_preallocation_size(64 << 10)
    options.set_skip_stats_update_on_db_open(True)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(1 << 20)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    return options


def _family_options() -> dict[str, Any]:
    from rocksdict import Cache

    cache = Cache(BLOCK_CACHE_NBYTES)
    return {_NAMES[area]: _options_of(area, cache) for area in Area}


def _options_of(area: Area, cache: Any) -> Any:
    from rocksdict import BlockBasedOptions, DBCompressionType, Options

    options, table = Options(raw_mode=True), BlockBasedOptions()
    options.set_write_buffer_size(_MEMTABLE_NBYTES[area])
    options.set_max_write_buffer_number(2)
    table.set_block_cache(cache)
    table.set_format_version(5)
    if area is Area.SEEN:
        # Digests do not compress, and most look-ups are for keys that are not there.
        options.set_compression_type(DBCompressionType.none())
        table.set_bloom_filter(10, False)
        options.set_memtable_prefix_bloom_ratio(0.1)
        options.set_memtable_whole_key_filtering(True)
        options.set_target_file_size_base(32 << 20)
    else:
        options.set_compression_type(DBCompressionType.lz4())
        table.set_block_size(16 << 10)
        table.set_cache_index_and_filter_blocks(True)
        table.set_pin_l0_filter_and_index_blocks_in_cache(True)
        if area is Area.QUEUE:
            # A queue is a trail of deletions: files that hold many are compacted first.
            options.add_compact_on_deletion_collector_factory(4096, 2048, 0.5)
    options.set_block_based_table_factory(table)
    return options
