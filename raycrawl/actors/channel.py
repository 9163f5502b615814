"""How actors call each other: by name, never by handle, so that the same classes run on Ray and in one process."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any


class PeerDied(Exception):
    """The peer's incarnation is gone, or cannot be reached: the call may or may not have run."""

    def __init__(self, peer: str = "a peer") -> None:
        super().__init__(f"{peer} has died")
        self.peer = peer


class Received:
    """The numbered messages that a process has taken in, so that a repeat of one is known for what it is.

    Ray may run a call that it said had failed, and a caller repeats those. The last ``KEPT`` numbers of each sender are
    remembered: a repeat comes within seconds.
    """

    KEPT = 1000

    def __init__(self) -> None:
        self._seen: dict[str, dict[int, None]] = {}

    def is_new(self, sender: str, seq: int) -> bool:
        """True the first time that ``sender``'s message ``seq`` comes."""
        seen = self._seen.setdefault(sender, {})
        if seq in seen:
            return False
        seen[seq] = None
        if len(seen) > self.KEPT:
            del seen[next(iter(seen))]
        return True


class Channel(ABC):
    """Calls to peers. Names are "engine", "scheduler:0", "downloader:0", "scraper:0", "sink:0".

    Owns who is reachable under which name, and those who wait for a peer's next incarnation; how a call travels is the
    subclass's. Invariants: calls go to the newest incarnation that was connected; one that a call found dead is not
    called again, and ``on_death`` is told of it (name, incarnation) once.

    Args:
        ships_logs: this process is an actor's own, so its log and its output go to the driver.
    """

    def __init__(self, *, ships_logs: bool) -> None:
        self.ships_logs = ships_logs
        self.on_death: Callable[[str, int], None] = lambda peer, incarnation: None
        self._handles: dict[str, tuple[Any, int]] = {}
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    @abstractmethod
    async def _deliver(self, handle: Any, method: str, args: tuple[Any, ...]) -> Any:
        """Calls and answers. Raises: PeerDied, whose name the caller fills in, when the peer is gone."""

    def connect(self, peer: str, handle: Any, incarnation: int) -> None:
        """From now on ``peer`` is ``handle``; those who wait for it go on. None: it is gone, another will follow."""
        known = self._handles.get(peer)
        if known is not None and (known[1] > incarnation or (known[1] == incarnation and handle is not None)):
            return
        self._handles[peer] = (handle, incarnation)
        if handle is None:
            return
        for waiter in self._waiting.pop(peer, ()):
            if not waiter.done():
                waiter.set_result(None)

    def incarnation(self, peer: str) -> int:
        """The incarnation of the peer that calls go to; -1 when it has none."""
        handle, incarnation = self._handles.get(peer, (None, -1))
        return incarnation if handle is not None else -1

    def peers(self, kind: str) -> list[str]:
        """The connected peers of a kind, by index."""
        prefix = f"{kind}:"
        return [peer for peer, (handle, _) in self._handles.items() if handle is not None and peer.startswith(prefix)]

    async def call(self, peer: str, method: str, *args: Any) -> Any:
        """Calls and answers. Transient failures are retried: handlers MUST be idempotent. Raises: PeerDied."""
        handle, incarnation = self._handles.get(peer, (None, -1))
        if handle is None:
            raise PeerDied(peer)
        try:
            return await self._deliver(handle, method, args)
        except PeerDied as death:
            if self._handles.get(peer) == (handle, incarnation):
                self._handles[peer] = (None, incarnation)
                self.on_death(peer, incarnation)
            raise PeerDied(peer) from (death.__cause__ or death)

    async def call_durably(self, peer: str, method: str, *args: Any) -> Any:
        """``call`` that waits for the peer's next incarnation as often as it must."""
        while True:
            try:
                return await self.call(peer, method, *args)
            except PeerDied:
                if self.incarnation(peer) < 0:
                    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._waiting.setdefault(peer, []).append(waiter)
                    await waiter
