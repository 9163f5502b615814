"""Parquet: a column per field, row groups of bounded size. pyarrow is imported when an exporter is made."""

from __future__ import annotations

from typing import IO, Any

from raycrawl.exporters.base import BaseItemExporter

# 64 Ki rows of small items are a few MB of columns: readers skip whole groups, writers hold one group in memory.
DEFAULT_ROW_GROUP_SIZE = 65_536


class ParquetItemExporter(BaseItemExporter):
    """A Parquet file whose schema follows the items, or is given.

    Rows are held until a row group is full. The first row group fixes the schema of a file that is written to a
    stream; later items with other fields lose them (with a warning) or fail, so give a ``schema`` or
    ``fields_to_export`` when items differ. The crawl's own feed writer collects the whole feed first and needs neither.

    Args:
        file: a binary file.
        schema: a ``pyarrow.Schema``; None infers one from the first row group.
        row_group_size: rows per row group.
        compression: any codec of pyarrow (``zstd``, ``snappy``, ``gzip``, ``none``).
        kwargs: the base class's.
    """

    def __init__(
        self,
        file: IO[bytes],
        *,
        schema: Any = None,
        row_group_size: int = DEFAULT_ROW_GROUP_SIZE,
        compression: str = "zstd",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if row_group_size < 1:
            raise ValueError(f"row_group_size must be at least 1, not {row_group_size}")
        from raycrawl.feeds.columns import ColumnBuilder, ParquetSink

        self.file = file
        self.row_group_size = row_group_size
        self._builder = ColumnBuilder(schema)
        self._sink = ParquetSink(file, compression=compression)
        self._rows: list[dict[str, Any]] = []

    def export_item(self, item: Any) -> None:
        whole = self._takes_dicts_whole and type(item) is dict
        self._rows.append(item if whole else dict(self.get_serialized_fields(item)))
        if len(self._rows) >= self.row_group_size:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            from raycrawl.feeds.codec import ItemCodec
            from raycrawl.feeds.columns import encode_rows

            rows, _ = encode_rows(self._rows, ItemCodec(), self._builder.count)
            self._rows = []
            table = self._builder.table(rows)
            self._sink.write(self._builder.conform(table))

    def finish_exporting(self) -> None:
        self._flush()
        self._sink.close(self._builder.schema)
