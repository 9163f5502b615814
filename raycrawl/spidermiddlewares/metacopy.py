"""Finds spiders that hand a response's whole ``meta`` on to new requests."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from raycrawl.spidermiddlewares.base import BaseSpiderMiddleware, Step

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response

logger = logging.getLogger(__name__)

# What the framework itself writes into the meta of a request that was fetched. A new request that carries one of them
# inherits the retries, redirects or proxy credentials of another page.
BOOKKEEPING_KEYS = frozenset(
    {
        "_auth_proxy",
        "_dont_cache",
        "_scheme_proxy",
        "cache_timestamp",
        "download_latency",
        "redirect_reasons",
        "redirect_times",
        "redirect_ttl",
        "redirect_urls",
        "retry_times",
    }
)


class MetaCopyDetectionMiddleware(BaseSpiderMiddleware):
    """Warns, once per crawl, about a callback's request whose meta has bookkeeping keys of the framework.

    ``META_COPY_WARN_SKIP_KEYS`` names keys that a spider sets on purpose.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        skipped = crawler.settings.getlist("META_COPY_WARN_SKIP_KEYS")
        self._suspicious = BOOKKEEPING_KEYS.difference(skipped)
        self._has_warned = False

    def get_processed_request(self, request: Request, response: Response | None) -> Request | None:
        if response is not None and not self._has_warned:
            copied = self._suspicious.intersection(request.meta)
            if copied:
                self._warn(copied, request, response)
        return request

    def request_step(self, response: Response | None) -> Step | None:
        if response is None or self._has_warned or not self._suspicious:
            return None
        is_clean = self._suspicious.isdisjoint
        suspect = self.get_processed_request

        def step(request: Request) -> Request | None:
            return request if is_clean(request.meta) else suspect(request, response)

        return step

    def _warn(self, copied: frozenset[str], request: Request, response: Response) -> None:
        self._has_warned = True
        spider = self.crawler.spider
        logger.warning(
            "%(spider)s yielded %(request)s with meta keys that belong to another request: %(keys)s. They look copied "
            "from response.meta of %(response)s; pass on the keys that you need, or name these keys in "
            "META_COPY_WARN_SKIP_KEYS. This is said once per crawl.",
            {
                "spider": type(spider).__name__,
                "request": request,
                "keys": sorted(copied),
                "response": response,
            },
            extra={"spider": spider},
        )
