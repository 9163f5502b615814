"""kill -9 of the FeedSink."""

from __future__ import annotations

import pytest

from tests.faults.story import Story

pytestmark = pytest.mark.faults


def test_killed_feedsink_neither_loses_nor_repeats_items(story: Story) -> None:
    story.strike("ray::FeedSink", at=100)
    story.end()
    story.audit(kills=1)
    assert story.stats["engine/actors_replaced/sink"] == 1
