"""The Scheduler actor: one shard of the frontier."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import msgspec

from raycrawl.actors.process import ActorProcess, first_delay_s
from raycrawl.core.frontier import Frontier, FrontierPolicy, SlotPolicy
from raycrawl.core.messages import (
    Ack,
    LeaseBatch,
    LeasedRecord,
    LeaseReply,
    LeaseRequest,
    Outcome,
    RequestRecord,
    SlotNotice,
)

logger = logging.getLogger(__name__)
_decode_records = msgspec.msgpack.Decoder(list[RequestRecord]).decode
_decode_lease = msgspec.msgpack.Decoder(LeaseRequest).decode
_encode = msgspec.msgpack.Encoder().encode


class Scheduler(ActorProcess):
    """Owns the requests of its partitions: durable, deduplicated, handed out by priority and politeness.

    ``enqueue`` answers when the requests are durable. ``next_requests`` is numbered by the engine: the same number gets
    the same answer, so a call whose answer was lost leases nothing twice.
    """

    kind = "scheduler"

    async def open(self, live: list[bytes] | None = None) -> None:
        """Opens the shard's store; ``live`` are the pages that are in flight (after a restart in a running crawl)."""
        await self._open()
        self._frontier = self._open_frontier()
        self._frontier.reconcile(set(live or ()), now_s=time.time())
        self._dupefilter = self._custom_dupefilter()
        self._last = LeaseReply(0, [], 0)
        interval_s = self._sync_interval_s()
        self._syncs_always = interval_s == 0.0
        self._syncer = asyncio.get_running_loop().create_task(self._sync(interval_s)) if interval_s else None

    def _open_frontier(self) -> Frontier:
        from raycrawl.frontier.jobdir import shard_path
        from raycrawl.frontier.rocks import RocksStore

        settings = self.crawler.settings
        policy = FrontierPolicy(
            concurrency=settings.getint("CONCURRENT_REQUESTS_PER_DOMAIN"),
            delay_s=first_delay_s(settings),
            slots={key: _slot_policy(value) for key, value in settings.getdict("DOWNLOAD_SLOTS").items()},
            order="fifo" if "Fifo" in _queue_name(settings) else "lifo",
            window=max(1, 2 * self.boot.concurrency // self.boot.shards),
            lease_timeout_s=settings.getfloat("LEASE_TIMEOUT", 600.0),
        )
        self._store = RocksStore(shard_path(self.boot.workdir, self.index))
        return Frontier(self._store, policy)

    def _sync_interval_s(self) -> float | None:
        """FRONTIER_SYNC: how often what was written is flushed to the disk itself; None: never, 0: always."""
        value = self.crawler.settings.get("FRONTIER_SYNC", "never")
        if value in (None, "never", False):
            return None
        return 0.0 if value == "always" else float(value)

    async def _sync(self, interval_s: float) -> None:
        """Makes writes survive a loss of power, at most ``interval_s`` late; a process kill they survive anyway."""
        while True:
            await asyncio.sleep(interval_s)
            await self._with_room(self._store.sync)

    def _custom_dupefilter(self) -> Any:
        """A DUPEFILTER_CLASS of the user's; None when the seen-set does its work (the default, and BaseDupeFilter)."""
        if self.crawler.settings["DUPEFILTER_CLASS"] == "raycrawl.dupefilters.RFPDupeFilter":
            return None
        from raycrawl.dupefilters import BaseDupeFilter, RFPDupeFilter
        from raycrawl.utils.misc import build_from_crawler, load_object

        cls = load_object(self.crawler.settings["DUPEFILTER_CLASS"])
        if cls in (BaseDupeFilter, RFPDupeFilter):
            return None
        return build_from_crawler(cls, self.crawler)

    async def enqueue(self, blob: bytes) -> list[int]:
        """Takes requests in; the indexes of those that are known. Durable when it answers."""
        records = _decode_records(blob)
        if self._dupefilter is None:
            return await self._enqueue(records)
        from raycrawl.records import decode_request

        kept: list[int] = []
        for index, record in enumerate(records):
            request = decode_request(record.payload)
            if request.dont_filter or not self._dupefilter.request_seen(request):
                kept.append(index)
        duplicates = set(range(len(records))) - set(kept)
        new = [records[index] for index in kept]
        again = await self._enqueue(new)
        return sorted(duplicates | {kept[index] for index in again})

    async def _enqueue(self, records: list[RequestRecord]) -> list[int]:
        duplicates = await self._with_room(lambda: self._frontier.enqueue(records, now_s=time.time()))
        if self._syncs_always:
            await self._with_room(self._store.sync)
        return duplicates

    async def next_requests(self, blob: bytes) -> bytes:
        """Takes in what has ended, and leases up to ``n`` requests."""
        request = _decode_lease(blob)
        if request.seq == self._last.seq:
            return _encode(self._last)
        if request.seq < self._last.seq:  # a late repeat of a call that was answered: nobody waits for it
            return _encode(LeaseReply(request.seq, [], self._frontier.counts().pending))
        frontier, now_s = self._frontier, time.time()
        await self._with_room(lambda: self._take_news(request))
        if request.live is not None:
            repaired = frontier.reconcile(set(request.live), now_s=now_s)
            if repaired:
                self.crawler.stats.inc_value("engine/leases_repaired", repaired)
        self._last = LeaseReply(
            request.seq,
            self._lease(request.n, now_s) if request.n else [],
            frontier.counts().pending,
            self._next_ready_in_s(now_s),
            self._poisoned(),
        )
        return _encode(self._last)

    def _take_news(self, request: LeaseRequest) -> None:
        """What has ended; repeatable."""
        frontier = self._frontier
        if request.acks:
            frontier.ack(request.acks)
        if request.released:
            frontier.release(request.released, infrastructure=False)
        if request.lost:
            frontier.release(request.lost, infrastructure=True)
        if request.condemned:
            frontier.condemn(request.condemned)
        if request.fetched:
            frontier.fetched(request.fetched)

    def _lease(self, n: int, now_s: float) -> list[LeaseBatch]:
        leases = self._frontier.lease(n, now_s=now_s, owners=self.boot.downloaders)
        count = sum(len(records) for records in leases.values())
        if count:
            self.crawler.stats.inc_value("scheduler/dequeued", count)
            self.reporter.kick()
        return [
            LeaseBatch(
                owner, [r.id for r in records], _encode(records), {r.id: r.attempts for r in records if r.attempts}
            )
            for owner, records in leases.items()
        ]

    def _next_ready_in_s(self, now_s: float) -> float | None:
        ready_s = self._frontier.next_ready_s(now_s)
        return None if ready_s is None else max(0.0, ready_s - now_s)

    def _poisoned(self) -> bytes:
        """Requests whose holders died three times: they get their errback instead of a fourth try."""
        records: list[LeasedRecord] = self._frontier.take_poisoned()
        return _encode(records) if records else b""

    async def set_slots(self, notices: list[SlotNotice]) -> None:
        """A Downloader learned how slots want to be served."""
        now_s = time.time()
        for notice in notices:
            self._frontier.set_slot(
                notice.slot,
                delay_s=notice.delay_s,
                concurrency=notice.concurrency,
                not_before_s=None if notice.hold_s is None else now_s + notice.hold_s,
            )

    async def drop(self, ids: list[bytes]) -> None:
        """Ends requests that nobody will fetch."""
        self._frontier.ack([Ack(page_id, Outcome.DROPPED) for page_id in ids])

    async def counts(self) -> dict[str, int]:
        """Requests by state; the audit adds the shards up."""
        return msgspec.structs.asdict(self._frontier.counts())

    async def look(self, limit: int) -> dict[str, Any]:
        """Counts by state and by slot, the oldest and the next requests, for ``Crawl.frontier()``."""
        from raycrawl.frontier.inspect import look

        return await asyncio.to_thread(look, self._frontier, limit)

    async def stop(self, deadline_s: float) -> None:
        """Closes the store."""
        await super().stop(deadline_s)
        if self._syncer is not None:
            self._syncer.cancel()
        if self._dupefilter is not None:
            self._dupefilter.close("finished")
        self._store.close()


def _slot_policy(value: dict[str, Any]) -> SlotPolicy:
    concurrency = value.get("concurrency")
    delay_s = value.get("delay")
    return SlotPolicy(
        delay_s=None if delay_s is None else float(delay_s),
        concurrency=None if concurrency is None else int(concurrency),
    )


def _queue_name(settings: Any) -> str:
    """The name of the queue class that decides between LIFO and FIFO."""
    value = settings.get("SCHEDULER_DISK_QUEUE" if settings.get("JOBDIR") else "SCHEDULER_MEMORY_QUEUE")
    return value if isinstance(value, str) else getattr(value, "__name__", "")
