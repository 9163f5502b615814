"""JSON: an array of objects, and one object a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder as stdlib_encoder
from typing import IO, Any

from raycrawl.exporters.base import BaseItemExporter
from raycrawl.utils.serialize import ScrapyJSONEncoder

Encode = Callable[[Any], str]


def compile_encoder(encoder: json.JSONEncoder) -> Encode:
    """``encoder.encode`` with the C encoder built once instead of once a value, which halves what a small item costs.

    Subclasses that override ``encode`` or ``iterencode``, and indented output, keep the encoder's own method.
    """
    make: Any = getattr(stdlib_encoder, "c_make_encoder", None)
    cls = type(encoder)
    plain = cls.encode is json.JSONEncoder.encode and cls.iterencode is json.JSONEncoder.iterencode
    # PyPy has no C encoder; it only does unindented output anyway.
    if make is None or not plain or encoder.indent is not None:
        return encoder.encode
    markers: dict[int, Any] | None = {} if encoder.check_circular else None
    escape = (
        stdlib_encoder.encode_basestring_ascii if encoder.ensure_ascii else stdlib_encoder.encode_basestring
    )
    encode_chunks = make(
        markers, encoder.default, escape, None, encoder.key_separator, encoder.item_separator,
        encoder.sort_keys, encoder.skipkeys, encoder.allow_nan,
    )  # fmt: skip

    def encode(value: Any) -> str:
        try:
            return "".join(encode_chunks(value, 0))
        except BaseException:
            if markers:
                markers.clear()  # ids of a failed value's containers must not look like a cycle in a later one
            raise

    return encode


class _JsonExporter(BaseItemExporter):
    """What both JSON exporters share: the encoder and its options."""

    def __init__(self, file: IO[bytes], **kwargs: Any) -> None:
        super().__init__(dont_fail=True, **kwargs)
        self.file: IO[bytes] = file
        # Without an encoding the output is ASCII (\uXXXX), which is right under any encoding that a reader assumes.
        self._kwargs.setdefault("ensure_ascii", not self.encoding)
        self._charset = self.encoding or "utf-8"

    def _set_encoder(self, encoder: json.JSONEncoder) -> None:
        self.encoder = encoder
        self._encode_json = compile_encoder(encoder)
        self._whole_dicts = self._takes_dicts_whole

    def _encode_item(self, item: Any) -> bytes:
        fields = item if self._whole_dicts and type(item) is dict else dict(self.get_serialized_fields(item))
        return self._encode_json(fields).encode(self._charset)


class JsonLinesItemExporter(_JsonExporter):
    """One JSON object a line. Keyword arguments that are not the base class's go to the JSON encoder."""

    def __init__(self, file: IO[bytes], **kwargs: Any) -> None:
        super().__init__(file, **kwargs)
        self._set_encoder(ScrapyJSONEncoder(**self._kwargs))

    def export_item(self, item: Any) -> None:
        fields = item if self._whole_dicts and type(item) is dict else dict(self.get_serialized_fields(item))
        self.file.write((self._encode_json(fields) + "\n").encode(self._charset))


class JsonItemExporter(_JsonExporter):
    """One JSON array with an object per item. Keyword arguments that are not the base class's go to the encoder."""

    def __init__(self, file: IO[bytes], **kwargs: Any) -> None:
        super().__init__(file, **kwargs)
        # An indent of 0 or less means a line per item, not the empty lines that json.dumps would make of it.
        self._kwargs.setdefault("indent", self.indent if self.indent is not None and self.indent > 0 else None)
        self._set_encoder(ScrapyJSONEncoder(**self._kwargs))
        self.first_item = True

    def start_exporting(self) -> None:
        self.file.write(b"[" if self.indent is None else b"[\n")

    def export_item(self, item: Any) -> None:
        data = self._encode_item(item)  # first: an item that fails must leave no comma behind
        if self.first_item:
            self.first_item = False
        else:
            self.file.write(b"," if self.indent is None else b",\n")
        self.file.write(data)

    def export_state(self) -> dict[str, Any]:
        return {"first_item": self.first_item}

    def restore_state(self, state: dict[str, Any]) -> None:
        self.first_item = state["first_item"]

    def finish_exporting(self) -> None:
        self.file.write(b"]" if self.indent is None else b"\n]")
