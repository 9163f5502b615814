"""The engine's decisions: what to lease, when to back out, when the crawl is idle, when it may end.

``EngineCore.handle(event, now_s=...)`` applies an event and returns the commands that follow from it. It knows ids,
counts and bytes; it does no I/O and reads no clock. Its shell is ``raycrawl.actors.engine``; the object that spiders
and components see as ``crawler.engine`` is ``ExecutionEngine`` in ``raycrawl.core.facade`` (also importable from here).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from raycrawl.core import events as ev
from raycrawl.core.backpressure import BackoutReason, Limits, Pressure, backout_reason, room
from raycrawl.core.facade import ExecutionEngine as ExecutionEngine
from raycrawl.core.ledger import Holder, Ledger
from raycrawl.core.lifecycle import State, Step, advance
from raycrawl.core.messages import Ack, Outcome
from raycrawl.core.shards import ShardView

RELEASED_KEPT = 10_000
SUSPECT_ATTEMPTS = 2
"""A page whose holders died this often is worked on alone."""
ALONE_DEATHS = 3
"""... and if this many died then, the page was it. One may have been killed from outside, at any page's time."""
GIVEN_UP_ATTEMPTS = SUSPECT_ATTEMPTS + 1
START_DEATHS = 3
START_ID = b"start"
"""Stands for ``Spider.start()`` where pages have their ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """How many actors there are and how much may be in flight."""

    shards: int
    downloaders: int
    scrapers: int
    limits: Limits
    start_chunk: int = 256
    pace_s: float = 0.02
    close_if_idle: bool = True
    idle_retry_s: float = 5.0


@dataclass(slots=True)
class StartView:
    """The pulled ``Spider.start()``: which Scraper runs it, whether a pull is under way, whether it has ended."""

    scraper: int = 0
    pulling: bool = False
    exhausted: bool = False
    deaths: int = 0


@dataclass(slots=True)
class IdleView:
    """The road to the end: empty -> handlers asked -> still empty -> closed."""

    asking: bool = False
    answered: bool = False
    retry_at_s: float = 0.0
    said_empty: bool = False


class EngineCore:
    """The only one that decides.

    Owns the ledger, the views of the shards, the state, the seconds spent backed out. Invariants: nothing is sent to a
    Downloader outside RUNNING; never more is asked for than there is room; the crawl finishes only after every shard
    has said, after the last page ended and after the idle handlers ran, that nothing is pending.
    It never holds a request or a response.
    """

    def __init__(self, config: EngineConfig, *, now_s: float) -> None:
        self.config = config
        self.state = State.NEW
        self.ledger = Ledger()
        self.pressure = Pressure()
        self.shards = [ShardView(index) for index in range(config.shards)]
        self.incarnations: dict[tuple[str, int], int] = {
            (kind, index): 0
            for kind, count in (("downloader", config.downloaders), ("scraper", config.scrapers))
            for index in range(count)
        }
        self.dead: set[tuple[str, int]] = set()
        self.suspects: dict[tuple[str, int], bytes] = {}
        self._alone_deaths: dict[bytes, int] = {}
        self._homeless: list[tuple[int, tuple[bytes, ...]]] = []  # poison that waits for a Scraper
        self._released: dict[bytes, int] = {}  # lost with their holders; the last report of one may still say it ended
        self.start = StartView()
        self.idle = IdleView()
        self.close_reason = ""
        self.close_if_idle = config.close_if_idle
        self.backout_seconds: dict[BackoutReason, float] = {}
        self._backed_out: BackoutReason | None = None
        self._since_s = now_s
        self._finished = False
        self._handlers: dict[type[ev.Event], Callable[[Any, float], list[ev.Command]]] = {
            ev.Opened: self._on_opened,
            ev.StartPulled: self._on_start_pulled,
            ev.Leased: self._on_leased,
            ev.Reported: self._on_reported,
            ev.Enqueued: self._on_enqueued,
            ev.ActorDied: self._on_actor_died,
            ev.ActorReplaced: self._on_actor_replaced,
            ev.Checked: self._on_checked,
            ev.IdleAnswered: self._on_idle_answered,
            ev.PressureChanged: self._on_pressure_changed,
            ev.IdlePolicySet: self._on_idle_policy_set,
            ev.PauseRequested: self._on_pause,
            ev.UnpauseRequested: self._on_unpause,
            ev.CloseRequested: self._on_close,
            ev.TimePassed: self._on_time_passed,
        }

    def handle(self, event: ev.Event, *, now_s: float) -> list[ev.Command]:
        """Applies ``event``, then decides. ``now_s`` is a monotonic time in seconds."""
        commands = self._handlers[type(event)](event, now_s)
        commands += self._decide(now_s)
        self._account(now_s)
        return commands

    # Questions. All are local, synchronous and pure.

    def backout_reason(self) -> BackoutReason | None:
        """Why no request is taken now, or None."""
        return backout_reason(self.state, self.ledger, self.config.limits, self.pressure)

    def needs_backout(self) -> bool:
        """True: take nothing from the frontier or from ``Spider.start()`` now."""
        return self.backout_reason() is not None

    def has_capacity(self) -> bool:
        """True: there is room for another request."""
        return not self.needs_backout()

    def scheduler_empty(self) -> bool:
        """True: every shard has said that nothing is pending, and nothing has changed since."""
        return all(shard.is_settled and not shard.pending for shard in self.shards)

    def spider_is_idle(self) -> bool:
        """True: nothing is in flight or pending, and ``Spider.start()`` has ended."""
        return self.start.exhausted and not self.start.pulling and not len(self.ledger) and self.scheduler_empty()

    def _holder(self, kind: str, index: int) -> Holder:
        return Holder(kind, index, self.incarnations[kind, index])

    def _is_current(self, kind: str, index: int, incarnation: int) -> bool:
        return self.incarnations.get((kind, index)) == incarnation and (kind, index) not in self.dead

    # Events.

    def _on_opened(self, event: ev.Opened, now_s: float) -> list[ev.Command]:
        if self.state is State.NEW:
            self.state = advance(self.state, Step.OPEN)
        if self.state is State.OPENING:
            self.state = advance(self.state, Step.OPENED)
        return []

    def _on_start_pulled(self, event: ev.StartPulled, now_s: float) -> list[ev.Command]:
        self.start.pulling = False
        self.start.exhausted = self.start.exhausted or event.exhausted
        self._touch(event.touched)
        return []

    def _on_leased(self, event: ev.Leased, now_s: float) -> list[ev.Command]:
        shard = self.shards[event.shard]
        if not shard.answered(event, now_s):
            return []
        commands: list[ev.Command] = []
        if event.batches:
            self.idle.answered = self.idle.said_empty = False
            self.idle.retry_at_s = now_s  # there was work since the handlers were asked: ask when it is done
        if event.poisoned:
            commands += self._give_up(shard.index, event.poisoned, now_s)
        for downloader, ids in event.batches:
            if self.state in (State.RUNNING, State.PAUSED) and ("downloader", downloader) not in self.dead:
                holder = self._holder("downloader", downloader)
                self.ledger.lease(shard.index, holder, ids, now_s=now_s, attempts=event.attempts)
                commands.append(ev.SendBatch(shard=shard.index, seq=event.seq, downloader=downloader))
            else:
                for page_id in ids:
                    shard.note_released(page_id, lost=False)
        return commands

    def _give_up(self, shard: int, page_ids: tuple[bytes, ...], now_s: float) -> list[ev.Command]:
        """Poison goes to a Scraper, for its errback; when none is alive, to the next one that is."""
        scraper = next(iter(self._alive_scrapers()), None)
        holder = Holder("scraper", 0, -1) if scraper is None else self._holder("scraper", scraper)
        self.ledger.lease(shard, holder, page_ids, now_s=now_s, attempts=dict.fromkeys(page_ids, GIVEN_UP_ATTEMPTS))
        if scraper is None:
            self._homeless.append((shard, page_ids))
            return []
        return [ev.SendPoisoned(shard=shard, scraper=scraper)]

    def _on_reported(self, event: ev.Reported, now_s: float) -> list[ev.Command]:
        current = self._is_current(event.kind, event.index, event.incarnation)
        if event.kind == "downloader" and current:
            self.ledger.set_waiting(self._holder("downloader", event.index), event.waiting)
        if current:
            self.pressure.sink_lag_nbytes[f"{event.kind}:{event.index}"] = event.sink_lag_nbytes
            if event.alone is not None:
                self.suspects[event.kind, event.index] = event.alone
        self._touch(event.touched)
        for page in event.fetched:
            self._note_fetched(page, current, now_s)
        for ack in event.acks:
            shard = self.ledger.end(ack.id)
            if shard is None:
                shard = self._released.pop(ack.id, None)
            if shard is not None:
                self.shards[shard].note_ack(ack)
        for page_id in event.released:
            shard = self.ledger.end(page_id)
            if shard is not None:
                self.shards[shard].note_released(page_id, lost=False)
        return []

    def _note_fetched(self, page: Any, current: bool, now_s: float) -> None:
        if not current:
            return  # a stale Downloader: its pages were released when it was declared dead
        shard = self.ledger.fetched(page, now_s)
        if shard is None:
            return
        self.shards[shard].note_fetched(page.id)
        if not self._is_current("scraper", page.scraper, page.incarnation):
            self.ledger.end(page.id)  # it was sent to a Scraper that is gone
            self.shards[shard].note_released(page.id, lost=False)

    def _on_enqueued(self, event: ev.Enqueued, now_s: float) -> list[ev.Command]:
        self._touch(event.touched)
        return []

    def _on_actor_died(self, event: ev.ActorDied, now_s: float) -> list[ev.Command]:
        key = (event.kind, event.index)
        if event.kind == "scheduler":
            shard = self.shards[event.index]
            if not shard.alive or shard.incarnation != event.incarnation:
                return []
            shard.died()
        elif event.kind in ("downloader", "scraper"):
            if not self._is_current(event.kind, event.index, event.incarnation):
                return []
            self._release_lost(Holder(event.kind, event.index, event.incarnation), event)
            self._blame_start(event)
            self.dead.add(key)
            self.pressure.sink_lag_nbytes.pop(f"{event.kind}:{event.index}", None)
            if event.kind == "scraper" and self.start.scraper == event.index:
                self.start.pulling = False
        elif key in self.dead:
            return []  # a sink, and its replacement is under way
        else:
            self.dead.add(key)
        return [ev.ReplaceActor(kind=event.kind, index=event.index, incarnation=event.incarnation + 1)]

    def _release_lost(self, holder: Holder, death: ev.ActorDied) -> None:
        """What a dead actor held goes back. Who is to blame?

        The page that had the CPU, or that actors worked on alone time and again. When nobody was named, each page may
        be: it counts up to one attempt less than poison, and is then worked on alone, so that a page is given up for
        its own deeds only. A page that took too long is given up at once; one whose errback did it again ends here.
        """
        alone = self.suspects.pop((holder.kind, holder.number), b"")
        blamed = death.blamed or self._convict(alone)
        for page_id, entry in self.ledger.lost(holder):
            shard = self.shards[entry.shard]
            if page_id == blamed and entry.attempts >= GIVEN_UP_ATTEMPTS:
                shard.note_ack(Ack(page_id, Outcome.FAILED))
            elif page_id == blamed and death.is_timeout:
                shard.note_condemned(page_id)
            else:
                to_blame = page_id == blamed or (not blamed and entry.attempts < SUSPECT_ATTEMPTS)
                shard.note_released(page_id, lost=to_blame)
            self._released[page_id] = entry.shard
        while len(self._released) > RELEASED_KEPT:
            del self._released[next(iter(self._released))]

    def _convict(self, alone: bytes) -> bytes:
        """The page that an actor worked on alone when it died, once that is no chance any more; else nobody."""
        if not alone:
            return b""
        deaths = self._alone_deaths.pop(alone, 0) + 1
        if deaths >= ALONE_DEATHS:
            return alone
        self._alone_deaths[alone] = deaths
        if len(self._alone_deaths) > RELEASED_KEPT:
            del self._alone_deaths[next(iter(self._alone_deaths))]
        return b""

    def _blame_start(self, death: ev.ActorDied) -> None:
        """A ``Spider.start()`` that ends its process again and again, or never comes back, has ended itself."""
        if death.blamed == START_ID:
            self.start.deaths += 1
            if death.is_timeout or self.start.deaths >= START_DEATHS:
                self.start.exhausted = True

    def _on_actor_replaced(self, event: ev.ActorReplaced, now_s: float) -> list[ev.Command]:
        if event.kind == "scheduler":
            self.shards[event.index].replaced(event.incarnation)
        elif event.kind in ("downloader", "scraper"):
            self.incarnations[event.kind, event.index] = event.incarnation
            self.dead.discard((event.kind, event.index))
            self._touch(range(len(self.shards)))
        else:
            self.dead.discard((event.kind, event.index))
        if event.kind != "scraper":
            return []
        homeless, self._homeless = self._homeless, []
        return [command for shard, page_ids in homeless for command in self._give_up(shard, page_ids, now_s)]

    def _on_checked(self, event: ev.Checked, now_s: float) -> list[ev.Command]:
        if not self._is_current(event.kind, event.index, event.incarnation):
            return []
        for page_id in self.ledger.held(self._holder(event.kind, event.index), event.asked_s):
            if page_id not in event.known:
                shard = self.ledger.end(page_id)
                if shard is not None:
                    self.shards[shard].note_released(page_id, lost=False)
        return []

    def _on_idle_answered(self, event: ev.IdleAnswered, now_s: float) -> list[ev.Command]:
        self.idle.asking = False
        self._touch(range(len(self.shards)))  # a handler may have enqueued: ask the shards once more
        if event.keep_open:
            self.idle.retry_at_s = now_s + self.config.idle_retry_s
            return []
        self.idle.answered = True
        self.close_reason = self.close_reason or event.reason
        return []

    def _on_pressure_changed(self, event: ev.PressureChanged, now_s: float) -> list[ev.Command]:
        sources = self.pressure.memory_high if event.cause == "memory" else self.pressure.disk_full
        (sources.add if event.high else sources.discard)(event.source)
        return []

    def _on_idle_policy_set(self, event: ev.IdlePolicySet, now_s: float) -> list[ev.Command]:
        self.close_if_idle = event.close_if_idle
        return []

    def _on_pause(self, event: ev.PauseRequested, now_s: float) -> list[ev.Command]:
        self.state = advance(self.state, Step.PAUSE)
        return []

    def _on_unpause(self, event: ev.UnpauseRequested, now_s: float) -> list[ev.Command]:
        self.state = advance(self.state, Step.UNPAUSE)
        return []

    def _on_close(self, event: ev.CloseRequested, now_s: float) -> list[ev.Command]:
        was = self.state
        self.state = advance(self.state, Step.CLOSE)
        self.close_reason = self.close_reason or event.reason
        return [ev.ReturnUnstarted()] if was is not self.state else []

    def _on_time_passed(self, event: ev.TimePassed, now_s: float) -> list[ev.Command]:
        if event.heartbeat:
            for shard in self.shards:
                shard.note_heartbeat()
        return []

    def _touch(self, shards: Any) -> None:
        for index in shards:
            self.shards[index].note_touched()
            self.idle.answered = False
            self.idle.said_empty = False

    # Decisions.

    def _decide(self, now_s: float) -> list[ev.Command]:
        if self.state is State.CLOSING:
            return self._decide_closing(now_s)
        if self.state not in (State.RUNNING, State.PAUSED):
            return []
        return [*self._decide_start(), *self._decide_shards(now_s), *self._decide_idle(now_s)]

    def _decide_start(self) -> list[ev.Command]:
        start = self.start
        if start.exhausted or start.pulling or self.needs_backout():
            return []
        alive = self._alive_scrapers()
        if not alive:
            return []
        if start.scraper not in alive:
            start.scraper = alive[0]
        start.pulling = True
        return [ev.PullStart(scraper=start.scraper, n=self.config.start_chunk)]

    def _alive_scrapers(self) -> list[int]:
        return [index for index in range(self.config.scrapers) if ("scraper", index) not in self.dead]

    def _decide_shards(self, now_s: float) -> list[ev.Command]:
        # While a Downloader is replaced its slots have no owner: what is leased for them would come straight back.
        ownerless = any(kind == "downloader" for kind, _ in self.dead)
        free = 0 if ownerless or self.needs_backout() else self._unasked_room()
        worth = [shard for shard in self.shards if shard.is_worth_a_call(free, now_s)]
        due = [shard for shard in worth if now_s >= self._due_s(shard)]
        commands: list[ev.Command] = []
        for position, shard in enumerate(due):
            share = free // (len(due) - position)
            free -= share
            commands.append(shard.call(share, now_s, live=self._live(shard)))
        waits = [self._due_s(shard) for shard in worth if shard not in due]
        if free > 0 or len(due):
            waits += [at_s for shard in self.shards if shard.pending and (at_s := shard.ready_at_s or 0.0) > now_s]
        if waits and self.state is State.RUNNING:
            commands.append(ev.WakeUp(delay_s=min(waits) - now_s))
        return commands

    def _unasked_room(self) -> int:
        """The room that no shard has been asked to fill."""
        return max(0, room(self.ledger, self.config.limits) - sum(shard.asked for shard in self.shards))

    def _live(self, shard: ShardView) -> list[bytes] | None:
        """Once a heartbeat, the shard is told all that is in flight, and repairs what does not agree."""
        return self.ledger.of_shard(shard.index) if shard.wants_check else None

    def _due_s(self, shard: ShardView) -> float:
        """When a shard may be called again: at once while Downloaders run dry, else paced, so that calls gather."""
        hungry = (self.ledger.transferring + self.ledger.unscraped) * 4 < self.config.limits.window
        return shard.called_at_s if hungry else shard.called_at_s + self.config.pace_s

    def _decide_idle(self, now_s: float) -> list[ev.Command]:
        commands: list[ev.Command] = []
        if self.scheduler_empty() and not self.idle.said_empty:
            self.idle.said_empty = True
            commands.append(ev.SchedulerEmpty())
        may_close = self.state is State.RUNNING and self.close_if_idle
        if self.idle.asking or not may_close or not self.spider_is_idle():
            return commands
        if self.idle.answered:
            commands += self._on_close(ev.CloseRequested(reason="finished"), now_s)
            commands += self._decide_closing(now_s)
        elif now_s >= self.idle.retry_at_s:
            self.idle.asking = True
            commands.append(ev.AskIdle())
        else:  # said again and again: an earlier wake-up replaces a later one
            commands.append(ev.WakeUp(delay_s=self.idle.retry_at_s - now_s))
        return commands

    def _decide_closing(self, now_s: float) -> list[ev.Command]:
        commands: list[ev.Command] = [shard.call(0, now_s) for shard in self.shards if shard.is_worth_a_call(0, now_s)]
        at_rest = not len(self.ledger) and not self.start.pulling
        told = all(not shard.has_news and not shard.is_waiting for shard in self.shards)
        if at_rest and told and not self._finished:
            self._finished = True
            self.state = advance(self.state, Step.DRAINED)
            commands.append(ev.Finish(reason=self.close_reason))
        return commands

    def _account(self, now_s: float) -> None:
        if self._backed_out is not None:
            spent = self.backout_seconds.get(self._backed_out, 0.0)
            self.backout_seconds[self._backed_out] = spent + now_s - self._since_s
        self._since_s = now_s
        self._backed_out = self.backout_reason()

    def validate(self) -> None:
        """Asserts the invariants."""
        self.ledger.validate()
        for shard in self.shards:
            shard.validate()
        assert self.ledger.transferring <= self.ledger.downloading
        assert not self._finished or not len(self.ledger)
