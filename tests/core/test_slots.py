"""Slots: who may be contacted now."""

from __future__ import annotations

import itertools
import random

import pytest

from raycrawl.core.downloader import Slot, SlotConfig, SlotPool, slot_config_from


def pool_of(total: int = 10, **config: float) -> SlotPool:
    whole = SlotConfig(concurrency=int(config.pop("concurrency", 2)), **config)
    return SlotPool(total=total, config_for=lambda key: whole, rng=random.Random(0))


def test_concurrency_of_a_slot_and_of_all() -> None:
    pool = pool_of(total=3)
    for number, key in enumerate("aaabbb"):
        pool.enqueue(number, key, 0.0)
    assert pool.start(0.0) == [0, 3]  # slots take turns, and none has finished a transfer yet
    pool.finished(0, 1.0)
    assert pool.start(1.0) == [1, 2]
    assert pool.transferring == 3
    assert pool.next_wake_s() is None
    pool.finished(3, 1.0)
    assert pool.start(1.0) == [4]
    assert pool.transferring == 3
    pool.validate()


def test_a_slot_that_never_finishes_does_not_take_the_others_transfers() -> None:
    pool = pool_of(total=8, concurrency=8)
    waiting = itertools.count()
    for now_s in range(200):
        for key in ("hangs", "works"):
            while len(pool.slot(key, now_s).active) < 8:
                pool.enqueue(next(waiting), key, now_s)
        for number in pool.start(now_s):
            if number in pool.slots["works"].transferring:
                pool.finished(number, now_s + 0.5)
        pool.validate()
    assert len(pool.slots["hangs"].transferring) == 2


def test_delay_runs_from_when_the_request_has_left() -> None:
    pool = pool_of(delay_s=2.0)
    pool.enqueue(1, "a", 0.0)
    pool.enqueue(2, "a", 0.0)
    assert pool.start(0.0) == [1]
    assert pool.start(50.0) == []  # the first is still being connected
    assert pool.waiting(50.0) == 1
    pool.sent(1, 50.5)
    assert pool.next_wake_s() == pytest.approx(52.5, abs=0.02)
    assert pool.start(52.49) == []
    assert pool.start(52.52) == [2]
    pool.validate()


def test_a_request_that_ends_before_it_left_counts_as_sent() -> None:
    pool = pool_of(delay_s=2.0)
    pool.enqueue(1, "a", 0.0)
    pool.enqueue(2, "a", 0.0)
    pool.start(0.0)
    pool.finished(1, 3.0)
    assert pool.next_wake_s() == pytest.approx(5.0, abs=0.02)


def test_a_slot_that_waits_holds_no_permit() -> None:
    pool = pool_of(total=1, delay_s=5.0)
    for number in range(3):
        pool.enqueue(number, "slow", 0.0)
    assert pool.start(0.0) == [0]
    pool.sent(0, 0.0)
    pool.finished(0, 0.1)
    pool.enqueue(9, "other", 0.1)
    assert pool.start(0.1) == [9]
    assert pool.waiting(0.1) == 2
    assert pool.queued() == [1, 2]


def test_change_of_delay_concurrency_and_hold() -> None:
    pool = pool_of(concurrency=1)
    for number in range(4):
        pool.enqueue(number, "a", 0.0)
    assert pool.start(0.0) == [0]
    pool.change("a", 0.0, concurrency=2)
    assert pool.start(0.0) == [1]
    pool.change("a", 0.0, hold_s=10.0)
    pool.finished(0, 1.0)
    assert pool.start(9.9) == []
    assert pool.start(10.0) == [2]
    pool.change("new", 0.0, delay_s=3.0)
    assert pool.slots["new"].delay == 3.0
    pool.validate()


def test_given_up_while_queued() -> None:
    pool = pool_of(concurrency=1)
    pool.enqueue(1, "a", 0.0)
    pool.enqueue(2, "a", 0.0)
    pool.start(0.0)
    pool.finished(2, 0.0)
    assert pool.queued() == []
    assert pool.transferring == 1
    pool.finished(2, 0.0)  # once more: harmless
    pool.validate()


def test_clean_up_forgets_idle_slots_but_not_their_delay() -> None:
    pool = pool_of(delay_s=100.0)
    pool.enqueue(1, "a", 0.0)
    pool.start(0.0)
    assert pool.clean_up(60.0) == 0
    pool.finished(1, 1.0)
    assert pool.clean_up(60.0) == 0  # contacted again at 101 at the earliest
    assert pool.clean_up(101.5) == 1
    assert pool.slots == {}


def test_jitter_spreads_the_delay() -> None:
    slot = Slot(1, 10.0, 0.5)
    rng = random.Random(1)
    drawn = [slot.download_delay(rng) for _ in range(200)]
    assert 5.0 <= min(drawn) < 6.0
    assert 14.0 < max(drawn) <= 15.0
    assert Slot(1, 10.0).download_delay() == 10.0


def test_settings_of_one_slot() -> None:
    config_for = slot_config_from(
        {"a": {"concurrency": 1, "delay": 3, "randomize_delay": False}, "b": {"jitter": 0.1}},
        SlotConfig(concurrency=8, delay_s=1.0, jitter=0.5),
    )
    assert config_for("a") == SlotConfig(concurrency=1, delay_s=3.0, jitter=0.0)
    assert config_for("b") == SlotConfig(concurrency=8, delay_s=1.0, jitter=0.1)
    assert config_for("c") == SlotConfig(concurrency=8, delay_s=1.0, jitter=0.5)


def test_start_costs_little_with_many_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_of(total=100_000, delay_s=1.0)
    for number in range(2000):
        pool.enqueue(number, f"h{number}", 0.0)
    looked = 0
    ready_at_s = Slot.ready_at_s

    def count(slot: Slot) -> float | None:
        nonlocal looked
        looked += 1
        return ready_at_s(slot)

    monkeypatch.setattr(Slot, "ready_at_s", count)
    assert len(pool.start(0.0)) == 2000
    assert looked <= 3 * 2000
    looked = 0
    pool.sent(7, 0.5)
    pool.finished(7, 0.5)
    assert pool.start(0.6) == []
    assert looked <= 5  # not one look at each slot


class Walk:
    """Random events on a pool, and a model that knows who was sent when."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.configs = {
            key: SlotConfig(
                concurrency=self.rng.randint(1, 4),
                delay_s=self.rng.choice((0.0, 0.0, 0.5, 2.0)),
                jitter=self.rng.choice((0.0, 0.5)),
            )
            for key in "abcdef"
        }
        self.total = self.rng.randint(1, 6)
        self.pool = SlotPool(total=self.total, config_for=self.configs.__getitem__, rng=random.Random(seed))
        self.now_s = 0.0
        self.key_of: dict[int, str] = {}
        self.going: dict[int, bool] = {}  # number -> has been sent
        self.sent_s: dict[str, float] = {}
        self.done = 0

    def start(self) -> None:
        for number in self.pool.start(self.now_s):
            key = self.key_of[number]
            config = self.configs[key]
            least_s = config.delay_s * (1 - config.jitter)
            assert self.now_s >= self.sent_s.get(key, -99.0) + least_s - 1e-9
            if config.delay_s:
                assert all(self.going[other] for other in self.going if self.key_of[other] == key)
            self.going[number] = False
        assert len(self.going) == self.pool.transferring <= self.total
        for key, config in self.configs.items():
            assert sum(self.key_of[number] == key for number in self.going) <= config.concurrency
        self.pool.validate()

    def step(self) -> None:
        event = self.rng.random()
        if event < 0.35:
            number = len(self.key_of)
            self.key_of[number] = self.rng.choice("abcdef")
            self.pool.enqueue(number, self.key_of[number], self.now_s)
        elif event < 0.6:
            self.now_s += self.rng.random()
        elif event < 0.75 and (unsent := [n for n, sent in self.going.items() if not sent]):
            self.send(self.rng.choice(unsent))
        elif event < 0.95 and self.going:
            self.finish(self.rng.choice(list(self.going)))
        elif queued := self.pool.queued():
            self.pool.finished(self.rng.choice(queued), self.now_s)
            self.done += 1
        self.start()

    def send(self, number: int) -> None:
        self.going[number] = True
        self.sent_s[self.key_of[number]] = self.now_s
        self.pool.sent(number, self.now_s)

    def finish(self, number: int) -> None:
        if not self.going[number]:
            self.send(number)
        del self.going[number]
        self.pool.finished(number, self.now_s)
        self.done += 1

    def drain(self) -> None:
        """With nothing but answers and the wake-ups that the pool asks for, every request has its turn."""
        while self.done < len(self.key_of):
            if self.going:
                self.finish(next(iter(self.going)))
            else:
                wake_s = self.pool.next_wake_s()
                assert wake_s is not None, "requests wait, and nothing will wake them"
                self.now_s = max(self.now_s, wake_s)
            self.start()


@pytest.mark.parametrize("seed", range(12))
def test_random_walk(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(500):
        walk.step()
    walk.drain()
    assert walk.pool.transferring == 0
    assert walk.pool.queued() == []
