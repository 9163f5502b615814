"""The base of pipelines that download what an item names: requests, waiting, and what was fetched already."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import OrderedDict
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from raycrawl.failure import Failure
from raycrawl.http.request import NO_CALLBACK, Request
from raycrawl.utils.log import failure_to_exc_info
from raycrawl.utils.misc import arg_to_iter

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Self

    from raycrawl.crawler import Crawler
    from raycrawl.http import Response
    from raycrawl.settings import BaseSettings
    from raycrawl.spiders import Spider

logger = logging.getLogger(__name__)

# Results that are remembered, so that items that share a file share its download. An older file costs a look into the
# store (or a download); without a bound, a crawl's memory would grow with every file.
MAX_REMEMBERED = 50_000

# All statuses but redirects: those are then followed.
_ALL_BUT_REDIRECTS = [*range(100, 300), *range(400, 600)]


class FileInfo(TypedDict):
    """What is known of a stored file: ``status`` is ``downloaded``, ``uptodate`` (in the store) or ``cached``."""

    url: str
    path: str
    checksum: str | None
    status: str


FileInfoOrError: TypeAlias = tuple[Literal[True], FileInfo] | tuple[Literal[False], Failure]


class FileException(Exception):
    """A file could not be downloaded or stored; the message says why."""


class MediaPipeline(ABC):
    """Downloads the requests of each item through the crawl's Downloaders, one download per file.

    Subclasses say what to download and what to do with it; all hooks may be plain or ``async``.

    Args:
        download_func: accepted for compatibility; downloads go through ``crawler.engine``.

    Attributes:
        LOG_FAILED_RESULTS: log the traceback of each failed download of an item.
    """

    LOG_FAILED_RESULTS: bool = True

    class SpiderInfo:
        """What this pipeline knows of its spider's files, by request fingerprint.

        Attributes:
            downloading: fingerprints that are being fetched.
            downloaded: results: a FileInfo or a Failure; at most ``MAX_REMEMBERED``.
            waiting: who waits for a fingerprint that is being fetched.
        """

        def __init__(self, spider: Spider | None) -> None:
            self.spider = spider
            self.downloading: set[bytes] = set()
            self.downloaded: OrderedDict[bytes, FileInfo | Failure] = OrderedDict()
            self.waiting: dict[bytes, list[asyncio.Future[FileInfo | Failure]]] = {}

    spiderinfo: SpiderInfo

    def __init__(self, download_func: None = None, *, crawler: Crawler) -> None:
        self.crawler = crawler
        self.allow_redirects: bool = crawler.settings.getbool(
            self._key_for_pipe("MEDIA_ALLOW_REDIRECTS", "MediaPipeline", crawler.settings)
        )
        self.handle_httpstatus_list: list[int] | None = _ALL_BUT_REDIRECTS if self.allow_redirects else None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler=crawler)

    def _key_for_pipe(self, key: str, base_class_name: str | None = None, settings: BaseSettings | None = None) -> str:
        """The setting that holds ``key`` for this pipeline: ``CLASSNAME_KEY`` when a subclass has one, else ``key``."""
        class_name = type(self).__name__
        own = f"{class_name.upper()}_{key}"
        if class_name == base_class_name or (settings is not None and settings.get(own) is None):
            return key
        return own

    def open_spider(self, spider: Spider | None = None) -> None:
        self.spiderinfo = self.SpiderInfo(spider or self.crawler.spider)

    async def process_item(self, item: Any, spider: Spider | None = None) -> Any:
        """``item_completed`` of the item and its downloads; a failed download does not fail the item."""
        info = self.spiderinfo
        requests = arg_to_iter(await _maybe(self.get_media_requests(item, info)))
        outcomes = await asyncio.gather(*(self._process_request(request, info, item) for request in requests))
        results: list[FileInfoOrError] = [
            (False, outcome) if isinstance(outcome, Failure) else (True, outcome) for outcome in outcomes
        ]
        return await _maybe(self.item_completed(results, item, info))

    async def _process_request(self, request: Request, info: SpiderInfo, item: Any) -> FileInfo | Failure:
        key = self.crawler.request_fingerprinter.fingerprint(request)
        known = info.downloaded.get(key)
        if known is not None:
            return known
        if key in info.downloading:
            waiter: asyncio.Future[FileInfo | Failure] = asyncio.get_running_loop().create_future()
            info.waiting.setdefault(key, []).append(waiter)
            return await waiter
        info.downloading.add(key)
        result: FileInfo | Failure
        try:
            result = await self._fetched(request, info, item)
        except asyncio.CancelledError:
            # Nobody else fetches it: those who wait are cancelled as well.
            self._wake(key, info, None)
            raise
        except Exception as error:
            result = Failure(error, request)
        info.downloaded[key] = result
        if len(info.downloaded) > MAX_REMEMBERED:
            info.downloaded.popitem(last=False)
        self._wake(key, info, result)
        return result

    def _wake(self, key: bytes, info: SpiderInfo, result: FileInfo | Failure | None) -> None:
        info.downloading.discard(key)
        for waiter in info.waiting.pop(key, ()):
            if waiter.done():
                continue
            if result is None:
                waiter.cancel()
            else:
                waiter.set_result(result)

    async def _fetched(self, request: Request, info: SpiderInfo, item: Any) -> FileInfo:
        stored: FileInfo | None = await _maybe(self.media_to_download(request, info, item=item))
        if stored is not None:
            return stored
        self._modify_media_request(request)
        try:
            response = await self.crawler.engine.download_async(request)
        except Exception as error:
            failure = await _maybe(self.media_failed(Failure(error, request), request, info))
            if isinstance(failure, Failure):
                failure.raiseException()
            return failure  # type: ignore[no-any-return] # a subclass may answer with a FileInfo of its own
        downloaded: FileInfo = await _maybe(self.media_downloaded(response, request, info, item=item))
        return downloaded

    def _modify_media_request(self, request: Request) -> None:
        request.callback = NO_CALLBACK
        request.errback = None
        if self.handle_httpstatus_list:
            request.meta["handle_httpstatus_list"] = self.handle_httpstatus_list
        else:
            request.meta["handle_httpstatus_all"] = True

    @abstractmethod
    def media_to_download(
        self, request: Request, info: SpiderInfo, *, item: Any = None
    ) -> Awaitable[FileInfo | None] | FileInfo | None:
        """None: download it; a FileInfo: it need not be."""
        raise NotImplementedError

    @abstractmethod
    def get_media_requests(self, item: Any, info: SpiderInfo) -> list[Request]:
        """The requests of an item."""
        raise NotImplementedError

    @abstractmethod
    def media_downloaded(
        self, response: Response, request: Request, info: SpiderInfo, *, item: Any = None
    ) -> FileInfo | Awaitable[FileInfo]:
        """What to do with a response. Raises: FileException when it is no use."""
        raise NotImplementedError

    @abstractmethod
    def media_failed(self, failure: Failure, request: Request, info: SpiderInfo) -> Failure:
        """What to do about a failed download: the failure, or raise."""
        raise NotImplementedError

    @abstractmethod
    def file_path(
        self, request: Request, response: Response | None = None, info: SpiderInfo | None = None, *, item: Any = None
    ) -> str:
        """Where a file is stored, relative to the store."""
        raise NotImplementedError

    def item_completed(self, results: list[FileInfoOrError], item: Any, info: SpiderInfo) -> Any:
        """The item, when all its downloads have ended. Override to use ``results`` or to drop the item."""
        if self.LOG_FAILED_RESULTS:
            for is_stored, value in results:
                if not is_stored:
                    logger.error(
                        "%(class)s found errors processing %(item)s",
                        {"class": type(self).__name__, "item": item},
                        exc_info=failure_to_exc_info(value),  # type: ignore[arg-type]
                        extra={"spider": info.spider},
                    )
        return item


async def _maybe(value: Any) -> Any:
    return await value if isawaitable(value) else value
