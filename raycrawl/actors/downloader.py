"""The Downloader actor: slots, downloader middlewares, handlers; finished pages go straight to a Scraper."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from raycrawl import signals
from raycrawl.actors.admission import is_scheduled
from raycrawl.actors.channel import Received
from raycrawl.actors.deliverer import Deliverer
from raycrawl.actors.eventlog import EventLog
from raycrawl.actors.loop import CallLaterOnce
from raycrawl.actors.process import CrawlProcess, first_delay_s, stand_in_spider
from raycrawl.actors.throttling import DomainBudget, Throttle
from raycrawl.core.downloader import SlotConfig, SlotPool, slot_config_from
from raycrawl.core.messages import LeasedRecord, Outcome, Page, RequestRecord, SlotNotice
from raycrawl.transport.sent import on_sent

if TYPE_CHECKING:
    from raycrawl.http import Request, Response

logger = logging.getLogger(__name__)
SLOT_CLEAN_UP_S = 60.0
_BUDGET = "pages by slot"
_decode_leases = msgspec.msgpack.Decoder(list[LeasedRecord]).decode
_decode_answers = msgspec.msgpack.Decoder(list[tuple[int, bytes]]).decode


@dataclass(slots=True)
class _Job:
    """A page (or a download() of someone) in this Downloader; it is its own ticket for the children it enqueues."""

    id: bytes
    answer: int = 0
    asker: str = ""
    attempts: int = 0
    children: int = 0
    on_rest: Any = None

    def hold(self) -> None:
        self.children += 1

    def release(self) -> None:
        self.children -= 1
        if not self.children and self.on_rest is not None:
            self.on_rest()


class Downloader(CrawlProcess):
    """Fetches what it is given, each request in the slot of its domain, at most ``total`` transfers at a time.

    A page ends here in one of three ways: its response (or its failure, when it has an errback) goes to a Scraper; a
    middleware replaced it by another request, which goes to the frontier; or it failed or was dropped, which is
    reported. Pages that are repeated by the engine while they are here are ignored.
    """

    kind = "downloader"

    async def open(self) -> None:
        """Loads the crawl's code, builds middlewares and handlers."""
        from raycrawl.core.downloader.handlers import DownloadHandlers
        from raycrawl.core.downloader.middleware import DownloaderMiddlewareManager
        from raycrawl.extension import ExtensionManager

        await self._open()
        self.crawler.spider = stand_in_spider(self.crawler, self.boot.spider_args)
        self.extensions = ExtensionManager.for_process(self.crawler, "downloader")
        self._handlers = DownloadHandlers(self.crawler)
        self.middleware = DownloaderMiddlewareManager.from_crawler(self.crawler)
        took_over = self.incarnation > 0 or self.boot.durable
        self._pool = SlotPool(
            total=self._share(),
            config_for=self._slot_configs(),
            restarted_s=time.monotonic() if took_over else None,
        )
        self._throttle = Throttle(self.crawler.settings, self._set_delay)
        self._budget = DomainBudget(self.crawler.settings, self.crawler.stats)
        self._log = EventLog(self.crawler, self.reporter, self.tasks)
        self._jobs: dict[bytes, _Job] = {}
        self._turns: dict[int, asyncio.Future[None]] = {}
        self._awaited: set[int] = set()
        self._number = 0
        self._received = Received()
        self._pool_timer = CallLaterOnce(self._run_pool)
        self.reporter.waiting = lambda: self._pool.waiting(time.monotonic())
        self.deliverer = Deliverer(
            self.channel,
            self.tasks,
            batch=self.boot.batch_pages,
            nbytes=self.boot.batch_nbytes,
            delay_s=self.boot.batch_delay_s,
            on_sent=self.reporter.fetched,
            sender=f"{self.name}#{self.incarnation}",
        )
        self._cleaner = asyncio.get_running_loop().create_task(self._clean_up())
        from raycrawl import records

        self._records = records
        await self._announce_opening()

    def _share(self) -> int:
        """This Downloader's part of the crawl's transfers; the parts of all add up to CONCURRENT_REQUESTS."""
        total, count = self.boot.concurrency, self.boot.downloaders
        return max(1, total // count + (self.index < total % count))

    def _slot_configs(self) -> Any:
        settings = self.crawler.settings
        delay_s = first_delay_s(settings)
        jitter = 0.0
        if delay_s:
            jitter = settings.get("DOWNLOAD_DELAY_JITTER")
            if jitter is None:
                jitter = 0.5 if settings.getbool("RANDOMIZE_DOWNLOAD_DELAY", True) else 0.0
        default = SlotConfig(
            concurrency=settings.getint("CONCURRENT_REQUESTS_PER_DOMAIN"), delay_s=delay_s, jitter=float(jitter or 0.0)
        )
        return slot_config_from(settings.getdict("DOWNLOAD_SLOTS"), default)

    # What others ask for.

    async def fetch(self, blob: bytes, shard: int, seq: int) -> None:
        """Takes leased requests (an encoded list of LeasedRecord): the answer of ``shard`` to the call ``seq``."""
        if not self._received.is_new(f"scheduler:{shard}", seq):
            return
        for record in _decode_leases(blob):
            if record.id not in self._jobs:
                job = self._jobs[record.id] = _Job(record.id, attempts=record.attempts)
                self.tasks.spawn(self._page(job, record.payload))

    async def download_for(self, asker: str, blob: bytes) -> None:
        """Takes download() calls of a Scraper or the engine: (call number, request). The answers go to ``asker``."""
        for number, payload in _decode_answers(blob):
            key = b"answer:%s:%d" % (asker.encode(), number)
            if key not in self._jobs and self._received.is_new(asker, number):
                job = self._jobs[key] = _Job(key, answer=number, asker=asker)
                self.tasks.spawn(self._page(job, payload))

    async def return_unstarted(self) -> None:
        """Gives back what has not begun to be fetched: the crawl is closing."""
        for number in self._pool.queued():
            turn = self._turns.get(number)
            if turn is not None and not turn.done() and number not in self._awaited:
                turn.set_exception(_Returned())

    async def restore(self, states: dict[str, Any], notices: list[SlotNotice]) -> None:
        """What an earlier Downloader knew: how slots want to be served, the middlewares' states (cookies ...)."""
        for notice in notices:
            self._change_slot(notice)
        for key, state in states.items():
            path = key.rpartition("#")[0]  # every Downloader's state is given to all: domains may have moved
            if path == _BUDGET:
                self._budget.spent.update(state)
            for middleware in self.middleware.middlewares:
                if _path_of(middleware) == path and hasattr(middleware, "load_state"):
                    middleware.load_state(state)

    async def states(self) -> dict[str, Any]:
        """The states of the middlewares that have one to keep (``dump_state``: None is no news), by their paths."""
        dumps: dict[str, Any] = {_BUDGET: dict(self._budget.spent) or None}
        for middleware in self.middleware.middlewares:
            if hasattr(middleware, "dump_state"):
                dumps[_path_of(middleware)] = middleware.dump_state()
        return {f"{path}#{self.index}": state for path, state in dumps.items() if state is not None}

    async def forward(self, names: list[str]) -> None:
        """The signals that someone in the engine's process listens to: they are carried there."""
        self._log.forwarded = frozenset(names)

    async def slots(self) -> list[dict[str, Any]]:
        """The slots as they are now, for ``Crawl.slots()``."""
        now_s = time.monotonic()
        return [
            {
                "slot": key,
                "downloader": self.index,
                "concurrency": slot.concurrency,
                "delay_s": slot.delay,
                "queued": len(slot.queue),
                "transferring": len(slot.transferring),
                "ready_in_s": max(0.0, round(slot.not_before_s - now_s, 3)),
            }
            for key, slot in self._pool.slots.items()
        ]

    def known_pages(self) -> list[bytes]:
        """Pages that are here or whose report is on its way."""
        return [*self._jobs, *self.deliverer.undelivered(), *super().known_pages()]

    # The way of a page.

    async def _page(self, job: _Job, payload: bytes) -> None:
        async with self._alone_if_suspect(job.id, job.attempts):
            await self._process(job, payload)

    async def _process(self, job: _Job, payload: bytes) -> None:
        request: Request | None = None
        try:
            request = self._records.decode_request(payload)
            fetch = self._for_someone if job.answer else self._in_slot
            result = await self.middleware.download_async(fetch, request)
        except _Returned:
            self._jobs.pop(job.id, None)
            self.reporter.released([job.id])
        except Exception as error:
            self._failed(job, request, error)
        else:
            self._finished(job, request, result)

    def _finished(self, job: _Job, request: Request, result: Response | Request) -> None:
        from raycrawl.http import Request as RequestClass

        if isinstance(result, RequestClass):
            self._replaced(job, request, result)
            return
        final = result.request if result.request is not None else request
        self._log_crawled(final, result)
        encode = self._records.encode_request(final), self._records.encode_response(result)
        page = Page(job.id, *encode, None, job.answer, job.attempts)
        self._deliver(job, page, len(result.body))

    def _log_crawled(self, request: Request, response: Response) -> None:
        crawler = self.crawler
        crawler.stats.inc_value("response_received_count")
        if logger.isEnabledFor(logging.DEBUG):
            from raycrawl.utils.log import logformatter_adapter

            kwargs = crawler.logformatter.crawled(request, response, crawler.spider)
            if kwargs is not None:
                logger.log(*logformatter_adapter(kwargs))
        self._log.signal("response_received", response=response, request=request)

    def _replaced(self, job: _Job, request: Request, successor: Request) -> None:
        """A middleware answered with a request: it goes to the frontier as this page's child."""
        if job.answer:
            self.tasks.spawn(self._follow_answer(job, successor))
            return
        if not is_scheduled(successor, self.crawler, self._log):
            self._end(job, Outcome.DONE)
            return
        try:
            identity = self._records.request_id(successor, self.crawler.request_fingerprinter, job.id, 0)
            payload = self._records.encode_request(successor)
        except ValueError as error:
            self._failed(job, request, error)
            return
        job.on_rest = partial(self._end, job, Outcome.DONE)
        job.hold()
        if not self.outbox.is_known(identity, job):
            slot = self._records.slot_key(successor)
            self.outbox.add(RequestRecord(identity, slot, successor.priority, payload), job)
        else:
            self.crawler.stats.inc_value("dupefilter/filtered")
        job.release()

    async def _follow_answer(self, job: _Job, request: Request) -> None:
        """A download() follows redirects and retries here: nobody else waits for them."""
        await self._page(job, self._records.encode_request(request))

    def _failed(self, job: _Job, request: Request | None, error: Exception) -> None:
        from raycrawl.exceptions import IgnoreRequest

        refused = isinstance(error, IgnoreRequest)
        if request is None:
            logger.error("A request could not be read back: %s", error)
            self._end(job, Outcome.FAILED)
            return
        if request.errback is None and not job.answer:
            self._log_failed(request, error, refused)
            self._end(job, Outcome.DROPPED if refused else Outcome.FAILED)
            return
        from raycrawl.failure import Failure

        trace = "".join(traceback.format_exception(error))
        failure = msgspec.msgpack.encode(Failure(error, request=request, traceback_text=trace).to_dict())
        page = Page(job.id, self._records.encode_request(request), None, failure, job.answer, job.attempts)
        self._deliver(job, page, 0)

    def _log_failed(self, request: Request, error: Exception, refused: bool) -> None:
        if refused:
            logger.debug("Ignored %s: %s", request, error)
            return
        crawler = self.crawler
        from raycrawl.failure import Failure
        from raycrawl.utils.log import logformatter_adapter

        kwargs = crawler.logformatter.download_error(
            Failure(error, request=request), request, crawler.spider, str(error)
        )
        if kwargs is not None:
            logger.log(*logformatter_adapter(kwargs), exc_info=error if not _is_expected(error) else None)

    def _deliver(self, job: _Job, page: Page, nbytes: int) -> None:
        self.deliverer.add(page, nbytes, to=job.asker or None)
        self._jobs.pop(job.id, None)

    def _end(self, job: _Job, outcome: Outcome) -> None:
        self._jobs.pop(job.id, None)
        if not job.answer:
            self.reporter.ended(job.id, outcome)

    # Slots.

    async def _for_someone(self, request: Request) -> Response:
        """``_in_slot`` for a download that a callback or a middleware waits for: finished also at the close."""
        return await self._in_slot(request, is_awaited=True)

    async def _in_slot(self, request: Request, is_awaited: bool = False) -> Response:
        """Waits for the request's turn in its slot and fetches it."""
        key = self._records.slot_key(request)
        request.meta.setdefault("download_slot", key)
        self._budget.spend(key, request)
        self._number = number = self._number + 1
        turn = self._turns[number] = asyncio.get_running_loop().create_future()
        if is_awaited:
            self._awaited.add(number)
        self._pool.enqueue(number, key, time.monotonic())
        self._pool_timer.schedule()
        try:
            await turn
            self._signal(signals.request_reached_downloader, request=request)
            started_s = time.monotonic()
            if self._pool.slots[key].delay > 0:
                on_sent.set(partial(self._sent, number))
            response = await self._handlers.download_request_async(request)
            request.meta.setdefault("download_latency", time.monotonic() - started_s)
            if self._throttle.is_enabled:
                self._throttle.answered(key, self._pool.slots[key], request, response)
            self._signal(signals.response_downloaded, request=request, response=response)
            return response
        finally:
            self._signal(signals.request_left_downloader, request=request)
            del self._turns[number]
            self._awaited.discard(number)
            self._pool.finished(number, time.monotonic())
            self._pool_timer.schedule()

    def _signal(self, signal: Any, **kwargs: Any) -> None:
        manager = self.crawler.signals
        if manager.has_listeners(signal):
            manager.send_catch_log(signal, spider=self.crawler.spider, **kwargs)

    def _sent(self, number: int) -> None:
        self._pool.sent(number, time.monotonic())
        self._pool_timer.schedule()

    def _run_pool(self) -> None:
        now_s = time.monotonic()
        for number in self._pool.start(now_s):
            turn = self._turns[number]
            if turn.done():
                self._pool.finished(number, now_s)
            else:
                turn.set_result(None)
        wake_s = self._pool.next_wake_s()
        if wake_s is not None:
            self._pool_timer.schedule(max(0.0005, wake_s - now_s))

    async def _clean_up(self) -> None:
        while True:
            await asyncio.sleep(SLOT_CLEAN_UP_S)
            self._pool.clean_up(time.monotonic() - SLOT_CLEAN_UP_S)

    # EngineLink

    def schedule(self, request: Request) -> None:
        """Puts a request into the frontier (a middleware that calls ``crawler.engine.crawl``)."""
        self._ordinal += 1
        job = _Job(b"%s:%d:%d" % (self.name.encode(), self.incarnation, self._ordinal))
        identity = self._records.request_id(request, self.crawler.request_fingerprinter, job.id, self._ordinal)
        if not self.outbox.is_known(identity, job):
            payload = self._records.encode_request(request)
            self.outbox.add(RequestRecord(identity, self._records.slot_key(request), request.priority, payload), job)

    def download(self, request: Request) -> Awaitable[Response]:
        """Fetches ``request`` here: what a middleware asks for (robots.txt) belongs to the domain of its request."""
        return self._download(request)

    async def _download(self, request: Request) -> Response:
        from raycrawl.http import Request as RequestClass

        result: Any = request
        while isinstance(result, RequestClass):
            request = result
            result = await self.middleware.download_async(self._for_someone, request)
        self._log_crawled(result.request if result.request is not None else request, result)
        return result  # type: ignore[no-any-return]

    def _set_delay(self, slot: str, delay_s: float, is_news: bool) -> None:
        notice = SlotNotice(slot, delay_s)
        self._change_slot(notice)
        if is_news:
            self.reporter.slot(notice)

    def slot_notice(self, slot: str, *, delay_s: float | None = None, hold_s: float | None = None) -> None:
        """A middleware learned how a slot wants to be served; the frontier is told as well."""
        notice = SlotNotice(slot, delay_s, None, hold_s)
        self._change_slot(notice)
        self.reporter.slot(notice)

    def _change_slot(self, notice: SlotNotice) -> None:
        self._pool.change(
            notice.slot,
            time.monotonic(),
            delay_s=notice.delay_s,
            concurrency=notice.concurrency,
            hold_s=notice.hold_s,
        )
        self._pool_timer.schedule()

    async def close_spider(self, reason: str) -> None:
        """The crawl is over: the signals of the end."""
        await self._announce_closing(reason)

    async def stop(self, deadline_s: float) -> None:
        """Finishes what is in flight (up to ``deadline_s`` seconds), closes the connections."""
        self._cleaner.cancel()
        self.deliverer.flush()
        await super().stop(deadline_s)
        await self._handlers.close()


def _path_of(component: Any) -> str:
    return f"{type(component).__module__}.{type(component).__qualname__}"


class _Returned(BaseException):
    """The request was given back before it started; no middleware's ``process_exception`` is concerned."""


def _is_expected(error: Exception) -> bool:
    """A failure of the network, not of code: its message says it all."""
    from raycrawl import exceptions

    return isinstance(error, OSError) or type(error).__module__ == exceptions.__name__
