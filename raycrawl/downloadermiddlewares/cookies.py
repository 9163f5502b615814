"""Cookies: one jar for each ``meta["cookiejar"]`` (None is the default one)."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from http.cookiejar import Cookie
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from raycrawl.exceptions import NotConfigured
from raycrawl.http import Response
from raycrawl.http.cookies import CookieJar
from raycrawl.urls import parse_url

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request

logger = logging.getLogger(__name__)

# RFC 6265 section 4.1.1: what ends a cookie or forges a header.
_FORBIDDEN = re.compile(r"[\x00\r\n]")


@lru_cache(maxsize=1)
def _suffixes() -> Any:
    import tldextract

    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


@lru_cache(maxsize=16384)
def is_public_suffix(domain: str) -> bool:
    """Whether everybody may register names below ``domain`` (``co.uk``, ``github.io``): no cookie is for all of them.

    Source: the Public Suffix List, with its private section, as tldextract bundles it.
    """
    if domain.replace(".", "").isdigit() or ":" in domain:
        return False
    found = _suffixes()(domain)
    return not found.domain and bool(found.suffix)


class CookiesMiddleware:
    """Sends the cookies of the request and of its jar, and keeps those of the response.

    ``meta["dont_merge_cookies"]`` leaves a request and its response alone. With ``COOKIES_DEBUG`` what is sent and
    received is logged. A cookie for a public suffix is kept for that very host only.
    """

    crawler: Crawler

    def __init__(self, debug: bool = False) -> None:
        self.jars: defaultdict[Any, CookieJar] = defaultdict(CookieJar)
        self._is_changed = False
        self.debug = debug

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        if not crawler.settings.getbool("COOKIES_ENABLED"):
            raise NotConfigured
        middleware = cls(crawler.settings.getbool("COOKIES_DEBUG"))
        middleware.crawler = crawler
        return middleware

    def process_request(self, request: Request) -> Request | Response | None:
        meta = request.meta
        if meta.get("dont_merge_cookies", False):
            return None
        given = request.cookies
        key = meta.get("cookiejar")
        if not given and key not in self.jars:  # most crawls never see a cookie
            request.headers.pop(b"Cookie", None)
            return None
        jar = self.jars[key]
        if given:
            self._keep(self._given_cookies(request), jar, request)
        request.headers.pop(b"Cookie", None)
        jar.add_cookie_header(request)
        if self.debug:
            self._log_sent(request)
        return None

    def process_response(self, request: Request, response: Response) -> Request | Response:
        if b"Set-Cookie" not in response.headers or request.meta.get("dont_merge_cookies", False):
            return response
        jar = self.jars[request.meta.get("cookiejar")]
        self._keep(jar.make_cookies(response, request), jar, request)
        if self.debug:
            self._log_received(response)
        return response

    def dump_state(self) -> dict[Any, list[Cookie]] | None:
        """The cookies of all jars, for the next Downloader or the next run of the job; None: as they were last time."""
        if not self._is_changed:
            return None
        self._is_changed = False
        return {key: list(jar.jar) for key, jar in self.jars.items()}

    def load_state(self, state: dict[Any, list[Cookie]]) -> None:
        """Takes back what an earlier one had; what this one has received since then is newer and stays."""
        for key, cookies in state.items():
            jar = self.jars[key].jar
            known = {(cookie.domain, cookie.path, cookie.name) for cookie in jar}
            for cookie in cookies:
                if (cookie.domain, cookie.path, cookie.name) not in known:
                    jar.set_cookie(cookie)

    def take_back(self, request: Request) -> None:
        """Remove the jar's cookies from a request that is going to be stored."""
        if not request.meta.get("dont_merge_cookies", False):
            request.headers.pop(b"Cookie", None)

    def _keep(self, cookies: Iterable[Cookie], jar: CookieJar, request: Request) -> None:
        host = str(parse_url(request.url).hostname)
        self._is_changed = True
        for cookie in cookies:
            domain = cookie.domain.removeprefix(".")
            if domain and is_public_suffix(domain):
                if domain != host:
                    continue
                cookie.domain = host
                cookie.domain_specified = cookie.domain_initial_dot = False
            jar.set_cookie_if_ok(cookie, request)

    def _given_cookies(self, request: Request) -> list[Cookie]:
        """The request's ``cookies`` as Cookie objects; those that cannot be sent are logged and left out."""
        given: Any = request.cookies
        verbose = given if not isinstance(given, dict) else [{"name": name, "value": v} for name, v in given.items()]
        url = parse_url(request.url)
        cookies = []
        for entry in verbose:
            cookie = self._given_cookie(entry, request, url)
            if cookie is not None:
                cookies.append(cookie)
        return cookies

    def _given_cookie(self, entry: dict[str, Any], request: Request, url: Any) -> Cookie | None:
        texts: dict[str, str] = {}
        for key in ("name", "value", "path", "domain"):
            value = entry.get(key)
            if value is None:
                if key in ("name", "value"):
                    logger.warning("Invalid cookie found in request %s: '%s' is missing", request, key)
                    return None
                continue
            texts[key] = self._text(value, entry.get("name"), request)
            if _FORBIDDEN.search(texts[key]):
                logger.warning("Invalid cookie found in request %s: its %s contains a line end or NUL", request, key)
                return None
        name, value = texts["name"], texts["value"].partition(";")[0]
        if not name or "=" in name or ";" in name:
            logger.warning("Invalid cookie found in request %s: %r is no name of a cookie", request, name)
            return None
        domain = texts.get("domain", "").lower()
        path = texts.get("path") or (url.pathname.rpartition("/")[0] or "/")
        is_secure = entry.get("secure", url.protocol == "https:")
        return Cookie(
            version=0, name=name, value=value, port=None, port_specified=False,
            domain=("." + domain.lstrip(".")) if domain else str(url.hostname), domain_specified=bool(domain),
            domain_initial_dot=domain.startswith("."), path=quote(path, safe="%/;:@&=+$,!~*'()#?"),
            path_specified="path" in texts, secure=bool(is_secure), expires=None, discard=True, comment=None,
            comment_url=None, rest={},
        )  # fmt: skip

    def _text(self, value: Any, name: Any, request: Request) -> str:
        if isinstance(value, str):
            return value
        if not isinstance(value, bytes):
            return str(value)
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            logger.warning("Non UTF-8 encoded cookie found in request %s: %r", request, name)
            return value.decode("latin-1", errors="replace")

    def _log_sent(self, request: Request) -> None:
        cookies = request.headers.getlist(b"Cookie")
        if cookies:
            lines = "\n".join(f"Cookie: {cookie.decode('utf-8', 'replace')}\n" for cookie in cookies)
            logger.debug("Sending cookies to: %s\n%s", request, lines, extra={"spider": self.crawler.spider})

    def _log_received(self, response: Response) -> None:
        cookies = response.headers.getlist(b"Set-Cookie")
        lines = "\n".join(f"Set-Cookie: {cookie.decode('utf-8', 'replace')}\n" for cookie in cookies)
        logger.debug("Received cookies from: %s\n%s", response, lines, extra={"spider": self.crawler.spider})
