"""A cookie jar for requests and responses, on the standard library's ``http.cookiejar``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache
from http import cookiejar
from http.cookiejar import Cookie, CookiePolicy, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

from raycrawl.http.setcookie import parse_set_cookie
from raycrawl.urls import hostname_of, parse_url

if TYPE_CHECKING:
    from urllib.request import Request as UrllibRequest

    from raycrawl.http.request import Request
    from raycrawl.http.response import Response


class CookieJar:
    """The cookies of one session.

    Args:
        policy: which cookies are taken and sent; by default those that browsers take (no cookie for a public suffix
            such as ``co.uk``).
        check_expired_frequency: expired cookies are dropped each time that so many requests got their header.
    """

    def __init__(self, policy: CookiePolicy | None = None, check_expired_frequency: int = 10000) -> None:
        self.policy: CookiePolicy = policy or PublicSuffixPolicy()
        self.jar = cookiejar.CookieJar(self.policy)
        self.check_expired_frequency = check_expired_frequency
        self.processed = 0

    def extract_cookies(self, response: Response, request: Request) -> None:
        """Take the cookies that ``response`` to ``request`` sets."""
        for cookie in self.make_cookies(response, request):
            self.set_cookie_if_ok(cookie, request)

    def add_cookie_header(self, request: Request) -> None:
        """Set the Cookie header of ``request``, unless it has one."""
        wrapped = WrappedRequest(request)
        self._set_now()
        attributes = self._attributes_for(wrapped)
        if attributes and not wrapped.has_header("Cookie"):
            wrapped.add_unredirected_header("Cookie", "; ".join(attributes))
        self.processed += 1
        if self.processed % self.check_expired_frequency == 0:
            self.jar.clear_expired_cookies()

    def _set_now(self) -> None:
        now = int(time.time())
        for owner in (self.jar, self.policy):
            owner._now = now  # type: ignore[union-attr]

    def _attributes_for(self, wrapped: WrappedRequest) -> list[str]:
        """The pairs for the header: only the request's own domains are looked at, however many the jar has."""
        try:
            host: str = parse_url(wrapped.get_full_url()).hostname
        except ValueError:
            return []
        if not host:
            return []
        hosts = potential_domain_matches(host)
        if "." not in host:
            hosts.append(f"{host}.local")  # what the standard library calls hosts without a dot
        cookies: list[Cookie] = []
        for domain in hosts:
            if domain in self._cookies:
                cookies += self.jar._cookies_for_domain(domain, wrapped)  # type: ignore[attr-defined]
        return self.jar._cookie_attrs(cookies)  # type: ignore[attr-defined,no-any-return]

    @property
    def _cookies(self) -> dict[str, dict[str, dict[str, Cookie]]]:
        return self.jar._cookies  # type: ignore[attr-defined,no-any-return]

    def clear_session_cookies(self) -> None:
        """Drop the cookies that live as long as the session."""
        self.jar.clear_session_cookies()

    def clear(self, domain: str | None = None, path: str | None = None, name: str | None = None) -> None:
        """Drop all cookies, or those of a domain, of a path of it, or one of these by name."""
        if domain is None:
            self.jar.clear()
        elif path is None:
            self.jar.clear(domain)
        elif name is None:
            self.jar.clear(domain, path)
        else:
            self.jar.clear(domain, path, name)

    def __iter__(self) -> Iterator[Cookie]:
        return iter(self.jar)

    def __len__(self) -> int:
        return len(self.jar)

    def set_policy(self, pol: CookiePolicy) -> None:
        """Change the policy."""
        self.policy = pol
        self.jar.set_policy(pol)

    def make_cookies(self, response: Response, request: Request) -> list[Cookie]:
        """The cookies that ``response`` to ``request`` sets, without taking them; those that it deletes are deleted."""
        self._set_now()
        now_s = time.time()
        url = parse_url(request.url)
        host = cookiejar.eff_request_host(_as_urllib_request(request))[1]  # type: ignore[attr-defined]
        cookies = []
        for header in response.headers.getlist(b"Set-Cookie"):
            cookie = parse_set_cookie(header.decode("utf-8", "replace"), host, str(url.pathname), now_s)
            if cookie is None:
                continue
            if cookie.expires is not None and cookie.expires <= now_s:
                self._delete(cookie)
            else:
                cookies.append(cookie)
        return cookies

    def _delete(self, cookie: Cookie) -> None:
        try:
            self.jar.clear(cookie.domain, cookie.path, cookie.name)
        except KeyError:
            return  # there was none

    def set_cookie(self, cookie: Cookie) -> None:
        """Take a cookie whatever the policy says."""
        self.jar.set_cookie(cookie)

    def set_cookie_if_ok(self, cookie: Cookie, request: Request) -> None:
        """Take a cookie if the policy allows it for ``request``."""
        self.jar.set_cookie_if_ok(cookie, _as_urllib_request(request))


class PublicSuffixPolicy(DefaultCookiePolicy):
    """What browsers do where the standard policy is laxer (RFC 6265, 5.3): no cookie for a whole public suffix
    (``Domain=co.uk``), and a cookie without Domain goes to its own host only, not below it."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("strict_ns_domain", DefaultCookiePolicy.DomainStrictNonDomain)
        super().__init__(**kwargs)

    def set_ok_domain(self, cookie: Cookie, request: UrllibRequest) -> bool:
        """Whether the domain of ``cookie`` may be set by ``request``."""
        if cookie.domain_specified and _is_public_suffix(cookie.domain.lstrip(".").lower()):
            return False
        return super().set_ok_domain(cookie, request)


@lru_cache(maxsize=1)
def _suffix_list() -> Any:
    import tldextract

    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


@lru_cache(maxsize=4096)
def _is_public_suffix(domain: str) -> bool:
    extracted = _suffix_list()(domain)
    return bool(extracted.suffix) and not extracted.domain


def potential_domain_matches(domain: str) -> list[str]:
    """The domains whose cookies a request to ``domain`` may carry: itself and its parents, each with and without dot.

    >>> potential_domain_matches("www.example.com")
    ['www.example.com', 'example.com', '.www.example.com', '.example.com']
    """
    parts = domain.split(".")
    names = [".".join(parts[i:]) for i in range(max(len(parts) - 1, 1))]
    return [*names, *(f".{name}" for name in names)]


class WrappedRequest:
    """A request as ``http.cookiejar`` wants to see it (the interface of ``urllib.request.Request``)."""

    def __init__(self, request: Request) -> None:
        self.request = request

    def get_full_url(self) -> str:
        """The URL."""
        return self.request.url

    def get_host(self) -> str:
        """Host and port."""
        try:
            return str(parse_url(self.request.url).host)
        except ValueError:
            return ""

    def get_type(self) -> str:
        """The scheme."""
        return self.request.url.partition(":")[0].lower()

    def is_unverifiable(self) -> bool:
        """Whether no user asked for it (RFC 2965); a crawler's user always did."""
        return False

    @property
    def full_url(self) -> str:
        """The URL."""
        return self.get_full_url()

    @property
    def host(self) -> str:
        """Host and port."""
        return self.get_host()

    @property
    def type(self) -> str:
        """The scheme."""
        return self.get_type()

    @property
    def unverifiable(self) -> bool:
        """See `is_unverifiable`."""
        return self.is_unverifiable()

    @property
    def origin_req_host(self) -> str:
        """The host name."""
        return hostname_of(self.request.url)

    def has_header(self, name: str) -> bool:
        """Whether the request has that header."""
        return name.encode() in self.request.headers

    def get_header(self, name: str, default: str | None = None) -> str | None:
        """The last value of that header as str."""
        value = self.request.headers.get(name, default)
        return None if value is None else value.decode("utf-8", "replace")

    def header_items(self) -> list[tuple[str, list[str]]]:
        """(name, values) pairs of str."""
        return [
            (name.decode("utf-8", "replace"), [value.decode("utf-8", "replace") for value in values])
            for name, values in self.request.headers.items()
        ]

    def add_unredirected_header(self, name: str, value: str) -> None:
        """Add a value to that header."""
        self.request.headers.appendlist(name, value)


class WrappedResponse:
    """A response as ``http.cookiejar`` wants to see it (the interface of ``http.client.HTTPResponse``)."""

    def __init__(self, response: Response) -> None:
        self.response = response

    def info(self) -> WrappedResponse:
        """The headers: this object itself."""
        return self

    def get_all(self, name: str, default: Any = None) -> list[str]:
        """All values of that header as str, empty without any."""
        return [value.decode("utf-8", "replace") for value in self.response.headers.getlist(name)]


def _as_urllib_request(request: Request) -> UrllibRequest:
    return WrappedRequest(request)  # type: ignore[return-value]
