"""The engine's ledger: every page that is in flight, who holds it, and the sums that ``needs_backout()`` reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from raycrawl.core.messages import PageFetched


class Holder(NamedTuple):
    """One life of an actor: ``kind`` is "downloader" or "scraper"."""

    kind: str
    number: int
    incarnation: int


class Entry(NamedTuple):
    """A page in flight: the shard that leased it out, who holds it, its size (0 while it downloads), since when."""

    shard: int
    holder: Holder
    nbytes: int
    since_s: float
    attempts: int = 0


class Ledger:
    """Counts at the command, uncounts at the report.

    Invariants: ``downloading`` + ``unscraped`` = number of entries; ``unscraped_nbytes`` is the sum of the sizes of the
    entries that a Scraper holds; every entry stands in exactly one holder's set. It never holds a body, a URL or a
    payload. ``waiting`` is what Downloaders say waits for a slot's delay: it holds none of the crawl's concurrency.
    """

    def __init__(self) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._held: dict[Holder, dict[bytes, None]] = {}
        self.downloading = 0
        self.unscraped = 0
        self.unscraped_nbytes = 0
        self._waiting: dict[Holder, int] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, page_id: bytes) -> bool:
        return page_id in self._entries

    def holder(self, page_id: bytes) -> Holder | None:
        """Who holds the page; None when it is not in flight."""
        entry = self._entries.get(page_id)
        return entry.holder if entry else None

    def lease(
        self,
        shard: int,
        holder: Holder,
        ids: Iterable[bytes],
        *,
        now_s: float,
        attempts: Mapping[bytes, int] = MappingProxyType({}),
    ) -> None:
        """Pages were handed to a Downloader. A page that is there already (a repeated lease) changes hands.

        ``attempts`` says how often holders died with a page; pages that it does not name are new.
        """
        for page_id in ids:
            self.end(page_id)
            self._add(page_id, Entry(shard, holder, 0, now_s, attempts.get(page_id, 0)))

    def fetched(self, page: PageFetched, now_s: float) -> int | None:
        """A page moved on to a Scraper; the shard it came from, or None when it is not in flight (a late report)."""
        entry = self._entries.get(page.id)
        if entry is None or entry.holder.kind == "scraper":
            return None
        self.end(page.id)
        holder = Holder("scraper", page.scraper, page.incarnation)
        self._add(page.id, Entry(entry.shard, holder, page.nbytes, now_s, entry.attempts))
        return entry.shard

    def end(self, page_id: bytes) -> int | None:
        """The page is done, failed, dropped or released; its shard, or None when it was not in flight."""
        entry = self._entries.pop(page_id, None)
        if entry is None:
            return None
        held = self._held[entry.holder]
        del held[page_id]
        if not held:
            del self._held[entry.holder]
        self._count(entry, -1)
        return entry.shard

    def lost(self, holder: Holder) -> list[tuple[bytes, Entry]]:
        """Takes off, and returns, all that a holder had when it died."""
        self._waiting.pop(holder, None)
        entries = [(page_id, self._entries[page_id]) for page_id in self._held.get(holder, ())]
        for page_id, _ in entries:
            self.end(page_id)
        return entries

    def set_waiting(self, holder: Holder, waiting: int) -> None:
        """A Downloader said how many of its requests wait for their slot's delay."""
        self._waiting[holder] = waiting

    @property
    def transferring(self) -> int:
        """Requests at Downloaders that do not wait for a delay."""
        waiting = sum(min(count, len(self._held.get(holder, ()))) for holder, count in self._waiting.items())
        return self.downloading - waiting

    def held(self, holder: Holder, before_s: float) -> list[bytes]:
        """The pages that ``holder`` has had since before ``before_s``."""
        return [page_id for page_id in self._held.get(holder, ()) if self._entries[page_id].since_s < before_s]

    def of_shard(self, shard: int) -> list[bytes]:
        """The pages that ``shard`` leased out and that are in flight."""
        return [page_id for page_id, entry in self._entries.items() if entry.shard == shard]

    def _add(self, page_id: bytes, entry: Entry) -> None:
        self._entries[page_id] = entry
        self._held.setdefault(entry.holder, {})[page_id] = None
        self._count(entry, 1)

    def _count(self, entry: Entry, sign: int) -> None:
        if entry.holder.kind == "scraper":
            self.unscraped += sign
            self.unscraped_nbytes += sign * entry.nbytes
        else:
            self.downloading += sign

    def validate(self) -> None:
        """Asserts the invariants."""
        entries = self._entries.values()
        assert self.downloading + self.unscraped == len(self._entries)
        assert self.unscraped == sum(entry.holder.kind == "scraper" for entry in entries)
        assert self.unscraped_nbytes == sum(entry.nbytes for entry in entries)
        assert sum(len(ids) for ids in self._held.values()) == len(self._entries)
        assert all(page_id in self._held[entry.holder] for page_id, entry in self._entries.items())
