"""How much memory this process and its node use. Source: Linux's /proc and cgroup v2 files; 0 where there are none."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def rss_nbytes() -> int:
    """The resident memory of this process, in bytes."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def total_nbytes() -> int:
    """The memory that this process may have: the node's, or its container's."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return total
    return total if limit == "max" else min(total, int(limit))


def used_percent() -> float:
    """How much of the memory that this process may have is in use: of the node, or of its container."""
    return max(_node_percent(), _container_percent())


def _node_percent() -> float:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    values = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return 100.0 * (1 - values.get("MemAvailable", 0) / max(1, values.get("MemTotal", 1)))


def _container_percent() -> float:
    """Page cache that could be given back counts as free."""
    try:
        limit = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        lines = (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    if limit == "max":
        return 0.0
    cache = next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
    return 100.0 * (used - cache) / max(1, int(limit))
