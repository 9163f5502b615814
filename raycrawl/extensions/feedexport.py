"""The FeedExporter extension: the feeds of ``FEEDS`` in one process, and the parts that it is made of.

In a crawl over several processes the FeedSink actors write the feeds (``raycrawl.feeds``, which journals what it
writes); this extension is for a crawler without a cluster, and for whoever derives from it.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from raycrawl import signals
from raycrawl.exceptions import NotConfigured
from raycrawl.extensions.feedstorages import (
    BlockingFeedStorage,
    FeedStorageProtocol,
    FileFeedStorage,
    FTPFeedStorage,
    GCSFeedStorage,
    S3FeedStorage,
    StdoutFeedStorage,
)
from raycrawl.extensions.postprocessing import PostProcessingManager
from raycrawl.feeds.options import fill_in
from raycrawl.utils.conf import feed_complete_default_values_from_settings
from raycrawl.utils.misc import build_from_crawler, load_object

__all__ = [
    "BlockingFeedStorage",
    "FTPFeedStorage",
    "FeedExporter",
    "FeedSlot",
    "FeedStorageProtocol",
    "FileFeedStorage",
    "GCSFeedStorage",
    "ItemFilter",
    "S3FeedStorage",
    "StdoutFeedStorage",
    "apply_uri_params",
    "build_storage",
]

logger = logging.getLogger(__name__)

UriParamsFunction = Callable[[dict[str, Any], Any], dict[str, Any] | None]


class ItemFilter:
    """Decides which items a feed takes: by default those of the option ``item_classes``, or all without it.

    A feed's option ``item_filter`` names a subclass, or any class with this constructor and ``accepts``.
    """

    feed_options: dict[str, Any] | None
    item_classes: tuple[type, ...]

    def __init__(self, feed_options: dict[str, Any] | None) -> None:
        self.feed_options = feed_options
        classes = (feed_options or {}).get("item_classes") or ()
        self.item_classes = tuple(load_object(cls) for cls in classes)
        self._accepted_types: dict[type, bool] = {}

    def accepts(self, item: Any) -> bool:
        """Whether the feed takes the item."""
        if not self.item_classes:
            return True
        cls = type(item)
        accepted = self._accepted_types.get(cls)
        if accepted is None:
            accepted = self._accepted_types[cls] = issubclass(cls, self.item_classes) or self._is_namesake(cls)
        return accepted

    def _is_namesake(self, cls: type) -> bool:
        # A class of a spider file exists once per process that loaded the file: the same class by another identity.
        wanted = {(known.__module__, known.__qualname__) for known in self.item_classes}
        return any((base.__module__, base.__qualname__) in wanted for base in cls.__mro__)


def apply_uri_params(uri_template: str, uri_params: dict[str, Any]) -> str:
    """The feed URI with its ``%(name)s`` parameters filled in."""
    return fill_in(uri_template, uri_params)


def build_storage(builder: Any, crawler: Any, uri: str, feed_options: dict[str, Any] | None) -> Any:
    """A storage of the class ``builder``, by its ``from_crawler`` where it has one."""
    if crawler is not None and hasattr(builder, "from_crawler"):
        return build_from_crawler(builder, crawler, uri, feed_options=feed_options)
    return builder(uri, feed_options=feed_options)


class FeedSlot:
    """One file of a feed (one batch, when there are batches): its storage, its exporter, how many items it has."""

    def __init__(
        self,
        storage: FeedStorageProtocol,
        uri: str,
        format: str,
        store_empty: bool,
        batch_id: int,
        uri_template: str,
        filter: ItemFilter,
        feed_options: dict[str, Any],
        spider: Any,
        exporters: dict[str, Any],
        settings: Any,
        crawler: Any,
    ) -> None:
        self.file: Any = None
        self.exporter: Any = None
        self.storage = storage
        self.uri = uri
        self.format = format
        self.store_empty = store_empty
        self.batch_id = batch_id
        self.uri_template = uri_template
        self.filter = filter
        self.feed_options = feed_options
        self.spider = spider
        self.exporters = exporters
        self.settings = settings
        self.crawler = crawler
        self.itemcount = 0
        self._exporting = False
        self._fileloaded = False

    def start_exporting(self) -> None:
        """Open the file and begin it, once."""
        if not self._fileloaded:
            self.file = self.storage.open(self.spider)
            if self.feed_options.get("postprocessing"):
                self.file = PostProcessingManager(self.feed_options["postprocessing"], self.file, self.feed_options)
            self.exporter = self._new_exporter(self.file)
            self._fileloaded = True
        if not self._exporting:
            self.exporter.start_exporting()
            self._exporting = True

    def _new_exporter(self, file: IO[bytes]) -> Any:
        options = self.feed_options
        return build_from_crawler(
            self.exporters[self.format],
            self.crawler,
            file,
            fields_to_export=options["fields"],
            encoding=options["encoding"],
            indent=options["indent"],
            **options["item_export_kwargs"],
        )

    def finish_exporting(self) -> None:
        """End the file."""
        if self._exporting:
            self.exporter.finish_exporting()
            self._exporting = False

    def stored_file(self) -> Any:
        """The file to hand to the storage, its post-processing ended; None when nothing was opened."""
        if isinstance(self.file, PostProcessingManager):
            self.file.close()
            return self.file.file
        return self.file


class FeedExporter:
    """Exports the items of a crawl into the feeds of the ``FEEDS`` setting.

    Works in a plain process only: in a crawl of actors the FeedSinks (``raycrawl.feeds``) do it.
    """

    process = "plain"

    def __init__(self, crawler: Any) -> None:
        self.crawler = crawler
        self.settings = crawler.settings
        self.feeds: dict[str, dict[str, Any]] = {}
        self.filters: dict[str, Any] = {}
        self.slots: list[FeedSlot] = []
        self._closing: list[asyncio.Task[None]] = []
        self._read_feeds()
        if not self.feeds:
            raise NotConfigured("FEEDS names no feed")
        self.storages: dict[str, Any] = self._load_components("FEED_STORAGES")
        self.exporters: dict[str, Any] = self._load_components("FEED_EXPORTERS")
        for uri, options in self.feeds.items():
            self._check(uri, options)

    @classmethod
    def from_crawler(cls, crawler: Any) -> FeedExporter:
        exporter = cls(crawler)
        crawler.signals.connect(exporter.open_spider, signals.spider_opened)
        crawler.signals.connect(exporter.close_spider, signals.spider_closed)
        crawler.signals.connect(exporter.item_scraped, signals.item_scraped)
        return exporter

    def _read_feeds(self) -> None:
        feeds = dict(self.settings.getdict("FEEDS"))
        old_uri = self.settings["FEED_URI"]
        if old_uri:
            feeds.setdefault(old_uri, {"format": self.settings["FEED_FORMAT"] or "jsonlines"})
        for key, user_options in feeds.items():
            uri = str(key.absolute()) if isinstance(key, Path) else str(key)
            options = feed_complete_default_values_from_settings(dict(user_options), self.settings)
            if not options.get("format"):
                options["format"] = Path(uri).suffix[1:].lower()
            self.feeds[uri] = options
            filter_class = load_object(options.get("item_filter") or ItemFilter)
            self.filters[uri] = filter_class(options)

    def _load_components(self, setting: str) -> dict[str, Any]:
        loaded = {}
        for key, path in self.settings.getwithbase(setting).items():
            if path is not None:
                try:
                    loaded[key] = load_object(path)
                except NotConfigured as reason:
                    logger.debug("%s: %s is not available: %s", setting, key, reason)
        return loaded

    def _check(self, uri: str, options: dict[str, Any]) -> None:
        if options["format"] not in self.exporters:
            raise self._refused(f"Unknown feed format: {options['format']!r} of {uri}")
        scheme = _scheme(uri)
        if scheme not in self.storages:
            raise self._refused(f"Unknown feed storage scheme: {scheme!r} of {uri}")
        if options["batch_item_count"] and not re.search(r"%\(batch_(?:time|id)\)", uri):
            raise self._refused(
                f"The feed {uri} is written in batches of {options['batch_item_count']} items, so its URI needs "
                "%(batch_id)d or %(batch_time)s"
            )
        try:
            self._storage(uri, options)
        except NotConfigured as reason:
            raise self._refused(f"The feed {uri} has no storage: {reason}") from reason

    @staticmethod
    def _refused(message: str) -> NotConfigured:
        logger.error(message)
        return NotConfigured(message)

    def _storage(self, uri: str, options: dict[str, Any]) -> Any:
        return build_storage(self.storages[_scheme(uri)], self.crawler, uri, options)

    # -- signal handlers --------------------------------------------------------------------------------------------

    def open_spider(self, spider: Any = None) -> None:
        spider = spider or self.crawler.spider
        for uri_template, options in self.feeds.items():
            self.slots.append(self._new_slot(1, uri_template, options, spider))

    def _new_slot(
        self, batch_id: int, uri_template: str, options: dict[str, Any], spider: Any
    ) -> FeedSlot:
        uri = apply_uri_params(uri_template, self._uri_params(spider, options["uri_params"], batch_id))
        return FeedSlot(
            storage=self._storage(uri, options),
            uri=uri,
            format=options["format"],
            store_empty=options["store_empty"],
            batch_id=batch_id,
            uri_template=uri_template,
            filter=self.filters[uri_template],
            feed_options=options,
            spider=spider,
            exporters=self.exporters,
            settings=self.settings,
            crawler=self.crawler,
        )

    def _uri_params(self, spider: Any, function: str | UriParamsFunction | None, batch_id: int) -> dict[str, Any]:
        now = datetime.now(tz=UTC).replace(tzinfo=None)
        params = {name: getattr(spider, name, None) for name in dir(spider)}
        params["time"] = now.replace(microsecond=0).isoformat().replace(":", "-")
        params["batch_time"] = now.isoformat().replace(":", "-")
        params["batch_id"] = batch_id
        if function is None:
            return params
        changed: dict[str, Any] | None = load_object(function)(params, spider)
        return params if changed is None else changed

    def item_scraped(self, item: Any, spider: Any = None) -> None:
        """Export an item into every feed that accepts it, and deliver the batches that this fills."""
        slots = []
        for slot in self.slots:
            if slot.filter.accepts(item):
                slot.start_exporting()
                slot.exporter.export_item(item)
                slot.itemcount += 1
            slots.append(self._next_batch(slot) if self._is_full(slot) else slot)
        self.slots = slots

    @staticmethod
    def _is_full(slot: FeedSlot) -> bool:
        return bool(slot.feed_options["batch_item_count"]) and slot.itemcount >= slot.feed_options["batch_item_count"]

    def _next_batch(self, slot: FeedSlot) -> FeedSlot:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run(self._close_slot(slot))
        else:
            self._closing.append(loop.create_task(self._close_slot(slot)))
        return self._new_slot(slot.batch_id + 1, slot.uri_template, slot.feed_options, slot.spider)

    async def close_spider(self, spider: Any = None) -> None:
        """End and store all feeds, and wait until they are stored."""
        await asyncio.gather(*self._closing)
        for slot in self.slots:
            await self._close_slot(slot)
        self._closing, self.slots = [], []
        await self._send(signals.feed_exporter_closed)

    async def _close_slot(self, slot: FeedSlot) -> None:
        if not slot.itemcount:
            if not slot.store_empty or slot.batch_id > 1:
                return  # the last batch of a feed may be empty, its only one not
            slot.start_exporting()
        slot.finish_exporting()
        storage_name = type(slot.storage).__name__
        described = f"{slot.format} feed ({slot.itemcount} items) in: {slot.uri}"
        try:
            outcome = slot.storage.store(slot.stored_file())
            if inspect.isawaitable(outcome):
                await outcome
        except Exception:
            logger.exception("Error storing %s", described)
            self.crawler.stats.inc_value(f"feedexport/failed_count/{storage_name}")
        else:
            logger.info("Stored %s", described)
            self.crawler.stats.inc_value(f"feedexport/success_count/{storage_name}")
        await self._send(signals.feed_slot_closed, slot=slot)

    async def _send(self, signal: Any, **kwargs: Any) -> None:
        await self.crawler.signals.send_catch_log_async(signal, **kwargs)


def _scheme(uri: str) -> str:
    scheme = uri.partition(":")[0].lower() if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", uri) else ""
    return scheme if len(scheme) != 1 else ""
