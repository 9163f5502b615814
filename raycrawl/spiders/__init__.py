"""``Spider``, the class that one derives spiders from, and the generic spiders."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, Self

from raycrawl.exceptions import ScrapyDeprecationWarning
from raycrawl.utils.trackref import object_ref

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response
    from raycrawl.settings import BaseSettings, Settings
    from raycrawl.spiders.crawl import CrawlSpider as CrawlSpider
    from raycrawl.spiders.crawl import Rule as Rule
    from raycrawl.spiders.feed import CSVFeedSpider as CSVFeedSpider
    from raycrawl.spiders.feed import XMLFeedSpider as XMLFeedSpider
    from raycrawl.spiders.sitemap import SitemapSpider as SitemapSpider
    from raycrawl.utils.log import SpiderLoggerAdapter

__all__ = ["CSVFeedSpider", "CrawlSpider", "Rule", "SitemapSpider", "Spider", "XMLFeedSpider"]

_ELSEWHERE = {
    "CSVFeedSpider": "raycrawl.spiders.feed",
    "CrawlSpider": "raycrawl.spiders.crawl",
    "Rule": "raycrawl.spiders.crawl",
    "SitemapSpider": "raycrawl.spiders.sitemap",
    "XMLFeedSpider": "raycrawl.spiders.feed",
}


def __getattr__(name: str) -> Any:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_ELSEWHERE[name]), name)
    globals()[name] = value
    return value


class Spider(object_ref):
    """What a crawl does: where it starts, and what it makes of each response.

    Args:
        name: replaces the class attribute ``name``.
        kwargs: become attributes of the spider (``-a NAME=VALUE`` on the command line).

    Attributes:
        name: identifies the spider; required.
        allowed_domains: domains that may be crawled, with their subdomains; others are left out. Default: all.
        start_urls: where ``start`` begins.
        custom_settings: settings of this spider, at priority "spider".
        crawler: the Crawler that this spider belongs to.
        settings: the crawl's settings.
        state: a dict that is kept between the runs of one ``JOBDIR``.

    Raises:
        ValueError: there is no name.
    """

    name: str
    custom_settings: dict[str, Any] | None = None
    start_urls: list[str]
    crawler: Crawler
    settings: Settings
    state: dict[str, Any]

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        if name is not None:
            self.name = name
        elif not getattr(self, "name", None):
            raise ValueError(f"{type(self).__name__} must have a name")
        self.__dict__.update(kwargs)
        if not hasattr(self, "start_urls"):
            self.start_urls = []

    @property
    def logger(self) -> SpiderLoggerAdapter:
        """A logger named after the spider."""
        from raycrawl.utils.log import SpiderLoggerAdapter

        return SpiderLoggerAdapter(logging.getLogger(self.name), {"spider": self})

    def log(self, message: Any, level: int = logging.DEBUG, **kw: Any) -> None:
        """Log ``message`` with the spider's logger."""
        self.logger.log(level, message, **kw)

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        """Build the spider of ``crawler``. Whoever overrides it calls this one, which sets crawler and settings."""
        spider = cls(*args, **kwargs)
        spider._set_crawler(crawler)
        return spider

    def _set_crawler(self, crawler: Crawler) -> None:
        from raycrawl import signals

        self.crawler = crawler
        self.settings = crawler.settings
        crawler.signals.connect(self.close, signals.spider_closed)

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        """Change the settings of the crawl before it starts; here by ``custom_settings``."""
        settings.setdict(cls.custom_settings or {}, priority="spider")

    @classmethod
    def handles_request(cls, request: Request) -> bool:
        """Whether the request's URL belongs to this spider's name or ``allowed_domains``."""
        from raycrawl.utils.url import url_is_from_spider

        return bool(url_is_from_spider(request.url, cls))

    async def start(self) -> AsyncIterator[Any]:
        """Yield the first requests (and items). By default one for each of ``start_urls``, never filtered.

        A spider that has the older ``start_requests()`` starts from that.
        """
        if type(self).start_requests is not Spider.start_requests:
            _warn_start_requests(type(self))
            older: Any = self.start_requests()
            if hasattr(older, "__aiter__"):
                async for entry in older:
                    yield entry
            else:
                for entry in older:
                    yield entry
            return
        from raycrawl.http import Request

        if not self.start_urls and hasattr(self, "start_url"):
            raise AttributeError(f"{type(self).__name__} has a start_url but no start_urls: is an 's' missing?")
        for url in self.start_urls:
            yield Request(url, dont_filter=True)

    def start_requests(self) -> Iterable[Any]:
        """The older spelling of ``start``: a plain iterable. ``start`` uses it in a spider that overrides it."""
        from raycrawl.http import Request

        return (Request(url, dont_filter=True) for url in self.start_urls)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in cls.__mro__:
            if "start" in vars(base):
                break
            if "start_requests" in vars(base):
                # Nearer than any start(): what the class means to start from.
                cls.start = Spider.start  # type: ignore[method-assign]
                break

    def _parse(self, response: Response, **kwargs: Any) -> Any:
        return self.parse(response, **kwargs)

    if TYPE_CHECKING:

        def parse(self, response: Response, **kwargs: Any) -> Any:
            """The default callback."""

    else:

        def parse(self, response, **kwargs):
            """The default callback; a spider whose requests name no callback has to define it."""
            raise NotImplementedError(f"{type(self).__name__}.parse callback is not defined")

    @staticmethod
    def close(spider: Spider, reason: str) -> Any:
        """Called when the spider closes: calls its ``closed(reason)``, when there is one."""
        closed = getattr(spider, "closed", None)
        return closed(reason) if callable(closed) else None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} at {id(self):#x}>"


_warned_start_requests: set[str] = set()


def _warn_start_requests(cls: type[Spider]) -> None:
    path = f"{cls.__module__}.{cls.__qualname__}"
    if path not in _warned_start_requests:
        _warned_start_requests.add(path)
        warnings.warn(
            f"{path} defines start_requests(), which is the older spelling: define 'async def start(self)' instead",
            ScrapyDeprecationWarning,
            stacklevel=3,
        )
