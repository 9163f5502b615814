"""The default spider middlewares, one at a time and in their chain."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from raycrawl.core.spidermw import SpiderMiddlewareManager
from raycrawl.exceptions import IgnoreRequest, NotConfigured
from raycrawl.http import Request, Response
from raycrawl.spidermiddlewares.depth import DepthMiddleware
from raycrawl.spidermiddlewares.httperror import HttpError, HttpErrorMiddleware
from raycrawl.spidermiddlewares.metacopy import MetaCopyDetectionMiddleware
from raycrawl.spidermiddlewares.start import StartSpiderMiddleware
from raycrawl.spidermiddlewares.urllength import UrlLengthMiddleware
from raycrawl.spiders import Spider
from raycrawl.utils.test import get_crawler


def page(url: str = "http://a.example/", status: int = 200, **meta: Any) -> Response:
    return Response(url, status=status, request=Request(url, meta=meta))


def output(middleware: Any, response: Response | None, *given: Any) -> list[Any]:
    """What a middleware gives, by its method and by its fused steps: they have to agree on what stays."""
    return list(middleware.process_spider_output(response, list(given)))


async def through_chain(settings: dict[str, Any], response: Response, *given: Any) -> tuple[list[Any], Any]:
    crawler = get_crawler(settings_dict=settings)
    manager = SpiderMiddlewareManager.from_crawler(crawler)
    assert response.request is not None
    result = await manager.scrape_response_async(lambda result, request: given, response, response.request)
    return list(result), crawler.stats  # type: ignore[arg-type]


class TestStart:
    def test_only_start_requests_are_marked(self) -> None:
        middleware = StartSpiderMiddleware.from_crawler(get_crawler())
        (start,) = output(middleware, None, Request("http://a.example/"))
        (follow,) = output(middleware, page(), Request("http://a.example/"))
        assert start.meta == {"is_start_request": True}
        assert "is_start_request" not in follow.meta

    async def test_in_the_chain(self) -> None:
        class StartSpider(Spider):
            name = "start"
            start_urls = ["http://a.example/"]

        manager = SpiderMiddlewareManager.from_crawler(get_crawler(StartSpider))
        (request,) = [one async for one in manager.process_start()]
        assert request.meta == {"is_start_request": True}


class TestHttpError:
    @pytest.mark.parametrize(
        ("settings", "meta", "status", "is_refused"),
        [
            ({}, {}, 200, False),
            ({}, {}, 299, False),
            ({}, {}, 199, True),
            ({}, {}, 301, True),
            ({}, {}, 404, True),
            ({}, {"handle_httpstatus_list": [404]}, 404, False),
            ({}, {"handle_httpstatus_list": [404]}, 500, True),
            ({}, {"handle_httpstatus_all": True}, 500, False),
            ({}, {"handle_httpstatus_all": False}, 500, True),
            ({"HTTPERROR_ALLOW_ALL": True}, {}, 500, False),
            ({"HTTPERROR_ALLOW_ALL": True}, {"handle_httpstatus_list": [404]}, 500, True),
            ({"HTTPERROR_ALLOWED_CODES": [402]}, {}, 402, False),
            ({"HTTPERROR_ALLOWED_CODES": "402,404"}, {}, 404, False),
            ({"HTTPERROR_ALLOWED_CODES": [402]}, {}, 404, True),
        ],
    )
    def test_what_is_let_through(self, settings: Any, meta: Any, status: int, is_refused: bool) -> None:
        middleware = HttpErrorMiddleware.from_crawler(get_crawler(settings_dict=settings))
        if is_refused:
            with pytest.raises(HttpError) as caught:
                middleware.process_spider_input(page(status=status, **meta))
            assert caught.value.response.status == status
            assert isinstance(caught.value, IgnoreRequest)
        else:
            assert middleware.process_spider_input(page(status=status, **meta)) is None

    def test_the_spiders_list_replaces_the_settings(self) -> None:
        class Tolerant(Spider):
            name = "tolerant"
            handle_httpstatus_list = [404]

        crawler = get_crawler(Tolerant, {"HTTPERROR_ALLOWED_CODES": [500]})
        middleware = HttpErrorMiddleware.from_crawler(crawler)
        assert middleware.process_spider_input(page(status=404)) is None
        with pytest.raises(HttpError):
            middleware.process_spider_input(page(status=500))

    def test_an_unwanted_error_is_counted_said_and_gone(self, caplog: pytest.LogCaptureFixture) -> None:
        crawler = get_crawler()
        middleware = HttpErrorMiddleware.from_crawler(crawler)
        response = page(status=404)
        with caplog.at_level(logging.INFO):
            assert middleware.process_spider_exception(response, HttpError(response, "no")) == ()
        assert "404" in caplog.text
        assert crawler.stats.get_stats() == {
            "httperror/response_ignored_count": 1,
            "httperror/response_ignored_status_count/404": 1,
        }
        assert middleware.process_spider_exception(response, ValueError()) is None

    async def test_in_the_chain_the_errback_comes_first(self) -> None:
        crawler = get_crawler()
        manager = SpiderMiddlewareManager.from_crawler(crawler)
        response = page(status=404)
        assert response.request is not None

        def errback(failure: Any, request: Request) -> list[Any]:
            assert failure.check(HttpError)
            return [{"status": failure.value.response.status}]

        result = await manager.scrape_response_async(errback, response, response.request)
        assert list(result) == [{"status": 404}]  # type: ignore[arg-type]
        result = await manager.scrape_response_async(lambda one, _: one.raiseException(), response, response.request)
        assert list(result) == []  # type: ignore[arg-type]
        assert crawler.stats.get_value("httperror/response_ignored_count") == 1


class TestUrlLength:
    def test_longer_urls_are_dropped_and_counted(self, caplog: pytest.LogCaptureFixture) -> None:
        crawler = get_crawler(settings_dict={"URLLENGTH_LIMIT": 20})
        middleware = UrlLengthMiddleware.from_crawler(crawler)
        assert middleware.maxlength == 20
        short, long = Request("http://a.example/abc"), Request("http://a.example/abcd")
        with caplog.at_level(logging.INFO):
            assert output(middleware, page(), short, long, {"item": 1}) == [short, {"item": 1}]
        assert "url length > 20" in caplog.text
        assert crawler.stats.get_value("urllength/request_ignored_count") == 1

    def test_zero_switches_it_off(self) -> None:
        with pytest.raises(NotConfigured):
            UrlLengthMiddleware.from_crawler(get_crawler(settings_dict={"URLLENGTH_LIMIT": 0}))

    async def test_in_the_chain(self) -> None:
        short, long = Request("http://a.example/abc"), Request("http://a.example/abcd")
        got, stats = await through_chain({"URLLENGTH_LIMIT": 20}, page(), short, long)
        assert got == [short]
        assert stats.get_value("urllength/request_ignored_count") == 1


class TestDepth:
    def test_children_are_one_deeper(self) -> None:
        middleware = DepthMiddleware.from_crawler(get_crawler())
        response = page()
        (child,) = output(middleware, response, Request("http://a.example/1"))
        assert (response.meta["depth"], child.meta["depth"]) == (0, 1)
        (grandchild,) = output(middleware, page(depth=1), Request("http://a.example/2"))
        assert grandchild.meta["depth"] == 2

    def test_limit(self, caplog: pytest.LogCaptureFixture) -> None:
        crawler = get_crawler(settings_dict={"DEPTH_LIMIT": 1})
        middleware = DepthMiddleware.from_crawler(crawler)
        child = Request("http://a.example/1")
        assert output(middleware, page(depth=0), child) == [child]
        with caplog.at_level(logging.DEBUG):
            assert output(middleware, page(depth=1), *[Request(f"http://a.example/{n}") for n in range(3)]) == []
        assert caplog.text.count("Ignoring link") == 1
        assert crawler.stats.get_stats() == {"request_depth_max": 1, "depth/request_ignored_count": 3}

    @pytest.mark.parametrize(("prio", "expected"), [(0, 5), (1, 3), (-1, 7), (2, 1)])
    def test_priority(self, prio: int, expected: int) -> None:
        middleware = DepthMiddleware.from_crawler(get_crawler(settings_dict={"DEPTH_PRIORITY": prio}))
        (child,) = output(middleware, page(depth=1), Request("http://a.example/", priority=5))
        assert child.priority == expected

    def test_verbose_stats(self) -> None:
        crawler = get_crawler(settings_dict={"DEPTH_STATS_VERBOSE": True})
        middleware = DepthMiddleware.from_crawler(crawler)
        response = page()
        output(middleware, response, Request("http://a.example/1"), Request("http://a.example/2"))
        output(middleware, response, Request("http://a.example/3"))
        assert crawler.stats.get_stats() == {
            "request_depth_count/0": 1,
            "request_depth_count/1": 3,
            "request_depth_max": 1,
        }

    def test_reset(self) -> None:
        middleware = DepthMiddleware.from_crawler(get_crawler(settings_dict={"DEPTH_LIMIT": 3, "DEPTH_PRIORITY": 1}))
        (child,) = output(middleware, page(depth=3), Request("http://a.example/", meta={"depth_reset": True}))
        assert (child.meta, child.priority) == ({"depth": 0}, 0)

    def test_start_requests_and_items_are_left_alone(self) -> None:
        middleware = DepthMiddleware.from_crawler(get_crawler())
        (start,) = output(middleware, None, Request("http://a.example/"))
        assert start.meta == {}
        assert output(middleware, page(), {"depth": "mine"}) == [{"depth": "mine"}]

    async def test_in_the_chain(self) -> None:
        response = page()
        got, stats = await through_chain({"DEPTH_STATS_VERBOSE": True}, response, *[Request("http://a.example/")] * 2)
        assert [one.meta["depth"] for one in got] == [1, 1]
        assert stats.get_value("request_depth_count/1") == 2
        assert stats.get_value("request_depth_count/0") == 1
        assert response.meta["depth"] == 0

    async def test_a_page_without_links_has_its_depth(self) -> None:
        response = page()
        await through_chain({}, response, {"item": 1})
        assert response.meta["depth"] == 0


class TestMetaCopy:
    def test_a_copied_meta_is_said_once(self, caplog: pytest.LogCaptureFixture) -> None:
        middleware = MetaCopyDetectionMiddleware.from_crawler(get_crawler())
        response = page(retry_times=2, redirect_urls=["http://a.example/"], mine=1)
        copies = [Request(f"http://a.example/{n}", meta=response.meta) for n in range(2)]
        with caplog.at_level(logging.WARNING):
            assert output(middleware, response, *copies) == copies
        assert len(caplog.records) == 1
        assert "['redirect_urls', 'retry_times']" in caplog.text

    @pytest.mark.parametrize(
        ("skip", "meta", "is_said"),
        [
            ([], {"mine": 1, "depth": 3, "download_slot": "x"}, False),
            ([], {"redirect_times": 1}, True),
            (["redirect_times"], {"redirect_times": 1}, False),
            (["redirect_times"], {"redirect_times": 1, "retry_times": 1}, True),
        ],
    )
    async def test_what_counts(self, caplog: pytest.LogCaptureFixture, skip: Any, meta: Any, is_said: bool) -> None:
        settings = {"META_COPY_WARN_SKIP_KEYS": skip}
        middleware = MetaCopyDetectionMiddleware.from_crawler(get_crawler(settings_dict=settings))
        with caplog.at_level(logging.WARNING):
            output(middleware, page(), Request("http://a.example/", meta=meta))
            assert bool(caplog.records) is is_said
            caplog.clear()
            await through_chain(settings, page(), Request("http://a.example/", meta=meta))
            assert bool(caplog.records) is is_said

    def test_start_requests_may_have_any_meta(self, caplog: pytest.LogCaptureFixture) -> None:
        middleware = MetaCopyDetectionMiddleware.from_crawler(get_crawler())
        with caplog.at_level(logging.WARNING):
            output(middleware, None, Request("http://a.example/", meta={"retry_times": 1}))
        assert not caplog.records


async def test_the_default_chain_on_one_page() -> None:
    links = [Request(f"http://a.example/{n}") for n in range(3)]
    got, stats = await through_chain({}, page("http://a.example/start"), *links, {"item": 1})
    assert got == [*links, {"item": 1}]
    for link in links:
        assert link.meta == {"depth": 1}
        assert link.headers.getlist("Referer") == [b"http://a.example/start"]
    assert stats.get_stats() == {"request_depth_max": 1}
