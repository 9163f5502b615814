"""The frontier of one shard: the pure decision over a store.

A request is PENDING, LEASED or DONE (law 1). PENDING and DONE are facts of the store; a lease is a fact of this
process: the queue entry stays where it is until the request is DONE, so leasing writes nothing, and a shard that is
opened again finds everything that was not DONE pending, until ``reconcile`` says what is still in flight. What outlives
a process is written before memory changes, so a store error leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from raycrawl.core.frontier.leases import NOBODY, Lease, LeaseTable
from raycrawl.core.frontier.policy import FrontierCounts, FrontierPolicy
from raycrawl.core.frontier.roster import Roster
from raycrawl.core.frontier.slots import Slot
from raycrawl.core.frontier.totals import read_totals
from raycrawl.core.frontier.validation import validate
from raycrawl.core.messages import Ack, LeasedRecord, Outcome, RequestRecord
from raycrawl.frontier import keys
from raycrawl.frontier.store import Area, FrontierCorruptError, FrontierStore, WriteBatch

_LOOK_AGAIN_S = 0.05
_NO_INCARNATIONS: Mapping[int, int] = MappingProxyType({})

_Ended = dict[bytes, tuple[bytes, Outcome]]  # id -> (location, outcome)


class Frontier:
    """Seen-set, queues, leases and politeness-aware choice of the slots of one shard.

    Time is an argument: seconds of a clock that never goes back and that goes on over a restart (the wall clock), since
    ``not_before_s`` of a slot is kept. All calls are synchronous and may read the store; *durable* ones write.

    Invariants (``validate``): enqueued = pending + leased + done + failed + dropped; every lease is one entry of its
    slot's ``out`` and of the store's queue; a slot never has more requests out and unfetched than its window, save for
    those that ``reconcile`` found or that a smaller concurrency came too late for.

    It never does I/O but through ``store``, reads no clock, and forgets no request.

    Raises (every call): FrontierFullError, FrontierCorruptError, FrontierStoreError from the store.
    """

    def __init__(self, store: FrontierStore, policy: FrontierPolicy | None = None) -> None:
        self.policy = policy or FrontierPolicy()
        self._store = store
        self._roster = Roster(store, self.policy)
        self._leases = LeaseTable()
        self._poisoned: dict[bytes, None] = {}
        self._totals = read_totals(store)
        self._roster.has_cold = self._totals.enqueued > self._totals.ended

    # -- in ------------------------------------------------------------------------------------------------------

    def enqueue(self, records: Sequence[RequestRecord], *, acks: Sequence[Ack] = (), now_s: float) -> list[int]:
        """File new requests, and end others, in one durable write.

        Returns: indexes of the records that were not filed because their id was seen before.

        Raises:
            ValueError: an id that is not 16 bytes; nothing was filed.
        """
        self._advance(now_s)
        batch = WriteBatch()
        duplicates, fresh = self._sort_out(records)
        slots = self._roster.load(dict.fromkeys(record.slot for record in fresh))
        added = self._plan_records(fresh, slots, batch, now_s)
        ended = self._plan_acks(acks, batch)
        if not (duplicates or added or ended):
            return []
        self._commit(batch, added=len(added), filtered=len(duplicates), ended=ended)
        self._apply_acks(ended)
        self._apply_records(added)
        return duplicates

    def _sort_out(self, records: Sequence[RequestRecord]) -> tuple[list[int], list[RequestRecord]]:
        seen = self._store.get_many(Area.SEEN, [record.id for record in records])
        duplicates: list[int] = []
        fresh: dict[bytes, RequestRecord] = {}
        for index, record in enumerate(records):
            id_ = record.id
            if len(id_) != keys.ID_NBYTES:
                raise ValueError(f"a request id has {keys.ID_NBYTES} bytes, not {len(id_)}: {id_!r}")
            if seen[index] is not None or id_ in fresh:
                duplicates.append(index)
            else:
                fresh[id_] = record
        return duplicates, list(fresh.values())

    def _plan_records(
        self, fresh: list[RequestRecord], slots: dict[str, Slot], batch: WriteBatch, now_s: float
    ) -> list[tuple[Slot, bytes]]:
        is_fifo = self.policy.order == "fifo"
        make_rank, make_entry, seen, queue = keys.rank, keys.encode_entry, batch.seen, batch.queue
        added = []
        for sequence, record in enumerate(fresh, self._totals.sequence + 1):
            slot = slots[record.slot]
            rank = make_rank(record.priority, sequence, is_start=record.is_start, is_fifo=is_fifo)
            location = slot.key + rank
            seen[record.id] = location
            queue[location] = make_entry(0, now_s, record.id, record.payload)
            added.append((slot, rank))
        for slot in slots.values():
            if slot.is_new:
                batch.slots[slot.key] = keys.encode_slot(slot.record)
        return added

    def _apply_records(self, added: list[tuple[Slot, bytes]]) -> None:
        by_slot: dict[Slot, list[bytes]] = {}
        for slot, rank in added:
            by_slot.setdefault(slot, []).append(rank)
        for slot, ranks in by_slot.items():
            slot.is_new = False
            urgency = keys.urgency(min(ranks))
            if self._roster.admit(slot, urgency=urgency):
                for rank in ranks:
                    slot.add(rank)
                # New requests move a slot only when it had none, or when one is more urgent than those it had.
                if slot.entry is None or (slot.is_ready and urgency < slot.entry[0]):
                    self._roster.place(slot)

    # -- out -----------------------------------------------------------------------------------------------------

    def lease(
        self, n: int, *, now_s: float, owners: int = 1, incarnations: Mapping[int, int] = _NO_INCARNATIONS
    ) -> dict[int, list[LeasedRecord]]:
        """Hand out up to ``n`` requests whose time has come, by the Downloader (of ``owners``) that owns their slot.

        Writes nothing. An empty answer means that no request may go out now; ``next_ready_s`` says when one may.
        """
        self._advance(now_s)
        self._roster.thaw()
        chosen = self._roster.choose(n)
        picks = [(slot, rank) for slot, ranks in chosen for rank in ranks]
        try:
            entries = self._entries(slot.key + rank for slot, rank in picks)
        except Exception:
            self._roster.give_back(chosen)
            raise
        deadline_s = now_s + self.policy.lease_timeout_s
        leased: dict[int, list[LeasedRecord]] = {}
        for (slot, rank), entry in zip(picks, entries, strict=True):
            owner = slot.key[0] % owners
            self._leases[entry.id] = lease = Lease(
                slot,
                rank,
                attempts=entry.attempts,
                deadline_s=deadline_s,
                owner=owner,
                incarnation=incarnations.get(owner, 0),
            )
            if entry.attempts >= self.policy.max_attempts:
                self._poison(entry.id, lease)
            else:
                record = LeasedRecord(entry.id, slot.name, entry.payload, entry.attempts)
                leased.setdefault(owner, []).append(record)
        return leased

    def next_ready_s(self, now_s: float) -> float | None:
        """When ``lease`` next has a request. None: never by time alone (nothing pending, or every window is full)."""
        self._advance(now_s)
        roster = self._roster
        roster.thaw()
        if roster.queue.n_ready:
            return now_s
        next_s = roster.queue.next_waiting_s()
        if roster.has_cold and roster.can_admit():  # a lap around the cold slots takes several calls
            next_s = min(now_s + _LOOK_AGAIN_S, next_s if next_s is not None else float("inf"))
        return next_s

    # -- leases end ----------------------------------------------------------------------------------------------

    def fetched(self, ids: Iterable[bytes]) -> None:
        """The downloads of ``ids`` ended: their slots may have others. Unknown ids are ignored."""
        for id_ in ids:
            if (lease := self._leases.get(id_)) is not None:
                lease.end_fetch()
                self._roster.place(lease.slot)

    def ack(self, acks: Sequence[Ack]) -> int:
        """End requests for good. Durable, idempotent; ids that are unknown or ended are ignored.

        Returns: how many ended by this call.
        """
        batch = WriteBatch()
        ended = self._plan_acks(acks, batch)
        if ended:
            self._commit(batch, added=0, filtered=0, ended=ended)
            self._apply_acks(ended)
        return len(ended)

    def release(self, ids: Iterable[bytes], *, infrastructure: bool) -> int:
        """LEASED -> PENDING, at their old places. Ids that are not leased are ignored.

        Args:
            infrastructure: the holder died: counts as an attempt (durable); at ``policy.max_attempts`` the request is
                poison and stays LEASED, see ``take_poisoned``. False: it was handed back or lost on the way.

        Returns: how many became PENDING.
        """
        leases = {id_: self._leases[id_] for id_ in dict.fromkeys(ids) if id_ in self._leases}
        self._poisoned |= {id_: None for id_, lease in leases.items() if lease.is_poison}  # to be taken once more
        leases = {id_: lease for id_, lease in leases.items() if not lease.is_poison}
        if infrastructure and leases:
            self._write_attempts(list(leases.values()))
        n_released = 0
        for id_, lease in leases.items():
            lease.attempts += infrastructure
            if lease.attempts >= self.policy.max_attempts:
                self._poison(id_, lease)
                continue
            del self._leases[id_]
            lease.end()
            lease.slot.add(lease.rank)
            self._roster.place(lease.slot)
            n_released += 1
        return n_released

    def condemn(self, ids: Iterable[bytes]) -> None:
        """Make leased requests poison at once (durable), whatever their attempts; see ``take_poisoned``."""
        leases = {id_: lease for id_ in dict.fromkeys(ids) if (lease := self._leases.get(id_)) and not lease.is_poison}
        for lease in leases.values():
            lease.attempts = self.policy.max_attempts
        self._write_attempts(list(leases.values()))
        for id_, lease in leases.items():
            self._poison(id_, lease)

    def release_owner(self, owner: int, incarnation: int, *, infrastructure: bool = True) -> int:
        """Release what ``owner`` held in ``incarnation`` or before. Returns how many became PENDING."""
        return self.release(self._leases.of_owner(owner, incarnation), infrastructure=infrastructure)

    def expire(self, now_s: float) -> list[bytes]:
        """Release the leases whose deadline is past, as an infrastructure failure. Returns their ids."""
        self._advance(now_s)
        ids = self._leases.expired(now_s)
        self.release(ids, infrastructure=True)
        return ids

    def take_poisoned(self) -> list[LeasedRecord]:
        """Requests that killed their holders too often, each once. They stay LEASED until they are acknowledged."""
        ids = [id_ for id_ in self._poisoned if id_ in self._leases]
        leases = [self._leases[id_] for id_ in ids]
        entries = self._entries(lease.slot.key + lease.rank for lease in leases)
        self._poisoned.clear()
        return [
            LeasedRecord(entry.id, lease.slot.name, entry.payload, lease.attempts)
            for lease, entry in zip(leases, entries, strict=True)
        ]

    def reconcile(
        self, live_ids: Collection[bytes] | Mapping[bytes, tuple[int, int]], *, now_s: float | None = None
    ) -> int:
        """Make leases agree with what is in flight: everything that is not DONE and not in ``live_ids`` is PENDING.

        To be called when a store was opened again, and whenever the engine's ledger is compared with the shard's.

        Args:
            live_ids: ids in flight; a mapping says who holds them: (owner, incarnation).
            now_s: starts their deadlines; None: the latest time that this frontier was told.

        Returns: how many leases were released and how many requests found to be in flight, together.
        """
        if now_s is not None:
            self._advance(now_s)
        n_released = self.release(self._leases.absent_from(live_ids), infrastructure=False)
        strangers = [id_ for id_ in live_ids if id_ not in self._leases]
        seen = self._store.get_many(Area.SEEN, strangers)
        found = {
            id_: location
            for id_, location in zip(strangers, seen, strict=True)
            if location is not None and not keys.is_done(location)
        }
        slots = self._roster.load_keys(list(dict.fromkeys(location[: keys.SLOT_NBYTES] for location in found.values())))
        by_key = {slot.key: slot for slot in slots}
        entries = self._entries(found.values())
        holders = live_ids if isinstance(live_ids, Mapping) else {}
        deadline_s = self._roster.now_s + self.policy.lease_timeout_s
        for (id_, location), entry in zip(found.items(), entries, strict=True):
            slot, rank = by_key[location[: keys.SLOT_NBYTES]], location[keys.SLOT_NBYTES :]
            owner, incarnation = holders.get(id_, (NOBODY, 0))
            self._leases[id_] = Lease(
                slot, rank, attempts=entry.attempts, deadline_s=deadline_s, owner=owner, incarnation=incarnation
            )
            slot.remove(rank)
            slot.out.add(rank)
            slot.unfetched += 1
        for slot in slots:
            self._roster.admit(slot)
            self._roster.place(slot)
        return n_released + len(found)

    # -- politeness and a look inside ----------------------------------------------------------------------------

    def set_slot(
        self,
        slot: str,
        *,
        delay_s: float | None = None,
        concurrency: int | None = None,
        not_before_s: float | None = None,
    ) -> None:
        """What the slot's Downloader learnt (robots.txt, AutoThrottle, Retry-After). Durable; None: as it is."""
        if delay_s is not None and not delay_s >= 0:
            raise ValueError(f"the delay of slot {slot!r} must not be negative, not {delay_s!r}")
        if concurrency is not None and concurrency < 1:
            raise ValueError(f"the concurrency of slot {slot!r} must be at least 1, not {concurrency!r}")
        known = self._roster.load([slot])[slot]
        old = known.record
        new = keys.SlotRecord(
            slot,
            old.delay_s if delay_s is None else delay_s,
            old.concurrency if concurrency is None else concurrency,
            old.not_before_s if not_before_s is None else not_before_s,
        )
        if new == old and not known.is_new:
            return
        self._store.write(WriteBatch(slots={known.key: keys.encode_slot(new)}))
        known.record, known.is_new = new, False
        known.delay_s, known.concurrency = self._roster.politeness(new)
        known.not_before_s = new.not_before_s
        if slot in self._roster.slots:
            self._roster.place(known)

    def counts(self) -> FrontierCounts:
        """Requests by state, exact, also over any kill."""
        totals, leased = self._totals, len(self._leases)
        pending = totals.enqueued - totals.ended - leased
        return FrontierCounts(
            totals.enqueued, pending, leased, totals.done, totals.failed, totals.dropped, totals.filtered
        )

    @property
    def store(self) -> FrontierStore:
        """Where the shard's state is, for a look inside."""
        return self._store

    def leased_ids(self) -> list[bytes]:
        """Ids of the requests that are LEASED, the oldest lease first."""
        return list(self._leases)

    def slots_in_memory(self) -> int:
        """How many slots are in memory; at most ``policy.max_slots`` and an eighth, plus those with leases."""
        return len(self._roster.slots)

    def validate(self, *, is_deep: bool = False) -> None:
        """Assert every invariant of the class; ``is_deep`` compares with the whole store (slow)."""
        validate(self._store, self._roster, self._leases, self.counts(), is_deep=is_deep)

    # -- inside --------------------------------------------------------------------------------------------------

    def _advance(self, now_s: float) -> None:
        self._roster.now_s = max(self._roster.now_s, now_s)

    def _commit(self, batch: WriteBatch, *, added: int, filtered: int, ended: _Ended) -> None:
        outcomes = [outcome for _, outcome in ended.values()]
        totals = self._totals.after(added=added, filtered=filtered, outcomes=outcomes)
        batch.meta[keys.COUNTS_KEY] = totals.pack()
        self._store.write(batch)
        self._totals = totals

    def _plan_acks(self, acks: Sequence[Ack], batch: WriteBatch) -> _Ended:
        """What of ``acks`` changes something."""
        if not acks:
            return {}
        outcomes = {ack.id: ack.outcome for ack in reversed(acks)}  # the first one counts
        unleased = [id_ for id_ in outcomes if id_ not in self._leases]
        locations = dict(zip(unleased, self._store.get_many(Area.SEEN, unleased), strict=True))
        ended: _Ended = {}
        for id_, outcome in outcomes.items():
            lease = self._leases.get(id_)
            location = locations[id_] if lease is None else lease.slot.key + lease.rank
            if location is None or keys.is_done(location):
                continue
            batch.seen[id_] = keys.done_value(location[: keys.SLOT_NBYTES], outcome)
            batch.queue[location] = None
            ended[id_] = (location, Outcome(outcome))
        return ended

    def _apply_acks(self, ended: _Ended) -> None:
        for id_, (location, _) in ended.items():
            lease = self._leases.pop(id_, None)
            if lease is not None:
                lease.end()
                self._roster.place(lease.slot)
            elif (slot := self._roster.by_key.get(location[: keys.SLOT_NBYTES])) is not None:
                slot.remove(location[keys.SLOT_NBYTES :])
                self._roster.place(slot)

    def _entries(self, locations: Iterable[bytes]) -> list[keys.Entry]:
        return list(map(keys.decode_entry, self._values(list(locations))))

    def _values(self, locations: list[bytes]) -> list[bytes]:
        values = [value for value in self._store.get_many(Area.QUEUE, locations) if value is not None]
        if len(values) != len(locations):
            n_missing = len(locations) - len(values)
            raise FrontierCorruptError(f"the frontier is damaged: {n_missing} requests are not in their queue")
        return values

    def _write_attempts(self, leases: list[Lease]) -> None:
        locations = [lease.slot.key + lease.rank for lease in leases]
        batch = WriteBatch()
        for location, lease, value in zip(locations, leases, self._values(locations), strict=True):
            batch.queue[location] = bytes((min(lease.attempts + 1, 255),)) + value[1:]
        self._store.write(batch)

    def _poison(self, id_: bytes, lease: Lease) -> None:
        lease.is_poison = True
        lease.owner = NOBODY
        lease.end_fetch()
        self._poisoned[id_] = None
        self._roster.place(lease.slot)
