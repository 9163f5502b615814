"""Which requests were seen before.

These classes serve a crawl, or a component, in one process. A cluster's crawl keeps its seen-set in the frontier's
shards, on disk.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from raycrawl.utils.job import job_dir
from raycrawl.utils.request import RequestFingerprinter, referer_str

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request
    from raycrawl.spiders import Spider
    from raycrawl.utils.request import RequestFingerprinterProtocol


class BaseDupeFilter:
    """Filters nothing; the interface of a ``DUPEFILTER_CLASS``."""

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build the filter of a crawl."""
        return cls()

    def request_seen(self, request: Request) -> bool:
        """Whether ``request`` was seen before; from now on it was."""
        return False

    def open(self) -> Any:
        """Called when the crawl starts; may be asynchronous."""

    def close(self, reason: str) -> Any:
        """Called when the crawl ends; may be asynchronous."""

    def log(self, request: Request, spider: Spider) -> None:
        """Say that ``request`` was filtered."""


class RFPDupeFilter(BaseDupeFilter):
    """Filters by request fingerprint (``REQUEST_FINGERPRINTER_CLASS``).

    Args:
        path: a folder: fingerprints are kept in its file ``requests.seen``, one in hexadecimal a line, and read again
            from there. None keeps them in memory only.
        debug: log every filtered request (``DUPEFILTER_DEBUG``), not just the first.
        fingerprinter: has a method ``fingerprint(request) -> bytes``.
    """

    def __init__(
        self,
        path: str | None = None,
        debug: bool = False,
        *,
        fingerprinter: RequestFingerprinterProtocol | None = None,
    ) -> None:
        self.file: IO[str] | None = None
        self.fingerprinter: RequestFingerprinterProtocol = fingerprinter or RequestFingerprinter()
        self.fingerprints: set[str] = set()
        self.logdupes = True
        self.debug = debug
        self.logger = logging.getLogger(__name__)
        if path:
            self.file = Path(path, "requests.seen").open("a+", buffering=1, encoding="utf-8")  # noqa: SIM115
            self.file.seek(0)
            self.fingerprints.update(line.rstrip() for line in self.file)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build the filter of a crawl, in its ``JOBDIR`` when it has one."""
        assert crawler.request_fingerprinter is not None
        return cls(
            job_dir(crawler.settings),
            crawler.settings.getbool("DUPEFILTER_DEBUG"),
            fingerprinter=crawler.request_fingerprinter,
        )

    def request_seen(self, request: Request) -> bool:
        """Whether a request with the same fingerprint was seen before; from now on it was."""
        fingerprint = self.request_fingerprint(request)
        if fingerprint in self.fingerprints:
            return True
        self.fingerprints.add(fingerprint)
        if self.file:
            self.file.write(fingerprint + "\n")
        return False

    def request_fingerprint(self, request: Request) -> str:
        """The fingerprint in hexadecimal."""
        return self.fingerprinter.fingerprint(request).hex()

    def close(self, reason: str) -> None:
        """Close ``requests.seen``."""
        if self.file:
            self.file.close()

    def log(self, request: Request, spider: Spider) -> None:
        """Count a filtered request as ``dupefilter/filtered``, and log it (without ``DUPEFILTER_DEBUG`` the first)."""
        extra = {"spider": spider}
        if self.debug:
            self.logger.debug(
                "Filtered duplicate request: %(request)s (referer: %(referer)s)",
                {"request": request, "referer": referer_str(request)},
                extra=extra,
            )
        elif self.logdupes:
            self.logger.debug(
                "Filtered duplicate request: %(request)s"
                " - no more duplicates will be shown (see DUPEFILTER_DEBUG to show all duplicates)",
                {"request": request},
                extra=extra,
            )
            self.logdupes = False
        stats = spider.crawler.stats
        if stats is not None:
            stats.inc_value("dupefilter/filtered")


__all__ = ["BaseDupeFilter", "RFPDupeFilter"]
