"""One feed of ``FEEDS``: items of pages in, each page once, through crashes, resumes and batches.

Data goes to the operating system first, then the journal says so: what the journal does not know is cut off when the
feed is opened again, and the pages that it does know are skipped when they come again. A local feed in a format that
can be appended to grows in its place and is readable at any time; everything else (remote targets, post-processing,
Parquet, directories) grows in the work directory and is delivered whole.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from raycrawl.feeds.journal import Journal
from raycrawl.feeds.layout import FeedLayout, PartFile, discard
from raycrawl.feeds.options import STDOUT, FeedOptions, timestamp
from raycrawl.feeds.parts import Part
from raycrawl.feeds.shipping import FailedDelivery, Shipping
from raycrawl.feeds.targets import StorageTarget, make_target, redacted

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedResult:
    """What became of a feed.

    Attributes:
        uri: the feed's key in ``FEEDS``.
        items: how many items it has, those of earlier runs of a resumed crawl included.
        files: URIs of its files, in order.
        failed: deliveries that did not work, each with the local path where the file was kept.
        stats: increments that ``take_stats`` did not return yet.
    """

    uri: str
    items: int
    files: tuple[str, ...]
    failed: tuple[FailedDelivery, ...]
    stats: dict[str, int] = field(default_factory=dict)


class FeedWriter:
    """Owns one feed: its journal, the file that grows now, and the delivery of those that are full.

    Not thread-safe. Calls block for disk writes; deliveries run in a thread of their own and only ``close`` waits.

    Args:
        uri: the feed's key in ``FEEDS``.
        feed_options: its value there.
        settings: the crawl's.
        workdir: for the journal and files under way; the same one again to go on after a crash.
        spider: whatever has the spider's attributes, for the URI's parameters (a mapping serves as well).
        crawler: for exporters, filters and storages that have ``from_crawler``.
        sink: takes the bytes of a feed on standard output.
        label: tells the writers of one directory target apart: their part files carry it.
        fsync: commits survive the machine, not only the process.
        keep_dir: where files stay that could not be delivered (default: beside the system's temporary files).
        now: the clock of the URI's timestamps.
    """

    def __init__(
        self,
        uri: str,
        feed_options: Mapping[str, Any],
        *,
        settings: Any,
        workdir: Path | str,
        spider: Any = None,
        crawler: Any = None,
        sink: Callable[[bytes], None] | None = None,
        label: str = "0",
        fsync: bool = False,
        keep_dir: Path | str | None = None,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self.options = FeedOptions.read(str(uri), feed_options, settings)
        if isinstance(spider, Mapping):
            spider = SimpleNamespace(**spider)
        self._now = now
        self._fsync = fsync
        self._sink = sink
        identity = hashlib.blake2b(f"{uri}\0{label}".encode(), digest_size=8).hexdigest()
        self._dir = Path(workdir) / f"feed-{identity}"
        self._journal = Journal(self._dir / "journal", fsync=fsync)
        self._stats: Counter[str] = Counter()
        self._stats_lock = threading.Lock()
        target = make_target(self.options, settings, spider, crawler, sink, fsync=fsync)
        self._layout = FeedLayout(
            self.options, self._dir, spider, crawler, self._count, label=label, fsync=fsync,
            has_own_storage=isinstance(target, StorageTarget),
        )
        self._shipping = Shipping(
            self.options, target, self._dir, self._count, settings, keep_dir,
            is_parquet=self._layout.is_parquet,
        )
        self._streams = self.options.kind == STDOUT and not (self.options.postprocessing or self._layout.is_parquet)
        self._uncommitted: dict[bytes, None] = {}
        self._waiting: list[Any] = []
        self._part: Part | None = None
        self._file: PartFile | None = None
        self._full: list[tuple[Part, PartFile]] = []
        self._state: dict[str, Any] = {}

    # -- life -------------------------------------------------------------------------------------------------------

    def open(self, resume: bool = True) -> bool:
        """Open the feed.

        Args:
            resume: go on with what a crashed or paused writer left in ``workdir``. False forgets it, for a crawl that
                starts anew in the same place.

        Returns:
            Whether there was something to go on with.

        Raises:
            FeedError: another process writes the feed, its file was cut or replaced behind its back, what is there
                cannot be appended to, or the directory cannot be written.
        """
        found = self._journal.open()
        if found and not resume:
            self._journal.close()
            self._journal.path.unlink()
            self._journal = Journal(self._journal.path, fsync=self._fsync)
            found = self._journal.open()
        if found and self.options.kind == STDOUT and (self._journal.state or {}).get("closed"):
            found = False  # another run has another standard output
        if found:
            self.recover()
        else:
            self._layout.clean(keep=())
            self._state = {
                "run": os.urandom(4).hex(),
                "started": timestamp(self._now().replace(microsecond=0, tzinfo=None)),
                "seq": 0, "total": 0, "emitted": 0, "current": None, "ready": [], "closed": False,
            }  # fmt: skip
            self._layout.check(self._new_file(1))
        return found

    def recover(self) -> None:
        """Bring the files back to the last commit and go on from there."""
        state = self._state = dict(self._journal.state or {})
        self._layout.undo(self._journal.created)
        current = state.get("current")
        ready = [PartFile.from_dict(entry) for entry in state["ready"]]
        keep = [file.path for file in ready]
        if current is not None:
            self._file = PartFile.from_dict(current["file"])
            keep.append(self._file.path)
        self._layout.clean(keep=keep)
        if current is not None and self._file is not None:
            self._part = self._layout.open_part(self._file, current["part"])
        state["closed"] = False
        for file in ready:
            self._shipping.ship(file)
        logger.info("Feed %s goes on: %d items are in it", self.options.uri, state["total"])

    def write(self, pages: Sequence[tuple[bytes, Sequence[Any]]]) -> int:
        """Export the items of each page that is not in the feed yet. They count from the next ``commit`` on.

        Returns:
            The number of pages that were skipped because they are in the feed already.
        """
        committed, uncommitted = self._journal.page_ids, self._uncommitted
        fresh: list[Any] = []
        skipped = 0
        for page_id, items in pages:
            if page_id in committed or page_id in uncommitted:
                skipped += 1
                continue
            uncommitted[page_id] = None
            fresh.extend(items)
        if skipped:
            self._count("duplicate_pages", skipped)
        self._waiting.extend(fresh if self.options.accepts is None else self._accepted(fresh, self.options.accepts))
        try:
            self._add_waiting()
        except OSError as error:  # a full disk, say: ``commit`` tries again, and raises
            logger.warning("Feed %s cannot be written now: %s", redacted(self.options.uri), error)
        return skipped

    def _accepted(self, items: list[Any], accepts: Callable[[Any], bool]) -> list[Any]:
        accepted = []
        for item in items:
            try:
                if accepts(item):
                    accepted.append(item)
            except Exception:
                self._count("items_dropped")
                logger.exception("The item filter of the feed %s failed, so an item is missing", self.options.uri)
        return accepted

    def _add_waiting(self) -> None:
        while self._waiting:
            if self._part is None:
                self._begin_part()
            part = self._part
            assert part is not None
            batch = self.options.batch_item_count
            chunk = self._waiting[: batch - part.items] if batch else self._waiting
            self._waiting = self._waiting[len(chunk) :] if batch else []
            self._state["total"] += part.add(chunk)
            if self._layout.is_full(part):
                self._end_part()

    def _begin_part(self) -> None:
        file = self._new_file(self._state["seq"] + 1)
        self._journal.intend(file.to_dict())
        self._part = self._layout.open_part(file, None)
        self._file = file
        self._state["seq"] = file.seq

    def _new_file(self, seq: int) -> PartFile:
        now = timestamp(self._now().replace(tzinfo=None))
        return self._layout.new_file(
            seq, self._state["run"], self._state["started"], now, again=self._state.get("finished", False)
        )

    def _end_part(self) -> None:
        assert self._part is not None
        assert self._file is not None
        self._part.finish()
        self._file.items = self._part.items
        self._full.append((self._part, self._file))
        self._part = self._file = None

    def commit(self) -> None:
        """Flush and journal. When it returns, a kill loses nothing of what was written before.

        Raises:
            OSError: the disk is full or gone. Nothing is lost or doubled: call it again when there is room.
        """
        if not self._uncommitted and not self._full:
            return
        self._add_waiting()
        for part, _ in self._full:
            part.flush()
        self._journal_now([file for _, file in self._full])
        for part, file in self._full:
            part.close()
            self._shipping.ship(file)
        self._full.clear()
        self._emit()

    def _journal_now(self, full: Sequence[PartFile] = ()) -> None:
        """Journal the pages written so far, the state of the file that grows, and the files that are full."""
        current = None
        if self._part is not None and self._file is not None:
            current = {"file": self._file.to_dict(), "part": self._part.flush()}
        state = self._state
        state["current"] = current
        state["ready"] = [*state["ready"], *(file.to_dict() for file in full if not file.in_place)]
        self._record([file.uri for file in full])
        self._uncommitted.clear()

    def _record(self, files: Sequence[str] = ()) -> None:
        shipped = self._shipping.take_shipped()
        self._state["ready"] = [file for file in self._state["ready"] if file["seq"] not in shipped]
        self._journal.commit(self._uncommitted, dict(self._state), files)
        for path in shipped.values():
            discard(path)

    def _emit(self) -> None:
        """Pass on what a feed on standard output has gained."""
        if not self._streams or self._sink is None:
            return
        data = self._layout.read_from(self._file, self._part, self._state["emitted"])
        if data:
            self._sink(data)
            self._state["emitted"] += len(data)
            self._record()

    def forget(self, page_ids: Iterable[bytes]) -> None:
        """These pages are done in the frontier and cannot come again: their ids need no memory any more."""
        self._journal.forget(page_ids)

    def close(self, reason: str = "finished", *, final: bool | None = None) -> FeedResult:
        """Commit, end and deliver the files, and wait for the deliveries.

        Args:
            reason: the crawl's.
            final: whether nothing can follow. False (the default for every reason but "finished") delivers what there
                is and keeps what a resumed crawl needs to go on.
        """
        final = reason == "finished" if final is None else final
        self.commit()
        if self._part is None and not self._journal.files and self.options.store_empty and final:
            self._begin_part()
        if self._part is not None and self._file is not None:
            self._end(self._part, self._file, final)
        failed = self._shipping.wait()
        files = (*self._journal.files, *([self._file.uri] if self._file else []))
        if self.options.is_directory and files:
            failed = self._shipping.write_manifest(self._layout.manifest_uri, files)
        self._state["closed"] = True
        self._record()
        self._journal.close()
        return FeedResult(
            uri=self.options.uri, items=self._state["total"], files=files, failed=failed, stats=self.take_stats()
        )

    def _end(self, part: Part, file: PartFile, final: bool) -> None:
        """End the file that grows, and deliver it.

        The journal keeps the state before its end wherever the file may have to grow again: when the crawl is to be
        resumed, and when it is finished but killed before that is written down. Only a delivered spool file is gone.
        """
        delivered = final and not file.in_place and not self._streams
        if not delivered and not part.is_finished:
            self._journal_now()
        part.finish()
        part.flush()
        file.items = part.items
        if self._streams:
            self._emit()
            self._count("success_count/StdoutFeedStorage")
        elif not delivered:
            self._shipping.ship(file, keep=True)
        else:
            self._part = self._file = None
            self._state["finished"] = True
            self._journal_now([file])
            self._shipping.ship(file)
        part.close()
        self._part = None

    # -- stats ------------------------------------------------------------------------------------------------------

    def _count(self, name: str, value: int = 1) -> None:
        with self._stats_lock:  # deliveries count from their own thread
            self._stats[f"feedexport/{name}"] += value

    def take_stats(self) -> dict[str, int]:
        """Stat increments since the last call."""
        with self._stats_lock:
            stats, self._stats = dict(self._stats), Counter()
        return stats
