"""Statistics: what a collector counts, and how those of many processes become one."""

from __future__ import annotations

import logging
import random
from typing import Any

import pytest

from raycrawl.statscollectors import DummyStatsCollector, MemoryStatsCollector, StatsCollector
from raycrawl.utils.test import get_crawler


@pytest.fixture
def stats() -> StatsCollector:
    return StatsCollector(get_crawler())


class TestCollector:
    def test_values(self, stats: StatsCollector) -> None:
        assert stats.get_stats() == {}
        assert stats.get_value("a") is None
        assert stats.get_value("a", 3) == 3
        stats.set_value("a", "x")
        assert stats.get_value("a") == "x"
        stats.set_stats({"b": 1})
        assert stats.get_stats() == {"b": 1}
        stats.clear_stats()
        assert stats.get_stats() == {}

    def test_inc(self, stats: StatsCollector) -> None:
        stats.inc_value("a")
        stats.inc_value("a")
        assert stats.get_value("a") == 2
        stats.inc_value("a", count=5)
        assert stats.get_value("a") == 7
        stats.inc_value("b", start=10)
        assert stats.get_value("b") == 11
        stats.inc_value("b", start=10)
        assert stats.get_value("b") == 12

    def test_max_and_min(self, stats: StatsCollector) -> None:
        for value in (5, 7, 3):
            stats.max_value("max", value)
            stats.min_value("min", value)
        assert stats.get_stats() == {"max": 7, "min": 3}

    def test_older_spider_argument(self, stats: StatsCollector) -> None:
        spider: Any = object()
        stats.set_value("a", 1, spider)
        stats.inc_value("a", spider=spider)
        stats.max_value("m", 1, spider=spider)
        stats.min_value("m", 1, spider=spider)
        assert stats.get_value("a", 0, spider) == 2
        assert stats.get_stats(spider) == {"a": 2, "m": 1}

    def test_close_dumps(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        stats = MemoryStatsCollector(get_crawler())
        stats.set_value("my/key", 42)
        stats.open_spider()
        stats.close_spider(reason="finished")
        assert "'my/key': 42" in caplog.text

    def test_dump_can_be_switched_off(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        stats = MemoryStatsCollector(get_crawler(settings_dict={"STATS_DUMP": False}))
        caplog.clear()
        stats.set_value("my/key", 42)
        stats.close_spider()
        assert "my/key" not in caplog.text

    def test_memory_collector_keeps_stats_by_spider(self) -> None:
        stats = MemoryStatsCollector(get_crawler(settings_dict={"STATS_DUMP": False}))
        stats.set_value("a", 1)
        assert stats.spider_stats == {}
        stats.close_spider(reason="finished")
        assert stats.spider_stats == {"default": {"a": 1}}

    def test_dummy_collects_nothing(self) -> None:
        stats = DummyStatsCollector(get_crawler())
        stats.set_value("a", 1)
        stats.inc_value("b")
        stats.max_value("c", 1)
        stats.min_value("d", 1)
        stats.set_stats({"e": 1})
        assert stats.get_stats() == {}
        assert stats.get_value("a", "default") == "default"

    def test_the_setting_chooses(self) -> None:
        crawler = get_crawler(settings_dict={"STATS_CLASS": "raycrawl.statscollectors.DummyStatsCollector"})
        assert isinstance(crawler.stats, DummyStatsCollector)


class TestDeltas:
    def test_without_tracking_there_are_none(self, stats: StatsCollector) -> None:
        stats.inc_value("a")
        assert stats.take_delta() == {}

    def test_a_delta_is_taken_once(self, stats: StatsCollector) -> None:
        stats.track_deltas()
        stats.inc_value("a", 2)
        assert stats.take_delta() == {"inc": {"a": 2}}
        assert stats.take_delta() == {}
        assert stats.get_value("a") == 2

    def test_set_then_inc_is_one_set(self, stats: StatsCollector) -> None:
        stats.track_deltas()
        stats.inc_value("a", 5)
        stats.set_value("a", 10)
        stats.inc_value("a")
        stats.max_value("a", 3)
        assert stats.take_delta() == {"set": {"a": 11}}

    def test_start_travels(self, stats: StatsCollector) -> None:
        stats.track_deltas()
        stats.inc_value("a", start=10)
        record = StatsCollector(get_crawler())
        record.apply_delta(stats.take_delta())
        assert record.get_value("a") == 11

    def test_clear_travels(self, stats: StatsCollector) -> None:
        stats.track_deltas()
        record = StatsCollector(get_crawler())
        record.set_value("old", 1)
        stats.inc_value("gone")
        stats.clear_stats()
        stats.inc_value("a")
        record.apply_delta(stats.take_delta())
        assert record.get_stats() == {"a": 1}
        stats.set_stats({"b": 2})
        record.apply_delta(stats.take_delta())
        assert record.get_stats() == {"b": 2}

    @pytest.mark.parametrize("seed", range(20))
    def test_many_processes_become_one_record(self, seed: int) -> None:
        """Whatever is counted where, and whenever deltas are taken: the record is what one process would have."""
        rng = random.Random(seed)
        crawler = get_crawler()
        processes = [StatsCollector(crawler) for _ in range(3)]
        for process in processes:
            process.track_deltas()
        record, expected = StatsCollector(crawler), StatsCollector(crawler)
        for _ in range(200):
            process = rng.choice(processes)
            operation = rng.choice(["inc", "max", "min"])
            key, number = f"{operation}/{rng.randrange(4)}", rng.randrange(1, 100)
            for collector in (process, expected):
                getattr(collector, f"{operation}_value")(key, number)
            if rng.random() < 0.2:
                record.apply_delta(rng.choice(processes).take_delta())
        for process in processes:
            record.apply_delta(process.take_delta())
        assert record.get_stats() == expected.get_stats()

    @pytest.mark.parametrize("seed", range(20))
    def test_one_process_with_sets(self, seed: int) -> None:
        rng = random.Random(seed)
        crawler = get_crawler()
        process, record = StatsCollector(crawler), StatsCollector(crawler)
        process.track_deltas()
        for _ in range(200):
            operation = rng.choice(["inc", "set"])
            getattr(process, f"{operation}_value")(str(rng.randrange(4)), rng.randrange(1, 100))
            if rng.random() < 0.2:
                record.apply_delta(process.take_delta())
        record.apply_delta(process.take_delta())
        assert record.get_stats() == process.get_stats()
