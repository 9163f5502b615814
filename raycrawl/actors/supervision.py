"""How the engine watches its crew: deaths, replacements, the heartbeat, and what outlives this process."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from raycrawl.actors.channel import PeerDied
from raycrawl.actors.crew import Crew, NoAnswer
from raycrawl.actors.downloads import RemoteDownloads
from raycrawl.actors.inquest import is_computing, testimony
from raycrawl.actors.loop import Tasks
from raycrawl.actors.process import Health
from raycrawl.actors.record import Record
from raycrawl.core import events as ev
from raycrawl.core.engine import EngineCore
from raycrawl.core.lifecycle import State

logger = logging.getLogger(__name__)
FORGET_BATCH = 512
KEEP_STATS_S = 1.0
NET_S = 15.0


class Supervision:
    """The part of the engine's actor that keeps the crew whole.

    An actor is dead when a call found it dead, or when it does not answer the heartbeat and no callback explains that;
    it is announced to everyone, replaced by its next incarnation, and the core leases again what it held.
    """

    core: EngineCore
    crew: Crew
    downloads: RemoteDownloads
    record: Record
    tasks: Tasks
    _full_since_s: float | None
    _forgettable: list[bytes]

    def _handle(self, event: ev.Event) -> None:
        raise RuntimeError("the engine handles events")

    async def _call_quietly(self, peer: str, method: str, *args: Any) -> None:
        raise RuntimeError("the engine calls its crew")

    async def suspect(self, peer: str, incarnation: int) -> None:
        """An actor found another one dead."""
        self._suspect(peer, incarnation)

    def _suspect(self, peer: str, incarnation: int) -> None:
        if peer != "engine" and self.crew.incarnation(peer) == incarnation:
            self.tasks.spawn(self._examine(peer, incarnation))

    async def _examine(self, peer: str, incarnation: int) -> None:
        try:
            await self._pulse_of(peer, 5.0)
        except PeerDied:
            self._died(peer, incarnation)

    async def _pulse_of(self, name: str, timeout_s: float) -> Health | None:
        """An actor's pulse; None: a callback keeps it from answering, within its time. Raises: PeerDied."""
        try:
            return await self.crew.check(name, timeout_s)
        except NoAnswer:
            found = await testimony(self.crew, name, discard=False)
            if not is_computing(found, self.record.scraper_timeout_s):
                raise
            return None

    def _died(self, peer: str, incarnation: int) -> None:
        if self.core.state is State.CLOSED or not self.crew.take_out(peer, incarnation):
            return
        logger.warning("%s has died: it is replaced, and what it held is leased again", peer)
        self.record.stats.inc_value(f"engine/actors_replaced/{peer.partition(':')[0]}")
        self.tasks.spawn(self.crew.announce_death(peer, incarnation))
        self.tasks.spawn(self._bury(peer, incarnation))

    async def _bury(self, peer: str, incarnation: int) -> None:
        """Finds out what an actor died of, and lets the core decide."""
        kind, _, index = peer.partition(":")
        found = await testimony(self.crew, peer, discard=True)
        if found.is_timeout:
            self.record.timed_out(found.page_id, found.traceback)
        elif found.traceback:
            logger.error("%s crashed; innermost first:\n%s", peer, found.traceback)
        self._handle(
            ev.ActorDied(
                kind=kind,
                index=int(index),
                incarnation=incarnation,
                blamed=found.page_id,
                is_timeout=found.is_timeout,
            )
        )

    async def _replace(self, command: ev.ReplaceActor) -> None:
        name = f"{command.kind}:{command.index}"
        args = (self.core.ledger.of_shard(command.index),) if command.kind == "scheduler" else ()
        if not await self.crew.replace(name, command.incarnation, *args):
            return
        await self._greet(command.kind, name)
        incarnation = self.crew.incarnation(name)
        self._handle(ev.ActorReplaced(kind=command.kind, index=command.index, incarnation=incarnation))
        await self.crew.announce(name)

    async def _greet(self, kind: str, name: str) -> None:
        """Tells a newcomer what it must know."""
        if kind in ("downloader", "scraper", "pipeline"):
            await self._call_quietly(name, "forward", self.record.listens_to())
        if kind == "downloader":
            await self._call_quietly(name, "restore", self.record.downloader_states, self.record.slot_notices())
            self.downloads.resend([name])

    # The heartbeat.

    async def _heartbeat(self, interval_s: float) -> None:
        while self.core.state is not State.CLOSED:
            await asyncio.sleep(interval_s)
            try:
                await self._beat(interval_s)
            except Exception:  # the safety net must not be what breaks
                logger.exception("A heartbeat failed; the next one comes in %g s", interval_s)

    async def _beat(self, interval_s: float) -> None:
        self._handle(ev.TimePassed(heartbeat=True))
        await asyncio.wait([self.tasks.spawn(self._check(name, interval_s)) for name in self.crew.everyone()])
        self._tell_forgettable()
        await self._remember()

    async def _remember(self) -> None:
        """Keeps what the next run, or the next engine, must know."""
        states = await self.crew.gather("downloader", "states")
        await self.record.remember(start_exhausted=self._start_is_over(), downloader_states=states)

    async def _keep_stats(self) -> None:
        """The stats are at most a second old if this process is killed."""
        while self.core.state is not State.CLOSED:
            await asyncio.sleep(KEEP_STATS_S)
            if self.core.pressure.disk_full:
                self._watch_full_disk()
                continue
            self._full_since_s = None
            await self.record.remember(start_exhausted=self._start_is_over())

    def _watch_full_disk(self) -> None:
        """Gives up after DISK_FULL_TIMEOUT: what is durable stays, and the crawl can be resumed."""
        now_s = time.monotonic()
        self._full_since_s = self._full_since_s or now_s
        if now_s - self._full_since_s >= self.record.disk_full_timeout_s:
            logger.error("The disk has been full for %.0f s: the crawl is given up", now_s - self._full_since_s)
            self.record.give_up("disk_full")

    def _start_is_over(self) -> bool:
        return self.core.start.exhausted and not self.core.start.pulling

    async def _check(self, name: str, timeout_s: float) -> None:
        """Compares the ledger with what an actor has, and finds out whether it lives."""
        asked_s = time.monotonic() - timeout_s  # what came to it within the last beat may still be on its way
        incarnation = self.crew.incarnation(name)
        kind, _, index = name.partition(":")
        try:
            health = await self._pulse_of(name, timeout_s)
        except PeerDied:
            self._died(name, incarnation)
            return
        if health is None:
            return
        self.record.note_health(name, health)
        is_high = health.memory_percent >= self.record.memory_backout_percent
        if is_high != (health.node in self.core.pressure.memory_high):
            self._handle(ev.PressureChanged(cause="memory", source=health.node, high=is_high))
        # Its own guard has ended a callback by then: this is for what runs outside of pages (signal handlers).
        if health.tick_age_s > self.record.scraper_timeout_s + NET_S and kind == "scraper":
            logger.error("%s has been in %s for %.0f s: it is replaced", name, health.busy_with, health.tick_age_s)
            self._died(name, incarnation)
        elif kind in ("downloader", "scraper"):
            asked_s -= health.tick_age_s  # what came since its loop last ran (a callback computes) waits at its door
            self._handle(
                ev.Checked(kind=kind, index=int(index), incarnation=incarnation, known=health.known, asked_s=asked_s)
            )

    def _tell_forgettable(self) -> None:
        """Feeds need not remember pages whose end is durable in the frontier."""
        if len(self._forgettable) < FORGET_BATCH:
            return
        done, self._forgettable = self._forgettable, []
        for sink in self.crew.names("sink"):
            self.tasks.spawn(self._call_quietly(sink, "forget", done))
