"""What a frontier is told once: limits and order; and what it answers: counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotPolicy:
    """Politeness of one slot; None: as the frontier's policy says."""

    delay_s: float | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierPolicy:
    """How a shard chooses. Checked when it is made; ``ValueError`` names the field.

    Args:
        concurrency: requests that a slot may have at its site at once (CONCURRENT_REQUESTS_PER_DOMAIN).
        delay_s: seconds between two requests of a slot (DOWNLOAD_DELAY); 0: none.
        slots: exceptions by slot name (DOWNLOAD_SLOTS).
        order: which of two requests of the same slot and priority goes first: the newer ("lifo") or the older ("fifo").
        lease_timeout_s: how long a lease lasts. Too short: pages are fetched twice; too long: a request that an actor
            lost without dying waits that long.
        lookahead_s: how long before its turn a request of a delayed slot is handed out, so that the way to the
            Downloader costs no time. Larger: more requests wait in memory there.
        max_attempts: infrastructure failures after which a request is poison.
        max_slots: slots kept in memory (1 to 2 KB each); the others wait on disk for their turn.
        quantum: requests that a slot hands out before it may have to leave memory to a slot that waits on disk.
        window: how many requests the crawl has out at a time (0: unknown). Where many slots have work, none without a
            delay holds more than its even share of it: a site that never finishes does not keep the others waiting.
    """

    concurrency: int = 8
    delay_s: float = 0.0
    slots: Mapping[str, SlotPolicy] = field(default_factory=lambda: MappingProxyType({}))
    order: Literal["lifo", "fifo"] = "lifo"
    lease_timeout_s: float = 600.0
    lookahead_s: float = 0.3
    max_attempts: int = 3
    max_slots: int = 32_768
    quantum: int = 32
    window: int = 0

    def __post_init__(self) -> None:
        for name in ("concurrency", "max_attempts", "max_slots", "quantum"):
            if getattr(self, name) < 1:
                raise ValueError(f"FrontierPolicy.{name} must be at least 1, not {getattr(self, name)!r}")
        for name in ("delay_s", "lookahead_s"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"FrontierPolicy.{name} must not be negative, not {getattr(self, name)!r}")
        if not self.lease_timeout_s > 0:
            raise ValueError(f"FrontierPolicy.lease_timeout_s must be positive, not {self.lease_timeout_s!r}")
        if self.order not in ("lifo", "fifo"):
            raise ValueError(f"FrontierPolicy.order must be 'lifo' or 'fifo', not {self.order!r}")


class FrontierCounts(msgspec.Struct, frozen=True, array_like=True):
    """Requests by state. enqueued = pending + leased + done + failed + dropped, always.

    ``filtered`` are records that were refused as already seen; they are not among ``enqueued``.
    """

    enqueued: int = 0
    pending: int = 0
    leased: int = 0
    done: int = 0
    failed: int = 0
    dropped: int = 0
    filtered: int = 0

    def __add__(self, other: FrontierCounts) -> FrontierCounts:
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return FrontierCounts(*(mine + theirs for mine, theirs in pairs))
