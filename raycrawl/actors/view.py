"""A crawl as seen from outside its actors: what can be asked of its engine, and told to it."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raycrawl.actors.record import Snapshot
    from raycrawl.frontier.inspect import FrontierReport
    from raycrawl.http import Request

ASK_TIMEOUT_S = 60.0
ITEMS_POLL_S = 0.1


class CrawlError(RuntimeError):
    """The crawl could not start or did not end well; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlStatus:
    """A crawl in numbers. ``queued`` requests are pending in the frontier, ``in_flight`` is downloads and callbacks."""

    state: str = "opening"
    pages: int = 0
    items: int = 0
    pages_per_s: float = 0.0
    queued: int = 0
    in_flight: int = 0
    errors: int = 0
    backout_reason: str | None = None
    elapsed_s: float = 0.0
    finish_reason: str | None = None


class CrawlView:
    """What can be asked of a crawl, and told to it, from any process of its cluster; made by ``attach()``."""

    def __init__(self, engine: Any, name: str, workdir: str, *, has_spool: bool) -> None:
        self.name = name
        self._engine = engine
        self._workdir = workdir
        self._has_spool = has_spool
        self._stats: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.status().state}>"

    @property
    def has_ended(self) -> bool:
        """True: there is no engine to ask any more."""
        return bool(self._ask("state", default="closed") == "closed")

    def status(self) -> CrawlStatus:
        """The crawl's numbers now."""
        from raycrawl.actors.record import decode_snapshot

        raw = self._ask("look", default=b"")
        return status_of(decode_snapshot(raw)) if raw else CrawlStatus(state="closed")

    def stats(self) -> dict[str, Any]:
        """The stats of the whole crawl under Scrapy's keys: now, or as they were when it was last seen."""
        self._stats = pickle.loads(self._ask("stats", default=pickle.dumps(self._stats)))
        return dict(self._stats)

    def slots(self) -> list[dict[str, Any]]:
        """The slots of all Downloaders: key, concurrency, delay, queued, transferring, seconds until ready."""
        return list(self._ask("slots", default=[]))

    def frontier(self, limit: int = 10) -> FrontierReport:
        """A look into the frontier: counts by state and by domain, the oldest and the next ``limit`` requests."""
        from raycrawl.frontier.inspect import FrontierReport

        parts = [FrontierReport.from_dict(plain) for plain in self._ask("frontier", limit, default=[])]
        return FrontierReport.merge(parts, limit=limit)

    def items(self) -> Iterator[Any]:
        """The items, as they come: blocks for the next one, ends with the crawl. Each call starts from the first.

        Raises: CrawlError when the crawl keeps none (ITEMS_SPOOL off), or on another machine.
        """
        path = Path(self._workdir) / "items.spool"
        if not self._has_spool or not path.parent.exists():
            raise CrawlError(f"the items of {self.name!r} are not kept on this machine (see ITEMS_SPOOL)")
        from raycrawl.actors.spool import SpoolReader

        reader = SpoolReader(str(path))
        while True:
            ended = self.has_ended
            items = reader.read()
            yield from items
            if not items:
                if ended:
                    return
                time.sleep(ITEMS_POLL_S)

    def crawl(self, request: Request) -> None:
        """Puts a request into the frontier; it is durable when this returns. Its callback: a method of the spider.

        Raises: ValueError when it cannot travel.
        """
        from raycrawl import records

        self._ask("crawl_request", records.encode_request(request), default=None)

    def pause(self) -> None:
        """Takes nothing new until ``unpause``; what is in flight goes on."""
        self._ask("pause", default=None)

    def unpause(self) -> None:
        """Ends a pause."""
        self._ask("unpause", default=None)

    def stop(self, reason: str = "shutdown") -> None:
        """Asks for a graceful end and returns at once: what is in flight is finished, feeds are closed."""
        self._ask("close", reason, default=None)

    def kill(self) -> None:
        """Ends the crawl at once. With a JOBDIR it can be resumed."""
        import ray

        ray.kill(self._engine, no_restart=True)

    def _ask(self, method: str, *args: Any, default: Any) -> Any:
        """A call to the engine; ``default`` when it has gone."""
        import ray
        from ray.exceptions import RayActorError

        if self._engine is None or not ray.is_initialized():
            return default
        try:
            return ray.get(self._engine.call.remote(method, *args), timeout=ASK_TIMEOUT_S)
        except RayActorError:
            return default


def status_of(snapshot: Snapshot) -> CrawlStatus:
    """A snapshot of the engine's as the status that users see."""
    return CrawlStatus(
        state="closed" if snapshot.finished else snapshot.state,
        pages=snapshot.pages,
        items=snapshot.items,
        pages_per_s=snapshot.pages_per_s,
        queued=snapshot.queued,
        in_flight=snapshot.in_flight,
        errors=snapshot.errors,
        backout_reason=snapshot.backout_reason or None,
        elapsed_s=snapshot.elapsed_s,
        finish_reason=snapshot.finish_reason or None,
    )
