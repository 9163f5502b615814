"""Thousands of event orders, without a clock, a disk or a cluster."""

from __future__ import annotations

import pytest

from raycrawl.frontier.memory import MemoryStore
from tests.core.frontier_walk import Walk


@pytest.mark.parametrize("seed", range(60))
def test_random_walk(seed: int) -> None:
    store = MemoryStore()
    Walk(seed, store, lambda: store).run(50, is_deep=True)
