"""When the engine backs out: pure questions to its ledger, one small class each, asked in order.

Source for the shape: Ray Data's backpressure policies; for the limits: Scrapy's ``SCRAPER_SLOT_MAX_ACTIVE_SIZE`` and
``CONCURRENT_REQUESTS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from raycrawl.core.ledger import Ledger
from raycrawl.core.lifecycle import State


class BackoutReason(StrEnum):
    """Why no request is taken from the frontier; the values are the names in ``engine/backout_seconds/<name>``."""

    NOT_RUNNING = "not_running"
    CLOSING = "closing"
    PAUSED = "paused"
    DISK_FULL = "disk_full"
    MEMORY = "memory"
    SINK_LAG = "sink_lag"
    RESPONSES_UNSCRAPED = "responses_unscraped"
    DOWNLOADS_IN_FLIGHT = "downloads_in_flight"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may be in flight.

    ``window`` requests leased to Downloaders (twice CONCURRENT_REQUESTS: one half in transfer, the other at hand),
    ``undone`` requests leased and not yet done, callbacks included: what would be fetched again if every process were
    killed now. ``held`` requests at Downloaders in all, those included that wait for a delay, ``unscraped_nbytes``
    of responses that no callback has finished with, ``sink_lag_nbytes`` of items that no feed has committed.
    """

    window: int
    undone: int
    held: int
    unscraped_nbytes: int
    unscraped: int
    sink_lag_nbytes: int = 64 * 1024 * 1024


@dataclass(slots=True)
class Pressure:
    """What actors report from outside the ledger, by the name of the reporter."""

    sink_lag_nbytes: dict[str, int] = field(default_factory=dict)
    memory_high: set[str] = field(default_factory=set)
    disk_full: set[str] = field(default_factory=set)


_BY_STATE: Mapping[State, BackoutReason] = {
    State.NEW: BackoutReason.NOT_RUNNING,
    State.OPENING: BackoutReason.NOT_RUNNING,
    State.PAUSED: BackoutReason.PAUSED,
    State.CLOSING: BackoutReason.CLOSING,
    State.CLOSED: BackoutReason.NOT_RUNNING,
}


def backout_reason(state: State, ledger: Ledger, limits: Limits, pressure: Pressure) -> BackoutReason | None:
    """The first reason to take no request now; None when there is room.

    An idle system may always start one: with nothing in flight, only the state and a full disk can hold it back.
    """
    if state is not State.RUNNING:
        return _BY_STATE[state]
    if pressure.disk_full:
        return BackoutReason.DISK_FULL
    if not len(ledger):
        return None
    if pressure.memory_high:
        return BackoutReason.MEMORY
    if sum(pressure.sink_lag_nbytes.values()) >= limits.sink_lag_nbytes:
        return BackoutReason.SINK_LAG
    if ledger.unscraped_nbytes >= limits.unscraped_nbytes or ledger.unscraped >= limits.unscraped:
        return BackoutReason.RESPONSES_UNSCRAPED
    if room(ledger, limits) <= 0:
        return BackoutReason.DOWNLOADS_IN_FLIGHT
    return None


def room(ledger: Ledger, limits: Limits) -> int:
    """How many more requests Downloaders may be given."""
    ahead = limits.window - ledger.transferring
    undone = limits.undone - ledger.transferring - ledger.unscraped
    return min(ahead, undone, limits.held - ledger.downloading)
