"""What the log says when a page, an item or an error comes along.

The setting ``LOG_FORMATTER`` names the class that words it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Self, TypedDict

from raycrawl.failure import Failure
from raycrawl.urls import without_credentials
from raycrawl.utils.python import global_object_name

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response
    from raycrawl.spiders import Spider


class LogFormatterResult(TypedDict):
    """One entry for the log: its level, and a text with ``%(name)s`` for what ``args`` holds."""

    level: int
    msg: str
    args: dict[str, Any] | tuple[Any, ...]


class LogFormatter:
    """Words the log entries of a crawl.

    Each method is asked when its event happens and returns the entry, or None for none. To change entries, derive a
    class, and name it in ``LOG_FORMATTER``. ``args`` holds the objects themselves: they become text only if the entry
    is written.
    """

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """The formatter of a crawl. A derived class finds the crawl's settings in ``crawler``."""
        return cls()

    def crawled(self, request: Request, response: Response, spider: Spider | None) -> LogFormatterResult | None:
        """The answer to ``request`` has come. The flags of both are shown when there are any."""
        text = ["Crawled (%(status)s) %(request)s", "(referer: %(referer)s)"]
        if request.flags:
            text.insert(1, "%(request_flags)s")
        if response.flags:
            text.append("%(response_flags)s")
        return _entry(
            logging.DEBUG,
            " ".join(text),
            status=response.status,
            request=request,
            referer=_referer_of(request),
            request_flags=request.flags,
            response_flags=response.flags,
        )

    def scraped(self, item: Any, response: Any, spider: Spider | None) -> LogFormatterResult | None:
        """``item`` has come out of the last pipeline.

        Args:
            response: the page that it is from; the Failure, when an errback made it; None, when ``start()`` did.
        """
        return _entry(logging.DEBUG, "Scraped from %(src)s\n%(item)s", src=_origin(response, spider), item=item)

    def dropped(
        self, item: Any, exception: BaseException, response: Any, spider: Spider | None
    ) -> LogFormatterResult | None:
        """A pipeline does not let ``item`` pass.

        The level is that of the ``DropItem``, or what ``DEFAULT_DROPITEM_LOG_LEVEL`` says.

        Raises:
            ValueError: that is no level.
        """
        level = getattr(exception, "log_level", None)
        if level is None:
            level = _default_drop_level(spider)
        return _entry(_level_number(level), "Dropped: %(exception)s\n%(item)s", exception=exception, item=item)

    def item_error(
        self, item: Any, exception: BaseException, response: Any, spider: Spider | None
    ) -> LogFormatterResult | None:
        """A pipeline failed on ``item``; the traceback is logged with the entry."""
        return _entry(logging.ERROR, "Error processing %(item)s", item=item)

    def spider_error(
        self, failure: Failure, request: Request, response: Any, spider: Spider | None
    ) -> LogFormatterResult | None:
        """The spider's code failed on the answer to ``request``; the traceback is logged with the entry."""
        text = "Spider error processing %(request)s (referer: %(referer)s)"
        return _entry(logging.ERROR, text, request=request, referer=_referer_of(request))

    def download_error(
        self, failure: Failure, request: Request, spider: Spider | None, errmsg: str | None = None
    ) -> LogFormatterResult | None:
        """There is no answer to ``request``. ``errmsg`` tells why, if that is known."""
        if not errmsg:
            return _entry(logging.ERROR, "Error downloading %(request)s", request=request)
        return _entry(logging.ERROR, "Error downloading %(request)s: %(errmsg)s", request=request, errmsg=errmsg)


def _entry(level: int, msg: str, **args: Any) -> LogFormatterResult:
    return LogFormatterResult(level=level, msg=msg, args=args)


def _referer_of(request: Request) -> str | None:
    header = request.headers.get(b"Referer")
    # A spider may have set the header itself, to an address with a password.
    return None if header is None else without_credentials(header.decode("utf-8", errors="replace"))


def _origin(response: Any, spider: Spider | None) -> Any:
    if isinstance(response, Failure):
        return response.getErrorMessage()
    if response is not None:
        return response
    return "start()" if spider is None else global_object_name(spider.start)


def _default_drop_level(spider: Spider | None) -> str | int:
    # A spider outside a crawl has no settings.
    settings = getattr(spider, "settings", None)
    level: str | int | None = None if settings is None else settings.get("DEFAULT_DROPITEM_LOG_LEVEL")
    return logging.WARNING if level is None else level


def _level_number(level: str | int) -> int:
    if isinstance(level, int):
        return level
    if level.isdecimal():
        return int(level)
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"an item was dropped at the log level {level!r}, which does not exist")
    return number


__all__ = ["LogFormatter", "LogFormatterResult"]
