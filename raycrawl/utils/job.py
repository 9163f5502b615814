"""The folder of a crawl that can be continued."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raycrawl.settings import BaseSettings


def job_dir(settings: BaseSettings) -> str | None:
    """``JOBDIR``, made when it does not exist; None without one."""
    path: str | None = settings["JOBDIR"]
    if not path:
        return None
    Path(path).mkdir(parents=True, exist_ok=True)
    return path
