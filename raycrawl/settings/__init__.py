"""Settings: values with priorities. ``docs/settings.md`` lists every one and what it does here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from raycrawl.settings import default_settings
from raycrawl.settings.attribute import SETTINGS_PRIORITIES, SettingsAttribute, get_settings_priority
from raycrawl.settings.base import BaseSettings, _SettingsInput, iter_default_settings

__all__ = [
    "SETTINGS_PRIORITIES",
    "BaseSettings",
    "Settings",
    "SettingsAttribute",
    "default_settings",
    "get_settings_priority",
    "iter_default_settings",
    "overridden_settings",
]


class Settings(BaseSettings):
    """The settings of a crawl: the defaults, and ``values`` with ``priority`` on top of them.

    Default dictionaries hold BaseSettings, so that single entries keep their own priorities.
    """

    def __init__(self, values: _SettingsInput = None, priority: int | str = "project") -> None:
        super().__init__()
        self.setmodule(default_settings, "default")
        for name, value in self.items():
            if isinstance(value, dict):
                self.set(name, BaseSettings(value, "default"), "default")
        self.update(values, priority)


def overridden_settings(settings: BaseSettings) -> dict[str, Any]:
    """The settings whose values differ from the defaults."""
    return dict(iter_overridden_settings(settings))


def iter_overridden_settings(settings: BaseSettings) -> Iterable[tuple[str, Any]]:
    """Like ``overridden_settings``; dictionaries are left out, since they are composed."""
    for name, default in iter_default_settings():
        value = settings[name]
        if not isinstance(default, dict) and value != default:
            yield name, value
