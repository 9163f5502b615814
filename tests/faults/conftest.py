"""Crawls that something happens to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import Scripts, scripts
from tests.faults.story import Story, slow_site

__all__ = ["scripts", "story"]


@pytest.fixture
def story(scripts: Scripts, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Story]:
    with slow_site() as server:
        story = Story(scripts, tmp_path, server, settings=getattr(request, "param", ""))
        story.begin()
        yield story
        if story.process.poll() is None:
            story.process.kill()
            story.process.communicate()
