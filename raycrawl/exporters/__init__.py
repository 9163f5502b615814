"""Item exporters: how an item becomes bytes of a feed format.

Every exporter takes a binary file and is used as ``start_exporting()``, ``export_item(item)`` per item,
``finish_exporting()``. Source: the item exporters page of Scrapy's documentation; ``ParquetItemExporter`` is our own.
"""

from __future__ import annotations

from raycrawl.exporters.base import BaseItemExporter
from raycrawl.exporters.csvitems import CsvItemExporter
from raycrawl.exporters.jsonitems import JsonItemExporter, JsonLinesItemExporter
from raycrawl.exporters.objects import (
    MarshalItemExporter,
    PickleItemExporter,
    PprintItemExporter,
    PythonItemExporter,
)
from raycrawl.exporters.parquetitems import ParquetItemExporter
from raycrawl.exporters.xmlitems import XmlItemExporter

__all__ = [
    "BaseItemExporter",
    "CsvItemExporter",
    "JsonItemExporter",
    "JsonLinesItemExporter",
    "MarshalItemExporter",
    "ParquetItemExporter",
    "PickleItemExporter",
    "PprintItemExporter",
    "PythonItemExporter",
    "XmlItemExporter",
]
