"""The messages between actors. Read this file first.

Sizes and ids travel through the engine, bodies never do: a payload is opaque to everyone but the process that made it
and the one that uses it. Every message is plain data (msgspec structs), frozen, and harmless when it is repeated.

The way of a request: ``RequestRecord`` (Scraper -> Scheduler), ``LeasedRecord`` (Scheduler -> engine -> Downloader, as
an opaque blob), ``Page`` (Downloader -> Scraper), ``PageDone`` (Scraper -> engine -> Scheduler).
"""

from __future__ import annotations

from enum import IntEnum

import msgspec


class RequestRecord(msgspec.Struct, frozen=True, array_like=True):
    """A request on its way into the frontier.

    ``id`` is 16 bytes and serves as the seen-key and as the page id: the request's fingerprint, or, for a request that
    must not be filtered, a digest of (parent page id, ordinal among the parent's requests, fingerprint), so that a page
    that is scraped twice after a fault enqueues its children once.
    ``is_start``: it comes from ``Spider.start()``: first in, first out, after the callbacks' requests of its priority.
    """

    id: bytes
    slot: str
    priority: int
    payload: bytes
    is_start: bool = False


class LeasedRecord(msgspec.Struct, frozen=True, array_like=True):
    """A request that was handed out: ``attempts`` counts earlier leases that ended with the death of their owner."""

    id: bytes
    slot: str
    payload: bytes
    attempts: int = 0


class Outcome(IntEnum):
    """How a page ended. The audit is: enqueued = done + failed + dropped (+ pending, when a crawl is stopped early)."""

    DONE = 0
    FAILED = 1  # a download error or an exception that nobody handled
    DROPPED = 2  # refused by a middleware (robots.txt, offsite), or poison


class Ack(msgspec.Struct, frozen=True, array_like=True):
    """The end of a lease: MUST be sent only after the page's children are durable and its items committed."""

    id: bytes
    outcome: Outcome = Outcome.DONE


class PageFetched(msgspec.Struct, frozen=True, array_like=True):
    """A response left the Downloader for the Scraper ``scraper`` (its index and incarnation); ``nbytes`` of body."""

    id: bytes
    scraper: int
    incarnation: int
    nbytes: int


class SlotNotice(msgspec.Struct, frozen=True, array_like=True):
    """A Downloader tells the frontier how a slot may be served from now on. ``None`` leaves a value as it is.

    ``delay_s`` seconds between requests, ``concurrency`` requests at a time, ``hold_s`` seconds from now without any.
    """

    slot: str
    delay_s: float | None = None
    concurrency: int | None = None
    hold_s: float | None = None


class LogLine(msgspec.Struct, frozen=True, array_like=True):
    """A log record that was made in an actor, its message already formatted; ``level`` 0 is a line of print()."""

    level: int
    name: str
    created_s: float
    message: str


class Page(msgspec.Struct, frozen=True, array_like=True):
    """A finished download on its way to a Scraper: exactly one of ``response`` and ``failure`` is set.

    ``answer`` names the call to ``engine.download()`` that waits for it (0: none, the callback gets it).
    """

    id: bytes
    request: bytes
    response: bytes | None = None
    failure: bytes | None = None
    answer: int = 0
    attempts: int = 0  # how often processes died while they worked on it
    is_given_up: bool = False  # poison: its errback is called, nothing is tried again


class LeaseBatch(msgspec.Struct, frozen=True, array_like=True):
    """Leased requests for one Downloader; ``blob`` (the encoded ``LeasedRecord`` list) is not opened on the way."""

    owner: int
    ids: list[bytes]
    blob: bytes
    attempts: dict[bytes, int] = {}  # of those whose holders died before


class LeaseRequest(msgspec.Struct, frozen=True, array_like=True):
    """Engine to shard: what has ended, how many requests it may hand out. Repeats (same ``seq``) are answered alike."""

    seq: int
    n: int
    fetched: list[bytes] = []
    acks: list[Ack] = []
    released: list[bytes] = []
    lost: list[bytes] = []  # released because their owner died: counts towards poison
    condemned: list[bytes] = []  # poison at once: their callbacks ran until their process was ended for it
    live: list[bytes] | None = None  # when given: all that is in flight; any other lease is void


class LeaseReply(msgspec.Struct, frozen=True, array_like=True):
    """Shard to engine. ``next_ready_in_s`` is None when nothing pending becomes ready by the passing of time alone."""

    seq: int
    batches: list[LeaseBatch]
    pending: int
    next_ready_in_s: float | None = None
    poisoned: bytes = b""


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an actor tells the engine, many facts to a message. MUST be harmless when repeated or reordered.

    ``acks`` MUST come only after the children of the page are durable and its items committed. ``stats`` and ``events``
    are pickled by the sender and applied once for each (sender, incarnation, seq). ``waiting`` is how many requests sit
    in slots whose delay has not passed: they do not count against the crawl's concurrency. ``disk_full``: the sender's
    store has no room (True), or has some again (False).
    """

    sender: str
    incarnation: int
    seq: int
    fetched: list[PageFetched] = []
    acks: list[Ack] = []
    released: list[bytes] = []
    touched: list[int] = []
    slots: list[SlotNotice] = []
    stats: bytes = b""
    logs: list[LogLine] = []
    events: list[tuple[str, bytes]] = []
    alone: bytes | None = None  # the suspect that this actor works on from now on (b"": none any more)
    close_reason: str = ""
    sink_lag_nbytes: int = 0
    waiting: int = 0
    disk_full: bool | None = None
