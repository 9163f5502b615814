"""More slots than memory holds: cold slots are served, in turn, and nothing is forgotten."""

from __future__ import annotations

from collections import Counter

from raycrawl.core.frontier import Frontier, FrontierPolicy
from raycrawl.core.frontier.slots import HEAD_MAX
from raycrawl.core.messages import Ack, RequestRecord
from raycrawl.frontier.memory import MemoryStore

LIMIT = 8


def rid(number: int) -> bytes:
    return number.to_bytes(16, "big")


def serve(frontier: Frontier, n: int, now_s: float = 0.0) -> list[str]:
    leased = [each for batch in frontier.lease(n, now_s=now_s).values() for each in batch]
    frontier.ack([Ack(each.id) for each in leased])
    return [each.slot for each in leased]


def test_cold_slots_are_served_and_memory_stays_bounded() -> None:
    frontier = Frontier(MemoryStore(), FrontierPolicy(max_slots=LIMIT, quantum=4))
    frontier.enqueue([RequestRecord(rid(n), f"site{n % 100}.com", 0, b"") for n in range(1000)], now_s=0.0)
    served: Counter[str] = Counter()
    while slots := serve(frontier, 5):
        served.update(slots)
        assert frontier.slots_in_memory() <= LIMIT
        frontier.validate(is_deep=True)
    assert served == {f"site{n}.com": 10 for n in range(100)}
    assert frontier.next_ready_s(0.0) is None


def test_long_queues_in_memory_do_not_starve_cold_slots() -> None:
    frontier = Frontier(MemoryStore(), FrontierPolicy(max_slots=LIMIT, quantum=4))
    big = [RequestRecord(rid(n), f"big{n % LIMIT}.com", 0, b"") for n in range(4_000)]
    frontier.enqueue(big, now_s=0.0)
    frontier.enqueue([RequestRecord(rid(10_000 + n), f"cold{n}.com", 0, b"") for n in range(20)], now_s=0.0)
    assert frontier.slots_in_memory() == LIMIT
    served = Counter(slot for _ in range(60) for slot in serve(frontier, 4))
    assert all(served[f"cold{n}.com"] == 1 for n in range(20))
    assert sum(served.values()) == 240


def test_an_urgent_request_of_a_cold_slot_is_let_in() -> None:
    frontier = Frontier(MemoryStore(), FrontierPolicy(max_slots=LIMIT))
    frontier.enqueue([RequestRecord(rid(n), f"site{n % LIMIT}.com", 0, b"") for n in range(80)], now_s=0.0)
    frontier.enqueue([RequestRecord(rid(1000), "calm.com", 0, b"")], now_s=0.0)
    frontier.enqueue([RequestRecord(rid(2000), "urgent.com", 7, b"")], now_s=0.0)
    assert frontier.slots_in_memory() == LIMIT + 1
    assert serve(frontier, 1) == ["urgent.com"]


def test_slots_that_wait_for_long_make_room() -> None:
    frontier = Frontier(MemoryStore(), FrontierPolicy(max_slots=LIMIT))
    frontier.enqueue([RequestRecord(rid(n), f"shut{n}.com", 0, b"") for n in range(LIMIT)], now_s=0.0)
    for n in range(LIMIT):
        frontier.set_slot(f"shut{n}.com", not_before_s=3600.0)
    frontier.enqueue([RequestRecord(rid(100 + n), f"open{n}.com", 0, b"") for n in range(LIMIT)], now_s=1.0)
    assert sorted(serve(frontier, 50, now_s=1.0)) == [f"open{n}.com" for n in range(LIMIT)]
    served: list[str] = []
    for _ in range(3):
        served += serve(frontier, 50, now_s=3600.0)
    assert sorted(served) == [f"shut{n}.com" for n in range(LIMIT)]


def test_a_cold_slot_keeps_its_delay() -> None:
    frontier = Frontier(MemoryStore(), FrontierPolicy(max_slots=1, quantum=1, delay_s=10.0))
    frontier.enqueue([RequestRecord(rid(n), "slow.com", 0, b"") for n in range(2)], now_s=0.0)
    assert serve(frontier, 5) == ["slow.com"]
    frontier.enqueue([RequestRecord(rid(10), "other.com", 0, b"")], now_s=1.0)
    assert serve(frontier, 5, now_s=1.0) == ["other.com"]
    assert serve(frontier, 5, now_s=5.0) == []
    assert serve(frontier, 5, now_s=9.7) == ["slow.com"]


def test_a_leased_request_keeps_its_slot_in_memory() -> None:
    frontier = Frontier(MemoryStore(), FrontierPolicy(max_slots=1, quantum=1, concurrency=1))
    frontier.enqueue([RequestRecord(rid(n), "a.com", 0, b"") for n in range(5)], now_s=0.0)
    frontier.enqueue([RequestRecord(rid(9), "b.com", 0, b"")], now_s=0.0)
    first = frontier.lease(1, now_s=0.0)[0][0]
    assert frontier.lease(1, now_s=0.0)[0][0].slot == "a.com"
    frontier.validate(is_deep=True)
    frontier.release_owner(0, 0, infrastructure=False)
    assert serve(frontier, 1) == ["b.com"]
    assert serve(frontier, 1) == [first.slot]


def test_heads_are_bounded() -> None:
    frontier = Frontier(MemoryStore())
    for first in range(0, 3_000, 100):
        frontier.enqueue([RequestRecord(rid(n), "a.com", n % 7, b"") for n in range(first, first + 100)], now_s=0.0)
    (slot,) = frontier._roster.slots.values()
    assert len(slot.head) <= HEAD_MAX


def test_opening_reads_no_queue_until_the_first_lease() -> None:
    store = MemoryStore()
    Frontier(store).enqueue([RequestRecord(rid(n), f"site{n}.com", 0, b"") for n in range(3_000)], now_s=0.0)
    again = Frontier(store)
    assert again.slots_in_memory() == 0
    assert again.next_ready_s(5.0) == 5.0
    assert len(serve(again, 32)) == 32
    assert again.slots_in_memory() <= 2_100
