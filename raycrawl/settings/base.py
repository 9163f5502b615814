"""``BaseSettings``: a mapping whose values have priorities."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from importlib import import_module
from pprint import pformat
from types import ModuleType
from typing import Any, Self, TypeAlias, Union

from raycrawl.settings import components
from raycrawl.settings.attribute import SettingsAttribute, get_settings_priority

_SettingsInput: TypeAlias = Union["Mapping[str, Any]", str, None]

_MISSING: Any = object()


class BaseSettings(MutableMapping[Any, Any]):
    """A mapping of names to values with priorities.

    Reading a name that is not set gives None. Writing keeps the value of the highest priority; of equal priorities the
    last one wins.

    Args:
        values: a mapping, or a JSON object as text.
        priority: of ``values``; a name of ``SETTINGS_PRIORITIES`` or a number.

    Attributes:
        attributes: name -> SettingsAttribute.
        frozen: True when nothing can be changed any more (TypeError).
        applied: who has changed these settings already (a spider's class path, "addons"), so that settings that travel
            to another process are not changed twice; copies keep it.
    """

    applied: frozenset[str] = frozenset()

    def __init__(self, values: _SettingsInput = None, priority: int | str = "project") -> None:
        self.frozen = False
        self.attributes: dict[Any, SettingsAttribute] = {}
        if values:
            self.update(values, priority)

    # --- reading

    def __getitem__(self, opt_name: Any) -> Any:
        attribute = self.attributes.get(opt_name)
        return None if attribute is None else attribute.value

    def __contains__(self, name: object) -> bool:
        return name in self.attributes

    def __iter__(self) -> Iterator[Any]:
        return iter(self.attributes)

    def __len__(self) -> int:
        return len(self.attributes)

    def get(self, name: Any, default: Any = None) -> Any:
        """The value, ``default`` when the setting is missing or None."""
        attribute = self.attributes.get(name)
        return default if attribute is None or attribute.value is None else attribute.value

    def getbool(self, name: str, default: bool = False) -> bool:
        """The value as a bool: 1, '1', True, 'True' and 'true', or 0, '0', False, 'False' and 'false'; None is False.

        Raises:
            ValueError, TypeError: any other value; the message names the setting.
        """
        value = self.get(name, default)
        if value is None:
            return False
        try:
            return bool(int(value))
        except (TypeError, ValueError) as error:
            if value in ("True", "true"):
                return True
            if value in ("False", "false"):
                return False
            raise type(error)(
                f"{name}={value!r} is not a boolean: expected one of 0, 1, True, False, '0', '1', 'True', 'False', "
                "'true', 'false'"
            ) from None

    def getint(self, name: str, default: int = 0) -> int:
        """The value as an int. Raises ValueError or TypeError, which names the setting."""
        value = self.get(name, default)
        try:
            return int(value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}={value!r} is not an integer") from None

    def getfloat(self, name: str, default: float = 0.0) -> float:
        """The value as a float. Raises ValueError or TypeError, which names the setting."""
        value = self.get(name, default)
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}={value!r} is not a number") from None

    def getlist(self, name: str, default: list[Any] | None = None) -> list[Any]:
        """The value as a new list. Text is a JSON list, or is split at commas; empty text gives an empty list."""
        value = self.get(name, default or [])
        return split_list(value) if isinstance(value, str) else list(value)

    def getdict(self, name: str, default: dict[Any, Any] | None = None) -> dict[Any, Any]:
        """The value, a mapping or a list of pairs, as a new dict; text is read as JSON.

        Raises:
            ValueError, TypeError: the value is none of these; the message names the setting.
        """
        value = self.get(name, default or {})
        if isinstance(value, str):
            value = _json(name, value)
        try:
            return dict(value)
        except (TypeError, ValueError) as error:
            message = f"{name}={value!r} is not a dictionary: expected a mapping or a JSON object"
            raise type(error)(message) from None

    def getdictorlist(
        self, name: str, default: dict[Any, Any] | list[Any] | tuple[Any, ...] | None = None
    ) -> dict[Any, Any] | list[Any]:
        """The value as a new dict or list. Text is read as JSON if it is a JSON object or list, else split at commas.

        Raises:
            ValueError: the value is none of these.
        """
        value = self.get(name, default)
        if value is None:
            return {}
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                return str(value).split(",")
            if not isinstance(value, (dict, list)):
                return [str(self.get(name, default))]
        if isinstance(value, Mapping):
            return copy.deepcopy(dict(value))
        if isinstance(value, (list, tuple)):
            return copy.deepcopy(list(value))
        raise ValueError(f"{name}={value!r} is neither a dictionary nor a list")

    def getwithbase(self, name: str) -> BaseSettings:
        """``{name}_BASE`` updated with ``name``; a class and its import path count as the same component."""
        return BaseSettings(self._with_base(name))

    def get_component_priority_dict_with_base(self, name: str) -> BaseSettings:
        """Like ``getwithbase``, without the components that are switched off with None."""
        merged = self._with_base(name)
        return BaseSettings({key: order for key, order in merged.items() if order is not None})

    def _with_base(self, name: str) -> dict[Any, Any]:
        base, own = self.getdict(f"{name}_BASE"), self.getdict(name)
        return components.merged_with_base(base, own)

    def getpriority(self, name: str) -> int | None:
        """The number of the setting's priority; None when it is not set."""
        attribute = self.attributes.get(name)
        return None if attribute is None else attribute.priority

    def maxpriority(self) -> int:
        """The highest priority of all settings in here; that of ``default`` when there are none."""
        lowest = get_settings_priority("default")
        return max((attribute.priority for attribute in self.attributes.values()), default=lowest)

    # --- writing

    def __setitem__(self, name: Any, value: Any) -> None:
        self.set(name, value)

    def __delitem__(self, name: Any) -> None:
        self._assert_mutability()
        del self.attributes[name]

    def set(self, name: Any, value: Any, priority: int | str = "project") -> None:
        """Store ``value`` unless the setting has a higher priority. A SettingsAttribute brings its own priority."""
        self._assert_mutability()
        number = get_settings_priority(priority)
        present = self.attributes.get(name)
        if isinstance(value, SettingsAttribute):
            if present is None:
                self.attributes[name] = SettingsAttribute(value.value, value.priority)
            else:
                present.set(value.value, value.priority)
        elif present is None:
            self.attributes[name] = SettingsAttribute(value, number)
        else:
            try:
                present.set(value, number)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None

    def setdefault(self, name: Any, default: Any = None, priority: int | str = "project") -> Any:
        """The value when the setting exists; else store ``default`` and return it."""
        if name not in self:
            self.set(name, default, priority)
            return default
        return self.attributes[name].value

    def setdict(self, values: _SettingsInput, priority: int | str = "project") -> None:
        """Same as ``update``."""
        self.update(values, priority)

    def setmodule(self, module: ModuleType | str, priority: int | str = "project") -> None:
        """Store every upper-case name of a module (or of the import path of one)."""
        self._assert_mutability()
        source = import_module(module) if isinstance(module, str) else module
        for name in dir(source):
            if name.isupper():
                self.set(name, getattr(source, name), priority)

    def update(self, values: _SettingsInput, priority: int | str = "project") -> None:  # type: ignore[override]
        """Store all of ``values``: a mapping or a JSON object as text. Those of a BaseSettings keep their priorities.

        Raises:
            ValueError: text that is not a JSON object.
        """
        self._assert_mutability()
        if isinstance(values, str):
            values = _json("settings", values)
            if not isinstance(values, dict):
                raise ValueError(f"settings given as text have to be a JSON object, got {values!r}")
        if not values:
            return
        if isinstance(values, BaseSettings):
            for name, attribute in values.attributes.items():
                self.set(name, attribute.value, attribute.priority)
        else:
            for name, value in dict(values).items():
                self.set(name, value, priority)

    def delete(self, name: str, priority: int | str = "project") -> None:
        """Remove the setting unless it has a higher priority than ``priority``."""
        self._assert_mutability()
        if name not in self:
            raise KeyError(name)
        if get_settings_priority(priority) >= self.attributes[name].priority:
            del self.attributes[name]

    def pop(self, name: Any, default: Any = _MISSING) -> Any:
        """Remove the setting and return its value; ``default`` (KeyError without one) when it does not exist."""
        self._assert_mutability()
        if name in self.attributes:
            return self.attributes.pop(name).value
        if default is _MISSING:
            raise KeyError(name)
        return default

    def add_to_list(self, name: str, item: Any) -> None:
        """Append ``item`` to the list setting unless it is in it, whatever the priority, which stays as it is."""
        self._assert_mutability()
        present = self.getlist(name)
        if item not in present:
            self._replace(name, [*present, item])

    def remove_from_list(self, name: str, item: Any) -> None:
        """Remove ``item`` from the list setting, whatever the priority, which stays as it is.

        Raises:
            ValueError: it is not in the list.
        """
        self._assert_mutability()
        present = self.getlist(name)
        if item not in present:
            raise ValueError(f"{item!r} is not in {name} ({present!r})")
        present.remove(item)
        self._replace(name, present)

    def replace_in_component_priority_dict(
        self, name: str, old_cls: type, new_cls: type, priority: int | None = None
    ) -> None:
        """Put ``new_cls`` in the place of ``old_cls`` (class or import paths), at ``priority`` or at the old order.

        Raises:
            KeyError: ``old_cls`` is missing, or switched off with None.
        """
        self._assert_mutability()
        content = self.getdict(name)
        old_keys = components.keys_for(content, old_cls)
        orders = [content.pop(key) for key in old_keys]
        order = next((order for order in reversed(orders) if order is not None), None)
        if order is None:
            raise KeyError(f"{old_cls} is not in {name}, or is switched off there")
        content[new_cls] = order if priority is None else priority
        self._replace(name, content)

    def set_in_component_priority_dict(self, name: str, cls: type, priority: int | None) -> None:
        """Set the order of ``cls``, replacing import paths of it."""
        self._assert_mutability()
        content = self.getdict(name)
        for key in components.keys_for(content, cls):
            del content[key]
        content[cls] = priority
        self._replace(name, content)

    def setdefault_in_component_priority_dict(self, name: str, cls: type, priority: int | None) -> None:
        """Set the order of ``cls`` unless it (or an import path of it) is there."""
        self._assert_mutability()
        content = self.getdict(name)
        if not components.keys_for(content, cls):
            content[cls] = priority
            self._replace(name, content)

    def _replace(self, name: str, value: Any) -> None:
        """Another content at the same priority ("project" for a new setting)."""
        priority = self.getpriority(name)
        self.set(name, value, get_settings_priority("project") if priority is None else priority)

    # --- copying and freezing

    def _assert_mutability(self) -> None:
        if self.frozen:
            raise TypeError("these settings are frozen: they cannot change any more")

    def copy(self) -> Self:
        """A deep copy, which is not connected to the original; frozen, when that is."""
        return copy.deepcopy(self)

    def freeze(self) -> None:
        """From now on every change raises TypeError."""
        self.frozen = True

    def frozencopy(self) -> Self:
        """A frozen deep copy."""
        other = self.copy()
        other.freeze()
        return other

    def copy_to_dict(self) -> dict[Any, Any]:
        """A deep copy as plain dicts, e.g. to print it."""
        return self.copy()._to_dict()

    def _to_dict(self) -> dict[Any, Any]:
        return {_key_text(name): _plain(value) for name, value in self.items()}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {pformat(self.copy_to_dict())}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self) if not cycle else f"<{type(self).__name__} ...>")


def _plain(value: Any) -> Any:
    return value._to_dict() if isinstance(value, BaseSettings) else value


def _key_text(key: Any) -> Any:
    if isinstance(key, type):
        return f"{key.__module__}.{key.__qualname__}"
    return key if isinstance(key, str) else str(key)


def split_list(text: str) -> list[Any]:
    """The list that ``text`` describes: in JSON, or else its parts between commas."""
    if text.startswith("[") and text.endswith("]"):
        try:
            return list(json.loads(text))
        except ValueError:
            return text.split(",")
    return text.split(",") if text else []


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{name}={text!r} is not valid JSON: {error}") from None


def iter_default_settings() -> Iterable[tuple[str, Any]]:
    """The names and values of the default settings."""
    from raycrawl.settings import default_settings

    for name in dir(default_settings):
        if name.isupper():
            yield name, getattr(default_settings, name)
