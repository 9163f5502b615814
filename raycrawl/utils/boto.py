"""Whether the library for Amazon's cloud is there."""

from __future__ import annotations

from importlib.util import find_spec


def is_botocore_available() -> bool:
    """Whether ``botocore`` is installed."""
    return find_spec("botocore") is not None
