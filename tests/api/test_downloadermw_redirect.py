"""Redirects: what is followed, what is kept, and what must not travel."""

from __future__ import annotations

from typing import Any

import pytest

from raycrawl import Spider
from raycrawl.downloadermiddlewares.redirect import MetaRefreshMiddleware, RedirectMiddleware
from raycrawl.exceptions import IgnoreRequest, NotConfigured
from raycrawl.http import HtmlResponse, Request, Response, TextResponse
from raycrawl.utils.test import get_crawler

CREDENTIALS = {"Authorization": "Basic c2VjcmV0", "Cookie": "session=secret"}
SAME = "http://a.com/y"
OTHERS = ["http://b.com/y", "https://a.com/y", "http://a.com:81/y", "http://www.a.com/y", "//b.com/y"]


def follow(status: int, location: str | None, url: str = "http://a.com/x", **kwargs: Any) -> Any:
    settings = kwargs.pop("settings", None)
    middleware = RedirectMiddleware.from_crawler(get_crawler(settings_dict=settings))
    headers = {} if location is None else {"Location": location}
    return middleware.process_response(Request(url, **kwargs), Response(url, status=status, headers=headers))


def refresh(content: str, url: str = "http://a.com/x", cls: Any = HtmlResponse, page: str = "{}", **kwargs: Any) -> Any:
    settings = kwargs.pop("settings", None)
    middleware = MetaRefreshMiddleware.from_crawler(get_crawler(settings_dict=settings))
    body = page.format(f'<html><head><meta http-equiv="refresh" content="{content}"></head></html>').encode()
    return middleware.process_response(Request(url, **kwargs), cls(url, body=body))


# what is followed


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(status: int) -> None:
    redirected = follow(status, "/y")
    assert isinstance(redirected, Request)
    assert (redirected.url, redirected.method) == (SAME, "GET")
    assert redirected.meta == {
        "redirect_times": 1,
        "redirect_ttl": 19,
        "redirect_urls": ["http://a.com/x"],
        "redirect_reasons": [status],
    }
    assert redirected.priority == 2
    assert redirected.dont_filter is False


@pytest.mark.parametrize("status", [200, 300, 304, 305, 306, 404])
def test_other_codes_are_not(status: int) -> None:
    assert isinstance(follow(status, "/y"), Response)


def test_no_location_no_redirect() -> None:
    assert isinstance(follow(302, None), Response)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/a b?\u00fc#frag", "http://a.com/a%20b?%C3%BC#frag"),
        (" /y ", SAME),
        ("", "http://a.com/x"),
        ("z", "http://a.com/z"),
        ("?q", "http://a.com/x?q"),
        ("//c.com/p", "http://c.com/p"),
    ],
)
def test_locations_are_resolved(location: str, expected: str) -> None:
    assert follow(302, location).url == expected


def test_latin1_locations_are_read() -> None:
    response = Response("http://a.com/x", status=302, headers={"Location": b"/caf\xe9"})
    middleware = RedirectMiddleware.from_crawler(get_crawler())
    redirected = middleware.process_response(Request("http://a.com/x"), response)
    assert redirected.url == "http://a.com/caf%C3%A9"


def test_the_fragment_is_inherited() -> None:
    assert follow(302, "/y", url="http://a.com/x#frag").url == "http://a.com/y#frag"
    assert follow(302, "/y#own", url="http://a.com/x#frag").url == "http://a.com/y#own"


@pytest.mark.parametrize(
    "location",
    ["ftp://a.com", "file:///etc/passwd", "data:text/plain,x", "s3://a/b", "javascript:alert(1)", "http://[::1"],
)  # fmt: skip
def test_redirects_lead_nowhere_but_to_the_web(location: str) -> None:
    assert isinstance(follow(302, location), Response)
    assert isinstance(refresh(f"0;url={location}"), Response)


@pytest.mark.parametrize(
    "meta",
    [{"dont_redirect": True}, {"handle_httpstatus_list": [302]}, {"handle_httpstatus_all": True}],
)
def test_exempt_requests(meta: dict[str, Any]) -> None:
    assert isinstance(follow(302, "/y", meta=meta), Response)


def test_the_spider_may_handle_a_code_itself() -> None:
    crawler = get_crawler(type("TestSpider", (Spider,), {"name": "t", "handle_httpstatus_list": [302]}))
    middleware = RedirectMiddleware.from_crawler(crawler)
    response = Response("http://a.com/x", status=302, headers={"Location": "/y"})
    assert middleware.process_response(Request("http://a.com/x"), response) is response


@pytest.mark.parametrize("meta", [{"redirect_times": 20}, {"redirect_ttl": 0}])
def test_too_many_redirects(meta: dict[str, Any]) -> None:
    with pytest.raises(IgnoreRequest, match="max redirections reached"):
        follow(302, "/y", meta=meta)


def test_the_history_grows_and_settings_apply() -> None:
    first = follow(
        302, "/y", priority=5, dont_filter=True, settings={"REDIRECT_PRIORITY_ADJUST": 3, "REDIRECT_MAX_TIMES": 2}
    )
    assert (first.priority, first.dont_filter, first.meta["redirect_ttl"]) == (8, True, 1)
    middleware = RedirectMiddleware.from_crawler(get_crawler(settings_dict={"REDIRECT_MAX_TIMES": 2}))
    second = middleware.process_response(first, Response(first.url, status=301, headers={"Location": "/z"}))
    assert second.meta["redirect_urls"] == ["http://a.com/x", SAME]
    assert second.meta["redirect_reasons"] == [302, 301]
    with pytest.raises(IgnoreRequest):
        middleware.process_response(second, Response(second.url, status=301, headers={"Location": "/w"}))


@pytest.mark.parametrize(
    ("cls", "setting"),
    [(RedirectMiddleware, "REDIRECT_ENABLED"), (MetaRefreshMiddleware, "METAREFRESH_ENABLED")],
)
def test_can_be_off(cls: Any, setting: str) -> None:
    with pytest.raises(NotConfigured):
        cls.from_crawler(get_crawler(settings_dict={setting: False}))


# methods and bodies

BODY = {
    "method": "POST",
    "body": b"a=1",
    "headers": {"Content-Type": "t", "Content-Length": "3", "Content-Encoding": "x", "X-Keep": "1"},
}


@pytest.mark.parametrize("status", [301, 302, 303])
def test_post_becomes_get_without_its_body(status: int) -> None:
    redirected = follow(status, "/y", **BODY)
    assert (redirected.method, redirected.body) == ("GET", b"")
    assert dict(redirected.headers) == {b"X-Keep": [b"1"]}


@pytest.mark.parametrize("status", [307, 308])
def test_307_and_308_keep_everything_on_the_same_origin(status: int) -> None:
    redirected = follow(status, "/y", **BODY)
    assert (redirected.method, redirected.body) == ("POST", b"a=1")
    assert redirected.headers["Content-Type"] == b"t"


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("location", OTHERS)
def test_307_and_308_carry_no_body_to_another_origin(status: int, location: str) -> None:
    redirected = follow(status, location, **BODY)
    assert (redirected.method, redirected.body) == ("GET", b"")
    assert b"Content-Type" not in redirected.headers


@pytest.mark.parametrize(
    ("status", "method", "expected"),
    [
        (301, "HEAD", "HEAD"),
        (303, "HEAD", "HEAD"),
        (301, "PUT", "PUT"),
        (302, "DELETE", "DELETE"),
        (303, "PUT", "GET"),
        (303, "DELETE", "GET"),
        (307, "PUT", "PUT"),
    ],
)
def test_other_methods(status: int, method: str, expected: str) -> None:
    assert follow(status, "/y", method=method).method == expected


@pytest.mark.parametrize(("method", "expected"), [("HEAD", "HEAD"), ("POST", "GET"), ("PUT", "GET"), ("DELETE", "GET")])
def test_no_page_makes_the_crawler_write_elsewhere(method: str, expected: str) -> None:
    assert follow(307, "http://b.com/", method=method).method == expected


# what must not travel


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", OTHERS)
def test_credentials_stay_on_their_origin(status: int, location: str) -> None:
    meta = {"http_user": "u", "http_pass": "secret", "http_auth_domain": None}
    redirected = follow(status, location, headers=CREDENTIALS, cookies={"session": "secret"}, meta=meta)
    assert not set(redirected.headers) & {b"Authorization", b"Cookie"}
    assert not redirected.cookies
    assert "secret" not in str(redirected.meta)


@pytest.mark.parametrize("location", OTHERS)
def test_credentials_stay_on_their_origin_with_meta_refresh(location: str) -> None:
    redirected = refresh(f"0;url={location}", headers=CREDENTIALS, cookies={"session": "secret"})
    assert isinstance(redirected, Request)
    assert not set(redirected.headers) & {b"Authorization", b"Cookie"}
    assert not redirected.cookies


def test_headers_stay_on_the_same_origin() -> None:
    assert set(follow(302, "http://a.com:80/y", headers=CREDENTIALS).headers) == {b"Authorization", b"Cookie"}
    assert set(refresh("0;url=/y", headers=CREDENTIALS).headers) == {b"Authorization", b"Cookie"}


def test_the_referrer_does_not_travel() -> None:
    assert b"Referer" not in follow(302, "/y", headers={"Referer": "http://private/"}).headers


def test_a_proxy_of_the_scheme_is_chosen_anew_for_another_scheme() -> None:
    meta = {"proxy": "http://p:1", "_auth_proxy": "http://p:1", "_scheme_proxy": True}
    headers = {"Proxy-Authorization": "Basic c2VjcmV0"}
    redirected = follow(302, "https://a.com/", meta=meta, headers=headers)
    assert not {"proxy", "_auth_proxy", "_scheme_proxy"} & set(redirected.meta)
    assert b"Proxy-Authorization" not in redirected.headers
    redirected = follow(302, "http://b.com/", meta=meta, headers=headers)
    assert redirected.meta["proxy"] == "http://p:1"
    assert redirected.headers["Proxy-Authorization"] == b"Basic c2VjcmV0"


def test_proxy_authorization_without_a_proxy_is_dropped() -> None:
    assert b"Proxy-Authorization" not in follow(302, "/y", headers={"Proxy-Authorization": "x"}).headers


def test_credentials_of_urls_stay_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    follow(302, "http://u:hunter2@a.com/y", url="http://u:hunter2@a.com/x")
    assert "Redirecting" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("location", "slot", "expected"),
    [
        ("http://b.com/", "a.com", None),
        ("https://a.com/", "a.com", "a.com"),
        ("/y", "a.com", "a.com"),
        ("http://b.com/", "mine", "mine"),
    ],
)
def test_another_host_is_another_slot(location: str, slot: str, expected: str | None) -> None:
    assert follow(302, location, meta={"download_slot": slot}).meta.get("download_slot") == expected


# meta refresh


def test_meta_refresh_is_a_get() -> None:
    redirected = refresh("5; url=/y", **BODY)
    assert (redirected.url, redirected.method, redirected.body) == (SAME, "GET", b"")
    assert redirected.meta["redirect_reasons"] == ["meta refresh"]


@pytest.mark.parametrize("content", ["5", "1000;url=/y", "100;url=/y"])
def test_meta_refresh_that_is_none_or_too_late(content: str) -> None:
    assert isinstance(refresh(content), Response)


@pytest.mark.parametrize("cls", [TextResponse, Response])
def test_meta_refresh_is_for_html(cls: Any) -> None:
    assert isinstance(refresh("0;url=/y", cls=cls), Response)


def test_meta_refresh_exemptions() -> None:
    assert isinstance(refresh("0;url=/y", method="HEAD"), Response)
    assert isinstance(refresh("0;url=/y", meta={"dont_redirect": True}), Response)
    assert isinstance(refresh("0;url=/y", page="<noscript>{}</noscript>"), Response)
    settings = {"METAREFRESH_IGNORE_TAGS": []}
    assert isinstance(refresh("0;url=/y", page="<noscript>{}</noscript>", settings=settings), Request)
    assert isinstance(refresh("50;url=/y", settings={"METAREFRESH_MAXDELAY": 10}), Response)


def test_meta_refresh_in_utf16() -> None:
    page = '<html><head><meta http-equiv="refresh" content="0;url=/y"></head></html>'
    response = HtmlResponse("http://a.com/x", body=page.encode("utf-16"), encoding="utf-16")
    middleware = MetaRefreshMiddleware.from_crawler(get_crawler())
    assert isinstance(middleware.process_response(Request("http://a.com/x"), response), Request)
