"""What the driver, a view of the crawl and components in the engine's process ask of a crawl."""

from __future__ import annotations

import pickle
from typing import Any

import msgspec

from raycrawl.actors.channel import Channel
from raycrawl.actors.crew import Crew
from raycrawl.actors.downloads import RemoteDownloads
from raycrawl.actors.loop import Tasks
from raycrawl.actors.process import Boot
from raycrawl.actors.record import Record
from raycrawl.core import events as ev
from raycrawl.core.engine import EngineCore
from raycrawl.core.messages import RequestRecord
from raycrawl.core.partitions import owner_of

_encode = msgspec.msgpack.Encoder().encode


class Orders:
    """The part of the engine's actor that is called from outside: Scrapy's engine methods, and looks at the crawl."""

    boot: Boot
    channel: Channel
    core: EngineCore
    crew: Crew
    downloads: RemoteDownloads
    record: Record
    tasks: Tasks

    def _handle(self, event: ev.Event) -> None:
        raise RuntimeError("the engine handles events")

    def core_stats(self) -> None:
        """Puts what only the core knows into the stats."""
        for cause, seconds in self.core.backout_seconds.items():
            if seconds >= 0.001:
                self.record.stats.set_value(f"engine/backout_seconds/{cause.value}", round(seconds, 3))

    async def open_spider(self, close_if_idle: bool = True) -> None:
        """Says whether the crawl ends when it is idle; without that it waits for requests until it is closed."""
        self._handle(ev.IdlePolicySet(close_if_idle=close_if_idle))

    async def stop(self) -> None:
        """Ends the crawl gracefully, reason "shutdown"."""
        await self.close("shutdown")

    async def close_spider(self, reason: str = "cancelled") -> None:
        """Ends the crawl gracefully with a reason."""
        await self.close(reason)

    async def needs_backout(self) -> bool:
        """True: nothing is taken from the frontier now."""
        return self.core.needs_backout()

    async def backout_reason(self) -> str | None:
        """The cause of ``needs_backout``, or None."""
        reason = self.core.backout_reason()
        return reason.value if reason else None

    async def has_capacity(self) -> bool:
        """True: there is room for another request."""
        return self.core.has_capacity()

    async def spider_is_idle(self) -> bool:
        """True: nothing is in flight or pending, and ``Spider.start()`` has ended."""
        return self.core.spider_is_idle()

    async def scheduler_empty(self) -> bool:
        """True: nothing is pending in any shard."""
        return self.core.scheduler_empty()

    async def pause(self) -> None:
        """Takes nothing new until ``unpause``."""
        self._handle(ev.PauseRequested())

    async def unpause(self) -> None:
        """Goes on."""
        self._handle(ev.UnpauseRequested())

    async def close(self, reason: str = "shutdown") -> None:
        """Ends the crawl gracefully."""
        self._handle(ev.CloseRequested(reason=reason))

    async def crawl(self, records: bytes) -> None:
        """Puts requests (an encoded list of RequestRecord) into the frontier; durable when it answers."""
        by_shard: dict[int, list[RequestRecord]] = {}
        for record in msgspec.msgpack.decode(records, type=list[RequestRecord]):
            by_shard.setdefault(owner_of(record.slot, self.boot.shards), []).append(record)
        for shard, batch in by_shard.items():
            duplicates = await self.channel.call_durably(f"scheduler:{shard}", "enqueue", _encode(batch))
            self.record.enqueued(len(batch), len(duplicates))
        self._handle(ev.Enqueued(touched=tuple(by_shard)))

    async def slots(self) -> list[dict[str, Any]]:
        """All slots of all Downloaders."""
        return [slot for slots in await self.crew.gather("downloader", "slots") for slot in slots]

    async def frontier(self, limit: int = 10) -> list[dict[str, Any]]:
        """A look into every shard."""
        return await self.crew.gather("scheduler", "look", limit)

    async def stats(self) -> bytes:
        """The stats of record, pickled."""
        self.core_stats()
        return pickle.dumps(self.record.stats.get_stats())

    async def watch(self, timeout_s: float) -> bytes:
        """What has happened since the last call: log lines, status, the end. Answers within ``timeout_s``."""
        return await self.record.watch(timeout_s, self.core)

    async def look(self) -> bytes:
        """The crawl's numbers now, for whoever asks."""
        return self.record.look(self.core)

    async def state(self) -> str:
        """The state's name."""
        return self.core.state.value

    async def describe(self) -> tuple[str, str, bool]:
        """(name, work directory, whether it keeps the items)."""
        return self.boot.name, self.boot.workdir, self.boot.spool

    async def crawl_request(self, payload: bytes) -> None:
        """Puts a request of the driver's (an encoded request) into the frontier; durable when it answers."""
        from raycrawl.records import decode_request

        await self.crawl(self.record.encode(decode_request(payload)))

    async def dismiss(self) -> None:
        """The driver has all that it wants: the remaining processes may end."""
        self.crew.kill_all()

    # EngineLink, for extensions in this process.

    def schedule(self, request: Any) -> None:
        """``crawler.engine.crawl(request)``."""
        self.tasks.spawn(self.crawl(self.record.encode(request)))

    def download(self, request: Any) -> Any:
        """``crawler.engine.download(request)``: past the frontier, through the middlewares and the slot."""
        return self.downloads.download(request, self.record.crawler.spider)

    async def answers(self, blob: bytes) -> None:
        """Responses to this process's ``download()`` calls."""
        self.downloads.answered(blob, self.record.crawler.spider)

    def order(self, name: str, *args: Any) -> Any:
        """An order from an extension in this process."""
        return self.tasks.spawn(getattr(self, name)(*args))

    def slot_notice(self, slot: str, *, delay_s: float | None = None, hold_s: float | None = None) -> None:
        """Only a Downloader has slots."""
        raise RuntimeError(f"the engine's process has no slots: {slot}")
