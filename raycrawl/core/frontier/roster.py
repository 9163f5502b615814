"""Which slots are in memory, and which requests go next.

Law 6 asks for bounded memory whatever the number of domains: at most ``policy.max_slots`` slots are here, the others
are *cold*: their requests and their politeness are on disk and nowhere else. A cursor goes round over the slots on disk
and brings cold ones in as room appears; room appears when a slot has nothing left, when it had its quantum of requests
while others waited outside, or when it must wait for more than a minute. So a cold slot's turn comes however long the
queues of the others are. A slot whose request is more urgent than that of every ready one is let in past the limit (by
at most an eighth); apart from that the order among cold slots is the cursor's, not their priorities'.

After a store is opened again every slot is cold, so opening takes the same time for ten requests and for ten million.
"""

from __future__ import annotations

from collections.abc import Collection

from raycrawl.core.frontier.policy import FrontierPolicy, SlotPolicy
from raycrawl.core.frontier.slots import REFILL, ReadyQueue, Slot
from raycrawl.core.partitions import partition_of
from raycrawl.frontier import keys
from raycrawl.frontier.store import Area, FrontierCorruptError, FrontierStore

FAR_S = 60.0
"""A slot that waits for longer than this may leave memory."""
LEAST_SHARE = 2
"""Requests that a slot may have out however many others there are: one in transfer, the next one at hand."""
_CHUNK = 64
_THAWED_AT_ONCE = 1024
_AS_POLICY = SlotPolicy()
_BEYOND = b"\xff" * keys.RANK_NBYTES


class Roster:
    """The slots in memory, filed in a ``ReadyQueue``. Reads the store, never writes.

    Invariant: a slot with leases is in memory. A slot with pending requests is in memory, or ``has_cold`` is True.
    """

    def __init__(self, store: FrontierStore, policy: FrontierPolicy) -> None:
        self._store = store
        self._policy = policy
        self.now_s = float("-inf")
        self.slots: dict[str, Slot] = {}
        self.by_key: dict[bytes, Slot] = {}
        self.queue = ReadyQueue()
        self.has_cold = True
        self._missed = False  # a slot became cold since the cursor last started
        self._cursor = b""
        self._evictable: dict[Slot, None] = {}
        self._busy: dict[Slot, None] = {}  # with requests pending here, or out and not fetched
        self._due: dict[bytes, float] = {}  # when cold slots with a delay may be served again
        self._tick = 0

    # -- slots come and go ---------------------------------------------------------------------------------------

    def load(self, names: Collection[str]) -> dict[str, Slot]:
        """The slots called ``names``, in memory or made from what is on disk; the latter MUST be admitted or let go."""
        found = {name: self.slots[name] for name in names if name in self.slots}
        missing = {name: keys.slot_key(name, partition_of(name)) for name in names if name not in found}
        values = self._store.get_many(Area.SLOTS, list(missing.values()))
        for (name, key), value in zip(missing.items(), values, strict=True):
            record = keys.SlotRecord(name) if value is None else self._record(key, value)
            found[name] = slot = self._make(key, record)
            if value is not None and self.has_cold:
                slot.tail = b""
            slot.is_new = value is None
        return found

    def load_keys(self, slot_keys: Collection[bytes]) -> list[Slot]:
        """The slots of ``slot_keys``, which have requests on disk; those that were cold MUST be admitted or let go."""
        missing = [key for key in slot_keys if key not in self.by_key]
        values = dict(zip(missing, self._store.get_many(Area.SLOTS, missing), strict=True))
        slots = []
        for key in slot_keys:
            slot = self.by_key.get(key)
            if slot is None:
                slot = self._make(key, self._record(key, values[key]))
                slot.tail = b""
            slots.append(slot)
        return slots

    def admit(self, slot: Slot, *, urgency: float | None = None) -> bool:
        """Bring ``slot`` into memory. False: there is no room; the slot stays cold.

        Args:
            urgency: of the request that brings the slot in; None: it must come in (it has leases).
        """
        if self.slots.get(slot.name) is slot:
            return True
        limit = self._policy.max_slots
        if urgency is not None and len(self.slots) >= limit and not self._evict_one():
            is_urgent = urgency < self.queue.most_urgent() and self.queue.n_ready > 0
            if not is_urgent or len(self.slots) >= limit + limit // 8:
                self.has_cold = self._missed = True
                return False
        self.slots[slot.name] = self.by_key[slot.key] = slot
        self._touch(slot)
        return True

    def place(self, slot: Slot) -> None:
        """File ``slot`` anew; to be called after every change of it."""
        if slot.unfetched or slot.has_pending():
            self._busy[slot] = None
        else:
            self._busy.pop(slot, None)
        window = self._policy.window
        slot.share = max(LEAST_SHARE, -(-window // max(1, len(self._busy)))) if window else 2 * slot.concurrency
        self.queue.place(slot, self.now_s, self._policy.lookahead_s)
        if not slot.out and self._is_evictable(slot):
            self._evictable[slot] = None

    def can_admit(self) -> bool:
        """True: a cold slot finds room."""
        return len(self.slots) < self._policy.max_slots or bool(self._evictable)

    def thaw(self) -> None:
        """Bring in cold slots while there is room, at most about a thousand at once."""
        for _ in range(_THAWED_AT_ONCE // _CHUNK):
            if not self.has_cold or not self.can_admit():
                return
            found = self._store.prefixes(Area.QUEUE, self._cursor, keys.SLOT_NBYTES, _CHUNK)
            for slot in self.load_keys(found):
                if self.slots.get(slot.name) is not slot:
                    if len(self.slots) >= self._policy.max_slots and not self._evict_one():
                        return
                    self._refill(slot)
                    self.admit(slot)
                    self.place(slot)
                self._cursor = slot.key + _BEYOND
            if len(found) < _CHUNK:
                self.has_cold, self._missed, self._cursor = self._missed, False, b""

    def _is_evictable(self, slot: Slot) -> bool:
        if not slot.has_pending() or slot.taken >= self._policy.quantum:
            return True
        return slot.not_before_s > self.now_s + FAR_S

    def _evict_one(self) -> bool:
        while self._evictable:
            slot = next(iter(self._evictable))
            del self._evictable[slot]
            if slot.out or self.slots.get(slot.name) is not slot or not self._is_evictable(slot):
                continue
            self._keep_due(slot)
            self.queue.drop(slot)
            self._busy.pop(slot, None)
            del self.slots[slot.name], self.by_key[slot.key]
            if slot.has_pending():
                self.has_cold = self._missed = True
            return True
        return False

    def _keep_due(self, slot: Slot) -> None:
        due_s = slot.last_s + slot.delay_s
        if slot.delay_s > 0 and due_s > self.now_s:
            if len(self._due) >= self._policy.max_slots:
                self._due = {key: time_s for key, time_s in self._due.items() if time_s > self.now_s}
                while len(self._due) >= self._policy.max_slots:
                    del self._due[next(iter(self._due))]
            self._due[slot.key] = due_s

    def _record(self, key: bytes, value: bytes | None) -> keys.SlotRecord:
        if value is None:
            raise FrontierCorruptError(f"the frontier is damaged: slot {key.hex()} has requests and no record")
        try:
            return keys.decode_slot(value)
        except ValueError as error:
            raise FrontierCorruptError(f"the frontier is damaged: the record of slot {key.hex()}: {error}") from error

    def _make(self, key: bytes, record: keys.SlotRecord) -> Slot:
        slot = Slot(record.name, key, record, *self.politeness(record))
        if (due_s := self._due.get(key)) is not None:
            slot.last_s = due_s - slot.delay_s
        return slot

    def politeness(self, record: keys.SlotRecord) -> tuple[float, int]:
        """Delay and concurrency of a slot: what the Downloader told, else the slot's policy, else everybody's."""
        policy = self._policy
        own = policy.slots.get(record.name, _AS_POLICY)
        delay_s = next(d for d in (record.delay_s, own.delay_s, policy.delay_s) if d is not None)
        concurrency = next(c for c in (record.concurrency, own.concurrency, policy.concurrency) if c is not None)
        return delay_s, max(1, concurrency)

    # -- the choice ----------------------------------------------------------------------------------------------

    def choose(self, n: int) -> list[tuple[Slot, list[bytes]]]:
        """Up to ``n`` ranks that may go out now, by slot; they are out when this returns.

        The share: in one pass no slot gives more than ``n`` divided by the number of ready slots (rounded up), the most
        urgent slots first; what is left over is dealt in further passes. With fewer places than slots, urgency alone
        decides, and a slot's window (``Slot.room``) bounds what it holds across calls.
        """
        self.queue.wake(self.now_s, self._policy.lookahead_s)
        chosen: list[tuple[Slot, list[bytes]]] = []
        try:
            while n > 0 and self.queue.n_ready:
                n -= self._pass(n, chosen)
        except Exception:
            self.give_back(chosen)
            raise
        return chosen

    def give_back(self, chosen: list[tuple[Slot, list[bytes]]]) -> None:
        """Undo a choice."""
        for slot, ranks in chosen:
            slot.out.difference_update(ranks)
            slot.unfetched -= len(ranks)
            for rank in ranks:
                slot.add(rank)
            self.place(slot)

    def _pass(self, n: int, chosen: list[tuple[Slot, list[bytes]]]) -> int:
        share = -(-n // self.queue.n_ready)
        served: list[Slot] = []
        n_chosen = 0
        try:
            while n_chosen < n and (popped := self.queue.pop()) is not None:
                urgency, slot = popped
                served.append(slot)
                ranks = self._serve(slot, urgency, min(share, n - n_chosen))
                if ranks is None:
                    self.place(served.pop())
                elif ranks:
                    chosen.append((slot, ranks))
                    n_chosen += len(ranks)
        finally:
            for slot in served:
                self.place(slot)
        return n_chosen

    def _serve(self, slot: Slot, urgency: float, n: int) -> list[bytes] | None:
        """Ranks taken from ``slot``; None: it turned out to be less urgent than it was filed."""
        if not slot.head and slot.tail is not None:
            self._refill(slot)
        if slot.head and keys.urgency(slot.head[0]) > urgency:
            return None
        ranks = slot.take(n, self.now_s, self._policy.lookahead_s)
        if ranks:
            self._touch(slot)
        return ranks

    def _refill(self, slot: Slot) -> None:
        while not slot.head and slot.tail is not None:
            stop = keys.prefix_end(slot.key)
            found = self._store.scan(Area.QUEUE, slot.key + slot.tail, stop, REFILL)
            slot.refill([key[keys.SLOT_NBYTES :] for key in found], is_all=len(found) < REFILL)

    def _touch(self, slot: Slot) -> None:
        self._tick += 1
        slot.served = self._tick

    def validate(self) -> None:
        """Assert the invariants of the slots and their order."""
        assert {slot.key for slot in self.slots.values()} == set(self.by_key), "the two indexes of slots differ"
        self.queue.validate(self.slots.values())
        for slot in self.slots.values():
            assert slot.head == sorted(set(slot.head)), f"slot {slot.name}: its head is not in order"
            assert not slot.out.intersection(slot.head), f"slot {slot.name}: a request is leased and pending"
            assert slot.tail is None or not slot.head or slot.head[-1] < slot.tail, f"slot {slot.name}: bad tail"
            assert 0 <= slot.unfetched <= len(slot.out), f"slot {slot.name}: {slot.unfetched} of {len(slot.out)}"
            can_give = slot.has_pending() and slot.room() > 0
            assert can_give == (slot.entry is not None), f"slot {slot.name}: filed wrongly"
