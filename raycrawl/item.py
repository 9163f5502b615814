"""Items with declared fields.

An ``Item`` is a mapping that accepts its declared fields only, so that a misspelt field name fails at once. The class
is known to ``itemadapter``, as are dicts, dataclasses, attrs and pydantic objects: pipelines and exporters go through
its ``ItemAdapter`` and take all of them.
"""

from __future__ import annotations

from abc import ABCMeta
from collections import deque
from collections.abc import Iterator, KeysView, MutableMapping
from copy import deepcopy
from pprint import pformat
from typing import Any, NoReturn, Self, cast

from itemadapter import ItemAdapter
from itemadapter.adapter import ScrapyItemAdapter

from raycrawl.utils.trackref import object_ref


class Field(dict[str, Any]):
    """The metadata of a field: any keys, for whoever reads them (exporters a ``serializer``, loaders processors)."""


class ItemMeta(ABCMeta):
    """Moves the ``Field`` attributes of a class, with those it inherits, into ``cls.fields``.

    Later bases come first, so that the method resolution order decides as for any attribute. An inherited field is
    withdrawn when the subclass sets the name to something that is no ``Field``.
    """

    fields: dict[str, Field]

    def __new__(mcs, class_name: str, bases: tuple[type, ...], attrs: dict[str, Any]) -> ItemMeta:
        fields: dict[str, Field] = {}
        for base in reversed(bases):
            fields.update(getattr(base, "fields", None) or {})
        own = {name: value for name, value in attrs.items() if isinstance(value, Field)}
        rest = {name: value for name, value in attrs.items() if name not in own}
        for name in rest.keys() & fields.keys():
            if not callable(rest[name]):
                del fields[name]
        rest["fields"] = {**fields, **own}
        return super().__new__(mcs, class_name, bases, rest)


class Item(MutableMapping[str, Any], object_ref, metaclass=ItemMeta):
    """A mapping with the fields that its class declares.

    ``fields`` holds all declared fields, set or not, with their metadata. Reading a declared field that has no value
    raises ``KeyError``; so does setting one that is not declared, with the class and the field in the message.
    """

    fields: dict[str, Field] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._values: dict[str, Any] = {}
        if args or kwargs:
            for key, value in dict(*args, **kwargs).items():
                self[key] = value

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if key not in self.fields:
            raise KeyError(f"{type(self).__name__} does not support field: {key}")
        self._values[key] = value

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def __getattr__(self, name: str) -> NoReturn:
        if name in type(self).fields:
            raise AttributeError(f"Use item[{name!r}] to get field value")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            raise AttributeError(f"Use item[{name!r}] = {value!r} to set field value")
        super().__setattr__(name, value)

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    __hash__ = object.__hash__  # by identity, as it can change

    def keys(self) -> KeysView[str]:
        return self._values.keys()

    def __repr__(self) -> str:
        return pformat(dict(self))

    def copy(self) -> Self:
        """A new item of the same class with the same values (not copies of them)."""
        return type(self)(self)

    def deepcopy(self) -> Self:
        """A new item of the same class with copies of the values."""
        return deepcopy(self)


class RaycrawlItemAdapter(ScrapyItemAdapter):
    """How ``itemadapter`` reads and writes our ``Item``."""

    @classmethod
    def is_item(cls, item: Any) -> bool:
        return isinstance(item, Item)

    @classmethod
    def is_item_class(cls, item_class: type) -> bool:
        return issubclass(item_class, Item)


if RaycrawlItemAdapter not in ItemAdapter.ADAPTER_CLASSES:
    cast("deque[type]", ItemAdapter.ADAPTER_CLASSES).appendleft(RaycrawlItemAdapter)


__all__ = ["Field", "Item", "ItemMeta"]
