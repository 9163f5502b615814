"""The invariants of a shard, asserted: tests call this after every event."""

from __future__ import annotations

from collections import Counter

from raycrawl.core.frontier.leases import LeaseTable
from raycrawl.core.frontier.policy import FrontierCounts
from raycrawl.core.frontier.roster import Roster
from raycrawl.core.messages import Outcome
from raycrawl.frontier import keys
from raycrawl.frontier.store import Area, FrontierStore


def validate(
    store: FrontierStore, roster: Roster, leases: LeaseTable, counts: FrontierCounts, *, is_deep: bool
) -> None:
    """Raise AssertionError with the story when an invariant of ``Frontier`` does not hold."""
    states = (counts.pending, counts.leased, counts.done, counts.failed, counts.dropped)
    assert min(*states, counts.filtered) >= 0, f"a count is negative: {counts}"
    assert counts.enqueued == sum(states), f"the audit does not hold: {counts}"
    roster.validate()
    unfetched = Counter(lease.slot.name for lease in leases.values() if not lease.is_fetched)
    out = {(lease.slot.name, lease.rank) for lease in leases.values()}
    assert len(out) == len(leases), "two leases of one queue entry"
    for slot in roster.slots.values():
        assert slot.unfetched == unfetched[slot.name], f"slot {slot.name}: {slot.unfetched} unfetched are counted wrong"
        assert slot.out == {rank for name, rank in out if name == slot.name}, f"slot {slot.name}: its leases differ"
    assert {name for name, _ in out} <= roster.slots.keys(), "a slot with leases is not in memory"
    if is_deep:
        _validate_store(store, roster, leases, counts)


def _validate_store(store: FrontierStore, roster: Roster, leases: LeaseTable, counts: FrontierCounts) -> None:
    seen, queue = dict(store.items(Area.SEEN)), dict(store.items(Area.QUEUE))
    queued = {location: id_ for id_, location in seen.items() if not keys.is_done(location)}
    assert queued.keys() == queue.keys(), "the seen-set and the queues differ"
    for location, value in queue.items():
        assert keys.decode_entry(value).id == queued[location], f"{location.hex()}: another request is queued here"
    outcomes = Counter(Outcome(value[-1]) for value in seen.values() if keys.is_done(value))
    assert [outcomes[o] for o in Outcome] == [counts.done, counts.failed, counts.dropped], "ends are counted wrong"
    assert len(queued) == counts.pending + counts.leased, "queued requests are counted wrong"
    for id_, lease in leases.items():
        assert seen.get(id_) == lease.slot.key + lease.rank, f"{id_.hex()} is leased and not queued"
    names = {key: keys.decode_slot(value).name for key, value in store.items(Area.SLOTS)}
    for location in queue:
        key, rank = location[: keys.SLOT_NBYTES], location[keys.SLOT_NBYTES :]
        assert key in names, f"slot {key.hex()} has no record"
        slot = roster.by_key.get(key)
        if slot is None:
            assert roster.has_cold, f"slot {names[key]} has requests and nobody will look"
        elif rank not in slot.out:
            is_known = rank in slot.head or (slot.tail is not None and rank >= slot.tail)
            assert is_known, f"slot {names[key]}: a pending request is neither in memory nor behind the tail"
    pending = {location for location in queue if queued[location] not in leases}
    for slot in roster.slots.values():
        assert {slot.key + rank for rank in slot.head} <= pending, f"slot {slot.name}: it would lease an ended request"
