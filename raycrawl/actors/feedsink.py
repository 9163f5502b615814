"""The FeedSink actor: the one writer of one feed."""

from __future__ import annotations

import asyncio
import logging
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from raycrawl.actors.itembox import ItemBatch
from raycrawl.actors.logs import FEED_LINE_LEVEL
from raycrawl.actors.process import ActorProcess, stand_in_spider
from raycrawl.actors.spool import Spool
from raycrawl.core.messages import LogLine

logger = logging.getLogger(__name__)
_decode = msgspec.msgpack.Decoder(ItemBatch).decode


class FeedSink(ActorProcess):
    """Writes and commits the items of one feed; the first sink also keeps the spool that ``Crawl.items()`` reads.

    Invariants: ``write`` answers after the items are committed (they survive a kill of this process); a (page, part)
    that was committed before is left out, also by the sink that takes over after a crash.
    """

    kind = "sink"

    async def open(self) -> None:
        """Opens the feed, after a crash at its last commit."""
        from raycrawl.feeds.codec import ItemCodec
        from raycrawl.feeds.writer import FeedWriter

        await self._open()
        boot = self.boot
        self._codec = ItemCodec()
        self._parts: dict[bytes, list[bytes]] = {}
        self._spool = Spool(Path(boot.workdir) / "items.spool") if boot.spool and not self.index else None
        self._writer: FeedWriter | None = None
        if self.index < len(boot.feeds):
            uri, options = list(boot.feeds.items())[self.index]
            self._writer = FeedWriter(
                uri,
                options,
                settings=self.crawler.settings,
                workdir=boot.workdir,
                spider=stand_in_spider(self.crawler, boot.spider_args),
                crawler=self.crawler,
                sink=self._to_stdout,
                keep_dir=None,
            )
            self._writer.open()

    def _to_stdout(self, data: bytes) -> None:
        """A feed to stdout leaves through the driver, which has the terminal."""
        self.reporter.log(LogLine(FEED_LINE_LEVEL, "feed", 0.0, data.decode("latin-1")))

    async def write(self, blob: bytes) -> None:
        """Takes the items of some pages; committed when it answers."""
        batch = _decode(blob)
        if self._spool is not None:
            spool = self._spool
            await self._with_room(lambda: spool.write(batch))
        if self._writer is None:
            return
        decode, heads = self._codec.decode, batch.heads
        writer = self._writer
        pages = [
            (self._part_id(page_id, part), [decode(heads[head] + body)[0] for head, body in items])
            for page_id, part, items in batch.parts
        ]
        await self._with_room(lambda: writer.write(pages))
        await self._with_room(self._writer.commit)
        self._count(self._writer.take_stats())

    def _part_id(self, page_id: bytes, part: int) -> bytes:
        """What the journal knows a part by: 16 bytes."""
        if not part and len(page_id) == 16:
            return page_id
        part_id = blake2b(page_id + part.to_bytes(4, "big"), digest_size=16).digest()
        known = self._parts.setdefault(page_id, [])
        if part_id not in known:
            known.append(part_id)
        return part_id

    async def forget(self, page_ids: list[bytes]) -> None:
        """These pages are DONE in the frontier and cannot come again: nobody need know them any more."""
        if self._spool is not None:
            self._spool.forget(page_ids)
        if self._writer is not None:
            parts = [part_id for page_id in page_ids for part_id in self._parts.pop(page_id, ())]
            self._writer.forget([*page_ids, *parts])

    def _count(self, stats: dict[str, int]) -> None:
        for key, count in stats.items():
            self.crawler.stats.inc_value(key, count)

    async def close_feed(self, reason: str) -> dict[str, Any]:
        """Finishes and delivers the feed. Returns what failed, in words; an empty text when all is well."""
        if self._spool is not None:
            self._spool.close()
        failed: list[str] = []
        uri = ""
        if self._writer is not None:
            result = await asyncio.to_thread(self._writer.close, reason)
            self._count(result.stats)
            uri, failed = result.uri, [str(failure) for failure in result.failed]
        await self.reporter.flush()
        return {"uri": uri, "failed": failed}
