"""A crawl without faults through the real actors, in one process, with the heartbeat off."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from raycrawl import Request, Spider, signals
from raycrawl.exceptions import CloseSpider, DontCloseSpider, DownloadFailedError
from tests.actors.local import ROOT, SITES, FakeSite, Run, linked


class Everything(Spider):
    """Follows every link, one item a page."""

    name = "everything"
    start_urls = [f"{ROOT}p/0"]

    def parse(self, response: Any) -> Any:
        yield {"url": response.url, "title": response.css("title::text").get()}
        yield from response.follow_all(css="a", callback=self.parse)


async def test_whole_site_is_crawled_and_each_page_fetched_once(tmp_path: Path) -> None:
    run = await Run(Everything, linked(60), tmp_path).finish()
    run.assert_whole(60)
    assert set(run.site.hits.values()) == {1}
    assert run.stats["item_scraped_count"] == run.stats["response_received_count"] == 60
    assert run.stats["frontier/done"] == run.stats["frontier/enqueued"]


class Kinds(Spider):
    """Every kind of callback."""

    name = "kinds"

    async def start(self) -> Any:
        for kind in ("generator", "plain", "coroutine", "agen", "nothing"):
            yield Request(f"{ROOT}{kind}", getattr(self, f"parse_{kind}"), cb_kwargs={"extra": kind}, meta={"m": 1})

    def item(self, response: Any, extra: str) -> dict[str, Any]:
        return {"url": response.url, "extra": extra, "m": response.meta["m"]}

    def parse_generator(self, response: Any, extra: str) -> Any:
        yield self.item(response, extra)
        yield Request(f"{ROOT}child", self.child)

    def parse_plain(self, response: Any, extra: str) -> Any:
        return [self.item(response, extra)]

    async def parse_coroutine(self, response: Any, extra: str) -> Any:
        await asyncio.sleep(0)
        return [self.item(response, extra)]

    async def parse_agen(self, response: Any, extra: str) -> Any:
        yield self.item(response, extra)
        await asyncio.sleep(0)
        yield Request(f"{ROOT}agen-child", self.child)

    def parse_nothing(self, response: Any, extra: str) -> None:
        return None

    def child(self, response: Any) -> Any:
        yield {"url": response.url}


def plain_site() -> FakeSite:
    return FakeSite(lambda path: b"<html></html>")


async def test_every_kind_of_callback_with_its_arguments(tmp_path: Path) -> None:
    run = await Run(Kinds, plain_site(), tmp_path).finish()
    items = {item["url"].removeprefix(ROOT): item for item in run.items()}
    assert sorted(items) == ["agen", "agen-child", "child", "coroutine", "generator", "plain"]
    for kind in ("agen", "coroutine", "generator", "plain"):
        assert (items[kind]["extra"], items[kind]["m"]) == (kind, 1)


class Raising(Spider):
    name = "raising"
    start_urls = [f"{ROOT}{number}" for number in range(6)]

    def parse(self, response: Any) -> Any:
        yield {"url": response.url}
        if response.url.endswith("3"):
            raise ZeroDivisionError("three")
        yield Request(f"{response.url}-child", self.child)

    def child(self, response: Any) -> None:
        raise LookupError("always")


async def test_exception_in_a_callback_costs_its_page_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = await Run(Raising, plain_site(), tmp_path).finish()
    assert len(run.items()) == 6
    assert run.stats["spider_exceptions/ZeroDivisionError"] == 1
    assert run.stats["spider_exceptions/LookupError"] == 5
    assert run.stats["spider_exceptions/count"] == run.stats["frontier/failed"] == 6
    assert run.stats["audit"] == ""
    assert "Spider error processing <GET http://site.test/3>" in caplog.text
    assert "ZeroDivisionError: three" in caplog.text


class Errbacks(Spider):
    name = "errbacks"

    async def start(self) -> Any:
        yield Request(f"{ROOT}broken/1", self.parse, errback=self.failed, cb_kwargs={"who": "me"})
        yield Request(f"{ROOT}status/404", self.parse, errback=self.failed, cb_kwargs={"who": "you"})
        yield Request(f"{ROOT}broken/2", self.parse, cb_kwargs={"who": "none"})

    def parse(self, response: Any, who: str) -> Any:
        yield {"reached": who}

    def failed(self, failure: Any) -> Any:
        yield {"error": type(failure.value).__name__, "who": failure.request.cb_kwargs["who"]}
        yield Request(f"{ROOT}after-{failure.request.cb_kwargs['who']}", self.parse, cb_kwargs={"who": "child"})


async def test_errbacks_get_failures_and_may_go_on(tmp_path: Path) -> None:
    run = await Run(Errbacks, plain_site(), tmp_path).finish()
    errors = sorted((item["error"], item["who"]) for item in run.items() if "error" in item)
    assert errors == [("DownloadFailedError", "me"), ("HttpError", "you")]
    assert [item for item in run.items() if "reached" in item] == [{"reached": "child"}] * 2
    assert run.stats["frontier/failed"] == 1
    assert run.stats["audit"] == ""


class Ordered(Spider):
    """One request at a time, by priority; in a priority the newest first."""

    name = "ordered"
    start_urls = [f"{ROOT}first"]

    def parse(self, response: Any) -> Any:
        if response.url.endswith("first"):
            for number, priority in enumerate((0, 10, -5, 10)):
                yield Request(f"{ROOT}{number}", priority=priority)
            yield Request(f"{ROOT}again", dont_filter=True)
            yield Request(f"{ROOT}again", dont_filter=True)
            yield Request(f"{ROOT}0")


async def test_priorities_and_dont_filter(tmp_path: Path) -> None:
    run = await Run(Ordered, plain_site(), tmp_path, concurrency=1).finish()
    order = run.site.order
    assert sorted(order) == ["0", "1", "2", "3", "again", "again", "first"]
    assert set(order[1:3]) == {"1", "3"}
    assert order[-1] == "2"
    assert run.stats["dupefilter/filtered"] == 1


class Idle(Spider):
    """Adds pages from spider_idle until there are four, then closes with a reason of its own."""

    name = "idle"
    start_urls = [f"{ROOT}0"]

    @classmethod
    def from_crawler(cls, crawler: Any, *args: Any, **kwargs: Any) -> Any:
        spider = super().from_crawler(crawler, *args, **kwargs)
        crawler.signals.connect(spider.more, signals.spider_idle)
        return spider

    def more(self) -> None:
        hits = SITES[self.settings["TEST_SITE"]].hits
        if len(hits) < 4:
            self.crawler.engine.crawl(Request(f"{ROOT}{len(hits)}"))
            raise DontCloseSpider
        raise CloseSpider("enough")

    def parse(self, response: Any) -> Any:
        yield {"url": response.url}


async def test_idle_handlers_add_requests_and_close_with_a_reason(tmp_path: Path) -> None:
    run = Run(Idle, plain_site(), tmp_path, scrapers=1)

    def hurry(path: str) -> None:
        run.engine.core.config = dataclasses.replace(run.engine.core.config, idle_retry_s=0.01)

    run.site.on_hit = hurry
    await run.finish()
    assert sorted(run.site.hits) == ["0", "1", "2", "3"]
    assert len(run.items()) == 4
    assert run.stats["finish_reason"] == "enough"


class Closing(Spider):
    """Closes itself at the second page; the others wait in a slot with a long delay."""

    name = "closing"
    start_urls = [f"{ROOT}{number}" for number in range(20)]
    custom_settings = {"DOWNLOAD_SLOTS": {"slow": {"concurrency": 1, "delay": 30.0, "randomize_delay": False}}}

    async def start(self) -> Any:
        for number in range(20):
            yield Request(f"{ROOT}{number}", meta={"download_slot": "slow"})
        yield Request(f"{ROOT}last-straw", meta={"download_slot": "other"})

    def parse(self, response: Any) -> Any:
        yield {"url": response.url}
        if "straw" in response.url:
            raise CloseSpider("enough of it")


async def test_requests_that_wait_in_a_slot_are_returned_at_the_close(tmp_path: Path) -> None:
    run = await Run(Closing, plain_site(), tmp_path).finish(5)
    assert run.stats["finish_reason"] == "enough of it"
    assert run.stats["audit"] == ""
    assert len(run.items()) == len(run.site.hits) == 2
    assert run.stats["frontier/pending"] == 19
    assert run.stats["frontier/done"] == 2


class Asking(Spider):
    """Fetches in a callback."""

    name = "asking"
    start_urls = [f"{ROOT}{number}" for number in range(3)]

    async def parse(self, response: Any) -> Any:
        answer = await self.crawler.engine.download_async(Request(response.url + "-more"))
        item = {"url": response.url, "more": answer.url, "status": answer.status}
        try:
            await self.crawler.engine.download_async(Request(f"{ROOT}broken/x"))
        except DownloadFailedError as error:
            item["error"] = str(error)
        yield item


async def test_download_async_in_a_callback(tmp_path: Path) -> None:
    run = await Run(Asking, plain_site(), tmp_path, downloaders=2).finish()
    assert sorted((item["url"], item["more"], item["status"], item["error"]) for item in run.items()) == [
        (f"{ROOT}{number}", f"{ROOT}{number}-more", 200, "the wire broke") for number in range(3)
    ]
    assert run.stats["frontier/enqueued"] == 3


class AskingWhileClosing(Spider):
    """Waits for a download in a delayed slot when the crawl is closed."""

    name = "asking-while-closing"
    custom_settings = {"DOWNLOAD_SLOTS": {"slow": {"concurrency": 1, "delay": 0.3, "randomize_delay": False}}}

    async def start(self) -> Any:
        yield Request(f"{ROOT}asker")

    async def parse(self, response: Any) -> Any:
        slow = {"download_slot": "slow"}
        asked = [
            asyncio.ensure_future(self.crawler.engine.download_async(Request(f"{ROOT}{n}", meta=slow)))
            for n in range(3)
        ]
        await asked[0]
        self.crawler.engine.close_spider(self, "closed meanwhile")
        yield {"answers": [(await answer).status for answer in asked]}


async def test_downloads_that_a_callback_waits_for_are_finished_at_the_close(tmp_path: Path) -> None:
    run = await Run(AskingWhileClosing, plain_site(), tmp_path).finish(5)
    assert run.items() == [{"answers": [200, 200, 200]}]
    assert run.stats["finish_reason"] == "closed meanwhile"


class Huge(Spider):
    """One callback gives 50,000 requests."""

    name = "huge"
    start_urls = [f"{ROOT}0"]
    n = 50_000

    def parse(self, response: Any) -> Any:
        for number in range(self.n):
            yield Request(f"{ROOT}n/{number}", self.never)
        yield {"given": self.n}

    def never(self, response: Any) -> None:
        raise CloseSpider("seen enough")


async def test_huge_callback_streams_its_requests_in_chunks(tmp_path: Path) -> None:
    run = Run(Huge, plain_site(), tmp_path, scrapers=1)
    task = asyncio.create_task(run.finish(30))
    most = 0
    while not task.done():
        if (scraper := run.host.actors.get("scraper:0")) is not None and hasattr(scraper.plain, "outbox"):
            most = max(most, len(scraper.plain.outbox))
        await asyncio.sleep(0)
    await task
    assert 0 < most <= 5200  # what is on its way is bounded
    assert run.stats["frontier/enqueued"] == Huge.n + 1
    assert run.items() == [{"given": Huge.n}]
    assert run.stats["audit"] == ""


class Starting(Spider):
    """start() with items, a wait, and an error at its end."""

    name = "starting"

    async def start(self) -> Any:
        yield {"from": "start"}
        yield Request(f"{ROOT}a")
        await asyncio.sleep(0.15)
        yield Request(f"{ROOT}b")
        raise RuntimeError("no more to start with")

    def parse(self, response: Any) -> Any:
        yield {"from": response.url}


async def test_start_with_items_waits_and_errors(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = await Run(Starting, plain_site(), tmp_path).finish()
    assert sorted(item["from"] for item in run.items()) == [f"{ROOT}a", f"{ROOT}b", "start"]
    assert run.site.times[1] - run.site.times[0] > 0.1  # the first did not wait for the second
    assert "no more to start with" in caplog.text
    assert run.stats["finish_reason"] == "finished"


class Waiting(Spider):
    """start() never ends by itself."""

    name = "waiting"

    async def start(self) -> Any:
        yield Request(f"{ROOT}a")
        await asyncio.Event().wait()
        yield Request(f"{ROOT}never")

    def parse(self, response: Any) -> Any:
        yield {"url": response.url}
        raise CloseSpider("done")


async def test_start_that_waits_for_ever_does_not_hold_up_the_close(tmp_path: Path) -> None:
    run = await Run(Waiting, plain_site(), tmp_path).finish(5)
    assert run.stats["finish_reason"] == "done"
    assert len(run.items()) == 1


async def test_pause_and_unpause(tmp_path: Path) -> None:
    run = Run(Everything, linked(40, latency_s=0.002), tmp_path)
    paused = asyncio.Event()

    async def on_hit(path: str) -> None:
        if run.site.hits.total() == 10:
            await run.engine.pause()
            paused.set()

    run.site.on_hit = on_hit
    task = asyncio.create_task(run.finish())
    await paused.wait()
    while len(run.engine.core.ledger):  # noqa: ASYNC110 - there is nothing to wait for but time
        await asyncio.sleep(0.01)
    seen = run.site.hits.total()
    assert seen < 40
    assert run.engine.status().backout == "paused"
    for _ in range(20):
        await asyncio.sleep(0)
    assert run.site.hits.total() == seen
    assert not task.done()
    await run.engine.unpause()
    await task
    run.assert_whole(40)
    assert run.stats["engine/backout_seconds/paused"] > 0


async def test_two_shards_three_downloaders(tmp_path: Path) -> None:
    run = await Run(Everything, linked(50), tmp_path, shards=2, downloaders=3, scrapers=3).finish()
    run.assert_whole(50)
    assert set(run.site.hits.values()) == {1}


class Broken(Spider):
    name = "broken"
    start_urls = [ROOT]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        raise RuntimeError("this spider does not want to live")


async def test_spider_that_cannot_be_made_is_said_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="this spider does not want to live"):
        await Run(Broken, plain_site(), tmp_path).finish()
