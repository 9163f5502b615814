"""kill -9 of the driver; the same command again goes on where it was."""

from __future__ import annotations

import psutil
import pytest

from tests.faults.story import Story

AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
pytestmark = pytest.mark.faults


@pytest.mark.parametrize("story", ['"JOBDIR": "job"'], indirect=True)
def test_the_same_command_goes_on_after_a_kill_of_the_driver(story: Story) -> None:
    story.wait_for_hits(120)
    others = psutil.Process(story.process.pid).children(recursive=True)
    # Ray's own two agents look for their dead store for a minute before they end.
    crawling = [process for process in others if not "".join(process.cmdline()).startswith(AGENTS)]
    story.process.kill()
    story.process.communicate()
    _, alive = psutil.wait_procs(crawling, timeout=10)
    assert alive == []
    story.begin()
    story.end()
    story.audit(kills=1)
