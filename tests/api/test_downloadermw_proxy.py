"""Which proxy a request gets, and whose credentials."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from raycrawl.downloadermiddlewares.httpproxy import HttpProxyMiddleware
from raycrawl.exceptions import NotConfigured
from raycrawl.http import Request
from raycrawl.utils.test import get_crawler

HEADER = "Proxy-Authorization"


def basic(user: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode("latin-1"))


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "ftp_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def _environment(monkeypatch: pytest.MonkeyPatch, _no_proxies: None) -> None:
    monkeypatch.setenv("http_proxy", "http://u:p@proxy.com:8080")
    monkeypatch.setenv("https_proxy", "https://sec.com:1")
    monkeypatch.setenv("no_proxy", "nope.com,.dom.com")


def proxied(url: str, **kwargs: Any) -> tuple[Any, bytes | None, dict[str, Any]]:
    request = Request(url, **kwargs)
    assert HttpProxyMiddleware.from_crawler(get_crawler()).process_request(request) is None
    return request.meta.get("proxy"), request.headers.get(HEADER), request.meta


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize(
    ("url", "proxy", "auth"),
    [
        ("http://a.com", "http://proxy.com:8080", basic("u", "p")),
        ("https://a.com", "https://sec.com:1", None),
        ("http://nope.com", None, None),
        ("http://x.dom.com", None, None),
        ("ftp://a.com", None, None),
    ],
)
def test_environment(url: str, proxy: str | None, auth: bytes | None) -> None:
    assert proxied(url)[:2] == (proxy, auth)


@pytest.mark.usefixtures("_environment")
def test_meta_outranks_the_environment() -> None:
    assert proxied("http://a.com", meta={"proxy": None})[:2] == (None, None)
    assert proxied("http://a.com", meta={"proxy": "http://q:w@other:1"})[:2] == ("http://other:1", basic("q", "w"))
    assert proxied("http://a.com", meta={"proxy": ""})[:2] == (None, None)


@pytest.mark.parametrize(
    ("given", "proxy", "auth"),
    [
        ("http://other:1", "http://other:1", None),
        ("other:1", "//other:1", None),
        ("q:w@other:1", "//other:1", basic("q", "w")),
        ("https://q:@o/", "https://o", basic("q", "")),
        ("http://q%40:w%3a@o/", "http://o", basic("q@", "w:")),
        ("http://m\u00e1n:p\u00e4ss@o", "http://o", basic("m\u00e1n", "p\u00e4ss")),
    ],
)
def test_forms_of_proxies(given: str, proxy: str, auth: bytes | None) -> None:
    assert proxied("http://a.com", meta={"proxy": given})[:2] == (proxy, auth)


def test_a_header_belongs_to_the_proxy_that_it_came_with() -> None:
    headers = {HEADER: "Basic AA"}
    _, auth, meta = proxied("http://a.com", meta={"proxy": "http://o:1"}, headers=headers)
    assert (auth, meta["_auth_proxy"]) == (b"Basic AA", "http://o:1")
    _, auth, meta = proxied("http://a.com", meta={"proxy": "http://o:1", "_auth_proxy": "http://o:1"}, headers=headers)
    assert auth == b"Basic AA"
    _, auth, meta = proxied("http://a.com", meta={"proxy": "http://o:1", "_auth_proxy": "http://x"}, headers=headers)
    assert auth is None
    assert "_auth_proxy" not in meta


@pytest.mark.parametrize("meta", [{}, {"proxy": None}])
def test_without_a_proxy_there_are_no_credentials(meta: dict[str, Any]) -> None:
    assert proxied("http://a.com", meta=meta, headers={HEADER: "Basic AA"})[1] is None


@pytest.mark.usefixtures("_environment")
def test_credentials_do_not_go_to_a_host_without_proxy() -> None:
    assert proxied("http://nope.com", headers={HEADER: "Basic AA"})[1] is None


def test_changing_the_proxy_changes_the_credentials() -> None:
    middleware = HttpProxyMiddleware.from_crawler(get_crawler())
    request = Request("http://a.com", meta={"proxy": "http://u:p@one:1"})
    middleware.process_request(request)
    assert request.headers[HEADER] == basic("u", "p")
    request.meta["proxy"] = "http://two:2"
    middleware.process_request(request)
    assert HEADER not in request.headers
    request.meta["proxy"] = "http://x:y@three:3"
    middleware.process_request(request)
    assert request.headers[HEADER] == basic("x", "y")
    del request.meta["proxy"]
    middleware.process_request(request)
    assert HEADER not in request.headers


def test_can_be_off() -> None:
    with pytest.raises(NotConfigured):
        HttpProxyMiddleware.from_crawler(get_crawler(settings_dict={"HTTPPROXY_ENABLED": False}))
