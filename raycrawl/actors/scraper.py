"""The Scraper actor: the spider's callbacks, spider middlewares and item pipelines."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from raycrawl.actors.channel import Received
from raycrawl.actors.downloads import RemoteDownloads
from raycrawl.actors.eventlog import EventLog
from raycrawl.actors.idle import IdleVerdict, idle_verdict
from raycrawl.actors.itembox import ITEMS_PER_PART, ItemBox
from raycrawl.actors.process import CrawlProcess
from raycrawl.core.messages import Outcome, Page, RequestRecord
from raycrawl.exceptions import CloseSpider, DontCloseSpider, DropItem
from raycrawl.transport.addresses import PRIVATE_OK, comes_from_user

if TYPE_CHECKING:
    from raycrawl.failure import Failure
    from raycrawl.http import Request, Response

logger = logging.getLogger(__name__)
_decode_pages = msgspec.msgpack.Decoder(list[Page]).decode
START_WAIT_S = 0.05
# What a page from a private address asks for may be private too (see raycrawl.transport.addresses).
_from_private_page: ContextVar[bool | None] = ContextVar("from_private_page", default=None)  # None: from no page
YIELD_EVERY = 1000  # outputs of one page between two looks at the event loop


class PageWork:
    """One page in this Scraper, and the ticket for all that must be durable before it is done.

    Invariant: ``ended`` is called once, when the callback has finished and nothing of the page is on its way any more.
    """

    __slots__ = ("_ended", "_pending", "id", "is_private", "is_start", "items", "outcome", "requests",
                 "uncounted")  # fmt: skip

    def __init__(self, page_id: bytes, ended: Any) -> None:
        self.id = page_id
        self.requests = 0
        self.items = 0
        self.outcome = Outcome.DONE
        self.is_private: bool | None = None  # None: its requests come from no page
        self.is_start = False
        self.uncounted = 0
        self._pending = 1
        self._ended = ended

    def hold(self) -> None:
        """One more thing is on its way."""
        self._pending += 1

    def release(self) -> None:
        """One of them is durable; after the last, the page has ended."""
        self._pending -= 1
        if not self._pending:
            self._ended(self)


@dataclass(slots=True)
class _Start:
    """The running ``Spider.start()`` of this process."""

    outputs: AsyncIterator[Any]
    given: int = 0
    next_output: asyncio.Task[Any] | None = None


class Scraper(CrawlProcess):
    """Runs the callbacks of the pages that it is sent.

    A batch is answered when every page in it has ended, so that a Downloader sees this Scraper's load. A page is
    reported as ended after its requests are durable in the frontier and its items committed by every feed. An exception
    in a callback costs its page alone.
    """

    kind = "scraper"

    async def open(self) -> None:
        """Loads the crawl's code, creates this process's copy of the spider, opens middlewares and pipelines."""
        from raycrawl import records, signals
        from raycrawl.core.spidermw import SpiderMiddlewareManager
        from raycrawl.extension import ExtensionManager
        from raycrawl.feeds.options import page_feeds
        from raycrawl.pipelines import ItemPipelineManager

        await self._open()
        self._records, self._signals = records, signals
        crawler = self.crawler
        args, kwargs = self.boot.spider_args
        self.spider = crawler.create_spider(*args, **kwargs)
        crawler.engine.spider = self.spider
        self.extensions = ExtensionManager.for_process(crawler, "scraper")
        self.middleware = SpiderMiddlewareManager.from_crawler(crawler)
        self.pipelines = ItemPipelineManager.local_from_crawler(crawler)
        self.items = ItemBox(self.channel, self.tasks, targets=self.boot.item_targets, delay_s=self.boot.batch_delay_s)
        self.reporter.sink_lag = lambda: self.items.nbytes
        self.downloads = RemoteDownloads(
            self.channel, self.tasks, self.name, self.boot.downloaders, incarnation=self.incarnation
        )
        self._active: dict[bytes, PageWork] = {}
        self._start: _Start | None = None
        self._received = Received()
        self._item_slots = asyncio.Semaphore(max(1, crawler.settings.getint("CONCURRENT_ITEMS")))
        self._has_pipelines = bool(self.pipelines.middlewares)
        self._item_log = EventLog(crawler, self.reporter, self.tasks)
        self._takes_pages = bool(page_feeds(crawler.settings))
        await self.pipelines.open_spider_async()
        await self._announce_opening()

    def listens_to(self) -> list[str]:
        """The names of the signals that someone in this process listens to."""
        names = [name for name in dir(self._signals) if not name.startswith("_")]
        return [name for name in names if self.crawler.signals.has_listeners(getattr(self._signals, name))]

    def known_pages(self) -> list[bytes]:
        """Pages that are here or whose report is on its way."""
        return [*self._active, *super().known_pages()]

    # Pages.

    async def scrape(self, blob: bytes, sender: str = "", seq: int = 0) -> None:
        """Takes finished downloads (an encoded list of Page); answers when all of them have ended.

        ``seq`` numbers the messages of a sender: a repeat is left alone. What has no sender is never repeated.
        """
        if sender and not self._received.is_new(sender, seq):
            return
        rest = _Rest()
        for page in _decode_pages(blob):
            if page.id not in self._active:
                rest.count += 1
                work = self._active[page.id] = PageWork(page.id, rest.wrap(self._page_ended))
                self.tasks.spawn(self._page(work, page))
        await rest.wait()

    def _page_ended(self, work: PageWork) -> None:
        self._active.pop(work.id, None)
        self._count_items(work)
        self.reporter.ended(work.id, work.outcome)

    async def _page(self, work: PageWork, page: Page) -> None:
        async with self._alone_if_suspect(page.id, page.attempts):
            await self._run_callback(work, page)

    async def _run_callback(self, work: PageWork, page: Page) -> None:
        request = response = None
        self.pulse.at_s = time.monotonic()
        try:
            request = self._records.decode_request(page.request, self.spider)
            self.pulse.busy_with = request.url
            work.is_private = comes_from_user(request.meta)
            request.meta.pop(PRIVATE_OK, None)
            _from_private_page.set(work.is_private)
            response = self._open_page(page, request)
            if self._takes_pages and page.response is not None:
                self._keep_page(request, response, work)
            outputs = await self.middleware.scrape_response_async(self._call_spider, response, request)
            if hasattr(outputs, "__iter__"):
                await self._take_all(outputs, work, response)
            else:
                async for output in outputs:
                    await self._take(output, work, response)
        except Exception as error:
            self._spider_error(work, error, request, response)
        finally:
            self.pulse.busy_with = ""
            work.release()

    def _keep_page(self, request: Request, response: Any, work: PageWork) -> None:
        """For feeds that take whole pages (WARC)."""
        from raycrawl.feeds.warc import encode_page

        self.items.add(encode_page(request, response), work)

    def _open_page(self, page: Page, request: Request) -> Response | Failure:
        if page.response is not None:
            return self._records.decode_response(page.response, request)
        from raycrawl.failure import Failure

        failure = Failure.from_dict(msgspec.msgpack.decode(page.failure or b"\x80"))
        failure.request = request
        return failure

    def _call_spider(self, result: Response | Failure, request: Request) -> Any:
        """The callback's or the errback's output; a failure that no errback takes is raised."""
        from raycrawl.failure import Failure

        if isinstance(result, Failure):
            if request.errback is None:
                result.raiseException()
            return _none_as_empty(request.errback(result))
        callback = request.callback or self.spider._parse
        return _none_as_empty(callback(result, **request.cb_kwargs))

    async def _take_all(self, outputs: Any, work: PageWork, response: Any) -> None:
        """A plain iterable: nothing is awaited between two links, but for backpressure and once in a while."""
        from raycrawl.http import Request

        for number, output in enumerate(outputs, 1):
            if isinstance(output, Request):
                self._take_request(output, work)
            else:
                await self._take_item(output, work, response)
            if self.outbox.needs_room():
                await self.outbox.room()
            elif number % YIELD_EVERY == 0:
                self.pulse.at_s = time.monotonic()
                await asyncio.sleep(0)

    async def _take(self, output: Any, work: PageWork, response: Any) -> None:
        from raycrawl.http import Request

        if isinstance(output, Request):
            self._take_request(output, work)
            if self.outbox.needs_room():
                await self.outbox.room()
        else:
            await self._take_item(output, work, response)

    def _take_request(self, request: Request, work: PageWork) -> None:
        crawler = self.crawler
        work.requests += 1
        if work.is_private is not None:  # said of every child: a copied meta must not speak for it
            request.meta[PRIVATE_OK] = work.is_private
        identity = self._records.request_id(request, crawler.request_fingerprinter, work.id, work.requests)
        signals = crawler.signals
        if signals.has_listeners(self._signals.request_scheduled):
            signals.send_catch_log(self._signals.request_scheduled, request=request, spider=self.spider)
        if self.outbox.is_known(identity, work):
            self._filtered(request)
            return
        try:
            payload = self._records.encode_request(request, self.spider)
        except ValueError as error:
            crawler.stats.inc_value("scheduler/unserializable")
            raise ValueError(f"{request} cannot be scheduled: {error}") from error
        slot = self._records.slot_key(request)
        self.outbox.add(RequestRecord(identity, slot, request.priority, payload, work.is_start), work)

    def _filtered(self, request: Request) -> None:
        crawler = self.crawler
        crawler.stats.inc_value("dupefilter/filtered")
        if crawler.signals.has_listeners(self._signals.request_dropped):
            crawler.signals.send_catch_log(self._signals.request_dropped, request=request, spider=self.spider)

    # Items.

    async def _take_item(self, item: Any, work: PageWork, response: Any) -> None:
        if item is None:
            return
        if not self._has_pipelines:
            self._scraped(item, work, response)
            if self.items.needs_room():
                await self.items.room()
            return
        await self._item_slots.acquire()
        work.hold()
        self.tasks.spawn(self._through_pipelines(item, work, response))

    async def _through_pipelines(self, item: Any, work: PageWork, response: Any) -> None:
        try:
            result = await self.pipelines.process_item_async(item)
        except DropItem as error:
            self._item_log.dropped(item, error, response)
        except Exception as error:
            self._item_log.failed(item, error, response)
        else:
            self._scraped(result, work, response)
        finally:
            self._item_slots.release()
            work.release()

    def _scraped(self, item: Any, work: PageWork, response: Any) -> None:
        try:
            self.items.add(item, work)
        except Exception as error:
            self._item_log.failed(item, error, response)
            return
        if self.boot.has_single_pipelines:
            return  # what becomes of the item is said where it has gone
        work.uncounted += 1
        if work.uncounted >= ITEMS_PER_PART:
            self._count_items(work)
        self._item_log.scraped(item, response)

    def _count_items(self, work: PageWork) -> None:
        """Counts a page's items when it ends (a large page's in parts): a page that is scraped again counts once."""
        if work.uncounted:
            self.crawler.stats.inc_value("item_scraped_count", work.uncounted)
            work.uncounted = 0

    async def forward(self, names: list[str]) -> None:
        """The signals that someone in the engine's process listens to: they are carried there."""
        self._item_log.forwarded = frozenset(names)

    def _spider_error(self, work: PageWork, error: Exception, request: Any, response: Any) -> None:
        from raycrawl.failure import Failure

        if isinstance(error, CloseSpider):
            self.reporter.close(error.reason or "cancelled")
            return
        work.outcome = Outcome.FAILED
        if isinstance(response, Failure) and error is response.value:
            self._item_log.log("download_error", response, request, str(error), error=error)
            return
        self._item_log.log("spider_error", Failure(error), request, response, error=error)
        stats = self.crawler.stats
        stats.inc_value("spider_exceptions/count")
        stats.inc_value(f"spider_exceptions/{type(error).__name__}")
        self._item_log.signal("spider_error", failure=Failure(error), response=response)

    # Spider.start(), pulled by the engine.

    async def pull_start(self, n: int) -> bool:
        """Up to ``n`` outputs of ``Spider.start()``, durable when this answers; True: there are no more."""
        if self._start is None:
            outputs = self.middleware.process_start(self.spider)
            self._start = _Start(aiter(outputs))
        start, exhausted, pulled = self._start, False, 0
        rest = _Rest()
        while pulled < n and not exhausted:
            if start.next_output is None:
                start.next_output = self.tasks.spawn(_next(start.outputs))
            await asyncio.wait((start.next_output,), timeout=START_WAIT_S if pulled else None)
            if not start.next_output.done():
                break
            task, start.next_output = start.next_output, None
            pulled += 1
            start.given += 1
            rest.count += 1
            # An id of its own for each output: a start() that runs again after a fault is recognised one by one.
            work = PageWork(b"start:%d" % start.given, rest.wrap(self._count_items))
            work.is_start = True
            exhausted = await self._take_start(task, work)
            work.release()
        self.outbox.flush()
        self.items.flush()
        await rest.wait()
        await self.reporter.flush()
        return exhausted

    async def _take_start(self, task: asyncio.Task[Any], work: PageWork) -> bool:
        """Takes one output in; True when there are no more."""
        try:
            output = task.result()
            if output is _END:
                return True
            await self._take(output, work, None)
        except CloseSpider as error:
            self.reporter.close(error.reason or "cancelled")
            return True
        except Exception as error:
            logger.error("Error while reading start items and requests", exc_info=error)
            return not _goes_on(task)
        return False

    # Idle and the end.

    async def ask_idle(self) -> IdleVerdict:
        """Runs this copy's ``spider_idle`` handlers; what they enqueue is durable when this answers."""
        results = await self.crawler.signals.send_catch_log_async(
            self._signals.spider_idle, spider=self.spider, dont_log=(DontCloseSpider, CloseSpider)
        )
        await self.outbox.drained()
        return idle_verdict(results)

    async def signal(self, name: str) -> None:
        """A signal of the engine's that someone here listens to (``scheduler_empty``, ``engine_started`` ...)."""
        await self.crawler.signals.send_catch_log_async(getattr(self._signals, name))

    async def close_spider(self, reason: str) -> None:
        """Closes pipelines and this copy of the spider."""
        if self._start is not None and self._start.next_output is not None:
            self._start.next_output.cancel()
        await self.pipelines.close_spider_async()
        await self._announce_closing(reason)
        self.items.flush()
        await self.reporter.flush()

    # EngineLink

    def schedule(self, request: Request) -> None:
        """``crawler.engine.crawl(request)``: a request from outside any page."""
        self._ordinal += 1
        work = PageWork(b"%s:%d" % (self.name.encode(), self.incarnation), lambda _: None)
        work.requests = self._ordinal
        work.is_private = _from_private_page.get()
        self._take_request(request, work)

    def download(self, request: Request) -> Awaitable[Response]:
        """``crawler.engine.download(request)``."""
        is_private = _from_private_page.get()
        if is_private is not None:
            request.meta[PRIVATE_OK] = is_private
        return self.downloads.download(request, self.spider)

    async def answers(self, blob: bytes) -> None:
        """Responses to this process's ``download()`` calls."""
        self.downloads.answered(blob, self.spider)

    async def wire(self, peers: dict[str, tuple[Any, int]]) -> None:
        """Connects peers; what was asked of a Downloader that was replaced is asked again."""
        await super().wire(peers)
        if hasattr(self, "downloads"):
            self.downloads.resend([peer for peer in peers if peer.startswith("downloader:")])


class _Rest:
    """Waits until every page of a batch has ended."""

    def __init__(self) -> None:
        self.count = 0
        self._future: asyncio.Future[None] | None = None

    def wrap(self, ended: Any) -> Any:
        def call(work: PageWork) -> None:
            ended(work)
            self.count -= 1
            if not self.count and self._future is not None and not self._future.done():
                self._future.set_result(None)

        return call

    async def wait(self) -> None:
        if self.count:
            self._future = asyncio.get_running_loop().create_future()
            await self._future


_END = object()


async def _next(outputs: AsyncIterator[Any]) -> Any:
    return await anext(outputs, _END)


def _goes_on(task: asyncio.Task[Any]) -> bool:
    """An error in ``start()`` itself ends it; one in what it gave does not."""
    return not task.cancelled() and task.exception() is None


def _none_as_empty(result: Any) -> Any:
    return () if result is None else result

