"""Rows to columns: Arrow tables from items, whatever the items hold, and Parquet files from tables.

A column has one type. It is inferred from the values; where they do not agree (numbers and text, objects of different
shapes), or Parquet has no type for them, the column becomes text: strings as they are, everything else as JSON.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from itemadapter import ItemAdapter, is_item

from raycrawl.feeds.codec import ItemCodec
from raycrawl.utils.serialize import ScrapyJSONEncoder

logger = logging.getLogger(__name__)

_SURROGATES = re.compile("[\ud800-\udfff]")
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
_ARROW_ERRORS = (pa.ArrowException, TypeError, ValueError, OverflowError, RecursionError)
_DEEPEST_TYPE = 16  # levels of nesting that a column's type may have; deeper values are JSON


class _TextEncoder(ScrapyJSONEncoder):
    """JSON of any value: what JSON has no form for becomes its ``str``."""

    def default(self, o: Any) -> Any:
        try:
            return super().default(o)
        except TypeError:
            return o.decode("utf-8", "replace") if isinstance(o, bytes) else str(o)


_to_json = _TextEncoder(ensure_ascii=False).encode


def encode_rows(
    rows: list[dict[str, Any]], codec: ItemCodec, count: Callable[[str], None]
) -> tuple[list[dict[str, Any]], bytes]:
    """The rows that can become columns, and their encoding.

    A value that contains itself would end the process (Arrow 26 overflows the stack), so it becomes text here. A row
    that cannot even be that is left out and counted (``items_dropped``).
    """
    lost: list[Any] = []
    blob = codec.encode(rows, lambda row, error: lost.append(row))
    recursive = codec.recursive
    if not lost and not recursive:
        return rows, blob
    kept = []
    for row in rows:
        try:
            if any(row is bad for bad in lost):
                raise ValueError("a value cannot be encoded")
            kept.append(_flat(row) if any(row is deep for deep in recursive) else row)
        except (ValueError, RecursionError) as error:
            count("items_dropped")
            logger.error("An item is missing in its Parquet feed: %s", error)
    return kept, codec.encode(kept)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value if type(value) in _PLAIN else text_value(value) for name, value in row.items()}


class ColumnBuilder:
    """Makes tables of rows, and makes them agree with a schema.

    Args:
        schema: a ``pyarrow.Schema`` that all tables get; None follows the rows.
        count: called with a stat's name for each value that a given schema cannot hold (``values_nulled``).
    """

    def __init__(self, schema: Any = None, count: Callable[[str], None] | None = None) -> None:
        self.schema: Any = schema
        self.is_given = schema is not None
        self.count: Callable[[str], None] = count or (lambda name: None)
        self._dropped: set[str] = set()

    def table(self, rows: list[dict[str, Any]]) -> Any:
        """A table of these rows: a column per name that any of them has, in the order in which they first appear."""
        if self.is_given:
            return self._table_of_schema(rows)
        names: dict[str, None] = {}
        for row in rows:
            if row.keys() - names.keys():
                names.update(dict.fromkeys(row))
        arrays = [column([row.get(name) for row in rows]) for name in names]
        return pa.table(arrays, names=[str(name) for name in names])

    def storable_table(self, rows: list[dict[str, Any]]) -> Any:
        """A table of text columns, of those rows that can be one: for rows that ``table`` failed with.

        It gives less than a table of proper types, but a feed that goes on.
        """
        tables = []
        for row in rows:
            try:
                names = [str(name) for name in row]
                tables.append(pa.table([pa.array([text_value(value)], pa.string()) for value in row.values()], names))
            except _ARROW_ERRORS as error:
                self.count("items_dropped")
                logger.error("An item is missing in its Parquet feed: %s", error)
        return pa.concat_tables(tables, promote_options="default") if tables else pa.table({})

    def _table_of_schema(self, rows: list[dict[str, Any]]) -> Any:
        unknown = {name for row in rows for name in row} - set(self.schema.names) - self._dropped
        if unknown:
            self._dropped |= unknown
            logger.warning("The Parquet schema has no column for the fields %s, which are dropped", sorted(unknown))
        arrays = [self._typed([row.get(field.name) for row in rows], field) for field in self.schema]
        return pa.table(arrays, schema=self.schema)

    def _typed(self, values: list[Any], field: Any) -> Any:
        try:
            return pa.array(values, type=field.type)
        except _ARROW_ERRORS:
            return pa.array([self._fitting(value, field) for value in values], type=field.type)

    def _fitting(self, value: Any, field: Any) -> Any:
        for candidate in (value, arrow_value(value), text_value(value)):
            try:
                pa.array([candidate], type=field.type)
                return candidate
            except _ARROW_ERRORS:
                continue
        self.count("values_nulled")
        logger.warning("A value does not fit the Parquet column %s (%s), which gets null", field.name, field.type)
        return None

    def conform(self, table: Any) -> Any:
        """The table with the columns of ``schema``, which is the first table's unless it is set."""
        if self.schema is None:
            self.schema = writable_schema(table.schema)
        lost = [name for name in table.column_names if name not in self.schema.names and name not in self._dropped]
        if lost:
            self._dropped.update(lost)
            logger.warning("Fields that came after the first Parquet row group are dropped: %s", lost)
        return conform(table, self.schema)


def column(values: list[Any]) -> Any:
    """An array of the values, with a type that Parquet can hold."""
    for convert in (None, arrow_value):
        try:
            array = pa.array(values if convert is None else [convert(value) for value in values])
            if _is_writable(array.type):
                return array
            break
        except _ARROW_ERRORS:
            continue
    return pa.array([text_value(value) for value in values], type=pa.string())


def _is_writable(type_: Any, levels: int = _DEEPEST_TYPE) -> bool:
    if not levels:
        return False
    if pa.types.is_struct(type_):
        fields = [type_.field(at).type for at in range(type_.num_fields)]
        return bool(fields) and all(_is_writable(field, levels - 1) for field in fields)
    if pa.types.is_list(type_):
        return _is_writable(type_.value_type, levels - 1)
    return not isinstance(type_, pa.ExtensionType)


def arrow_value(value: Any) -> Any:
    """The value in the types that Arrow infers from: items as dicts, sets as lists, no lone surrogates."""
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return {str(key): arrow_value(element) for key, element in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [arrow_value(element) for element in value]
    if is_item(value):
        return {name: arrow_value(element) for name, element in ItemAdapter(value).items()}
    return value


def text_value(value: Any) -> str | None:
    """The value as text: itself, or its JSON."""
    if value is None:
        return None
    text = value if isinstance(value, str) else _json_or_str(value)
    return _SURROGATES.sub("\ufffd", text)


def _json_or_str(value: Any) -> str:
    try:
        return _to_json(value)
    except (ValueError, TypeError, RecursionError):  # a cycle, keys that are no text
        return str(value)


def common_schema(schemas: Iterable[Any]) -> Any:
    """A schema that tables of all these schemas can be conformed to, columns in the order of first appearance."""
    merged: dict[str, Any] = {}
    for schema in schemas:
        for field in schema:
            known = merged.get(field.name)
            merged[field.name] = field if known is None else _common_field(known, field)
    return writable_schema(pa.schema(list(merged.values())))


def _common_field(first: Any, second: Any) -> Any:
    if first.type == second.type:
        return first
    try:
        unified = pa.unify_schemas([pa.schema([first]), pa.schema([second])], promote_options="permissive")
    except _ARROW_ERRORS:
        return pa.field(first.name, pa.string())
    return unified.field(0)


def writable_schema(schema: Any) -> Any:
    """The schema with text for what no value told the type of: readers know it, all-null columns confuse some."""
    return pa.schema([pa.field(f.name, pa.string()) if pa.types.is_null(f.type) else f for f in schema])


def conform(table: Any, schema: Any) -> Any:
    """The table with exactly the columns and types of ``schema``."""
    if table.schema.equals(schema):
        return table
    arrays = []
    for field in schema:
        if field.name not in table.column_names:
            arrays.append(pa.nulls(table.num_rows, type=field.type))
            continue
        values = table.column(field.name)
        arrays.append(values if values.type == field.type else _converted(values, field.type))
    return pa.table(arrays, schema=schema)


def _converted(values: Any, type_: Any) -> Any:
    if pa.types.is_string(type_) and not pa.types.is_null(values.type):
        return pa.array([text_value(value) for value in values.to_pylist()], type=type_)
    try:
        return values.cast(type_)
    except _ARROW_ERRORS:
        return pa.array(values.to_pylist(), type=type_)


class ParquetSink:
    """A Parquet file, one row group per ``write``.

    Args:
        file: a path or a binary file.
        compression: a codec of pyarrow.
    """

    def __init__(self, file: IO[bytes] | Path, *, compression: str = "zstd") -> None:
        self._file = str(file) if isinstance(file, Path) else file
        self._compression = compression
        self._writer: Any = None

    def write(self, table: Any) -> None:
        """Write a table as a row group; its schema must be the first one's."""
        if self._writer is None:
            self._open(table.schema)
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))

    def _open(self, schema: Any) -> None:
        self._writer = pq.ParquetWriter(self._file, schema, compression=self._compression)

    def close(self, schema: Any = None) -> None:
        """End the file. A file without rows has ``schema``, or no column."""
        if self._writer is None:
            self._open(schema if schema is not None else pa.schema([]))
        self._writer.close()
