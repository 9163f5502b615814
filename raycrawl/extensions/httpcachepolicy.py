"""Cache policies: what may be stored, what is fresh, what a revalidation means."""

from __future__ import annotations

from email.utils import formatdate, mktime_tz, parsedate_tz
from time import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raycrawl.http import Request, Response
    from raycrawl.settings import BaseSettings


def parse_cachecontrol(header: bytes) -> dict[bytes, bytes | None]:
    """The directives of a ``Cache-Control`` header, in lower case; those without a value have None.

    >>> parse_cachecontrol(b'public, max-age="3600"')
    {b'public': None, b'max-age': b'3600'}
    """
    directives: dict[bytes, bytes | None] = {}
    for directive in header.split(b","):
        name, separator, value = directive.strip().partition(b"=")
        if name:
            directives[name.strip().lower()] = value.strip().strip(b'"') if separator else None
    return directives


def rfc1123_to_epoch(date_str: str | bytes | None) -> int | None:
    """The seconds since 1970 of an HTTP date; None for what is none."""
    if date_str is None:
        return None
    try:
        parsed = parsedate_tz(date_str.decode("latin-1") if isinstance(date_str, bytes) else date_str)
        return None if parsed is None else mktime_tz(parsed)
    except (ValueError, OverflowError, TypeError):
        return None


class DummyPolicy:
    """Caches everything and finds everything fresh: to replay a crawl. ``HTTPCACHE_IGNORE_*`` say what not to cache."""

    def __init__(self, settings: BaseSettings) -> None:
        self.ignore_schemes: list[str] = settings.getlist("HTTPCACHE_IGNORE_SCHEMES")
        self.ignore_http_codes: list[int] = [int(code) for code in settings.getlist("HTTPCACHE_IGNORE_HTTP_CODES")]

    def should_cache_request(self, request: Request) -> bool:
        return _scheme(request) not in self.ignore_schemes

    def should_cache_response(self, response: Response, request: Request) -> bool:
        return response.status not in self.ignore_http_codes

    def is_cached_response_fresh(self, cachedresponse: Response, request: Request) -> bool:
        return "refresh_cache" not in request.meta

    def is_cached_response_valid(self, cachedresponse: Response, response: Response, request: Request) -> bool:
        return "refresh_cache" not in request.meta


class RFC2616Policy:
    """A private cache by RFC 9111 (which succeeded RFC 2616): freshness, validation, ``Cache-Control`` of both sides.

    ``HTTPCACHE_ALWAYS_STORE`` stores whatever is not ``no-store``; ``HTTPCACHE_IGNORE_RESPONSE_CACHE_CONTROLS`` names
    directives of servers to overlook. Not implemented: ranges, and choosing among variants; a response with
    ``Vary: *`` is not stored.
    """

    MAXAGE = 3600 * 24 * 365  # one year

    def __init__(self, settings: BaseSettings) -> None:
        self.always_store: bool = settings.getbool("HTTPCACHE_ALWAYS_STORE")
        self.ignore_schemes: list[str] = settings.getlist("HTTPCACHE_IGNORE_SCHEMES")
        self.ignore_response_cache_controls: list[bytes] = [
            name.encode() if isinstance(name, str) else name
            for name in settings.getlist("HTTPCACHE_IGNORE_RESPONSE_CACHE_CONTROLS")
        ]

    def should_cache_request(self, request: Request) -> bool:
        if _scheme(request) in self.ignore_schemes:
            return False
        return b"no-store" not in self._directives(request)

    def should_cache_response(self, response: Response, request: Request) -> bool:
        directives = self._response_directives(response)
        headers = response.headers
        if b"no-store" in directives or response.status == 304:
            return False
        if self.always_store:
            return True
        if b"*" in (headers.get(b"Vary") or b""):
            return False
        if b"max-age" in directives or b"Expires" in headers:
            return True
        if response.status in (300, 301, 308):
            return True
        if response.status in (200, 203, 401):
            return b"Last-Modified" in headers or b"ETag" in headers
        return False

    def is_cached_response_fresh(self, cachedresponse: Response, request: Request) -> bool:
        directives = self._response_directives(cachedresponse)
        wanted = self._directives(request)
        if b"no-cache" in directives or b"no-cache" in wanted:
            self._make_conditional(request, cachedresponse)
            return False
        now_s = time()
        lifetime_s = self._lifetime_s(cachedresponse, directives, now_s)
        age_s = self._age_s(cachedresponse, now_s)
        longest_s = _seconds(wanted, b"max-age")
        if longest_s is not None:
            lifetime_s = min(lifetime_s, longest_s)
        if age_s + (_seconds(wanted, b"min-fresh") or 0) < lifetime_s:
            return True
        if b"max-stale" in wanted and b"must-revalidate" not in directives:
            tolerance_s = _seconds(wanted, b"max-stale")
            if tolerance_s is None or age_s < lifetime_s + tolerance_s:
                return True
        self._make_conditional(request, cachedresponse)
        return False

    def is_cached_response_valid(self, cachedresponse: Response, response: Response, request: Request) -> bool:
        # RFC 9111 section 4.3.3: a server's error may be answered with the stored response.
        if response.status >= 500 and b"must-revalidate" not in self._response_directives(cachedresponse):
            return True
        return response.status == 304

    def _directives(self, message: Request | Response) -> dict[bytes, bytes | None]:
        return parse_cachecontrol(b",".join(message.headers.getlist(b"Cache-Control")))

    def _response_directives(self, response: Response) -> dict[bytes, bytes | None]:
        directives = self._directives(response)
        for name in self.ignore_response_cache_controls:
            directives.pop(name, None)
        return directives

    def _make_conditional(self, request: Request, cached: Response) -> None:
        if b"Last-Modified" in cached.headers:
            request.headers[b"If-Modified-Since"] = cached.headers[b"Last-Modified"]
        if b"ETag" in cached.headers:
            request.headers[b"If-None-Match"] = cached.headers[b"ETag"]

    def _lifetime_s(self, response: Response, directives: dict[bytes, bytes | None], now_s: float) -> float:
        """RFC 9111 section 4.2.1, and 4.2.2 for responses that do not say."""
        explicit_s = _seconds(directives, b"max-age")
        if explicit_s is not None:
            return explicit_s
        headers = response.headers
        date_s = rfc1123_to_epoch(headers.get(b"Date")) or now_s
        if b"Expires" in headers:
            # A date that cannot be read means that it has expired (section 5.3).
            expires_s = rfc1123_to_epoch(headers[b"Expires"])
            return max(0, expires_s - date_s) if expires_s else 0
        modified_s = rfc1123_to_epoch(headers.get(b"Last-Modified"))
        if modified_s and modified_s <= date_s:
            return (date_s - modified_s) / 10
        return self.MAXAGE if response.status in (300, 301, 308) else 0

    def _age_s(self, response: Response, now_s: float) -> float:
        """RFC 9111 section 4.2.3, with no delay on the way assumed."""
        date_s = rfc1123_to_epoch(response.headers.get(b"Date")) or now_s
        age_s = max(0.0, now_s - date_s)
        said = response.headers.get(b"Age")
        return max(age_s, int(said)) if said and said.isdigit() else age_s


def _scheme(request: Request) -> str:
    return request.url.partition(":")[0].lower()


def _seconds(directives: dict[bytes, bytes | None], name: bytes) -> int | None:
    """A directive's number of seconds; None when it is absent or no number. Negative ones count as 0."""
    value = directives.get(name)
    try:
        return None if value is None else max(0, int(value))
    except ValueError:
        return None


def http_date(epoch_s: float) -> bytes:
    """An HTTP date."""
    return formatdate(epoch_s, usegmt=True).encode()
