"""User agent, default headers, timeout, http auth, stats, offsite: each by its hooks."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from raycrawl import Spider
from raycrawl.downloadermiddlewares.defaultheaders import DefaultHeadersMiddleware
from raycrawl.downloadermiddlewares.downloadtimeout import DownloadTimeoutMiddleware
from raycrawl.downloadermiddlewares.httpauth import HttpAuthMiddleware
from raycrawl.downloadermiddlewares.offsite import OffsiteMiddleware
from raycrawl.downloadermiddlewares.stats import DownloaderStats, get_header_size
from raycrawl.downloadermiddlewares.useragent import UserAgentMiddleware
from raycrawl.exceptions import IgnoreRequest, NotConfigured
from raycrawl.http import Headers, Request, Response
from raycrawl.utils.request import request_httprepr
from raycrawl.utils.test import get_crawler


def crawler_with(settings: dict[str, Any] | None = None, **attributes: Any) -> Any:
    return get_crawler(type("TestSpider", (Spider,), {"name": "test", **attributes}), settings)


# user agent, headers, timeout


def test_user_agent_from_the_setting_the_spider_and_the_request() -> None:
    middleware = UserAgentMiddleware.from_crawler(crawler_with({"USER_AGENT": "from-setting"}))
    request = Request("http://a.com")
    assert middleware.process_request(request) is None
    assert request.headers["User-Agent"] == b"from-setting"
    own = Request("http://a.com", headers={"user-agent": "mine"})
    middleware.process_request(own)
    assert own.headers.getlist("User-Agent") == [b"mine"]
    crawler = crawler_with({"USER_AGENT": "from-setting"}, user_agent="from-spider")
    middleware = UserAgentMiddleware.from_crawler(crawler)
    middleware.spider_opened(crawler.spider)
    request = Request("http://a.com")
    middleware.process_request(request)
    assert request.headers["User-Agent"] == b"from-spider"


def test_no_user_agent_no_header() -> None:
    middleware = UserAgentMiddleware.from_crawler(crawler_with({"USER_AGENT": None}))
    request = Request("http://a.com")
    middleware.process_request(request)
    assert "User-Agent" not in request.headers


def test_default_headers_leave_the_requests_own_and_none_is_no_header() -> None:
    settings = {"DEFAULT_REQUEST_HEADERS": {"Accept": "a", "Accept-Language": "en", "X-None": None}}
    middleware = DefaultHeadersMiddleware.from_crawler(crawler_with(settings))
    request = Request("http://a.com", headers={"Accept-Language": "fr"})
    assert middleware.process_request(request) is None
    assert request.headers == {b"Accept": [b"a"], b"Accept-Language": [b"fr"]}
    request.headers.appendlist("Accept", "b")
    other = Request("http://a.com")
    middleware.process_request(other)
    assert other.headers.getlist("Accept") == [b"a"]


def test_download_timeout() -> None:
    middleware = DownloadTimeoutMiddleware.from_crawler(crawler_with({"DOWNLOAD_TIMEOUT": 20.1}))
    request = Request("http://a.com")
    assert middleware.process_request(request) is None
    assert request.meta["download_timeout"] == 20.1
    request = Request("http://a.com", meta={"download_timeout": 1})
    middleware.process_request(request)
    assert request.meta["download_timeout"] == 1
    crawler = crawler_with(download_timeout=2)
    middleware = DownloadTimeoutMiddleware.from_crawler(crawler)
    middleware.spider_opened(crawler.spider)
    request = Request("http://a.com")
    middleware.process_request(request)
    assert request.meta["download_timeout"] == 2


# http auth


def basic(user: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


def auth_of(crawler: Any, url: str, **kwargs: Any) -> bytes | None:
    middleware = HttpAuthMiddleware.from_crawler(crawler)
    request = Request(url, **kwargs)
    assert middleware.process_request(request) is None
    return request.headers.get("Authorization")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a.com/", True),
        ("http://www.a.com/", True),
        ("https://a.com:8443/", True),
        ("http://b.com/", False),
        ("http://aa.com/", False),
        ("http://a.com.evil.com/", False),
        ("http://evil.com/?a.com", False),
        ("http://evil.com#a.com", False),
    ],
)
def test_http_auth_stays_on_its_domain(url: str, expected: bool) -> None:
    crawler = crawler_with(http_user="u", http_pass="p", http_auth_domain="a.com")
    assert auth_of(crawler, url) == (basic("u", "p") if expected else None)


def test_http_auth_domain_may_name_a_port() -> None:
    crawler = crawler_with(http_user="u", http_pass="p", http_auth_domain="a.com:8080")
    assert auth_of(crawler, "http://a.com:8080/x") == basic("u", "p")
    assert auth_of(crawler, "http://a.com/x") is None


def test_http_auth_needs_a_domain_even_if_it_is_none() -> None:
    with pytest.raises(AttributeError):
        HttpAuthMiddleware.from_crawler(crawler_with(http_user="u", http_pass="p"))
    assert auth_of(crawler_with(http_user="u", http_auth_domain=None), "http://any.org") == basic("u", "")


def test_http_auth_from_settings_and_meta() -> None:
    crawler = crawler_with({"HTTPAUTH_USER": "u", "HTTPAUTH_PASS": "p", "HTTPAUTH_DOMAIN": "a.com"})
    assert auth_of(crawler, "http://a.com") == basic("u", "p")
    assert auth_of(crawler, "http://b.com") is None
    meta = {"http_user": "m", "http_pass": "n"}
    assert auth_of(crawler, "http://b.com", meta=meta) == basic("m", "n")
    assert auth_of(crawler, "http://b.com", meta={**meta, "http_auth_domain": "c.com"}) is None
    assert auth_of(crawler, "http://a.com", headers={"Authorization": "Digest x"}) == b"Digest x"


# stats


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, -2),
        ({"A": "b"}, 4),
        ({"A": ["b", "c"]}, 8),
        ({"A": ["b", "c"], "D": "e"}, 14),
    ],
)
def test_header_size(headers: dict[str, Any], expected: int) -> None:
    assert get_header_size(Headers(headers)) == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "http://example.com/",
        "http://example.com:8080/a?b=c#d",
        "http://u:p@example.com?x=1",
        "https://[::1]:80/x",
        "http://example.com#f",
        "http://example.com/a;b?c",
    ],
)
@pytest.mark.parametrize("kwargs", [{}, {"headers": {"A": ["b", "c"]}, "method": "POST", "body": b"zz"}])
def test_request_bytes_are_those_of_the_request_as_text(url: str, kwargs: dict[str, Any]) -> None:
    crawler = crawler_with()
    request = Request(url, **kwargs)
    assert DownloaderStats.from_crawler(crawler).process_request(request) is None
    assert crawler.stats.get_value("downloader/request_bytes") == len(request_httprepr(request))
    assert crawler.stats.get_value("downloader/request_count") == 1
    assert crawler.stats.get_value(f"downloader/request_method_count/{request.method}") == 1


@pytest.mark.parametrize(
    ("response", "nbytes"),
    [
        (Response("http://a.com"), 19),
        (Response("http://a.com", status=404, headers={"A": ["b", "c"], "D": "e"}, body=b"123"), 45),
        (Response("http://a.com", status=599), 17),
    ],
)
def test_response_stats(response: Response, nbytes: int) -> None:
    crawler = crawler_with()
    middleware = DownloaderStats.from_crawler(crawler)
    assert middleware.process_response(Request("http://a.com"), response) is response
    assert middleware.process_exception(Request("http://a.com"), ValueError()) is None
    assert crawler.stats.get_stats() == {
        "downloader/response_count": 1,
        f"downloader/response_status_count/{response.status}": 1,
        "downloader/response_bytes": nbytes,
        "downloader/exception_count": 1,
        "downloader/exception_type_count/builtins.ValueError": 1,
    }


def test_stats_can_be_off() -> None:
    with pytest.raises(NotConfigured):
        DownloaderStats.from_crawler(crawler_with({"DOWNLOADER_STATS": False}))


# offsite


@pytest.mark.parametrize(
    ("url", "kwargs", "allowed"),
    [
        ("http://a.com/", {}, True),
        ("http://www.a.com", {}, True),
        ("http://A.COM", {}, True),
        ("http://aa.com", {}, False),
        ("http://a.com.evil.com", {}, False),
        ("http://x.org/?a.com", {}, False),
        ("http://a.com@x.org/", {}, False),
        ("http://x.org", {"dont_filter": True}, True),
        ("http://x.org", {"meta": {"allow_offsite": True}}, True),
        ("http://xn--bcher-kva.example/", {}, True),
        ("http://b\u00fccher.example/", {}, True),
    ],
)
def test_offsite(url: str, kwargs: dict[str, Any], allowed: bool) -> None:
    middleware = OffsiteMiddleware.from_crawler(crawler_with(allowed_domains=["a.com", None, "b\u00fccher.example"]))
    request = Request(url, **kwargs)
    if allowed:
        assert middleware.process_request(request) is None
    else:
        with pytest.raises(IgnoreRequest):
            middleware.process_request(request)


@pytest.mark.parametrize("domains", [None, [], ()])
def test_without_allowed_domains_nothing_is_offsite(domains: Any) -> None:
    attributes = {} if domains is None else {"allowed_domains": domains}
    middleware = OffsiteMiddleware.from_crawler(crawler_with(**attributes))
    assert middleware.process_request(Request("http://anything.org")) is None


def test_offsite_stats_count_domains_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    crawler = crawler_with(allowed_domains=["a.com"])
    middleware = OffsiteMiddleware.from_crawler(crawler)
    for _ in range(2):
        with pytest.raises(IgnoreRequest):
            middleware.process_request(Request("http://x.org/"))
    assert crawler.stats.get_value("offsite/domains") == 1
    assert crawler.stats.get_value("offsite/filtered") == 2
    assert caplog.text.count("Filtered offsite request to 'x.org'") == 1


@pytest.mark.parametrize("domain", ["http://b.com", "b.com:80"])
def test_offsite_warns_of_entries_that_are_no_domains(domain: str) -> None:
    with pytest.warns(UserWarning, match="allowed_domains"):
        middleware = OffsiteMiddleware.from_crawler(crawler_with(allowed_domains=["a.com", domain]))
    with pytest.raises(IgnoreRequest):
        middleware.process_request(Request("http://b.com/"))
