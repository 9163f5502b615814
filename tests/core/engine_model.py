"""A crawl as small as can be around EngineCore: shards, Downloaders and Scrapers that answer in any order, and die."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from raycrawl.core import events as ev
from raycrawl.core.backpressure import Limits, room
from raycrawl.core.engine import EngineConfig, EngineCore
from raycrawl.core.lifecycle import State
from raycrawl.core.messages import Ack, LeaseRequest, PageFetched

LIMITS = Limits(window=8, undone=14, held=12, unscraped_nbytes=1000, unscraped=10)


def page(number: int) -> bytes:
    return number.to_bytes(16, "big")


def core_of(shards: int = 1, downloaders: int = 1, scrapers: int = 2, **config: Any) -> EngineCore:
    return EngineCore(
        EngineConfig(shards=shards, downloaders=downloaders, scrapers=scrapers, limits=LIMITS, **config), now_s=0.0
    )


@dataclass
class Shard:
    """The model's shard: what is durable, what is leased."""

    pending: list[bytes] = field(default_factory=list)
    leased: set[bytes] = field(default_factory=set)
    done: set[bytes] = field(default_factory=set)
    last: ev.Leased | None = None

    def answer(self, index: int, request: LeaseRequest, downloaders: int) -> ev.Leased:
        if self.last is not None and self.last.seq == request.seq:
            return self.last
        if self.last is not None and request.seq < self.last.seq:  # a call that was overtaken
            return ev.Leased(shard=index, seq=request.seq, batches=(), pending=0, next_ready_in_s=None)
        for page_id in (*request.released, *request.lost):
            if page_id in self.leased:
                self.leased.discard(page_id)
                self.pending.append(page_id)
        for ack in request.acks:
            self.end(ack.id)
        if request.live is not None:
            for page_id in sorted(self.leased - set(request.live)):
                self.leased.discard(page_id)
                self.pending.append(page_id)
        batches: dict[int, list[bytes]] = {}
        for _ in range(min(request.n, len(self.pending))):
            page_id = self.pending.pop()
            self.leased.add(page_id)
            batches.setdefault(page_id[-1] % downloaders, []).append(page_id)
        self.last = ev.Leased(
            shard=index, seq=request.seq, batches=tuple((owner, tuple(ids)) for owner, ids in batches.items()),
            pending=len(self.pending), next_ready_in_s=0.0 if self.pending else None,
        )  # fmt: skip
        return self.last

    def end(self, page_id: bytes) -> None:
        self.leased.discard(page_id)
        if page_id in self.pending:
            self.pending.remove(page_id)
        self.done.add(page_id)

    def restart(self, live: list[bytes]) -> None:
        """A new process over the same disk: what is neither done nor live is pending."""
        everything = {*self.pending, *self.leased}
        self.leased = everything & set(live)
        self.pending = sorted(everything - self.leased)
        self.last = None


class Crawl:
    """Drives an EngineCore through a whole crawl of ``size`` pages; checks what must hold after each event."""

    def __init__(self, seed: int, *, deaths: int = 0, repeats: float = 0.0, pauses: bool = False) -> None:
        self.rng = rng = random.Random(seed)
        self.n_shards, self.n_downloaders, self.n_scrapers = rng.randint(1, 3), rng.randint(1, 3), rng.randint(1, 3)
        self.core = core_of(self.n_shards, self.n_downloaders, self.n_scrapers)
        self.size = rng.randint(1, 80)
        self.shards = [Shard() for _ in range(self.n_shards)]
        self.told = 0  # pages that start() and the callbacks have given
        self.scraped: dict[bytes, int] = {}
        self.todo: list[Any] = []  # things on their way: each a function to call
        self.life: dict[tuple[str, int], int] = {}
        self.deaths, self.repeats, self.pauses = deaths, repeats, pauses
        self.now_s = 0.0
        self.wake_s: float | None = None
        self.finish: ev.Finish | None = None
        self.idle_asked = 0
        self.was_closed_early = False
        self.n_events = 0

    # Events in, with all checks.

    def tell(self, event: ev.Event) -> None:
        self.n_events += 1
        before = {shard.index: shard.is_waiting for shard in self.core.shards}
        in_flight = set(self.core.ledger._entries)
        commands = self.core.handle(event, now_s=self.now_s)
        self.core.validate()
        new = sum(command.request.n for command in commands if isinstance(command, ev.CallShard))
        outstanding = sum(shard.asked for shard in self.core.shards) - new
        assert new <= max(0, room(self.core.ledger, LIMITS) - outstanding)
        for command in commands:
            assert self.finish is None, f"{command} after the end"
            if isinstance(command, ev.CallShard):
                assert not before[command.shard] or isinstance(event, ev.Leased | ev.ActorReplaced)
                if command.request.n:
                    assert self.core.state is State.RUNNING
                for ack in command.request.acks:
                    assert ack.id in self.scraped, "an end that nobody reported"
            if isinstance(command, ev.SendBatch):
                assert self.core.state in (State.RUNNING, State.PAUSED)
                assert isinstance(event, ev.Leased)
            self.carry_out(command, event)
        assert len(self.core.ledger) <= max(len(in_flight), LIMITS.held + LIMITS.unscraped + LIMITS.window)

    def later(self, call: Any) -> None:
        self.todo.append(call)
        if self.rng.random() < self.repeats:
            self.todo.append(call)

    def carry_out(self, command: ev.Command, event: ev.Event) -> None:
        match command:
            case ev.CallShard(shard=index, request=request):
                life = self.core.shards[index].incarnation
                self.later(lambda: self.shard_answers(index, request, life))
            case ev.SendBatch(downloader=index):
                assert isinstance(event, ev.Leased)
                ids = next(ids for owner, ids in event.batches if owner == index)
                life = self.core.incarnations["downloader", index]
                for page_id in ids:
                    self.todo.append(lambda page_id=page_id: self.fetch(index, life, page_id))
            case ev.PullStart(scraper=index):
                life = self.core.incarnations["scraper", index]
                self.todo.append(lambda: self.start_pulled(index, life))
            case ev.AskIdle():
                self.idle_asked += 1
                self.todo.append(self.idle_answers)
            case ev.ReplaceActor(kind=kind, index=index, incarnation=incarnation):
                self.todo.append(lambda: self.replaced(kind, index, incarnation))
            case ev.WakeUp(delay_s=delay_s):
                at_s = self.now_s + max(0.0, delay_s)
                self.wake_s = at_s if self.wake_s is None else min(self.wake_s, at_s)
            case ev.Finish():
                self.finish = command
            case ev.SchedulerEmpty():
                assert not any(shard.pending for shard in self.shards) or self.todo

    # What the others do.

    def is_alive(self, kind: str, index: int, life: int) -> bool:
        return self.life.get((kind, index), 0) == life

    def shard_answers(self, index: int, request: LeaseRequest, life: int) -> None:
        if self.is_alive("scheduler", index, life):
            self.tell(self.shards[index].answer(index, request, self.n_downloaders))

    def fetch(self, index: int, life: int, page_id: bytes) -> None:
        if not self.is_alive("downloader", index, life):
            return
        if self.core.state is State.CLOSING and self.rng.random() < 0.5:
            self.tell(ev.Reported(kind="downloader", index=index, incarnation=life, released=(page_id,)))
            return
        scraper = self.rng.randrange(self.n_scrapers)
        its_life = self.life.get(("scraper", scraper), 0)
        sent = PageFetched(page_id, scraper, its_life, self.rng.randrange(200))
        self.later(lambda: self.tell(self.report("downloader", index, life, fetched=(sent,))))
        self.todo.append(lambda: self.scrape(scraper, its_life, page_id))

    def report(self, kind: str, index: int, life: int, **facts: Any) -> ev.Reported:
        waiting = self.rng.choice((0, 0, 3)) if kind == "downloader" else 0
        return ev.Reported(kind=kind, index=index, incarnation=life, waiting=waiting, **facts)

    def scrape(self, index: int, life: int, page_id: bytes) -> None:
        if not self.is_alive("scraper", index, life):
            return
        touched = self.give(self.rng.randrange(4)) if page_id not in self.scraped else ()
        self.scraped[page_id] = self.scraped.get(page_id, 0) + 1
        self.later(lambda: self.tell(self.report("scraper", index, life, acks=(Ack(page_id),), touched=touched)))

    def give(self, count: int) -> tuple[int, ...]:
        """New requests become durable; the shards that have them."""
        touched = set()
        for _ in range(min(count, self.size - self.told)):
            page_id = page(self.told)
            self.told += 1
            self.shards[page_id[-1] % self.n_shards].pending.append(page_id)
            touched.add(page_id[-1] % self.n_shards)
        return tuple(touched)

    def start_pulled(self, index: int, life: int) -> None:
        if self.is_alive("scraper", index, life):
            touched = self.give(self.rng.randint(1, 5))
            self.tell(ev.StartPulled(touched=touched, exhausted=self.told >= self.size or self.rng.random() < 0.5))

    def idle_answers(self) -> None:
        keep_open = self.rng.random() < 0.3
        if self.rng.random() < 0.3:
            self.give(1)
        self.tell(ev.IdleAnswered(keep_open=keep_open, reason=""))

    def replaced(self, kind: str, index: int, incarnation: int) -> None:
        if kind == "scheduler":
            self.shards[index].restart(self.core.ledger.of_shard(index))
        self.tell(ev.ActorReplaced(kind=kind, index=index, incarnation=incarnation))

    def die(self) -> None:
        kind, count = self.rng.choice(
            [
                ("scheduler", self.n_shards),
                ("downloader", self.n_downloaders),
                ("scraper", self.n_scrapers),
                ("sink", 1),
            ],
        )
        index = self.rng.randrange(count)
        life = self.life.get((kind, index), 0)
        is_shard = kind == "scheduler"
        known = self.core.shards[index].incarnation if is_shard else self.core.incarnations.get((kind, index))
        if kind != "sink" and known != life:
            return  # its replacement is not known yet
        self.deaths -= 1
        self.life[kind, index] = life + 1
        self.later(lambda: self.tell(ev.ActorDied(kind=kind, index=index, incarnation=life)))

    def check(self) -> None:
        """What a heartbeat asks a Downloader or Scraper that has everything."""
        kind, count = self.rng.choice([("downloader", self.n_downloaders), ("scraper", self.n_scrapers)])
        index = self.rng.randrange(count)
        known = frozenset(self.core.ledger._entries)
        life = self.life.get((kind, index), 0)
        self.tell(ev.Checked(kind=kind, index=index, incarnation=life, known=known, asked_s=self.now_s))

    # The walk.

    def run(self) -> Crawl:
        self.tell(ev.Opened())
        while self.finish is None:
            assert self.n_events < 20_000, "the crawl does not end"
            chance = self.rng.random()
            if self.deaths and chance < 0.03:
                self.die()
            elif self.pauses and chance < 0.06:
                self.tell(self.rng.choice((ev.PauseRequested(), ev.UnpauseRequested())))
            elif self.deaths and chance < 0.1:
                self.check()
            else:
                self.step()
        return self

    def step(self) -> None:
        if self.todo and (self.wake_s is None or self.rng.random() < 0.9):
            self.todo.pop(self.rng.randrange(len(self.todo)))()
        elif self.wake_s is not None:
            self.now_s, self.wake_s = max(self.now_s, self.wake_s), None
            self.tell(ev.TimePassed())
        elif self.core.state is State.PAUSED:
            self.tell(ev.UnpauseRequested())
        else:
            raise AssertionError(f"nothing is on its way and nothing will wake the crawl: {vars(self.core)}")
