"""``Item`` and ``Field``, and all kinds of items through ``itemadapter``."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass, field
from typing import Any

import attrs
import pydantic
import pytest
from itemadapter import ItemAdapter, is_item

import raycrawl
from raycrawl.item import Field, Item, ItemMeta


class Product(Item):
    name = Field()
    price = Field(serializer=str)
    tax_rate = 0.2


class Book(Product):
    name = Field(Product.fields["name"], required=True)
    isbn = Field()


def test_names() -> None:
    assert raycrawl.Item is Item
    assert raycrawl.Field is Field
    assert type(Product) is ItemMeta


def test_only_declared_fields() -> None:
    with pytest.raises(KeyError, match="Product does not support field: prize"):
        Product(prize=1)
    product = Product(name="n")
    with pytest.raises(KeyError, match="Product does not support field: prize"):
        product["prize"] = 1
    with pytest.raises(KeyError, match="price"):
        product["price"]
    with pytest.raises(KeyError, match="nope"):
        product["nope"]
    with pytest.raises(KeyError, match="Item does not support field: a"):
        Item(a=1)


def test_fields_are_no_attributes() -> None:
    product = Product(name="n")
    with pytest.raises(AttributeError, match=r"item\['name'\]"):
        product.name  # noqa: B018
    with pytest.raises(AttributeError, match=r"item\['name'\] = 'x'"):
        product.name = "x"  # type: ignore[assignment]
    with pytest.raises(AttributeError, match="nope"):
        product.nope  # type: ignore[attr-defined] # noqa: B018
    with pytest.raises(AttributeError):
        product.nope = 1  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        Product.name  # noqa: B018
    product._private = 1  # type: ignore[attr-defined]
    assert product._private == 1  # type: ignore[attr-defined]
    assert Product.tax_rate == 0.2


def test_it_is_a_mapping() -> None:
    product = Product({"name": "n"}, price=1)
    assert dict(product) == {"name": "n", "price": 1} == product
    assert list(product.keys()) == ["name", "price"]
    assert (len(product), "name" in product, product.get("price"), product.get("nope", 5)) == (2, True, 1, 5)
    assert product.pop("price") == 1
    assert product.setdefault("price", 7) == 7
    product.update(name="m")
    del product["price"]
    assert dict(product.items()) == {"name": "m"}
    with pytest.raises(KeyError):
        del product["price"]
    assert Product([("name", "x")])["name"] == "x"
    assert "price" in product.fields
    assert "price" not in product


def test_equality_hash_and_repr() -> None:
    assert Product(name="n") == Product(name="n") != Product(name="m")
    one = Product(name="n")
    assert len({one, one, Product(name="n")}) == 2
    assert repr(Book(name="n", isbn=[1])) == "{'isbn': [1], 'name': 'n'}"


def test_fields_are_inherited_and_extended() -> None:
    assert Product.fields == {"name": {}, "price": {"serializer": str}}
    assert Book.fields == {"name": {"required": True}, "price": {"serializer": str}, "isbn": {}}
    assert isinstance(Book.fields["name"], Field)
    assert Product.fields["name"] == {}


def test_multiple_inheritance_and_withdrawn_fields() -> None:
    class Left(Item):
        a = Field(side="left")
        b = Field()

    class Right(Item):
        a = Field(side="right")
        c = Field()

    class Both(Left, Right):
        d = Field()

    class Less(Both):
        b = None

    assert set(Both.fields) == {"a", "b", "c", "d"}
    assert Both.fields["a"] == {"side": "left"}
    assert "b" not in Less.fields


def test_methods_and_init_of_subclasses() -> None:
    class Named(Item):
        name = Field()
        keys = Field()

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.setdefault("name", "default")

        @property
        def upper(self) -> str:
            return str(self["name"]).upper()

    assert Named()["name"] == "default"
    assert Named(name="x").upper == "X"
    assert Named(keys=3)["keys"] == 3


def test_copies() -> None:
    product = Product(name=["a"])
    shallow = product.copy()
    shared = copy.copy(product)
    deep = product.deepcopy()
    product["name"].append("b")
    product["price"] = 1
    assert shallow == {"name": ["a", "b"]}
    assert type(shared) is Product
    assert deep == {"name": ["a"]}
    assert type(deep) is type(shallow) is Product


def test_items_travel() -> None:
    assert pickle.loads(pickle.dumps(Book(name="n", price=2))) == Book(name="n", price=2)


def test_items_are_tracked() -> None:
    from raycrawl.utils.trackref import get_oldest

    class Tracked(Item):
        pass

    item = Tracked()
    assert get_oldest("Tracked") is item


# -- itemadapter


@dataclass
class DataProduct:
    name: str = field(default="d", metadata={"k": 1})
    price: float | None = None


@attrs.define
class AttrsProduct:
    name: str = attrs.field(default="d", metadata={"k": 1})
    price: float | None = None


class ModelProduct(pydantic.BaseModel):
    name: str = pydantic.Field(default="d", json_schema_extra={"k": 1})
    price: float | None = None


class ItemProduct(Item):
    name = Field(k=1)
    price = Field()


@pytest.mark.parametrize("cls", [dict, ItemProduct, DataProduct, AttrsProduct, ModelProduct])
def test_all_kinds_of_items_through_the_adapter(cls: Any) -> None:
    item = cls(name="n", price=1)
    adapter = ItemAdapter(item)
    assert is_item(item)
    adapter["price"] = 2
    assert adapter.asdict() == {"name": "n", "price": 2}
    assert set(adapter.field_names()) == {"name", "price"}
    assert adapter.item is item
    if cls is not dict:
        with pytest.raises(KeyError, match="nope"):
            adapter["nope"] = 1


@pytest.mark.parametrize("cls", [ItemProduct, DataProduct, AttrsProduct])
def test_metadata_through_the_adapter(cls: Any) -> None:
    assert ItemAdapter(cls(name="n")).get_field_meta("name")["k"] == 1
    assert ItemAdapter.get_field_meta_from_class(cls, "name")["k"] == 1
    assert ItemAdapter.get_field_names_from_class(cls) == ["name", "price"]


def test_nested_items_become_dicts() -> None:
    class Nest(Item):
        inner = Field()

    nest = Nest(inner=[Product(name=1), {"x": DataProduct("y")}])
    assert ItemAdapter(nest).asdict() == {"inner": [{"name": 1}, {"x": {"name": "y", "price": None}}]}
    assert ItemAdapter.is_item_class(Nest)
    assert not ItemAdapter.is_item_class(int)
