"""XML: one element an item, nested values as nested elements, always well-formed."""

from __future__ import annotations

import io
import re
from email.charset import ALIASES
from typing import IO, Any
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

from raycrawl.exporters.base import BaseItemExporter, is_listlike

# XML 1.0, production [2] Char: everything else may not stand in a document, not even as a character reference.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Production [5] Name, without the colon (a prefix that nobody declared is an error for namespace-aware readers).
_START = "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
_START += "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
_NAME = re.compile(f"[{_START}][-.0-9\u00b7\u0300-\u036f\u203f\u2040{_START}]*")
_NOT_IN_NAME = re.compile(f"[^-.0-9\u00b7\u0300-\u036f\u203f\u2040{_START}]")
_REGISTERED_NAMES = {alias: name for alias, name in ALIASES.items() if alias.startswith("latin")}
_NO_ATTRIBUTES = AttributesImpl({})


def element_name(name: object) -> str:
    """``name`` itself where XML allows it as a name, else with an underscore for each character that it forbids."""
    text = str(name)
    if _NAME.fullmatch(text):
        return text
    text = _NOT_IN_NAME.sub("_", text)
    return text if _NAME.fullmatch(text) else f"_{text}"


class XmlItemExporter(BaseItemExporter):
    """A document of ``root_element`` with one ``item_element`` per item and one element per field.

    Lists become ``<value>`` elements, mappings become nested elements. Characters that XML forbids are written as
    U+FFFD, so that one page's control character does not cost the whole feed.
    """

    def __init__(
        self, file: IO[bytes], item_element: str = "item", root_element: str = "items", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.item_element = item_element
        self.root_element = root_element
        if not self.encoding:
            self.encoding = "utf-8"
        # xmlcharrefreplace: what the encoding lacks is written as &#NNN;
        self.stream = io.TextIOWrapper(
            file, encoding=self.encoding, errors="xmlcharrefreplace", newline="\n", write_through=True
        )
        # "latin-1" is Python's name for what XML readers know by its registered name
        self.xg = XMLGenerator(self.stream, encoding=_REGISTERED_NAMES.get(self.encoding.lower(), self.encoding))

    def _newline(self, *, between_items: bool = False) -> None:
        if self.indent is not None and (self.indent > 0 or between_items):
            self.xg.characters("\n")

    def _indentation(self, depth: int) -> None:
        if self.indent:
            self.xg.characters(" " * self.indent * depth)

    def start_exporting(self) -> None:
        self.xg.startDocument()
        self.xg.startElement(self.root_element, _NO_ATTRIBUTES)
        self._newline(between_items=True)

    def export_item(self, item: Any) -> None:
        self._indentation(1)
        self.xg.startElement(self.item_element, _NO_ATTRIBUTES)
        self._newline()
        for name, value in self.get_serialized_fields(item, default_value=""):
            self._export_xml_field(name, value, depth=2)
        self._indentation(1)
        self.xg.endElement(self.item_element)
        self._newline(between_items=True)

    def finish_exporting(self) -> None:
        self.xg.endElement(self.root_element)
        self.xg.endDocument()
        self.stream.detach()  # else the garbage collector would close the file with the wrapper

    def _export_xml_field(self, name: str, serialized_value: Any, depth: int) -> None:
        tag = element_name(name)
        self._indentation(depth)
        self.xg.startElement(tag, _NO_ATTRIBUTES)
        if hasattr(serialized_value, "items"):
            children = serialized_value.items()
        elif is_listlike(serialized_value):
            children = (("value", value) for value in serialized_value)
        else:
            children = None
            self.xg.characters(_FORBIDDEN.sub("\ufffd", str(serialized_value)))
        if children is not None:
            self._newline()
            for child_name, child in children:
                self._export_xml_field(child_name, child, depth + 1)
            self._indentation(depth)
        self.xg.endElement(tag)
        self._newline()
