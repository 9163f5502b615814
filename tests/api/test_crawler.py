"""Crawler, the runners and the processes; the crawl itself is a fake that the tests start and end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from raycrawl import crawler as crawler_module
from raycrawl.crawler import (
    AsyncCrawlerProcess,
    AsyncCrawlerRunner,
    Crawler,
    CrawlerProcess,
    CrawlerRunner,
    CrawlerRunnerBase,
)
from raycrawl.exceptions import ScrapyDeprecationWarning, UsageError
from raycrawl.middleware import MiddlewareManager, component_list
from raycrawl.settings import Settings
from raycrawl.signalmanager import SignalManager
from raycrawl.spiders import Spider
from raycrawl.statscollectors import MemoryStatsCollector
from raycrawl.utils.log import get_scrapy_root_handler, uninstall_scrapy_root_handler
from raycrawl.utils.spider import DefaultSpider
from raycrawl.utils.test import get_crawler

LATER = ["stats", "logformatter", "request_fingerprinter", "engine", "extensions"]


class CustomSpider(Spider):
    name = "custom"
    custom_settings = {"RETRY_TIMES": 7, "MINE": "spider"}


class FakeCrawl:
    """What ``raycrawl.crawl`` returns: it ends when it is told to."""

    started: list[FakeCrawl] = []

    def __init__(self, crawler: Crawler, *args: Any, **kwargs: Any) -> None:
        self.crawler, self.args, self.kwargs = crawler, args, kwargs
        self.reason: str | None = None
        self.error: Exception | None = None
        self.loop = asyncio.get_running_loop()
        self.over = asyncio.Event()
        self.started.append(self)

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.over.set)

    def stop(self, reason: str) -> None:
        self.reason = reason
        self.end()

    def __await__(self) -> Any:
        yield from self.over.wait().__await__()
        if self.error is not None:
            raise self.error


@pytest.fixture(autouse=True)
def crawls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FakeCrawl]]:
    monkeypatch.setattr(FakeCrawl, "started", [])
    monkeypatch.setattr(crawler_module, "_start", FakeCrawl)
    yield FakeCrawl.started
    uninstall_scrapy_root_handler()


async def started(count: int, crawls: list[FakeCrawl]) -> None:
    while len(crawls) < count:  # noqa: ASYNC110 - what starts them has no event to wait for
        await asyncio.sleep(0)


class TestCrawler:
    def test_settings_are_a_copy_with_the_spiders(self) -> None:
        settings = Settings({"MINE": "project", "RETRY_TIMES": 1})
        crawler = Crawler(CustomSpider, settings)
        assert crawler.settings["MINE"] == "spider"
        assert crawler.settings.getint("RETRY_TIMES") == 7
        assert crawler.settings.getpriority("MINE") == 30
        assert settings["MINE"] == "project"
        assert not crawler.settings.frozen

    def test_settings_may_be_a_dict_or_missing(self) -> None:
        assert Crawler(DefaultSpider, {"MINE": 1}).settings["MINE"] == 1
        assert Crawler(DefaultSpider).settings["RETRY_TIMES"] == 2

    def test_command_line_goes_before_the_spider(self) -> None:
        settings = Settings()
        settings.set("MINE", "cmdline", "cmdline")
        assert Crawler(CustomSpider, settings).settings["MINE"] == "cmdline"

    @pytest.mark.parametrize("name", LATER)
    def test_attributes_of_a_running_crawl_raise_before(self, name: str) -> None:
        crawler = Crawler(DefaultSpider)
        with pytest.raises(RuntimeError, match=f"Crawler.{name} does not exist before the crawl starts"):
            getattr(crawler, name)
        assert crawler.spider is None
        assert crawler.crawling is False

    def test_prepare(self) -> None:
        crawler = Crawler(CustomSpider)
        crawler.prepare()
        assert crawler.settings.frozen
        assert type(crawler.stats) is MemoryStatsCollector
        assert crawler.logformatter is not None
        assert crawler.request_fingerprinter is not None
        stats = crawler.stats
        crawler.prepare()
        assert crawler.stats is stats

    def test_signals_have_the_crawler_as_sender(self) -> None:
        crawler = Crawler(DefaultSpider)
        assert isinstance(crawler.signals, SignalManager)
        assert crawler.signals.sender is crawler

    def test_create_spider(self) -> None:
        crawler = get_crawler(CustomSpider)
        spider = crawler.create_spider("other", argument="value")
        assert crawler.spider is spider
        assert (spider.name, spider.argument) == ("other", "value")  # type: ignore[attr-defined]
        assert spider.crawler is crawler
        assert spider.settings is crawler.settings

    def test_spider_object_is_refused(self) -> None:
        with pytest.raises(ValueError, match="spider class"):
            Crawler(CustomSpider())  # type: ignore[arg-type]

    def test_settings_that_travelled_are_not_changed_twice(self) -> None:
        calls = []

        class Counting(Spider):
            name = "counting"

            @classmethod
            def update_settings(cls, settings: Any) -> None:
                calls.append(cls)
                settings.set("N", settings.getint("N") + 1, "spider")

        first = Crawler(Counting)
        first.prepare()
        second = Crawler(Counting, first.settings)
        second.prepare()
        assert second.settings.getint("N") == 1
        assert calls == [Counting]

    def test_older_attributes_of_spiders(self) -> None:
        class Older(Spider):
            name = "older"
            download_delay = 2.5
            max_concurrent_requests = 3

        with pytest.warns(ScrapyDeprecationWarning) as caught:
            crawler = Crawler(Older, {"DOWNLOAD_DELAY": 1})
        assert sorted(str(warning.message).split(" ")[0].rpartition(".")[2] for warning in caught) == [
            "download_delay",
            "max_concurrent_requests",
        ]
        assert crawler.settings.getfloat("DOWNLOAD_DELAY") == 2.5
        assert crawler.settings.getint("CONCURRENT_REQUESTS_PER_DOMAIN") == 3

    async def test_crawl(self, crawls: list[FakeCrawl]) -> None:
        crawler = Crawler(DefaultSpider)
        running = asyncio.create_task(crawler.crawl_async("arg", key="value"))
        await started(1, crawls)
        assert crawler.crawling
        assert crawler.stats is not None
        assert (crawls[0].args, crawls[0].kwargs) == (("arg",), {"key": "value"})
        crawls[0].end()
        await running
        assert not crawler.crawling
        with pytest.raises(RuntimeError, match="runs once"):
            await crawler.crawl_async()

    async def test_crawl_is_awaitable(self, crawls: list[FakeCrawl]) -> None:
        crawler = Crawler(DefaultSpider)
        running = crawler.crawl()
        await started(1, crawls)
        crawls[0].end()
        assert await running is None  # type: ignore[func-returns-value]

    async def test_stop(self, crawls: list[FakeCrawl]) -> None:
        crawler = Crawler(DefaultSpider)
        running = crawler.crawl()
        await started(1, crawls)
        await crawler.stop()
        await running
        assert crawls[0].reason == "shutdown"
        await crawler.stop_async()

    async def test_stop_in_a_process_of_the_crawl_goes_to_the_engine(self) -> None:
        reasons = []

        class Engine:
            async def close_spider(self, spider: Any = None, reason: str = "cancelled") -> None:
                reasons.append(reason)

        crawler = get_crawler()
        crawler.engine = Engine()
        await crawler.stop_async()
        assert reasons == ["shutdown"]

    async def test_bad_settings_are_named_before_anything_starts(self, crawls: list[FakeCrawl]) -> None:
        with pytest.raises(UsageError, match="CONCURRENT_REQUESTS='abc'"):
            await Crawler(DefaultSpider, {"CONCURRENT_REQUESTS": "abc"}).crawl_async()
        assert crawls == []

    def test_crawl_without_an_event_loop(self) -> None:
        with pytest.raises(RuntimeError, match="event loop"):
            Crawler(DefaultSpider).crawl()


class Part:
    pass


class OtherPart:
    pass


def chain(kind: str) -> type[MiddlewareManager]:
    class Chain(MiddlewareManager):
        component_name = kind

        @classmethod
        def _get_mwlist_from_settings(cls, settings: Any) -> list[Any]:
            return component_list(settings, "PARTS")

    return Chain


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("downloader middleware", "get_downloader_middleware"),
        ("spider middleware", "get_spider_middleware"),
        ("item pipeline", "get_item_pipeline"),
        ("extension", "get_extension"),
    ],
)
def test_components_are_found_by_class(kind: str, method: str) -> None:
    class SubPart(Part):
        pass

    crawler = get_crawler(settings_dict={"PARTS": {SubPart: 1}})
    with pytest.raises(RuntimeError, match=kind):
        getattr(crawler, method)(Part)
    manager = chain(kind).from_crawler(crawler)
    assert getattr(crawler, method)(Part) is manager.middlewares[0]
    assert getattr(crawler, method)(SubPart) is manager.middlewares[0]
    assert getattr(crawler, method)(OtherPart) is None
    if kind == "extension":
        assert crawler.extensions is manager


class TestRunner:
    def test_settings(self) -> None:
        assert CrawlerRunner({"MINE": 1}).settings["MINE"] == 1
        assert CrawlerRunner().settings["RETRY_TIMES"] == 2
        settings = Settings({"MINE": 2})
        assert CrawlerRunner(settings).settings["MINE"] == 2

    def test_create_crawler(self) -> None:
        runner = CrawlerRunner({"MINE": 1})
        crawler = runner.create_crawler(DefaultSpider)
        assert crawler.spidercls is DefaultSpider
        assert crawler.settings["MINE"] == 1
        assert runner.create_crawler(crawler) is crawler
        with pytest.raises(ValueError, match="spider object"):
            runner.create_crawler(DefaultSpider())  # type: ignore[arg-type]
        with pytest.raises(KeyError, match="nobody"):
            runner.create_crawler("nobody")
        assert runner.crawlers == set()

    @pytest.mark.parametrize("runner_class", [AsyncCrawlerRunner, CrawlerRunner])
    async def test_crawl_join_and_stop(self, runner_class: Any, crawls: list[FakeCrawl]) -> None:
        runner = runner_class()
        first = runner.crawl(DefaultSpider, 1, a=2)
        second = runner.crawl(Crawler(CustomSpider))
        await started(2, crawls)
        assert len(runner.crawlers) == 2
        assert (crawls[0].args, crawls[0].kwargs) == ((1,), {"a": 2})
        crawls[0].end()
        await first
        assert {crawler.spidercls for crawler in runner.crawlers} == {CustomSpider}
        await runner.stop()
        await runner.join()
        await second
        assert crawls[1].reason == "shutdown"
        assert runner.crawlers == set()
        assert runner.bootstrap_failed is False

    async def test_join_waits_for_crawls_that_start_meanwhile(self, crawls: list[FakeCrawl]) -> None:
        runner = CrawlerRunner()

        async def chained() -> None:
            await runner.crawl(DefaultSpider)
            runner.crawl(CustomSpider)

        sequence = asyncio.create_task(chained())
        await started(1, crawls)
        joined = asyncio.create_task(runner.join())
        crawls[0].end()
        await started(2, crawls)
        assert not joined.done()
        crawls[1].end()
        await asyncio.gather(joined, sequence)
        assert runner.crawlers == set()

    async def test_failure_is_the_callers(self, crawls: list[FakeCrawl]) -> None:
        runner = CrawlerRunner()
        task = runner.crawl(DefaultSpider)
        await started(1, crawls)
        crawls[0].error = ZeroDivisionError()
        crawls[0].end()
        with pytest.raises(ZeroDivisionError):
            await task
        assert runner.bootstrap_failed is True

    def test_bases(self) -> None:
        assert issubclass(CrawlerProcess, CrawlerRunner)
        assert issubclass(AsyncCrawlerProcess, AsyncCrawlerRunner)
        assert issubclass(AsyncCrawlerRunner, CrawlerRunnerBase)


@pytest.mark.parametrize("process_class", [CrawlerProcess, AsyncCrawlerProcess])
class TestProcess:
    def test_runs_what_was_scheduled(self, process_class: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        done = []

        class QuickCrawl(FakeCrawl):
            def __await__(self) -> Any:
                done.append((self.crawler.spidercls, self.kwargs))
                yield from asyncio.sleep(0).__await__()

        monkeypatch.setattr(crawler_module, "_start", QuickCrawl)
        process = process_class({"LOG_ENABLED": False})
        process.crawl(DefaultSpider, a=1)
        process.crawl(CustomSpider)
        assert len(process.crawlers) == 2
        process.start(install_signal_handlers=False)
        assert done == [(DefaultSpider, {"a": 1}), (CustomSpider, {})]
        assert process.crawlers == set()
        assert process.bootstrap_failed is False

    def test_failure_is_logged(
        self, process_class: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        class BrokenCrawl(FakeCrawl):
            def __await__(self) -> Any:
                yield from asyncio.sleep(0).__await__()
                raise ZeroDivisionError("broken crawl")

        monkeypatch.setattr(crawler_module, "_start", BrokenCrawl)
        process = process_class({"LOG_ENABLED": False})
        process.crawl(DefaultSpider)
        process.start(install_signal_handlers=False)
        assert process.bootstrap_failed is True
        assert "broken crawl" in caplog.text

    def test_a_signal_stops_gracefully(
        self, process_class: Any, monkeypatch: pytest.MonkeyPatch, crawls: list[FakeCrawl]
    ) -> None:
        class SignalledCrawl(FakeCrawl):
            def __await__(self) -> Any:
                signal.raise_signal(signal.SIGTERM)
                yield from super().__await__()

        monkeypatch.setattr(crawler_module, "_start", SignalledCrawl)
        process = process_class({"LOG_ENABLED": False})
        process.crawl(DefaultSpider)
        process.start()
        assert [crawl.reason for crawl in crawls] == ["shutdown"]

    async def test_start_in_a_running_loop(self, process_class: Any) -> None:
        process = process_class({"LOG_ENABLED": False})
        with pytest.raises(RuntimeError, match="join"):
            process.start()

    async def test_notebook(self, process_class: Any, crawls: list[FakeCrawl]) -> None:
        process = process_class({"LOG_ENABLED": False})
        task = process.crawl(DefaultSpider)
        await started(1, crawls)
        crawls[0].end()
        await task
        await process.join()

    def test_root_handler(self, process_class: Any) -> None:
        uninstall_scrapy_root_handler()
        process_class(install_root_handler=False)
        assert get_scrapy_root_handler() is None
        process_class({"LOG_LEVEL": "WARNING"})
        handler = get_scrapy_root_handler()
        assert handler is not None
        assert handler.level == logging.WARNING


def test_import_is_cheap() -> None:
    """raycrawl.crawler pulls in neither Ray nor what only a running crawl needs."""
    code = "import sys, raycrawl.crawler; print([m for m in ('ray', 'aiohttp', 'pandas') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert shown.stdout.strip() == "[]"
