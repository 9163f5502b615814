"""AutoThrottle's rule."""

from __future__ import annotations

import random

import pytest

from raycrawl.core.throttle import next_delay_s


@pytest.mark.parametrize(
    ("delay_s", "latency_s", "status", "concurrency", "expected_s"),
    [
        (5.0, 1.0, 200, 1.0, 3.0),  # half of the way to the target
        (3.0, 1.0, 200, 1.0, 2.0),
        (1.0, 4.0, 200, 1.0, 4.0),  # never below the target
        (5.0, 1.0, 200, 4.0, 2.625),  # the target is latency / concurrency
        (5.0, 1.0, 404, 1.0, 5.0),  # an error may be quick: it cannot shorten the delay
        (1.0, 4.0, 500, 1.0, 4.0),  # but lengthen it
        (5.0, 500.0, 200, 1.0, 60.0),
        (0.6, 0.0, 200, 1.0, 0.5),
    ],
)
def test_the_rule(delay_s: float, latency_s: float, status: int, concurrency: float, expected_s: float) -> None:
    assert next_delay_s(delay_s, latency_s, status, concurrency, 0.5, 60.0) == pytest.approx(expected_s)


def test_it_settles_at_the_target_and_stays_in_its_bounds() -> None:
    rng = random.Random(1)
    delay_s = 5.0
    for _ in range(200):
        delay_s = next_delay_s(delay_s, rng.uniform(0.9, 1.1), 200, 2.0, 0.1, 60.0)
        assert 0.1 <= delay_s <= 60.0
    assert 0.45 <= delay_s <= 0.55
