"""Items on their way to the feeds: encoded once, in batches, each page's items committed by every feed exactly once."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import msgspec

from raycrawl.actors.channel import Channel
from raycrawl.actors.loop import Paced, Tasks
from raycrawl.feeds.codec import ItemCodec

ITEMS_PER_BATCH = 1000
ITEMS_PER_PART = 1000
UNCOMMITTED_NBYTES = 32_000_000


class ItemBatch(msgspec.Struct, frozen=True, array_like=True):
    """Items for a feed. ``heads`` are the class tables of the items' encodings, each one once.

    ``parts`` is (page id, part number, items), an item being (index of its head, encoded values).
    """

    heads: list[bytes]
    parts: list[tuple[bytes, int, list[tuple[int, bytes]]]]


class ItemSource(Protocol):
    """A page, as far as its items go: a ticket with an id and the number of items that it has given."""

    id: bytes
    items: int

    def hold(self) -> None:
        """One more thing is on its way."""

    def release(self) -> None:
        """One of them is committed."""


class ItemBox:
    """Gathers items page by page and sends them to every FeedSink.

    An item is encoded when it is taken, so a spider may go on changing it. A page's items travel in parts of up to
    ``ITEMS_PER_PART``; a sink that has committed (page, part) before leaves it out. Invariant: a page's ticket is
    released only after every feed has committed the part.
    """

    def __init__(self, channel: Channel, tasks: Tasks, *, feeds: int, delay_s: float) -> None:
        self._channel, self._tasks = channel, tasks
        self._feeds = feeds
        self._codec = ItemCodec()
        self._parts: dict[tuple[bytes, int], tuple[list[tuple[int, bytes]], ItemSource]] = {}
        self._heads: dict[bytes, int] = {}
        self._count = 0
        self._room: list[asyncio.Future[None]] = []
        self.nbytes = 0
        self._timer = Paced(self.flush, delay_s)

    def add(self, item: Any, source: ItemSource) -> None:
        """Takes an item. Raises: ValueError when it cannot travel."""
        if not self._feeds:
            return
        blob = self._codec.encode((item,))
        body_at = 4 + int.from_bytes(blob[:4], "little")
        head = self._heads.setdefault(blob[:body_at], len(self._heads))
        key = (source.id, source.items // ITEMS_PER_PART)
        source.items += 1
        part = self._parts.get(key)
        if part is None:
            source.hold()
            part = self._parts[key] = ([], source)
        part[0].append((head, blob[body_at:]))
        self.nbytes += len(blob) - body_at
        self._count += 1
        if self._count >= ITEMS_PER_BATCH:
            self.flush()
        else:
            self._timer.want()

    def needs_room(self) -> bool:
        """True: the feeds lag behind, ``await room()`` before adding more."""
        return self.nbytes >= UNCOMMITTED_NBYTES

    async def room(self) -> None:
        """Waits until the feeds have caught up."""
        while self.needs_room():
            self.flush()
            waiter = asyncio.get_running_loop().create_future()
            self._room.append(waiter)
            await waiter

    def flush(self) -> None:
        """Sends what has been gathered."""
        if not self._parts:
            return
        batch = ItemBatch(list(self._heads), [(*key, items) for key, (items, _) in self._parts.items()])
        sources = [source for _, source in self._parts.values()]
        nbytes = sum(len(body) for items, _ in self._parts.values() for _, body in items)
        self._tasks.spawn(self._send(msgspec.msgpack.encode(batch), sources, nbytes))
        self._parts, self._heads, self._count = {}, {}, 0

    async def _send(self, blob: bytes, sources: list[ItemSource], nbytes: int) -> None:
        calls = [self._channel.call_durably(f"sink:{feed}", "write", blob) for feed in range(self._feeds)]
        await asyncio.gather(*calls)
        self.nbytes -= nbytes
        for source in sources:
            source.release()
        if self._room and not self.needs_room():
            waiters, self._room = self._room, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
