"""Every spider in ``spiders`` does under raycrawl what it does under Scrapy; what differs is documented."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.differential.cases import CASES
from tests.differential.harness import REPOSITORY, Case, RayKeeper, Site, judged, run, translated

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


def test_check_finds_the_same_contracts_broken(site: Site, tmp_path: Path) -> None:
    theirs = check("scrapy", PYTHON, site, tmp_path)
    ours = check("raycrawl", sys.executable, site, tmp_path)
    assert ours == theirs
    assert theirs[0] == 1
    assert theirs[1:] == (2, 7)


def check(engine: str, python: str, site: Site, directory: Path) -> tuple[int, int, int]:
    """``check`` in a project with the spider of contracts.py: its exit code, how many contracts failed, of how many."""
    spiders = directory / engine / "project" / "spiders"
    spiders.mkdir(parents=True)
    (spiders / "__init__.py").touch()
    (spiders.parent / "__init__.py").touch()
    (spiders.parent / "settings.py").write_text('SPIDER_MODULES = ["project.spiders"]\n')
    (directory / engine / "scrapy.cfg").write_text("[settings]\ndefault = project.settings\n")
    source = (Path(__file__).with_name("spiders") / "contracts.py").read_text()
    (spiders / "contracts.py").write_text(translated(source, engine, site.port))
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY) if engine == "raycrawl" else ""}
    done = subprocess.run(
        [python, "-m", engine, "check", "-v"], cwd=directory / engine, env=environment, capture_output=True, text=True
    )
    output = done.stdout + done.stderr
    n_failed = re.search(r"failures=(\d+)", output)
    n_run = re.search(r"Ran (\d+) contracts", output)
    assert n_run is not None, output
    return done.returncode, int(n_failed[1]) if n_failed else 0, int(n_run[1])
