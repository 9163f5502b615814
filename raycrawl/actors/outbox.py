"""Requests on their way into the frontier: in batches, to the shard that owns the slot, known ones left out early."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from raycrawl.actors.channel import Channel
from raycrawl.actors.loop import CallLaterOnce, Tasks
from raycrawl.core.messages import RequestRecord
from raycrawl.core.partitions import owner_of

RECORDS_PER_BATCH = 512
_encode = msgspec.msgpack.Encoder().encode


class Ticket(Protocol):
    """Someone who must know when what was put into the outbox is durable."""

    def hold(self) -> None:
        """One more thing is on its way."""

    def release(self) -> None:
        """One of them is durable."""


@dataclass(slots=True)
class _Batch:
    records: list[RequestRecord] = field(default_factory=list)
    nbytes: int = 0
    tickets: dict[int, Ticket] = field(default_factory=dict)


class Outbox:
    """Sends requests to their shards and says when they are durable.

    An id that a shard has confirmed is in the seen-set for good, so it is not sent again: the outbox keeps the last
    ``known_limit`` confirmed ids (16 bytes each), which spares the shards most of the links of an ordinary site.
    Invariants: a ticket is released only after the shard has answered for all of its records; at most
    ``unconfirmed_limit`` records are on their way before ``room()`` makes the producer wait.
    """

    def __init__(
        self,
        channel: Channel,
        tasks: Tasks,
        *,
        shards: int,
        delay_s: float,
        on_durable: Callable[[int, list[RequestRecord], set[int]], None],
        known_limit: int = 131_072,
        unconfirmed_limit: int = 4096,
        batch_nbytes: int = 1_000_000,
    ) -> None:
        self._channel, self._tasks = channel, tasks
        self._shards, self._batch_nbytes = shards, batch_nbytes
        self._on_durable = on_durable
        self._open = [_Batch() for _ in range(shards)]
        self._sending = [False] * shards
        self._sealed: list[deque[_Batch]] = [deque() for _ in range(shards)]
        self._pending: dict[bytes, _Batch] = {}
        # Two generations: when the young one is full it becomes the old one, which is forgotten whole.
        self._known: set[bytes] = set()
        self._known_before: set[bytes] = set()
        self._generation = known_limit // 2
        self._unconfirmed_limit = unconfirmed_limit
        self._room: list[asyncio.Future[None]] = []
        self._timer = CallLaterOnce(self.flush)
        self._delay_s = delay_s

    def __len__(self) -> int:
        return len(self._pending)

    def is_known(self, request_id: bytes, ticket: Ticket) -> bool:
        """True: the id needs no sending, the frontier has it or is about to (then the ticket waits for that)."""
        if request_id in self._known or request_id in self._known_before:
            return True
        batch = self._pending.get(request_id)
        if batch is None:
            return False
        self._attach(batch, ticket)
        return True

    def add(self, record: RequestRecord, ticket: Ticket) -> None:
        """Takes a request; ``ticket`` is held until the record is durable."""
        index = owner_of(record.slot, self._shards) if self._shards > 1 else 0
        batch = self._open[index]
        self._pending[record.id] = batch
        batch.records.append(record)
        batch.nbytes += len(record.payload)
        self._attach(batch, ticket)
        if len(batch.records) >= RECORDS_PER_BATCH or batch.nbytes >= self._batch_nbytes:
            self._seal(index)
        else:
            self._timer.schedule(self._delay_s)

    @staticmethod
    def _attach(batch: _Batch, ticket: Ticket) -> None:
        key = id(ticket)
        if key not in batch.tickets:
            ticket.hold()
            batch.tickets[key] = ticket

    def needs_room(self) -> bool:
        """True: too much is on its way, ``await room()`` before adding more."""
        return len(self._pending) >= self._unconfirmed_limit

    async def room(self) -> None:
        """Waits until the shards have caught up."""
        while self.needs_room():
            self.flush()
            waiter = asyncio.get_running_loop().create_future()
            self._room.append(waiter)
            await waiter

    async def drained(self) -> None:
        """Waits until everything that was added is durable."""
        while self._pending:
            self.flush()
            waiter = asyncio.get_running_loop().create_future()
            self._room.append(waiter)
            await waiter

    def flush(self) -> None:
        """Sends what has been gathered."""
        for index, batch in enumerate(self._open):
            if batch.records:
                self._seal(index)

    def _seal(self, index: int) -> None:
        self._sealed[index].append(self._open[index])
        self._open[index] = _Batch()
        if not self._sending[index]:
            self._sending[index] = True
            self._tasks.spawn(self._send(index))

    async def _send(self, index: int) -> None:
        queue = self._sealed[index]
        try:
            while queue:
                batch = queue.popleft()
                blob = _encode(batch.records)
                duplicates = await self._channel.call_durably(f"scheduler:{index}", "enqueue", blob)
                self._confirm(index, batch, set(duplicates))
        finally:
            self._sending[index] = False

    def _confirm(self, index: int, batch: _Batch, duplicates: set[int]) -> None:
        known, pending = self._known, self._pending
        for record in batch.records:
            pending.pop(record.id, None)
            known.add(record.id)
        if len(known) >= self._generation:
            self._known, self._known_before = set(), known
        self._on_durable(index, batch.records, duplicates)
        for ticket in batch.tickets.values():
            ticket.release()
        if self._room and not self.needs_room():
            waiters, self._room = self._room, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
