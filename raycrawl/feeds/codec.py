"""Items as bytes between our own processes, and back as what they were.

A batch is ``length | class table | items``, both parts MessagePack. Dicts of plain values (the usual item) cost a
C call. An object of an item class travels as (class number, values), the class itself once per batch, so that field
serializers, field order and ``item_classes`` filters work where the item arrives. All other values (dates, decimals,
sets, tuples, any object) keep their type as an extension. Both ends are processes of one crawl: extensions may hold
pickles, and nothing that a website sent can become one, since text and bytes stay text and bytes.
"""

from __future__ import annotations

import enum
import importlib.machinery
import pickle
import struct
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import msgpack
from itemadapter import ItemAdapter, is_item

_LENGTH = struct.Struct("<I")
_EXT_ITEM, _EXT_PICKLE, _EXT_TUPLE, _EXT_SET, _EXT_FROZENSET = range(1, 6)

OnError = Callable[[Any, Exception], None]


class ItemCodec:
    """Encodes and decodes batches. Keeps the pickles of classes, so use one codec per process.

    Not thread-safe while encoding: give each thread its own.
    """

    def __init__(self) -> None:
        self._class_blobs: WeakKeyDictionary[type, bytes] = WeakKeyDictionary()
        self._classes_by_blob: dict[bytes, type] = {}
        self._batch_classes: dict[type, int] = {}
        self._incoming: list[type] = []
        # Items of the last batch that hold themselves or are nested deeper than MessagePack goes (511 levels).
        self.recursive: list[Any] = []
        self._packer = self._new_packer()

    def _new_packer(self) -> msgpack.Packer:
        # strict_types: tuples and subclasses come to _encode_special; surrogatepass: any str survives
        return msgpack.Packer(strict_types=True, default=self._encode_special, unicode_errors="surrogatepass")

    def encode(self, items: Iterable[Any], on_error: OnError | None = None) -> bytes:
        """The batch as bytes.

        Args:
            items: what a spider may yield: dicts and objects of item classes.
            on_error: is called with an item that cannot travel (it holds an open file, say) and the error, and the
                item is left out. Without it such an item raises ValueError.
        """
        items = list(items)
        self._batch_classes.clear()
        self.recursive = []
        try:
            body: bytes = self._packer.pack(items)
        except Exception:  # which item it was is found by encoding them one by one
            self._packer = self._new_packer()
            body = self._encode_singly(items, on_error)
        head = msgpack.packb([self._class_blob(cls) for cls in self._batch_classes])
        return b"".join((_LENGTH.pack(len(head)), head, body))

    def _encode_singly(self, items: list[Any], on_error: OnError | None) -> bytes:
        encoded: list[bytes] = []
        for item in items:
            try:
                encoded.append(self._encode_one(item))
            except Exception as error:
                if on_error is None:
                    raise ValueError(f"the item {type(item).__name__} cannot travel: {error}") from error
                on_error(item, error)
        packer = msgpack.Packer()
        header: bytes = packer.pack_array_header(len(encoded))
        return header + b"".join(encoded)

    def _encode_one(self, item: Any) -> bytes:
        try:
            data: bytes = self._packer.pack(item)
        except Exception:  # a cycle, deep nesting, a huge integer inside a container: pickle knows them
            self._packer = self._new_packer()
            data = self._packer.pack(_pickled(item))
            self.recursive.append(item)
        return data

    def _encode_special(self, value: Any) -> Any:
        cls = type(value)
        if cls is tuple:
            return msgpack.ExtType(_EXT_TUPLE, self._pack_nested(list(value)))
        if cls is set or cls is frozenset:
            return msgpack.ExtType(_EXT_SET if cls is set else _EXT_FROZENSET, self._pack_nested(list(value)))
        if isinstance(value, (enum.Enum, int)):  # int: subclasses, and what 64 bits cannot hold
            return _pickled(value)
        if isinstance(value, str):  # lxml's strings hold their whole tree: the text is what the item says
            return str.__str__(value)
        if isinstance(value, dict):  # before is_item: subclasses such as defaultdict(lambda) need not be picklable
            return dict(value)
        if is_item(value) and _is_rebuildable(cls):
            number = self._batch_classes.setdefault(cls, len(self._batch_classes))
            return msgpack.ExtType(_EXT_ITEM, self._pack_nested([number, dict(ItemAdapter(value))]))
        return _pickled(value)

    def _pack_nested(self, value: Any) -> bytes:
        # The outer packer is in use while its default() runs, so nested values need one of their own.
        data: bytes = self._new_packer().pack(value)
        return data

    def _class_blob(self, cls: type) -> bytes:
        blob = self._class_blobs.get(cls)
        if blob is None:
            blob = self._class_blobs[cls] = _pickle_class(cls)
        return blob

    def decode(self, blob: bytes) -> list[Any]:
        """The items of a batch, as objects of their classes."""
        (head_length,) = _LENGTH.unpack_from(blob)
        body_start = _LENGTH.size + head_length
        head = msgpack.unpackb(blob[_LENGTH.size : body_start])
        self._incoming = [self._load_class(class_blob) for class_blob in head]
        items: list[Any] = self._unpack(memoryview(blob)[body_start:])
        return items

    def _load_class(self, blob: bytes) -> type:
        cls = self._classes_by_blob.get(blob)
        if cls is None:
            cls = self._classes_by_blob[blob] = pickle.loads(blob)
        return cls

    def _unpack(self, data: Any) -> Any:
        return msgpack.unpackb(
            data, strict_map_key=False, unicode_errors="surrogatepass", ext_hook=self._decode_extension
        )

    def _decode_extension(self, code: int, data: bytes) -> Any:
        if code == _EXT_PICKLE:
            return pickle.loads(data)
        value = self._unpack(data)
        if code == _EXT_ITEM:
            return rebuild_item(self._incoming[value[0]], value[1])
        return {_EXT_TUPLE: tuple, _EXT_SET: set, _EXT_FROZENSET: frozenset}[code](value)


def _pickled(value: Any) -> msgpack.ExtType:
    try:
        return msgpack.ExtType(_EXT_PICKLE, pickle.dumps(value, 5))
    except Exception:  # objects of __main__, local classes, lambdas
        import cloudpickle

        return msgpack.ExtType(_EXT_PICKLE, cloudpickle.dumps(value))


def _pickle_class(cls: type) -> bytes:
    """By reference where another process can import the class, else by value (spider files are loaded by path)."""
    import cloudpickle

    module = sys.modules.get(cls.__module__)
    by_value = module is not None and cls.__module__ != "__main__" and not _is_importable(cls.__module__)
    if not by_value:
        return bytes(cloudpickle.dumps(cls))
    cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(cls))
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def _is_importable(module_name: str) -> bool:
    package = module_name.partition(".")[0]
    if package in sys.builtin_module_names:
        return True
    return importlib.machinery.PathFinder.find_spec(package) is not None


def _is_rebuildable(cls: type) -> bool:
    from raycrawl.item import Item

    return (
        issubclass(cls, Item)
        or hasattr(cls, "__dataclass_fields__")
        or hasattr(cls, "__attrs_attrs__")
        or hasattr(cls, "model_construct")
    )


def rebuild_item(cls: type, values: Mapping[str, Any]) -> Any:
    """An object of ``cls`` with these values, without running converters, validators or ``__init__`` again."""
    from raycrawl.item import Item

    if issubclass(cls, Item):
        return cls(values)
    construct = getattr(cls, "model_construct", None)
    if construct is not None:
        return construct(**values)
    item = cls.__new__(cls)
    for name, value in values.items():
        object.__setattr__(item, name, value)  # works for frozen and slotted classes too
    return item


_CODEC = ItemCodec()


def encode_items(items: Iterable[Any], on_error: OnError | None = None) -> bytes:
    """A batch of items as bytes, with this process's codec (see ``ItemCodec.encode``)."""
    return _CODEC.encode(items, on_error)


def decode_items(blob: bytes) -> list[Any]:
    """The items of a batch that ``encode_items`` made."""
    return _CODEC.decode(blob)
