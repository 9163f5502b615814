"""kill -9 of the Downloader, again and again: no page is blamed for what came from outside."""

from __future__ import annotations

import pytest

from tests.faults.story import Story

pytestmark = pytest.mark.faults


def test_killed_downloader_costs_no_page(story: Story) -> None:
    at = 40
    for _ in range(4):  # with the same pages in flight
        story.strike("ray::Downloader", at)
        at = len(story.server.hits) + 15
    story.end()
    story.audit(kills=4)
    assert story.stats["engine/actors_replaced/downloader"] == 4
