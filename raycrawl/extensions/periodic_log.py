"""Logs chosen stats, their changes and the time, as JSON, again and again."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from raycrawl import signals
from raycrawl.exceptions import NotConfigured
from raycrawl.utils.asyncio import create_looping_call
from raycrawl.utils.serialize import ScrapyJSONEncoder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from raycrawl.crawler import Crawler
    from raycrawl.spiders import Spider
    from raycrawl.statscollectors import StatsCollector
    from raycrawl.utils.asyncio import AsyncioLoopingCall

logger = logging.getLogger(__name__)


class PeriodicLog:
    """Every ``LOGSTATS_INTERVAL`` seconds and at the end, one JSON object at level INFO.

    Its parts: ``stats`` (``PERIODIC_LOG_STATS``), ``delta``, what numbers changed by since the last time
    (``PERIODIC_LOG_DELTA``), and ``time`` (``PERIODIC_LOG_TIMING_ENABLED``). The first two settings are True (all
    stats) or a dict with ``include`` and ``exclude``: lists of parts of stats keys.

    Args:
        interval: seconds.
        ext_stats, ext_delta: None or an empty dict switch the part off.
    """

    def __init__(
        self,
        stats: StatsCollector,
        interval: float = 60.0,
        ext_stats: dict[str, Any] | None = None,
        ext_delta: dict[str, Any] | None = None,
        ext_timing_enabled: bool = False,
    ) -> None:
        self.stats = stats
        self.interval = interval
        self.task: AsyncioLoopingCall[..., None] | None = None
        self.encoder = ScrapyJSONEncoder(sort_keys=True, indent=4)
        self.ext_stats_enabled = bool(ext_stats)
        self.ext_stats_include, self.ext_stats_exclude = _include_exclude(ext_stats)
        self.ext_delta_enabled = bool(ext_delta)
        self.ext_delta_include, self.ext_delta_exclude = _include_exclude(ext_delta)
        self.ext_timing_enabled = ext_timing_enabled
        self.time_prev = datetime.now(tz=UTC)
        self.delta_prev: dict[str, int | float] = {}

    @property
    def multiplier(self) -> float:
        """How many intervals make a minute."""
        return 60.0 / self.interval

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        settings = crawler.settings
        interval = settings.getfloat("LOGSTATS_INTERVAL")
        ext_stats = _part(settings.get("PERIODIC_LOG_STATS"), "PERIODIC_LOG_STATS")
        ext_delta = _part(settings.get("PERIODIC_LOG_DELTA"), "PERIODIC_LOG_DELTA")
        ext_timing_enabled = settings.getbool("PERIODIC_LOG_TIMING_ENABLED")
        if not interval or not (ext_stats or ext_delta or ext_timing_enabled):
            raise NotConfigured
        extension = cls(crawler.stats, interval, ext_stats, ext_delta, ext_timing_enabled)
        crawler.signals.connect(extension.spider_opened, signal=signals.spider_opened)
        crawler.signals.connect(extension.spider_closed, signal=signals.spider_closed)
        return extension

    def spider_opened(self, spider: Spider) -> None:
        self.time_prev = datetime.now(tz=UTC)
        self.delta_prev = {}
        self.task = create_looping_call(self.log)
        self.task.start(self.interval)

    def log(self) -> None:
        entry: dict[str, Any] = {}
        if self.ext_timing_enabled:
            entry.update(self.log_timing())
        if self.ext_delta_enabled:
            entry.update(self.log_delta())
        if self.ext_stats_enabled:
            entry.update(self.log_crawler_stats())
        logger.info("%s", self.encoder.encode(entry))

    def log_delta(self) -> dict[str, Any]:
        """``{"delta": ...}``: by how much the chosen numbers changed since the last call."""
        numbers: dict[str, int | float] = {
            key: value
            for key, value in self.stats.get_stats().items()
            if isinstance(value, int | float)
            and self.param_allowed(key, self.ext_delta_include, self.ext_delta_exclude)
        }
        delta = {key: value - self.delta_prev.get(key, 0) for key, value in numbers.items()}
        self.delta_prev = numbers
        return {"delta": delta}

    def log_timing(self) -> dict[str, Any]:
        """``{"time": ...}``: the interval, how long it really was, and for how long the spider runs."""
        now = datetime.now(tz=UTC)
        started = self.stats.get_value("start_time") or now
        timing = {
            "log_interval": self.interval,
            "start_time": started.isoformat(),
            "utcnow": now.isoformat(),
            "log_interval_real": (now - self.time_prev).total_seconds(),
            "elapsed": (now - started).total_seconds(),
        }
        self.time_prev = now
        return {"time": timing}

    def log_crawler_stats(self) -> dict[str, Any]:
        """``{"stats": ...}``: the chosen stats."""
        chosen = {
            key: value
            for key, value in self.stats.get_stats().items()
            if self.param_allowed(key, self.ext_stats_include, self.ext_stats_exclude)
        }
        return {"stats": chosen}

    def param_allowed(self, stat_name: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
        """Whether a stat is chosen: no part of ``exclude`` is in its name, and one of ``include`` is (if there are)."""
        if any(part in stat_name for part in exclude):
            return False
        return not include or any(part in stat_name for part in include)

    def spider_closed(self, spider: Spider, reason: str) -> None:
        self.log()
        if self.task is not None and self.task.running:
            self.task.stop()


def _part(value: Any, name: str) -> dict[str, Any] | None:
    """The dict that a setting of True, False, None or a dict means; an empty dict is off."""
    if value is True:
        return {"enabled": True}
    if value is None or value is False or value == {}:
        return None
    if isinstance(value, str):
        if value.strip().lower() in ("true", "1"):
            return {"enabled": True}
        if value.strip().lower() in ("false", "0", ""):
            return None
        value = json.loads(value)
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be True or a dict with 'include' and 'exclude', got {value!r}")
    return value


def _include_exclude(part: dict[str, Any] | None) -> tuple[Sequence[str], Sequence[str]]:
    part = part or {}
    return part.get("include", ()), part.get("exclude", ())
