"""Retries: which, how often, what is counted, and Retry-After."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from raycrawl.downloadermiddlewares.retry import RetryMiddleware, get_retry_request, retry_after_s
from raycrawl.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    NotConfigured,
    ResponseDataLossError,
    StopDownload,
)
from raycrawl.http import Request, Response
from raycrawl.utils.test import get_crawler

URL = "http://a.com/x"


def made(**settings: Any) -> tuple[RetryMiddleware, Any]:
    crawler = get_crawler(settings_dict=settings)
    return RetryMiddleware.from_crawler(crawler), crawler


def busy(status: int = 503, **headers: str) -> Response:
    return Response(URL, status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_a_busy_server_is_tried_twice_more(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    middleware, crawler = made()
    request: Any = Request(URL, priority=5)
    for times in (1, 2):
        request = middleware.process_response(request, busy())
        assert isinstance(request, Request)
        assert request.meta["retry_times"] == times
        assert (request.priority, request.dont_filter) == (5 - times, True)
    response = busy()
    assert middleware.process_response(request, response) is response
    assert crawler.stats.get_stats() == {
        "retry/count": 2,
        "retry/reason_count/503 Service Unavailable": 2,
        "retry/max_reached": 1,
    }
    assert "Retrying <GET http://a.com/x> (failed 1 times): 503 Service Unavailable" in caplog.text
    assert caplog.records[-1].levelno == logging.ERROR
    assert "Gave up retrying <GET http://a.com/x> (failed 3 times)" in caplog.text


@pytest.mark.parametrize("status", [500, 502, 503, 504, 522, 524, 408, 429])
def test_codes_that_are_retried(status: int) -> None:
    assert isinstance(made()[0].process_response(Request(URL), busy(status)), Request)


@pytest.mark.parametrize("status", [200, 301, 404, 403, 501])
def test_codes_that_are_not(status: int) -> None:
    assert isinstance(made()[0].process_response(Request(URL), busy(status)), Response)


@pytest.mark.parametrize(
    "exception",
    [
        CannotResolveHostError("x"),
        DownloadConnectionRefusedError("x"),
        DownloadFailedError("x"),
        DownloadTimeoutError("x"),
        ResponseDataLossError("x"),
        OSError("x"),
        ConnectionResetError("x"),
    ],
)
def test_exceptions_that_are_retried(exception: Exception) -> None:
    middleware, crawler = made()
    retry = middleware.process_exception(Request(URL), exception)
    assert isinstance(retry, Request)
    name = f"{type(exception).__module__}.{type(exception).__qualname__}"
    assert crawler.stats.get_value(f"retry/reason_count/{name}") == 1


@pytest.mark.parametrize("exception", [ValueError(), IgnoreRequest(), DownloadCancelledError(), StopDownload()])
def test_exceptions_that_are_not(exception: Exception) -> None:
    assert made()[0].process_exception(Request(URL), exception) is None


def test_meta_keys() -> None:
    middleware, crawler = made()
    assert isinstance(middleware.process_response(Request(URL, meta={"dont_retry": True}), busy()), Response)
    assert middleware.process_exception(Request(URL, meta={"dont_retry": True}), OSError()) is None
    assert isinstance(middleware.process_response(Request(URL, meta={"max_retry_times": 0}), busy()), Response)
    retry = middleware.process_response(Request(URL, meta={"priority_adjust": 7}), busy())
    assert retry.priority == 7
    assert crawler.stats.get_value("retry/max_reached") == 1
    assert middleware.process_exception(Request(URL, meta={"max_retry_times": 0}), OSError()) is None


def test_settings() -> None:
    middleware, _ = made(RETRY_TIMES=0, RETRY_HTTP_CODES=[404], RETRY_EXCEPTIONS=[ValueError], RETRY_PRIORITY_ADJUST=3)
    assert isinstance(middleware.process_response(Request(URL), busy(404)), Response)
    request = Request(URL, meta={"max_retry_times": 1})
    retry = middleware.process_response(request, busy(404))
    assert retry.priority == 3
    assert isinstance(middleware.process_exception(request, ValueError()), Request)
    assert middleware.process_exception(request, OSError()) is None
    assert isinstance(middleware.process_response(request, busy(503)), Response)
    with pytest.raises(NotConfigured):
        made(RETRY_ENABLED=False)


@pytest.mark.parametrize(("level", "number"), [("INFO", logging.INFO), (logging.DEBUG, logging.DEBUG)])
def test_give_up_log_level(caplog: pytest.LogCaptureFixture, level: Any, number: int) -> None:
    caplog.set_level(logging.DEBUG)
    made(RETRY_TIMES=0, RETRY_GIVE_UP_LOG_LEVEL=level)[0].process_response(Request(URL), busy())
    assert caplog.records[-1].levelno == number
    request = Request(URL, meta={"give_up_log_level": "WARNING"})
    made(RETRY_TIMES=0, RETRY_GIVE_UP_LOG_LEVEL=level)[0].process_response(request, busy())
    assert caplog.records[-1].levelno == logging.WARNING


def test_get_retry_request() -> None:
    crawler = get_crawler()
    spider = crawler.spider
    assert spider is not None
    request = Request(URL, meta={"a": 1})
    retry = get_retry_request(request, spider=spider)
    assert retry is not None
    assert retry.meta == {"a": 1, "retry_times": 1}
    assert request.meta == {"a": 1}
    assert get_retry_request(request, spider=spider, max_retry_times=0, reason=ValueError) is None
    retry = get_retry_request(request, spider=spider, reason="empty", stats_base_key="my/retry", priority_adjust=3)
    assert retry is not None
    assert retry.priority == 3
    get_retry_request(request, spider=spider, reason=ValueError("x"))
    get_retry_request(request, spider=spider, reason=KeyError)
    stats = crawler.stats
    assert stats.get_value("retry/reason_count/unspecified") == 1
    assert stats.get_value("retry/reason_count/builtins.ValueError") == 1
    assert stats.get_value("retry/reason_count/builtins.KeyError") == 1
    assert stats.get_value("my/retry/count") == stats.get_value("my/retry/reason_count/empty") == 1
    assert stats.get_value("retry/max_reached") == 1


def test_get_retry_request_logger(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    spider = get_crawler().spider
    assert spider is not None
    get_retry_request(Request(URL), spider=spider, logger=logging.getLogger("mine"))
    get_retry_request(
        Request(URL), spider=spider, logger=logging.getLogger("mine"), max_retry_times=0, give_up_log_level="INFO"
    )
    assert [(record.name, record.levelname) for record in caplog.records] == [("mine", "DEBUG"), ("mine", "INFO")]


# Retry-After


class Engine:
    def __init__(self) -> None:
        self.pauses: list[tuple[str, float]] = []

    def pause_slot(self, slot: str, hold_s: float) -> None:
        self.pauses.append((slot, hold_s))


@pytest.mark.parametrize(
    ("status", "value", "meta", "expected"),
    [
        (429, "120", {}, [("a.com", 120.0)]),
        (503, "7", {"download_slot": "mine"}, [("mine", 7.0)]),
        (503, "99999999", {}, [("a.com", 600.0)]),
        (503, "soon", {}, []),
        (503, "0", {}, []),
        (503, "-5", {}, []),
        (500, "120", {}, []),
        (200, "120", {}, []),
        (429, "Fri, 20 Nov 2020 10:00:00 GMT", {}, []),
    ],
)
def test_retry_after_holds_the_slot(status: int, value: str, meta: dict[str, Any], expected: Any) -> None:
    middleware, crawler = made()
    crawler.engine = Engine()
    middleware.process_response(Request(URL, meta=meta), busy(status, Retry_After=value))
    assert crawler.engine.pauses == expected


def test_retry_after_outside_of_a_crawl_does_no_harm() -> None:
    assert isinstance(made()[0].process_response(Request(URL), busy(429, Retry_After="5")), Request)


def test_retry_after_dates() -> None:
    response = busy(503, Retry_After="Fri, 20 Nov 2020 10:01:00 GMT")
    assert retry_after_s(response, 1605866400.0) == 60.0
    assert retry_after_s(busy(503), 0) is None
