"""Signals of the operating system."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeAlias

SignalHandlerT: TypeAlias = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None

# number -> name, e.g. 15 -> "SIGTERM"
signal_names: dict[int, str] = {int(number): number.name for number in signal.Signals}


def install_shutdown_handlers(function: SignalHandlerT, override_sigint: bool = True) -> None:
    """Let ``function`` handle the signals that end a program: SIGINT, SIGTERM and, on Windows, SIGBREAK.

    Args:
        override_sigint: replace a handler of SIGINT that is not Python's own, e.g. that of a debugger.
    """
    signal.signal(signal.SIGTERM, function)
    if override_sigint or signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, function)
    if hasattr(signal, "SIGBREAK"):
        signal.signal(signal.SIGBREAK, function)
