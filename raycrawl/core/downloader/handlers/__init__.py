"""Download handlers by URL scheme, as ``DOWNLOAD_HANDLERS`` names them.

The modules of this package bear the names that Scrapy's settings use; the handlers themselves are in
``raycrawl.transport``.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

from raycrawl import signals
from raycrawl.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    NotConfigured,
    UnsupportedURLSchemeError,
)
from raycrawl.middleware import wants_spider
from raycrawl.utils.misc import build_from_crawler, load_object

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response

logger = logging.getLogger(__name__)

__all__ = ["DownloadHandlerProtocol", "DownloadHandlers"]


class DownloadHandlerProtocol(Protocol):
    """What ``DOWNLOAD_HANDLERS`` may name: a class built by ``from_crawler(crawler)`` (or without arguments).

    ``lazy = False`` builds it when the crawl starts, True when its scheme is first requested.
    """

    lazy: bool

    async def download_request(self, request: Request) -> Response: ...

    async def close(self) -> None: ...


class DownloadHandlers:
    """The handlers of a crawl.

    Args:
        crawler: its ``DOWNLOAD_HANDLERS`` and ``DOWNLOAD_HANDLERS_BASE`` map schemes to classes or import paths;
            None switches a scheme off.
    """

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._schemes: dict[str, Any] = {}
        self._handlers: dict[str, Any] = {}
        self._calls: dict[str, Callable[[Request], Any]] = {}
        self._notconfigured: dict[str, str] = {}
        self._built: dict[Any, Any] = {}
        for scheme, path in crawler.settings.getwithbase("DOWNLOAD_HANDLERS").items():
            if path is None:
                self._notconfigured[scheme] = "it is switched off by DOWNLOAD_HANDLERS"
                continue
            self._schemes[scheme] = path
            self._load_handler(scheme, skip_lazy=True)
        # Not a scheme: what meta["playwright"] asks for. DOWNLOAD_HANDLERS may name another class for it.
        self._schemes.setdefault("playwright", "raycrawl.transport.browser.PlaywrightDownloadHandler")
        crawler.signals.connect(self._close, signals.engine_stopped)

    def _get_handler(self, scheme: str) -> Any:
        """The handler for ``scheme``, None when there is none (``_notconfigured`` then says why)."""
        if scheme in self._handlers:
            return self._handlers[scheme]
        if scheme in self._notconfigured:
            return None
        if scheme not in self._schemes:
            self._notconfigured[scheme] = "no handler available for that scheme"
            return None
        return self._load_handler(scheme)

    def _load_handler(self, scheme: str, skip_lazy: bool = False) -> Any:
        path = self._schemes[scheme]
        try:
            handler_class = load_object(path)
            if skip_lazy and getattr(handler_class, "lazy", True):
                return None
            handler = self._built.get(handler_class)  # http and https share their connections' owner
            if handler is None:
                handler = self._built[handler_class] = build_from_crawler(handler_class, self._crawler)
        except NotConfigured as exc:
            self._notconfigured[scheme] = str(exc)
            return None
        except Exception as exc:
            logger.error('Loading "%s" for scheme "%s"', path, scheme, exc_info=True)
            self._notconfigured[scheme] = str(exc)
            return None
        self._handlers[scheme] = handler
        self._calls[scheme] = self._bind(handler)
        return handler

    def _bind(self, handler: Any) -> Callable[[Request], Any]:
        method: Callable[..., Any] = handler.download_request
        if wants_spider(method, 1) is False:
            return method
        return lambda request: method(request, self._crawler.spider)

    async def download_request_async(self, request: Request) -> Response:
        """Download with the handler of the URL's scheme.

        Raises:
            UnsupportedURLSchemeError: there is none.
            DownloadCancelledError: a public page led to a local file or another non-web URL.
            Other exceptions of raycrawl.exceptions, or what a handler raises on its own account.
        """
        scheme = request.url.partition(":")[0].lower()
        if request.meta.get("playwright") and scheme in ("http", "https"):
            scheme = "playwright"
        call = self._calls.get(scheme)
        if call is None:
            if self._get_handler(scheme) is None:
                raise UnsupportedURLSchemeError(f"Unsupported URL scheme '{scheme}': {self._notconfigured[scheme]}")
            call = self._calls[scheme]
        if scheme not in ("http", "https", "data", "playwright"):
            self._check_local(scheme, request)
        try:
            result: Any = call(request)
            response: Response = await result if inspect.isawaitable(result) else result
            return response
        except TimeoutError as exc:
            raise DownloadTimeoutError(f"the download took too long: {exc}") from exc
        except ConnectionRefusedError as exc:
            raise DownloadConnectionRefusedError(str(exc)) from exc
        except socket.gaierror as exc:
            raise CannotResolveHostError(str(exc)) from exc
        except (ConnectionError, asyncio.IncompleteReadError) as exc:
            raise DownloadFailedError(f"{type(exc).__name__}: {exc}") from exc

    def download_request(self, request: Request, spider: Any = None) -> Awaitable[Response]:
        """``download_request_async`` under its older name: to be awaited."""
        return self.download_request_async(request)

    def _check_local(self, scheme: str, request: Request) -> None:
        from raycrawl.transport.addresses import AddressPolicy

        policy = AddressPolicy(self._crawler.settings.get("ALLOW_PRIVATE_ADDRESSES", "start"))
        if not policy.is_trusted(request.meta):
            raise DownloadCancelledError(
                f"a {scheme}: URL that came from a public page is not followed; see ALLOW_PRIVATE_ADDRESSES"
            )

    async def close(self) -> None:
        """Close the handlers that were built. Harmless when repeated."""
        built, self._built = list(self._built.values()), {}
        self._handlers.clear()
        self._calls.clear()
        for handler in built:
            closing = handler.close() if hasattr(handler, "close") else None
            if inspect.isawaitable(closing):
                await closing

    async def _close(self) -> None:
        await self.close()
