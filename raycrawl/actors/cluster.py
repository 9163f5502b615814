"""Ray itself: joining a running one, or starting a quiet local one; how many actors of each kind, and where."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray

from raycrawl.exceptions import UsageError

logger = logging.getLogger(__name__)
CONNECT_TIMEOUT_S = 3.0
OBJECT_STORE_NBYTES = 256 * 1024 * 1024
# Arguments up to this size travel inside the call: above it Ray writes them to shared memory first, which costs 2 ms.
INLINE_NBYTES = 4 * 1024 * 1024
# Only for a cluster of our own: crawling is the user's work, so workers keep the driver's priority.
_OWN_ENVIRONMENT = {
    "RAY_worker_niceness": "0",
    "RAY_max_direct_call_object_size": str(INLINE_NBYTES),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_task_events_report_interval_ms": "0",  # nobody looks at a list of tasks here, and it costs 35 MB
}
# Ray warns that token authentication is on, its default for a local cluster: nothing that a user has to be told.
_TOKEN_LOG = logging.getLogger("ray._private.authentication.authentication_token_setup")
_started_here = False


def ensure_ray(address: str | None = None, *, num_cpus: int | None = None) -> bool:
    """Connects this process to Ray: ``address``, ``RAY_ADDRESS``, a cluster that `ray start` started here, or our own.

    Returns: whether the cluster is one that this process started (it ends with the process).
    Raises: UsageError when the address cannot be reached.
    """
    global _started_here
    if ray.is_initialized():
        return _started_here
    address = address or os.environ.get("RAY_ADDRESS") or _announced_address()
    if address and address != "local":
        _join(address)
        _quiet_worker_deaths()
        return False
    for name, value in _OWN_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    _TOKEN_LOG.setLevel(logging.ERROR)
    with _few_processes():
        ray.init(
            address="local",
            num_cpus=num_cpus,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_NBYTES,
            log_to_driver=False,
            logging_level=logging.WARNING,
            configure_logging=False,
        )
    _started_here = True
    _quiet_worker_deaths()
    return True


def _quiet_worker_deaths() -> None:
    """What Ray's daemons say of dead workers goes to our log: Ray prints it to stdout, which may belong to a feed.

    The engine tells of every death itself. On a Ray that looks different inside, nothing is changed.
    """
    from ray._private import worker

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = _log_daemon_message


def _log_daemon_message(data: dict[str, Any], *args: Any, **kwargs: Any) -> None:
    logger.debug("Ray: %s", " ".join(data.get("lines", ())))


@contextmanager
def _few_processes() -> Iterator[None]:
    """A cluster that starts here has no autoscaler, no dashboard, no monitor of worker logs, and a minimal agent.

    A local cluster cannot grow, and what actors print and log goes through the engine. Ray has parameters for all of
    them but passes none on; each process costs about 0.5 s of CPU and 100 MB. On a Ray that looks different inside,
    nothing is changed.
    """
    from ray._private import node, parameter, utils

    params: Any = getattr(parameter, "RayParams", None)
    head: Any = getattr(node, "Node", None)
    if params is None or not hasattr(head, "start_api_server") or not hasattr(utils, "get_dashboard_dependency_error"):
        yield
        return
    initialize, start_api_server = params.__init__, head.start_api_server
    dependency_error = utils.get_dashboard_dependency_error

    def without_monitors(self: Any, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **kwargs)
        self.include_log_monitor = False
        self.no_monitor = True

    def without_dashboard(self: Any, **kwargs: Any) -> None:
        self._webui_url = ""

    params.__init__, head.start_api_server = without_monitors, without_dashboard
    utils.get_dashboard_dependency_error = lambda: ImportError("the dashboard is off")
    try:
        yield
    finally:
        params.__init__, head.start_api_server = initialize, start_api_server
        utils.get_dashboard_dependency_error = dependency_error


def _join(address: str) -> None:
    if address != "auto" and not address.startswith("ray://") and not is_reachable(address):
        raise UsageError(f"no Ray cluster answers at {address!r}: check the address, or leave it out for a local one")
    if address.startswith("ray://"):
        raise UsageError(
            f"{address!r} is a Ray Client address: run the crawl on the cluster (`ray submit`, `ray job submit`)"
        )
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UsageError(f"cannot join the Ray cluster at {address!r}: {error}") from error


def is_reachable(address: str) -> bool:
    """Does anyone listen at "host:port"? Asks for at most ``CONNECT_TIMEOUT_S`` seconds."""
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return False
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S):
            return True
    except OSError:
        return False


def _announced_address() -> str | None:
    """The cluster that `ray start` announced on this machine, if it still runs."""
    from ray._private.utils import read_ray_address

    address = read_ray_address()
    return address if address and is_reachable(address) else None


def cluster_cpus() -> int:
    """CPUs of all nodes; 0 when the workers have not been started yet."""
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return int(resources.get("CPU", 0))


def actor_counts(settings: Any, cpus: int) -> tuple[int, int]:
    """(Downloaders, Scrapers): as the settings say; "auto" is one Downloader for 4 CPUs and one Scraper for 2, but two.

    A Downloader keeps up with two to three Scrapers; two Scrapers at least, so that a callback that computes for a
    minute does not stop the others' pages.
    """
    cpus = cpus or 4

    def count(name: str, auto: int) -> int:
        value = settings.get(name, "auto")
        return auto if value in (None, "auto") else max(1, int(value))

    return count("DOWNLOADER_ACTORS", max(1, cpus // 4)), count("SCRAPER_ACTORS", max(2, cpus // 2))


def actor_options(settings: Any, *, is_own: bool) -> dict[str, dict[str, Any]]:
    """Ray options by kind of actor: what must see the driver's disk stays on its node, the others spread."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    home: dict[str, Any] = {} if is_own else {"scheduling_strategy": here}
    away: dict[str, Any] = {} if is_own else {"scheduling_strategy": "SPREAD"}
    defaults: Mapping[str, float] = {"DOWNLOADER_CPUS": 0.25, "SCRAPER_CPUS": 0.5}

    def cpus(name: str) -> float:
        value = settings.get(name, "auto")
        return (0.0 if is_own else defaults[name]) if value in (None, "auto") else float(value)

    return {
        "engine": dict(home),
        "scheduler": dict(home),
        "sink": dict(home),
        "downloader": {**away, "num_cpus": cpus("DOWNLOADER_CPUS")},
        "scraper": {**away, "num_cpus": cpus("SCRAPER_CPUS")},
    }


def end_own() -> None:
    """Ends the cluster that ``ensure_ray`` started in this process; one that was joined goes on."""
    global _started_here
    if _started_here:
        _started_here = False
        ray.shutdown()
