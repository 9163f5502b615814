"""The log messages of what happens to requests and items. Subclass and set ``LOG_FORMATTER`` to change them."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Self, TypedDict

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.failure import Failure
    from raycrawl.http import Request, Response
    from raycrawl.spiders import Spider

SCRAPEDMSG = "Scraped from %(src)s" + os.linesep + "%(item)s"
DROPPEDMSG = "Dropped: %(exception)s" + os.linesep + "%(item)s"
CRAWLEDMSG = "Crawled (%(status)s) %(request)s%(request_flags)s (referer: %(referer)s)%(response_flags)s"
ITEMERRORMSG = "Error processing %(item)s"
SPIDERERRORMSG = "Spider error processing %(request)s (referer: %(referer)s)"
DOWNLOADERRORMSG_SHORT = "Error downloading %(request)s"
DOWNLOADERRORMSG_LONG = "Error downloading %(request)s: %(errmsg)s"


class LogFormatterResult(TypedDict):
    """A log message: level, %-format and its arguments."""

    level: int
    msg: str
    args: dict[str, Any] | tuple[Any, ...]


class LogFormatter:
    """Makes the message for each event. A method that returns None logs nothing."""

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """An instance for ``crawler``."""
        return cls()

    def crawled(self, request: Request, response: Response, spider: Spider | None) -> LogFormatterResult | None:
        """A page was crawled."""
        from raycrawl.utils.request import referer_str

        flags = getattr(response, "flags", None)
        return {
            "level": logging.DEBUG,
            "msg": CRAWLEDMSG,
            "args": {
                "status": response.status,
                "request": request,
                "request_flags": f" {request.flags!s}" if request.flags else "",
                "referer": referer_str(request),
                "response_flags": f" {flags!s}" if flags else "",
                "flags": f" {flags!s}" if flags else "",
            },
        }

    def scraped(self, item: Any, response: Any, spider: Spider | None) -> LogFormatterResult | None:
        """An item passed the pipelines. ``response`` may be a Failure, or None for one of ``start()``."""
        from raycrawl.failure import Failure
        from raycrawl.utils.python import global_object_name

        if response is None:
            source: Any = "start()" if spider is None else global_object_name(spider.start)
        elif isinstance(response, Failure):
            source = response.getErrorMessage()
        else:
            source = response
        return {"level": logging.DEBUG, "msg": SCRAPEDMSG, "args": {"src": source, "item": item}}

    def dropped(
        self, item: Any, exception: BaseException, response: Any, spider: Spider | None
    ) -> LogFormatterResult | None:
        """A pipeline dropped an item: at the exception's ``log_level``, else at ``DEFAULT_DROPITEM_LOG_LEVEL``."""
        level = getattr(exception, "log_level", None)
        if level is None:
            settings = getattr(spider, "settings", None) if spider is not None else None
            level = "WARNING" if settings is None else settings.get("DEFAULT_DROPITEM_LOG_LEVEL", "WARNING")
        return {"level": level_number(level), "msg": DROPPEDMSG, "args": {"exception": exception, "item": item}}

    def item_error(
        self, item: Any, exception: BaseException, response: Any, spider: Spider | None
    ) -> LogFormatterResult | None:
        """A pipeline raised an exception."""
        return {"level": logging.ERROR, "msg": ITEMERRORMSG, "args": {"item": item}}

    def spider_error(
        self, failure: Failure, request: Request, response: Any, spider: Spider | None
    ) -> LogFormatterResult | None:
        """A callback or errback raised an exception."""
        from raycrawl.utils.request import referer_str

        return {
            "level": logging.ERROR,
            "msg": SPIDERERRORMSG,
            "args": {"request": request, "referer": referer_str(request)},
        }

    def download_error(
        self, failure: Failure, request: Request, spider: Spider | None, errmsg: str | None = None
    ) -> LogFormatterResult | None:
        """A download failed; ``errmsg`` says how, when that is known."""
        args: dict[str, Any] = {"request": request}
        if errmsg:
            args["errmsg"] = errmsg
        message = DOWNLOADERRORMSG_LONG if errmsg else DOWNLOADERRORMSG_SHORT
        return {"level": logging.ERROR, "msg": message, "args": args}


def level_number(level: str | int) -> int:
    """The number of a log level that is given by name or number.

    Raises:
        ValueError: no such level.
    """
    if isinstance(level, int):
        return level
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"{level!r} is not a log level")
    return number
