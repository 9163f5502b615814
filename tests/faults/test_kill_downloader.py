"""kill -9 of the Downloader, twice."""

from __future__ import annotations

import pytest

from tests.faults.story import Story

pytestmark = pytest.mark.faults


def test_killed_downloader_costs_no_page(story: Story) -> None:
    story.strike("ray::Downloader", at=60)
    story.strike("ray::Downloader", at=200)
    story.end()
    story.audit(kills=2)
    assert story.stats["engine/actors_replaced/downloader"] == 2
