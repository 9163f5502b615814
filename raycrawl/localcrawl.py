"""Single pages in this process, without actors: for the commands that look at one page and for the shell.

Downloader middlewares, download handlers, spider middlewares and callbacks are the crawl's own; there is no frontier,
no slot and no delay. Redirects and retries that a middleware asks for are followed at once.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any, Self

from raycrawl import signals
from raycrawl.exceptions import UsageError
from raycrawl.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response
    from raycrawl.settings import Settings
    from raycrawl.spiders import Spider

logger = logging.getLogger(__name__)

# a redirect loop ends by REDIRECT_MAX_TIMES; this ends a middleware that always answers with a request
MAX_FOLLOWED = 100


class LocalCrawl:
    """One crawler, its chains and its spider, open from ``async with`` to its end.

    Args:
        spidercls: the spider's class.
        settings: the settings to start from; the spider's own are applied.
        arguments: the spider's arguments.
    """

    def __init__(self, spidercls: type[Spider], settings: Settings, arguments: Mapping[str, Any] | None = None) -> None:
        from raycrawl.crawler import Crawler

        self.crawler: Crawler = Crawler(spidercls, settings)
        self._arguments = dict(arguments or {})

    async def __aenter__(self) -> Self:
        from raycrawl.core.downloader.handlers import DownloadHandlers
        from raycrawl.core.downloader.middleware import DownloaderMiddlewareManager
        from raycrawl.core.facade import ExecutionEngine
        from raycrawl.core.spidermw import SpiderMiddlewareManager

        self.crawler.prepare()
        self.spider: Spider = self.crawler.create_spider(**self._arguments)
        self.crawler.engine = ExecutionEngine(self.crawler, link=self)
        self._handlers = DownloadHandlers(self.crawler)
        self._downloader_chain = DownloaderMiddlewareManager.from_crawler(self.crawler)
        self._spider_chain = SpiderMiddlewareManager.from_crawler(self.crawler)
        await self.crawler.signals.send_catch_log_async(signals.engine_started)
        await self.crawler.signals.send_catch_log_async(signals.spider_opened, spider=self.spider)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.crawler.signals.send_catch_log_async(signals.spider_closed, spider=self.spider, reason="finished")
        await self.crawler.signals.send_catch_log_async(signals.engine_stopped)
        await self._handlers.close()

    # -- EngineLink: what components ask of the engine --------------------------------------------------------------

    def schedule(self, request: Request) -> None:
        logger.warning("%s is not crawled: one page at a time here", request)

    async def download(self, request: Request) -> Response:
        """Fetch through the middlewares, following what they answer with. Raises what the download raised."""
        from raycrawl.http import Request as RequestClass

        for _ in range(MAX_FOLLOWED):
            result = await self._downloader_chain.download_async(self._handlers.download_request_async, request)
            if not isinstance(result, RequestClass):
                result.request = request
                return result
            request = result
        raise UsageError(f"{request.url}: still another request after {MAX_FOLLOWED} redirects and retries")

    async def order(self, name: str, *args: Any) -> None:
        logger.warning("%s%r has no effect: one page at a time here", name, args)

    def slot_notice(self, slot: str, *, delay_s: float | None = None, hold_s: float | None = None) -> None:
        logger.debug("slot %s: no delays here", slot)

    # -- callbacks -------------------------------------------------------------------------------------------------

    async def fetch(self, request: Request) -> Response:
        """Download as a start request: what a person names may be on this machine or its network."""
        request.meta.setdefault("is_start_request", True)
        return await self.download(request)

    async def scrape(self, request: Request) -> list[Any]:
        """Fetch, and run the request's callback (or ``parse``) or its errback through the spider middlewares.

        Returns:
            The items and requests that came out.

        Raises:
            What the download, the callback or the errback raised and nobody handled.
        """
        try:
            result: Response | Failure = await self.fetch(request)
        except Exception as error:
            result = Failure(error, request)
        else:
            request = result.request or request
        return await _collected(await self._spider_chain.scrape_response_async(self._call, result, request))

    def _call(self, result: Response | Failure, request: Request) -> Any:
        if not isinstance(result, Failure):
            result.request = request
            callback = request.callback or self.spider._parse
            return callback(result, **request.cb_kwargs)
        if request.errback is None:
            result.raiseException()
        assert request.errback is not None
        return request.errback(result)


async def _collected(output: Any) -> list[Any]:
    if inspect.isawaitable(output):
        output = await output
    if output is None:
        return []
    if isinstance(output, AsyncIterable):
        return [entry async for entry in output]
    return list(output)
