"""The ItemPipeline actor: the item pipelines that the whole crawl shares (``single = True``), in one process."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import Any

import msgspec

from raycrawl.actors.eventlog import EventLog
from raycrawl.actors.itembox import ItemBatch, Packer
from raycrawl.actors.process import ActorProcess, stand_in_spider
from raycrawl.exceptions import DropItem

logger = logging.getLogger(__name__)
_decode = msgspec.msgpack.Decoder(ItemBatch).decode
PARTS_KEPT = 100_000


class ItemPipeline(ActorProcess):
    """Stands between the Scrapers and the feeds when a pipeline class says ``single = True``.

    ``write`` answers when every feed has committed what came out. A (page, part) that went through before is not
    processed again: a page that is scraped twice after a fault meets the pipelines once.
    """

    kind = "pipeline"

    async def open(self) -> None:
        """Builds and opens the single pipelines."""
        from raycrawl.feeds.codec import ItemCodec
        from raycrawl.pipelines import ItemPipelineManager

        await self._open()
        self._codec = ItemCodec()
        self.spider = self.crawler.spider = stand_in_spider(self.crawler, self.boot.spider_args)
        self.pipelines = ItemPipelineManager.single_from_crawler(self.crawler)
        self._log = EventLog(self.crawler, self.reporter, self.tasks)
        self._done: OrderedDict[tuple[bytes, int], asyncio.Future[None]] = OrderedDict()
        await self.pipelines.open_spider_async()
        await self._announce_opening()

    async def forward(self, names: list[str]) -> None:
        """The signals that someone in the engine's process listens to: they are carried there."""
        self._log.forwarded = frozenset(names)

    async def write(self, blob: bytes) -> None:
        """Takes the items of some pages; what comes out of the pipelines is committed when it answers."""
        batch = _decode(blob)
        waits: list[asyncio.Future[None]] = []
        packer = Packer(self._codec)
        mine: list[asyncio.Future[None]] = []
        for page_id, part, items in batch.parts:
            known = self._done.get((page_id, part))
            if known is not None:
                waits.append(known)
                continue
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._done[page_id, part] = future
            mine.append(future)
            for head, body in items:
                await self._process(packer, page_id, part, self._codec.decode(batch.heads[head] + body)[0])
        if packer.parts:
            await self._commit(packer)
        for future in mine:
            future.set_result(None)
        while len(self._done) > PARTS_KEPT:
            self._done.popitem(last=False)
        if waits:
            await asyncio.wait(waits)

    async def _process(self, packer: Packer, page_id: bytes, part: int, item: Any) -> None:
        try:
            result = await self.pipelines.process_item_async(item)
            packer.add(page_id, part, result)
        except DropItem as error:
            self._log.dropped(item, error, None)
        except Exception as error:
            self._log.failed(item, error, None)
        else:
            self.crawler.stats.inc_value("item_scraped_count")
            self._log.scraped(result, None)

    async def _commit(self, packer: Packer) -> None:
        blob = packer.take()
        calls = [self.channel.call_durably(f"sink:{feed}", "write", blob) for feed in range(self.boot.sinks)]
        await asyncio.gather(*calls)
        self.reporter.kick()

    async def close_spider(self, reason: str) -> None:
        """Closes the pipelines."""
        await self.pipelines.close_spider_async()
        await self._announce_closing(reason)
        await self.reporter.flush()
