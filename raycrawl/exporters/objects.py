"""Python's own formats: pickle, marshal, pretty-printed text, and plain Python values (not written anywhere)."""

from __future__ import annotations

import marshal
import pickle
import pprint
from collections.abc import Iterator, Mapping
from typing import IO, Any

from itemadapter import is_item

from raycrawl.exporters.base import BaseItemExporter, is_listlike, to_text


class PickleItemExporter(BaseItemExporter):
    """One pickled dict after another: ``pickle.load`` the file until EOFError."""

    def __init__(self, file: IO[bytes], protocol: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.file: IO[bytes] = file
        self.protocol: int = protocol

    def export_item(self, item: Any) -> None:
        # dumps, then one write: an item that cannot be pickled leaves nothing in the file
        self.file.write(pickle.dumps(dict(self.get_serialized_fields(item)), self.protocol))


class MarshalItemExporter(BaseItemExporter):
    """One marshalled dict after another: only Python's own simple types, readable by the same Python version."""

    def __init__(self, file: IO[bytes], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.file: IO[bytes] = file

    def export_item(self, item: Any) -> None:
        self.file.write(marshal.dumps(dict(self.get_serialized_fields(item))))


class PprintItemExporter(BaseItemExporter):
    """``pprint`` of each item, for reading with the eyes."""

    def __init__(self, file: IO[bytes], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.file: IO[bytes] = file

    def export_item(self, item: Any) -> None:
        text = pprint.pformat(dict(self.get_serialized_fields(item)))
        self.file.write(f"{text}\n".encode(self.encoding or "utf-8"))


class PythonItemExporter(BaseItemExporter):
    """Items as dicts of plain values, nested items included; ``export_item`` returns them.

    It is the base for exporters of libraries that take Python values. Bytes become text (``encoding``, default
    utf-8), everything that can be iterated over becomes a list.
    """

    def _configure(self, options: dict[str, Any], dont_fail: bool = False) -> None:
        super()._configure(options, dont_fail)
        if not self.encoding:
            self.encoding = "utf-8"

    def serialize_field(self, field: Mapping[str, Any], name: str, value: Any) -> Any:
        serializer = field.get("serializer", self._serialize_value)
        return serializer(value)

    def _serialize_value(self, value: Any) -> Any:
        if isinstance(value, (str, bytes)):
            return to_text(value, self.encoding)
        if isinstance(value, dict):
            return dict(self._serialize_dict(value))
        if is_item(value):
            return self.export_item(value)
        if is_listlike(value):
            return [self._serialize_value(element) for element in value]
        return value

    def _serialize_dict(self, value: Mapping[Any, Any]) -> Iterator[tuple[Any, Any]]:
        for key, element in value.items():
            yield to_text(key, self.encoding) if isinstance(key, bytes) else key, self._serialize_value(element)

    def export_item(self, item: Any) -> dict[str, Any]:
        return dict(self.get_serialized_fields(item))
