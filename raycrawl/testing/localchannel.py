"""All actors of a crawl in one process and one event loop, with the faults of a network and of machines on demand.

``LocalHost`` takes the place of Ray: the same actor classes, wired by ``LocalChannel``. Messages are copied as Ray does
(bytes stay bytes), may be delayed and so reordered, repeated, or lost with the death of their receiver. Times
are those of the event loop, so tests need no sleep: they wait for the crawl.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any

from raycrawl.actors.channel import Channel, PeerDied
from raycrawl.actors.engine import ExecutionEngine
from raycrawl.actors.host import plain_class
from raycrawl.actors.process import Boot, Health

# Not repeated: opening is not a message of the crawl, and a Ray call that failed is never sent twice by itself.
_ONCE = frozenset({"begin", "stop", "close_spider", "close_feed", "ask_idle", "pull_start", "wire"})


@dataclass(slots=True)
class Faults:
    """What goes wrong. ``delay_s`` is the longest delay of a message, ``repeat`` the share of messages sent twice."""

    rng: Random = field(default_factory=lambda: Random(0))
    delay_s: float = 0.0
    repeat: float = 0.0


@dataclass(slots=True)
class LocalHandle:
    """A handle to an actor in this process."""

    plain: Any
    name: str
    is_dead: bool = False
    calls: set[asyncio.Task[Any]] = field(default_factory=set)

    def kill(self) -> None:
        """Ends the actor as kill -9 does: whatever it was doing stops at its next wait, and nothing is cleaned up.

        What the system does for a dead process is done here: the locks of a shard's store and of a feed's journal are
        given up.
        """
        if self.is_dead:
            return
        self.is_dead = True
        self.plain.channel.close()
        tasks = getattr(self.plain, "tasks", None)
        for task in [*self.calls, *(tasks._tasks if tasks is not None else ())]:
            task.cancel()
        for name in ("_ticker", "_cleaner", "_beats"):
            task = getattr(self.plain, name, None)
            if task is not None:
                task.cancel()
        writer = getattr(self.plain, "_writer", None)
        for lock in (getattr(self.plain, "_store", None), getattr(writer, "_journal", None)):
            if lock is not None:
                lock.close()


class LocalChannel(Channel):
    """Calls between actors of one process."""

    def __init__(self, faults: Faults) -> None:
        super().__init__(ships_logs=False)
        self._faults = faults
        self._is_closed = False

    def close(self) -> None:
        """The process that this channel belongs to has died: nothing that still runs of it here can send any more."""
        self._is_closed = True

    async def _deliver(self, handle: LocalHandle, method: str, args: tuple[Any, ...]) -> Any:
        """After a random delay; sometimes twice."""
        if self._is_closed:
            raise asyncio.CancelledError
        faults = self._faults
        if method not in _ONCE and faults.rng.random() < faults.repeat:
            await self._run(handle, method, args)
        return await self._run(handle, method, args)

    async def _run(self, handle: LocalHandle, method: str, args: tuple[Any, ...]) -> Any:
        if self._faults.delay_s:
            await asyncio.sleep(self._faults.rng.random() * self._faults.delay_s)
        if handle.is_dead:
            raise PeerDied
        task = asyncio.get_running_loop().create_task(getattr(handle.plain, method)(*args))
        handle.calls.add(task)
        try:
            await asyncio.wait((task,))
        finally:
            handle.calls.discard(task)
        if task.cancelled() or handle.is_dead:
            raise PeerDied
        return task.result()


class LocalHost:
    """Creates actors in this process; ``actors`` has the newest incarnation of each by name."""

    def __init__(self, boot: Boot, faults: Faults | None = None) -> None:
        self.boot = boot
        self.faults = faults or Faults()
        self.actors: dict[str, LocalHandle] = {}
        self.engine = LocalHandle(ExecutionEngine(boot, self.channel(), self), "engine")

    def channel(self) -> LocalChannel:
        """A channel for one more actor."""
        return LocalChannel(self.faults)

    def create(self, kind: str, index: int, incarnation: int) -> LocalHandle:
        """Makes an actor."""
        name = f"{kind}:{index}"
        handle = LocalHandle(plain_class(kind)(self.boot, index, incarnation, self.channel()), name)
        self.actors[name] = handle
        return handle

    async def health(self, handle: LocalHandle, timeout_s: float) -> Health | None:
        """The actor's pulse."""
        if handle.is_dead:
            raise PeerDied(handle.name)
        health: Health = handle.plain.health()
        return health

    def kill(self, handle: LocalHandle) -> None:
        """Ends an actor at once."""
        handle.kill()

    async def crawl(self) -> dict[str, Any]:
        """Runs the whole crawl; the stats at its end. Raises: RuntimeError when an actor could not open."""
        engine: ExecutionEngine = self.engine.plain
        answer = await engine.begin(self.engine)
        if answer["error"]:
            raise RuntimeError(answer["error"])
        await engine.record.finished.wait()
        for handle in self.actors.values():
            handle.kill()
        self.engine.kill()
        stats: dict[str, Any] = engine.record.stats.get_stats()
        return {**stats, "audit": engine.record.audit}
