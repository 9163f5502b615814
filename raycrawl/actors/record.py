"""What the engine's process keeps of the crawl as a whole: stats, log lines, extensions, what the driver is shown."""

from __future__ import annotations

import asyncio
import logging
import pickle
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from raycrawl import signals
from raycrawl.actors.eventlog import arguments_from
from raycrawl.actors.idle import IdleVerdict, idle_verdict
from raycrawl.actors.jobmemory import JobMemory
from raycrawl.actors.logs import LogShip
from raycrawl.actors.process import Boot, Health, stand_in_spider
from raycrawl.core.facade import EngineStatus, ExecutionEngine
from raycrawl.core.lifecycle import State
from raycrawl.core.messages import LeasedRecord, LogLine, Page, Report, RequestRecord, SlotNotice
from raycrawl.exceptions import CloseSpider, DontCloseSpider

if TYPE_CHECKING:
    from raycrawl.core.engine import EngineCore
    from raycrawl.crawler import Crawler

logger = logging.getLogger(__name__)
LOG_LINES_KEPT = 200_000
_OF_ONE_RUN = frozenset({"start_time", "finish_time", "finish_reason", "elapsed_time_seconds"})
RATE_WINDOW_S = 5.0
SLOTS_KEPT = 100_000
GIVEN_UP_KEPT = 1000
_decode_leases = msgspec.msgpack.Decoder(list[LeasedRecord]).decode


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What the driver is shown: the crawl's numbers now, the log lines since the last look, and how it ended."""

    state: str
    pages: int
    items: int
    queued: int
    in_flight: int
    errors: int
    pages_per_s: float
    elapsed_s: float
    backout_reason: str
    finish_reason: str
    finished: bool
    given_up: str
    failed_feeds: list[str]
    audit: str
    logs: list[LogLine]


decode_snapshot = msgspec.msgpack.Decoder(Snapshot).decode


class Record:
    """Owns the stats of record, the extensions of the engine's process and the log lines on their way to the driver.

    Invariant: the stats and events of a report (sender, incarnation, seq) are applied once, whatever is repeated.
    """

    def __init__(self, crawler: Crawler, boot: Boot, link: Any) -> None:
        from raycrawl.extension import ExtensionManager

        self.crawler, self._boot = crawler, boot
        self.stats = crawler.stats
        self.finished = asyncio.Event()
        self.failed_feeds: list[str] = []
        self.audit = ""
        self.memory_backout_percent = crawler.settings.getfloat("MEMORY_BACKOUT_PERCENT", 95.0)
        self.disk_full_timeout_s = crawler.settings.getfloat("DISK_FULL_TIMEOUT", 3600.0)
        self.given_up = ""
        self.scraper_timeout_s = crawler.settings.getfloat("SCRAPER_TIMEOUT", 180.0)
        self._lines: deque[LogLine] = deque(maxlen=LOG_LINES_KEPT)
        self._news = asyncio.Event()
        self._seen: dict[tuple[str, int], set[int]] = {}
        self._slots: dict[str, tuple[float | None, int | None, float]] = {}
        self._memory = JobMemory(boot.workdir)
        self._timeouts: dict[bytes, str] = {}
        self._given_up: dict[bytes, bytes] = {}
        self._started_s = time.monotonic()
        self._rates: deque[tuple[float, int]] = deque()
        if link.channel.ships_logs:
            LogShip.install(crawler.settings, self._line)
        crawler.engine = ExecutionEngine(crawler, link=link)
        crawler.spider = stand_in_spider(crawler, boot.spider_args)
        crawler.engine.spider = crawler.spider
        self._recall()
        self.extensions = ExtensionManager.for_process(crawler, "engine")

    def _recall(self) -> None:
        """What an earlier run of this job left: its stats go on, its slots stay as polite as they were."""
        stats = self._memory.load("stats", {})
        if stats:
            self.stats.set_stats({key: value for key, value in stats.items() if key not in _OF_ONE_RUN})
        self._slots = self._memory.load("slots", {})
        self.start_exhausted: bool = self._memory.load("start_exhausted", False)
        self.downloader_states: dict[str, Any] = self._memory.load("downloaders", {})

    async def remember(self, *, start_exhausted: bool, downloader_states: list[dict[str, Any]] = []) -> None:  # noqa: B006
        """Keeps all of that, as it is now; the disk is waited for in a thread."""
        for states in downloader_states:
            self.downloader_states.update(states)
        values = {
            "stats": dict(self.stats.get_stats()),
            "slots": dict(self._slots),
            "start_exhausted": start_exhausted,
            "downloaders": dict(self.downloader_states),
        }
        await asyncio.to_thread(self._memory.save_all, values)

    def remember_stats(self) -> None:
        """Keeps the stats as they are at the end."""
        self._memory.save("stats", dict(self.stats.get_stats()))

    def _line(self, line: LogLine) -> None:
        self._lines.append(line)
        self._news.set()

    # Reports.

    def take(self, report: Report) -> bool:
        """Applies what a report says of stats, logs and events; False when it was taken before."""
        seen = self._seen.setdefault((report.sender, report.incarnation), set())
        if report.seq in seen:
            return False
        seen.add(report.seq)
        if len(seen) > 10_000:
            seen -= set(sorted(seen)[:5_000])
        for notice in report.slots:
            self._note_slot(notice)
        if report.logs:
            self._lines.extend(report.logs)
            self._news.set()
        if report.stats:
            self.stats.apply_delta(pickle.loads(report.stats))  # made by an actor of this crawl
            self.extensions.stats_changed(self.stats.get_stats())
        for name, payload in report.events:
            arguments = arguments_from(payload)
            self.crawler.signals.send_catch_log(getattr(signals, name), spider=self.crawler.spider, **arguments)
        return True

    def enqueued(self, count: int, duplicates: int) -> None:
        """Requests went into the frontier from this process."""
        if count - duplicates:
            self.stats.inc_value("scheduler/enqueued", count - duplicates)
        if duplicates:
            self.stats.inc_value("dupefilter/filtered", duplicates)

    def _note_slot(self, notice: SlotNotice) -> None:
        """Keeps what is known of a slot: delay, concurrency, and until when (wall clock) it holds still."""
        delay_s, concurrency, until_s = self._slots.pop(notice.slot, (None, None, 0.0))
        if notice.hold_s is not None:
            until_s = max(until_s, time.time() + notice.hold_s)
        self._slots[notice.slot] = (
            delay_s if notice.delay_s is None else notice.delay_s,
            concurrency if notice.concurrency is None else notice.concurrency,
            until_s,
        )
        if len(self._slots) > SLOTS_KEPT:
            del self._slots[next(iter(self._slots))]

    def slot_notices(self) -> list[SlotNotice]:
        """How slots want to be served, for a Downloader that starts anew."""
        now_s = time.time()
        return [
            SlotNotice(slot, delay_s, concurrency, until_s - now_s if until_s > now_s else None)
            for slot, (delay_s, concurrency, until_s) in self._slots.items()
        ]

    def note_health(self, name: str, health: Health) -> None:
        """An actor's pulse came."""
        self.stats.max_value("memusage/max", health.rss_nbytes)

    # Signals and hooks of this process.

    def listens_to(self) -> list[str]:
        """The names of the signals that a component of this process listens to and that happen elsewhere."""
        names = ("item_scraped", "item_dropped", "item_error", "spider_error", "response_received", "request_scheduled")
        return [name for name in names if self.crawler.signals.has_listeners(getattr(signals, name))]

    async def signal(self, name: str, **kwargs: Any) -> None:
        """Sends a signal to the components of this process."""
        await self.crawler.signals.send_catch_log_async(getattr(signals, name), **kwargs)

    async def opened(self) -> None:
        """The crawl begins."""
        self.stats.open_spider(self.crawler.spider)
        await self.signal("engine_started")
        await self.signal("spider_opened", spider=self.crawler.spider)
        logger.info("Spider opened", extra={"spider": self.crawler.spider})

    async def ask_idle(self) -> IdleVerdict:
        """Runs the ``spider_idle`` handlers of this process."""
        results = await self.crawler.signals.send_catch_log_async(
            signals.spider_idle, spider=self.crawler.spider, dont_log=(DontCloseSpider, CloseSpider)
        )
        return idle_verdict(results)

    def encode(self, request: Any) -> bytes:
        """A request of a component of this process, ready for the frontier."""
        from raycrawl import records

        self._started_ordinal = getattr(self, "_started_ordinal", 0) + 1
        identity = records.request_id(request, self.crawler.request_fingerprinter, b"engine", self._started_ordinal)
        record = RequestRecord(
            identity, records.slot_key(request), request.priority, records.encode_request(request, self.crawler.spider)
        )
        return msgspec.msgpack.encode([record])

    def poisoned(self, blob: bytes) -> list[Page]:
        """Leases that killed their holders, or whose callbacks do not end, as failed pages."""
        pages = []
        for lease in _decode_leases(blob):
            failure = self._given_up.get(lease.id)  # once more: the Scraper that was to call the errback has died
            if failure is None:
                failure = self._given_up[lease.id] = self._give_up_request(lease)
                if len(self._given_up) > GIVEN_UP_KEPT:
                    del self._given_up[next(iter(self._given_up))]
            pages.append(Page(lease.id, lease.payload, None, failure, attempts=lease.attempts, is_given_up=True))
        return pages

    def _give_up_request(self, lease: LeasedRecord) -> bytes:
        """Says and counts why a request is given up; the failure for its errback, encoded."""
        from raycrawl import records
        from raycrawl.exceptions import CallbackTimeoutError, DownloadFailedError
        from raycrawl.failure import Failure

        request = records.decode_request(lease.payload)
        callback = str(request.callback or "parse")
        traceback = self._timeouts.pop(lease.id, None)
        if traceback is None:
            self.stats.inc_value("engine/poisoned")
            logger.error("%s is given up: it has ended the processes that worked on it (%s)", request, callback)
            error: Exception = DownloadFailedError("the processes that worked on this request died, three times")
        else:
            text = f"{callback}() ran for more than {self.scraper_timeout_s:g} s (SCRAPER_TIMEOUT)"
            logger.error("%s is given up: %s%s", request, text, traceback and f"; innermost first:\n{traceback}")
            error = CallbackTimeoutError(text)
        return msgspec.msgpack.encode(Failure(error).to_dict())

    def timed_out(self, page_id: bytes, traceback: str) -> None:
        """A Scraper was ended because this page's callback did not come back."""
        self.stats.inc_value("scraper/timeout")
        self._timeouts[page_id] = traceback

    # The driver.

    async def watch(self, timeout_s: float, core: EngineCore) -> bytes:
        """A Snapshot, as soon as there are log lines or the end, at the latest in ``timeout_s``."""
        if not self._lines and not self.finished.is_set():
            self._news.clear()
            waiters = [asyncio.ensure_future(self._news.wait()), asyncio.ensure_future(self.finished.wait())]
            await asyncio.wait(waiters, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            for waiter in waiters:
                waiter.cancel()
        lines, self._lines = list(self._lines), deque(maxlen=LOG_LINES_KEPT)
        return msgspec.msgpack.encode(self._snapshot(core, lines))

    def look(self, core: EngineCore) -> bytes:
        """A Snapshot without log lines: those are the driver's."""
        return msgspec.msgpack.encode(self._snapshot(core, []))

    def _snapshot(self, core: EngineCore, lines: list[LogLine]) -> Snapshot:
        get = self.stats.get_value
        pages, now_s = get("response_received_count", 0), time.monotonic()
        reason = core.backout_reason()
        return Snapshot(
            state=core.state.value,
            pages=pages,
            items=get("item_scraped_count", 0),
            queued=sum(shard.pending for shard in core.shards),
            in_flight=len(core.ledger),
            errors=get("spider_exceptions/count", 0) + get("downloader/exception_count", 0),
            pages_per_s=self._rate(pages, now_s),
            elapsed_s=now_s - self._started_s,
            backout_reason=reason.value if reason else "",
            finish_reason=self.given_up or (core.close_reason if core.state is State.CLOSED else ""),
            given_up=self.given_up,
            finished=self.finished.is_set(),
            failed_feeds=self.failed_feeds,
            audit=self.audit,
            logs=lines,
        )

    def _rate(self, pages: int, now_s: float) -> float:
        """Pages a second over the last ``RATE_WINDOW_S`` seconds."""
        self._rates.append((now_s, pages))
        while now_s - self._rates[0][0] > RATE_WINDOW_S:
            self._rates.popleft()
        then_s, before = self._rates[0]
        return (pages - before) / (now_s - then_s) if now_s > then_s else 0.0

    def give_up(self, reason: str) -> None:
        """Ends the crawl where it stands, resumable: nothing is closed, what is durable stays as it is."""
        self.given_up = reason
        self.stats.set_value("finish_reason", reason)
        self.finished.set()

    def set_status(self, status: EngineStatus) -> None:
        """The status that components of this process see."""
        self.crawler.engine.status = status
