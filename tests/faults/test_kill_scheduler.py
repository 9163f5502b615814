"""kill -9 of a shard of the frontier."""

from __future__ import annotations

import pytest

from tests.faults.story import Story

pytestmark = pytest.mark.faults


def test_killed_shard_has_everything_on_its_disk(story: Story) -> None:
    story.strike("ray::Scheduler", at=100)
    story.end()
    story.audit(kills=1)
    assert story.stats["engine/actors_replaced/scheduler"] == 1
