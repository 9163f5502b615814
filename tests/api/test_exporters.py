"""Item exporters: text formats, options, nested items, every item class."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import marshal
import pickle
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
from lxml import etree
from pydantic import BaseModel

from raycrawl import Field, Item
from raycrawl.exporters import (
    BaseItemExporter,
    CsvItemExporter,
    JsonItemExporter,
    JsonLinesItemExporter,
    MarshalItemExporter,
    PickleItemExporter,
    PprintItemExporter,
    PythonItemExporter,
    XmlItemExporter,
)


class Book(Item):
    name = Field()
    age = Field(serializer=lambda value: f"{value} years")
    tags = Field()


@dataclasses.dataclass
class DataBook:
    name: str
    age: int = dataclasses.field(metadata={"serializer": lambda value: f"{value} years"})


@attrs.define
class AttrsBook:
    name: str
    age: int = attrs.field(metadata={"serializer": lambda value: f"{value} years"})


class ModelBook(BaseModel):
    name: str
    age: int


def export(cls: Any, *items: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    exporter = cls(file, **options)
    exporter.start_exporting()
    for item in items:
        exporter.export_item(item)
    exporter.finish_exporting()
    return file.getvalue()


ALL_WITH_FILE = [
    JsonItemExporter, JsonLinesItemExporter, CsvItemExporter, XmlItemExporter, PickleItemExporter, MarshalItemExporter,
    PprintItemExporter,
]  # fmt: skip


@pytest.mark.parametrize("cls", ALL_WITH_FILE)
def test_the_file_stays_open_and_has_everything_when_the_exporter_ends(cls: Any) -> None:
    file = io.BytesIO()
    exporter = cls(file)
    exporter.start_exporting()
    exporter.export_item({"name": "x"})
    exporter.finish_exporting()
    del exporter
    assert not file.closed
    assert b"x" in file.getvalue()


@pytest.mark.parametrize("cls", [XmlItemExporter, PickleItemExporter, MarshalItemExporter, PprintItemExporter])
def test_unknown_options_are_refused(cls: Any) -> None:
    with pytest.raises(TypeError, match="Unexpected options: zork"):
        cls(io.BytesIO(), zork=1)
    assert cls(io.BytesIO(), zork=1, dont_fail=True)


@pytest.mark.parametrize("cls", [JsonItemExporter, JsonLinesItemExporter, CsvItemExporter])
def test_unknown_options_go_to_the_writer_that_refuses_them(cls: Any) -> None:
    with pytest.raises(TypeError):
        cls(io.BytesIO(), zork=1)


def test_the_base_class_is_abstract() -> None:
    with pytest.raises(TypeError):
        BaseItemExporter()  # type: ignore[abstract]


class TestFields:
    def names(self, item: Any, **options: Any) -> list[tuple[str, Any]]:
        return list(PythonItemExporter(**options).get_serialized_fields(item))

    def test_all_fields_with_a_value_in_their_order(self) -> None:
        assert self.names(Book(age=3, name="x")) == [("age", "3 years"), ("name", "x")]

    def test_a_list_chooses_and_orders(self) -> None:
        assert self.names({"a": 1, "b": 2, "c": 3}, fields_to_export=["c", "a", "zz"]) == [("c", 3), ("a", 1)]

    def test_a_mapping_renames(self) -> None:
        assert self.names({"a": 1, "b": 2}, fields_to_export={"b": "Bee", "x": "X"}) == [("Bee", 2)]

    def test_an_empty_list_chooses_nothing(self) -> None:
        assert self.names({"a": 1}, fields_to_export=[]) == []

    def test_empty_fields_get_the_default_value(self) -> None:
        exporter = PythonItemExporter(export_empty_fields=True)
        assert dict(exporter.get_serialized_fields(Book(name="x"), default_value="-")) == {
            "name": "x", "age": "-", "tags": "-",
        }  # fmt: skip
        assert dict(exporter.get_serialized_fields(Book(name="x"), include_empty=False)) == {"name": "x"}

    def test_empty_fields_that_were_chosen(self) -> None:
        assert self.names({"a": 1}, fields_to_export=["b", "a"], export_empty_fields=True) == [("b", None), ("a", 1)]

    def test_keys_that_are_no_strings(self) -> None:
        assert export(JsonLinesItemExporter, {1: 2}) == b'{"1": 2}\n'

    @pytest.mark.parametrize("item", [Book(name="x", age=3), DataBook("x", 3), AttrsBook("x", 3)])
    def test_the_serializer_of_the_field_decides(self, item: Any) -> None:
        assert self.names(item) == [("name", "x"), ("age", "3 years")]

    def test_pydantic_items(self) -> None:
        assert self.names(ModelBook(name="x", age=3)) == [("name", "x"), ("age", 3)]

    def test_a_subclass_serializes_fields_by_name(self) -> None:
        class Dollars(JsonLinesItemExporter):
            def serialize_field(self, field: Mapping[str, Any], name: str, value: Any) -> Any:
                return f"$ {value}" if name == "price" else super().serialize_field(field, name, value)

        assert export(Dollars, {"price": 5, "name": "x"}) == b'{"price": "$ 5", "name": "x"}\n'

    def test_a_subclass_of_before_2_19_chooses_its_fields(self) -> None:
        class Sorted(JsonLinesItemExporter):
            def _get_serialized_fields(self, item: Any, *args: Any, **kwargs: Any) -> Any:
                return sorted(super()._get_serialized_fields(item, *args, **kwargs))

        assert export(Sorted, {"b": 1, "a": 2}) == b'{"a": 2, "b": 1}\n'


class TestJson:
    def test_array(self) -> None:
        assert export(JsonItemExporter, {"a": 1}, {"a": "é"}) == b'[{"a": 1},{"a": "\\u00e9"}]'

    def test_nothing(self) -> None:
        assert export(JsonItemExporter) == b"[]"
        assert export(JsonItemExporter, indent=0) == b"[\n\n]"
        assert export(JsonLinesItemExporter) == b""

    def test_indent_zero_is_an_item_a_line(self) -> None:
        assert export(JsonItemExporter, {"a": 1, "b": [1]}, {}, indent=0) == b'[\n{"a": 1, "b": [1]},\n{}\n]'
        assert export(JsonItemExporter, {"a": 1}, indent=-1) == b'[\n{"a": 1}\n]'

    def test_indent(self) -> None:
        assert export(JsonItemExporter, {"a": [1]}, indent=2) == b'[\n{\n  "a": [\n    1\n  ]\n}\n]'

    def test_lines_ignore_indent(self) -> None:
        assert export(JsonLinesItemExporter, {"a": 1}, {"b": 2}, indent=4) == b'{"a": 1}\n{"b": 2}\n'

    def test_an_encoding_switches_escapes_off(self) -> None:
        assert export(JsonLinesItemExporter, {"a": "é"}, encoding="utf-8") == '{"a": "é"}\n'.encode()
        assert export(JsonItemExporter, {"a": "é"}, encoding="latin-1") == '[{"a": "é"}]'.encode("latin-1")

    def test_encoder_options(self) -> None:
        assert export(JsonLinesItemExporter, {"b": 1, "a": "é"}, sort_keys=True, ensure_ascii=False) == (
            '{"a": "é", "b": 1}\n'.encode()
        )

    def test_dates_decimals_sets_and_nested_items(self) -> None:
        item = {
            "date": date(2020, 1, 2), "time": datetime(2020, 1, 2, 3, 4, 5), "price": Decimal("1.50"), "set": {1},
            "items": [Book(name="x", age=1), DataBook("y", 2)],
        }  # fmt: skip
        assert json.loads(export(JsonLinesItemExporter, item)) == {
            "date": "2020-01-02", "time": "2020-01-02T03:04:05", "price": "1.50", "set": [1],
            "items": [{"name": "x", "age": 1}, {"name": "y", "age": 2}],
        }  # fmt: skip

    @pytest.mark.parametrize("text", ["\ud800", "\x00", "a\r\nb\u2028", '"\\', "😀"])
    def test_nasty_text_comes_back(self, text: str) -> None:
        assert json.loads(export(JsonLinesItemExporter, {"a": text})) == {"a": text}

    @pytest.mark.parametrize("cls", [JsonItemExporter, JsonLinesItemExporter])
    def test_an_item_that_fails_leaves_nothing_behind(self, cls: Any) -> None:
        file = io.BytesIO()
        exporter = cls(file)
        exporter.start_exporting()
        cycle: dict[str, Any] = {}
        cycle["self"] = cycle
        for bad in ({"a": object()}, cycle, {"a": b"bytes"}):
            with pytest.raises((TypeError, ValueError)):
                exporter.export_item(bad)
        exporter.export_item({"a": 1})
        exporter.export_item({"a": [1, [2]]})
        exporter.finish_exporting()
        text = file.getvalue().decode()
        items = json.loads(text) if cls is JsonItemExporter else [json.loads(line) for line in text.splitlines()]
        assert items == [{"a": 1}, {"a": [1, [2]]}]

    def test_the_public_attributes(self) -> None:
        exporter = JsonItemExporter(io.BytesIO())
        assert exporter.encoder.encode({"a": date(2020, 1, 1)}) == '{"a": "2020-01-01"}'
        assert exporter.first_item
        exporter.export_item({})
        assert not exporter.first_item


class TestCsv:
    def rows(self, *items: Any, **options: Any) -> list[list[str]]:
        return list(csv.reader(io.StringIO(export(CsvItemExporter, *items, **options).decode(), newline="")))

    def test_the_first_item_names_the_columns(self) -> None:
        assert self.rows({"a": 1, "b": "x"}, {"b": "y"}) == [["a", "b"], ["1", "x"], ["", "y"]]

    def test_an_item_class_has_a_column_for_each_field(self) -> None:
        assert self.rows(Book(age=1)) == [["name", "age", "tags"], ["", "1 years", ""]]

    def test_chosen_and_renamed_columns(self) -> None:
        assert self.rows({"a": 1, "b": 2}, fields_to_export=["b", "zz"]) == [["b", "zz"], ["2", ""]]
        assert self.rows({"a": 1, "b": 2}, fields_to_export={"b": "Bee", "a": "A"}) == [["Bee", "A"], ["2", "1"]]
        assert self.rows({"a": 1}, fields_to_export=[]) == [["a"], ["1"]]

    def test_no_header(self) -> None:
        assert export(CsvItemExporter, {"a": 1}, {"a": 2}, include_headers_line=False) == b"1\r\n2\r\n"

    def test_no_item_no_header(self) -> None:
        assert export(CsvItemExporter) == b""

    def test_an_item_without_fields_does_not_fix_the_columns(self) -> None:
        assert self.rows({}, {"a": 1}) == [["a"], ["1"]]

    def test_lists_of_text_are_joined(self) -> None:
        assert self.rows({"a": ["x", "y"], "b": [1, 2], "c": ("p", "q")}) == [
            ["a", "b", "c"], ["x,y", "[1, 2]", "p,q"],
        ]  # fmt: skip
        assert self.rows({"a": ["x", "y"]}, join_multivalued="|") == [["a"], ["x|y"]]

    def test_writer_options_and_line_ends(self) -> None:
        assert export(CsvItemExporter, {"a": "x;y", "b": 1}, delimiter=";", quotechar="'", lineterminator="\n") == (
            b"a;b\n'x;y';1\n"
        )

    def test_quotes_and_line_breaks_come_back(self) -> None:
        assert self.rows({"a": 'say "hi",\r\nthere'}) == [["a"], ['say "hi",\r\nthere']]

    def test_encodings_and_errors(self) -> None:
        assert export(CsvItemExporter, {"a": "é"}, encoding="latin-1") == b"a\r\n\xe9\r\n"
        assert export(CsvItemExporter, {"a": "é"}, encoding="ascii", errors="xmlcharrefreplace") == b"a\r\n&#233;\r\n"
        with pytest.raises(UnicodeEncodeError):
            export(CsvItemExporter, {"a": "é"}, encoding="ascii")

    def test_bytes_are_decoded(self) -> None:
        assert self.rows({"a": "é".encode()}) == [["a"], ["é"]]

    def test_fields_without_a_column_are_named_once(self, caplog: pytest.LogCaptureFixture) -> None:
        self.rows({"a": 1}, {"a": 2, "b": 3}, {"b": 4})
        assert [record.getMessage().count("'b'") for record in caplog.records] == [1]


class TestXml:
    def test_document(self) -> None:
        assert export(XmlItemExporter, {"a": 1, "b": "<&é>"}) == (
            '<?xml version="1.0" encoding="utf-8"?>\n<items><item><a>1</a><b>&lt;&amp;é&gt;</b></item></items>'.encode()
        )

    def test_nothing(self) -> None:
        assert export(XmlItemExporter, indent=2) == b'<?xml version="1.0" encoding="utf-8"?>\n<items>\n</items>'

    def test_names_of_the_elements(self) -> None:
        assert export(XmlItemExporter, {}, root_element="books", item_element="book").endswith(
            b"<books><book></book></books>"
        )

    def test_lists_and_mappings(self) -> None:
        item = {"list": [1, {"b": 2}], "book": Book(name="x"), "empty": {}}
        assert export(XmlItemExporter, item).endswith(
            b"<items><item><list><value>1</value><value><b>2</b></value></list>"
            b"<book><name>x</name></book><empty></empty></item></items>"
        )

    def test_indent(self) -> None:
        text = export(XmlItemExporter, {"a": 1, "l": [1]}, indent=1).decode().partition("\n")[2]
        assert text == (
            "<items>\n <item>\n  <a>1</a>\n  <l>\n   <value>1</value>\n  </l>\n </item>\n</items>"
        )
        assert export(XmlItemExporter, {"a": 1}, indent=0).endswith(b"<items>\n<item><a>1</a></item>\n</items>")

    def test_encoding(self) -> None:
        data = export(XmlItemExporter, {"a": "é€"}, encoding="latin-1")
        assert data.startswith(b'<?xml version="1.0" encoding="iso-8859-1"?>')
        assert etree.fromstring(data).findtext("item/a") == "é€"

    @pytest.mark.parametrize("text", ["\x00", "\x0b", "\ud800", "\uffff", "a\x1bb"])
    def test_forbidden_characters_leave_it_well_formed(self, text: str) -> None:
        document = etree.fromstring(export(XmlItemExporter, {"a": text}))
        assert "\ufffd" in (document.findtext("item/a") or "")

    @pytest.mark.parametrize("name", ["a b", "1x", "", "<", "é", "x:y", "-a"])
    def test_forbidden_names_leave_it_well_formed(self, name: str) -> None:
        (field,) = etree.fromstring(export(XmlItemExporter, {name: "v"}))[0]
        assert field.text == "v"

    def test_empty_fields(self) -> None:
        assert b"<age></age><tags></tags>" in export(XmlItemExporter, Book(name="x"), export_empty_fields=True)


class TestPythonFormats:
    def test_pickle(self) -> None:
        file = io.BytesIO(export(PickleItemExporter, {"a": {1}}, Book(name="x", age=1)))
        assert [pickle.load(file), pickle.load(file)] == [{"a": {1}}, {"name": "x", "age": "1 years"}]
        assert PickleItemExporter(file).protocol == 4
        assert export(PickleItemExporter, {}, protocol=0) == pickle.dumps({}, 0)

    def test_marshal(self) -> None:
        file = io.BytesIO(export(MarshalItemExporter, {"a": [1]}, {"b": "x"}))
        assert [marshal.load(file), marshal.load(file)] == [{"a": [1]}, {"b": "x"}]

    def test_pprint(self) -> None:
        assert export(PprintItemExporter, {"b": "é", "a": 1}) == "{'a': 1, 'b': 'é'}\n".encode()

    def test_python_returns_plain_values(self) -> None:
        item = {"a": b"x", "b": (1, {"c": Book(name="y", age=2)}), "d": {3}, "e": Decimal("1.5")}
        assert PythonItemExporter().export_item(item) == {
            "a": "x", "b": [1, {"c": {"name": "y", "age": "2 years"}}], "d": [3], "e": Decimal("1.5"),
        }  # fmt: skip
