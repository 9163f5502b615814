"""The Scraper actor: the spider's callbacks, spider middlewares and item pipelines."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import msgspec

from raycrawl.actors.admission import Admission
from raycrawl.actors.channel import Received
from raycrawl.actors.downloads import RemoteDownloads
from raycrawl.actors.eventlog import EventLog
from raycrawl.actors.guard import Guard, MemoryLimit, stepwise
from raycrawl.actors.idle import IdleVerdict, idle_verdict
from raycrawl.actors.itembox import ItemBox
from raycrawl.actors.itemway import ItemWay
from raycrawl.actors.pagework import PageWork, Rest, source_id
from raycrawl.actors.process import CrawlProcess
from raycrawl.actors.spidercopies import Attributes
from raycrawl.actors.startpull import END, StartPull, goes_on
from raycrawl.core.messages import Outcome, Page, RequestRecord
from raycrawl.exceptions import CallbackTimeoutError, CloseSpider, DontCloseSpider
from raycrawl.selector.unified import TRUNCATED
from raycrawl.transport.addresses import PRIVATE_OK, comes_from_user

if TYPE_CHECKING:
    from raycrawl.failure import Failure
    from raycrawl.http import Request, Response

logger = logging.getLogger(__name__)
_decode_pages = msgspec.msgpack.Decoder(list[Page]).decode
# What a page from a private address asks for may be private too (see raycrawl.transport.addresses).
_from_private_page: ContextVar[bool | None] = ContextVar("from_private_page", default=None)  # None: from no page
STATE_S = 2.0
BREATH_S = 0.1  # how long the outputs of one page may keep the event loop, between two of them
# The page whose callback runs, for what the callback asks of its process.
_page_at_work: ContextVar[PageWork | None] = ContextVar("page_at_work", default=None)


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
        self._stats = self.crawler.stats
        self._fingerprinter = self.crawler.request_fingerprinter
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
        self._state_due_s = 0.0
        self._running = 0  # callbacks that have not finished
        self._start: StartPull | None = None
        self._received = Received()
        self._item_log = EventLog(crawler, self.reporter, self.tasks)
        self.guard = Guard(crawler.settings.getfloat("SCRAPER_TIMEOUT"), owns_process=self.channel.ships_logs)
        self.item_way = ItemWay(
            crawler, self.pipelines, self.items, self._item_log, self.tasks, self.guard,
            has_targets=bool(self.boot.item_targets), has_single_pipelines=self.boot.has_single_pipelines,
        )  # fmt: skip
        self._admission = Admission(crawler, self._item_log)
        self._takes_pages = bool(page_feeds(crawler.settings))
        await self.pipelines.open_spider_async()
        await self._announce_opening()
        self._attributes = Attributes(self.spider)
        memory_nbytes = MemoryLimit.nbytes(crawler.settings["SCRAPER_MEMORY_LIMIT"], self.boot.scrapers)
        if self.channel.ships_logs and memory_nbytes:
            MemoryLimit.set(memory_nbytes)

    def box_path(self) -> str:
        """The file that says which page has the CPU."""
        return self.guard.box.path if self.is_open and self.guard.box is not None else ""

    def _beat(self) -> None:
        super()._beat()
        if not self.is_open:
            return
        self.guard.beat()
        self._keep_spider_state()
        for work in list(self._active.values()):
            work.end_if_late(self.pulse.at_s, self.guard.timeout_s)

    def _keep_spider_state(self) -> None:
        """``spider.state`` of a job is at most ``STATE_S`` old if this process is killed."""
        if self.pulse.at_s < self._state_due_s:
            return
        self._state_due_s = self.pulse.at_s + STATE_S
        for extension in self.extensions.middlewares:
            if hasattr(extension, "save_if_changed"):
                extension.save_if_changed(self.spider)

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
        rest = Rest()
        for page in _decode_pages(blob):
            if page.id not in self._active:
                rest.count += 1
                self._running += 1
                work = PageWork(page.id, rest.wrap(self._page_ended), source_id=source_id(page))
                self._active[page.id] = work
                work.task = self.tasks.spawn(stepwise(self.guard, work, self._page, work, page))
        await rest.wait()

    def _page_ended(self, work: PageWork) -> None:
        self._active.pop(work.page_id, None)
        self.item_way.count(work)
        self.reporter.ended(work.page_id, work.outcome)

    async def _page(self, work: PageWork, page: Page) -> None:
        try:
            async with self._alone_if_suspect(page.id, page.attempts):
                await self._run_callback(work, page)
        finally:
            self._running -= 1
            if not self._running:  # nothing more will join what has been gathered
                self.outbox.flush()
                self.items.flush()

    async def _run_callback(self, work: PageWork, page: Page) -> None:
        request = response = None
        try:
            request = self._records.decode_request(page.request, self.spider)
            self.pulse.busy_with = request.url
            work.is_private = comes_from_user(request.meta)
            request.meta.pop(PRIVATE_OK, None)
            _from_private_page.set(work.is_private)
            _page_at_work.set(work)
            response = self._open_page(page, request)
            if self._takes_pages and page.response is not None:
                self._keep_page(request, response, work)
            if not page.is_given_up or request.errback is not None:  # the engine has said why it is given up
                await self._scrape(work, request, response)
            else:
                work.outcome = Outcome.FAILED
        except BaseException as error:  # whatever it is, it is the page's, and not the process's
            if work.is_being_cancelled(error):
                raise
            await self._callback_failed(work, error, request, response)
        self.pulse.busy_with = ""
        if TRUNCATED in getattr(response, "flags", ()):
            self.crawler.stats.inc_value("response/parser_truncated")
        self.item_way.produced(work)
        work.release()

    async def _scrape(self, work: PageWork, request: Request, response: Response | Failure) -> None:
        """Calls the callback, or the errback, and takes what it gives."""
        work.is_in_callback = True
        try:
            outputs = await self.middleware.scrape_response_async(self._call_spider, response, request)
            if hasattr(outputs, "__iter__"):
                work.is_in_callback = False
                await self._take_all(outputs, work, response)
                return
            async for output in outputs:
                work.is_in_callback = False
                await self._take(output, work, response)
                work.is_in_callback = True
        finally:
            work.is_in_callback = False

    async def _callback_failed(self, work: PageWork, error: BaseException, request: Any, response: Any) -> None:
        """An error costs its page; one that took too long has its errback called, if it has one."""
        from raycrawl.failure import Failure

        late = self._lateness(work, error, request)
        if late is None:
            self._spider_error(work, error, request, response)
            return
        logger.error("%s is given up: %s", request, late, exc_info=error)
        if request is None or request.errback is None or isinstance(response, Failure):
            work.outcome = Outcome.FAILED
            return
        self.guard.begin(work)
        try:
            await self._scrape(work, request, Failure(late, request))
        except BaseException as second:
            if work.is_being_cancelled(second):
                raise
            self._lateness(work, second, request)
            self._spider_error(work, second, request, response)

    def _lateness(self, work: PageWork, error: BaseException, request: Any) -> CallbackTimeoutError | None:
        """The error for the user when a callback ran for too long, counted; None: it is an error of another kind."""
        callback = request.callback if request is not None else None
        late = work.lateness(error, getattr(callback, "__name__", "parse"), self.guard.timeout_s)
        if late is not None:
            self.crawler.stats.inc_value("scraper/timeout")
        return late

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

        clock, breath_s = time.monotonic, time.monotonic() + BREATH_S
        for output in outputs:
            if isinstance(output, Request):
                self._take_request(output, work)
            else:
                await self.item_way.take(output, work, response)
            if self.outbox.needs_room():
                await self.outbox.room()
            elif clock() > breath_s:
                await asyncio.sleep(0)
                breath_s = clock() + BREATH_S

    async def _take(self, output: Any, work: PageWork, response: Any) -> None:
        from raycrawl.http import Request

        if isinstance(output, Request):
            self._take_request(output, work)
            if self.outbox.needs_room():
                await self.outbox.room()
        else:
            await self.item_way.take(output, work, response)

    def _take_request(self, request: Request, work: PageWork) -> None:
        crawler = self.crawler
        work.requests += 1
        identity = self._records.request_id(request, self._fingerprinter, work.id, work.requests)
        if not self._admission.is_scheduled(request):
            return
        if self.outbox.is_known(identity, work):
            self._filtered(request)
            return
        if self._admission.is_offsite(request):
            return
        if work.is_private is not None:  # said of every child: a copied meta must not speak for it
            request.meta[PRIVATE_OK] = work.is_private
        try:
            payload = self._records.encode_request(request, self.spider)
        except ValueError as error:
            crawler.stats.inc_value("scheduler/unserializable")
            raise ValueError(f"{request} cannot be scheduled: {error}") from error
        slot = self._records.slot_key(request)
        self.outbox.add(RequestRecord(identity, slot, request.priority, payload, work.is_start), work)

    def _filtered(self, request: Request) -> None:
        crawler = self.crawler
        self._stats.inc_value("dupefilter/filtered")
        if crawler.signals.has_listeners(self._signals.request_dropped):
            crawler.signals.send_catch_log(self._signals.request_dropped, request=request, spider=self.spider)

    # Items.

    async def forward(self, names: list[str]) -> None:
        """The signals that someone in the engine's process listens to: they are carried there."""
        self._item_log.forwarded = frozenset(names)

    def _spider_error(self, work: PageWork, error: BaseException, request: Any, response: Any) -> None:
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
            self._start = StartPull(aiter(self.middleware.process_start(self.spider)), self.tasks, self.guard)
        start, exhausted, pulled = self._start, False, 0
        rest = Rest()
        while pulled < n and not exhausted:
            task = await start.next(may_wait=not pulled)
            if task is None:
                break
            pulled += 1
            rest.count += 1
            # An id of its own for each output: a start() that runs again after a fault is recognised one by one.
            work = PageWork(b"start:%d" % start.given, rest.wrap(self.item_way.count))
            work.is_start = True
            exhausted = await self._take_start(task, work)
            self.item_way.produced(work)
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
            if output is END:
                return True
            await self._take(output, work, None)
        except CloseSpider as error:
            self.reporter.close(error.reason or "cancelled")
            return True
        except Exception as error:
            logger.error("Error while reading start items and requests", exc_info=error)
            return not goes_on(task)
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

    async def close_spider(self, reason: str) -> dict[str, bytes]:
        """Closes pipelines and this copy of the spider; answers with its attributes, as digests."""
        attributes = self._attributes.changed() if self.boot.scrapers > 1 else {}
        self.guard.close()
        if self._start is not None:
            self._start.cancel()
        await self.pipelines.close_spider_async()
        await self._announce_closing(reason)
        self.items.flush()
        await self.reporter.flush()
        return attributes

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
        download = self.downloads.download(request, self.spider)
        if (work := _page_at_work.get()) is not None:
            work.waits_for(download)
        return download

    async def answers(self, blob: bytes) -> None:
        """Responses to this process's ``download()`` calls."""
        self.downloads.answered(blob, self.spider)

    async def wire(self, peers: dict[str, tuple[Any, int]]) -> None:
        """Connects peers; what was asked of a Downloader that was replaced is asked again."""
        await super().wire(peers)
        if hasattr(self, "downloads"):
            self.downloads.resend([peer for peer in peers if peer.startswith("downloader:")])


def _none_as_empty(result: Any) -> Any:
    return () if result is None else result

