"""What is said of items, pages and errors: log lines, signals here, and signals carried to the engine's process."""

from __future__ import annotations

import logging
from typing import Any

from raycrawl import signals
from raycrawl.actors.loop import Tasks
from raycrawl.actors.reporter import Reporter

logger = logging.getLogger(__name__)


class EventLog:
    """Logs and signals for one process. ``forwarded`` names the signals that are carried to the engine's process."""

    def __init__(self, crawler: Any, reporter: Reporter, tasks: Tasks) -> None:
        self._crawler, self._reporter, self._tasks = crawler, reporter, tasks
        self.forwarded: frozenset[str] = frozenset()

    def scraped(self, item: Any, response: Any) -> None:
        """An item came out of the pipelines."""
        if logger.isEnabledFor(logging.DEBUG):
            self.log("scraped", item, response)
        self.signal("item_scraped", item=item, response=response)

    def dropped(self, item: Any, error: Exception, response: Any) -> None:
        """A pipeline dropped an item."""
        stats = self._crawler.stats
        stats.inc_value("item_dropped_count")
        stats.inc_value(f"item_dropped_reasons_count/{type(error).__name__}")
        self.log("dropped", item, error, response)
        self.signal("item_dropped", item=item, response=response, exception=error)

    def failed(self, item: Any, error: BaseException, response: Any) -> None:
        """A pipeline, or a feed's encoder, failed with an item: that item is lost, and only that."""
        from raycrawl.failure import Failure

        self.log("item_error", item, error, response, error=error)
        self.signal("item_error", item=item, response=response, failure=Failure(error))

    def log(self, method: str, *args: Any, error: BaseException | None = None) -> None:
        """A line by the crawl's LogFormatter."""
        from raycrawl.utils.log import logformatter_adapter

        kwargs = getattr(self._crawler.logformatter, method)(*args, self._crawler.spider)
        if kwargs is None:
            return
        try:
            logger.log(*logformatter_adapter(kwargs), exc_info=error)
        except Exception as unspeakable:  # the text of an item that holds itself a thousand times, or cannot be made
            logger.error("%s: a line that cannot be written (%r)", method, unspeakable, exc_info=error)

    def signal(self, name: str, **kwargs: Any) -> None:
        """Sends a signal to this process's listeners, and to the engine's when there are any."""
        crawler = self._crawler
        signal = getattr(signals, name)
        if crawler.signals.has_listeners(signal):
            self._tasks.spawn(crawler.signals.send_catch_log_async(signal, spider=crawler.spider, **kwargs))
        if name in self.forwarded:
            self.carry(name, **kwargs)

    def carry(self, name: str, **kwargs: Any) -> None:
        """Sends a signal to the engine's listeners only."""
        self._reporter.event(name, _pickled(kwargs))


def _pickled(kwargs: dict[str, Any]) -> bytes:
    """A signal's arguments for another process: responses and requests as records, failures as data."""
    import cloudpickle

    from raycrawl import records
    from raycrawl.failure import Failure
    from raycrawl.http import Request, Response

    plain: dict[str, Any] = {}
    for key, value in kwargs.items():
        if isinstance(value, Response):
            request = records.encode_request(value.request) if value.request is not None else None
            plain[key] = ("response", records.encode_response(value), request)
        elif isinstance(value, Request):
            plain[key] = ("request", records.encode_request(value), None)
        elif isinstance(value, Failure):
            plain[key] = ("failure", value.to_dict(), None)
        else:
            plain[key] = ("value", value, None)
    return cloudpickle.dumps(plain)  # type: ignore[no-any-return]


def arguments_from(payload: bytes) -> dict[str, Any]:
    """The arguments of a signal that another process of this crawl sent."""
    import pickle

    from raycrawl import records
    from raycrawl.failure import Failure

    arguments: dict[str, Any] = {}
    for key, (kind, value, request) in pickle.loads(payload).items():
        if kind == "response":
            arguments[key] = records.decode_response(value, records.decode_request(request) if request else None)
        elif kind == "request":
            arguments[key] = records.decode_request(value)
        elif kind == "failure":
            arguments[key] = Failure.from_dict(value)
        else:
            arguments[key] = value
    return arguments
