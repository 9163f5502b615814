"""Priority queues of requests, for the in-process scheduler.

``ScrapyPriorityQueue`` keeps one queue a priority, ``DownloaderAwarePriorityQueue`` one priority queue a download slot.
To both, popping costs O(log n) in priorities and slots.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Protocol, Self

from raycrawl.urls import hostname_of
from raycrawl.utils.misc import build_from_crawler

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request

# How many slots are asked for their active downloads at each pop, in turn. Up to this number the choice is exact.
_SLOTS_ASKED = 32


class QueueProtocol(Protocol):
    """What a queue below a priority queue has to offer."""

    def push(self, request: Request) -> None:
        """Add ``request``."""

    def pop(self) -> Request | None:
        """The next request; None when the queue is empty."""

    def close(self) -> None:
        """Let go of files."""

    def __len__(self) -> int: ...


class ScrapyPriorityQueue:
    """Requests by priority (the highest first), those of one priority in the order of the queue below.

    Args:
        downstream_queue_cls: the class of the queue of each priority, see ``raycrawl.squeues``.
        key: the folder of disk queues.
        startprios: what ``close`` returned, to go on with what is on disk.
        start_queue_cls: the class for requests of ``Spider.start``, which come after the others of their priority.
            None keeps all in one.

    Attributes:
        queues: the queues that are not empty, by negated priority.
        curprio: the key in ``queues`` of the next request; None when there is none.
    """

    def __init__(
        self,
        crawler: Crawler,
        downstream_queue_cls: type[QueueProtocol],
        key: str,
        startprios: Iterable[int] = (),
        *,
        start_queue_cls: type[QueueProtocol] | None = None,
    ) -> None:
        self.crawler = crawler
        self.downstream_queue_cls = downstream_queue_cls
        self.key = key
        self.start_queue_cls = start_queue_cls
        self.queues: dict[int, QueueProtocol] = {}
        self.start_queues: dict[int, QueueProtocol] = {}
        self._prios: list[int] = []  # heap: every key of both dicts, and perhaps some that went
        self.init_prios(startprios)

    @classmethod
    def from_crawler(
        cls,
        crawler: Crawler,
        downstream_queue_cls: type[QueueProtocol],
        key: str,
        startprios: Iterable[int] = (),
        *,
        start_queue_cls: type[QueueProtocol] | None = None,
    ) -> Self:
        """Build the queue."""
        return cls(crawler, downstream_queue_cls, key, startprios, start_queue_cls=start_queue_cls)

    def init_prios(self, startprios: Iterable[int]) -> None:
        """Open the queues on disk of these negated priorities."""
        for prio in startprios:
            opened = [(self.queues, self.qfactory(prio))]
            if self.start_queue_cls is not None:
                opened.append((self.start_queues, self._start_qfactory(prio)))
            for queues, queue in opened:
                if len(queue):
                    queues[prio] = queue
                    heappush(self._prios, prio)
                else:
                    queue.close()

    def qfactory(self, key: int) -> QueueProtocol:
        """A queue for the negated priority ``key``."""
        return build_from_crawler(self.downstream_queue_cls, self.crawler, f"{self.key}/{key}")

    def _start_qfactory(self, key: int) -> QueueProtocol:
        assert self.start_queue_cls is not None
        return build_from_crawler(self.start_queue_cls, self.crawler, f"{self.key}/{key}s")

    def priority(self, request: Request) -> int:
        """The negated priority: the smallest is popped first."""
        return -request.priority

    @property
    def curprio(self) -> int | None:
        """The negated priority of the next request; None when there is none."""
        while self._prios:
            prio = self._prios[0]
            if prio in self.queues or prio in self.start_queues:
                return prio
            heappop(self._prios)
        return None

    def push(self, request: Request) -> None:
        """Add ``request``.

        Raises:
            ValueError: the queue cannot store it; nothing changed then.
        """
        prio = self.priority(request)
        is_start = self.start_queue_cls is not None and request.meta.get("is_start_request", False)
        queues = self.start_queues if is_start else self.queues
        queue = queues.get(prio)
        if queue is not None:
            queue.push(request)
            return
        queue = self._start_qfactory(prio) if is_start else self.qfactory(prio)
        try:
            queue.push(request)
        except BaseException:
            queue.close()
            raise
        queues[prio] = queue
        heappush(self._prios, prio)

    def pop(self) -> Request | None:
        """The next request; None when there is none."""
        while (prio := self.curprio) is not None:
            queues = self.queues if prio in self.queues else self.start_queues
            queue = queues[prio]
            request = queue.pop()
            if not len(queue):
                del queues[prio]
                queue.close()
            if request is not None:
                return request
        return None

    def peek(self) -> Request | None:
        """The request that ``pop`` would give, which stays.

        Raises:
            NotImplementedError: the queue below has no ``peek``.
        """
        prio = self.curprio
        if prio is None:
            return None
        queue: Any = self.queues.get(prio) or self.start_queues[prio]
        if not hasattr(queue, "peek"):
            raise NotImplementedError(f"{type(queue).__name__} has no peek()")
        request: Request | None = queue.peek()
        return request

    def close(self) -> list[int]:
        """Close all queues; returns the negated priorities that have requests left."""
        active = list(dict.fromkeys((*self.queues, *self.start_queues)))
        for queue in (*self.queues.values(), *self.start_queues.values()):
            queue.close()
        return active

    def __len__(self) -> int:
        return sum(map(len, self.queues.values())) + sum(map(len, self.start_queues.values()))


class DownloaderInterface:
    """What a queue wants to know of the downloader: the slot of a request, and how busy slots are.

    Without a downloader in this process (``crawler.engine.downloader``) no slot is busy, and a request's slot is
    ``meta["download_slot"]`` or its host name.
    """

    def __init__(self, crawler: Crawler) -> None:
        try:
            self.downloader: Any = getattr(crawler.engine, "downloader", None)
        except RuntimeError:  # the crawler has not started
            self.downloader = None

    def get_slot_key(self, request: Request) -> str:
        """The slot that ``request`` belongs to."""
        if self.downloader is not None:
            return str(self.downloader.get_slot_key(request))
        return str(request.meta.get("download_slot") or hostname_of(request.url))

    def active_downloads(self, slot: str) -> int:
        """How many requests of ``slot`` are being downloaded."""
        if self.downloader is None or slot not in self.downloader.slots:
            return 0
        return len(self.downloader.slots[slot].active)

    def stats(self, possible_slots: Iterable[str]) -> list[tuple[int, str]]:
        """(active downloads, slot) for each slot."""
        return [(self.active_downloads(slot), slot) for slot in possible_slots]


def _path_of(slot: str) -> str:
    """A file name for ``slot``: readable, safe and its own."""
    return f"{re.sub(r'[^a-zA-Z0-9._-]', '_', slot)}-{hashlib.md5(slot.encode(), usedforsecurity=False).hexdigest()}"


class DownloaderAwarePriorityQueue:
    """Gives the next request of the slot with the fewest active downloads, of those the one that waited longest.

    Slots stand in a heap by what they were last known to have active. A pop asks some of them, in turn, how many they
    have now: all, up to 32 slots; with more, a slot's figure is at most (slots / 32) pops old.

    Args:
        slot_startprios: what ``close`` returned, to go on with what is on disk.

    The other arguments are those of ``ScrapyPriorityQueue``.

    Raises:
        ValueError: ``slot_startprios`` was left by another kind of queue.
    """

    def __init__(
        self,
        crawler: Crawler,
        downstream_queue_cls: type[QueueProtocol],
        key: str,
        slot_startprios: dict[str, Iterable[int]] | None = None,
        *,
        start_queue_cls: type[QueueProtocol] | None = None,
    ) -> None:
        if slot_startprios and not isinstance(slot_startprios, dict):
            raise ValueError(
                "DownloaderAwarePriorityQueue accepts slot_startprios as a dict, not as "
                f"{type(slot_startprios).__name__}: this JOBDIR was written with another SCHEDULER_PRIORITY_QUEUE, "
                "and only that can go on with it"
            )
        self.crawler = crawler
        self.downstream_queue_cls = downstream_queue_cls
        self.key = key
        self.start_queue_cls = start_queue_cls
        self._downloader_interface = DownloaderInterface(crawler)
        self.pqueues: dict[str, ScrapyPriorityQueue] = {}
        self._count = 0
        self._turn = 0
        self._heap: list[tuple[int, int, str]] = []  # (active, turn when last served, slot); stale ones are skipped
        self._standing: dict[str, tuple[int, int]] = {}
        self._to_ask: deque[str] = deque()
        for slot, startprios in (slot_startprios or {}).items():
            queue = self.pqfactory(slot, startprios)
            self._count += len(queue)
            self._add_slot(slot, queue)

    @classmethod
    def from_crawler(
        cls,
        crawler: Crawler,
        downstream_queue_cls: type[QueueProtocol],
        key: str,
        startprios: dict[str, Iterable[int]] | None = None,
        *,
        start_queue_cls: type[QueueProtocol] | None = None,
    ) -> Self:
        """Build the queue."""
        return cls(crawler, downstream_queue_cls, key, startprios, start_queue_cls=start_queue_cls)

    def pqfactory(self, slot: str, startprios: Iterable[int] = ()) -> ScrapyPriorityQueue:
        """The priority queue of ``slot``."""
        return ScrapyPriorityQueue(
            self.crawler,
            self.downstream_queue_cls,
            f"{self.key}/{_path_of(slot)}",
            startprios,
            start_queue_cls=self.start_queue_cls,
        )

    def _add_slot(self, slot: str, queue: ScrapyPriorityQueue) -> None:
        self.pqueues[slot] = queue
        self._to_ask.append(slot)
        self._turn += 1
        self._stand(slot, self._turn)

    def _stand(self, slot: str, turn: int) -> None:
        standing = (self._downloader_interface.active_downloads(slot), turn)
        if self._standing.get(slot) != standing:
            self._standing[slot] = standing
            heappush(self._heap, (*standing, slot))

    def _next_slot(self) -> str | None:
        for _ in range(min(_SLOTS_ASKED, len(self._to_ask))):
            slot = self._to_ask.popleft()
            if slot in self.pqueues:
                self._to_ask.append(slot)
                self._stand(slot, self._standing[slot][1])
        while self._heap:
            active, turn, slot = self._heap[0]
            if self._standing.get(slot) != (active, turn):
                heappop(self._heap)
                continue
            self._stand(slot, turn)
            if self._standing[slot] == (active, turn):
                return slot
        return None

    def push(self, request: Request) -> None:
        """Add ``request``.

        Raises:
            ValueError: the queue cannot store it; nothing changed then.
        """
        slot = self._downloader_interface.get_slot_key(request)
        queue = self.pqueues.get(slot)
        if queue is None:
            queue = self.pqfactory(slot)
            queue.push(request)
            self._add_slot(slot, queue)
        else:
            queue.push(request)
        self._count += 1

    def pop(self) -> Request | None:
        """The next request; None when there is none."""
        while (slot := self._next_slot()) is not None:
            queue = self.pqueues[slot]
            request = queue.pop()
            if request is not None:
                self._count -= 1
            if len(queue):
                self._turn += 1
                self._stand(slot, self._turn)
            else:
                queue.close()
                del self.pqueues[slot], self._standing[slot]
            if request is not None:
                return request
        return None

    def peek(self) -> Request | None:
        """The request that ``pop`` would give, which stays."""
        slot = self._next_slot()
        return None if slot is None else self.pqueues[slot].peek()

    def close(self) -> dict[str, list[int]]:
        """Close all queues; returns, by slot, the negated priorities that have requests left."""
        active = {slot: queue.close() for slot, queue in self.pqueues.items()}
        self.pqueues.clear()
        return active

    def __len__(self) -> int:
        return self._count

    def __contains__(self, slot: object) -> bool:
        return slot in self.pqueues


__all__ = ["DownloaderAwarePriorityQueue", "DownloaderInterface", "QueueProtocol", "ScrapyPriorityQueue"]
