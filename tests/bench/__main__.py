"""``python -m tests.bench NAME [options]`` runs ``main(argv)`` of that module; its result is the exit code."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

# modules that are parts of benches, not benches
_PARTS = {"__main__", "processes", "runs", "site"}


def bench_names() -> list[str]:
    """The names of the benches, sorted."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    return sorted(module.name for module in modules if module.name not in _PARTS)


def main(argv: list[str]) -> int:
    """Run one bench; 2 for a wrong name."""
    names = bench_names()
    if not argv or argv[0] not in names:
        print(f"usage: python -m tests.bench NAME [options]\nbenches: {', '.join(names)}", file=sys.stderr)
        return 2
    code = importlib.import_module(f"tests.bench.{argv[0]}").main(argv[1:])
    return int(code or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
