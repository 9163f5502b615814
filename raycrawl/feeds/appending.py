"""Appending to a file that an earlier crawl wrote, so that it stays valid."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from raycrawl.exporters import CsvItemExporter, JsonItemExporter, XmlItemExporter
from raycrawl.feeds.encoder import exporter_state
from raycrawl.feeds.journal import FeedError

_SEARCHED_NBYTES = 4096


def end_of_existing(path: Path, new_exporter: Callable[[Any], Any]) -> tuple[int, dict[str, Any] | None]:
    """Where to go on in an existing file, and the state of an exporter that goes on there.

    A JSON array and an XML document are opened again in front of their end, a CSV keeps its header and its columns,
    a last line that lacks its line end gets one.

    Raises:
        FeedError: the file is not what the feed's format writes, so appending would make it unreadable.
    """
    size = path.stat().st_size
    if size == 0:
        return 0, None
    exporter = new_exporter(io.BytesIO())
    if isinstance(exporter, JsonItemExporter):
        return _end_of_array(path, size)
    if isinstance(exporter, XmlItemExporter):
        return _end_of_document(path, size, exporter.root_element.encode(exporter.encoding or "utf-8")), {}
    _end_last_line(path, size, exporter)
    state = exporter_state(exporter)
    if isinstance(exporter, CsvItemExporter):
        state["headers_pending"] = False
        if exporter.fields_to_export is None and exporter.include_headers_line:
            state["fields"] = _header(path, exporter)
    return path.stat().st_size, state


def _tail(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, size - _SEARCHED_NBYTES))
        return file.read()


def _end_of_array(path: Path, size: int) -> tuple[int, dict[str, Any]]:
    tail = _tail(path, size).rstrip()
    with path.open("rb") as file:
        starts_well = file.read(_SEARCHED_NBYTES).lstrip().startswith(b"[")
    if not tail.endswith(b"]") or not starts_well:
        raise FeedError(f"{path} exists and is not a whole JSON array, so nothing can be appended: overwrite it (-O)")
    body = tail[:-1].rstrip()
    return max(0, size - _SEARCHED_NBYTES) + len(body), {"first_item": body.endswith(b"[") and len(tail) < 16}


def _end_of_document(path: Path, size: int, root: bytes) -> int:
    tail = _tail(path, size).rstrip()
    end = b"</" + root + b">"
    if not tail.endswith(end):
        raise FeedError(f"{path} exists and does not end with {end.decode()}, so nothing can be appended: "
                        "overwrite it (-O)")  # fmt: skip
    return max(0, size - _SEARCHED_NBYTES) + len(tail) - len(end)


def _end_last_line(path: Path, size: int, exporter: Any) -> None:
    from raycrawl.exporters import JsonLinesItemExporter

    if isinstance(exporter, (JsonLinesItemExporter, CsvItemExporter)) and not _tail(path, size).endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")
            file.flush()
            os.fsync(file.fileno())


def _header(path: Path, exporter: CsvItemExporter) -> list[str] | None:
    dialect = exporter.csv_writer.dialect
    with path.open(encoding=exporter.encoding, newline="") as file:
        return next(csv.reader(file, dialect), None)
