"""Component priority dictionaries: ``{class or import path: order or None}``.

A class and its import path (also the path under ``scrapy.``, when raycrawl has that module) are the same component.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from raycrawl.utils.misc import load_object


def loaded_or_none(key: Any) -> Any:
    """The object that ``key`` stands for; None when its path cannot be loaded."""
    if not isinstance(key, str):
        return key
    try:
        return load_object(key)
    except (AttributeError, ImportError, NameError, ValueError):
        return None


def keys_for(keys: Iterable[Any], component: Any) -> list[Any]:
    """Those of ``keys`` that stand for ``component``, itself a class or an import path."""
    wanted = loaded_or_none(component)
    return [key for key in keys if key == component or (wanted is not None and loaded_or_none(key) is wanted)]


def merged_with_base(base: Mapping[Any, Any], own: Mapping[Any, Any]) -> dict[Any, Any]:
    """``base`` updated with ``own``, where the same component may be named differently in the two."""
    merged: dict[Any, Any] = {}
    names: dict[Any, Any] = {}  # loaded component -> the key it has in merged
    for mapping in (base, own):
        for key, order in mapping.items():
            component = loaded_or_none(key)
            if component is None:
                merged[key] = order
                continue
            merged[names.setdefault(component, key)] = order
    return merged
