"""When the engine backs out, and why."""

from __future__ import annotations

import pytest

from raycrawl.core.backpressure import BackoutReason, Limits, Pressure, backout_reason, room
from raycrawl.core.ledger import Holder, Ledger
from raycrawl.core.lifecycle import State
from raycrawl.core.messages import PageFetched

LIMITS = Limits(window=4, undone=9, held=6, unscraped_nbytes=100, unscraped=3, sink_lag_nbytes=50)
DOWNLOADER = Holder("downloader", 0, 0)


def ledger_of(downloading: int, unscraped: tuple[int, ...] = (), waiting: int = 0) -> Ledger:
    ledger = Ledger()
    ids = [number.to_bytes(16, "big") for number in range(downloading + len(unscraped))]
    ledger.lease(0, DOWNLOADER, ids, now_s=0.0)
    for page_id, nbytes in zip(ids, unscraped, strict=False):
        ledger.fetched(PageFetched(page_id, 0, 0, nbytes), 0.0)
    ledger.set_waiting(DOWNLOADER, waiting)
    return ledger


def reason(ledger: Ledger, pressure: Pressure | None = None, state: State = State.RUNNING) -> str | None:
    cause = backout_reason(state, ledger, LIMITS, pressure or Pressure())
    return cause.value if cause else None


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (State.NEW, "not_running"),
        (State.OPENING, "not_running"),
        (State.RUNNING, None),
        (State.PAUSED, "paused"),
        (State.CLOSING, "closing"),
        (State.CLOSED, "not_running"),
    ],
)
def test_by_state(state: State, expected: str | None) -> None:
    assert reason(Ledger(), state=state) == expected


def test_room_in_the_window() -> None:
    assert reason(ledger_of(3)) is None
    assert room(ledger_of(3), LIMITS) == 1
    assert reason(ledger_of(4)) == "downloads_in_flight"
    assert room(ledger_of(4), LIMITS) == 0


def test_slots_that_wait_for_their_delay_leave_room_up_to_what_a_downloader_may_hold() -> None:
    assert room(ledger_of(4, waiting=4), LIMITS) == 2
    assert reason(ledger_of(5, waiting=5)) is None
    assert reason(ledger_of(6, waiting=6)) == "downloads_in_flight"


def test_unscraped_responses_by_bytes_and_by_number() -> None:
    assert reason(ledger_of(0, (60, 39))) is None
    assert reason(ledger_of(0, (60, 40))) == "responses_unscraped"
    assert reason(ledger_of(0, (0, 0, 0))) == "responses_unscraped"


def test_sinks_memory_and_disk() -> None:
    some = ledger_of(1)
    assert reason(some, Pressure(sink_lag_nbytes={"scraper:0": 25, "scraper:1": 24})) is None
    assert reason(some, Pressure(sink_lag_nbytes={"scraper:0": 25, "scraper:1": 25})) == "sink_lag"
    assert reason(some, Pressure(memory_high={"node"})) == "memory"
    assert reason(some, Pressure(disk_full={"scheduler:0"})) == "disk_full"


def test_an_idle_system_may_always_start_one_but_not_on_a_full_disk() -> None:
    everything = Pressure(sink_lag_nbytes={"scraper:0": 10**9}, memory_high={"node"})
    assert reason(Ledger(), everything) is None
    assert room(Ledger(), LIMITS) >= 1
    assert reason(Ledger(), Pressure(disk_full={"scheduler:0"})) == "disk_full"


def test_the_first_of_several_reasons_is_named() -> None:
    pressure = Pressure(sink_lag_nbytes={"scraper:0": 100}, memory_high={"node"})
    full = ledger_of(4, (100,))
    assert reason(full, pressure) == "memory"
    pressure.memory_high.clear()
    assert reason(full, pressure) == "sink_lag"
    pressure.sink_lag_nbytes.clear()
    assert reason(full, pressure) == "responses_unscraped"


def test_names_are_those_of_the_stats() -> None:
    assert [cause.value for cause in BackoutReason] == [
        "not_running", "closing", "paused", "disk_full", "memory", "sink_lag", "responses_unscraped",
        "downloads_in_flight",
    ]  # fmt: skip
