"""``python -m raycrawl`` is the ``raycrawl`` command."""

from __future__ import annotations

from raycrawl.cmdline import execute

if __name__ == "__main__":
    execute()
