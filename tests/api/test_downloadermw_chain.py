"""The chain of downloader middlewares: order, return values, errors; and the registry of handlers."""

from __future__ import annotations

from typing import Any

import pytest

from raycrawl.core.downloader.handlers import DownloadHandlers
from raycrawl.core.downloader.middleware import DownloaderMiddlewareManager
from raycrawl.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    NotConfigured,
    UnsupportedURLSchemeError,
    _InvalidOutput,
)
from raycrawl.http import Request, Response
from raycrawl.utils.test import get_crawler

REQUEST = Request("http://example.com/")
RESPONSE = Response("http://example.com/")


class Recorder:
    """A middleware whose hooks note their call and return what they were told to."""

    def __init__(self, name: str, calls: list[str], **results: Any) -> None:
        self.name, self.calls, self.results = name, calls, results

    def _answer(self, hook: str, default: Any) -> Any:
        self.calls.append(f"{self.name}.{hook}")
        result = self.results.get(hook, default)
        if isinstance(result, Exception):
            raise result
        return result

    def process_request(self, request: Request) -> Any:
        return self._answer("process_request", None)

    def process_response(self, request: Request, response: Response) -> Any:
        return self._answer("process_response", response)

    def process_exception(self, request: Request, exception: Exception) -> Any:
        return self._answer("process_exception", None)


async def run(*specs: dict[str, Any], download: Any = RESPONSE) -> tuple[Any, list[str]]:
    calls: list[str] = []
    chain = DownloaderMiddlewareManager(
        *(Recorder("abc"[index], calls, **spec) for index, spec in enumerate(specs)), crawler=get_crawler()
    )

    async def download_func(request: Request) -> Any:
        calls.append("download")
        if isinstance(download, Exception):
            raise download
        return download

    try:
        result: Any = await chain.download_async(download_func, REQUEST)
    except Exception as error:
        result = error
    return result, calls


async def test_requests_go_down_and_responses_come_back() -> None:
    result, calls = await run({}, {})
    assert result is RESPONSE
    assert calls == ["a.process_request", "b.process_request", "download", "b.process_response", "a.process_response"]


async def test_a_response_from_process_request_skips_the_download() -> None:
    other = Response("http://example.com/x")
    result, calls = await run({"process_request": other}, {})
    assert result is other
    assert calls == ["a.process_request", "b.process_response", "a.process_response"]


async def test_a_request_from_process_request_ends_the_chain() -> None:
    result, calls = await run({"process_request": REQUEST}, {})
    assert result is REQUEST
    assert calls == ["a.process_request"]


async def test_a_request_from_process_response_ends_the_chain() -> None:
    result, calls = await run({}, {"process_response": REQUEST})
    assert result is REQUEST
    assert calls[-1] == "b.process_response"


async def test_process_exception_runs_in_reverse_until_one_answers() -> None:
    result, calls = await run({"process_exception": RESPONSE}, {}, download=DownloadFailedError("x"))
    assert result is RESPONSE
    assert calls[-4:] == ["b.process_exception", "a.process_exception", "b.process_response", "a.process_response"]


async def test_an_unhandled_exception_is_raised() -> None:
    error = DownloadFailedError("x")
    result, calls = await run({}, {}, download=error)
    assert result is error
    assert calls[-2:] == ["b.process_exception", "a.process_exception"]


async def test_ignore_request_from_process_request_reaches_process_exception() -> None:
    result, calls = await run({"process_request": IgnoreRequest("no")}, {})
    assert isinstance(result, IgnoreRequest)
    assert calls == ["a.process_request", "b.process_exception", "a.process_exception"]


async def test_an_exception_of_process_response_is_not_handled_by_process_exception() -> None:
    result, calls = await run({"process_exception": RESPONSE}, {"process_response": ValueError("bad")})
    assert isinstance(result, ValueError)
    assert "a.process_exception" not in calls


@pytest.mark.parametrize("hook", ["process_request", "process_response"])
async def test_invalid_output_is_an_error_that_names_the_hook(hook: str) -> None:
    result, calls = await run({hook: "text"}, {})
    assert isinstance(result, _InvalidOutput)
    assert f"Recorder.{hook}" in str(result)
    assert "a.process_exception" not in calls


async def test_process_response_may_not_return_none() -> None:
    result, _ = await run({"process_response": None})
    assert isinstance(result, _InvalidOutput)


async def test_async_hooks_and_hooks_with_a_spider() -> None:
    seen: list[Any] = []

    class Async:
        async def process_request(self, request: Request) -> None:
            seen.append("async")

        async def process_response(self, request: Request, response: Response) -> Response:
            return response.replace(status=201)

    class Older:
        def process_request(self, request: Request, spider: Any = None) -> None:
            seen.append(spider.name)

        def process_response(self, request: Request, response: Response, spider: Any = None) -> Response:
            return response

    crawler = get_crawler()
    chain = DownloaderMiddlewareManager(Async(), Older(), crawler=crawler)

    async def download(request: Request) -> Response:
        return RESPONSE

    result = await chain.download_async(download, REQUEST)
    assert isinstance(result, Response)
    assert result.status == 201
    assert crawler.spider is not None
    assert seen == ["async", crawler.spider.name]


async def test_all_default_middlewares_can_be_built() -> None:
    chain = DownloaderMiddlewareManager.from_crawler(get_crawler())
    names = [type(middleware).__name__ for middleware in chain.middlewares]
    assert names == [
        "OffsiteMiddleware", "RobotsTxtMiddleware", "HttpAuthMiddleware", "DownloadTimeoutMiddleware",
        "DefaultHeadersMiddleware", "UserAgentMiddleware", "RetryMiddleware", "MetaRefreshMiddleware",
        "HttpCompressionMiddleware", "RedirectMiddleware", "CookiesMiddleware", "HttpProxyMiddleware",
        "DownloaderStats",
    ]  # fmt: skip


async def test_credentials_that_middlewares_added_are_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://u:hunter2@proxy.test:8080")
    monkeypatch.delenv("no_proxy", raising=False)
    settings = {
        "HTTPAUTH_USER": "u",
        "HTTPAUTH_PASS": "hunter2",
        "HTTPAUTH_DOMAIN": "example.com",
        "ROBOTSTXT_OBEY": False,
    }
    chain = DownloaderMiddlewareManager.from_crawler(get_crawler(settings_dict=settings))
    sent: list[dict[bytes, list[bytes]]] = []

    async def download(request: Request) -> Response:
        sent.append(dict(request.headers))
        if request.url.endswith("/busy"):
            return Response(request.url, status=503, headers={"Set-Cookie": "session=hunter2"})
        return Response(request.url, status=302, headers={"Location": "/busy", "Set-Cookie": "session=hunter2"})

    request: Any = Request("http://example.com/", headers={"X-Own": "1"})
    for _ in range(3):
        request = await chain.download_async(download, request)
        assert isinstance(request, Request)
        stored = f"{request.to_dict()}"
        assert "hunter2" not in stored
        assert "Authorization" not in stored
        assert "Cookie" not in stored
        assert request.headers["X-Own"] == b"1"
    assert all({b"Authorization", b"Proxy-Authorization"} <= set(headers) for headers in sent)
    assert b"Cookie" in sent[-1]


async def test_credentials_of_the_request_itself_stay() -> None:
    chain = DownloaderMiddlewareManager.from_crawler(get_crawler(settings_dict={"ROBOTSTXT_OBEY": False}))

    async def download(request: Request) -> Response:
        return Response(request.url, status=503)

    meta = {"dont_merge_cookies": True}
    headers = {"Authorization": "Bearer mine", "Cookie": "mine=1"}
    retry = await chain.download_async(download, Request("http://example.com/", headers=headers, meta=meta))
    assert retry.headers["Authorization"] == b"Bearer mine"
    assert retry.headers["Cookie"] == b"mine=1"


def test_credentials_in_urls_are_not_shown() -> None:
    url = "http://user:hunter2@example.com/@x"
    assert str(Request(url)) == "<GET http://example.com/@x>"
    assert str(Response(url)) == "<200 http://example.com/@x>"


# handlers


class Eager:
    lazy = False
    built = 0
    closed = 0

    def __init__(self) -> None:
        type(self).built += 1

    async def download_request(self, request: Request) -> Response:
        return Response(request.url, body=b"eager")

    async def close(self) -> None:
        type(self).closed += 1


class Lazy(Eager):
    lazy = True
    built = 0
    closed = 0


class OlderSpelling:
    def download_request(self, request: Request, spider: Any) -> Response:
        return Response(request.url, body=spider.name.encode())


class Missing:
    lazy = False

    def __init__(self) -> None:
        raise NotConfigured("the library is missing")


def handlers(mapping: dict[str, Any]) -> DownloadHandlers:
    return DownloadHandlers(get_crawler(settings_dict={"DOWNLOAD_HANDLERS": mapping}))


async def test_lazy_handlers_are_built_when_they_are_needed() -> None:
    Eager.built = Lazy.built = Eager.closed = Lazy.closed = 0
    registry = handlers({"eager": Eager, "lazy": Lazy})
    assert (Eager.built, Lazy.built) == (1, 0)
    response = await registry.download_request_async(Request("lazy://x"))
    assert response.body == b"eager"
    assert Lazy.built == 1
    await registry.close()
    await registry.close()
    assert (Eager.closed, Lazy.closed) == (1, 1)


async def test_handlers_of_the_older_spelling() -> None:
    response = await handlers({"old": OlderSpelling}).download_request_async(Request("old://x"))
    assert response.body == b"default"


@pytest.mark.parametrize(
    ("mapping", "url", "reason"),
    [
        ({}, "gopher://x", "no handler available"),
        ({"ftp": None}, "ftp://x/y", "switched off"),
        ({"odd": Missing}, "odd://x", "the library is missing"),
        ({"odd": "no.such.Module"}, "odd://x", "No module named"),
    ],
)
async def test_schemes_without_a_handler(mapping: dict[str, Any], url: str, reason: str) -> None:
    with pytest.raises(UnsupportedURLSchemeError, match=reason):
        await handlers(mapping).download_request_async(Request(url))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), DownloadTimeoutError),
        (ConnectionRefusedError(), DownloadConnectionRefusedError),
        (ConnectionResetError(), DownloadFailedError),
        (CannotResolveHostError("x"), CannotResolveHostError),
        (KeyError("x"), KeyError),
    ],
)
async def test_foreign_network_errors_are_mapped(error: Exception, expected: type[Exception]) -> None:
    class Failing:
        async def download_request(self, request: Request) -> Response:
            raise error

    with pytest.raises(expected):
        await handlers({"bad": Failing}).download_request_async(Request("bad://x"))


async def test_data_and_file_urls(tmp_path: Any) -> None:
    registry = handlers({})
    response = await registry.download_request_async(Request("data:text/html;charset=utf-8,<p>%C3%A9</p>"))
    assert type(response).__name__ == "HtmlResponse"
    assert response.text == "<p>\u00e9</p>"
    assert (await registry.download_request_async(Request("data:;base64,SGVsbG8="))).body == b"Hello"
    page = tmp_path / "a b.html"
    page.write_bytes(b"<html></html>")
    response = await registry.download_request_async(Request(page.as_uri()))
    assert response.body == b"<html></html>"
    assert type(response).__name__ == "HtmlResponse"
    with pytest.raises(FileNotFoundError):
        await registry.download_request_async(Request((tmp_path / "none").as_uri()))


async def test_a_public_page_does_not_lead_to_local_files(tmp_path: Any) -> None:
    page = tmp_path / "secret"
    page.write_bytes(b"secret")
    for meta in ({"_private_ok": False, "is_start_request": True}, {"depth": 1}):
        with pytest.raises(DownloadCancelledError, match="ALLOW_PRIVATE_ADDRESSES"):
            await handlers({}).download_request_async(Request(page.as_uri(), meta=meta))
    response = await handlers({}).download_request_async(Request(page.as_uri(), meta={"depth": 1, "_private_ok": True}))
    assert response.body == b"secret"
