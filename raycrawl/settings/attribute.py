"""Priorities, and the value of one setting together with its priority."""

from __future__ import annotations

from typing import Any

SETTINGS_PRIORITIES: dict[str, int] = {
    "default": 0,
    "command": 10,
    "addon": 15,
    "project": 20,
    "spider": 30,
    "cmdline": 40,
}


def get_settings_priority(priority: int | str) -> int:
    """The number of a priority that is given by name or by number.

    Raises:
        KeyError: no such name.
    """
    return SETTINGS_PRIORITIES[priority] if isinstance(priority, str) else priority


class SettingsAttribute:
    """A value and its priority. A value of lower priority never replaces one of higher priority."""

    __slots__ = ("priority", "value")

    def __init__(self, value: Any, priority: int) -> None:
        from raycrawl.settings.base import BaseSettings

        self.value = value
        self.priority = max(value.maxpriority(), priority) if isinstance(value, BaseSettings) else priority

    def set(self, value: Any, priority: int) -> None:
        """Take ``value`` when ``priority`` is at least the present one. A mapping stays a mapping with priorities."""
        if priority < self.priority:
            return
        from raycrawl.settings.base import BaseSettings

        if isinstance(self.value, BaseSettings):
            value = BaseSettings(value, priority=priority)
        self.value = value
        self.priority = priority

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SettingsAttribute):
            return NotImplemented
        return bool(self.value == other.value) and self.priority == other.priority

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<SettingsAttribute value={self.value!r} priority={self.priority}>"
