"""What all exporters share: which fields of an item are written, under which names, serialized by whom."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from itemadapter import ItemAdapter

FieldSelection = Mapping[str, str] | Iterable[str] | None


class BaseItemExporter(ABC):
    """The options that every exporter takes, and the choice of fields.

    Args:
        fields_to_export: None for every field that an item has, a list of field names (order kept), or a mapping of
            field name to the name in the output.
        export_empty_fields: whether fields that an item declares (or that ``fields_to_export`` names) and does not
            have are written with an empty value. CSV always writes all of its columns.
        encoding: character encoding of text formats; what None means is the format's own.
        indent: spaces per level in JSON and XML; 0 and below put each item on a line, None adds no white space.
        dont_fail: ignore unknown options instead of raising TypeError (for subclasses that take their own).
    """

    def __init__(self, *, dont_fail: bool = False, **kwargs: Any) -> None:
        self._kwargs: dict[str, Any] = kwargs
        self._configure(kwargs, dont_fail=dont_fail)

    def _configure(self, options: dict[str, Any], dont_fail: bool = False) -> None:
        """Take the common options out of ``options``; what is left belongs to the subclass."""
        take = options.pop
        self.fields_to_export: FieldSelection = take("fields_to_export", None)
        self.export_empty_fields: bool = take("export_empty_fields", False)
        self.encoding: str | None = take("encoding", None)
        self.indent: int | None = take("indent", None)
        if options and not dont_fail:
            raise TypeError(f"Unexpected options: {', '.join(options)}")

    @abstractmethod
    def export_item(self, item: Any) -> Any:
        """Write one item."""
        raise NotImplementedError

    def start_exporting(self) -> None:  # noqa: B027 - optional hook
        """Write what stands before the first item."""

    def finish_exporting(self) -> None:  # noqa: B027 - optional hook
        """Write what stands after the last item."""

    def serialize_field(self, field: Mapping[str, Any], name: str, value: Any) -> Any:
        """The value to write for a field: the field's ``serializer`` decides, when its metadata has one.

        Args:
            field: the metadata of the field (empty for dict items).
            name: the name of the field.
            value: its value in the item.
        """
        serializer = field.get("serializer")
        return value if serializer is None else serializer(value)

    def get_serialized_fields(
        self, item: Any, default_value: Any = None, include_empty: bool | None = None
    ) -> Iterator[tuple[str, Any]]:
        """Pairs of output name and serialized value, in the order in which they are written."""
        return self._get_serialized_fields(item, default_value, include_empty)

    # The name before Scrapy 2.19, which exporters in public override and call.
    def _get_serialized_fields(
        self, item: Any, default_value: Any = None, include_empty: bool | None = None
    ) -> Iterator[tuple[str, Any]]:
        adapter = item if isinstance(item, ItemAdapter) else ItemAdapter(item)
        if include_empty is None:
            include_empty = self.export_empty_fields
        for name, output_name in self._selected_fields(adapter, include_empty):
            if name in adapter:
                yield output_name, self.serialize_field(adapter.get_field_meta(name), output_name, adapter[name])
            else:
                yield output_name, default_value

    def _selected_fields(self, adapter: ItemAdapter, include_empty: bool) -> list[tuple[str, str]]:
        fields = self.fields_to_export
        if fields is None:
            names = adapter.field_names() if include_empty else adapter.keys()
            return [(name, name) for name in names]
        pairs: Iterable[Any] = fields.items() if isinstance(fields, Mapping) else fields
        selected = [pair if isinstance(pair, tuple) else (pair, pair) for pair in pairs]
        return selected if include_empty else [pair for pair in selected if pair[0] in adapter]

    def export_state(self) -> dict[str, Any]:
        """What another exporter must know to go on with the same file; plain values.

        Our feed writer journals it and gives it to ``restore_state`` of the exporter that continues after a crash. An
        exporter whose output depends on earlier items has to say so here.
        """
        return {}

    def restore_state(self, state: dict[str, Any]) -> None:  # noqa: B027 - optional hook
        """Take over what ``export_state`` returned, after ``start_exporting``."""

    @property
    def _takes_dicts_whole(self) -> bool:
        """Whether a plain dict is written as it is: no choice of fields, and no subclass that serializes them."""
        cls = type(self)
        return (
            self.fields_to_export is None
            and cls.serialize_field is BaseItemExporter.serialize_field
            and cls.get_serialized_fields is BaseItemExporter.get_serialized_fields
            and cls._get_serialized_fields is BaseItemExporter._get_serialized_fields
        )


def to_text(value: bytes | str, encoding: str | None = None) -> str:
    """``value`` as str, decoded when it is bytes."""
    return value if isinstance(value, str) else value.decode(encoding or "utf-8")


def is_listlike(value: Any) -> bool:
    """True for what is exported as a list: anything that can be iterated over but text and bytes."""
    return hasattr(value, "__iter__") and not isinstance(value, (str, bytes))
