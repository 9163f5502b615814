"""The extensions: on signals in one process, on merged stats in a crawl of actors."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from raycrawl import signals
from raycrawl.exceptions import DropItem, NotConfigured
from raycrawl.extension import ExtensionManager, lives_in
from raycrawl.extensions import memusage as memusage_module
from raycrawl.extensions.closespider import CloseSpider
from raycrawl.extensions.corestats import CoreStats
from raycrawl.extensions.debug import Debugger, StackTraceDump
from raycrawl.extensions.logcount import LogCount
from raycrawl.extensions.logstats import LogStats
from raycrawl.extensions.memdebug import MemoryDebugger
from raycrawl.extensions.memusage import MemoryUsage
from raycrawl.extensions.periodic_log import PeriodicLog
from raycrawl.extensions.spiderstate import SpiderState
from raycrawl.extensions.throttle import AutoThrottle
from raycrawl.failure import Failure
from raycrawl.http import Request, Response
from raycrawl.utils.test import get_crawler


class FakeEngine:
    """Remembers why it was told to close."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.closed = asyncio.Event()

    async def close_spider_async(self, *, reason: str = "cancelled") -> None:
        self.reasons.append(reason)
        self.closed.set()


def crawler_with(settings: dict[str, Any] | None = None, process: str | None = None) -> Any:
    crawler: Any = get_crawler(settings_dict=settings)
    crawler.engine = FakeEngine()
    if process is not None:
        crawler.process = process
    return crawler


def built(cls: Any, crawler: Any) -> Any:
    """An extension of the crawler, which keeps it: signals hold their handlers weakly."""
    crawler.extensions = cls.from_crawler(crawler)
    return crawler.extensions


def send(crawler: Any, sent: Any, **kwargs: Any) -> None:
    """Send a signal with Scrapy's arguments; a handler that raises fails the test."""
    arguments: dict[Any, dict[str, Any]] = {
        signals.spider_opened: {},
        signals.spider_closed: {"reason": "finished"},
        signals.item_scraped: {"item": {}, "response": None},
        signals.item_dropped: {"item": {}, "response": None, "exception": DropItem("no")},
        signals.response_received: {"response": Response("http://a.example/"), "request": Request("http://a.example/")},
        signals.spider_error: {"failure": Failure(ValueError()), "response": Response("http://a.example/")},
    }
    for handler, result in crawler.signals.send_catch_log(sent, spider=crawler.spider, **arguments[sent], **kwargs):
        assert not isinstance(result, Exception | Failure), (handler, result)


class TestManager:
    def test_extensions_of_the_settings_are_built_and_the_unconfigured_left_out(self) -> None:
        class Mine:
            pass

        class Off:
            def __init__(self) -> None:
                raise NotConfigured

        settings = {"EXTENSIONS": {Mine: 1, Off: 2, "raycrawl.extensions.feedexport.FeedExporter": None}}
        names = {type(one).__name__ for one in ExtensionManager.from_crawler(crawler_with(settings)).middlewares}
        assert names == {"CoreStats", "LogCount", "MemoryUsage", "LogStats", "Mine"}

    def test_each_process_has_its_own(self) -> None:
        class Everywhere:
            process = "every"

        class Engine:
            pass

        class Scraper:
            process = "scraper"

        settings = {"EXTENSIONS_BASE": {}, "EXTENSIONS": {Everywhere: 1, Engine: 2, Scraper: 3}}
        found = {}
        for process in ("engine", "scraper", "downloader"):
            crawler = crawler_with(settings)
            found[process] = [type(one) for one in ExtensionManager.for_process(crawler, process).middlewares]
            assert crawler.process == process
        assert found == {
            "engine": [Everywhere, Engine],
            "scraper": [Everywhere, Scraper],
            "downloader": [Everywhere],
        }
        assert not lives_in(CloseSpider, "scraper")

    def test_stats_are_told_and_a_failing_extension_is_alone_in_it(self, caplog: pytest.LogCaptureFixture) -> None:
        told: list[Any] = []

        class Failing:
            def on_stats(self, stats: Any) -> None:
                raise ValueError("mine")

        class Listening:
            def on_stats(self, stats: Any) -> None:
                told.append(dict(stats))

        manager = ExtensionManager(Failing(), Listening(), crawler=crawler_with())
        manager.stats_changed({"a": 1})
        assert told == [{"a": 1}]
        assert "mine" in caplog.text


class TestCoreStats:
    def test_a_plain_process_counts_by_signals(self) -> None:
        crawler = crawler_with()
        built(CoreStats, crawler)
        before = datetime.now(tz=UTC)
        send(crawler, signals.spider_opened)
        for _ in range(2):
            send(crawler, signals.item_scraped)
            send(crawler, signals.response_received)
        send(crawler, signals.item_dropped)
        send(crawler, signals.spider_closed)
        stats = crawler.stats.get_stats()
        assert before <= stats.pop("start_time") <= stats.pop("finish_time") <= datetime.now(tz=UTC)
        assert 0 <= stats.pop("elapsed_time_seconds") < 60
        assert stats == {
            "item_scraped_count": 2,
            "response_received_count": 2,
            "item_dropped_count": 1,
            "item_dropped_reasons_count/DropItem": 1,
            "finish_reason": "finished",
        }

    def test_in_a_crawl_of_actors_nothing_is_counted_twice(self) -> None:
        crawler = crawler_with(process="engine")
        built(CoreStats, crawler)
        send(crawler, signals.spider_opened)
        send(crawler, signals.item_scraped)
        send(crawler, signals.spider_closed)
        assert "item_scraped_count" not in crawler.stats.get_stats()
        assert crawler.stats.get_value("finish_reason") == "finished"


class TestCloseSpider:
    def test_without_limits_it_is_off(self) -> None:
        with pytest.raises(NotConfigured):
            CloseSpider.from_crawler(crawler_with())

    @pytest.mark.parametrize(
        ("name", "sent"),
        [
            ("ITEMCOUNT", signals.item_scraped),
            ("PAGECOUNT", signals.response_received),
            ("ERRORCOUNT", signals.spider_error),
            ("PAGECOUNT_NO_ITEM", signals.response_received),
        ],
    )
    async def test_counts_by_signals(self, name: str, sent: Any) -> None:
        crawler = crawler_with({f"CLOSESPIDER_{name}": 3})
        built(CloseSpider, crawler)
        send(crawler, signals.spider_opened)
        for _ in range(2):
            send(crawler, sent)
        await asyncio.sleep(0)
        assert crawler.engine.reasons == []
        for _ in range(3):
            send(crawler, sent)
        await crawler.engine.closed.wait()
        assert crawler.engine.reasons == [f"closespider_{name.lower()}"]
        send(crawler, signals.spider_closed)

    async def test_pages_without_item_start_again_at_each_item(self) -> None:
        crawler = crawler_with({"CLOSESPIDER_PAGECOUNT_NO_ITEM": 2})
        built(CloseSpider, crawler)
        for _ in range(5):
            send(crawler, signals.response_received)
            send(crawler, signals.item_scraped)
        await asyncio.sleep(0)
        assert crawler.engine.reasons == []
        send(crawler, signals.response_received)
        send(crawler, signals.response_received)
        await crawler.engine.closed.wait()
        assert crawler.engine.reasons == ["closespider_pagecount_no_item"]

    @pytest.mark.parametrize(
        ("name", "key"),
        [
            ("ITEMCOUNT", "item_scraped_count"),
            ("PAGECOUNT", "response_received_count"),
            ("ERRORCOUNT", "spider_exceptions/count"),
            ("PAGECOUNT_NO_ITEM", "response_received_count"),
        ],
    )
    async def test_counts_by_merged_stats(self, name: str, key: str) -> None:
        crawler = crawler_with({f"CLOSESPIDER_{name}": 30}, process="engine")
        extension = built(CloseSpider, crawler)
        extension.on_stats({key: 29})
        await asyncio.sleep(0)
        assert crawler.engine.reasons == []
        for count in (37, 64):
            extension.on_stats({key: count})
        await crawler.engine.closed.wait()
        assert crawler.engine.reasons == [f"closespider_{name.lower()}"]

    async def test_pages_without_item_by_merged_stats(self) -> None:
        crawler = crawler_with({"CLOSESPIDER_PAGECOUNT_NO_ITEM": 10}, process="engine")
        extension = built(CloseSpider, crawler)
        for pages, items in ((9, 0), (18, 1), (27, 1), (36, 2), (45, 2)):
            extension.on_stats({"response_received_count": pages, "item_scraped_count": items})
        await asyncio.sleep(0)
        assert crawler.engine.reasons == []
        extension.on_stats({"response_received_count": 46, "item_scraped_count": 2})
        await crawler.engine.closed.wait()
        assert crawler.engine.reasons == ["closespider_pagecount_no_item"]

    async def test_signals_do_not_count_beside_merged_stats(self) -> None:
        crawler = crawler_with({"CLOSESPIDER_ITEMCOUNT": 1}, process="engine")
        built(CloseSpider, crawler)
        send(crawler, signals.item_scraped)
        await asyncio.sleep(0)
        assert crawler.engine.reasons == []

    async def test_timeout(self) -> None:
        crawler = crawler_with({"CLOSESPIDER_TIMEOUT": 0.01})
        built(CloseSpider, crawler)
        send(crawler, signals.spider_opened)
        await asyncio.wait_for(crawler.engine.closed.wait(), 5)
        assert crawler.engine.reasons == ["closespider_timeout"]

    async def test_a_timeout_ends_with_the_spider(self) -> None:
        crawler = crawler_with({"CLOSESPIDER_TIMEOUT": 1000})
        extension = built(CloseSpider, crawler)
        send(crawler, signals.spider_opened)
        assert extension.task is not None
        send(crawler, signals.spider_closed)
        assert extension.task is None

    @pytest.mark.parametrize("process", [None, "engine"])
    async def test_timeout_without_items(self, process: str | None, caplog: pytest.LogCaptureFixture) -> None:
        crawler = crawler_with({"CLOSESPIDER_TIMEOUT_NO_ITEM": 1000}, process)
        extension = built(CloseSpider, crawler)
        with caplog.at_level(logging.INFO):
            send(crawler, signals.spider_opened)
            if process is None:
                send(crawler, signals.item_scraped)
            else:
                extension.on_stats({"item_scraped_count": 1})
            extension._count_items_produced()
            await asyncio.sleep(0)
            assert crawler.engine.reasons == []
            extension._count_items_produced()
            await crawler.engine.closed.wait()
        assert crawler.engine.reasons == ["closespider_timeout_no_item"]
        assert "no items were produced in the last 1000 seconds" in caplog.text
        send(crawler, signals.spider_closed)
        assert extension.task_no_item is None


class TestLogStats:
    def test_zero_switches_it_off(self) -> None:
        with pytest.raises(NotConfigured):
            LogStats.from_crawler(crawler_with({"LOGSTATS_INTERVAL": 0}))

    async def test_rates(self, caplog: pytest.LogCaptureFixture) -> None:
        crawler = crawler_with({"LOGSTATS_INTERVAL": 30})
        extension = built(LogStats, crawler)
        assert (extension.interval, extension.multiplier) == (30.0, 2.0)
        with caplog.at_level(logging.INFO):
            send(crawler, signals.spider_opened)
            crawler.stats.set_value("response_received_count", 10)
            crawler.stats.set_value("item_scraped_count", 3)
            extension.log(crawler.spider)
        assert [one.getMessage() for one in caplog.records if "pages" in one.getMessage()] == [
            "Crawled 0 pages (at 0 pages/min), scraped 0 items (at 0 items/min)",
            "Crawled 10 pages (at 20 pages/min), scraped 3 items (at 6 items/min)",
        ]
        start = datetime(2026, 1, 1, tzinfo=UTC)
        crawler.stats.set_value("start_time", start)
        crawler.stats.set_value("finish_time", start + timedelta(seconds=30))
        send(crawler, signals.spider_closed)
        assert extension.task is not None
        assert not extension.task.running
        assert crawler.stats.get_value("responses_per_minute") == 20
        assert crawler.stats.get_value("items_per_minute") == 6

    @pytest.mark.parametrize("seconds", [None, 0])
    async def test_no_duration_no_rate(self, seconds: int | None) -> None:
        crawler = crawler_with()
        extension = built(LogStats, crawler)
        if seconds is not None:
            now = datetime.now(tz=UTC)
            crawler.stats.set_stats({"start_time": now, "finish_time": now})
        assert extension.calculate_final_stats(crawler.spider) == (None, None)


class TestPeriodicLog:
    @pytest.mark.parametrize(
        "settings",
        [
            {},
            {"PERIODIC_LOG_STATS": False},
            {"PERIODIC_LOG_DELTA": {}},
            {"PERIODIC_LOG_STATS": True, "LOGSTATS_INTERVAL": 0},
        ],
    )
    def test_off(self, settings: dict[str, Any]) -> None:
        with pytest.raises(NotConfigured):
            PeriodicLog.from_crawler(crawler_with(settings))

    @pytest.mark.parametrize("value", [True, "true", "True", {"include": ["a"]}, '{"include": ["a"]}'])
    def test_on(self, value: Any) -> None:
        extension = PeriodicLog.from_crawler(crawler_with({"PERIODIC_LOG_STATS": value}))
        assert (extension.ext_stats_enabled, extension.ext_delta_enabled, extension.ext_timing_enabled) == (
            True,
            False,
            False,
        )

    def test_nonsense_is_named(self) -> None:
        with pytest.raises(ValueError, match="PERIODIC_LOG_DELTA"):
            PeriodicLog.from_crawler(crawler_with({"PERIODIC_LOG_DELTA": 3}))

    async def test_what_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        settings = {
            "LOGSTATS_INTERVAL": 30,
            "PERIODIC_LOG_STATS": {"include": ["item_"]},
            "PERIODIC_LOG_DELTA": {"exclude": ["item_"]},
            "PERIODIC_LOG_TIMING_ENABLED": True,
        }
        crawler = crawler_with(settings)
        extension = built(PeriodicLog, crawler)
        assert extension.multiplier == 2.0
        start = datetime.now(tz=UTC)
        crawler.stats.set_stats({"start_time": start, "item_scraped_count": 1, "pages": 5})
        with caplog.at_level(logging.INFO):
            send(crawler, signals.spider_opened)
            crawler.stats.inc_value("pages", 2)
            extension.log()
            send(crawler, signals.spider_closed)
        entries = [json.loads(one.getMessage()) for one in caplog.records if one.name.endswith("periodic_log")]
        assert [one["delta"] for one in entries] == [{"pages": 5}, {"pages": 2}, {"pages": 0}]
        assert all(one["stats"] == {"item_scraped_count": 1} for one in entries)
        timing = entries[0]["time"]
        assert timing["log_interval"] == 30
        assert datetime.fromisoformat(timing["start_time"]) == start
        assert set(timing) == {"log_interval", "log_interval_real", "start_time", "utcnow", "elapsed"}

    @pytest.mark.parametrize(
        ("include", "exclude", "expected"),
        [
            ([], [], [True, True, True]),
            (["down"], [], [True, False, False]),
            ([], ["down"], [False, True, True]),
            (["item"], ["item_s"], [False, False, True]),
        ],
    )
    def test_choice(self, include: list[str], exclude: list[str], expected: list[bool]) -> None:
        extension = PeriodicLog(crawler_with().stats)
        names = ("downloader/x", "item_scraped_count", "item_dropped_count")
        assert [extension.param_allowed(name, include, exclude) for name in names] == expected


class TestLogCount:
    def test_lines_are_counted_while_the_spider_is_open(self) -> None:
        crawler = crawler_with({"LOG_LEVEL": "INFO"})
        built(LogCount, crawler)
        logger = logging.getLogger("mine")
        logger.setLevel(logging.DEBUG)
        handlers = list(logging.root.handlers)
        logger.error("before")
        send(crawler, signals.spider_opened)
        logger.error("one")
        logger.warning("two")
        logger.warning("three")
        logger.debug("below the level")
        send(crawler, signals.spider_closed)
        logger.error("after")
        assert logging.root.handlers == handlers
        assert crawler.stats.get_stats() == {"log_count/ERROR": 1, "log_count/WARNING": 2}


class TestMemoryUsage:
    def test_off(self) -> None:
        with pytest.raises(NotConfigured):
            MemoryUsage.from_crawler(crawler_with({"MEMUSAGE_ENABLED": False}))

    async def test_the_size_is_recorded(self) -> None:
        crawler = crawler_with()
        extension = built(MemoryUsage, crawler)
        crawler.signals.send_catch_log(signals.engine_started)
        assert crawler.stats.get_value("memusage/startup") > 1_000_000
        assert crawler.stats.get_value("memusage/max") >= crawler.stats.get_value("memusage/startup")
        assert len(extension.tasks) == 1
        crawler.signals.send_catch_log(signals.engine_stopped)
        assert not any(task.running for task in extension.tasks)

    async def test_limit_and_warning(self, caplog: pytest.LogCaptureFixture) -> None:
        crawler = crawler_with({"MEMUSAGE_LIMIT_MB": 1, "MEMUSAGE_WARNING_MB": 1})
        reached: list[Any] = []

        def on_warning() -> None:
            reached.append(1)

        crawler.signals.connect(on_warning, signals.memusage_warning_reached)
        extension = built(MemoryUsage, crawler)
        extension.engine_started()
        extension._check_warning()
        await crawler.engine.closed.wait()
        extension.engine_stopped()
        assert crawler.engine.reasons == ["memusage_exceeded"]
        assert reached == [1]
        assert crawler.stats.get_value("memusage/limit_reached") == 1
        assert crawler.stats.get_value("memusage/warning_reached") == 1
        assert "exceeded 1 MiB" in caplog.text

    async def test_below_the_limit_nothing_happens(self) -> None:
        crawler = crawler_with({"MEMUSAGE_LIMIT_MB": 1_000_000, "MEMUSAGE_WARNING_MB": 1_000_000})
        extension = built(MemoryUsage, crawler)
        extension.engine_started()
        await asyncio.sleep(0)
        extension.engine_stopped()
        assert crawler.engine.reasons == []
        assert "memusage/limit_reached" not in crawler.stats.get_stats()

    def test_the_processes_of_a_node(self, tmp_path: Path) -> None:
        def process(pid: int, parent: int, title: bytes, resident: int, shared: int) -> None:
            directory = tmp_path / str(pid)
            directory.mkdir()
            (directory / "stat").write_text(f"{pid} (a (b) c) S {parent} 1 1")
            (directory / "cmdline").write_bytes(title)
            (directory / "statm").write_text(f"9999 {resident} {shared} 0 0 0 0")

        process(100, 7, b"ray::Scraper", 300, 100)
        process(101, 7, b"ray::Downloader.fetch", 50, 10)
        process(102, 7, b"ray::SomethingElse", 1000, 0)
        process(103, 8, b"ray::Scraper", 1000, 0)
        process(os.getpid(), 7, b"python", 20, 5)
        (tmp_path / "self").mkdir()
        (tmp_path / "104").mkdir()  # ended: nothing to read
        page = os.sysconf("SC_PAGE_SIZE")
        found = memusage_module._crawl_processes(tmp_path, parent=7)
        assert found == sorted([(100, 200 * page), (101, 40 * page), (os.getpid(), 15 * page)])

    async def test_one_process_of_a_node_speaks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        crawler = crawler_with({"MEMUSAGE_LIMIT_MB": 1}, process="scraper")
        extension = built(MemoryUsage, crawler)
        for pid, is_speaker in ((os.getpid() - 1, False), (os.getpid() + 1, True)):
            found = [(pid, 2**21), (os.getpid(), 2**20)]
            monkeypatch.setattr(memusage_module, "_crawl_processes", lambda found=found: found)
            extension._check_limit()
            await asyncio.sleep(0)
            assert crawler.engine.reasons == (["memusage_exceeded"] if is_speaker else [])
        assert extension.get_virtual_size() == 3 * 2**20


class TestMemoryDebugger:
    def test_off(self) -> None:
        with pytest.raises(NotConfigured):
            MemoryDebugger.from_crawler(crawler_with())

    def test_what_lives(self) -> None:
        from raycrawl.utils.trackref import object_ref

        class Leaked(object_ref):
            pass

        kept = [Leaked(), Leaked()]
        crawler = crawler_with({"MEMDEBUG_ENABLED": True})
        built(MemoryDebugger, crawler)
        send(crawler, signals.spider_closed)
        assert crawler.stats.get_value("memdebug/live_refs/Leaked") == len(kept)
        assert crawler.stats.get_value("memdebug/gc_garbage_count") == 0


class TestSpiderState:
    def test_off_without_a_job_directory(self) -> None:
        with pytest.raises(NotConfigured):
            SpiderState.from_crawler(crawler_with())

    def test_the_state_is_kept(self, tmp_path: Path) -> None:
        for expected in ({}, {"seen": 1}):
            crawler = crawler_with({"JOBDIR": str(tmp_path)})
            extension = built(SpiderState, crawler)
            send(crawler, signals.spider_opened)
            assert crawler.spider.state == expected
            crawler.spider.state["seen"] = 1
            send(crawler, signals.spider_closed)
        assert extension.statefn == str(tmp_path / "spider.state")
        assert pickle.loads((tmp_path / "spider.state").read_bytes()) == {"seen": 1}
        assert [one.name for one in tmp_path.iterdir()] == ["spider.state"]

    def test_without_a_directory_the_state_is_empty(self) -> None:
        crawler = crawler_with()
        extension = SpiderState()
        extension.spider_opened(crawler.spider)
        assert crawler.spider.state == {}
        extension.spider_closed(crawler.spider)

    def test_each_scraper_has_its_own(self, tmp_path: Path) -> None:
        crawler = crawler_with({"JOBDIR": str(tmp_path / "new")}, process="scraper")
        crawler.process_index = 2
        assert SpiderState.from_crawler(crawler).statefn == str(tmp_path / "new" / "spider.state.2")


class TestAutoThrottle:
    class Slot:
        def __init__(self, delay: float) -> None:
            self.delay = delay
            self.transferring: set[Any] = set()

    def crawler(self, **settings: Any) -> Any:
        crawler = crawler_with({"AUTOTHROTTLE_ENABLED": True, **settings})
        crawler.engine.downloader = type("Downloader", (), {"slots": {"a.example": self.Slot(5.0)}})()
        return crawler

    def test_off(self) -> None:
        with pytest.raises(NotConfigured):
            AutoThrottle.from_crawler(crawler_with())

    @pytest.mark.parametrize("value", [0.0, -1.0])
    def test_a_target_that_makes_no_sense(self, value: float) -> None:
        with pytest.raises(NotConfigured, match="AUTOTHROTTLE_TARGET_CONCURRENCY"):
            AutoThrottle.from_crawler(self.crawler(AUTOTHROTTLE_TARGET_CONCURRENCY=value))

    @pytest.mark.parametrize(
        ("settings", "own", "expected"),
        [({}, None, 5.0), ({"DOWNLOAD_DELAY": 7}, None, 7.0), ({"AUTOTHROTTLE_START_DELAY": 2}, 3.0, 3.0)],
    )
    def test_the_first_delay(self, settings: Any, own: float | None, expected: float) -> None:
        crawler = self.crawler(**settings)
        built(AutoThrottle, crawler)
        if own is not None:
            crawler.spider.download_delay = own
        send(crawler, signals.spider_opened)
        assert crawler.spider.download_delay == expected

    @pytest.mark.parametrize(
        ("meta", "status", "expected"),
        [
            ({"download_latency": 1.0}, 200, 3.0),
            ({"download_latency": 9.0}, 200, 9.0),
            ({"download_latency": 100.0}, 200, 60.0),
            ({"download_latency": 1.0}, 404, 5.0),
            ({"download_latency": 9.0}, 503, 9.0),
            ({}, 200, 5.0),
            ({"download_latency": 1.0, "autothrottle_dont_adjust_delay": True}, 200, 5.0),
            ({"download_latency": 1.0, "download_slot": "gone.example"}, 200, 5.0),
        ],
    )
    def test_a_response_adjusts_its_slot(
        self, meta: dict[str, Any], status: int, expected: float, caplog: pytest.LogCaptureFixture
    ) -> None:
        crawler = self.crawler(AUTOTHROTTLE_DEBUG=True)
        built(AutoThrottle, crawler)
        send(crawler, signals.spider_opened)
        request = Request("http://a.example/", meta={"download_slot": "a.example", **meta})
        response = Response("http://a.example/", status=status, request=request)
        with caplog.at_level(logging.INFO):
            crawler.signals.send_catch_log(
                signals.response_downloaded, response=response, request=request, spider=crawler.spider
            )
        assert crawler.engine.downloader.slots["a.example"].delay == expected
        is_looked_at = "download_latency" in meta and len(meta) == 1
        assert ("slot: a.example" in caplog.text) is is_looked_at

    def test_what_a_downloader_asks(self) -> None:
        crawler = crawler_with({"AUTOTHROTTLE_ENABLED": True, "DOWNLOAD_DELAY": 2}, process="downloader")
        extension = built(AutoThrottle, crawler)
        assert extension.first_delay_s() == 5.0
        request = Request("http://a.example/", meta={"download_latency": 1.0})
        assert extension.delay_after(5.0, request, Response("http://a.example/")) == 3.0
        assert extension.delay_after(2.5, request, Response("http://a.example/")) == 2.0
        assert extension.delay_after(5.0, Request("http://a.example/"), Response("http://a.example/")) is None
        # The slots are the Downloader's: no signal adjusts anything here.
        assert not crawler.signals.has_listeners(signals.response_downloaded)


class TestDebug:
    @pytest.fixture(autouse=True)
    def _keep_signal_handlers(self) -> Any:
        numbers = (signal.SIGUSR2, signal.SIGQUIT)
        before = [signal.getsignal(number) for number in numbers]
        yield
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

    def test_stacks_on_a_signal(self, caplog: pytest.LogCaptureFixture) -> None:
        crawler: Any = get_crawler()
        built(StackTraceDump, crawler)
        with caplog.at_level(logging.INFO):
            os.kill(os.getpid(), signal.SIGUSR2)
        assert "# Thread: MainThread" in caplog.text
        assert "test_stacks_on_a_signal" in caplog.text
        assert "Live References" in caplog.text

    def test_the_debugger_waits_for_its_signal(self) -> None:
        debugger = Debugger()
        assert signal.getsignal(signal.SIGUSR2) == debugger._enter_debugger
