"""The life of a crawl: a table, and nothing beside it."""

from __future__ import annotations

import itertools

import pytest

from raycrawl.core.lifecycle import TRANSITIONS, InvalidTransition, State, Step, advance


def test_ordinary_life() -> None:
    state = State.NEW
    seen = [state]
    for step in (Step.OPEN, Step.OPENED, Step.PAUSE, Step.UNPAUSE, Step.CLOSE, Step.DRAINED):
        state = advance(state, step)
        seen.append(state)
    assert seen == [
        State.NEW, State.OPENING, State.RUNNING, State.PAUSED, State.RUNNING, State.CLOSING, State.CLOSED,
    ]  # fmt: skip


@pytest.mark.parametrize(("state", "step"), sorted(itertools.product(State, Step), key=str))
def test_what_the_table_does_not_name_is_refused_with_its_story(state: State, step: Step) -> None:
    if (state, step) in TRANSITIONS:
        assert advance(state, step) is TRANSITIONS[state, step]
        return
    with pytest.raises(InvalidTransition, match=f"a crawl that is {state.value} cannot {step.value}"):
        advance(state, step)


@pytest.mark.parametrize("state", list(State))
def test_every_life_can_be_closed(state: State) -> None:
    assert advance(state, Step.CLOSE) in (State.CLOSING, State.CLOSED)


def test_nothing_leaves_closed_and_only_the_drain_leads_there() -> None:
    assert {after for (before, _), after in TRANSITIONS.items() if before is State.CLOSED} == {State.CLOSED}
    into = {(before, step) for (before, step), after in TRANSITIONS.items() if after is State.CLOSED}
    assert {step for before, step in into if before is not State.CLOSED} == {Step.DRAINED}


def test_orders_may_be_repeated() -> None:
    for step, state in ((Step.PAUSE, State.PAUSED), (Step.UNPAUSE, State.RUNNING), (Step.CLOSE, State.CLOSING)):
        assert advance(state, step) is state
