"""robots.txt: when it is fetched, what its absence means, and what it forbids."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raycrawl import signals
from raycrawl.core.downloader.handlers import DownloadHandlers
from raycrawl.core.downloader.middleware import DownloaderMiddlewareManager
from raycrawl.downloadermiddlewares import robotstxt
from raycrawl.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from raycrawl.exceptions import DownloadConnectionRefusedError, DownloadTimeoutError, IgnoreRequest, NotConfigured
from raycrawl.http import Request, Response
from raycrawl.robotstxt import ProtegoRobotParser
from raycrawl.utils.test import get_crawler
from tests.api.rawserver import Peer, serving

STATUS_CORPUS = json.loads((Path(__file__).parents[1] / "data" / "robots-rfc9309-status.json").read_text())
RULES = b"User-agent: *\nDisallow: /private\nCrawl-delay: 3\n\nUser-agent: special\nDisallow: /"


class Engine:
    """Answers downloads from a function; notes what it is asked."""

    def __init__(self, answer: Callable[[Request], Any]) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.delays: dict[str, float] = {}

    async def download_async(self, request: Request) -> Response:
        self.requests.append(request)
        await asyncio.sleep(0)
        result = self.answer(request)
        if isinstance(result, Exception):
            raise result
        assert isinstance(result, Response)
        return result

    def set_slot_delay(self, slot: str, delay_s: float) -> None:
        self.delays[slot] = delay_s


class Site:
    def __init__(self, answer: Any = RULES, **settings: Any) -> None:
        self.crawler = get_crawler(settings_dict={"ROBOTSTXT_OBEY": True, "USER_AGENT": "bot", **settings})
        self.answer = answer
        self.engine = self.crawler.engine = Engine(self._respond)
        self.middleware = RobotsTxtMiddleware.from_crawler(self.crawler)

    def _respond(self, request: Request) -> Any:
        answer = self.answer(request) if callable(self.answer) else self.answer
        if isinstance(answer, int):
            return Response(request.url, status=answer)
        return Response(request.url, body=answer) if isinstance(answer, bytes) else answer

    async def allows(self, url: str, **kwargs: Any) -> bool:
        try:
            assert await self.middleware.process_request(Request(url, **kwargs)) is None
        except IgnoreRequest:
            return False
        return True

    def stat(self, key: str) -> Any:
        return self.crawler.stats.get_value(f"robotstxt/{key}", 0)


async def test_rules_are_obeyed_and_fetched_once() -> None:
    site = Site()
    assert await site.allows("http://a.com/public")
    assert not await site.allows("http://a.com/private/x")
    assert [request.url for request in site.engine.requests] == ["http://a.com/robots.txt"]
    assert site.engine.requests[0].meta["dont_obey_robotstxt"] is True
    assert site.stat("request_count") == site.stat("response_count") == site.stat("forbidden") == 1
    assert site.stat("response_status_count/200") == 1


async def test_one_file_for_each_scheme_host_and_port() -> None:
    site = Site()
    for url in ("http://a.com/", "http://a.com:80/x", "https://a.com/", "http://a.com:81/", "http://www.a.com/"):
        await site.allows(url)
    assert [request.url for request in site.engine.requests] == [
        "http://a.com/robots.txt",
        "https://a.com/robots.txt",
        "http://a.com:81/robots.txt",
        "http://www.a.com/robots.txt",
    ]


async def test_concurrent_requests_share_one_fetch() -> None:
    site = Site()
    results = await asyncio.gather(*(site.allows(f"http://a.com/private/{i}") for i in range(10)))
    assert results == [False] * 10
    assert len(site.engine.requests) == 1


async def test_a_cancelled_request_does_not_cancel_the_fetch_of_others() -> None:
    site = Site()
    first = asyncio.ensure_future(site.allows("http://a.com/1"))
    second = asyncio.ensure_future(site.allows("http://a.com/private"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is False


async def test_exempt_requests() -> None:
    site = Site()
    assert await site.allows("http://a.com/private", meta={"dont_obey_robotstxt": True})
    assert await site.allows("data:text/plain,x")
    assert await site.allows("file:///private")
    assert site.engine.requests == []


async def test_user_agents() -> None:
    assert not await Site().allows("http://a.com/", headers={"User-Agent": "special/1.0"})
    assert await Site().allows("http://a.com/", headers={"User-Agent": "other"})
    assert not await Site(ROBOTSTXT_USER_AGENT="special").allows("http://a.com/", headers={"User-Agent": "other"})
    assert not await Site(USER_AGENT="special").allows("http://a.com/")


@pytest.mark.parametrize("case", [c for c in STATUS_CORPUS if "status" in c.get("server", "")], ids=lambda c: c["case"])
async def test_the_status_corpus(case: dict[str, Any]) -> None:
    status = case["server"]["status"]
    body = case["server"].get("body", "").encode()
    answers = iter(status if isinstance(status, list) else [status] * 9)
    site = Site(lambda request: Response(request.url, status=next(answers), body=body))
    allowed = await site.allows("http://a.com/a")
    expected = case["expect"]["/a"] if isinstance(case["expect"], dict) else None
    if case["case"] == "429":
        assert not allowed  # the safe choice: see the module's docstring
    elif isinstance(expected, bool):
        assert allowed is expected
    elif isinstance(expected, str):
        assert not allowed
        _expire(site)
        assert await site.allows("http://a.com/a")


def _expire(site: Site) -> None:
    entries = site.middleware._entries
    for key, entry in entries.items():
        entries[key] = entry._replace(expires_s=0.0)


@pytest.mark.parametrize(
    ("answer", "allowed"),
    [(404, True), (401, True), (403, True), (410, True), (429, False), (500, False), (503, False), (302, True)],
)
async def test_statuses(answer: int, allowed: bool) -> None:
    assert await Site(answer).allows("http://a.com/private") is allowed


@pytest.mark.parametrize("error", [DownloadConnectionRefusedError("x"), DownloadTimeoutError("x"), OSError("x")])
async def test_unreachable_is_forbidden_until_a_later_try(error: Exception) -> None:
    site = Site(error)
    assert not await site.allows("http://a.com/x")
    assert not await site.allows("http://a.com/x")
    assert len(site.engine.requests) == 1
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    assert site.stat(f"exception_count/{name}") == 1
    site.answer = RULES
    _expire(site)
    assert await site.allows("http://a.com/x")


async def test_laxer_as_in_scrapy() -> None:
    for answer in (500, 429, OSError("x")):
        assert await Site(answer, ROBOTSTXT_RFC9309=False).allows("http://a.com/private")


async def test_an_unreachable_site_keeps_its_old_rules() -> None:
    site = Site()
    assert await site.allows("http://a.com/x")
    site.answer = 503
    _expire(site)
    assert await site.allows("http://a.com/x")
    assert not await site.allows("http://a.com/private")


async def test_too_many_redirects_mean_that_there_is_none() -> None:
    site = Site(IgnoreRequest("max redirections reached"))
    assert await site.allows("http://a.com/private")
    assert site.engine.requests[0].meta["redirect_ttl"] == 5


async def test_a_copy_is_kept_for_a_day() -> None:
    assert robotstxt.MAX_AGE_S == 24 * 3600
    site = Site()
    await site.allows("http://a.com/x")
    _expire(site)
    await site.allows("http://a.com/x")
    assert len(site.engine.requests) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>Not found</body></html>",
        b"\xff\xfeU\0s\0e\0r\0",
        b"\0\0\0",
        b"User-agent: *\nDisallow: /caf\xe9",
        b"",
    ],
)
async def test_odd_files_do_no_harm(body: bytes) -> None:
    assert await Site(body).allows("http://a.com/x")


async def test_what_is_behind_512_kib_is_not_read() -> None:
    start = b"User-agent: *\nDisallow: /early\n"
    filler = b"#" + b"x" * 99 + b"\n"
    site = Site(start + filler * (600 * 1024 // 101) + b"Disallow: /late\n")
    assert not await site.allows("http://a.com/early")
    assert await site.allows("http://a.com/late")
    site = Site(start + filler * (490 * 1024 // 101) + b"Disallow: /late\n")
    assert not await site.allows("http://a.com/late")


async def test_signal_and_crawl_delay() -> None:
    site = Site()
    parsed: list[Any] = []
    site.crawler.signals.connect(lambda robotparser: parsed.append(robotparser), signals.robots_parsed, weak=False)
    await site.allows("http://a.com/x")
    assert isinstance(parsed[0], ProtegoRobotParser)
    assert site.engine.delays == {"a.com": 3.0}


@pytest.mark.parametrize(
    ("body", "meta", "settings", "expected"),
    [
        (b"User-agent: *\nRequest-rate: 1/5s", {}, {}, {"a.com": 5.0}),
        (b"User-agent: *\nRequest-rate: 10/5s\nCrawl-delay: 2", {}, {}, {"a.com": 2.0}),
        (b"User-agent: *\nCrawl-delay: 2", {"download_slot": "mine"}, {}, {"mine": 2.0}),
        (b"User-agent: *\nCrawl-delay: 2", {}, {"ROBOTSTXT_CRAWL_DELAY": False}, {}),
        (b"User-agent: *\nDisallow:", {}, {}, {}),
        (b"User-agent: other\nCrawl-delay: 2", {}, {}, {}),
    ],
)
async def test_delays(body: bytes, meta: Any, settings: Any, expected: Any) -> None:
    site = Site(body, **settings)
    await site.allows("http://a.com/x", meta=meta)
    assert site.engine.delays == expected


async def test_the_fetch_inherits_where_it_may_connect() -> None:
    site = Site()
    await site.allows("http://a.com/", meta={"_private_ok": False, "is_start_request": True, "depth": 2})
    meta = site.engine.requests[0].meta
    assert (meta["_private_ok"], meta["is_start_request"], meta["depth"]) == (False, True, 2)


def test_needs_its_setting() -> None:
    with pytest.raises(NotConfigured):
        RobotsTxtMiddleware.from_crawler(get_crawler(settings_dict={"ROBOTSTXT_OBEY": False}))


# with a real server


class RealEngine:
    """As a Downloader does it: through the middlewares, following what they return."""

    def __init__(self, crawler: Any) -> None:
        self.handlers = DownloadHandlers(crawler)
        self.crawler = crawler

    async def download_async(self, request: Request) -> Response:
        chain = DownloaderMiddlewareManager.from_crawler(self.crawler)
        for _ in range(50):
            result = await chain.download_async(self.handlers.download_request_async, request)
            if isinstance(result, Response):
                return result
            request = result
        raise AssertionError("endless")


async def allowed_by(script: Any, path: str) -> bool:
    crawler = get_crawler(settings_dict={"ROBOTSTXT_OBEY": True, "DOWNLOAD_TIMEOUT": 5, "RETRY_TIMES": 0})
    engine = crawler.engine = RealEngine(crawler)
    middleware = RobotsTxtMiddleware.from_crawler(crawler)
    async with serving(script) as server:
        try:
            await middleware.process_request(Request(server.url + path))
            return True
        except IgnoreRequest:
            return False
        finally:
            await engine.handlers.close()


@pytest.mark.parametrize(("hops", "expected"), [(5, False), (6, True)])
async def test_five_redirects_are_followed(hops: int, expected: bool) -> None:
    async def script(peer: Peer) -> None:
        while True:
            path = (await peer.request()).split(b" ")[1]
            number = int(path[1:]) if path != b"/robots.txt" else 0
            if number < hops:
                answer = b"HTTP/1.1 301 Moved\r\nLocation: /%d\r\nContent-Length: 0\r\n\r\n" % (number + 1)
            else:
                answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(RULES) + RULES
            await peer.send(answer)

    assert await allowed_by(script, "/private") is expected


async def test_an_endless_robots_txt_is_cut() -> None:
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nUser-agent: *\nDisallow: /private\n")
        while True:
            await peer.send(b"# comment\n" * 1000)
            sent += 10_000

    assert not await allowed_by(script, "/private")
    assert sent < 20_000_000


async def test_a_compressed_bomb_is_cut() -> None:
    import gzip

    bomb = gzip.compress(b"User-agent: *\nDisallow: /private\n" + b"#" * 50_000_000, 1)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb)

    assert not await allowed_by(script, "/private")


async def test_the_error_says_why() -> None:
    with pytest.raises(IgnoreRequest, match=r"Forbidden by robots\.txt"):
        await Site().middleware.process_request(Request("http://a.com/private"))


async def test_parsers_are_made_again_when_there_are_many() -> None:
    made: list[bytes] = []

    class Parser:
        def __init__(self, body: bytes) -> None:
            made.append(body)

    parsers = robotstxt._Parsers(Parser, max_nbytes=10)  # type: ignore[arg-type]
    bodies = {site: site.encode() * 4 for site in "abc"}
    for site in "aabbab":
        parsers.get(site, bodies[site])
    assert len(made) == 2
    parsers.get("c", bodies["c"])  # a, the oldest, has to go
    parsers.get("b", bodies["b"])
    assert len(made) == 3
    parsers.get("a", bodies["a"])
    assert len(made) == 4
    parsers.get("a", b"new")
    assert made[-1] == b"new"


async def test_files_of_many_sites_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robotstxt, "_MAX_NBYTES_KEPT", 3 * len(RULES))
    site = Site()
    for number in range(10):
        assert not await site.allows(f"http://site{number}.com/private")
    assert len(site.middleware._entries) == 3
    assert site.middleware._entries_nbytes == 3 * len(RULES)


async def test_what_was_fetched_is_kept_for_the_next_downloader() -> None:
    first, second = Site(), Site(answer=500)
    assert first.middleware.dump_state() is None
    await first.allows("http://a.com/public")
    state = first.middleware.dump_state()
    assert state is not None
    assert first.middleware.dump_state() is None  # no news
    second.middleware.load_state(state)
    assert await second.allows("http://a.com/public")
    assert not await second.allows("http://a.com/private/x")
    assert second.engine.requests == []
