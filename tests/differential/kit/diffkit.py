"""Loaded into both crawlers as an add-on: the same user agent and robots rule, and the final stats in stats.json."""

from __future__ import annotations

import importlib
import json
from typing import Any


class Addon:
    def update_settings(self, settings: Any) -> None:
        settings.set("ROBOTSTXT_OBEY", True, "addon")
        settings.set("USER_AGENT", "differential (+http://127.0.0.1/)", "addon")
        settings.set("EXTENSIONS", {**settings.getdict("EXTENSIONS"), "diffkit.DumpStats": 999}, "spider")


class DumpStats:
    def __init__(self, crawler: Any) -> None:
        self.crawler = crawler
        signals = importlib.import_module(type(crawler).__module__.partition(".")[0] + ".signals")
        crawler.signals.connect(self.write, signal=signals.engine_stopped)

    @classmethod
    def from_crawler(cls, crawler: Any) -> DumpStats:
        return cls(crawler)

    def write(self) -> None:
        with open(self.crawler.settings["STATS_FILE"], "w") as file:
            json.dump(self.crawler.stats.get_stats(), file, default=str, sort_keys=True, indent=1)
