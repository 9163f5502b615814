"""A feed's options, read once: the value of one key of ``FEEDS``, completed from the ``FEED_*`` settings."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from raycrawl.feeds.journal import FeedError
from raycrawl.utils.conf import feed_complete_default_values_from_settings
from raycrawl.utils.misc import load_object

LOCAL, STDOUT, REMOTE = "local", "stdout", "remote"
# Where an existing file is kept and appended to by default. Object stores cannot append.
_OVERWRITES_BY_DEFAULT = {LOCAL: False, STDOUT: False, REMOTE: True}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOptions:
    """The options of one feed.

    ``batch_item_count`` 0 means one file. ``raw`` is the dict itself, for the classes that users bring (filters,
    post-processing plugins, storages), which read their own keys from it.
    """

    uri: str
    kind: str
    format: str
    exporter: type[Any]
    encoding: str | None
    fields: Any
    indent: int | None
    batch_item_count: int
    overwrite: bool
    store_empty: bool
    postprocessing: tuple[type[Any], ...]
    exporter_kwargs: dict[str, Any]
    uri_params: Callable[..., Any] | None
    accepts: Callable[[Any], bool] | None
    raw: dict[str, Any]

    @property
    def is_directory(self) -> bool:
        return self.uri.endswith(("/", "\\"))

    @property
    def takes_pages(self) -> bool:
        """Whether it takes ``feeds.warc.WarcPage`` objects, one per page, instead of what spiders yield."""
        return takes_pages(self.exporter)

    @classmethod
    def read(cls, uri: str, options: Mapping[str, Any], settings: Any) -> FeedOptions:
        """Raises FeedError for a format or an option that cannot be used, with the feed's URI in the message."""
        user_options = options
        options = feed_complete_default_values_from_settings(dict(options), settings)
        kind = kind_of(uri)
        format_name = options.get("format") or infer_format(
            uri, is_processed=bool(options.get("postprocessing"))
        )
        exporter = load_exporter(format_name, settings, uri)
        overwrite = options.get("overwrite")
        batch_item_count = int(options["batch_item_count"] or 0)
        if batch_item_count and not uri.endswith(("/", "\\")) and not re.search(r"%\(batch_(time|id)\)", uri):
            raise FeedError(f"the feed {uri!r} has batch_item_count {batch_item_count}, so its URI needs %(batch_id)d "
                            "or %(batch_time)s: batches would overwrite each other")  # fmt: skip
        uri_params = options["uri_params"]
        return cls(
            uri=uri,
            kind=kind,
            format=format_name,
            exporter=exporter,
            encoding=options["encoding"],
            fields=options["fields"] or None,
            indent=_indent(options["indent"]),
            batch_item_count=batch_item_count,
            overwrite=_OVERWRITES_BY_DEFAULT[kind] if overwrite is None else bool(overwrite),
            store_empty=bool(options["store_empty"]),
            postprocessing=tuple(load_object(plugin) for plugin in options.get("postprocessing") or ()),
            exporter_kwargs=dict(options.get("item_export_kwargs") or {}),
            uri_params=load_object(uri_params) if uri_params else None,
            accepts=_acceptance(exporter, user_options, settings),
            raw=options,
        )


def _indent(value: Any) -> int | None:
    return None if value is None else int(value)


def _item_filter(options: Mapping[str, Any]) -> Callable[[Any], bool] | None:
    """``accepts`` of the feed's filter; None when it would accept everything."""
    from raycrawl.extensions.feedexport import ItemFilter

    filter_class = load_object(options["item_filter"]) if options.get("item_filter") else ItemFilter
    if filter_class is ItemFilter and not options.get("item_classes"):
        return None
    accepts: Callable[[Any], bool] = filter_class(dict(options)).accepts
    return accepts


def _acceptance(exporter: Any, options: Mapping[str, Any], settings: Any) -> Callable[[Any], bool] | None:
    """Items go to feeds of items and pages to feeds of pages, when a crawl has both."""
    from raycrawl.feeds.warc import WarcPage

    if takes_pages(exporter):
        return lambda item: isinstance(item, WarcPage)
    accepts = _item_filter(options)
    if not page_feeds(settings):
        return accepts
    if accepts is None:
        return lambda item: not isinstance(item, WarcPage)
    return lambda item: not isinstance(item, WarcPage) and accepts(item)


def load_exporter(format_name: str, settings: Any, uri: str) -> type[Any]:
    """The exporter class that ``FEED_EXPORTERS`` has for the format."""
    exporters = dict(settings.getwithbase("FEED_EXPORTERS"))
    path = exporters.get(format_name)
    if path is None:
        known = ", ".join(sorted(str(name) for name, value in exporters.items() if value))
        raise FeedError(f"the feed {uri!r} has the unknown format {format_name!r}; known formats: {known}")
    exporter: type[Any] = load_object(path)
    return exporter


def takes_pages(exporter: Any) -> bool:
    """Whether feeds of this exporter take pages and not items."""
    from raycrawl.feeds.warc import WarcItemExporter

    return isinstance(exporter, type) and issubclass(exporter, WarcItemExporter)


def page_feeds(settings: Any) -> list[str]:
    """The keys of ``FEEDS`` whose feeds take pages: a crawl without any need not encode them."""
    uris = []
    for key, options in settings.getdict("FEEDS").items():
        uri = str(key)
        name = options.get("format") or infer_format(uri, is_processed=bool(options.get("postprocessing")))
        if takes_pages(load_exporter(name, settings, uri)):
            uris.append(uri)
    return uris


def kind_of(uri: str) -> str:
    """Whether a feed's URI means a local file, standard output, or something that is reached through a storage."""
    if uri == "-" or uri.startswith("stdout:"):
        return STDOUT
    scheme = urlsplit(uri).scheme.lower()
    # One letter is a Windows drive.
    return LOCAL if scheme in ("", "file") or len(scheme) == 1 else REMOTE


def local_path(uri: str) -> Path:
    """The path that a local feed's URI means."""
    if uri.lower().startswith("file:"):
        return Path(unquote(urlsplit(uri).path))
    return Path(uri)


def infer_format(uri: str, *, is_processed: bool = False) -> str:
    """The format that the file's extension names.

    Args:
        is_processed: the feed has post-processing, so that an extension such as ``.gz`` tells nothing of its format.
    """
    path = PurePosixPath(uri.replace("\\", "/"))
    suffix = path.suffix
    if suffix in (".gz", ".bz2", ".xz") and (is_processed or path.stem.endswith(".warc")):
        suffix = PurePosixPath(path.stem).suffix
    if not suffix:
        raise FeedError(f"the feed {uri!r} has no extension to tell its format: give one, or the option 'format'")
    return suffix[1:].lower()


class _AttributeParams(dict[str, Any]):
    """URI parameters that fall back to the spider's attributes."""

    def __init__(self, spider: Any, params: Mapping[str, Any]) -> None:
        super().__init__(params)
        self._spider = spider

    def __missing__(self, key: str) -> Any:
        try:
            return getattr(self._spider, key)
        except AttributeError:
            raise KeyError(key) from None


def timestamp(moment: datetime.datetime) -> str:
    """ISO 8601 with hyphens for colons, which not every file system takes."""
    return moment.isoformat().replace(":", "-")


def fill_in(template: str, params: Mapping[str, Any]) -> str:
    """The template with its ``%(name)s`` parameters; a percent sign in front of anything else (``%20``) stays."""
    return re.sub(r"%(?![(%])", "%%", template) % params


def resolve_uri(
    template: str, spider: Any, *, started: str, batch_started: str, batch_id: int, uri_params: Any = None
) -> str:
    """The URI of one batch: ``%(time)s``, ``%(batch_time)s``, ``%(batch_id)d`` and the spider's attributes filled in.

    Args:
        uri_params: the user's ``uri_params(params, spider)``, which returns the parameters to use (or None, when it
            changed those that it got).
    """
    params: dict[str, Any] = {"time": started, "batch_time": batch_started, "batch_id": batch_id}
    if uri_params is not None:
        public = {key: getattr(spider, key) for key in dir(spider) if not key.startswith("__")}
        params = {**public, **params}
        params = uri_params(params, spider) or params
    try:
        return fill_in(template, params if uri_params is not None else _AttributeParams(spider, params))
    except (KeyError, ValueError, TypeError) as error:
        raise FeedError(f"the feed URI {template!r} cannot be filled in: {error}") from error
