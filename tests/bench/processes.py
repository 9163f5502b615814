"""What a command costs: CPU and memory of all processes that it starts, found by a mark in their environment.

Ray's daemons and workers inherit the environment, whoever their parent becomes. CPU is each process's own user and
system time as the kernel counts it, read every 100 ms until it is gone: what a process does in its last 100 ms is not
seen.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_MARK = "RAYCRAWL_BENCH_MARK"
CPU_INTERVAL_S = 0.1
MEMORY_EVERY = 5  # every fifth look: smaps_rollup costs the kernel milliseconds for a big process


@dataclass
class Usage:
    """What was used. ``cpu_s`` is by kind of process, see :func:`kind_of`; memory is the highest sum at one moment."""

    wall_s: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)
    peak_pss_nbytes: int = 0
    peak_rss_nbytes: int = 0
    exit_code: int = 0
    pids: dict[str, list[int]] = field(default_factory=dict)

    @property
    def total_cpu_s(self) -> float:
        return sum(self.cpu_s.values())


def measure(
    command: Sequence[str],
    *,
    cwd: Path,
    output: Path,
    timeout_s: float = 600,
    env: dict[str, str] | None = None,
    on_actor: Callable[[str, int], None] | None = None,
) -> Usage:
    """Run the command to its end and count. Its standard output and error go to ``output``.

    Args:
        env: added to the environment.
        on_actor: called with kind and process id when one of its processes becomes a Ray actor.

    Raises:
        subprocess.TimeoutExpired: it was killed after ``timeout_s``.
    """
    mark = uuid.uuid4().hex
    environ = {**os.environ, **(env or {}), _MARK: mark}
    started_s = time.monotonic()
    with output.open("wb") as sink:
        process = subprocess.Popen(command, cwd=cwd, stdout=sink, stderr=subprocess.STDOUT, env=environ)
    sampler = _Sampler(mark, on_actor)
    sampler.start()
    try:
        code = process.wait(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    finally:
        wall_s = time.monotonic() - started_s
        sampler.stop()
    usage = sampler.usage()
    usage.wall_s, usage.exit_code = wall_s, code
    return usage


class _Sampler(threading.Thread):
    """Looks at /proc until it is stopped. Owns ``_last``: the latest CPU seconds of each process ever seen."""

    def __init__(self, mark: str, on_actor: Callable[[str, int], None] | None) -> None:
        super().__init__(name="sampler", daemon=True)
        self._on_actor = on_actor
        self._mark = f"{_MARK}={mark}".encode()
        self._stopped = threading.Event()
        self._last: dict[int, float] = {}
        self._kinds: dict[int, str] = {}
        self._strangers: set[int] = {os.getpid()}
        self._peak_pss = 0
        self._peak_rss = 0

    def run(self) -> None:
        looks = 0
        while True:
            is_last = self._stopped.wait(CPU_INTERVAL_S)
            self._look(with_memory=looks % MEMORY_EVERY == 0)
            looks += 1
            if is_last:
                return

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def usage(self) -> Usage:
        cpu_s: dict[str, float] = defaultdict(float)
        pids: dict[str, list[int]] = defaultdict(list)
        for pid, seconds in self._last.items():
            cpu_s[self._kinds.get(pid, "?")] += seconds
            pids[self._kinds.get(pid, "?")].append(pid)
        return Usage(cpu_s=dict(cpu_s), peak_pss_nbytes=self._peak_pss, peak_rss_nbytes=self._peak_rss, pids=dict(pids))

    def _look(self, *, with_memory: bool) -> None:
        pss = rss = 0
        for name in os.listdir("/proc"):
            if not name.isdigit() or (pid := int(name)) in self._strangers:
                continue
            seconds = self._cpu_of(pid)
            if seconds is not None and with_memory:
                own_pss, own_rss = _memory(pid)
                pss, rss = pss + own_pss, rss + own_rss
        self._peak_pss, self._peak_rss = max(self._peak_pss, pss), max(self._peak_rss, rss)

    def _cpu_of(self, pid: int) -> float | None:
        try:
            if pid not in self._last and self._mark not in Path(f"/proc/{pid}/environ").read_bytes():
                self._strangers.add(pid)
                return None
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()
            command_line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return None  # gone: what was counted stays
        self._last[pid] = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
        if command_line:  # empty for a zombie
            kind, before = kind_of(command_line), self._kinds.get(pid)
            self._kinds[pid] = kind
            if kind != before and _is_actor(kind) and self._on_actor is not None:
                self._on_actor(kind, pid)
        return self._last[pid]


def kind_of(command_line: bytes) -> str:
    """A process's kind for a person: ``ray::Scraper``, ``raylet``, ``gcs_server``, or the program's name."""
    words = [word.decode("utf-8", "replace") for word in command_line.split(b"\0") if word]
    if not words:
        return "?"
    if words[0].startswith("ray::"):
        return re.split(r"[.(\s]", words[0], maxsplit=1)[0]
    program = Path(words[0]).name
    if program.startswith("python"):
        scripts = [word for word in words[1:] if word.endswith(".py") or word in {"raycrawl", "scrapy"}]
        program = Path(scripts[0]).name if scripts else program
    return program


def _memory(pid: int) -> tuple[int, int]:
    """(PSS, RSS) in bytes; (0, 0) for a process that is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0, 0
    found = dict(re.findall(r"^(Pss|Rss):\s+(\d+) kB", text, flags=re.MULTILINE))
    return int(found.get("Pss", 0)) * 1024, int(found.get("Rss", 0)) * 1024


def _is_actor(kind: str) -> bool:
    """A worker that has become an actor: not an idle one, not one of Ray's agents."""
    return kind.startswith("ray::") and kind != "ray::IDLE" and not kind.endswith("Agent")
