"""The one place that turns the plain classes into Ray actors, and the channel that carries their calls."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import ray
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    ActorUnschedulableError,
    GetTimeoutError,
    RayActorError,
    WorkerCrashedError,
)

from raycrawl.actors.channel import PeerDied
from raycrawl.actors.host import PLAIN, ActorHost
from raycrawl.actors.process import Boot

logger = logging.getLogger(__name__)
MAX_CONCURRENCY = 1000  # calls that may be under way in one actor
NAMESPACE = "raycrawl"
RETRIES = 8
FIRST_RETRY_S = 0.05


class RayChannel:
    """Calls to Ray actors by name; see ``raycrawl.actors.channel.Channel``."""

    def __init__(self) -> None:
        self._handles: dict[str, tuple[Any, int]] = {}
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self.on_death: Callable[[str, int], None] = lambda peer, incarnation: None
        self.ships_logs = True

    def connect(self, peer: str, handle: Any, incarnation: int) -> None:
        """From now on ``peer`` is ``handle``; None: it is gone, the next incarnation will follow."""
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
        """The incarnation that calls go to; -1 when there is none."""
        known = self._handles.get(peer)
        return known[1] if known and known[0] is not None else -1

    def peers(self, kind: str) -> list[str]:
        """The connected peers of a kind."""
        prefix = f"{kind}:"
        return [peer for peer, (handle, _) in self._handles.items() if handle is not None and peer.startswith(prefix)]

    async def call(self, peer: str, method: str, *args: Any) -> Any:
        """Calls and answers; a peer that cannot be reached for a moment is asked again."""
        handle, incarnation = self._handles.get(peer, (None, -1))
        if handle is None:
            raise PeerDied(peer)
        for attempt in range(RETRIES):
            try:
                return await handle.call.remote(method, *args)
            except ActorUnavailableError:
                await asyncio.sleep(FIRST_RETRY_S * 2**attempt)
            except (ActorDiedError, ActorUnschedulableError, WorkerCrashedError, RayActorError) as error:
                self._lose(peer, incarnation)
                raise PeerDied(peer) from error
        self._lose(peer, incarnation)
        raise PeerDied(peer)

    async def call_durably(self, peer: str, method: str, *args: Any) -> Any:
        """``call`` that waits for the peer's next incarnation as often as it must."""
        while True:
            try:
                return await self.call(peer, method, *args)
            except PeerDied:
                if self.incarnation(peer) < 0:
                    waiter = asyncio.get_running_loop().create_future()
                    self._waiting.setdefault(peer, []).append(waiter)
                    await waiter

    def _lose(self, peer: str, incarnation: int) -> None:
        handle, current = self._handles.get(peer, (None, -1))
        if handle is not None and current == incarnation:
            self._handles[peer] = (None, incarnation)
            self.on_death(peer, incarnation)


def _remote(kind: str) -> Any:
    """The Ray actor class of a kind, under the title of its plain class; its health answers in a thread of its own."""
    decorate: Any = ray.remote
    return decorate(concurrency_groups={"health": 1})(type(PLAIN[kind][0], (ActorHost,), {}))


class RayActors:
    """Creates, asks and ends the actors of one crawl; runs in the engine's process, which owns them."""

    def __init__(self, boot: Boot, options: dict[str, dict[str, Any]]) -> None:
        self._boot = boot
        self._options = options

    def create(self, kind: str, index: int, incarnation: int) -> Any:
        """Starts an actor's process; does not wait for it."""
        options = {
            "num_cpus": 0,
            "max_restarts": 0,
            "max_task_retries": 0,
            "max_concurrency": MAX_CONCURRENCY,
            **self._options.get(kind, {}),
        }
        actor = _remote(kind).options(**options)
        return actor.remote(kind, self._boot, index, incarnation, RayChannel())

    async def health(self, handle: Any, timeout_s: float) -> Any:
        """The actor's pulse, None when there is no answer within ``timeout_s``. Raises: PeerDied."""
        try:
            reference = handle.health.options(concurrency_group="health").remote()
            return await asyncio.wait_for(asyncio.wrap_future(reference.future()), timeout_s)
        except (TimeoutError, ActorUnavailableError, GetTimeoutError):
            return None
        except RayActorError as error:
            raise PeerDied(str(handle)) from error

    def kill(self, handle: Any) -> None:
        """Ends an actor's process at once."""
        ray.kill(handle, no_restart=True)


def start_engine(boot: Boot, options: dict[str, dict[str, Any]]) -> Any:
    """Creates the engine actor, known in the cluster by the crawl's name and the time; returns its handle."""
    actor = _remote("engine").options(
        name=f"{boot.name}@{time.time_ns():020d}",
        namespace=NAMESPACE,
        num_cpus=0,
        max_restarts=0,
        max_task_retries=0,
        max_concurrency=MAX_CONCURRENCY,
        **options.get("engine", {}),
    )
    return actor.remote("engine", boot, RayChannel(), RayActors(boot, options))


def _engines() -> list[str]:
    actors = ray.util.list_named_actors(all_namespaces=True)
    return sorted(actor["name"] for actor in actors if actor["namespace"] == NAMESPACE)


def crawl_names() -> set[str]:
    """The names of the crawls that run on this cluster."""
    return {known_as.rpartition("@")[0] for known_as in _engines()}


def find_engine(name: str) -> Any:
    """The engine of the crawl ``name``, of several the one that was started last; None when there is none."""
    found = [known_as for known_as in _engines() if known_as.rpartition("@")[0] == name]
    return ray.get_actor(max(found), namespace=NAMESPACE) if found else None
