"""Signals and the SignalManager."""

from __future__ import annotations

import asyncio
import copy
import gc
import logging
import pickle
from typing import Any

import pytest

from raycrawl import signals
from raycrawl.exceptions import DontCloseSpider, StopDownload
from raycrawl.failure import Failure
from raycrawl.signalmanager import ANY, SignalManager
from raycrawl.signals import Signal
from raycrawl.utils import signal as signal_utils
from raycrawl.utils.test import get_crawler

NAMES = [
    "bytes_received", "engine_started", "engine_stopped", "feed_exporter_closed", "feed_slot_closed",
    "headers_received", "item_dropped", "item_error", "item_scraped", "memusage_warning_reached", "request_dropped",
    "request_left_downloader", "request_reached_downloader", "request_scheduled", "response_downloaded",
    "response_received", "robots_parsed", "scheduler_empty", "spider_closed", "spider_error", "spider_idle",
    "spider_opened",
]  # fmt: skip


@pytest.fixture
def manager() -> SignalManager:
    return SignalManager()


class TestSignalObjects:
    def test_all_names_are_there_and_distinct(self) -> None:
        assert sorted(signal.name for signal in signals.ALL) == NAMES
        assert len({id(getattr(signals, name)) for name in NAMES}) == len(NAMES)

    def test_identity_survives_travel(self) -> None:
        for signal in signals.ALL:
            assert pickle.loads(pickle.dumps(signal)) is signal
            assert copy.deepcopy(signal) is signal
            assert copy.copy(signal) is signal

    def test_by_name(self) -> None:
        assert Signal.named("item_scraped") is signals.item_scraped
        for wrong in ("Signal", "no_such_signal", "ALL"):
            with pytest.raises(KeyError):
                Signal.named(wrong)


class TestConnect:
    def test_handler_gets_the_arguments_it_accepts(self, manager: SignalManager) -> None:
        seen: list[Any] = []

        def everything(**kwargs: Any) -> None:
            seen.append(sorted(kwargs))

        def some(spider: str, item: str = "none") -> None:
            seen.append((spider, item))

        def nothing() -> None:
            seen.append("nothing")

        def who(sender: Any, signal: Any) -> None:
            seen.append((sender is manager, signal is signals.spider_opened))

        for handler in (everything, some, nothing, who):
            manager.connect(handler, signals.spider_opened)
        manager.send_catch_log(signals.spider_opened, spider="s", extra=1)
        assert seen == [["extra", "sender", "signal", "spider"], ("s", "none"), "nothing", (True, True)]

    def test_missing_required_argument_is_the_handlers_error(
        self, manager: SignalManager, caplog: pytest.LogCaptureFixture
    ) -> None:
        def handler(item: Any) -> None:
            raise AssertionError("not reached")

        manager.connect(handler, signals.item_scraped)
        [(_, result)] = manager.send_catch_log(signals.item_scraped)
        assert isinstance(result, Failure)
        assert result.check(TypeError)

    def test_results_are_in_order_of_connection(self, manager: SignalManager) -> None:
        handlers = [lambda n=n: n for n in range(5)]
        for handler in handlers:
            manager.connect(handler, "my signal")
        sent = manager.send_catch_log("my signal")
        assert sent == [(handler, n) for n, handler in enumerate(handlers)]

    def test_connecting_twice_counts_once(self, manager: SignalManager) -> None:
        def handler() -> int:
            return 1

        manager.connect(handler, signals.spider_idle)
        manager.connect(handler, signals.spider_idle)
        assert len(manager.send_catch_log(signals.spider_idle)) == 1

    def test_receivers_are_weak(self, manager: SignalManager) -> None:
        class Extension:
            def opened(self) -> int:
                return 1

        extension = Extension()
        manager.connect(extension.opened, signals.spider_opened)
        assert len(manager.send_catch_log(signals.spider_opened)) == 1
        assert manager.has_listeners(signals.spider_opened)
        del extension
        gc.collect()
        assert manager.send_catch_log(signals.spider_opened) == []
        assert not manager.has_listeners(signals.spider_opened)

    def test_strong_receivers_stay(self, manager: SignalManager) -> None:
        manager.connect(lambda: 7, signals.spider_opened, weak=False)
        gc.collect()
        assert [result for _, result in manager.send_catch_log(signals.spider_opened)] == [7]

    def test_disconnect(self, manager: SignalManager) -> None:
        class Extension:
            def opened(self) -> int:
                return 1

        one, two = Extension(), Extension()
        for extension in (one, two):
            manager.connect(extension.opened, signals.spider_opened)
        manager.disconnect(one.opened, signals.spider_opened)
        assert [receiver for receiver, _ in manager.send_catch_log(signals.spider_opened)] == [two.opened]
        manager.disconnect(one.opened, signals.spider_opened)
        manager.disconnect(two.opened, signals.spider_closed)
        assert manager.has_listeners(signals.spider_opened)

    def test_disconnect_all(self, manager: SignalManager) -> None:
        handlers = [lambda n=n: n for n in range(3)]
        for handler in handlers:
            manager.connect(handler, signals.spider_opened)
        manager.connect(handlers[0], signals.spider_closed)
        manager.disconnect_all(signals.spider_opened)
        assert manager.send_catch_log(signals.spider_opened) == []
        assert len(manager.send_catch_log(signals.spider_closed)) == 1

    def test_any_signal(self, manager: SignalManager) -> None:
        seen: list[Any] = []

        def handler(signal: Any) -> None:
            seen.append(signal)

        assert not manager.has_listeners(signals.item_scraped)
        manager.connect(handler, ANY)
        assert manager.has_listeners(signals.item_scraped)
        manager.send_catch_log(signals.item_scraped)
        manager.send_catch_log("mine")
        assert seen == [signals.item_scraped, "mine"]

    def test_only_callables(self, manager: SignalManager) -> None:
        with pytest.raises(TypeError, match="callable"):
            manager.connect("not callable", signals.spider_opened)  # type: ignore[arg-type]

    def test_a_handler_may_disconnect_itself_while_it_runs(self, manager: SignalManager) -> None:
        seen = []

        def once() -> None:
            seen.append("once")
            manager.disconnect(once, signals.spider_opened)

        def always() -> None:
            seen.append("always")

        manager.connect(once, signals.spider_opened)
        manager.connect(always, signals.spider_opened)
        manager.send_catch_log(signals.spider_opened)
        manager.send_catch_log(signals.spider_opened)
        assert seen == ["once", "always", "always"]


class TestSend:
    def test_error_is_logged_and_returned(self, manager: SignalManager, caplog: pytest.LogCaptureFixture) -> None:
        def broken() -> None:
            raise ZeroDivisionError("oops")

        def fine() -> str:
            return "fine"

        manager.connect(broken, signals.item_scraped)
        manager.connect(fine, signals.item_scraped)
        sent = manager.send_catch_log(signals.item_scraped, spider="the spider")
        assert isinstance(sent[0][1], Failure)
        assert isinstance(sent[0][1].value, ZeroDivisionError)
        assert sent[1] == (fine, "fine")
        [record] = caplog.records
        assert record.levelno == logging.ERROR
        assert "broken" in record.getMessage()
        assert "item_scraped" in record.getMessage()
        assert record.spider == "the spider"  # type: ignore[attr-defined]
        assert record.exc_info is not None

    @pytest.mark.parametrize("error", [DontCloseSpider("no"), StopDownload(fail=False)])
    def test_dont_log(
        self, manager: SignalManager, caplog: pytest.LogCaptureFixture, error: Exception
    ) -> None:
        def handler() -> None:
            raise error

        manager.connect(handler, signals.spider_idle)
        [(_, result)] = manager.send_catch_log(signals.spider_idle, dont_log=DontCloseSpider)
        assert result.value is error
        assert caplog.records == []

    def test_dont_log_takes_a_tuple_and_no_handler_sees_it(self, manager: SignalManager) -> None:
        seen: list[Any] = []

        def handler(**kwargs: Any) -> None:
            seen.append(kwargs)
            raise KeyError

        manager.connect(handler, signals.spider_idle)
        manager.send_catch_log(signals.spider_idle, dont_log=(KeyError, ValueError))
        assert "dont_log" not in seen[0]

    def test_async_handler_of_a_plain_signal(self, manager: SignalManager, caplog: pytest.LogCaptureFixture) -> None:
        async def handler() -> None:
            raise AssertionError("not reached")

        manager.connect(handler, signals.bytes_received)
        [(_, result)] = manager.send_catch_log(signals.bytes_received)
        assert result.check(TypeError)
        assert "async" in str(result.value)

    async def test_async(self, manager: SignalManager, caplog: pytest.LogCaptureFixture) -> None:
        events: list[str] = []
        go = asyncio.Event()

        async def slow() -> str:
            events.append("slow begins")
            await go.wait()
            events.append("slow ends")
            return "slow"

        async def quick(item: int) -> int:
            events.append("quick")
            go.set()
            return item

        def plain() -> str:
            return "plain"

        async def broken() -> None:
            raise ValueError("async oops")

        for handler in (slow, quick, plain, broken):
            manager.connect(handler, signals.item_scraped)
        sent = await manager.send_catch_log_async(signals.item_scraped, item=5)
        assert [receiver for receiver, _ in sent] == [slow, quick, plain, broken]
        assert [result for _, result in sent[:3]] == ["slow", 5, "plain"]
        assert sent[3][1].check(ValueError)
        assert events == ["slow begins", "quick", "slow ends"]
        assert "broken" in caplog.text

    async def test_deferred_is_an_awaitable(self, manager: SignalManager) -> None:
        async def handler() -> int:
            return 3

        manager.connect(handler, signals.spider_opened)
        assert await manager.send_catch_log_deferred(signals.spider_opened) == [(handler, 3)]

    async def test_nobody_listens(self, manager: SignalManager) -> None:
        assert manager.send_catch_log(signals.spider_opened) == []
        assert await manager.send_catch_log_async(signals.spider_opened) == []

    async def test_wait_for(self, manager: SignalManager) -> None:
        waiter = asyncio.create_task(manager.wait_for(signals.spider_opened))
        await asyncio.sleep(0)
        assert manager.has_listeners(signals.spider_opened)
        manager.send_catch_log(signals.spider_opened)
        manager.send_catch_log(signals.spider_opened)
        await waiter
        assert not manager.has_listeners(signals.spider_opened)

    async def test_cancelled_wait_leaves_nothing_behind(self, manager: SignalManager) -> None:
        waiter = asyncio.create_task(manager.wait_for(signals.spider_opened))
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert not manager.has_listeners(signals.spider_opened)


class TestUtils:
    async def test_functions_reach_the_senders_handlers(self) -> None:
        crawler = get_crawler()
        seen: list[Any] = []

        def handler(sender: Any, arg: int) -> int:
            seen.append(sender)
            return arg

        crawler.signals.connect(handler, "mine")
        assert signal_utils.send_catch_log("mine", crawler, arg=1) == [(handler, 1)]
        assert signal_utils.send_catch_log("mine", sender=crawler.signals, arg=2) == [(handler, 2)]
        assert await signal_utils.send_catch_log_async("mine", crawler, arg=3) == [(handler, 3)]
        assert await signal_utils.send_catch_log_deferred("mine", crawler, arg=4) == [(handler, 4)]
        assert seen[0] is crawler
        signal_utils.disconnect_all("mine", crawler)
        assert signal_utils.send_catch_log("mine", crawler, arg=1) == []

    def test_without_a_sender(self) -> None:
        def handler(arg: int) -> int:
            return arg

        signal_utils.default_manager.connect(handler, "mine")
        assert signal_utils.send_catch_log("mine", arg=1) == [(handler, 1)]
        signal_utils.disconnect_all("mine")
        assert signal_utils.send_catch_log("mine", arg=1) == []
