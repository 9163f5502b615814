"""SIGSTOP of the Downloader: it hangs, nobody is told, and it never comes back."""

from __future__ import annotations

import signal
import time

import pytest

from tests.faults.story import CONCURRENCY, Story

pytestmark = pytest.mark.faults


def test_stopped_downloader_is_replaced(story: Story) -> None:
    stopped = story.strike("ray::Downloader", at=100, number=signal.SIGSTOP)
    began_s, hits = time.monotonic(), len(story.server.hits)
    story.wait_for_hits(hits + 2 * CONCURRENCY)
    assert time.monotonic() - began_s < 15
    story.end()
    story.audit(kills=1)
    assert not stopped.is_running()
