"""Component lists, configuration files and the feeds of the command line."""

from __future__ import annotations

import numbers
import os
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from configparser import ConfigParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raycrawl.exceptions import UsageError
from raycrawl.utils.misc import translate_path

if TYPE_CHECKING:
    from raycrawl.settings import BaseSettings, Settings


def build_component_list(
    compdict: MutableMapping[Any, Any],
    *,
    convert: Callable[[Any], Any] = translate_path,
) -> list[Any]:
    """The keys of ``{component: order}`` by their order; those with None are left out.

    Args:
        convert: applied to keys that are import paths.

    Raises:
        ValueError: an order is not a number, or the same component is named twice.
    """
    seen: dict[Any, Any] = {}
    for key, order in compdict.items():
        component = convert(key) if isinstance(key, str) else key
        if component in seen:
            raise ValueError(f"{component!r} is named twice in {dict(compdict)!r}: keep one of the spellings")
        if order is not None and not isinstance(order, numbers.Real):
            raise ValueError(f"the order of {component!r} has to be a number or None, not {order!r}")
        seen[component] = order
    return sorted((component for component, order in seen.items() if order is not None), key=seen.__getitem__)


def arglist_to_dict(arglist: Iterable[str]) -> dict[str, str]:
    """``["name=value", ...]`` as a dict.

    Raises:
        ValueError: an entry has no ``=``.
    """
    pairs: dict[str, str] = {}
    for entry in arglist:
        name, separator, value = entry.partition("=")
        if not separator:
            raise ValueError(f"{entry!r} is not of the form NAME=VALUE")
        pairs[name] = value
    return pairs


def closest_scrapy_cfg(path: str | os.PathLike[str] = ".", prevpath: str | os.PathLike[str] | None = None) -> str:
    """The path of the nearest ``scrapy.cfg`` in ``path`` or above it, '' when there is none."""
    folder = Path(path).resolve()
    for candidate in (folder, *folder.parents):
        if prevpath is not None and str(candidate) == str(prevpath):
            break
        cfg = candidate / "scrapy.cfg"
        if cfg.exists():
            return str(cfg)
    return ""


def get_sources(use_closest: bool = True) -> list[str]:
    """The configuration files, least important first: system-wide, the user's, and the project's."""
    config_home = os.environ.get("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
    sources = [
        "/etc/scrapy.cfg",
        r"c:\scrapy\scrapy.cfg",
        str(Path(config_home) / "scrapy.cfg"),
        str(Path("~/.scrapy.cfg").expanduser()),
    ]
    if use_closest and (cfg := closest_scrapy_cfg()):
        sources.append(cfg)
    return sources


def get_config(use_closest: bool = True) -> ConfigParser:
    """The content of all configuration files."""
    config = ConfigParser()
    config.read(get_sources(use_closest))
    return config


def init_env(project: str = "default", set_syspath: bool = True) -> None:
    """Prepare this process for the project that ``scrapy.cfg`` describes.

    Sets ``SCRAPY_SETTINGS_MODULE`` from its ``[settings]`` section and puts the project's folder on ``sys.path``.
    """
    config = get_config()
    if config.has_option("settings", project):
        os.environ["SCRAPY_SETTINGS_MODULE"] = config.get("settings", project)
    cfg = closest_scrapy_cfg()
    if cfg and set_syspath:
        project_folder = str(Path(cfg).parent)
        if project_folder not in sys.path:
            sys.path.append(project_folder)


def feed_complete_default_values_from_settings(
    feed: dict[str, Any], settings: BaseSettings, uri: str | None = None
) -> dict[str, Any]:
    """A feed's options, completed from the ``FEED_*`` settings; its format from the extension of ``uri``."""
    options = dict(feed)
    if uri is not None:
        options.setdefault("format", Path(uri).suffix.lstrip("."))
    options.setdefault("batch_item_count", settings.getint("FEED_EXPORT_BATCH_ITEM_COUNT"))
    options.setdefault("encoding", settings["FEED_EXPORT_ENCODING"])
    options.setdefault("fields", settings.getdictorlist("FEED_EXPORT_FIELDS") or None)
    options.setdefault("store_empty", settings.getbool("FEED_STORE_EMPTY"))
    options.setdefault("uri_params", settings["FEED_URI_PARAMS"])
    options.setdefault("item_export_kwargs", {})
    if settings["FEED_EXPORT_INDENT"] is None:
        options.setdefault("indent", None)
    else:
        options.setdefault("indent", settings.getint("FEED_EXPORT_INDENT"))
    return options


def feed_process_params_from_cli(
    settings: Settings,
    output: list[str],
    *,
    overwrite_output: list[str] | None = None,
) -> dict[str, dict[str, Any]]:
    """The feeds that ``-o`` (append) and ``-O`` (overwrite) ask for, as a value for ``FEEDS``.

    Args:
        output: ``URI`` or ``URI:FORMAT`` each; ``-`` is standard output. Without a format the URI's extension says it.

    Raises:
        UsageError: both kinds are used, or a format is unknown.
    """
    formats = set(_without_none(settings.getwithbase("FEED_EXPORTERS")))
    if output and overwrite_output:
        raise UsageError("use either -o/--output or -O/--overwrite-output, not both")
    feeds: dict[str, dict[str, Any]] = {}
    overwrite = bool(overwrite_output)
    for entry in overwrite_output or output:
        uri, feed_format = _split_feed(entry, formats)
        if uri == "-":
            uri = "stdout:"
        feeds[uri] = {"format": feed_format, "overwrite": True} if overwrite else {"format": feed_format}
    return feeds


def _split_feed(entry: str, formats: set[str]) -> tuple[str, str]:
    head, separator, tail = entry.rpartition(":")
    if separator and tail in formats:
        return head, tail
    if separator and tail and "/" not in tail and "\\" not in tail and "." not in tail and head not in _URI_SCHEMES:
        raise UsageError(_unknown_format(tail, entry, formats))
    extension = Path(entry).suffix.lstrip(".")
    if extension not in formats:
        raise UsageError(_unknown_format(extension, entry, formats))
    return entry, extension


_URI_SCHEMES = frozenset({"file", "ftp", "ftps", "gs", "s3", "stdout"})


def _unknown_format(feed_format: str, entry: str, formats: set[str]) -> str:
    said = f"{feed_format!r} is not a feed format" if feed_format else "there is no feed format"
    return f"{said} in {entry!r}: use URI:FORMAT or an extension, with one of {', '.join(sorted(formats))}"


def _without_none(mapping: Mapping[Any, Any]) -> list[Any]:
    return [key for key, value in mapping.items() if value is not None]
