"""Items to the bytes that are appended to a feed, through the feed's exporter.

The exporter writes into memory, so that an item which fails in the middle leaves nothing behind, and the file sees
one write per commit.
"""

from __future__ import annotations

import io
import logging
import math
import re
from collections.abc import Callable, Iterable
from typing import IO, Any

from itemadapter import ItemAdapter, is_item

from raycrawl.feeds.codec import rebuild_item

logger = logging.getLogger(__name__)

MakeExporter = Callable[[IO[bytes]], Any]

_SURROGATES = re.compile("[\ud800-\udfff]")


class FeedEncoder:
    """One file's exporter, its output drained after each call.

    Args:
        make_exporter: builds the exporter onto the file that it is given.
        state: what ``state()`` returned when the file was last committed; None for a file that is new.
        count: called with a stat's name for each item that had to be changed (``items_repaired``) or left out
            (``items_dropped``).
    """

    def __init__(
        self, make_exporter: MakeExporter, state: dict[str, Any] | None, count: Callable[[str], None]
    ) -> None:
        self._make_exporter = make_exporter
        self._count = count
        self._buffer = io.BytesIO()
        self._exporter = make_exporter(self._buffer)
        self._exporter.start_exporting()
        self.head = self._drain()
        if state is not None:
            restore_exporter(self._exporter, state)

    def _drain(self) -> bytes:
        data = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return data

    def encode(self, items: Iterable[Any]) -> tuple[bytes, int]:
        """The bytes to append for these items, and how many of them made it."""
        written = 0
        export = self._exporter.export_item
        tell = self._buffer.tell
        for item in items:
            start = tell()
            state = exporter_state(self._exporter) if start == 0 else None
            try:
                export(item)
                written += 1
            except Exception as error:
                self._rewind(start, state)
                written += self._export_repaired(item, error, start, state)
        return self._drain(), written

    def _export_repaired(self, item: Any, error: Exception, start: int, state: dict[str, Any] | None) -> int:
        for surrogates in (False, True):  # no more is changed than the format needs
            try:
                self._exporter.export_item(repaired(item, surrogates=surrogates))
            except Exception:
                self._rewind(start, state)
            else:
                self._count("items_repaired")
                logger.warning("An item was changed to fit its feed (NaN: null, lone surrogates: U+FFFD): %s", error)
                return 1
        self._count("items_dropped")
        logger.error("An item is missing in its feed, which cannot hold it: %s: %s", type(error).__name__, error)
        return 0

    def _rewind(self, start: int, state: dict[str, Any] | None) -> None:
        self._buffer.seek(start)
        self._buffer.truncate()
        if state is not None:
            restore_exporter(self._exporter, state)

    def state(self) -> dict[str, Any]:
        return exporter_state(self._exporter)

    def preview_tail(self) -> bytes:
        """What would end the file now: a new exporter's, so this one can go on."""
        buffer = io.BytesIO()
        exporter = self._make_exporter(buffer)
        exporter.start_exporting()
        start = buffer.tell()
        exporter.finish_exporting()
        return buffer.getvalue()[start:]

    def finish(self) -> bytes:
        """What ends the file, from the exporter that saw its items."""
        self._exporter.finish_exporting()
        return self._drain()


def exporter_state(exporter: Any) -> dict[str, Any]:
    """What a later exporter must know to go on with the same file; plain values."""
    get_state = getattr(exporter, "export_state", None)
    return get_state() if get_state else {}


def restore_exporter(exporter: Any, state: dict[str, Any]) -> None:
    set_state = getattr(exporter, "restore_state", None)
    if set_state:
        set_state(state)


def repaired(item: Any, *, surrogates: bool) -> Any:
    """A copy of the item whose NaN and infinities are None and, with ``surrogates``, lone surrogates U+FFFD.

    Raises:
        RecursionError: a value contains itself.
    """

    def copy(value: Any) -> Any:
        if isinstance(value, str):
            return _SURROGATES.sub("\ufffd", value) if surrogates else value
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if isinstance(value, dict):
            return {copy(key): copy(element) for key, element in value.items()}
        if isinstance(value, (list, tuple)):
            return [copy(element) for element in value]
        if is_item(value):
            return rebuild_item(type(value), {name: copy(field) for name, field in ItemAdapter(value).items()})
        return value

    return copy(item)
