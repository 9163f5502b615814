"""Helpers for names that changed."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

from raycrawl.exceptions import ScrapyDeprecationWarning


def attribute(obj: Any, oldattr: str, newattr: str, version: str = "") -> None:
    """Warn that ``oldattr`` of an object is now called ``newattr``."""
    cname = type(obj).__name__
    message = f"{cname}.{oldattr} is the older spelling of {cname}.{newattr}"
    warnings.warn(message, ScrapyDeprecationWarning, stacklevel=3)


def method_is_overridden(subclass: type, base_class: type, method_name: str) -> bool:
    """Whether ``subclass`` has another implementation of a method than ``base_class``."""
    base = getattr(base_class, method_name)
    own = getattr(subclass, method_name)
    return getattr(base, "__func__", base) is not getattr(own, "__func__", own)


def argument_is_required(func: Callable[..., Any], arg_name: str) -> bool:
    """Whether ``func`` cannot be called without ``arg_name``."""
    parameter = inspect.signature(func).parameters.get(arg_name)
    return parameter is not None and parameter.default is inspect.Parameter.empty
