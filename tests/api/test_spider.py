"""Spider: what one derives from."""

from __future__ import annotations

import asyncio
import logging
import warnings
from typing import Any

import pytest

import raycrawl
from raycrawl import Request, signals
from raycrawl.exceptions import ScrapyDeprecationWarning
from raycrawl.http import Response
from raycrawl.settings import Settings
from raycrawl.spiders import Spider
from raycrawl.utils.spider import DefaultSpider, iter_spider_classes, iterate_spider_output, spidercls_for_request
from raycrawl.utils.test import get_crawler


async def collect(spider: Spider) -> list[Any]:
    return [entry async for entry in spider.start()]


class TestBasics:
    def test_top_level_name(self) -> None:
        assert raycrawl.Spider is Spider

    def test_name(self) -> None:
        class Named(Spider):
            name = "named"

        assert Named().name == "named"
        assert Named("other").name == "other"
        assert Named(name="other").name == "other"

    def test_name_is_required(self) -> None:
        class Nameless(Spider):
            pass

        with pytest.raises(ValueError, match="Nameless must have a name"):
            Nameless()
        assert Nameless("given").name == "given"

    def test_arguments_become_attributes(self) -> None:
        spider = DefaultSpider(category="books", start_urls=["http://a.example/"])
        assert spider.category == "books"  # type: ignore[attr-defined]
        assert spider.start_urls == ["http://a.example/"]

    def test_start_urls_default(self) -> None:
        assert DefaultSpider().start_urls == []

    def test_from_crawler(self) -> None:
        crawler = get_crawler(settings_dict={"MINE": 1})
        spider = DefaultSpider.from_crawler(crawler, "named", argument=5)
        assert spider.crawler is crawler
        assert spider.settings is crawler.settings
        assert spider.settings["MINE"] == 1
        assert (spider.name, spider.argument) == ("named", 5)  # type: ignore[attr-defined]

    def test_repr(self) -> None:
        assert repr(DefaultSpider()).startswith("<DefaultSpider 'default' at 0x")

    def test_parse_has_to_be_defined(self) -> None:
        with pytest.raises(NotImplementedError, match=r"DefaultSpider\.parse"):
            DefaultSpider().parse(Response("http://a.example/"))

    def test_generic_spiders_are_here(self) -> None:
        from raycrawl import spiders

        for name in ("CrawlSpider", "Rule", "SitemapSpider", "XMLFeedSpider", "CSVFeedSpider"):
            assert getattr(spiders, name).__name__ == name
        with pytest.raises(AttributeError, match="NoSuchSpider"):
            _ = spiders.NoSuchSpider


class TestSettings:
    def test_custom_settings(self) -> None:
        class Custom(Spider):
            name = "custom"
            custom_settings = {"A": "spider"}

        settings = Settings({"A": "project"})
        Custom.update_settings(settings)
        assert (settings["A"], settings.getpriority("A")) == ("spider", 30)
        settings.set("A", "cmdline", "cmdline")
        Custom.update_settings(settings)
        assert settings["A"] == "cmdline"

    def test_no_custom_settings(self) -> None:
        settings = Settings()
        before = settings.copy()
        Spider.update_settings(settings)
        assert settings == before

    def test_update_settings_may_extend(self) -> None:
        class Base(Spider):
            name = "base"
            custom_settings = {"A": 1}

        class Derived(Base):
            @classmethod
            def update_settings(cls, settings: Any) -> None:
                super().update_settings(settings)
                settings.set("B", settings.getint("A") + 1, priority="spider")

        settings = Settings()
        Derived.update_settings(settings)
        assert (settings["A"], settings["B"]) == (1, 2)


class TestStart:
    async def test_default(self) -> None:
        spider = DefaultSpider(start_urls=["http://a.example/1", "http://a.example/2"])
        requests = await collect(spider)
        assert [request.url for request in requests] == spider.start_urls
        assert all(request.dont_filter and request.callback is None for request in requests)

    async def test_start_url_without_s(self) -> None:
        with pytest.raises(AttributeError, match="start_urls"):
            await collect(DefaultSpider(start_url="http://a.example/"))

    async def test_own_start(self) -> None:
        class Own(Spider):
            name = "own"

            async def start(self) -> Any:
                yield Request("http://a.example/own")
                yield {"an": "item"}

        found = await collect(Own())
        assert found[0].url == "http://a.example/own"
        assert found[1] == {"an": "item"}

    async def test_older_start_requests(self) -> None:
        class Older(Spider):
            name = "older"
            start_urls = ["http://a.example/super"]

            def start_requests(self) -> Any:
                yield from super().start_requests()
                yield Request("http://a.example/older")

        with pytest.warns(ScrapyDeprecationWarning, match="start_requests") as caught:
            found = await collect(Older())
        assert [request.url for request in found] == ["http://a.example/super", "http://a.example/older"]
        assert found[0].dont_filter
        assert len(caught) == 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            await collect(Older())

    async def test_start_requests_may_be_a_list_or_asynchronous(self) -> None:
        class AsList(Spider):
            name = "list"

            def start_requests(self) -> Any:
                return [Request("http://a.example/")]

        class AsAsync(Spider):
            name = "async"

            async def start_requests(self) -> Any:
                yield Request("http://a.example/")

        for spider_class in (AsList, AsAsync):
            with pytest.warns(ScrapyDeprecationWarning):
                assert len(await collect(spider_class())) == 1

    async def test_start_goes_before_start_requests_of_the_same_class(self) -> None:
        class Both(Spider):
            name = "both"

            async def start(self) -> Any:
                yield Request("http://a.example/new")

            def start_requests(self) -> Any:
                yield Request("http://a.example/old")

        assert [request.url for request in await collect(Both())] == ["http://a.example/new"]

    async def test_nearer_start_requests_goes_before_a_base_class_start(self) -> None:
        class Base(Spider):
            name = "base"

            async def start(self) -> Any:
                yield Request("http://a.example/base")

        class Derived(Base):
            def start_requests(self) -> Any:
                yield Request("http://a.example/derived")

        with pytest.warns(ScrapyDeprecationWarning):
            assert [request.url for request in await collect(Derived())] == ["http://a.example/derived"]

    async def test_start_may_call_super_with_older_base(self) -> None:
        class Base(Spider):
            name = "base"

            def start_requests(self) -> Any:
                yield Request("http://a.example/base")

        class Derived(Base):
            async def start(self) -> Any:
                async for request in super().start():
                    yield request.replace(url=request.url + "#seen")

        with pytest.warns(ScrapyDeprecationWarning):
            assert [request.url for request in await collect(Derived())] == ["http://a.example/base#seen"]

    async def test_start_requests_of_a_mixin(self) -> None:
        class Mixin:
            def start_requests(self) -> Any:
                yield Request("http://a.example/mixin")

        class Mixed(Mixin, DefaultSpider):
            pass

        with pytest.warns(ScrapyDeprecationWarning):
            assert [request.url for request in await collect(Mixed())] == ["http://a.example/mixin"]


class TestClosing:
    def test_closed_is_called_by_the_signal(self) -> None:
        reasons = []

        class Closing(Spider):
            name = "closing"

            def closed(self, reason: str) -> None:
                reasons.append(reason)

        crawler = get_crawler(Closing)
        crawler.signals.send_catch_log(signals.spider_closed, spider=crawler.spider, reason="finished")
        assert reasons == ["finished"]

    async def test_closed_may_be_async(self) -> None:
        reasons = []

        class Closing(Spider):
            name = "closing"

            async def closed(self, reason: str) -> None:
                await asyncio.sleep(0)
                reasons.append(reason)

        crawler = get_crawler(Closing)
        await crawler.signals.send_catch_log_async(signals.spider_closed, spider=crawler.spider, reason="finished")
        assert reasons == ["finished"]

    def test_close_without_closed(self) -> None:
        assert Spider.close(DefaultSpider(), "finished") is None


class TestLogging:
    def test_logger(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        spider = DefaultSpider()
        spider.logger.info("hello %s", "you")
        spider.log("a message")
        spider.log("louder", logging.ERROR)
        assert [(r.name, r.levelno, r.getMessage()) for r in caplog.records] == [
            ("default", logging.INFO, "hello you"),
            ("default", logging.DEBUG, "a message"),
            ("default", logging.ERROR, "louder"),
        ]
        assert all(record.spider is spider for record in caplog.records)  # type: ignore[attr-defined]


class TestRequests:
    @pytest.mark.parametrize(
        ("url", "handled"),
        [
            ("http://a.example/1", True),
            ("http://sub.a.example/1", True),
            ("http://other.example/", False),
            ("http://named.example/", True),
        ],
    )
    def test_handles_request(self, url: str, handled: bool) -> None:
        class Handling(Spider):
            name = "named.example"
            allowed_domains = ["a.example"]

        assert Handling.handles_request(Request(url)) is handled

    def test_iterate_output(self) -> None:
        request = Request("http://a.example/")
        assert list(iterate_spider_output(request)) == [request]
        assert list(iterate_spider_output(None)) == []
        assert list(iterate_spider_output({"a": 1})) == [{"a": 1}]
        assert list(iterate_spider_output([1, 2])) == [1, 2]

    async def test_iterate_asynchronous_output(self) -> None:
        async def generator() -> Any:
            yield 1

        async def coroutine() -> int:
            return 2

        assert [entry async for entry in iterate_spider_output(generator())] == [1]
        assert await iterate_spider_output(coroutine()) == 2

    def test_iter_spider_classes(self) -> None:
        import tests.api.test_spider as this

        assert [cls.__name__ for cls in iter_spider_classes(this)] == ["OfThisModule"]

    def test_spidercls_for_request(self, caplog: pytest.LogCaptureFixture) -> None:
        class Loader:
            def __init__(self, *names: str) -> None:
                self.names = list(names)

            def find_by_request(self, request: Any) -> list[str]:
                return self.names

            def load(self, name: str) -> Any:
                return f"class {name}"

        request = Request("http://a.example/")
        found: Any = spidercls_for_request(Loader("one"), request)
        assert found == "class one"
        assert spidercls_for_request(Loader(), request, DefaultSpider) is DefaultSpider
        assert caplog.text == ""
        assert spidercls_for_request(Loader(), request, log_none=True) is None
        assert "http://a.example/" in caplog.text
        assert spidercls_for_request(Loader("one", "two"), request, DefaultSpider, log_multiple=True) is DefaultSpider
        assert "one, two" in caplog.text


class OfThisModule(Spider):
    name = "of this module"


class NamelessOfThisModule(Spider):
    pass
