"""What a crawl remembers from one run, or one engine, to the next: stats, slots' politeness, cookies, robots caches.

The frontier and the feeds have stores of their own; this is the rest, kept as small values in the work directory. The
values are pickles that only the engine writes.
"""

from __future__ import annotations

import logging
import pickle
import threading
from pathlib import Path
from typing import Any

from raycrawl.frontier.jobstate import JobState, JobStateError

logger = logging.getLogger(__name__)


class JobMemory:
    """Named values in ``WORKDIR/state``; a value is written when it has changed."""

    def __init__(self, workdir: str) -> None:
        self._state = JobState(Path(workdir) / "state")
        self._written: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._is_failing = False

    def load(self, name: str, default: Any) -> Any:
        """The value of ``name``; ``default`` when there is none, or (with a warning) when it is damaged."""
        try:
            raw = self._state.get(name)
        except JobStateError as error:
            logger.warning("%s", error)
            return default
        return default if raw is None else pickle.loads(raw)

    def save_all(self, values: dict[str, Any]) -> None:
        """Keeps several values."""
        for name, value in values.items():
            self.save(name, value)

    def save(self, name: str, value: Any) -> None:
        """Keeps a value; a disk that is full is said, and the older value stays."""
        raw = pickle.dumps(value, protocol=5)
        with self._lock:  # the heartbeat's thread may be at it when the crawl ends
            if self._written.get(name) == raw:
                return
            try:
                self._state.put(name, raw)
                self._written[name] = raw
                self._is_failing = False
            except OSError as error:
                if not self._is_failing:
                    logger.warning("the job's %s could not be kept: %s", name, error)
                self._is_failing = True
