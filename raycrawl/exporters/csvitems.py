"""CSV: one row an item, the columns fixed by ``fields_to_export`` or by the first item."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from itemadapter import ItemAdapter

from raycrawl.exporters.base import BaseItemExporter, to_text

logger = logging.getLogger(__name__)


class CsvItemExporter(BaseItemExporter):
    """Rows of text.

    Args:
        file: a binary file. It is not closed, and stays usable after ``finish_exporting``.
        include_headers_line: write the column names before the first item.
        join_multivalued: joins the strings of a list (or tuple) value.
        errors: what becomes of characters that the encoding lacks (as for ``open``); None is "strict".
        kwargs: the base class's, and whatever ``csv.writer`` takes (``delimiter``, ``quotechar``, ...).
    """

    def __init__(
        self,
        file: IO[bytes],
        include_headers_line: bool = True,
        join_multivalued: str = ",",
        errors: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dont_fail=True, **kwargs)
        if not self.encoding:
            self.encoding = "utf-8"
        self.include_headers_line = include_headers_line
        # write_through: a row is in ``file`` when export_item returns. newline="": the csv module ends the lines.
        self.stream = io.TextIOWrapper(
            file, encoding=self.encoding, errors=errors, newline="", line_buffering=False, write_through=True
        )
        self.csv_writer = csv.writer(self.stream, **self._kwargs)
        self._headers_pending = True
        self._columns: frozenset[str] | None = None
        self._join_multivalued = join_multivalued

    def serialize_field(self, field: Mapping[str, Any], name: str, value: Any) -> Any:
        serializer = field.get("serializer", self._join_if_needed)
        return serializer(value)

    def _join_if_needed(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            try:
                return self._join_multivalued.join(value)
            except TypeError:  # not only strings: Python's own representation
                return value
        return value

    def export_item(self, item: Any) -> None:
        if self._headers_pending:
            if not self.fields_to_export and not ItemAdapter(item).field_names():
                return  # an item without any field has no row, and cannot say which columns there are
            self._write_headers(item)
            self._headers_pending = False
        if self._columns:
            self._warn_of_dropped_fields(item, self._columns)
        fields = self.get_serialized_fields(item, default_value="", include_empty=True)
        self.csv_writer.writerow(list(self._build_row(value for _, value in fields)))

    def _build_row(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            yield to_text(value, self.encoding) if isinstance(value, (str, bytes)) else value

    def _write_headers(self, item: Any) -> None:
        if not self.include_headers_line:
            return
        if not self.fields_to_export:
            self.fields_to_export = ItemAdapter(item).field_names()
        fields = self.fields_to_export
        names = fields.values() if isinstance(fields, Mapping) else fields
        self._columns = frozenset(fields or ())
        self.csv_writer.writerow(list(self._build_row(names or ())))

    def _warn_of_dropped_fields(self, item: Any, columns: frozenset[str]) -> None:
        adapter = item if type(item) is dict else ItemAdapter(item)
        if columns.issuperset(adapter.keys()):
            return
        dropped = [name for name in adapter if name not in columns]
        self._columns = columns.union(dropped)  # each field is named once
        logger.warning(
            "CSV has no column for the fields %s, which are dropped: name all fields in FEED_EXPORT_FIELDS", dropped
        )

    def export_state(self) -> dict[str, Any]:
        fields = self.fields_to_export
        fields = dict(fields) if isinstance(fields, Mapping) else None if fields is None else list(fields)
        return {"fields": fields, "headers_pending": self._headers_pending}

    def restore_state(self, state: dict[str, Any]) -> None:
        self.fields_to_export = state["fields"]
        self._headers_pending = state["headers_pending"]
        self._columns = None if self._headers_pending else frozenset(self.fields_to_export or ())

    def finish_exporting(self) -> None:
        self.stream.detach()  # else the garbage collector would close the file with the wrapper
