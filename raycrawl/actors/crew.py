"""The engine's crew: the actors that it creates, watches and replaces."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from dataclasses import dataclass
from typing import Any, Protocol

from raycrawl.actors.channel import Channel, PeerDied
from raycrawl.actors.process import Health

logger = logging.getLogger(__name__)
REPLACE_RETRY_S = 2.0


class ActorHost(Protocol):
    """Where actors come from: Ray, or the test's own process."""

    def create(self, kind: str, index: int, incarnation: int) -> Any:
        """Starts an actor; does not wait for it."""

    async def health(self, handle: Any, timeout_s: float) -> Health | None:
        """Its pulse; None when it does not answer in time. Raises: PeerDied."""

    def kill(self, handle: Any) -> None:
        """Ends it at once."""


class NoAnswer(PeerDied):
    """The actor did not answer in time: it may be dead, stopped or busy."""


class CannotOpen(Exception):
    """An actor could not open: the message says which, and why."""


@dataclass(slots=True)
class Member:
    """One actor: its handle, its incarnation, where it runs."""

    handle: Any
    incarnation: int
    pid: int = 0
    node: str = ""
    box: str = ""  # where it says what it works on, see raycrawl.actors.guard
    is_open: bool = False


class Crew:
    """Owns the handles of all actors. ``roster`` says how many of each kind there are.

    Invariants: an actor gets work only after ``open`` has answered and everyone is wired to it; an incarnation that was
    declared dead never comes back (its process is ended, its messages are refused).
    """

    def __init__(self, channel: Channel, host: ActorHost, roster: dict[str, int], engine_handle: Any) -> None:
        self._channel, self._host = channel, host
        self._roster = roster
        self._engine = engine_handle
        self._members: dict[str, Member] = {}
        self._leaving = False

    def names(self, kind: str) -> list[str]:
        """The names of the actors of a kind."""
        return [f"{kind}:{index}" for index in range(self._roster.get(kind, 0))]

    def everyone(self) -> list[str]:
        """The names of all actors."""
        return list(self._members)

    def member(self, name: str) -> Member | None:
        """An actor by name."""
        return self._members.get(name)

    def handles(self) -> list[Any]:
        """Every handle."""
        return [member.handle for member in self._members.values()]

    def pids(self) -> dict[str, int]:
        """Process ids by name."""
        return {name: member.pid for name, member in self._members.items()}

    async def open_all(self) -> None:
        """Creates, opens and wires everyone. Raises: CannotOpen."""
        names = [name for kind in self._roster for name in self.names(kind)]
        for name in names:
            self._create(name, 0)
        for name in names:
            self._channel.connect(name, self._members[name].handle, 0)
        await asyncio.gather(*(self._tell(name, {"engine": (self._engine, 0)}) for name in names))
        await asyncio.gather(*(self._open(name) for name in names))
        await asyncio.gather(*(self._tell(name, self._peers_for(name)) for name in names))

    def _create(self, name: str, incarnation: int) -> None:
        kind, _, index = name.partition(":")
        self._members[name] = Member(self._host.create(kind, int(index), incarnation), incarnation)

    async def _open(self, name: str, *args: Any) -> None:
        try:
            answer = await self._channel.call(name, "begin", *args)
        except PeerDied as error:
            raise CannotOpen(f"{name} died while it opened: {error.__cause__ or error}") from error
        if answer["error"]:
            raise CannotOpen(answer["error"])
        member = self._members[name]
        member.pid, member.node, member.box, member.is_open = answer["pid"], answer["node"], answer["box"], True

    def _peers_for(self, name: str) -> dict[str, tuple[Any, int]]:
        """Everyone that ``name`` may call: those that have not opened yet are told of when they have."""
        peers = {
            peer: (member.handle, member.incarnation)
            for peer, member in self._members.items()
            if peer != name and member.is_open
        }
        return {**peers, "engine": (self._engine, 0)}

    async def _tell(self, name: str, peers: dict[str, tuple[Any, int]]) -> None:
        try:
            await self._channel.call(name, "wire", peers)
        except PeerDied:
            logger.debug("%s was gone before it could be wired", name)

    async def replace(self, name: str, incarnation: int, *args: Any) -> bool:
        """Creates and opens the next incarnation; False when the crew is leaving. ``announce`` makes it known."""
        self._end(name)
        while not self._leaving:
            self._create(name, incarnation)
            member = self._members[name]
            self._channel.connect(name, member.handle, incarnation)
            try:
                await self._tell(name, self._peers_for(name))
                await self._open(name, *args)
            except CannotOpen as error:
                logger.error("%s cannot be replaced yet: %s", name, error)
                self._end(name)
                incarnation += 1
                await asyncio.sleep(REPLACE_RETRY_S)
                continue
            return True
        return False

    async def announce(self, name: str) -> None:
        """Everyone may call the new incarnation from now on: the engine MUST know it as alive before."""
        member = self._members[name]
        news = {name: (member.handle, member.incarnation)}
        others = [peer for peer, other in self._members.items() if peer != name and other.is_open]
        await asyncio.gather(*(self._tell(peer, news) for peer in others))

    def take_out(self, name: str, incarnation: int) -> bool:
        """An actor is dead; False when it was not in service (known as dead, being replaced, another incarnation)."""
        member = self._members.get(name)
        if member is None or member.incarnation != incarnation or not member.is_open:
            return False
        member.is_open = False
        return True

    async def announce_death(self, name: str, incarnation: int) -> None:
        """Nobody shall send to the dead."""
        self._channel.connect(name, None, incarnation)
        news = {name: (None, incarnation)}
        await asyncio.gather(*(self._tell(peer, news) for peer, member in self._members.items() if member.is_open))

    def incarnation(self, name: str) -> int:
        """The incarnation that is in service."""
        member = self._members.get(name)
        return member.incarnation if member else -1

    def _end(self, name: str) -> None:
        """Ends a process for good; one that is stopped (SIGSTOP) or hangs cannot end itself."""
        member = self._members.get(name)
        if member is None:
            return
        self._host.kill(member.handle)
        if member.pid not in (0, os.getpid()) and member.node == os.uname().nodename:
            try:
                os.kill(member.pid, signal.SIGKILL)
            except ProcessLookupError:
                logger.debug("%s (pid %d) had ended already", name, member.pid)

    async def check(self, name: str, timeout_s: float) -> Health | None:
        """An actor's pulse. Raises: PeerDied when it is gone, NoAnswer when there is none in time."""
        member = self._members[name]
        health = await self._host.health(member.handle, timeout_s)
        if health is None:
            raise NoAnswer(name)
        return health

    async def call(self, name: str, method: str, *args: Any) -> Any:
        """Calls one actor. Raises: PeerDied."""
        return await self._channel.call(name, method, *args)

    async def gather(self, kind: str, method: str, *args: Any) -> list[Any]:
        """Calls every actor of a kind; the answers of those that are alive and open."""

        async def one(name: str) -> Any:
            try:
                return await self._channel.call(name, method, *args)
            except PeerDied:
                return None

        # One that is being replaced has no answer yet, and would fail.
        answers = await asyncio.gather(*(one(name) for name in self.names(kind) if self._members[name].is_open))
        return [answer for answer in answers if answer is not None]

    def leave(self) -> None:
        """The crawl is over: no replacements any more."""
        self._leaving = True

    def kill_all(self) -> None:
        """Ends every process."""
        self._leaving = True
        for name in self._members:
            self._host.kill(self._members[name].handle)
