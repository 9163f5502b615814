"""Keeps ``spider.state`` between runs of a job."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

from raycrawl import signals
from raycrawl.exceptions import NotConfigured

if TYPE_CHECKING:
    from typing import Self

    from raycrawl.crawler import Crawler
    from raycrawl.spiders import Spider


class SpiderState:
    """Loads ``spider.state`` (a dict) from the job directory at the start and stores it there at the end.

    Every Scraper has its own copy of the spider, and so its own state: the first one's is ``spider.state``, the others
    are ``spider.state.1`` and so on. The file is a pickle that only this class writes.

    Args:
        jobdir: None: the state is an empty dict and nothing is stored.
        index: of the Scraper among the Scrapers.
    """

    process = "scraper"

    def __init__(self, jobdir: str | None = None, index: int = 0) -> None:
        self.jobdir = jobdir
        self.index = index
        self._written = b""

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        jobdir = crawler.settings.get("JOBDIR")
        if not jobdir:
            raise NotConfigured
        Path(jobdir).mkdir(parents=True, exist_ok=True)
        extension = cls(jobdir, getattr(crawler, "process_index", 0))
        crawler.signals.connect(extension.spider_closed, signal=signals.spider_closed)
        crawler.signals.connect(extension.spider_opened, signal=signals.spider_opened)
        return extension

    def spider_opened(self, spider: Spider) -> None:
        spider.state = {}
        if self.jobdir and Path(self.statefn).exists():
            with Path(self.statefn).open("rb") as file:
                spider.state = pickle.load(file)

    def spider_closed(self, spider: Spider) -> None:
        if not self.jobdir:
            return
        self._write(pickle.dumps(spider.state, protocol=4))

    def save_if_changed(self, spider: Spider) -> None:
        """Stores the state while the crawl runs, so that a kill loses no more than a few seconds of it."""
        if not self.jobdir or not getattr(spider, "state", None):
            return
        pickled = pickle.dumps(spider.state, protocol=4)
        if pickled != self._written:
            self._write(pickled)

    def _write(self, pickled: bytes) -> None:
        # Written beside and renamed: a kill in between leaves the older state, not half of this one.
        unfinished = Path(f"{self.statefn}.tmp")
        with unfinished.open("wb") as file:
            file.write(pickled)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self.statefn)
        self._written = pickled

    @property
    def statefn(self) -> str:
        assert self.jobdir, "there is no file without a job directory"
        return str(Path(self.jobdir, "spider.state" if self.index == 0 else f"spider.state.{self.index}"))
