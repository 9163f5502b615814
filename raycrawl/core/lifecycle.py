"""The life of a crawl as one enum and one table; what the table does not name cannot happen."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """Where a crawl is. ``CLOSING`` takes no new work and finishes what is in flight."""

    NEW = "new"
    OPENING = "opening"
    RUNNING = "running"
    PAUSED = "paused"
    CLOSING = "closing"
    CLOSED = "closed"


class Step(Enum):
    """What moves a crawl from one state to the next."""

    OPEN = "open"
    OPENED = "opened"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    CLOSE = "close"
    DRAINED = "drained"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.NEW, Step.OPEN): State.OPENING,
    (State.NEW, Step.CLOSE): State.CLOSING,
    (State.OPENING, Step.OPENED): State.RUNNING,
    (State.OPENING, Step.CLOSE): State.CLOSING,
    (State.RUNNING, Step.PAUSE): State.PAUSED,
    (State.RUNNING, Step.UNPAUSE): State.RUNNING,
    (State.RUNNING, Step.CLOSE): State.CLOSING,
    (State.PAUSED, Step.PAUSE): State.PAUSED,
    (State.PAUSED, Step.UNPAUSE): State.RUNNING,
    (State.PAUSED, Step.CLOSE): State.CLOSING,
    (State.CLOSING, Step.CLOSE): State.CLOSING,
    (State.CLOSING, Step.PAUSE): State.CLOSING,
    (State.CLOSING, Step.UNPAUSE): State.CLOSING,
    (State.CLOSING, Step.DRAINED): State.CLOSED,
    (State.CLOSED, Step.CLOSE): State.CLOSED,
    (State.CLOSED, Step.PAUSE): State.CLOSED,
    (State.CLOSED, Step.UNPAUSE): State.CLOSED,
}


class InvalidTransition(RuntimeError):
    """A step that the table has no row for."""

    def __init__(self, state: State, step: Step) -> None:
        super().__init__(f"a crawl that is {state.value} cannot {step.value}")


def advance(state: State, step: Step) -> State:
    """The state after ``step``. Raises: InvalidTransition."""
    try:
        return TRANSITIONS[state, step]
    except KeyError:
        raise InvalidTransition(state, step) from None
