"""Whether there is a Twisted reactor: there never is."""

from __future__ import annotations


def is_reactorless() -> bool:
    """Whether the crawl runs without a Twisted reactor: always."""
    return True
