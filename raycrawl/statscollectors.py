"""Statistics collectors.

A crawl runs in many processes, and each has a collector. Those of the actors remember what changed
(``track_deltas``, ``take_delta``); the engine's applies it (``apply_delta``), so that the engine's is the record of the
whole crawl: increments add up, maxima and minima are compared, of values that are set the last one wins.
"""

from __future__ import annotations

import logging
from pprint import pformat
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.spiders import Spider

logger = logging.getLogger(__name__)

StatsT: TypeAlias = dict[str, Any]
Delta: TypeAlias = dict[str, dict[str, Any]]


class StatsCollector:
    """Collects the statistics of a crawl in this process. Methods take an optional ``spider``, which is ignored."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._dump: bool = crawler.settings.getbool("STATS_DUMP")
        self._stats: StatsT = {}
        self._delta: Delta | None = None

    # --- reading

    def get_value(self, key: str, default: Any = None, spider: Spider | None = None) -> Any:
        """The value of ``key``, ``default`` when it has none. In an actor: what this process counted."""
        return self._stats.get(key, default)

    def get_stats(self, spider: Spider | None = None) -> StatsT:
        """All values."""
        return self._stats

    # --- writing

    def set_value(self, key: str, value: Any, spider: Spider | None = None) -> None:
        """Set ``key``."""
        self._stats[key] = value
        if self._delta is not None:
            self._set_in_delta(key, value)

    def set_stats(self, stats: StatsT, spider: Spider | None = None) -> None:
        """Replace all values."""
        self._stats = stats
        if self._delta is not None:
            self._delta = _new_delta(clear=True)
            self._delta["set"] = dict(stats)

    def inc_value(self, key: str, count: int | float = 1, start: int | float = 0, spider: Spider | None = None) -> None:
        """Add ``count`` to ``key``, which starts from ``start``."""
        stats = self._stats
        stats[key] = stats.get(key, start) + count
        delta = self._delta
        if delta is not None:
            if key in delta["set"]:
                delta["set"][key] += count
            else:
                increments = delta["inc"]
                increments[key] = increments.get(key, 0) + count
                if start:
                    delta["start"].setdefault(key, start)

    def max_value(self, key: str, value: Any, spider: Spider | None = None) -> None:
        """Set ``key`` to ``value`` unless it has a greater one."""
        self._stats[key] = max(self._stats.setdefault(key, value), value)
        if self._delta is not None:
            self._compare_in_delta("max", key, value)

    def min_value(self, key: str, value: Any, spider: Spider | None = None) -> None:
        """Set ``key`` to ``value`` unless it has a smaller one."""
        self._stats[key] = min(self._stats.setdefault(key, value), value)
        if self._delta is not None:
            self._compare_in_delta("min", key, value)

    def clear_stats(self, spider: Spider | None = None) -> None:
        """Forget all values."""
        self._stats.clear()
        if self._delta is not None:
            self._delta = _new_delta(clear=True)

    # --- the life of a spider

    def open_spider(self, spider: Spider | None = None) -> None:
        """Called when the spider opens."""

    def close_spider(self, spider: Spider | None = None, reason: str | None = None) -> None:
        """Called when the spider closes, in the process that holds the record: dumps the statistics to the log."""
        if self._dump:
            logger.info("Crawl statistics:\n%s", pformat(self._stats), extra={"spider": self._crawler.spider})
        self._persist_stats(self._stats)

    def _persist_stats(self, stats: StatsT) -> None:
        """Store the statistics; for subclasses."""

    # --- between processes

    def track_deltas(self) -> None:
        """From now on remember what changes, for ``take_delta``."""
        if self._delta is None:
            self._delta = _new_delta()

    def take_delta(self) -> Delta:
        """What changed since the last call: plain data for ``apply_delta``; empty when nothing did.

        The caller owns it: what is taken and not applied is lost, what is applied twice counts twice.
        """
        delta = self._delta
        if delta is None:
            return {}
        self._delta = _new_delta()
        return {name: changes for name, changes in delta.items() if changes}

    def apply_delta(self, delta: Delta) -> None:
        """Make the changes that another process' collector made."""
        if "clear" in delta:
            self.clear_stats()
        for key, value in delta.get("set", {}).items():
            self.set_value(key, value)
        starts = delta.get("start", {})
        for key, count in delta.get("inc", {}).items():
            self.inc_value(key, count, starts.get(key, 0))
        for key, value in delta.get("max", {}).items():
            self.max_value(key, value)
        for key, value in delta.get("min", {}).items():
            self.min_value(key, value)

    def _set_in_delta(self, key: str, value: Any) -> None:
        assert self._delta is not None
        for operation in ("inc", "start", "max", "min"):
            self._delta[operation].pop(key, None)
        self._delta["set"][key] = value

    def _compare_in_delta(self, operation: str, key: str, value: Any) -> None:
        assert self._delta is not None
        better = max if operation == "max" else min
        values = self._delta["set"] if key in self._delta["set"] else self._delta[operation]
        values[key] = better(values.setdefault(key, value), value)


class MemoryStatsCollector(StatsCollector):
    """The default. ``spider_stats`` keeps the statistics of each spider's last crawl, by its name."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.spider_stats: dict[str, StatsT] = {}

    def _persist_stats(self, stats: StatsT) -> None:
        spider = self._crawler.spider
        if spider is not None:
            self.spider_stats[spider.name] = stats


class DummyStatsCollector(StatsCollector):
    """Collects nothing: reads give defaults, writes do nothing."""

    def get_value(self, key: str, default: Any = None, spider: Spider | None = None) -> Any:
        return default

    def set_value(self, key: str, value: Any, spider: Spider | None = None) -> None:
        return

    def set_stats(self, stats: StatsT, spider: Spider | None = None) -> None:
        return

    def inc_value(self, key: str, count: int | float = 1, start: int | float = 0, spider: Spider | None = None) -> None:
        return

    def max_value(self, key: str, value: Any, spider: Spider | None = None) -> None:
        return

    def min_value(self, key: str, value: Any, spider: Spider | None = None) -> None:
        return


def _new_delta(clear: bool = False) -> Delta:
    delta: Delta = {"set": {}, "inc": {}, "start": {}, "max": {}, "min": {}}
    return {"clear": {"all": True}, **delta} if clear else delta
