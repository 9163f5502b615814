"""Callbacks that end their process: each costs its page after three tries, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.hostile import assert_only_the_guilty_paid, crawl

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

KILLS = """
    def exits(self, response):
        import os
        os._exit(1)

    async def crashes(self, response):
        import asyncio
        import ctypes
        await asyncio.sleep(0.01)
        ctypes.string_at(8)
"""


def test_exit_and_segmentation_fault_cost_their_pages(tmp_path: Path) -> None:
    deeds = {5: "exits", 11: "crashes"}
    outcome = crawl(tmp_path, KILLS, deeds)
    assert_only_the_guilty_paid(outcome, deeds)
    assert "/5> is given up: it has ended the processes that worked on it (exits)" in outcome.said
    assert "/11> is given up" in outcome.said
    assert "'engine/poisoned': 2" in outcome.said
    assert "'engine/actors_replaced/scraper': 6" in outcome.said
    assert "in string_at" in outcome.said  # where it crashed


EATS = """
    def eats(self, response):
        hoard = []
        while True:
            hoard.append(bytearray(50_000_000))

    def lists(self, response):
        yield {"url": "http://x/%d" % len([0] * 2_000_000_000)}
"""


def test_memory_without_end_costs_its_page(tmp_path: Path) -> None:
    deeds = {5: "eats", 11: "lists"}
    outcome = crawl(tmp_path, EATS, deeds, SCRAPER_MEMORY_LIMIT=600)
    assert outcome.code == 0, outcome.said
    assert outcome.numbers() == [number for number in range(40) if number not in deeds]
    assert "MemoryError" in outcome.said or "is given up" in outcome.said
    assert int(outcome.said.rpartition("'memusage/max': ")[2].split(",")[0]) < 1_500_000_000
