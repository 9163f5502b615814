"""Following redirects: the ``Location`` of a 3xx response, and ``<meta http-equiv="refresh">``.

What a redirect must not do: leave the web (only http and https are followed), carry credentials or a body to another
origin (scheme, host or port), or repeat a POST where browsers do not.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urldefrag

from raycrawl.exceptions import IgnoreRequest, NotConfigured
from raycrawl.http import HtmlResponse
from raycrawl.spidermiddlewares.referer import referer_of_redirects
from raycrawl.transport.origin import without_credentials
from raycrawl.urls import join_url, parse_url
from raycrawl.utils.response import get_meta_refresh

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response
    from raycrawl.settings import BaseSettings
    from raycrawl.spidermiddlewares.referer import RefererMiddleware

logger = logging.getLogger(__name__)

_BODY_HEADERS = (
    b"Content-Type", b"Content-Length", b"Content-Encoding", b"Content-Language", b"Content-Location", b"Content-Md5",
    b"Digest",
)  # fmt: skip
# For one origin only. Referer is left to RefererMiddleware, which knows the policy.
_CREDENTIAL_HEADERS = (b"Authorization", b"Cookie", b"Cookie2")
_META_CREDENTIALS = ("http_user", "http_pass", "http_auth_domain")


def _origin(url: str) -> tuple[str, str, str]:
    parsed = parse_url(url)
    return str(parsed.protocol), str(parsed.hostname), str(parsed.port)


class BaseRedirectMiddleware:
    """What both kinds of redirects share: limits, meta keys, and what a redirected request may keep."""

    enabled_setting: str = "REDIRECT_ENABLED"
    crawler: Crawler
    _referer: RefererMiddleware | None = None

    def __init__(self, settings: BaseSettings) -> None:
        if not settings.getbool(self.enabled_setting):
            raise NotConfigured
        self.max_redirect_times = settings.getint("REDIRECT_MAX_TIMES")
        self.priority_adjust = settings.getint("REDIRECT_PRIORITY_ADJUST")

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        middleware = cls(crawler.settings)
        middleware.crawler = crawler
        middleware._referer = referer_of_redirects(crawler)
        return middleware

    def _redirect(self, redirected: Request, request: Request, response: Response, reason: str | int) -> Request:
        """``redirected`` with the meta keys of a redirect and the Referer that ``response``'s policy allows.

        Raises:
            IgnoreRequest: too many redirects.
        """
        ttl = request.meta.setdefault("redirect_ttl", self.max_redirect_times)
        redirects = request.meta.get("redirect_times", 0) + 1
        if not ttl or redirects > self.max_redirect_times:
            logger.debug(
                "Discarding %(request)s: max redirections reached",
                {"request": request},
                extra={"spider": self.crawler.spider},
            )
            raise IgnoreRequest("max redirections reached")
        meta = redirected.meta
        meta["redirect_times"] = redirects
        meta["redirect_ttl"] = ttl - 1
        meta["redirect_urls"] = [*request.meta.get("redirect_urls", []), request.url]
        meta["redirect_reasons"] = [*request.meta.get("redirect_reasons", []), reason]
        redirected.dont_filter = request.dont_filter
        redirected.priority = request.priority + self.priority_adjust
        if self._referer is not None:
            self._referer.get_processed_request(redirected, response)
        logger.debug(
            "Redirecting (%(reason)s) to %(redirected)s from %(request)s",
            {
                "reason": reason,
                "redirected": f"<{redirected.method} {without_credentials(redirected.url)}>",
                "request": f"<{request.method} {without_credentials(request.url)}>",
            },
            extra={"spider": self.crawler.spider},
        )
        return redirected

    def _build(self, request: Request, url: str, **changes: Any) -> Request | None:
        """``request`` for another URL, without what that URL's origin must not see; None for a URL off the web."""
        try:
            redirected: Request = request.replace(url=url, cookies=None, **changes)
            target = _origin(redirected.url)
        except ValueError:
            return None
        if target[0] not in ("http:", "https:"):
            return None
        headers = redirected.headers
        headers.pop(b"Referer", None)
        source = _origin(request.url)
        if source[0] != target[0] and redirected.meta.get("_scheme_proxy"):
            for key in ("_scheme_proxy", "_auth_proxy", "proxy"):
                redirected.meta.pop(key, None)
        if not redirected.meta.get("proxy"):
            headers.pop(b"Proxy-Authorization", None)
        if source[1] != target[1] and redirected.meta.get("download_slot") == source[1]:
            del redirected.meta["download_slot"]  # it is the old host's, and each host has its own
        if source != target:
            for name in _CREDENTIAL_HEADERS:
                headers.pop(name, None)
            for key in _META_CREDENTIALS:
                redirected.meta.pop(key, None)
            if redirected.body or redirected.method not in ("GET", "HEAD"):
                return self._as_get(redirected)
        return redirected

    def _as_get(self, request: Request) -> Request:
        redirected: Request = request.replace(method="GET", body=b"")
        for name in (*_BODY_HEADERS, b"Transfer-Encoding"):
            redirected.headers.pop(name, None)
        return redirected

    def _redirect_request_using_get(self, request: Request, redirect_url: str) -> Request | None:
        redirected = self._build(request, redirect_url, method="GET", body=b"")
        return None if redirected is None else self._as_get(redirected)


def _is_exempt(request: Request, status: int) -> bool:
    meta = request.meta
    return (
        meta.get("dont_redirect", False)
        or status in meta.get("handle_httpstatus_list", ())
        or meta.get("handle_httpstatus_all", False)
    )


class RedirectMiddleware(BaseRedirectMiddleware):
    """Follows 301, 302, 303, 307 and 308 with a ``Location``.

    301 and 302 turn POST into GET, 303 everything but HEAD; 307 and 308 keep method and body on the same origin, and
    become GET without body on another one.
    """

    def process_response(self, request: Request, response: Response) -> Request | Response:
        status = response.status
        if status not in (301, 302, 303, 307, 308) or b"Location" not in response.headers:
            return response
        if _is_exempt(request, status) or status in getattr(self.crawler.spider, "handle_httpstatus_list", ()):
            return response
        url = _location(request, response)
        redirected: Request | None
        if url is None:
            return response
        if (status in (301, 302) and request.method == "POST") or (
            status == 303 and request.method not in ("GET", "HEAD")
        ):
            redirected = self._redirect_request_using_get(request, url)
        else:
            redirected = self._build(request, url)
        return response if redirected is None else self._redirect(redirected, request, response, status)


def _location(request: Request, response: Response) -> str | None:
    """Where the response leads; None when no browser would go there."""
    raw = response.headers.get(b"Location") or b""
    try:
        location = raw.decode("utf-8")
    except UnicodeDecodeError:
        location = raw.decode("latin-1")
    if location.startswith("//"):
        location = f"{request.url.partition(':')[0]}:{location}"
    try:
        url = join_url(request.url, location.strip())
    except ValueError:
        return None
    if "#" not in url:  # RFC 9110 section 10.2.2: the fragment is inherited
        fragment = urldefrag(request.url).fragment
        if fragment:
            url = f"{url}#{fragment}"
    return url


class MetaRefreshMiddleware(BaseRedirectMiddleware):
    """Follows the refresh of HTML pages whose delay is below ``METAREFRESH_MAXDELAY`` seconds, always with GET."""

    enabled_setting = "METAREFRESH_ENABLED"

    def __init__(self, settings: BaseSettings) -> None:
        super().__init__(settings)
        self._ignore_tags: list[str] = settings.getlist("METAREFRESH_IGNORE_TAGS")
        self._maxdelay = settings.getint("METAREFRESH_MAXDELAY")

    def process_response(self, request: Request, response: Response) -> Request | Response:
        if (
            not isinstance(response, HtmlResponse)
            or request.method == "HEAD"
            or not _may_refresh(response.body)
            or _is_exempt(request, response.status)
        ):
            return response
        try:
            interval, url = get_meta_refresh(response, ignore_tags=self._ignore_tags)
        except ValueError:  # a URL that cannot be parsed
            return response
        if interval is None or not url or interval >= self._maxdelay:
            return response
        redirected = self._redirect_request_using_get(request, url)
        return response if redirected is None else self._redirect(redirected, request, response, "meta refresh")


def _may_refresh(body: bytes) -> bool:
    """Whether the head of a page may hold a refresh: 99 pages in 100 do not, and decoding them costs more than this."""
    start = body[:16384]
    return b"http-equiv" in start.lower() or b"\0" in start
