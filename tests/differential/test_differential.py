"""Every spider in ``spiders`` does under raycrawl what it does under Scrapy; what differs is documented."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.differential.cases import CASES
from tests.differential.harness import Case, RayKeeper, Site, judged, run

PYTHON = os.environ.get("RAYCRAWL_SCRAPY_PYTHON", "")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not PYTHON, reason="RAYCRAWL_SCRAPY_PYTHON does not name a Python with Scrapy"),
]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture(scope="module")
def keeper() -> Iterator[RayKeeper]:
    with RayKeeper() as keeper:
        yield keeper


def test_every_spider_has_a_case() -> None:
    spiders = {path.stem for path in Path(__file__).with_name("spiders").glob("*.py")}
    assert spiders == {case.name for case in CASES} | {"contracts"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_same_as_scrapy(case: Case, site: Site, keeper: RayKeeper, tmp_path: Path) -> None:
    theirs = run(case, "scrapy", PYTHON, site, tmp_path)
    ours = run(case, "raycrawl", sys.executable, site, tmp_path, keeper)
    found = judged(case, theirs, ours)
    assert not found, "\n".join(found)
