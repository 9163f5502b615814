"""Items on their way to the feeds: encoded once, in batches, each page's items committed by every feed exactly once."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import msgspec

from raycrawl.actors.channel import Channel
from raycrawl.actors.loop import CallLaterOnce, Tasks
from raycrawl.feeds.codec import ItemCodec

ITEMS_PER_BATCH = 1000
ITEMS_PER_PART = 1000
PART_NBYTES = 1_000_000
UNCOMMITTED_NBYTES = 32_000_000


class ItemBatch(msgspec.Struct, frozen=True, array_like=True):
    """Items for a feed. ``heads`` are the class tables of the items' encodings, each one once.

    ``parts`` is (page id, part number, items), an item being (index of its head, encoded values).
    """

    heads: list[bytes]
    parts: list[tuple[bytes, int, list[tuple[int, bytes]]]]


class Packer:
    """Builds a batch, item by item: each is encoded when it is added, so its maker may go on changing it."""

    def __init__(self, codec: ItemCodec) -> None:
        self._codec = codec
        self._heads: dict[bytes, int] = {}
        self.parts: dict[tuple[bytes, int], list[tuple[int, bytes]]] = {}
        self.count = 0
        self.nbytes = 0

    def add(self, page_id: bytes, part: int, item: Any) -> bool:
        """Adds an item; True when it is the first of its part. Raises: ValueError when it cannot travel."""
        is_first = (page_id, part) not in self.parts
        self.put(page_id, part, [self.encode(item)])
        return is_first

    def encode(self, item: Any) -> tuple[bytes, bytes]:
        """An item as (head, values). Raises: ValueError when it cannot travel."""
        blob = self._codec.encode((item,))
        body_at = 4 + int.from_bytes(blob[:4], "little")
        return blob[:body_at], blob[body_at:]

    def put(self, page_id: bytes, part: int, items: list[tuple[bytes, bytes]]) -> None:
        """Adds encoded items."""
        heads = self._heads
        self.parts.setdefault((page_id, part), []).extend(
            (heads.setdefault(head, len(heads)), body) for head, body in items
        )
        self.count += len(items)
        self.nbytes += sum(len(body) for _, body in items)

    def take(self) -> bytes:
        """The batch, encoded; the packer is empty again."""
        batch = ItemBatch(list(self._heads), [(*key, items) for key, items in self.parts.items()])
        self._heads, self.parts, self.count, self.nbytes = {}, {}, 0, 0
        return msgspec.msgpack.encode(batch)


class ItemSource(Protocol):
    """A page, as far as its items go: a ticket with an id, the part that it fills, and how many parts it has filled."""

    id: bytes
    part: list[tuple[bytes, bytes]]
    part_nbytes: int
    parts: int

    def hold(self) -> None:
        """One more thing is on its way."""

    def release(self) -> None:
        """One of them is committed."""


class ItemBox:
    """Gathers items page by page and sends them to its targets: every FeedSink, or the ItemPipeline before them.

    Items travel in parts of a page; a sink that has committed (page, part) before leaves it out. So a part goes whole:
    when it has ``ITEMS_PER_PART`` items or ``PART_NBYTES`` bytes, or when its page has no more. A page that is scraped
    again fills its parts in the same way, however slow its callback was before it was cut off.
    Invariant: a page's ticket is released only after every feed has committed the part.
    """

    def __init__(self, channel: Channel, tasks: Tasks, *, targets: list[str], delay_s: float) -> None:
        self._channel, self._tasks = channel, tasks
        self._targets = targets
        self._packer = Packer(ItemCodec())
        self._sources: list[ItemSource] = []
        self._room: list[asyncio.Future[None]] = []
        self._sent_nbytes = 0
        self._timer = CallLaterOnce(self.flush)
        self._delay_s = delay_s

    @property
    def nbytes(self) -> int:
        """Bytes of items that are not committed yet."""
        return self._packer.nbytes + self._sent_nbytes

    def add(self, item: Any, source: ItemSource) -> None:
        """Takes an item. Raises: ValueError when it cannot travel."""
        if not self._targets:
            return
        encoded = self._packer.encode(item)
        if not source.part:
            source.hold()
        source.part.append(encoded)
        source.part_nbytes += len(encoded[1])
        if len(source.part) >= ITEMS_PER_PART or source.part_nbytes >= PART_NBYTES:
            self.finish(source)

    def finish(self, source: ItemSource) -> None:
        """Sends the source's last items: it has no more for now."""
        if not source.part:
            return
        self._packer.put(source.id, source.parts, source.part)
        self._sources.append(source)
        source.part, source.part_nbytes = [], 0
        source.parts += 1
        if self._packer.count >= ITEMS_PER_BATCH:
            self.flush()
        else:
            self._timer.schedule(self._delay_s)

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
        if self._packer.count:
            nbytes, sources = self._packer.nbytes, self._sources
            self._sources = []
            self._sent_nbytes += nbytes
            self._tasks.spawn(self._send(self._packer.take(), sources, nbytes))

    async def _send(self, blob: bytes, sources: list[ItemSource], nbytes: int) -> None:
        await asyncio.gather(*(self._channel.call_durably(target, "write", blob) for target in self._targets))
        self._sent_nbytes -= nbytes
        for source in sources:
            source.release()
        if self._room and not self.needs_room():
            waiters, self._room = self._room, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
