"""``python -m tests.differential [CASE]...``: runs cases (all without names) and prints what differs."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from tests.differential.cases import CASES
from tests.differential.harness import RayKeeper, Site, judged, run


def main() -> int:
    python = os.environ.get("RAYCRAWL_SCRAPY_PYTHON")
    if not python:
        print("RAYCRAWL_SCRAPY_PYTHON has to name a Python with Scrapy", file=sys.stderr)
        return 2
    chosen = [case for case in CASES if case.name in sys.argv[1:] or len(sys.argv) == 1]
    directory = Path(os.environ.get("DIFFERENTIAL_DIR") or tempfile.mkdtemp(prefix="raycrawl-differential-"))
    n_different = 0
    with Site() as site, RayKeeper() as keeper:
        for case in chosen:
            start_s = time.monotonic()
            theirs = run(case, "scrapy", python, site, directory / case.name)
            middle_s = time.monotonic()
            ours = run(case, "raycrawl", sys.executable, site, directory / case.name, keeper)
            found = judged(case, theirs, ours)
            n_different += bool(found)
            times = f"{middle_s - start_s:.1f} + {time.monotonic() - middle_s:.1f} s"
            seen = f"{len(theirs.items)} items, {len(theirs.requests)} requests, {times}"
            print(f"== {case.name}: {len(found)} differences ({seen})")
            print("".join(f"   {line}\n" for line in found), end="", flush=True)
    print(f"{len(chosen) - n_different} of {len(chosen)} alike; runs in {directory}")
    return 1 if n_different else 0


if __name__ == "__main__":
    sys.exit(main())
