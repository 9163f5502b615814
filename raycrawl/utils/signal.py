"""Sending signals without a ``SignalManager`` at hand: to those who are connected to the ``sender``'s.

``sender`` is a crawler or a SignalManager; without one, the signal goes to a manager of this module,
``default_manager``.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from raycrawl.signalmanager import Result, SignalManager

default_manager = SignalManager()


def _manager_of(sender: Any) -> SignalManager:
    if isinstance(sender, SignalManager):
        return sender
    manager = getattr(sender, "signals", None)
    return manager if isinstance(manager, SignalManager) else default_manager


def send_catch_log(signal: Any = None, sender: Any = None, **named: Any) -> list[Result]:
    """See ``SignalManager.send_catch_log``."""
    return _manager_of(sender).send_catch_log(signal, **_with_sender(sender, named))


async def send_catch_log_async(signal: Any = None, sender: Any = None, **named: Any) -> list[Result]:
    """See ``SignalManager.send_catch_log_async``."""
    return await _manager_of(sender).send_catch_log_async(signal, **_with_sender(sender, named))


def send_catch_log_deferred(signal: Any = None, sender: Any = None, **named: Any) -> Awaitable[list[Result]]:
    """See ``SignalManager.send_catch_log_deferred``."""
    return _manager_of(sender).send_catch_log_deferred(signal, **_with_sender(sender, named))


def disconnect_all(signal: Any = None, sender: Any = None) -> None:
    """See ``SignalManager.disconnect_all``."""
    _manager_of(sender).disconnect_all(signal)


def _with_sender(sender: Any, named: dict[str, Any]) -> dict[str, Any]:
    return named if sender is None else {**named, "sender": sender}
