"""The moment a request leaves: a slot's delay to the next request runs from there, not from when it was decided."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

on_sent: ContextVar[Callable[[], None] | None] = ContextVar("on_sent", default=None)


def note_sent() -> None:
    """Called by handlers when a request's head has been written; else the delay runs from the download's end."""
    callback = on_sent.get()
    if callback is not None:
        callback()
