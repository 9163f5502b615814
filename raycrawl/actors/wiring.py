"""The one place that turns the plain classes into Ray actors, and the channel that carries their calls."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import ray
import ray.cloudpickle
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    ActorUnschedulableError,
    GetTimeoutError,
    RayActorError,
    WorkerCrashedError,
)
from ray.experimental.internal_kv import (
    _internal_kv_del,
    _internal_kv_get,
    _internal_kv_list,
    _internal_kv_put,
)

from raycrawl.actors.channel import Channel, PeerDied
from raycrawl.actors.host import PLAIN, ActorHost
from raycrawl.actors.process import Boot

logger = logging.getLogger(__name__)
MAX_CONCURRENCY = 1000  # calls that may be under way in one actor
NAMESPACE = "raycrawl"
PREFIX = "crawl:"
ANSWER_S = 10.0
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
    """Creates the engine actor and enters it into the cluster's list of crawls; returns its handle.

    It has no name of Ray's own: that would stand before its title in the process list.
    """
    actor = _remote("engine").options(
        num_cpus=0, max_restarts=0, max_task_retries=0, max_concurrency=MAX_CONCURRENCY, **options.get("engine", {})
    )
    engine = actor.remote("engine", boot, RayChannel(), RayActors(boot, options))
    key = f"{PREFIX}{boot.name}@{time.time_ns():020d}".encode()
    pickled: bytes = ray.cloudpickle.dumps(engine)  # type: ignore[no-untyped-call]
    _internal_kv_put(key, pickled, namespace=NAMESPACE)
    return engine


def _entries() -> list[bytes]:
    return sorted(_internal_kv_list(PREFIX.encode(), namespace=NAMESPACE))


def _name_of(key: bytes) -> str:
    return key.decode().removeprefix(PREFIX).rpartition("@")[0]


def crawl_names() -> set[str]:
    """The names of the crawls that run on this cluster."""
    return {_name_of(key) for key in _entries() if _engine_of(key) is not None}


def find_engine(name: str) -> Any:
    """The engine of the crawl ``name``, of several the one that was started last; None when there is none."""
    engines = (_engine_of(key) for key in reversed(_entries()) if _name_of(key) == name)
    return next((engine for engine in engines if engine is not None), None)


def _engine_of(key: bytes) -> Any:
    """The engine of an entry; None, and the entry is removed, when it has ended."""
    pickled = _internal_kv_get(key, namespace=NAMESPACE)
    if pickled is None:
        return None
    engine = ray.cloudpickle.loads(pickled)  # what start_engine() of another driver of this cluster put there
    try:
        ray.get(engine.call.remote("state"), timeout=ANSWER_S)
    except (RayActorError, GetTimeoutError):
        _internal_kv_del(key, namespace=NAMESPACE)
        return None
    return engine
