"""The frontier's decisions, event by event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import pytest

from raycrawl.core.frontier import Frontier, FrontierCounts, FrontierPolicy, SlotPolicy
from raycrawl.core.frontier.slots import HEAD_KEPT, HEAD_MAX
from raycrawl.core.messages import Ack, LeasedRecord, Outcome, RequestRecord
from raycrawl.core.partitions import owner_of
from raycrawl.frontier import FrontierCorruptError, FrontierFullError, FrontierStoreError, WriteBatch, keys
from raycrawl.frontier.memory import MemoryStore
from raycrawl.frontier.store import Area


def rid(number: int) -> bytes:
    return number.to_bytes(16, "big")


def record(number: int, slot: str = "a.com", priority: int = 0, *, is_start: bool = False) -> RequestRecord:
    return RequestRecord(rid(number), slot, priority, b"payload %d" % number, is_start)


def numbers(leased: dict[int, list[LeasedRecord]]) -> list[int]:
    return [int.from_bytes(each.id, "big") for batch in leased.values() for each in batch]


def slots_of(leased: dict[int, list[LeasedRecord]]) -> Counter[str]:
    return Counter(each.slot for batch in leased.values() for each in batch)


class FragileStore(MemoryStore):
    """A store whose next write or read fails on demand, having done nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.write_error: Exception | None = None
        self.read_error: Exception | None = None

    def write(self, batch: WriteBatch) -> None:
        if self.write_error is not None:
            raise self.write_error
        super().write(batch)

    def get_many(self, area: Area, keys: Sequence[bytes]) -> list[bytes | None]:
        if self.read_error is not None:
            raise self.read_error
        return super().get_many(area, keys)


def make(records: Iterable[RequestRecord] = (), **policy: object) -> Frontier:
    frontier = Frontier(MemoryStore(), FrontierPolicy(**policy))  # type: ignore[arg-type]
    frontier.enqueue(list(records), now_s=0.0)
    frontier.validate(is_deep=True)
    return frontier


# -- states -----------------------------------------------------------------------------------------------------------


def test_a_request_goes_from_pending_over_leased_to_done() -> None:
    frontier = make([record(1)])
    assert frontier.counts() == FrontierCounts(enqueued=1, pending=1)
    leased = frontier.lease(5, now_s=1.0)
    assert leased[0] == [LeasedRecord(rid(1), "a.com", b"payload 1", 0)]
    assert frontier.counts() == FrontierCounts(enqueued=1, leased=1)
    assert frontier.ack([Ack(rid(1))]) == 1
    assert frontier.counts() == FrontierCounts(enqueued=1, done=1)
    frontier.validate(is_deep=True)


def test_outcomes_are_counted_apart() -> None:
    frontier = make(record(n) for n in range(6))
    frontier.lease(6, now_s=0.0)
    outcomes = [Outcome.DONE, Outcome.FAILED, Outcome.DROPPED, Outcome.DROPPED]
    frontier.ack([Ack(rid(n), outcome) for n, outcome in enumerate(outcomes)])
    assert frontier.counts() == FrontierCounts(enqueued=6, leased=2, done=1, failed=1, dropped=2)


def test_enqueue_tells_which_records_were_seen_before_also_within_a_batch() -> None:
    frontier = make([record(1)])
    assert frontier.enqueue([record(2), record(1), record(3), record(2)], now_s=0.0) == [1, 3]
    assert frontier.counts() == FrontierCounts(enqueued=3, pending=3, filtered=2)
    frontier.lease(3, now_s=0.0)
    frontier.ack([Ack(rid(2))])
    assert frontier.enqueue([record(2), record(3)], now_s=0.0) == [0, 1]
    frontier.validate(is_deep=True)


def test_enqueue_of_nothing_changes_nothing() -> None:
    frontier = make()
    assert frontier.enqueue([], now_s=0.0) == []
    assert frontier.counts() == FrontierCounts()
    assert frontier.next_ready_s(3.0) is None
    assert frontier.lease(4, now_s=0.0) == {}


def test_an_id_of_the_wrong_length_is_refused_whole() -> None:
    frontier = make()
    with pytest.raises(ValueError, match="16 bytes"):
        frontier.enqueue([record(1), RequestRecord(b"short", "a.com", 0, b"")], now_s=0.0)
    assert frontier.counts() == FrontierCounts()
    frontier.validate(is_deep=True)


def test_children_and_acknowledgement_are_one_write() -> None:
    store = FragileStore()
    frontier = Frontier(store)
    frontier.enqueue([record(1)], now_s=0.0)
    frontier.lease(1, now_s=0.0)
    store.write_error = FrontierFullError("full")
    with pytest.raises(FrontierFullError):
        frontier.enqueue([record(2), record(3, "b.com")], acks=[Ack(rid(1))], now_s=0.0)
    assert frontier.counts() == FrontierCounts(enqueued=1, leased=1)
    frontier.validate(is_deep=True)
    store.write_error = None
    assert frontier.enqueue([record(2), record(3, "b.com")], acks=[Ack(rid(1))], now_s=0.0) == []
    assert frontier.counts() == FrontierCounts(enqueued=3, pending=2, done=1)
    frontier.validate(is_deep=True)


@pytest.mark.parametrize(
    "act",
    [
        lambda f: f.ack([Ack(rid(1))]),
        lambda f: f.release([rid(1)], infrastructure=True),
        lambda f: f.expire(1e9),
        lambda f: f.set_slot("a.com", delay_s=3.0),
    ],
    ids=["ack", "release", "expire", "set_slot"],
)
def test_a_full_disk_changes_nothing(act: Callable[[Frontier], object]) -> None:
    store = FragileStore()
    frontier = Frontier(store)
    frontier.enqueue([record(2), record(1)], now_s=0.0)
    frontier.lease(1, now_s=0.0)
    before = frontier.counts(), frontier.leased_ids()
    store.write_error = FrontierFullError("full")
    with pytest.raises(FrontierFullError):
        act(frontier)
    assert (frontier.counts(), frontier.leased_ids()) == before
    frontier.validate(is_deep=True)


def test_a_lease_that_cannot_be_read_is_given_back() -> None:
    store = FragileStore()
    frontier = Frontier(store)
    frontier.enqueue([record(n, f"{n % 3}.com") for n in range(9)], now_s=0.0)
    store.read_error = FrontierStoreError("unreadable")
    with pytest.raises(FrontierStoreError):
        frontier.lease(5, now_s=0.0)
    store.read_error = None
    frontier.validate(is_deep=True)
    assert len(numbers(frontier.lease(9, now_s=0.0))) == 9


def test_acks_are_idempotent_and_unknown_ones_ignored() -> None:
    frontier = make([record(1), record(2)])
    frontier.lease(1, now_s=0.0)
    assert frontier.ack([Ack(rid(2), Outcome.FAILED), Ack(rid(2)), Ack(rid(99))]) == 1
    assert frontier.ack([Ack(rid(2))]) == 0
    assert frontier.counts() == FrontierCounts(enqueued=2, pending=1, failed=1)


def test_an_ack_of_a_pending_request_ends_it() -> None:
    """After a shard was replaced, a page that was in flight may end before anybody says that it is in flight."""
    frontier = make([record(1), record(2)])
    assert frontier.ack([Ack(rid(2))]) == 1
    frontier.validate(is_deep=True)
    assert numbers(frontier.lease(5, now_s=0.0)) == [1]


# -- order ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("order", "expected"), [("lifo", [3, 2, 1]), ("fifo", [1, 2, 3])])
def test_order_within_a_priority(order: str, expected: list[int]) -> None:
    frontier = make([record(1), record(2), record(3)], order=order)
    assert numbers(frontier.lease(3, now_s=0.0)) == expected


@pytest.mark.parametrize("order", ["lifo", "fifo"])
def test_priority_comes_first_within_a_slot(order: str) -> None:
    priorities = [0, 5, -3, 2**31, -(2**40), 5_000]
    frontier = make((record(n, priority=p) for n, p in enumerate(priorities)), order=order)
    assert [priorities[n] for n in numbers(frontier.lease(9, now_s=0.0))] == sorted(priorities, reverse=True)


def test_start_requests_are_fifo_and_come_after_the_others_of_their_priority() -> None:
    frontier = make([record(1, is_start=True), record(2, is_start=True), record(3), record(4)])
    frontier.enqueue([record(5, priority=-1), record(6, priority=1, is_start=True)], now_s=0.0)
    assert numbers(frontier.lease(9, now_s=0.0)) == [6, 4, 3, 1, 2, 5]


@pytest.mark.parametrize("order", ["lifo", "fifo"])
def test_order_holds_when_most_of_a_queue_is_on_disk(order: str) -> None:
    frontier = make(order=order, concurrency=1000)
    total = 700
    for first in range(0, total, 70):
        frontier.enqueue([record(n, priority=n % 5) for n in range(first, first + 70)], now_s=0.0)
    frontier.validate(is_deep=True)
    got = []
    while batch := numbers(frontier.lease(13, now_s=0.0)):
        got += batch
    sign = -1 if order == "lifo" else 1
    assert got == sorted(range(total), key=lambda n: (-(n % 5), sign * n))


def test_slots_take_turns() -> None:
    frontier = make(record(n, slot) for n, slot in enumerate(["a.com"] * 50 + ["b.com"] * 50 + ["c.com"] * 50))
    turns = []
    for _ in range(12):
        leased = frontier.lease(1, now_s=0.0)
        turns.append(leased[0][0].slot)
        frontier.ack([Ack(leased[0][0].id)])
    assert turns == ["a.com", "b.com", "c.com"] * 4


def test_a_slot_with_a_million_requests_does_not_starve_one_with_ten() -> None:
    frontier = make((record(n, "huge.com") for n in range(5_000)), concurrency=8)
    frontier.enqueue([record(10_000 + n, "small.com") for n in range(10)], now_s=0.0)
    served: Counter[str] = Counter()
    for _ in range(5):
        leased = frontier.lease(4, now_s=0.0)
        served += slots_of(leased)
        frontier.ack([Ack(rid(n)) for n in numbers(leased)])
    assert served == {"huge.com": 10, "small.com": 10}


def test_the_more_urgent_slot_goes_first() -> None:
    frontier = make([record(1, "a.com"), record(2, "b.com", priority=3), record(3, "c.com", priority=1)])
    assert [numbers(frontier.lease(1, now_s=0.0)) for _ in range(3)] == [[2], [3], [1]]


def test_no_slot_takes_more_than_its_share_while_others_are_ready() -> None:
    urgent = [record(n, "urgent.com", priority=9) for n in range(40)]
    others = [record(100 + n, f"o{n % 3}.com") for n in range(30)]
    frontier = make(urgent + others, concurrency=8)
    assert slots_of(frontier.lease(8, now_s=0.0)) == {"urgent.com": 2, "o0.com": 2, "o1.com": 2, "o2.com": 2}


def test_the_share_of_slots_that_run_out_is_dealt_again() -> None:
    frontier = make([record(1, "b.com"), *(record(10 + n, "a.com") for n in range(40))], concurrency=8)
    assert slots_of(frontier.lease(12, now_s=0.0)) == {"a.com": 11, "b.com": 1}


def test_never_more_than_asked_for_and_grouped_by_owner() -> None:
    frontier = make((record(n, f"site{n % 40}.org") for n in range(400)), concurrency=8)
    for n in (1, 7, 33):
        leased = frontier.lease(n, now_s=0.0, owners=3, incarnations={0: 4, 1: 5, 2: 6})
        assert sum(map(len, leased.values())) == n
        for owner, batch in leased.items():
            assert {owner_of(each.slot, 3) for each in batch} == {owner}
    assert frontier.lease(0, now_s=0.0) == {}
    frontier.validate(is_deep=True)


def test_urgency_across_slots_also_when_a_queue_continues_on_disk() -> None:
    """The head of a.com is used up and what follows on disk is less urgent than b.com."""
    urgent = [record(n, "a.com", priority=5) for n in range(HEAD_KEPT)]
    calm = [record(100 + n, "a.com", priority=0) for n in range(HEAD_MAX)]
    frontier = make([*urgent, *calm, record(999, "b.com", priority=1)], concurrency=100, order="fifo")
    got = [numbers(frontier.lease(1, now_s=0.0))[0] for _ in range(HEAD_KEPT + 2)]
    assert sorted(got[:HEAD_KEPT]) == list(range(HEAD_KEPT))
    assert got[HEAD_KEPT] == 999
    assert got[HEAD_KEPT + 1] >= 100


# -- politeness -------------------------------------------------------------------------------------------------------


def test_a_slot_without_delay_has_twice_its_concurrency_out_until_downloads_end() -> None:
    frontier = make((record(n) for n in range(30)), concurrency=3)
    first = numbers(frontier.lease(20, now_s=0.0))
    assert len(first) == 6
    assert frontier.lease(20, now_s=0.0) == {}
    assert frontier.next_ready_s(0.0) is None
    frontier.fetched([rid(n) for n in first[:2]])
    frontier.fetched([rid(n) for n in first[:2]])  # a repeat is harmless
    assert frontier.next_ready_s(0.5) == 0.5
    assert len(numbers(frontier.lease(20, now_s=0.0))) == 2
    frontier.ack([Ack(rid(first[0]))])  # fetched before: frees nothing more
    assert frontier.lease(20, now_s=0.0) == {}
    frontier.ack([Ack(rid(first[2]))])
    assert len(numbers(frontier.lease(20, now_s=0.0))) == 1


def test_a_delayed_slot_gives_one_request_each_delay_a_little_ahead() -> None:
    frontier = make((record(n) for n in range(200)), delay_s=2.0, concurrency=8, lookahead_s=0.3)
    times: list[float] = []
    now_s = 100.0
    while len(times) < 50:
        leased = numbers(frontier.lease(5, now_s=now_s))
        times += [now_s] * len(leased)
        frontier.ack([Ack(rid(n)) for n in leased])
        ready_s = frontier.next_ready_s(now_s)
        assert ready_s is not None
        now_s = max(now_s + 0.05, ready_s)
    assert times[0] == 100.0
    assert times[-1] == pytest.approx(100.0 + 49 * 2.0 - 0.3, abs=0.06)
    assert min(b - a for a, b in pairwise(times)) >= 2.0 - 0.3 - 1e-9


def test_a_delayed_slot_holds_at_most_its_concurrency_and_one() -> None:
    frontier = make((record(n) for n in range(50)), delay_s=0.001, concurrency=2)
    assert len(numbers(frontier.lease(20, now_s=0.0))) == 3
    assert frontier.lease(20, now_s=10.0) == {}
    assert frontier.next_ready_s(10.0) is None


def test_a_waiting_slot_does_not_hold_up_others() -> None:
    frontier = make(
        [*(record(n, "slow.com", priority=9) for n in range(9)), *(record(20 + n, "fast.com") for n in range(9))],
        slots={"slow.com": SlotPolicy(delay_s=10.0, concurrency=1)},
        concurrency=8,
    )
    assert slots_of(frontier.lease(9, now_s=0.0)) == {"slow.com": 1, "fast.com": 8}
    assert slots_of(frontier.lease(9, now_s=9.8)) == {"slow.com": 1, "fast.com": 1}


def test_what_a_downloader_learns_counts_at_once_and_after_opening_again() -> None:
    store = MemoryStore()
    frontier = Frontier(store)
    frontier.enqueue([record(n) for n in range(9)], now_s=0.0)
    frontier.lease(1, now_s=0.0)
    frontier.set_slot("a.com", delay_s=5.0)
    assert frontier.lease(9, now_s=4.0) == {}
    assert frontier.next_ready_s(4.0) == pytest.approx(4.7)
    frontier.set_slot("a.com", delay_s=1.0)
    assert len(numbers(frontier.lease(9, now_s=4.0))) == 1
    frontier.set_slot("a.com", not_before_s=50.0)
    assert frontier.next_ready_s(6.0) == 50.0
    again = Frontier(store)
    assert again.lease(9, now_s=49.0) == {}
    assert again.next_ready_s(49.0) == 50.0
    assert len(numbers(again.lease(9, now_s=50.0))) == 1  # and its delay is still a second
    assert again.next_ready_s(50.0) == pytest.approx(50.7)
    again.set_slot("a.com", delay_s=0.0, concurrency=2)
    assert len(numbers(again.lease(9, now_s=50.0))) == 3
    again.validate(is_deep=True)


def test_a_slot_that_nothing_is_known_of_may_be_told_about() -> None:
    frontier = make()
    frontier.set_slot("later.com", concurrency=1)
    frontier.enqueue([record(n, "later.com") for n in range(5)], now_s=0.0)
    assert len(numbers(frontier.lease(5, now_s=0.0))) == 2
    frontier.validate(is_deep=True)


@pytest.mark.parametrize("wrong", [{"delay_s": -1.0}, {"delay_s": float("nan")}, {"concurrency": 0}])
def test_impossible_politeness_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"a\.com"):
        make().set_slot("a.com", **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"concurrency": 0},
        {"delay_s": -0.1},
        {"order": "random"},
        {"lease_timeout_s": 0},
        {"lookahead_s": float("nan")},
        {"max_attempts": 0},
        {"max_slots": 0},
        {"quantum": 0},
    ],
)
def test_a_policy_names_its_wrong_field(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FrontierPolicy(**wrong)  # type: ignore[arg-type]


# -- leases end otherwise ---------------------------------------------------------------------------------------------


def test_released_requests_return_to_their_old_places() -> None:
    frontier = make(record(n) for n in range(5))
    first = numbers(frontier.lease(2, now_s=0.0))
    assert frontier.release([rid(n) for n in [*first, 77]], infrastructure=False) == 2
    frontier.validate(is_deep=True)
    assert numbers(frontier.lease(5, now_s=0.0)) == [4, 3, 2, 1, 0]


def test_leases_expire() -> None:
    frontier = make((record(n) for n in range(3)), lease_timeout_s=60.0)
    frontier.lease(1, now_s=0.0)
    frontier.lease(1, now_s=30.0)
    assert frontier.expire(59.9) == []
    assert frontier.expire(60.0) == [rid(2)]
    assert frontier.counts() == FrontierCounts(enqueued=3, pending=2, leased=1)
    assert frontier.lease(1, now_s=61.0)[0][0].attempts == 1
    frontier.validate(is_deep=True)


def test_the_leases_of_a_dead_owner_are_released_those_of_its_successor_are_not() -> None:
    frontier = make(record(n) for n in range(6))
    old = numbers(frontier.lease(2, now_s=0.0, incarnations={0: 1}))
    new = numbers(frontier.lease(2, now_s=0.0, incarnations={0: 2}))
    assert frontier.release_owner(1, 9) == 0
    assert frontier.release_owner(0, 0) == 0
    assert frontier.release_owner(0, 1) == 2
    assert frontier.leased_ids() == [rid(n) for n in new]
    again = frontier.lease(2, now_s=0.0, incarnations={0: 2})
    assert numbers(again) == old
    assert [each.attempts for each in again[0]] == [1, 1]


def test_a_request_that_kills_three_owners_is_poison() -> None:
    store = MemoryStore()
    frontier = Frontier(store, FrontierPolicy(concurrency=1))
    frontier.enqueue([record(1), record(2)], now_s=0.0)
    for attempt in range(3):
        leased = frontier.lease(1, now_s=0.0)
        assert [(each.id, each.attempts) for each in leased[0]] == [(rid(2), attempt)]
        assert frontier.take_poisoned() == []
        frontier.release_owner(0, 0)
        frontier.validate(is_deep=True)
    assert frontier.counts() == FrontierCounts(enqueued=2, pending=1, leased=1)
    assert frontier.take_poisoned() == [LeasedRecord(rid(2), "a.com", b"payload 2", 3)]
    assert frontier.take_poisoned() == []
    assert numbers(frontier.lease(9, now_s=0.0)) == [1]
    assert frontier.expire(1e9) == [rid(1)]  # poison has no deadline and no owner
    assert frontier.release([rid(2)], infrastructure=False) == 0

    again = Frontier(store, FrontierPolicy(concurrency=1))  # it is still poison for the shard's successor
    assert numbers(again.lease(1, now_s=0.0)) == []
    assert [each.id for each in again.take_poisoned()] == [rid(2)]
    again.ack([Ack(rid(2), Outcome.DROPPED)])
    assert again.counts() == FrontierCounts(enqueued=2, pending=1, dropped=1)
    again.validate(is_deep=True)


def test_the_end_of_an_incarnation_is_the_end_of_those_before() -> None:
    frontier = make(record(n) for n in range(3))
    for incarnation in (1, 2, 3):
        frontier.lease(1, now_s=0.0, incarnations={0: incarnation})
    assert frontier.release_owner(0, 2) == 2
    assert frontier.leased_ids() == [rid(0)]


def test_releases_that_are_nobodys_fault_do_not_count_even_after_two_that_do() -> None:
    frontier = make([record(1)])
    for _ in range(2):
        frontier.lease(1, now_s=0.0)
        frontier.release([rid(1)], infrastructure=True)
    for _ in range(3):
        assert frontier.lease(1, now_s=0.0)[0][0].attempts == 2
        frontier.release([rid(1)], infrastructure=False)


def test_releases_that_are_nobodys_fault_do_not_count() -> None:
    frontier = make([record(1)])
    for _ in range(10):
        assert frontier.lease(1, now_s=0.0)[0][0].attempts == 0
        frontier.release([rid(1)], infrastructure=False)


def test_after_opening_again_only_what_is_in_flight_is_leased() -> None:
    store = MemoryStore()
    first = Frontier(store)
    first.enqueue([record(n, f"{n % 2}.com") for n in range(10)], now_s=0.0)
    leased = numbers(first.lease(4, now_s=0.0))
    first.ack([Ack(rid(leased[0]))])
    again = Frontier(store)
    assert again.counts() == FrontierCounts(enqueued=10, pending=9, done=1)
    live = {rid(leased[0]): (0, 1), rid(leased[1]): (0, 1), rid(leased[2]): (1, 2), rid(99): (0, 1)}
    assert again.reconcile(live, now_s=100.0) == 2
    assert again.counts() == FrontierCounts(enqueued=10, pending=7, leased=2, done=1)
    again.validate(is_deep=True)
    rest = numbers(again.lease(20, now_s=100.0))
    assert sorted(rest) == sorted(set(range(10)) - set(leased[:3]))
    assert again.release_owner(1, 2) == 1
    assert rid(leased[1]) in again.expire(100.0 + again.policy.lease_timeout_s)
    again.validate(is_deep=True)


def test_reconcile_leases_what_turns_out_to_be_in_flight() -> None:
    frontier = make(record(n) for n in range(4))
    assert frontier.reconcile({rid(3), rid(1)}) == 2
    frontier.validate(is_deep=True)
    assert numbers(frontier.lease(4, now_s=0.0)) == [2, 0]


def test_reconcile_releases_what_got_lost_on_the_way() -> None:
    frontier = make(record(n) for n in range(4))
    leased = numbers(frontier.lease(3, now_s=0.0))
    assert frontier.reconcile({rid(leased[0])}) == 2
    assert frontier.leased_ids() == [rid(leased[0])]
    assert frontier.lease(1, now_s=0.0)[0][0].attempts == 0
    frontier.validate(is_deep=True)


# -- what the store says ----------------------------------------------------------------------------------------------


def test_a_newer_format_is_refused() -> None:
    store = MemoryStore()
    Frontier(store)
    store.write(WriteBatch(meta={keys.FORMAT_KEY: b"\x63"}))
    with pytest.raises(FrontierCorruptError, match="format 63"):
        Frontier(store)


@pytest.mark.parametrize("counts", [None, b"short"])
def test_missing_counts_are_refused(counts: bytes | None) -> None:
    store = MemoryStore()
    Frontier(store)
    store.write(WriteBatch(meta={keys.COUNTS_KEY: counts}))
    with pytest.raises(FrontierCorruptError, match="counts"):
        Frontier(store)


def test_a_queue_entry_that_is_gone_is_corruption_not_silence() -> None:
    store = MemoryStore()
    frontier = Frontier(store)
    frontier.enqueue([record(1)], now_s=0.0)
    ((location, _),) = store.items(Area.QUEUE)
    store.write(WriteBatch(queue={location: None}))
    with pytest.raises(FrontierCorruptError, match="1 requests are not in their queue"):
        frontier.lease(1, now_s=0.0)


def test_a_slot_without_a_record_is_corruption() -> None:
    store = MemoryStore()
    Frontier(store).enqueue([record(1)], now_s=0.0)
    ((key, _),) = store.items(Area.SLOTS)
    store.write(WriteBatch(slots={key: b"\xc1"}))
    with pytest.raises(FrontierCorruptError, match="record"):
        Frontier(store).lease(1, now_s=0.0)
    store.write(WriteBatch(slots={key: None}))
    with pytest.raises(FrontierCorruptError, match="record"):
        Frontier(store).lease(1, now_s=0.0)
