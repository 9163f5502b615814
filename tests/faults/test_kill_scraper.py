"""kill -9 of a Scraper, twice."""

from __future__ import annotations

import pytest

from tests.faults.story import Story

pytestmark = pytest.mark.faults


def test_killed_scraper_costs_no_item(story: Story) -> None:
    story.strike("ray::Scraper", at=60)
    story.strike("ray::Scraper", at=200)
    story.end()
    story.audit(kills=2)
    assert story.stats["engine/actors_replaced/scraper"] == 2
