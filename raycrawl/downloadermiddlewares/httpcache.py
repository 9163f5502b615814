"""The HTTP cache: answers from storage what the policy finds fresh, and stores what it allows."""

from __future__ import annotations

import inspect
import logging
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Self

from raycrawl import signals
from raycrawl.exceptions import (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    NotConfigured,
    ResponseDataLossError,
)
from raycrawl.transport.addresses import PRIVATE_OK, is_private_address
from raycrawl.utils.misc import load_object

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response
    from raycrawl.settings import Settings
    from raycrawl.spiders import Spider
    from raycrawl.statscollectors import StatsCollector

logger = logging.getLogger(__name__)


class HttpCacheMiddleware:
    """``HTTPCACHE_POLICY`` decides, ``HTTPCACHE_STORAGE`` keeps. ``meta["dont_cache"]`` exempts a request.

    A storage whose attribute ``is_slow`` is true (it talks to a network) works in a thread.
    """

    DOWNLOAD_EXCEPTIONS = (
        CannotResolveHostError,
        DownloadConnectionRefusedError,
        DownloadFailedError,
        DownloadTimeoutError,
        ResponseDataLossError,
        OSError,
    )

    crawler: Crawler

    def __init__(self, settings: Settings, stats: StatsCollector) -> None:
        if not settings.getbool("HTTPCACHE_ENABLED"):
            raise NotConfigured
        self.policy = load_object(settings["HTTPCACHE_POLICY"])(settings)
        self.storage = load_object(settings["HTTPCACHE_STORAGE"])(settings)
        self.ignore_missing = settings.getbool("HTTPCACHE_IGNORE_MISSING")
        self.stats = stats
        self._is_slow = bool(getattr(self.storage, "is_slow", False))

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        middleware = cls(crawler.settings, crawler.stats)
        middleware.crawler = crawler
        crawler.signals.connect(middleware.spider_opened, signal=signals.spider_opened)
        crawler.signals.connect(middleware.spider_closed, signal=signals.spider_closed)
        return middleware

    def spider_opened(self, spider: Spider) -> None:
        self.storage.open_spider(spider)

    def spider_closed(self, spider: Spider) -> None:
        self.storage.close_spider(spider)

    def process_request(self, request: Request) -> Any:
        """None or a cached Response; an awaitable of these when the storage is slow."""
        if request.meta.get("dont_cache", False):
            return None
        if not self.policy.should_cache_request(request):
            request.meta["_dont_cache"] = True
            return None
        if self._is_slow:
            return self._process_request_slowly(request)
        return self._judge(request, self._retrieve(request))

    async def _process_request_slowly(self, request: Request) -> Response | None:
        import asyncio

        return self._judge(request, await asyncio.to_thread(self._retrieve, request))

    def _retrieve(self, request: Request) -> Response | None:
        try:
            found: Response | None = self.storage.retrieve_response(self.crawler.spider, request)
        except Exception:
            logger.exception("The cached response for %s cannot be read", request)
            self.stats.inc_value("httpcache/retrieve_error")
            return None
        return found

    def _judge(self, request: Request, cached: Response | None) -> Response | None:
        if cached is None:
            self.stats.inc_value("httpcache/miss")
            if self.ignore_missing:
                self.stats.inc_value("httpcache/ignore")
                raise IgnoreRequest(f"Ignored request not in cache: {request}")
            return None
        cached.flags.append("cached")
        if self.policy.is_cached_response_fresh(cached, request):
            self.stats.inc_value("httpcache/hit")
            if cached.ip_address is not None:
                request.meta[PRIVATE_OK] = is_private_address(str(cached.ip_address))
            return cached
        # Not fresh: what comes back says whether it is still good.
        request.meta["cached_response"] = cached
        return None

    def process_response(self, request: Request, response: Response) -> Any:
        """The response to go on with; an awaitable of it when the storage is slow."""
        meta = request.meta
        if meta.get("dont_cache", False):
            return response
        if "cached" in response.flags or "_dont_cache" in meta:
            meta.pop("_dont_cache", None)
            return response
        if b"Date" not in response.headers:  # RFC 9110 section 6.6.1: who receives it without one adds it
            response.headers[b"Date"] = formatdate(usegmt=True)
        cached: Response | None = meta.pop("cached_response", None)
        if cached is None:
            self.stats.inc_value("httpcache/firsthand")
            return self._store(request, response, response)
        if self.policy.is_cached_response_valid(cached, response, request):
            self.stats.inc_value("httpcache/revalidate")
            if response.status == 304:
                _freshen(cached, response)
                return self._write(request, cached, cached)
            return cached
        self.stats.inc_value("httpcache/invalidate")
        return self._store(request, response, response)

    def process_exception(self, request: Request, exception: Exception) -> Request | Response | None:
        cached: Response | None = request.meta.pop("cached_response", None)
        if cached is not None and isinstance(exception, self.DOWNLOAD_EXCEPTIONS):
            self.stats.inc_value("httpcache/errorrecovery")
            return cached
        return None

    def _store(self, request: Request, response: Response, answer: Response) -> Any:
        if not self.policy.should_cache_response(response, request):
            self.stats.inc_value("httpcache/uncacheable")
            return answer
        self.stats.inc_value("httpcache/store")
        return self._write(request, response, answer)

    def _write(self, request: Request, response: Response, answer: Response) -> Any:
        if self._is_slow:
            return self._write_slowly(request, response, answer)
        result = self.storage.store_response(self.crawler.spider, request, response)
        return _after(result, answer) if inspect.isawaitable(result) else answer

    async def _write_slowly(self, request: Request, response: Response, answer: Response) -> Response:
        import asyncio

        await asyncio.to_thread(self.storage.store_response, self.crawler.spider, request, response)
        return answer


async def _after(awaitable: Any, answer: Response) -> Response:
    await awaitable
    return answer


# RFC 9111 section 3.2: a 304 describes the stored response except for what belongs to its own message.
_NOT_UPDATED = frozenset(
    {
        b"Connection",
        b"Content-Encoding",
        b"Content-Length",
        b"Content-Range",
        b"Content-Type",
        b"Keep-Alive",
        b"Transfer-Encoding",
    }
)


def _freshen(cached: Response, not_modified: Response) -> None:
    for name, values in not_modified.headers.items():
        if name not in _NOT_UPDATED:
            cached.headers[name] = values
