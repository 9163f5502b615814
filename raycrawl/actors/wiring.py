"""The one place that turns the plain classes into Ray actors, and the channel that carries their calls."""

from __future__ import annotations

import asyncio
import logging
import time
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

from raycrawl.actors.channel import Channel, PeerDied
from raycrawl.actors.host import PLAIN, ActorHost
from raycrawl.actors.process import Boot

logger = logging.getLogger(__name__)
MAX_CONCURRENCY = 1000  # calls that may be under way in one actor
NAMESPACE = "raycrawl"
RETRIES = 8
FIRST_RETRY_S = 0.05


class RayChannel(Channel):
    """Calls to Ray actors; one that cannot be reached for a moment is asked again."""

    def __init__(self) -> None:
        super().__init__(ships_logs=True)

    async def _deliver(self, handle: Any, method: str, args: tuple[Any, ...]) -> Any:
        for attempt in range(RETRIES):
            try:
                return await handle.call.remote(method, *args)
            except ActorUnavailableError:
                await asyncio.sleep(FIRST_RETRY_S * 2**attempt)
            except (ActorDiedError, ActorUnschedulableError, WorkerCrashedError, RayActorError) as error:
                raise PeerDied from error
        raise PeerDied


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
