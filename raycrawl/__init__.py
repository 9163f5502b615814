"""raycrawl: an actor-model web crawler on Ray with Scrapy's public names.

::

    driver (script, notebook, CLI)        raycrawl.crawl: the handle; raycrawl.launch: what is refused before Ray starts
       |
    ExecutionEngine x 1   decides         core.engine, core.ledger, core.backpressure     shell: actors.engine
    Scheduler  x S        the frontier    core.frontier over frontier.rocks               shell: actors.scheduler
    Downloader x D        slots, fetches  core.downloader, downloadermiddlewares, transport    actors.downloader
    Scraper    x P        callbacks       core.spidermw, spidermiddlewares, pipelines     shell: actors.scraper
    ItemPipeline x 0..1   shared ones     pipelines with ``single = True``                shell: actors.itempipeline
    FeedSink   x F        feeds           feeds.writer, exporters                         shell: actors.feedsink

Where things are:

* ``core`` decides and does no I/O: events in, commands out, time as an argument. ``core.messages`` says what travels.
* ``actors`` are the shells around it: plain classes that call each other by name through a ``Channel``.
  ``actors.wiring`` alone makes Ray actors of them; ``testing.localchannel`` runs the same classes in one process.
* ``frontier`` and ``feeds`` keep what must survive: the store of a shard, the job directory, a feed's journal.
* Everything else is where Scrapy has it, and works in a plain process without a cluster.

The life of a request: a Scraper packs it into a ``RequestRecord`` (``records``) and puts it into its shard; the engine
leases it and hands it to the Downloader that owns its slot; the response goes straight to a Scraper; when its children
are durable and its items committed, the page is done, and only then is its lease ended. A lease whose holder dies is
given out again, children are known by their ids and items by their page, so nothing is lost and nothing comes twice.

The names below are resolved on first use (PEP 562), so that ``import raycrawl`` costs a few milliseconds and pulls in
neither Ray nor lxml. ``import raycrawl as scrapy`` is all that a Scrapy spider needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
version_info: tuple[int | str, ...] = tuple(int(part) if part.isdigit() else part for part in __version__.split("."))

if TYPE_CHECKING:
    from raycrawl.crawl import Crawl as Crawl
    from raycrawl.crawl import CrawlError as CrawlError
    from raycrawl.crawl import attach as attach
    from raycrawl.crawl import crawl as crawl
    from raycrawl.http import FormRequest as FormRequest
    from raycrawl.http import Request as Request
    from raycrawl.item import Field as Field
    from raycrawl.item import Item as Item
    from raycrawl.selector import Selector as Selector
    from raycrawl.spiders import Spider as Spider

# name -> module that defines it
_NAMES = {
    "Field": "raycrawl.item",
    "FormRequest": "raycrawl.http",
    "Item": "raycrawl.item",
    "Request": "raycrawl.http",
    "Selector": "raycrawl.selector",
    "Spider": "raycrawl.spiders",
    "Crawl": "raycrawl.crawl",
    "CrawlError": "raycrawl.crawl",
    "crawl": "raycrawl.crawl",
    "attach": "raycrawl.crawl",
}

_SUBMODULES = frozenset(
    {
        "contracts", "crawler", "downloadermiddlewares", "dupefilters", "exceptions", "exporters", "extensions", "http",
        "item", "link", "linkextractors", "loader", "logformatter", "pipelines", "robotstxt", "selector", "settings",
        "shell", "signalmanager", "signals", "spiderloader", "spidermiddlewares", "spiders", "statscollectors", "utils",
    }
)  # fmt: skip

__all__ = [  # noqa: RUF022 - grouped, not sorted
    "Crawl", "CrawlError", "Field", "FormRequest", "Item", "Request", "Selector", "Spider", "attach", "crawl",
    "version_info", "__version__",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
    elif name in _SUBMODULES:
        value = importlib.import_module(f"raycrawl.{name}")
    else:
        raise AttributeError(f"module 'raycrawl' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES, *_SUBMODULES})
