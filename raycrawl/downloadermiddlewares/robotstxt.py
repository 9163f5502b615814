"""Obeying robots.txt (``ROBOTSTXT_OBEY``), by RFC 9309.

One file per scheme, host and port, fetched once and kept for at most a day. What its fetch says:

* 2xx: its rules, of which the first 512 KiB are read;
* 4xx (429 apart), or too many redirects: there is none, everything is allowed;
* 429, 5xx, or no answer: everything is disallowed until a later try gives an answer (the RFC leaves 429 open; it is
  treated as "not now"). With ``ROBOTSTXT_RFC9309 = False`` these allow everything, as in Scrapy.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from raycrawl import signals
from raycrawl.exceptions import IgnoreRequest, NotConfigured
from raycrawl.http import Request
from raycrawl.http.request import NO_CALLBACK
from raycrawl.transport.addresses import PRIVATE_OK
from raycrawl.transport.http11 import TRUNCATE_NBYTES
from raycrawl.urls import hostname_of, parse_url
from raycrawl.utils.misc import load_object
from raycrawl.utils.python import global_object_name

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Response
    from raycrawl.robotstxt import RobotParser

logger = logging.getLogger(__name__)

MAX_AGE_S = 24 * 3600.0  # RFC 9309 section 2.4
MAX_NBYTES = 512 * 1024  # section 2.5: at least 500 KiB
MAX_REDIRECTS = 5  # section 2.3.1.2
# How long "unreachable" stands before the next request tries again (section 2.3.1.4 leaves it to the crawler).
RETRY_UNREACHABLE_S = 60.0
_MAX_SITES = 20_000
_MAX_NBYTES_KEPT = 64 * 1024 * 1024
_MAX_NBYTES_DUMPED = 2 * 1024 * 1024
# Requests of the site wait for it.
FETCH_PRIORITY = 1000


class _Entry(NamedTuple):
    """What is known of a site: its robots.txt, or (None) that everything is allowed or not."""

    body: bytes | None
    is_allowed: bool
    expires_s: float


class _Parsers:
    """The parsers of the sites that were asked about last.

    A parser takes fifty times the memory of its file, so files are kept for all sites and parsers for some: those whose
    files together are at most ``max_nbytes``, and always the last one.
    """

    def __init__(self, make: Callable[[bytes], RobotParser], max_nbytes: int = 4 * 1024 * 1024) -> None:
        self._make = make
        self._max_nbytes = max_nbytes
        self._parsers: OrderedDict[str, tuple[bytes, RobotParser]] = OrderedDict()
        self._nbytes = 0

    def get(self, site: str, body: bytes) -> RobotParser:
        known = self._parsers.get(site)
        if known is not None and known[0] is body:
            self._parsers.move_to_end(site)
            return known[1]
        if known is not None:
            self._nbytes -= len(known[0])
        parser = self._make(body)
        self._parsers[site] = (body, parser)
        self._parsers.move_to_end(site)
        self._nbytes += len(body)
        while self._nbytes > self._max_nbytes and len(self._parsers) > 1:
            self._nbytes -= len(self._parsers.popitem(last=False)[1][0])
        return parser


class RobotsTxtMiddleware:
    """Drops requests that robots.txt forbids, with IgnoreRequest. ``meta["dont_obey_robotstxt"]`` exempts one."""

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        if not settings.getbool("ROBOTSTXT_OBEY"):
            raise NotConfigured
        self.crawler = crawler
        self._crawl_agent: str = settings.get("USER_AGENT") or "raycrawl"
        self._agent: str | None = settings.get("ROBOTSTXT_USER_AGENT")
        self._parser_class: type[RobotParser] = load_object(settings.get("ROBOTSTXT_PARSER"))
        self._is_strict = settings.getbool("ROBOTSTXT_RFC9309", True)
        self._obeys_delay = settings.getbool("ROBOTSTXT_CRAWL_DELAY", True)
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._entries_nbytes = 0
        self._is_changed = False
        self._fetching: dict[str, asyncio.Future[_Entry]] = {}
        self._parsers = _Parsers(lambda body: self._parser_class.from_crawler(self.crawler, body))
        self._parser_class.from_crawler(crawler, b"")  # a parser that is not installed fails now, not at the first page

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    async def process_request(self, request: Request) -> Request | Response | None:
        if request.meta.get("dont_obey_robotstxt"):
            return None
        if not request.url.startswith(("http:", "https:")):
            return None
        parsed = parse_url(request.url)
        site = f"{parsed.protocol}//{parsed.host}"
        entry = self._entries.get(site)
        if entry is None or entry.expires_s <= time.monotonic():
            entry = await self._fetched(site, request, entry)
        self._check(site, entry, request)
        return None

    def _check(self, site: str, entry: _Entry, request: Request) -> None:
        if entry.body is None:
            allowed = entry.is_allowed
        else:
            allowed = self._parsers.get(site, entry.body).allowed(request.url, self._user_agent(request))
        if allowed:
            return
        logger.debug(
            "Forbidden by robots.txt: %(request)s", {"request": request}, extra={"spider": self.crawler.spider}
        )
        self._count("robotstxt/forbidden")
        raise IgnoreRequest("Forbidden by robots.txt")

    def _user_agent(self, request: Request) -> str | bytes:
        if self._agent:
            return self._agent
        return request.headers.get(b"User-Agent", self._crawl_agent) or self._crawl_agent

    def _count(self, key: str) -> None:
        if self.crawler.stats is not None:
            self.crawler.stats.inc_value(key)

    # fetching

    async def _fetched(self, site: str, request: Request, stale: _Entry | None) -> _Entry:
        fetching = self._fetching.get(site)
        if fetching is None:
            fetching = asyncio.ensure_future(self._refresh(site, request, stale))
            self._fetching[site] = fetching
            fetching.add_done_callback(lambda _done: self._fetching.pop(site, None))
        # Shielded: a request that is cancelled must not take the answer from those that wait with it.
        return await asyncio.shield(fetching)

    async def _refresh(self, site: str, request: Request, stale: _Entry | None) -> _Entry:
        entry = await self._fetch(site, request)
        if entry.body is None and not entry.is_allowed and stale is not None and stale.body is not None:
            entry = stale._replace(expires_s=entry.expires_s)  # section 2.4: unreachable, so the old copy may serve
        self._keep(site, entry)
        self._tell_delay(site, request, entry)
        return entry

    def _keep(self, site: str, entry: _Entry) -> None:
        self._is_changed = True
        known = self._entries.pop(site, None)
        self._entries[site] = entry
        self._entries_nbytes += len(entry.body or b"") - len((known and known.body) or b"")
        while len(self._entries) > _MAX_SITES or (self._entries_nbytes > _MAX_NBYTES_KEPT and len(self._entries) > 1):
            self._entries_nbytes -= len(self._entries.popitem(last=False)[1].body or b"")

    def dump_state(self) -> dict[str, tuple[bytes, float]] | None:
        """The files of the sites asked last, with the wall-clock time until which they hold; None: no news.

        At most ``_MAX_NBYTES_DUMPED`` of them: what is left out is fetched again.
        """
        if not self._is_changed:
            return None
        self._is_changed = False
        to_wall_s, nbytes = time.time() - time.monotonic(), 0
        state: dict[str, tuple[bytes, float]] = {}
        for site, entry in reversed(self._entries.items()):
            nbytes += len(entry.body or b"") + len(site)
            if nbytes > _MAX_NBYTES_DUMPED:
                break
            if entry.body is not None:
                state[site] = (entry.body, entry.expires_s + to_wall_s)
        return state

    def load_state(self, state: dict[str, tuple[bytes, float]]) -> None:
        """Takes back what an earlier one had fetched, as far as it still holds."""
        now_s = time.time()
        for site, (body, until_s) in state.items():
            if site not in self._entries and until_s > now_s:
                self._keep(site, _Entry(body, True, time.monotonic() + min(until_s - now_s, MAX_AGE_S)))

    async def _fetch(self, site: str, request: Request) -> _Entry:
        meta = request.meta
        fetch_meta: dict[str, Any] = {
            "dont_obey_robotstxt": True,
            "allow_offsite": True,
            "redirect_ttl": MAX_REDIRECTS,
            TRUNCATE_NBYTES: MAX_NBYTES,
        }
        for key in (PRIVATE_OK, "is_start_request", "depth", "proxy", "download_slot", "bindaddress"):
            if key in meta:
                fetch_meta[key] = meta[key]
        robots_request = Request(
            f"{site}/robots.txt",
            priority=FETCH_PRIORITY,
            meta=fetch_meta,
            callback=NO_CALLBACK,
        )
        self._count("robotstxt/request_count")
        assert self.crawler.engine is not None
        try:
            response = await self.crawler.engine.download_async(robots_request)
        except IgnoreRequest as exc:
            # Redirected too often, or refused by a middleware: section 2.3.1.2 treats it as unavailable.
            return self._failed(robots_request, exc, is_allowed=True)
        except Exception as exc:
            return self._failed(robots_request, exc, is_allowed=not self._is_strict)
        self._count("robotstxt/response_count")
        self._count(f"robotstxt/response_status_count/{response.status}")
        return self._judge(site, robots_request, response)

    def _failed(self, request: Request, error: Exception, *, is_allowed: bool) -> _Entry:
        if not isinstance(error, IgnoreRequest):
            logger.error(
                "Error downloading %(request)s: %(error)s",
                {"request": request, "error": error},
                extra={"spider": self.crawler.spider},
            )
        self._count(f"robotstxt/exception_count/{global_object_name(type(error))}")
        age_s = MAX_AGE_S if isinstance(error, IgnoreRequest) else RETRY_UNREACHABLE_S
        return _Entry(None, is_allowed, time.monotonic() + age_s)

    def _judge(self, site: str, request: Request, response: Response) -> _Entry:
        now_s = time.monotonic()
        status = response.status
        if self._is_strict and (status >= 500 or status == 429):
            logger.warning("%s/robots.txt answers with status %d: nothing there is fetched for now", site, status)
            return _Entry(None, False, now_s + RETRY_UNREACHABLE_S)
        body = response.body[:MAX_NBYTES] if 200 <= status < 300 or not self._is_strict else b""
        parser = self._parsers.get(site, body)
        self.crawler.signals.send_catch_log(
            signal=signals.robots_parsed, robotparser=parser, request=request, response=response,
            spider=self.crawler.spider,
        )  # fmt: skip
        return _Entry(body, True, now_s + MAX_AGE_S)

    def _tell_delay(self, site: str, request: Request, entry: _Entry) -> None:
        if not self._obeys_delay or entry.body is None:
            return
        delay_s = _delay_s(self._parsers.get(site, entry.body), self._user_agent(request))
        set_delay: Any = getattr(self.crawler.engine, "set_slot_delay", None)
        if delay_s and set_delay is not None:
            set_delay(request.meta.get("download_slot") or hostname_of(request.url), delay_s)


def _delay_s(parser: RobotParser, user_agent: str | bytes) -> float:
    """The greater of ``Crawl-delay`` and the pause that ``Request-rate`` implies; 0 when neither is given."""
    delays = [parser.crawl_delay(user_agent) or 0.0]
    request_rate = getattr(getattr(parser, "rp", None), "request_rate", None)
    if request_rate is not None:
        text = user_agent.decode("utf-8", "replace") if isinstance(user_agent, bytes) else user_agent
        rate = request_rate(text)
        if rate is not None and rate.requests:
            delays.append(rate.seconds / rate.requests)
    return max(delays)
