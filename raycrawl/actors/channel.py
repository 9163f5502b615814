"""How actors call each other: by name, never by handle, so that the same classes run on Ray and in one process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class PeerDied(Exception):
    """The peer's incarnation is gone, or cannot be reached: the call may or may not have run."""

    def __init__(self, peer: str) -> None:
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


class Channel(Protocol):
    """Calls to peers. Names are "engine", "scheduler:0", "downloader:0", "scraper:0", "sink:0".

    ``on_death`` is told of a peer (name, incarnation) that a call found dead. ``ships_logs``: this process is an
    actor's own, so its log and its output go to the driver.
    """

    on_death: Callable[[str, int], None]
    ships_logs: bool

    async def call(self, peer: str, method: str, *args: Any) -> Any:
        """Calls and answers. Transient failures are retried: handlers MUST be idempotent. Raises: PeerDied."""

    async def call_durably(self, peer: str, method: str, *args: Any) -> Any:
        """``call`` that waits for the peer's next incarnation as often as it must."""

    def connect(self, peer: str, handle: Any, incarnation: int) -> None:
        """From now on ``peer`` is ``handle``; those who wait for it go on. None: it is gone, another will follow."""

    def incarnation(self, peer: str) -> int:
        """The incarnation of the peer that calls go to; -1 when it has none."""

    def peers(self, kind: str) -> list[str]:
        """The connected peers of a kind, by index."""
