"""The exceptions that spiders and components raise and catch.

Download errors are the same whatever transport fetches the page: transports map their own errors to these classes.
"""

from __future__ import annotations

from typing import Any


class NotConfigured(Exception):
    """Raised by a component's ``__init__`` or ``from_crawler``: leave me out of this crawl."""


class _InvalidOutput(TypeError):
    """A hook returned something that its contract does not allow; never handled by process_exception hooks."""


class IgnoreRequest(Exception):
    """A middleware decided that a request (or its response) shall not be processed."""


class DontCloseSpider(Exception):
    """Raised by a ``spider_idle`` handler: keep the spider open."""


class CloseSpider(Exception):
    """Raised by a callback, errback, pipeline or ``spider_idle`` handler: close the spider with ``reason``."""

    def __init__(self, reason: str = "cancelled") -> None:
        super().__init__(reason)
        self.reason = reason


class StopDownload(Exception):
    """Raised by a ``headers_received`` or ``bytes_received`` handler: stop downloading this response.

    ``fail=True`` calls the errback with this exception, whose ``response`` attribute is what was received;
    ``fail=False`` calls the callback with that response, as if it were complete.
    """

    response: Any = None

    def __init__(self, *, fail: bool = True) -> None:
        super().__init__()
        self.fail = fail


class DownloadConnectionRefusedError(Exception):
    """The server refused the connection."""


class CannotResolveHostError(Exception):
    """The host name of the URL has no address."""


class DownloadTimeoutError(Exception):
    """The response did not arrive within ``DOWNLOAD_TIMEOUT``."""


class DownloadCancelledError(Exception):
    """raycrawl itself ended the download, e.g. because the response exceeds ``DOWNLOAD_MAXSIZE``."""


class DownloadFailedError(Exception):
    """Any other failure of the connection or of the protocol."""


class ResponseDataLossError(Exception):
    """The body is shorter than its headers promised; see ``DOWNLOAD_FAIL_ON_DATALOSS``."""


class CallbackTimeoutError(Exception):
    """A callback ran for longer than ``SCRAPER_TIMEOUT``; the request's errback receives this."""


class UnsupportedURLSchemeError(Exception):
    """No download handler is configured for the scheme of the URL."""


class DropItem(Exception):
    """Raised by an item pipeline: drop this item.

    Args:
        message: why; logged and counted.
        log_level: a level name or number that replaces ``DEFAULT_DROPITEM_LOG_LEVEL`` for this item.
    """

    def __init__(self, message: str, log_level: str | int | None = None) -> None:
        super().__init__(message)
        self.log_level = log_level


class NotSupported(Exception):
    """A feature or a method is not supported, e.g. selecting from a binary response."""


class UsageError(Exception):
    """The command line or the settings are wrong; the message says what and what is expected."""

    def __init__(self, *args: object, print_help: bool = True) -> None:
        super().__init__(*args)
        self.print_help = print_help


class ScrapyDeprecationWarning(Warning):
    """An older spelling is used. Its own category, because DeprecationWarning is hidden by default."""


class ContractFail(AssertionError):
    """Raised by a contract's ``pre_process`` or ``post_process``: the callback broke the contract."""


class RemoteError(Exception):
    """An exception that another process raised and whose class is not rebuilt here.

    Attributes:
        type_name: import path of the original class, e.g. ``"myproject.errors.BadPage"``.
        message: what ``str()`` of the original gave.
    """

    def __init__(self, type_name: str, message: str = "") -> None:
        super().__init__(type_name, message)
        self.type_name = type_name
        self.message = message

    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}" if self.message else self.type_name
