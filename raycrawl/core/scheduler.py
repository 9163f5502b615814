"""The scheduler of a crawl in one process: its contract, and the class that fulfils it.

A cluster's crawl has its frontier in scheduler actors. These classes are the contract that users know: a ``SCHEDULER``
of their own derives from ``BaseScheduler`` (or just has its methods), or from ``Scheduler``.
"""

from __future__ import annotations

import inspect
import json
import logging
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from raycrawl.utils.job import job_dir
from raycrawl.utils.misc import build_from_crawler, load_object

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.dupefilters import BaseDupeFilter
    from raycrawl.http import Request
    from raycrawl.pqueues import QueueProtocol, ScrapyPriorityQueue
    from raycrawl.spiders import Spider
    from raycrawl.statscollectors import StatsCollector

logger = logging.getLogger(__name__)

_STATE_FILE = "active.json"


class BaseSchedulerMeta(type):
    """Takes a class for a scheduler when it has the methods of one."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return cls.__subclasscheck__(type(instance))

    def __subclasscheck__(cls, subclass: type) -> bool:
        methods = ("has_pending_requests", "enqueue_request", "next_request")
        return all(callable(getattr(subclass, name, None)) for name in methods)


class BaseScheduler(metaclass=BaseSchedulerMeta):
    """The methods of a scheduler. It is the only one to hold requests that wait for their download."""

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build the scheduler of a crawl."""
        return cls()

    def open(self, spider: Spider) -> Any:
        """Called when the spider opens; may be asynchronous."""

    def close(self, reason: str) -> Any:
        """Called when the spider closes, with its reason; may be asynchronous."""

    @abstractmethod
    def has_pending_requests(self) -> bool:
        """Whether requests are waiting."""
        raise NotImplementedError(f"{type(self).__name__}.has_pending_requests is not defined")

    @abstractmethod
    def enqueue_request(self, request: Request) -> bool:
        """Take ``request`` in.

        Returns:
            False when it was refused (as a duplicate): it is dropped, and the signal ``request_dropped`` is sent.
        """
        raise NotImplementedError(f"{type(self).__name__}.enqueue_request is not defined")

    @abstractmethod
    def next_request(self) -> Request | None:
        """The next request to download.

        Returns:
            None when there is none to be sent now: the engine asks again when something happened.
        """
        raise NotImplementedError(f"{type(self).__name__}.next_request is not defined")


class Scheduler(BaseScheduler):
    """Filters duplicates and keeps the rest in priority queues: on disk with a ``JOBDIR``, else in memory.

    A request that cannot be stored on disk (its callback is no method of the spider, say) goes to memory. Memory goes
    first.

    Args:
        dupefilter: says which requests were seen, see ``DUPEFILTER_CLASS``.
        jobdir: the folder of the disk queues (below it, ``requests.queue``); None: everything in memory.
        dqclass, mqclass: the classes of the queues, ``SCHEDULER_DISK_QUEUE`` and ``SCHEDULER_MEMORY_QUEUE``.
        logunser: whether each request that cannot be stored is logged (``SCHEDULER_DEBUG``), not just the first.
        stats: counts ``scheduler/enqueued``, ``scheduler/dequeued`` and, of both, ``/memory`` and ``/disk``, and
            ``scheduler/unserializable``.
        pqclass: the class of the priority queues, ``SCHEDULER_PRIORITY_QUEUE``.
        crawler: the crawl.
    """

    def __init__(
        self,
        dupefilter: BaseDupeFilter,
        jobdir: str | None = None,
        dqclass: type[QueueProtocol] | None = None,
        mqclass: type[QueueProtocol] | None = None,
        logunser: bool = False,
        stats: StatsCollector | None = None,
        pqclass: type[ScrapyPriorityQueue] | None = None,
        crawler: Crawler | None = None,
    ) -> None:
        self.df = dupefilter
        self.dqdir = self._make_dqdir(jobdir)
        self.pqclass = pqclass
        self.dqclass = dqclass
        self.mqclass = mqclass
        self.logunser = logunser
        self.stats = stats
        self.crawler = crawler
        self.spider: Spider | None = None
        self.mqs: Any = None
        self.dqs: Any = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build the scheduler that the settings describe."""
        settings = crawler.settings
        return cls(
            dupefilter=build_from_crawler(load_object(settings["DUPEFILTER_CLASS"]), crawler),
            jobdir=job_dir(settings),
            dqclass=load_object(settings["SCHEDULER_DISK_QUEUE"]),
            mqclass=load_object(settings["SCHEDULER_MEMORY_QUEUE"]),
            logunser=settings.getbool("SCHEDULER_DEBUG"),
            stats=crawler.stats,
            pqclass=load_object(settings["SCHEDULER_PRIORITY_QUEUE"]),
            crawler=crawler,
        )

    def has_pending_requests(self) -> bool:
        """Whether requests are waiting, in memory or on disk."""
        return len(self) > 0

    def open(self, spider: Spider) -> Any:
        """Open the queues, with what an earlier run left on disk, and the dupe filter."""
        self.spider = spider
        self.mqs = self._queue(self.mqclass, "", "SCHEDULER_START_MEMORY_QUEUE", None)
        self.dqs = self._open_disk_queues() if self.dqdir else None
        return self.df.open()

    def close(self, reason: str) -> Any:
        """Close the queues and the dupe filter; what waits on disk stays there."""
        if self.dqs is not None:
            assert self.dqdir is not None
            Path(self.dqdir, _STATE_FILE).write_text(json.dumps(self.dqs.close()), encoding="utf-8")
        return self.df.close(reason)

    def enqueue_request(self, request: Request) -> bool:
        """Take ``request`` in; False when it is a duplicate (and has no ``dont_filter``)."""
        if not request.dont_filter and self.df.request_seen(request):
            assert self.spider is not None
            self.df.log(request, self.spider)
            return False
        if self._push_to_disk(request):
            self._count("scheduler/enqueued/disk")
        else:
            self.mqs.push(request)
            self._count("scheduler/enqueued/memory")
        self._count("scheduler/enqueued")
        return True

    def next_request(self) -> Request | None:
        """The next request: of those in memory, then of those on disk; None when there is none."""
        request: Request | None = self.mqs.pop()
        place = "memory"
        if request is None and self.dqs is not None:
            request = self.dqs.pop()
            place = "disk"
        if request is not None:
            self._count(f"scheduler/dequeued/{place}")
            self._count("scheduler/dequeued")
        return request

    def __len__(self) -> int:
        return (len(self.dqs) if self.dqs is not None else 0) + len(self.mqs)

    def _count(self, name: str) -> None:
        if self.stats is not None:
            self.stats.inc_value(name)

    def _push_to_disk(self, request: Request) -> bool:
        if self.dqs is None:
            return False
        try:
            self.dqs.push(request)
        except ValueError as error:  # it cannot be stored
            self._say_unserializable(request, error)
            return False
        return True

    def _say_unserializable(self, request: Request, error: ValueError) -> None:
        if self.logunser:
            logger.warning(
                "Unable to serialize request: %(request)s - reason: %(reason)s"
                " - no more unserializable requests will be logged (stats being collected)",
                {"request": request, "reason": error},
                exc_info=True,
                extra={"spider": self.spider},
            )
            self.logunser = False
        self._count("scheduler/unserializable")

    def _make_dqdir(self, jobdir: str | None) -> str | None:
        if not jobdir:
            return None
        dqdir = Path(jobdir, "requests.queue")
        dqdir.mkdir(parents=True, exist_ok=True)
        return str(dqdir)

    def _open_disk_queues(self) -> Any:
        assert self.dqdir is not None
        state_file = Path(self.dqdir, _STATE_FILE)
        state = json.loads(state_file.read_text(encoding="utf-8")) if state_file.exists() else None
        queues = self._queue(self.dqclass, self.dqdir, "SCHEDULER_START_DISK_QUEUE", state)
        if len(queues):
            logger.info(
                "Resuming crawl (%(queuesize)d requests scheduled)",
                {"queuesize": len(queues)},
                extra={"spider": self.spider},
            )
        return queues

    def _queue(self, queue_cls: Any, key: str, start_setting: str, state: Any) -> Any:
        assert self.crawler is not None
        assert self.pqclass is not None
        kwargs: dict[str, Any] = {"downstream_queue_cls": queue_cls, "key": key}
        if state:
            kwargs["startprios"] = state
        factory: Any = getattr(self.pqclass, "from_crawler", self.pqclass)
        # A priority queue of the user's may know nothing of start requests.
        if "start_queue_cls" in inspect.signature(factory).parameters:
            start = self.crawler.settings[start_setting]
            kwargs["start_queue_cls"] = load_object(start) if start else None
        return build_from_crawler(self.pqclass, self.crawler, **kwargs)


__all__ = ["BaseScheduler", "BaseSchedulerMeta", "Scheduler"]
