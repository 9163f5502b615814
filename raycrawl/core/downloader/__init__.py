"""The slots of one Downloader: who may be contacted now. Pure: time and randomness are arguments.

A slot belongs to one domain and is the only place in the cluster that contacts it, so what holds here holds everywhere.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

Entry = tuple[float, int, str]

PROVEN_S = 10.0
"""A site that finished a transfer this long ago or less is proven: it gives back what it is given."""

ON_THE_WAY_S = 0.010
"""A site counts from the arrival of a request: until the answer shows that it arrived, this is allowed for its way.

At most a twentieth of the delay, so that a slow site is served almost as often as its delay allows.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotConfig:
    """How a slot is served: ``concurrency`` transfers at a time, ``delay_s`` seconds between their starts.

    ``jitter`` spreads the delay: each one is drawn from delay * (1 - jitter) to delay * (1 + jitter).
    """

    concurrency: int
    delay_s: float = 0.0
    jitter: float = 0.0


class Slot:
    """One domain's queue and its permission to be contacted.

    Invariants: ``transferring`` holds at most ``concurrency`` requests; with a delay, a request starts at least that
    long after the one before it was sent (``sent()`` tells when; until then nothing else starts).
    """

    __slots__ = ("active", "answered_s", "concurrency", "delay", "drawn_s", "entry", "held_s", "jitter", "key",
                 "lastseen", "latest", "not_before_s", "queue", "transferring", "unsent")  # fmt: skip

    def __init__(self, concurrency: int, delay: float, jitter: float = 0.0, key: str = "") -> None:
        self.concurrency = concurrency
        self.delay = delay
        self.jitter = jitter
        self.active: dict[int, None] = {}
        self.queue: deque[int] = deque()
        self.transferring: dict[int, None] = {}
        self.unsent: int | None = None
        self.lastseen = 0.0
        self.answered_s = float("-inf")  # when a transfer last ended
        self.not_before_s = 0.0
        self.held_s = 0.0  # not before this whatever the delay says (Retry-After)
        self.drawn_s = 0.0  # the delay after the latest request that was sent
        self.latest: int | None = None
        self.key = key
        self.entry: Entry | None = None  # where the pool has filed it

    def free_transfer_slots(self) -> int:
        """How many more transfers the slot may have at a time."""
        return self.concurrency - len(self.transferring)

    def download_delay(self, rng: Random | None = None) -> float:
        """The next delay in seconds, jitter included."""
        if self.jitter and self.delay:
            return (rng or Random()).uniform(self.delay * (1 - self.jitter), self.delay * (1 + self.jitter))
        return self.delay

    def load(self, now_s: float) -> float:
        """Its transfers, and half a one more while it is not proven: the slow wait for the others."""
        return len(self.transferring) + (0.0 if self.is_proven(now_s) else 0.5)

    def is_proven(self, now_s: float) -> bool:
        """A transfer of it has ended lately."""
        return now_s - self.answered_s < PROVEN_S

    def is_waiting(self, now_s: float) -> bool:
        """Requests are queued and the delay (or a pause), not the concurrency, holds them back."""
        return bool(self.queue) and (now_s < self.not_before_s or self.unsent is not None)

    def ready_at_s(self) -> float | None:
        """When the next queued request may start; None: not by the passing of time alone."""
        if not self.queue or self.free_transfer_slots() <= 0 or self.unsent is not None:
            return None
        return self.not_before_s

    def close(self) -> None:
        """Forgets what is queued."""
        self.queue.clear()
        self.active.clear()


@dataclass(slots=True)
class SlotPool:
    """All slots of one Downloader, under one limit of transfers.

    ``config_for(slot key)`` gives a new slot its settings. Invariants: at most ``total`` transfers at a time; a slot
    that waits for its delay holds none of them; each start costs O(log slots). Of the slots that may start, the one
    with the fewest transfers goes first, and one that has not finished any lately gets no more than half its even share
    of them: a site that never finishes does not take the others' transfers.
    """

    total: int
    config_for: Callable[[str], SlotConfig]
    rng: Random = field(default_factory=Random)
    restarted_s: float | None = None  # when this pool took over from one that died: who knows when that sent last?
    slots: dict[str, Slot] = field(default_factory=dict)
    transferring: int = 0
    _slot_of: dict[int, str] = field(default_factory=dict)
    _waiting: list[Entry] = field(default_factory=list)  # (when it may start, order, slot key)
    _ready: list[Entry] = field(default_factory=list)  # (its load, order, slot key)
    _parked: dict[str, None] = field(default_factory=dict)  # slots that have had their even share
    _order: int = 0

    def slot(self, key: str, now_s: float) -> Slot:
        """The slot for ``key``, made if need be."""
        slot = self.slots.get(key)
        if slot is None:
            config = self.config_for(key)
            slot = self.slots[key] = Slot(config.concurrency, config.delay_s, config.jitter, key)
            if self.restarted_s is not None:
                slot.not_before_s = slot.held_s = self.restarted_s + slot.delay
        slot.lastseen = now_s
        return slot

    def enqueue(self, number: int, key: str, now_s: float) -> None:
        """A request, known by its number, asks for its turn."""
        slot = self.slot(key, now_s)
        slot.active[number] = None
        slot.queue.append(number)
        self._slot_of[number] = key
        self._push(slot)

    def start(self, now_s: float) -> list[int]:
        """The requests that start now; they count as transferring from here on."""
        while self._waiting and self._waiting[0][0] <= now_s:
            slot = self._take(self._waiting)
            if slot is not None:
                self._place(slot, self._ready, slot.load(now_s))
        started: list[int] = []
        while self._ready and self.transferring < self.total:
            slot = self._take(self._ready)
            if slot is None:
                continue
            at_s = slot.ready_at_s()
            if at_s is not None and at_s <= now_s and not self._may_start(slot, now_s):
                self._parked[slot.key] = None
                continue
            if at_s is not None and at_s <= now_s:
                started.append(self._start_one(slot, now_s))
                at_s = slot.ready_at_s()
            if at_s is not None:
                if at_s <= now_s:
                    self._place(slot, self._ready, slot.load(now_s))
                else:
                    self._place(slot, self._waiting, at_s)
        return started

    def _take(self, source: list[Entry]) -> Slot | None:
        """Pops the first entry; its slot, or None when the entry has been replaced meanwhile."""
        entry = heapq.heappop(source)
        slot = self.slots.get(entry[2])
        if slot is None or slot.entry is not entry:
            return None
        slot.entry = None
        return slot

    def _place(self, slot: Slot, heap: list[Entry], order: float) -> None:
        self._order += 1
        slot.entry = (order, self._order, slot.key)
        heapq.heappush(heap, slot.entry)

    def _may_start(self, slot: Slot, now_s: float) -> bool:
        return slot.is_proven(now_s) or len(slot.transferring) < max(1, self.total // (2 * len(self.slots)))

    def _unpark(self) -> None:
        """There are fewer slots to share with: those that had their share may have more."""
        for key in self._parked:
            if key in self.slots:
                self._push(self.slots[key])
        self._parked.clear()

    def _start_one(self, slot: Slot, now_s: float) -> int:
        number = slot.queue.popleft()
        slot.transferring[number] = None
        slot.lastseen = now_s
        self.transferring += 1
        if slot.delay:
            slot.unsent = number
        return number

    def sent(self, number: int, now_s: float) -> None:
        """The request has left: the delay to the next one runs from now."""
        key = self._slot_of.get(number)
        slot = self.slots.get(key) if key is not None else None
        if key is None or slot is None or slot.unsent != number:
            return
        slot.unsent = None
        slot.drawn_s = slot.download_delay(self.rng)
        slot.held_s = slot.not_before_s
        slot.latest = number
        slot.not_before_s = max(slot.held_s, now_s + slot.drawn_s + min(ON_THE_WAY_S, 0.05 * slot.drawn_s))
        self._push(slot)

    @staticmethod
    def _arrived(slot: Slot, number: int, now_s: float) -> None:
        """The latest request has been answered, so it had arrived: no need to allow for its way any longer."""
        if slot.latest == number:
            slot.not_before_s = min(slot.not_before_s, max(slot.held_s, now_s + slot.drawn_s))
            slot.latest = None

    def finished(self, number: int, now_s: float) -> None:
        """The transfer ended, or the request was given up while it was queued."""
        self.sent(number, now_s)
        key = self._slot_of.pop(number, None)
        if key is None:
            return
        slot = self.slots[key]
        slot.lastseen = now_s
        slot.active.pop(number, None)
        if number in slot.transferring:
            del slot.transferring[number]
            self.transferring -= 1
            slot.answered_s = now_s
            self._arrived(slot, number, now_s)
        else:
            slot.queue.remove(number)
        self._parked.pop(key, None)
        self._push(slot)

    def change(
        self, key: str, now_s: float, *, delay_s: float | None = None, concurrency: int | None = None,
        hold_s: float | None = None,
    ) -> None:  # fmt: skip
        """Serves a slot differently from now on: another delay, another concurrency, a pause of ``hold_s`` seconds."""
        slot = self.slot(key, now_s)
        if delay_s is not None:
            slot.delay = delay_s
            if self.restarted_s is not None:
                slot.not_before_s = max(slot.not_before_s, self.restarted_s + delay_s)
        if concurrency is not None:
            slot.concurrency = concurrency
        if hold_s is not None:
            slot.not_before_s = max(slot.not_before_s, now_s + hold_s)
            slot.held_s = max(slot.held_s, now_s + hold_s)
        self._push(slot)

    def next_wake_s(self) -> float | None:
        """When ``start`` may have something to start by the passing of time; None when only an event can bring it."""
        return self._waiting[0][0] if self._waiting and self.transferring < self.total else None

    def waiting(self, now_s: float) -> int:
        """How many queued requests wait for a delay or a pause."""
        return sum(len(slot.queue) for slot in self.slots.values() if slot.is_waiting(now_s))

    def queued(self) -> list[int]:
        """Every request that has not started, in no particular order."""
        return [number for slot in self.slots.values() for number in slot.queue]

    def clean_up(self, before_s: float) -> int:
        """Forgets slots without a request since ``before_s`` whose delay has passed; returns how many."""
        idle = [
            key
            for key, slot in self.slots.items()
            if not slot.active and max(slot.lastseen + slot.delay, slot.not_before_s) < before_s
        ]
        for key in idle:
            del self.slots[key]
        self._unpark()
        return len(idle)

    def _push(self, slot: Slot) -> None:
        """Files a slot anew after anything about it has changed; an older entry of it no longer counts."""
        at_s = slot.ready_at_s()
        if at_s is None:
            slot.entry = None
        elif slot.entry is None or slot.entry[0] != at_s:
            self._place(slot, self._waiting, at_s)

    def validate(self) -> None:
        """Asserts the invariants."""
        assert 0 <= self.transferring <= self.total
        assert self.transferring == sum(len(slot.transferring) for slot in self.slots.values())
        for key, slot in self.slots.items():
            assert set(slot.active) == set(slot.queue) | set(slot.transferring), key
            assert slot.unsent is None or slot.unsent in slot.transferring
            if slot.ready_at_s() is not None:
                filed = any(entry is slot.entry for entry in (*self._waiting, *self._ready))
                assert filed or key in self._parked, key


def slot_config_from(
    overrides: Mapping[str, Mapping[str, float]], default: SlotConfig
) -> Callable[[str], SlotConfig]:
    """``config_for`` by the settings: the ``DOWNLOAD_SLOTS`` entry of a key over the default."""

    def config_for(key: str) -> SlotConfig:
        own = overrides.get(key)
        if not own:
            return default
        jitter = own.get("jitter", default.jitter if own.get("randomize_delay", True) else 0.0)
        return SlotConfig(
            concurrency=int(own.get("concurrency", default.concurrency)),
            delay_s=float(own.get("delay", default.delay_s)),
            jitter=float(jitter),
        )

    return config_for
