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
    """

    id: bytes
    slot: str
    priority: int
    payload: bytes


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
