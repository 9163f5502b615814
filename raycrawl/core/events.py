"""What the engine's core is told (past tense) and what it tells its shell to do (imperative)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from raycrawl.core.messages import Ack, LeaseRequest, PageFetched


class Event:
    """Something that happened."""


class Command:
    """Something to do now; the shell MUST carry commands out in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(Event):
    """Every actor is created and wired; the crawl may begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPulled(Event):
    """A chunk of ``Spider.start()`` is durable in the frontier; ``exhausted`` when there is no more."""

    touched: tuple[int, ...]
    exhausted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased(Event):
    """A shard answered: ``batches`` is (Downloader, ids) in the order of the reply."""

    shard: int
    seq: int
    batches: tuple[tuple[int, tuple[bytes, ...]], ...]
    pending: int
    next_ready_in_s: float | None
    poisoned: tuple[bytes, ...] = ()
    attempts: Mapping[bytes, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported(Event):
    """A Downloader or Scraper reported; ``holder`` is (kind, index, incarnation)."""

    kind: str
    index: int
    incarnation: int
    fetched: tuple[PageFetched, ...] = ()
    acks: tuple[Ack, ...] = ()
    released: tuple[bytes, ...] = ()
    touched: tuple[int, ...] = ()
    waiting: int = 0
    sink_lag_nbytes: int = 0
    alone: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueued(Event):
    """Requests came into shards from outside a page (``engine.crawl()``)."""

    touched: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorDied(Event):
    """An actor's incarnation is gone for good; what it held is lost.

    ``blamed``: the page that had the CPU (empty: nobody knows). ``is_timeout``: it was ended because that page took
    too long.
    """

    kind: str
    index: int
    incarnation: int
    blamed: bytes = b""
    is_timeout: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorReplaced(Event):
    """The next incarnation is wired and may be used."""

    kind: str
    index: int
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked(Event):
    """The heartbeat asked an actor what it has: what it was given before ``asked_s`` and does not know is lost."""

    kind: str
    index: int
    incarnation: int
    known: frozenset[bytes]
    asked_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleAnswered(Event):
    """The ``spider_idle`` handlers have run: ``keep_open`` (DontCloseSpider), or a ``reason`` to close with."""

    keep_open: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PressureChanged(Event):
    """A node is short of memory, or a store's disk is full (``cause`` is "memory" or "disk_full"), or no longer."""

    cause: str
    source: str
    high: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IdlePolicySet(Event):
    """Whether an idle crawl is closed (``open_spider(close_if_idle=)``)."""

    close_if_idle: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRequested(Event):
    """Take nothing new until told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpauseRequested(Event):
    """Go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRequested(Event):
    """End the crawl; the first reason stays."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePassed(Event):
    """A wake-up that the core asked for, or the heartbeat."""

    heartbeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PullStart(Command):
    """Ask Scraper ``scraper`` for up to ``n`` objects of ``Spider.start()``; answer with StartPulled."""

    scraper: int
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallShard(Command):
    """Send ``request`` to the shard; answer with Leased (or ActorDied)."""

    shard: int
    request: LeaseRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBatch(Command):
    """Give the Downloader the batch of the shard's last reply that is meant for it."""

    shard: int
    seq: int
    downloader: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendPoisoned(Command):
    """Give a Scraper the poisoned requests of the shard's last reply, as failures for their errbacks."""

    shard: int
    scraper: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnUnstarted(Command):
    """Tell every Downloader to give back what it has not begun to fetch (they report it as released)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskIdle(Command):
    """Run the ``spider_idle`` handlers on every copy of the spider; answer with IdleAnswered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceActor(Command):
    """Create the next incarnation, wire it, answer with ActorReplaced."""

    kind: str
    index: int
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeUp(Command):
    """Send TimePassed in ``delay_s`` seconds, or sooner."""

    delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerEmpty(Command):
    """Nothing is pending in any shard: the ``scheduler_empty`` signal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish(Command):
    """All is at rest: close Downloaders, Scrapers, feeds, shards, in this order; the crawl ends with ``reason``."""

    reason: str
