"""A seeded random walk over a frontier's events, checked against a model that is too simple to be wrong."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from raycrawl.core.frontier import Frontier, FrontierCounts, FrontierPolicy
from raycrawl.core.messages import Ack, Outcome, RequestRecord
from raycrawl.core.partitions import owner_of
from raycrawl.frontier.store import FrontierStore

OWNERS = 3


class Model:
    """What must be true: every request's state, and the order within each slot."""

    def __init__(self, order: str) -> None:
        self.sign = -1 if order == "lifo" else 1
        self.record: dict[bytes, RequestRecord] = {}
        self.sequence: dict[bytes, int] = {}
        self.state: dict[bytes, str] = {}
        self.outcomes: Counter[Outcome] = Counter()
        self.attempts: Counter[bytes] = Counter()
        self.filtered = 0

    def ids(self, state: str) -> list[bytes]:
        return [id_ for id_, its in self.state.items() if its == state]

    def rank(self, id_: bytes) -> tuple[int, bool, int]:
        record, number = self.record[id_], self.sequence[id_]
        return (-record.priority, record.is_start, number if record.is_start else self.sign * number)

    def queue(self, slot: str) -> list[bytes]:
        pending = [id_ for id_, its in self.state.items() if its == "pending" and self.record[id_].slot == slot]
        return sorted(pending, key=self.rank)

    def counts(self) -> FrontierCounts:
        states = Counter(self.state.values())
        leased = states["leased"] + states["poison"]
        done, failed, dropped = (self.outcomes[outcome] for outcome in Outcome)
        return FrontierCounts(len(self.state), states["pending"], leased, done, failed, dropped, self.filtered)


class Walk:
    """Random events on a frontier, each followed by ``check``. ``reopen`` gives the store again after a crash."""

    def __init__(self, seed: int, store: FrontierStore, reopen: Callable[[], FrontierStore]) -> None:
        self.rng = rng = random.Random(seed)
        self.policy = FrontierPolicy(
            concurrency=rng.choice([1, 2, 5]),
            delay_s=rng.choice([0.0, 0.0, 0.5]),
            order=rng.choice(["lifo", "fifo"]),
            lease_timeout_s=20.0,
            max_slots=rng.choice([1, 3, 100]),
            quantum=rng.choice([1, 3, 32]),
        )
        self.reopen = reopen
        self.frontier = Frontier(store, self.policy)
        self.model = Model(self.policy.order)
        self.now_s = 1_000.0
        self.n_ids = 0
        self.log: list[tuple[object, ...]] = []

    def run(self, n_events: int, *, is_deep: bool) -> None:
        actions = [self.enqueue] * 4 + [self.lease] * 5 + [self.ack] * 4
        actions += [self.fetched, self.fetched, self.release, self.kill_owner, self.expire, self.tell, self.crash]
        for _ in range(n_events):
            self.now_s += self.rng.choice([0.0, 0.0, 0.1, 1.0])
            self.rng.choice(actions)()
            self.check(is_deep=is_deep)
        self.drain()

    def check(self, *, is_deep: bool) -> None:
        self.frontier.validate(is_deep=is_deep)
        assert self.frontier.counts() == self.model.counts()
        assert sorted(self.frontier.leased_ids()) == sorted(self.model.ids("leased") + self.model.ids("poison"))

    # -- events --------------------------------------------------------------------------------------------------

    def new_record(self) -> RequestRecord:
        if self.model.state and self.rng.random() < 0.2:
            return self.model.record[self.rng.choice(list(self.model.state))]
        self.n_ids += 1
        slot = f"s{int(self.rng.expovariate(0.4))}.com"
        priority = self.rng.choice([0, 0, 0, 1, -1, 10])
        return RequestRecord(self.n_ids.to_bytes(16, "big"), slot, priority, b"p", self.rng.random() < 0.1)

    def enqueue(self) -> None:
        records = [self.new_record() for _ in range(self.rng.choice([1, 3, 40]))]
        acks = self.some_acks() if self.rng.random() < 0.5 else []
        duplicates = self.frontier.enqueue(records, acks=acks, now_s=self.now_s)
        expected = []
        for index, record in enumerate(records):
            if record.id in self.model.state:
                expected.append(index)
                continue
            self.model.record[record.id] = record
            self.model.sequence[record.id] = len(self.model.state)
            self.model.state[record.id] = "pending"
        assert duplicates == expected
        self.model.filtered += len(duplicates)
        self.model_acks(acks)

    def lease(self) -> None:
        n = self.rng.choice([1, 2, 10])
        queues = {record.slot: self.model.queue(record.slot) for record in self.model.record.values()}
        old = set(self.frontier.leased_ids())
        leased = self.frontier.lease(n, now_s=self.now_s, owners=OWNERS)
        poison = set(self.frontier.leased_ids()) - old
        assert sum(map(len, leased.values())) <= n
        by_slot: dict[str, list[bytes]] = {}
        for owner, batch in leased.items():
            for each in batch:
                assert owner_of(each.slot, OWNERS) == owner
                assert each.attempts == self.model.attempts[each.id]
                by_slot.setdefault(each.slot, []).append(each.id)
                self.model.state[each.id] = "leased"
                poison.discard(each.id)
        for id_ in poison:
            assert self.model.attempts[id_] >= self.policy.max_attempts
            self.model.state[id_] = "poison"
        for slot, ids in by_slot.items():
            queue = [id_ for id_ in queues[slot] if id_ not in poison]
            assert ids == queue[: len(ids)], f"{slot}: not its most urgent requests in their order"

    def some_acks(self) -> list[Ack]:
        known = self.model.ids("leased") + self.model.ids("poison")
        ids = self.rng.sample(known, min(len(known), self.rng.choice([0, 1, 5])))
        if self.rng.random() < 0.1:
            ids += [*self.model.ids("pending")[:1], b"\xff" * 16, *ids[:1]]
        return [Ack(id_, self.rng.choice(list(Outcome))) for id_ in ids]

    def ack(self) -> None:
        acks = self.some_acks()
        self.frontier.ack(acks)
        self.model_acks(acks)

    def model_acks(self, acks: list[Ack]) -> None:
        for ack in acks:
            if self.model.state.get(ack.id, "done") != "done":
                self.model.state[ack.id] = "done"
                self.model.outcomes[ack.outcome] += 1

    def fetched(self) -> None:
        self.frontier.fetched(self.rng.sample(self.model.ids("leased"), len(self.model.ids("leased")) // 2))

    def model_release(self, ids: list[bytes], *, infrastructure: bool) -> None:
        for id_ in ids:
            self.model.attempts[id_] += infrastructure
            is_poison = self.model.attempts[id_] >= self.policy.max_attempts
            self.model.state[id_] = "poison" if is_poison else "pending"

    def release(self) -> None:
        ids, infrastructure = self.model.ids("leased")[:3], self.rng.random() < 0.5
        self.frontier.release(ids, infrastructure=infrastructure)
        self.model_release(ids, infrastructure=infrastructure)

    def kill_owner(self) -> None:
        owner = self.rng.randrange(OWNERS)
        held = [id_ for id_ in self.model.ids("leased") if owner_of(self.model.record[id_].slot, OWNERS) == owner]
        if self.rng.random() < 0.5:
            return
        self.frontier.release_owner(owner, 0)
        self.model_release(held, infrastructure=True)

    def expire(self) -> None:
        self.now_s += 3.0
        expired = self.frontier.expire(self.now_s)
        assert all(self.model.state[id_] == "leased" for id_ in expired)
        self.model_release(expired, infrastructure=True)

    def tell(self) -> None:
        delay_s = self.rng.choice([None, 0.0, 0.2, 3.0])
        not_before_s = self.rng.choice([None, None, self.now_s + 2.0, self.now_s + 100.0])
        slot = f"s{self.rng.randrange(6)}.com"
        self.frontier.set_slot(
            slot, delay_s=delay_s, concurrency=self.rng.choice([None, 1, 4]), not_before_s=not_before_s
        )

    def crash(self) -> None:
        """The shard dies; its successor hears which requests are still in flight."""
        live = {id_: (owner_of(self.model.record[id_].slot, OWNERS), 0) for id_ in self.model.ids("leased")}
        lost = [id_ for id_ in live if self.rng.random() < 0.5] + self.model.ids("poison")
        for id_ in lost:
            live.pop(id_, None)
            self.model.state[id_] = "pending"
        self.frontier = Frontier(self.reopen(), self.policy)
        self.frontier.reconcile(live, now_s=self.now_s)

    # -- the end -------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Every request comes out, once: the crawl ends."""
        for slot in {record.slot for record in self.model.record.values()}:
            self.frontier.set_slot(slot, delay_s=0.0, not_before_s=0.0)
        for _ in range(len(self.model.state) + 10_000):
            self.lease()
            acks = [Ack(id_) for id_ in self.model.ids("leased") + self.model.ids("poison")]
            self.frontier.ack(acks)
            self.model_acks(acks)
            if not acks and not self.model.ids("pending"):
                break
            assert acks or self.frontier.next_ready_s(self.now_s) is not None, "pending requests that nobody will lease"
            self.now_s += 1.0
        self.check(is_deep=True)
        assert set(self.model.state.values()) <= {"done"}
        assert self.frontier.next_ready_s(self.now_s) is None
