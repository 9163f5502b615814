"""Logging: the root handler that the ``LOG_*`` settings describe, and the spider's logger."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from logging.config import dictConfig
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from raycrawl import __version__
from raycrawl.settings import BaseSettings, Settings, overridden_settings

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.failure import Failure
    from raycrawl.logformatter import LogFormatterResult

logger = logging.getLogger(__name__)

_root_handler: list[logging.Handler] = []


def failure_to_exc_info(failure: Failure) -> tuple[type[BaseException], BaseException, TracebackType | None] | None:
    """What ``exc_info`` of a logging call takes."""
    if failure.type is None or failure.value is None:
        return None
    return failure.type, failure.value, failure.tb


class TopLevelFormatter(logging.Filter):
    """Reduces the logger names of ``loggers`` to their first part: ``raycrawl.core.engine`` becomes ``raycrawl``."""

    def __init__(self, loggers: list[str] | None = None) -> None:
        super().__init__()
        self.loggers = loggers or []

    def filter(self, record: logging.LogRecord) -> bool:
        top_level = record.name.split(".", 1)[0]
        if top_level in self.loggers:
            record.name = top_level
        return True


class SpiderLoggerAdapter(logging.LoggerAdapter[logging.Logger]):
    """A logger whose records carry ``spider``, besides what the caller gives as ``extra``."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        extra = dict(self.extra or {})
        extra.update(kwargs.get("extra") or {})
        kwargs["extra"] = extra
        return msg, kwargs


class LogCounterHandler(logging.Handler):
    """Counts log records by level, in the statistics ``log_count/LEVEL``."""

    def __init__(self, crawler: Crawler, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.crawler = crawler

    def emit(self, record: logging.LogRecord) -> None:
        self.crawler.stats.inc_value(f"log_count/{record.levelname}")


class StreamLogger:
    """A file-like object whose lines become log records."""

    def __init__(self, logger: logging.Logger, log_level: int = logging.INFO) -> None:
        self.logger = logger
        self.log_level = log_level
        self.linebuf = ""

    def write(self, buf: str) -> int:
        """Log every line of ``buf``."""
        for line in buf.rstrip().splitlines():
            self.logger.log(self.log_level, line.rstrip())
        return len(buf)

    def flush(self) -> None:
        """Let the logger's handlers write what they hold."""
        for handler in self.logger.handlers:
            handler.flush()

    def isatty(self) -> bool:
        """It is no terminal."""
        return False


def configure_logging(
    settings: Settings | dict[str, Any] | None = None,
    install_root_handler: bool = True,
) -> None:
    """Set up logging as the ``LOG_*`` settings say: the root handler, and ``LOG_STDOUT``.

    Args:
        settings: a dict is completed with the defaults.
        install_root_handler: False leaves handlers to you; so does ``LOG_INSTALL_ROOT_HANDLER = False``.
    """
    if not isinstance(settings, BaseSettings):
        settings = Settings(settings)
    if not sys.warnoptions:
        logging.captureWarnings(True)
    dictConfig({"version": 1, "disable_existing_loggers": False, "loggers": {"asyncio": {"level": "INFO"}}})
    if settings.getbool("LOG_STDOUT"):
        sys.stdout = StreamLogger(logging.getLogger("stdout"))
    if install_root_handler and settings.getbool("LOG_INSTALL_ROOT_HANDLER", True):
        install_scrapy_root_handler(settings)


def install_scrapy_root_handler(settings: Settings) -> None:
    """Install the root handler of the settings in place of the one that was installed before, if any."""
    uninstall_scrapy_root_handler()
    root = logging.getLogger()
    root.setLevel(logging.NOTSET)
    handler = _get_handler(settings)
    _root_handler.append(handler)
    root.addHandler(handler)


def uninstall_scrapy_root_handler() -> None:
    """Remove and close the root handler that was installed, if any."""
    while _root_handler:
        handler = _root_handler.pop()
        logging.getLogger().removeHandler(handler)
        if isinstance(handler, logging.FileHandler):
            handler.close()


def get_scrapy_root_handler() -> logging.Handler | None:
    """The root handler that was installed, None when there is none."""
    return _root_handler[-1] if _root_handler else None


def _get_handler(settings: Settings) -> logging.Handler:
    handler: logging.Handler
    file_name = settings.get("LOG_FILE")
    if file_name:
        mode = "a" if settings.getbool("LOG_FILE_APPEND", True) else "w"
        handler = logging.FileHandler(file_name, mode=mode, encoding=settings.get("LOG_ENCODING"))
    elif settings.getbool("LOG_ENABLED"):
        handler = logging.StreamHandler()
    else:
        handler = logging.NullHandler()
    handler.setFormatter(_formatter(settings, to_terminal=not file_name))
    handler.setLevel(settings.get("LOG_LEVEL"))
    if settings.getbool("LOG_SHORT_NAMES"):
        handler.addFilter(TopLevelFormatter(["raycrawl"]))
    return handler


_COLORS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}


class _ColorFormatter(logging.Formatter):
    """Colours the level name, for terminals."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        plain = record.levelname
        record.levelname = f"\x1b[{_COLORS.get(plain, '0')}m{plain}\x1b[0m"
        try:
            return super().formatMessage(record)
        finally:
            record.levelname = plain


def _formatter(settings: Settings, to_terminal: bool) -> logging.Formatter:
    use_color = to_terminal and settings.getbool("LOG_COLOR") and hasattr(sys.stderr, "isatty") and sys.stderr.isatty()
    formatter_class = _ColorFormatter if use_color else logging.Formatter
    return formatter_class(fmt=settings.get("LOG_FORMAT"), datefmt=settings.get("LOG_DATEFORMAT"))


def set_crawler_log_level(crawler: Crawler) -> None:
    """Let the installed root handler follow the crawl's own ``LOG_LEVEL`` (e.g. of ``custom_settings``)."""
    handler = get_scrapy_root_handler()
    if handler is None:
        return
    if crawler.settings.getpriority("LOG_FILE") != 0 and crawler.settings.get("LOG_FILE"):
        install_scrapy_root_handler(crawler.settings)
        return
    handler.setLevel(crawler.settings.get("LOG_LEVEL"))


def log_scrapy_info(settings: Settings) -> None:
    """Log raycrawl's version and those of ``LOG_VERSIONS``."""
    logger.info("raycrawl %s started (bot: %s)", __version__, settings["BOT_NAME"])
    wanted = settings.getlist("LOG_VERSIONS")
    if wanted:
        from raycrawl.utils.versions import get_versions

        versions = "\n".join(f"  {name}: {version}" for name, version in get_versions(wanted))
        logger.info("Versions:\n%s", versions)


def log_crawler_info(crawler: Crawler) -> None:
    """Log the settings that differ from the defaults."""
    from pprint import pformat

    changed = overridden_settings(crawler.settings)
    hidden = {name: _hide(name, value) for name, value in changed.items()}
    logger.info("Overridden settings:\n%s", pformat(hidden), extra={"crawler": crawler})


_SECRET_PARTS = ("PASS", "SECRET", "TOKEN", "ACCESS_KEY", "API_KEY", "APIKEY")


def _hide(name: str, value: Any) -> Any:
    """Credentials never reach a log."""
    return "(hidden)" if value and any(part in name for part in _SECRET_PARTS) else value


def logformatter_adapter(logkws: LogFormatterResult | dict[str, Any]) -> tuple[int, str, Any]:
    """What a LogFormatter method gave, as the arguments of ``logger.log``."""
    level = logkws.get("level", logging.INFO)
    message = str(logkws.get("msg") or "")
    # Without args, logging takes the whole dict: %(name)s of anything in it.
    args = logkws.get("args") or dict(logkws)
    return cast("int", level), message, args


