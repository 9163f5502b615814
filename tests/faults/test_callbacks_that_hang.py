"""Callbacks that hang where no exception can reach them: each costs its page, at once, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.hostile import assert_only_the_guilty_paid, crawl

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

HANGS = """
    def sleeps(self, response):
        import time
        time.sleep(1000)

    def backtracks(self, response):
        import re
        re.match("(a+)+$", "a" * 60 + "b")  # holds the interpreter's lock for as long as the universe lasts

    def parses(self, response):
        attributes = " ".join("a%d=1" % number for number in range(400_000))
        response.replace(body=("<p " + attributes + ">").encode()).css("p")  # libxml2 is quadratic there
"""


def test_sleep_regex_and_parser_that_hang_cost_their_pages(tmp_path: Path) -> None:
    deeds = {5: "sleeps", 11: "backtracks", 17: "parses"}
    outcome = crawl(tmp_path, HANGS, deeds, SCRAPER_TIMEOUT=1.0)
    assert_only_the_guilty_paid(outcome, deeds)
    assert outcome.sorry == dict.fromkeys(deeds.values(), "CallbackTimeoutError")
    assert "'scraper/timeout': 3" in outcome.said
    assert "sleeps() ran for more than 1 s (SCRAPER_TIMEOUT)" in outcome.said
    assert 'hostile.py", line' in outcome.said  # where it hung
    # Certain at the first time: one is fetched again only as a neighbour, when another ended its process.
    assert outcome.hits["/5"] + outcome.hits["/11"] + outcome.hits["/17"] <= 6


BUSY = """
    def computes(self, response):
        import re
        import time
        end_s = time.monotonic() + 6
        while time.monotonic() < end_s:
            re.match("(a+)+$", "a" * 24 + "b")  # each match holds the lock for about a second
        yield {"url": response.url}
"""


def test_callback_that_computes_within_its_time_is_left_alone(tmp_path: Path) -> None:
    """It keeps its process from answering for longer than the heartbeat waits."""
    outcome = crawl(tmp_path, BUSY, {5: "computes"}, SCRAPER_TIMEOUT=60, HEARTBEAT_INTERVAL=0.5)
    assert outcome.code == 0, outcome.said
    assert outcome.numbers() == list(range(40))
    assert "it is replaced" not in outcome.said
