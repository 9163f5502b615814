"""kill -9 of the engine: another one takes over."""

from __future__ import annotations

import pytest

from tests.faults.story import Story

pytestmark = pytest.mark.faults


def test_killed_engine_is_followed_by_another(story: Story) -> None:
    story.strike("ray::ExecutionEngine", at=100)
    story.end()
    story.audit(kills=1)
