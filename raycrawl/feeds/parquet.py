"""A Parquet feed while it grows.

A Parquet file cannot be appended to: its index is at its end. So rows go to a log, which is committed like any feed;
every full row group becomes a segment, a Parquet file of its own, and the log begins anew. At the end the segments are
put together row group by row group, under the one schema that fits all of them. Memory holds one row group.
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from raycrawl.exporters.base import BaseItemExporter
from raycrawl.exporters.parquetitems import DEFAULT_ROW_GROUP_SIZE
from raycrawl.feeds.codec import ItemCodec
from raycrawl.feeds.columns import ColumnBuilder, ParquetSink, common_schema, conform, encode_rows
from raycrawl.feeds.parts import GrowingFile, remove

logger = logging.getLogger(__name__)

_FRAME = struct.Struct("<I")
# Encoded size at which a row group is closed before it has its rows: items with whole pages in them stay in bounds.
_ROW_GROUP_NBYTES = 16 << 20


class RowExporter(BaseItemExporter):
    """Items as rows: the fields to export, under their output names, serialized."""

    def export_item(self, item: Any) -> dict[str, Any]:
        if self._takes_dicts_whole and type(item) is dict:
            return item
        return dict(self.get_serialized_fields(item))


class ParquetPart:
    """The log and the segments of one Parquet file, in a directory.

    Args:
        path: of the directory.
        exporter: makes rows of items.
        exporter_kwargs: of the feed; ``schema``, ``row_group_size`` and ``compression`` are used here.
        state: what the last ``flush`` that was journaled returned; None for a new one.
        count: called with a stat's name for each item that has no row.
    """

    def __init__(
        self,
        path: Path,
        exporter: RowExporter,
        exporter_kwargs: dict[str, Any],
        state: dict[str, Any] | None,
        count: Callable[[str], None],
        *,
        fsync: bool = False,
    ) -> None:
        self._path = path
        self._exporter = exporter
        self._row_group_size = int(exporter_kwargs.get("row_group_size", DEFAULT_ROW_GROUP_SIZE))
        self._builder = ColumnBuilder(exporter_kwargs.get("schema"), count)
        self._count = count
        self._fsync = fsync
        self._codec = ItemCodec()
        self._rows: list[dict[str, Any]] = []
        self._outdated: list[Path] = []
        self._journaled_segment = -1
        self.is_finished = False
        self.items: int = state["items"] if state else 0
        self._segment: int = state["segment"] if state else 0
        self._segments_nbytes: int = state["segments_nbytes"] if state else 0
        path.mkdir(parents=True, exist_ok=True)
        self._remove_uncommitted()
        self._log = GrowingFile(self._log_path(), state["offset"] if state else 0, fsync=fsync)
        if state:
            self._log.flush()
            self._rows = [row for rows in _read_log(self._log_path(), self._codec) for row in rows]

    def _log_path(self) -> Path:
        return self._path / f"{self._segment:06d}.log"

    def _remove_uncommitted(self) -> None:
        for path in self._path.iterdir():
            number = int(path.name[:6])
            if number > self._segment or (number == self._segment and path.suffix != ".log"):
                remove(path)

    @property
    def nbytes(self) -> int:
        return self._segments_nbytes + self._log.nbytes

    def add(self, items: Sequence[Any]) -> int:
        written = 0
        at = 0
        while at < len(items):
            room = max(1, self._row_group_size - len(self._rows))
            rows = [row for item in items[at : at + room] if (row := self._row(item)) is not None]
            at += room
            written += self._append(rows)
        self.items += written
        return written

    def _row(self, item: Any) -> dict[str, Any] | None:
        try:
            return self._exporter.export_item(item)
        except Exception:
            self._count("items_dropped")
            return None

    def _append(self, rows: list[dict[str, Any]]) -> int:
        rows, blob = encode_rows(rows, self._codec, self._count)
        self._log.append(_FRAME.pack(len(blob)) + blob)
        self._rows.extend(rows)
        if self._is_segment_full():
            with contextlib.suppress(OSError):  # nothing is lost: the next flush tries again, and raises
                self._end_segment()
        return len(rows)

    def _is_segment_full(self) -> bool:
        return len(self._rows) >= self._row_group_size or self._log.nbytes >= _ROW_GROUP_NBYTES

    def _end_segment(self) -> None:
        segment = self._path / f"{self._segment:06d}.parquet"
        temporary = segment.with_suffix(".tmp")
        try:
            _write_segment(temporary, self._builder.table(self._rows))
        except OSError:
            raise  # a full disk: the caller tries again
        except Exception:
            logger.exception("%d items of a Parquet feed have no common types, and are stored as text", len(self._rows))
            _write_segment(temporary, self._builder.storable_table(self._rows))
        if self._fsync:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.rename(segment)
        self._log.flush()
        next_log = GrowingFile(self._path / f"{self._segment + 1:06d}.log", 0, fsync=self._fsync)
        self._log.close()
        self._outdated.append(self._log.path)  # until the journal knows of the segment, the log is what counts
        self._segments_nbytes += segment.stat().st_size
        self._rows = []
        self._segment += 1
        self._log = next_log

    def flush(self) -> dict[str, Any]:
        if self._is_segment_full():
            self._end_segment()
        self._log.flush()
        # Logs of segments that were journaled by the flush before this one are of no use any more.
        self._outdated = [path for path in self._outdated if not self._is_journaled(path)]
        self._journaled_segment = self._segment
        return {
            "offset": self._log.offset,
            "items": self.items,
            "segment": self._segment,
            "segments_nbytes": self._segments_nbytes,
        }

    def _is_journaled(self, log: Path) -> bool:
        if int(log.stem) >= self._journaled_segment:
            return False
        remove(log)
        return True

    def finish(self) -> None:
        self.is_finished = True
        if self._rows:
            self._end_segment()

    def close(self) -> None:
        self._log.close()


def _write_segment(path: Path, table: Any) -> None:
    sink = ParquetSink(path, compression="snappy")  # it is read once more, so speed counts
    sink.write(table)
    sink.close()


def _read_log(path: Path, codec: ItemCodec) -> Iterator[list[dict[str, Any]]]:
    with path.open("rb") as file:
        while header := file.read(_FRAME.size):
            yield codec.decode(file.read(_FRAME.unpack(header)[0]))


def assemble(
    directory: Path, output: Path, exporter_kwargs: dict[str, Any], *, existing: Path | None = None
) -> None:
    """Put the segments of a finished part together as one Parquet file.

    Args:
        existing: a Parquet file whose rows come first (appending).
    """
    sources = [*([existing] if existing else []), *sorted(directory.glob("*.parquet"))]
    given = exporter_kwargs.get("schema")
    schema = given if given is not None else common_schema(pq.read_schema(source) for source in sources)
    sink = ParquetSink(output, compression=exporter_kwargs.get("compression", "zstd"))
    for source in sources:
        with pq.ParquetFile(source) as file:
            for group in range(file.num_row_groups):
                sink.write(conform(file.read_row_group(group), schema))
    sink.close(schema)
