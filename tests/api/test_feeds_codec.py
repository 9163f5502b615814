"""Items as bytes between our own processes: what goes in comes out, of the same class."""

from __future__ import annotations

import dataclasses
import enum
import io
import subprocess
import sys
import textwrap
from collections import OrderedDict, defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from raycrawl import Field, Item
from raycrawl.feeds import ItemCodec, decode_items, encode_items


class Book(Item):
    name = Field(serializer=str.upper)
    tags = Field()


@dataclasses.dataclass(frozen=True)
class Frozen:
    name: str
    hidden: int = dataclasses.field(default=7, init=False)


@attrs.define
class Slotted:
    name: str = attrs.field(converter=lambda value: value + "!")


class Model(BaseModel):
    name: str
    price: Decimal = Decimal(1)


class Colour(enum.StrEnum):
    RED = "red"


VALUES: list[Any] = [
    "text", "\ud800", "\x00", b"bytes", 1, -1, 2**64, 2**80, 1.5, float("inf"), True, None, [], {}, (1, (2,)), {1, 2},
    frozenset({3}), date(2020, 1, 2), datetime(2020, 1, 2, 3, 4, 5, 6, tzinfo=UTC), Decimal("1.10"), Colour.RED,
    {1: 2, (1, 2): 3}, [Book(name="n")], Frozen("x"), complex(1, 2), "x" * 1_000_000,
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_values_come_back_as_they_were(value: Any) -> None:
    (back,) = decode_items(encode_items([{"value": value}]))
    assert back == {"value": value}
    assert type(back["value"]) is type(value)


def test_nan_comes_back() -> None:
    (back,) = decode_items(encode_items([{"value": float("nan")}]))
    assert back["value"] != back["value"]


@pytest.mark.parametrize("item", [Book(name="x", tags={1}), Frozen("x"), Slotted("x"), Model(name="x")])
def test_items_come_back_as_objects_of_their_class(item: Any) -> None:
    batch = [item, {"a": 1}, item]
    back = decode_items(encode_items(batch))
    assert [type(one) for one in back] == [type(one) for one in batch]
    assert back == batch or [dict(one) for one in back] == [dict(one) for one in batch]


def test_subclasses_of_plain_types_become_plain() -> None:
    class Text(str):
        __slots__ = ("tree",)

    item = {"text": Text("x"), "ordered": OrderedDict(a=1), "default": defaultdict(lambda: 0, b=2)}
    (back,) = decode_items(encode_items([item]))
    assert back == {"text": "x", "ordered": {"a": 1}, "default": {"b": 2}}
    assert type(back["text"]) is str


def test_a_cycle_and_deep_nesting_come_back() -> None:
    cycle: dict[str, Any] = {"a": 1}
    cycle["self"] = cycle
    deep: Any = []
    for _ in range(600):
        deep = [deep]
    back = decode_items(encode_items([cycle, {"deep": deep}, {"after": 1}]))
    assert back[0]["self"] is back[0]
    assert back[1]["deep"] == deep
    assert back[2] == {"after": 1}


def test_what_cannot_travel_is_reported_and_left_out() -> None:
    bad = {"file": io.TextIOWrapper(io.BytesIO())}
    with pytest.raises(ValueError, match="cannot travel"):
        encode_items([{"a": 1}, bad])
    lost: list[Any] = []
    blob = encode_items([{"a": 1}, bad, Book(name="x")], lambda item, error: lost.append(item))
    assert lost == [bad]
    assert decode_items(blob) == [{"a": 1}, Book(name="x")] or len(decode_items(blob)) == 2


def test_the_class_travels_once_a_batch() -> None:
    codec = ItemCodec()
    one, many = (codec.encode([Book(name="x")] * count) for count in (1, 101))
    assert (len(many) - len(one)) / 100 < 40


def test_a_class_of_a_spider_file_reaches_a_process_that_cannot_import_it(tmp_path: Path) -> None:
    """Its field serializers work there, and two batches bring the same class."""
    sender = textwrap.dedent(
        """
        import importlib.util, sys
        spec = importlib.util.spec_from_file_location("my_spider_file", sys.argv[1])
        module = importlib.util.module_from_spec(spec)
        sys.modules["my_spider_file"] = module
        spec.loader.exec_module(module)
        from raycrawl.feeds import encode_items
        blobs = [encode_items([module.Book(name=name)]) for name in ("a", "b")]
        sys.stdout.write(" ".join(blob.hex() for blob in blobs))
        """
    )
    spider = tmp_path / "spider.py"
    spider.write_text(
        "import raycrawl\ndef shout(value):\n    return value.upper()\n"
        "class Book(raycrawl.Item):\n    name = raycrawl.Field(serializer=shout)\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", sender, str(spider)], capture_output=True, text=True, check=True
    ).stdout
    first, second = (decode_items(bytes.fromhex(blob))[0] for blob in output.split())
    assert type(first) is type(second)
    assert first.fields["name"]["serializer"](first["name"]) == "A"


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=10,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.text(), plain)))
def test_any_plain_items_come_back(items: list[dict[str, Any]]) -> None:
    assert decode_items(encode_items(items)) == items
