"""The signals of a crawl.

A signal is compared by identity, carries its name and survives pickling, so that it can travel between processes by
name. Any other object may serve as a signal of your own, within one process.
"""

from __future__ import annotations


class Signal:
    """A named signal. ``Signal.named("item_scraped")`` gives the one that this module defines."""

    __slots__ = ("__weakref__", "name")

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<signal {self.name}>"

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return _named, (self.name,)

    def __copy__(self) -> Signal:
        return self

    def __deepcopy__(self, memo: object) -> Signal:
        return self

    @staticmethod
    def named(name: str) -> Signal:
        """The signal of this module called ``name``; KeyError when there is none."""
        return _named(name)


def _named(name: str) -> Signal:
    found = globals().get(name)
    if not isinstance(found, Signal):
        raise KeyError(name)
    return found


engine_started = Signal("engine_started")
engine_stopped = Signal("engine_stopped")
scheduler_empty = Signal("scheduler_empty")
spider_opened = Signal("spider_opened")
spider_idle = Signal("spider_idle")
spider_closed = Signal("spider_closed")
spider_error = Signal("spider_error")
memusage_warning_reached = Signal("memusage_warning_reached")
request_scheduled = Signal("request_scheduled")
request_dropped = Signal("request_dropped")
request_reached_downloader = Signal("request_reached_downloader")
request_left_downloader = Signal("request_left_downloader")
response_received = Signal("response_received")
response_downloaded = Signal("response_downloaded")
headers_received = Signal("headers_received")
bytes_received = Signal("bytes_received")
robots_parsed = Signal("robots_parsed")
item_scraped = Signal("item_scraped")
item_dropped = Signal("item_dropped")
item_error = Signal("item_error")
feed_slot_closed = Signal("feed_slot_closed")
feed_exporter_closed = Signal("feed_exporter_closed")

ALL: tuple[Signal, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Signal))
