"""One slot of a shard, and the order in which slots are served. No I/O: a slot is refilled by its owner.

The order: a slot is *ready* when it has a request, room, and its time has come. Among ready slots the one with the most
urgent request goes first, among equals the one that was served longest ago. Slots whose time has not come wait in a
second heap, ordered by that time. Both operations are O(log slots); heap entries that no longer count are skipped when
they surface and swept when they are the majority.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from raycrawl.frontier import keys

HEAD_KEPT = 8
"""Ranks that an unserved slot keeps in memory when its head overflows."""
HEAD_MAX = 24
"""Ranks that a slot keeps in memory, about 60 bytes each."""
REFILL = 16
"""Ranks that are read from disk at once."""

Entry = tuple[float, int, "Slot"]


class Slot:
    """A slot in memory.

    ``head`` holds its most urgent pending ranks, ascending. ``tail`` is None when there are no others; else all other
    pending ranks are on disk at or after ``tail``, and everything in ``head`` is before it. ``out`` holds leased ranks.
    """

    __slots__ = (
        "concurrency",
        "delay_s",
        "entry",
        "head",
        "hint",
        "is_new",
        "is_ready",
        "key",
        "last_s",
        "name",
        "not_before_s",
        "out",
        "record",
        "served",
        "share",
        "tail",
        "taken",
        "unfetched",
    )

    def __init__(self, name: str, key: bytes, record: keys.SlotRecord, delay_s: float, concurrency: int) -> None:
        self.name = name
        self.key = key
        self.record = record
        self.delay_s = delay_s
        self.concurrency = concurrency
        self.not_before_s = record.not_before_s
        self.head: list[bytes] = []
        self.tail: bytes | None = None
        self.hint = 0  # no more urgent than this are the requests on disk; valid while head is empty
        self.out: set[bytes] = set()
        self.unfetched = 0
        self.share = 2 * concurrency  # its even share of what may be out in all, see Roster.place
        self.last_s = float("-inf")  # the nominal time of the latest request that was handed out
        self.served = 0  # tick of the latest service, unique over all slots
        self.taken = 0  # requests handed out since the slot came into memory
        self.entry: Entry | None = None
        self.is_ready = False
        self.is_new = False  # it has no record on disk yet

    def has_pending(self) -> bool:
        """True: there is a pending request, or there may be one on disk."""
        return bool(self.head) or self.tail is not None

    def room(self) -> int:
        """How many more requests may be out and not yet fetched: enough that the Downloader always has the next one."""
        if self.delay_s > 0:
            return self.concurrency + 1 - self.unfetched
        return min(2 * self.concurrency, self.share) - self.unfetched

    def ready_s(self, lookahead_s: float) -> float:
        """When the next request may be handed out."""
        due_s = self.last_s + self.delay_s - lookahead_s if self.delay_s > 0 else float("-inf")
        return max(due_s, self.not_before_s)

    def add(self, rank: bytes) -> None:
        """File a pending rank that is on disk."""
        head = self.head
        if self.tail is not None and rank >= self.tail:
            return
        insort(head, rank)
        if len(head) > HEAD_MAX:
            self.tail = head[HEAD_KEPT]
            del head[HEAD_KEPT:]

    def remove(self, rank: bytes) -> None:
        """Forget a pending rank that ended without a lease."""
        index = bisect_left(self.head, rank)
        if index < len(self.head) and self.head[index] == rank:
            del self.head[index]

    def refill(self, ranks: list[bytes], *, is_all: bool) -> None:
        """Take ``ranks``, read from ``tail`` on, into an empty head; leased ones among them are skipped."""
        self.head = [rank for rank in ranks if rank not in self.out]
        self.tail = None if is_all or not ranks else ranks[-1] + b"\0"

    def take(self, n: int, now_s: float, lookahead_s: float) -> list[bytes]:
        """Up to ``n`` ranks from the head: all of the same priority, no more than the window and the delay allow."""
        head = self.head
        n = min(n, self.room(), len(head))
        taken = 0
        if n > 0:
            first = head[0][:4]
            while taken < n and head[taken][:4] == first and self.ready_s(lookahead_s) <= now_s:
                taken += 1
                self.last_s = max(self.last_s + self.delay_s, now_s)
        ranks = head[:taken]
        if taken:
            self.hint = keys.urgency(ranks[-1])
            del head[:taken]
            self.out.update(ranks)
            self.unfetched += taken
            self.taken += taken
        return ranks


class ReadyQueue:
    """Which slot is next. Every slot in it is in exactly one heap, by its latest entry."""

    def __init__(self) -> None:
        self._ready: list[Entry] = []
        self._waiting: list[Entry] = []
        self.n_ready = 0
        self.n_waiting = 0

    def place(self, slot: Slot, now_s: float, lookahead_s: float) -> None:
        """File ``slot`` where its state says: ready, waiting, or (nothing to give, or no room) nowhere."""
        if slot.room() <= 0 or not slot.has_pending():
            self.drop(slot)
            return
        ready_s = slot.ready_s(lookahead_s)
        is_ready = ready_s <= now_s
        order: float = ready_s
        if is_ready:
            order = keys.urgency(slot.head[0]) if slot.head else slot.hint
        old = slot.entry
        if old is not None:
            if slot.is_ready == is_ready and old[0] == order and old[1] == slot.served:
                return
            self.drop(slot)
        slot.entry = entry = (order, slot.served, slot)
        slot.is_ready = is_ready
        if is_ready:
            self.n_ready += 1
            heappush(self._ready, entry)
        else:
            self.n_waiting += 1
            heappush(self._waiting, entry)
        self._sweep()

    def drop(self, slot: Slot) -> None:
        """Take ``slot`` out; its entry is skipped when it surfaces."""
        if slot.entry is not None:
            slot.entry = None
            if slot.is_ready:
                self.n_ready -= 1
            else:
                self.n_waiting -= 1

    def wake(self, now_s: float, lookahead_s: float) -> None:
        """Move the slots whose time has come from waiting to ready."""
        waiting = self._waiting
        while waiting and (waiting[0][0] <= now_s or waiting[0][2].entry is not waiting[0]):
            entry = heappop(waiting)
            slot = entry[2]
            if slot.entry is entry:
                self.drop(slot)
                self.place(slot, now_s, lookahead_s)

    def pop(self) -> tuple[float, Slot] | None:
        """The most urgent ready slot, taken out, and the urgency it was filed with; None: no slot is ready."""
        ready = self._ready
        while ready:
            entry = heappop(ready)
            slot = entry[2]
            if slot.entry is entry:
                self.drop(slot)
                return entry[0], slot
        return None

    def next_waiting_s(self) -> float | None:
        """When the first waiting slot becomes ready; None: none waits."""
        waiting = self._waiting
        while waiting and waiting[0][2].entry is not waiting[0]:
            heappop(waiting)
        return waiting[0][0] if waiting else None

    def most_urgent(self) -> float:
        """The urgency of the first ready slot; infinite: none is ready."""
        ready = self._ready
        while ready and ready[0][2].entry is not ready[0]:
            heappop(ready)
        return ready[0][0] if ready else float("inf")

    def _sweep(self) -> None:
        if len(self._ready) > 2 * self.n_ready + 1024:
            self._ready = _current(self._ready)
        if len(self._waiting) > 2 * self.n_waiting + 1024:
            self._waiting = _current(self._waiting)

    def validate(self, slots: Iterable[Slot]) -> None:
        """Assert that every slot is filed once, where it says."""
        entries = {id(entry): entry for entry in (*self._ready, *self._waiting)}
        n_ready = n_waiting = 0
        for slot in slots:
            if slot.entry is not None:
                assert id(slot.entry) in entries, f"slot {slot.name}: its entry is in no heap"
                n_ready += slot.is_ready
                n_waiting += not slot.is_ready
        assert (n_ready, n_waiting) == (self.n_ready, self.n_waiting), "ready and waiting slots are counted wrong"


def _current(entries: list[Entry]) -> list[Entry]:
    kept = [entry for entry in entries if entry[2].entry is entry]
    heapify(kept)
    return kept
