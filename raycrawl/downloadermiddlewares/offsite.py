"""Staying on the spider's ``allowed_domains``."""

from __future__ import annotations

import logging
import re
import warnings
from typing import TYPE_CHECKING, Self

from raycrawl import signals
from raycrawl.exceptions import IgnoreRequest
from raycrawl.urls import hostname_of

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response
    from raycrawl.spiders import Spider
    from raycrawl.statscollectors import StatsCollector

logger = logging.getLogger(__name__)

_URL = re.compile(r"^https?://.*$")
_WITH_PORT = re.compile(r":\d+$")
_MAX_REMEMBERED = 20_000


class OffsiteMiddleware:
    """Drops requests whose host is neither one of ``allowed_domains`` nor below one.

    A request with ``dont_filter`` or ``meta["allow_offsite"]`` passes. The first drop of each host is logged.
    """

    crawler: Crawler

    def __init__(self, stats: StatsCollector) -> None:
        self.stats = stats
        self.domains_seen: set[str] = set()
        self.host_regex: re.Pattern[str] = re.compile("")
        self._verdicts: dict[str, bool] = {}
        self._is_open = True  # no allowed_domains: everything passes

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        assert crawler.stats is not None
        middleware = cls(crawler.stats)
        crawler.signals.connect(middleware.spider_opened, signal=signals.spider_opened)
        crawler.signals.connect(middleware.request_scheduled, signal=signals.request_scheduled)
        middleware.crawler = crawler
        if crawler.spider is not None:
            middleware.spider_opened(crawler.spider)
        return middleware

    def spider_opened(self, spider: Spider) -> None:
        self.host_regex = self.get_host_regex(spider)
        self._is_open = not self.host_regex.pattern
        self._verdicts.clear()

    def request_scheduled(self, request: Request, spider: Spider) -> None:
        self.process_request(request)

    def process_request(self, request: Request) -> Request | Response | None:
        if self._is_open or request.dont_filter or request.meta.get("allow_offsite"):
            return None
        spider = self.crawler.spider
        assert spider is not None
        if self.should_follow(request, spider):
            return None
        domain = hostname_of(request.url)
        if domain and domain not in self.domains_seen:
            self.domains_seen.add(domain)
            logger.debug(
                "Filtered offsite request to %(domain)r: %(request)s",
                {"domain": domain, "request": request},
                extra={"spider": spider},
            )
            self.stats.inc_value("offsite/domains")
        self.stats.inc_value("offsite/filtered")
        raise IgnoreRequest(f"Filtered offsite request to {domain!r}")

    def should_follow(self, request: Request, spider: Spider) -> bool:
        """Whether the request's host is allowed."""
        host = hostname_of(request.url)
        verdict = self._verdicts.get(host)
        if verdict is None:
            if len(self._verdicts) >= _MAX_REMEMBERED:
                self._verdicts.clear()
            verdict = self._verdicts[host] = bool(self.host_regex.search(host))
        return verdict

    def get_host_regex(self, spider: Spider) -> re.Pattern[str]:
        """The pattern of allowed hosts; an empty one allows all.

        URLs and domains with a port among ``allowed_domains`` are left out, with a warning.
        """
        allowed_domains = getattr(spider, "allowed_domains", None)
        if not allowed_domains:
            return re.compile("")
        domains = []
        for domain in allowed_domains:
            if domain is None:
                continue
            if _URL.match(domain):
                warnings.warn(
                    f"allowed_domains accepts only domains, not URLs. Ignoring URL entry {domain} in allowed_domains.",
                    stacklevel=2,
                )
            elif _WITH_PORT.search(domain):
                warnings.warn(
                    f"allowed_domains accepts only domains without ports. Ignoring entry {domain} in allowed_domains.",
                    stacklevel=2,
                )
            else:
                domains.append(re.escape(_as_host(domain)))
        return re.compile(rf"^(.*\.)?({'|'.join(domains)})$", re.IGNORECASE)


def _as_host(domain: str) -> str:
    """The domain as it appears in URLs: IDNs in punycode."""
    return domain if domain.isascii() else hostname_of(f"http://{domain}/") or domain
