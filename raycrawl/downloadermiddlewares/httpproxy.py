"""HTTP proxies: ``meta["proxy"]``, else the environment's (``http_proxy``, ``https_proxy``, ``no_proxy``).

Credentials of a proxy URL become a ``Proxy-Authorization`` header, which goes to that proxy and never to a server or to
another proxy: ``meta["_auth_proxy"]`` remembers whose it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from raycrawl.exceptions import NotConfigured
from raycrawl.transport.origin import basic_auth
from raycrawl.urls import hostname_of

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response

_HEADER = b"Proxy-Authorization"


class HttpProxyMiddleware:
    """Gives requests their proxy."""

    def __init__(self, auth_encoding: str | None = "latin-1") -> None:
        self.auth_encoding = auth_encoding or "latin-1"
        self.proxies: dict[str, tuple[bytes | None, str]] = {}
        for scheme, url in getproxies().items():
            if scheme != "no" and url:
                try:
                    self.proxies[scheme] = self._take_apart(url, scheme)
                except ValueError:
                    continue  # another program's notation; a request that needs it goes direct, as with curl

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        if not crawler.settings.getbool("HTTPPROXY_ENABLED"):
            raise NotConfigured
        return cls(crawler.settings.get("HTTPPROXY_AUTH_ENCODING"))

    def process_request(self, request: Request) -> Request | Response | None:
        meta = request.meta
        if "proxy" in meta:
            self._use_given(request)
        elif self.proxies and self._use_environment(request):
            return None
        elif _HEADER in request.headers:
            self._set(request, None, None)
        return None

    def take_back(self, request: Request) -> None:
        """Remove the environment's proxy and its credentials from a request that is going to be stored."""
        if request.meta.get("_scheme_proxy"):
            for key in ("_scheme_proxy", "_auth_proxy", "proxy"):
                request.meta.pop(key, None)
            request.headers.pop(_HEADER, None)

    def _use_given(self, request: Request) -> None:
        url = request.meta["proxy"]
        if url is None:
            self._set(request, None, None)
        else:
            credentials, proxy = self._take_apart(url, "")
            self._set(request, proxy or None, credentials)

    def _use_environment(self, request: Request) -> bool:
        scheme = request.url.partition(":")[0]
        if scheme not in self.proxies:
            return False
        if scheme in ("http", "https") and proxy_bypass(hostname_of(request.url)):
            return False
        credentials, proxy = self.proxies[scheme]
        request.meta["_scheme_proxy"] = True
        self._set(request, proxy, credentials)
        return True

    def _take_apart(self, url: str, scheme: str) -> tuple[bytes | None, str]:
        """(the ``Proxy-Authorization`` value, the URL without credentials); a URL without scheme gets ``scheme``.

        Raises:
            ValueError: it cannot be read; quotes no credentials.
        """
        if not url:
            return None, ""
        has_scheme = "://" in url
        try:
            parts = urlsplit(url if has_scheme else f"//{url.removeprefix('//')}")
            user, password = parts.username, parts.password
        except ValueError:
            raise ValueError("the URL of the proxy cannot be read") from None
        host = parts.netloc.rpartition("@")[2]
        proxy = f"{parts.scheme or scheme}://{host}" if parts.scheme or scheme else f"//{host}"
        if not user:
            return None, proxy
        return basic_auth(unquote(user), unquote(password or ""), self.auth_encoding), proxy

    def _set(self, request: Request, proxy: str | None, credentials: bytes | None) -> None:
        meta, headers = request.meta, request.headers
        if "proxy" in meta or proxy:
            meta["proxy"] = proxy
        if proxy and credentials:
            headers[_HEADER] = credentials
            meta["_auth_proxy"] = proxy
            return
        if _HEADER not in headers:
            meta.pop("_auth_proxy", None)
            return
        if not proxy:
            meta.pop("_auth_proxy", None)
            del headers[_HEADER]
        elif "_auth_proxy" not in meta:  # a header that came with the request belongs to the request's proxy
            meta["_auth_proxy"] = proxy
        elif meta["_auth_proxy"] != proxy:
            del meta["_auth_proxy"]
            del headers[_HEADER]
