"""HTTP basic authentication for one domain: from ``HTTPAUTH_*``, the spider's ``http_*`` attributes, or the meta."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from raycrawl import signals
from raycrawl.transport.origin import basic_auth
from raycrawl.urls import hostname_of
from raycrawl.utils.url import url_is_from_any_domain

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response
    from raycrawl.spiders import Spider


class HttpAuthMiddleware:
    """Sets ``Authorization`` on requests to the domain that the credentials are for, and to its subdomains.

    A domain of None means every domain; it has to be said. ``meta["http_user"]`` and ``meta["http_pass"]`` are for that
    request alone, and for ``meta["http_auth_domain"]`` when it is given.
    """

    def __init__(self, settings: Any = None) -> None:
        self._auth: bytes | None = None
        self._domain: str | None = None
        if settings is not None:
            user, password = settings.get("HTTPAUTH_USER"), settings.get("HTTPAUTH_PASS")
            if user or password:
                self._auth = basic_auth(str(user or ""), str(password or ""))
                self._domain = settings.get("HTTPAUTH_DOMAIN")

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        middleware = cls(crawler.settings)
        crawler.signals.connect(middleware.spider_opened, signal=signals.spider_opened)
        if crawler.spider is not None:
            middleware.spider_opened(crawler.spider)
        return middleware

    def spider_opened(self, spider: Spider) -> None:
        """Read the spider's attributes.

        Raises:
            AttributeError: it has credentials and does not say for which domain (None is an answer).
        """
        user, password = getattr(spider, "http_user", ""), getattr(spider, "http_pass", "")
        if user or password:
            self._auth = basic_auth(str(user), str(password))
            self._domain = spider.http_auth_domain  # type: ignore[attr-defined]

    def process_request(self, request: Request) -> Request | Response | None:
        meta = request.meta
        if "http_user" in meta or "http_pass" in meta:
            self._set_from_meta(request, meta)
        elif self._auth is not None and b"Authorization" not in request.headers and _is_for(self._domain, request):
            request.headers[b"Authorization"] = self._auth
        return None

    def take_back(self, request: Request) -> None:
        """Remove the crawl's credentials from a request that is going to be stored."""
        headers = request.headers
        if self._auth is not None and headers.get(b"Authorization") == self._auth:
            del headers[b"Authorization"]

    def _set_from_meta(self, request: Request, meta: dict[str, Any]) -> None:
        user, password = meta.get("http_user") or "", meta.get("http_pass") or ""
        if not (user or password) or b"Authorization" in request.headers:
            return
        if _is_for(meta.get("http_auth_domain"), request):
            request.headers[b"Authorization"] = basic_auth(str(user), str(password))


def _is_for(domain: str | None, request: Request) -> bool:
    if domain is None:
        return True
    wanted = domain.lower().lstrip(".")
    host = hostname_of(request.url)
    return host == wanted or host.endswith("." + wanted) or url_is_from_any_domain(request.url, [wanted])
