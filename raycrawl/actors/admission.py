"""What keeps a request out of the frontier, before it costs anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raycrawl import signals
from raycrawl.exceptions import IgnoreRequest

if TYPE_CHECKING:
    from raycrawl.actors.eventlog import EventLog
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request


class Admission:
    """Asks the offsite middleware and the handlers of ``request_scheduled``, which say no by raising IgnoreRequest.

    The Downloaders ask the offsite middleware again, about redirects for example. Here it is called directly and not as
    a handler of the signal: half of an ordinary page's links lead elsewhere, and a signal costs more than the answer.
    """

    def __init__(self, crawler: Crawler, log: EventLog) -> None:
        from raycrawl.downloadermiddlewares.offsite import OffsiteMiddleware
        from raycrawl.middleware import component_list
        from raycrawl.utils.misc import build_from_crawler, load_object

        self._crawler, self._log = crawler, log
        self._offsite: list[OffsiteMiddleware] = []
        for component in component_list(crawler.settings, "DOWNLOADER_MIDDLEWARES"):
            cls = load_object(component)
            if isinstance(cls, type) and issubclass(cls, OffsiteMiddleware):
                middleware = build_from_crawler(cls, crawler)
                crawler.signals.disconnect(middleware.request_scheduled, signals.request_scheduled)
                self._offsite.append(middleware)

    def is_scheduled(self, request: Request) -> bool:
        """``is_scheduled`` in this process."""
        return is_scheduled(request, self._crawler, self._log)

    def is_offsite(self, request: Request) -> bool:
        """True: counted, logged, to be left alone. Of what the frontier has, it need not be asked again."""
        try:
            for middleware in self._offsite:
                middleware.process_request(request)
        except IgnoreRequest:
            return True
        return False


def is_scheduled(request: Request, crawler: Crawler, log: EventLog) -> bool:
    """Sends ``request_scheduled``. False: a handler in this process raised IgnoreRequest."""
    manager = crawler.signals
    is_refused = False
    if manager.has_listeners(signals.request_scheduled):
        results = manager.send_catch_log(
            signals.request_scheduled, request=request, spider=crawler.spider, dont_log=IgnoreRequest
        )
        is_refused = any(_is_refusal(result) for _, result in results)
    if "request_scheduled" in log.forwarded:
        log.carry("request_scheduled", request=request)
    return not is_refused


def _is_refusal(result: Any) -> bool:
    return isinstance(getattr(result, "value", None), IgnoreRequest)
