"""Callbacks that do not come back or that raise what no callback should: each costs its page, and nobody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from raycrawl import Request, Spider
from raycrawl.actors.guard import CallbackInterrupt, Guard, stepwise
from raycrawl.actors.pagework import PageWork
from tests.actors.local import ROOT, FakeSite, Run

PAGES = 20


def site_of(pages: int = PAGES) -> FakeSite:
    return FakeSite(lambda path: f"<html><title>{path}</title></html>".encode())


class Numbers(Spider):
    """Pages p/0 ...; p/7 is trouble, in the way that ``trouble`` says."""

    name = "numbers"

    async def start(self) -> AsyncIterator[Any]:
        for number in range(PAGES):
            callback = self.trouble if number == 7 else self.parse
            yield Request(f"{ROOT}p/{number}", callback=callback, errback=self.sorry)

    def parse(self, response: Any) -> Any:
        yield {"url": response.url}

    def trouble(self, response: Any) -> Any:
        raise SystemExit(3)

    def sorry(self, failure: Any) -> Any:
        yield {"sorry": failure.request.url, "type": failure.type.__name__}


def assert_others_are_whole(run: Run, *, sorry: str = "") -> None:
    items = run.items()
    urls = [item["url"] for item in items if "url" in item]
    assert sorted(urls) == sorted(f"{ROOT}p/{number}" for number in range(PAGES) if number != 7)
    assert run.stats["audit"] == ""
    assert run.stats["finish_reason"] == "finished"
    assert [item["type"] for item in items if "sorry" in item] == ([sorry] if sorry else [])
    assert not any(key.startswith("engine/actors_replaced/") for key in run.stats)


class Loops(Numbers):
    def trouble(self, response: Any) -> Any:
        while True:
            try:
                sum(range(100))
            except Exception:
                continue


class LoopsInGenerator(Loops):
    def trouble(self, response: Any) -> Any:
        yield {"before": 1}
        yield from super().trouble(response)


class LoopsInErrback(Loops):
    def sorry(self, failure: Any) -> Any:
        while True:
            pass


class AsyncLoops(Numbers):
    async def trouble(self, response: Any) -> Any:
        await asyncio.sleep(0)
        while True:
            pass


class AsyncHangs(Numbers):
    async def trouble(self, response: Any) -> Any:
        await asyncio.get_running_loop().create_future()


class AsyncGeneratorHangs(Numbers):
    async def trouble(self, response: Any) -> Any:
        yield {"before": 1}
        await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("spider", [Loops, LoopsInGenerator, AsyncLoops, AsyncHangs, AsyncGeneratorHangs])
async def test_callback_that_does_not_come_back_costs_its_page(
    spider: type[Spider], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = await Run(spider, site_of(), tmp_path, settings={"SCRAPER_TIMEOUT": 0.5}).finish()
    assert_others_are_whole(run, sorry="CallbackTimeoutError")
    assert run.stats["scraper/timeout"] == 1
    said = [record.getMessage() for record in caplog.records if "SCRAPER_TIMEOUT" in record.getMessage()]
    assert len(said) == 1
    assert f"{ROOT}p/7" in said[0]
    assert "trouble()" in said[0]
    assert run.site.hits["p/7"] == 1
    if "Generator" in spider.__name__:
        assert [item for item in run.items() if "before" in item] == [{"before": 1}]


async def test_errback_that_does_not_come_back_either_is_left(tmp_path: Path) -> None:
    run = await Run(LoopsInErrback, site_of(), tmp_path, settings={"SCRAPER_TIMEOUT": 0.4}).finish()
    assert_others_are_whole(run)
    assert run.stats["scraper/timeout"] == 2
    assert run.stats["frontier/failed"] == 1


class WaitsForDownload(Numbers):
    """Its download takes longer than a callback may, and is no hang."""

    async def trouble(self, response: Any) -> Any:
        answer = await self.crawler.engine.download_async(Request(f"{ROOT}slow", dont_filter=True))
        yield {"got": answer.url}


async def test_waiting_for_a_download_is_no_hang(tmp_path: Path) -> None:
    site = site_of()

    def on_hit(path: str) -> Any:
        return asyncio.sleep(1.5) if path == "slow" else None

    site.on_hit = on_hit
    run = await Run(WaitsForDownload, site, tmp_path, settings={"SCRAPER_TIMEOUT": 0.3}).finish()
    assert [item for item in run.items() if "got" in item] == [{"got": f"{ROOT}slow"}]
    assert "scraper/timeout" not in run.stats


ENDINGS = (SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), MemoryError())


class Raises(Spider):
    """Each of the first pages raises another exception that ends programs, or tasks."""

    name = "raises"

    async def start(self) -> AsyncIterator[Any]:
        for number in range(PAGES):
            callback = self.trouble if number < len(ENDINGS) else self.parse
            yield Request(f"{ROOT}p/{number}", callback=callback, cb_kwargs={"number": number})

    def parse(self, response: Any, number: int) -> Any:
        yield {"number": number}

    def trouble(self, response: Any, number: int) -> Any:
        raise ENDINGS[number]


class RaisesInGenerator(Raises):
    def trouble(self, response: Any, number: int) -> Any:
        yield {"number": number}
        raise ENDINGS[number]


class RaisesInCoroutine(Raises):
    async def trouble(self, response: Any, number: int) -> Any:
        await asyncio.sleep(0)
        raise ENDINGS[number]


@pytest.mark.parametrize("spider", [Raises, RaisesInGenerator, RaisesInCoroutine])
async def test_exceptions_that_end_programs_cost_their_page(spider: type[Raises], tmp_path: Path) -> None:
    run = await Run(spider, site_of(), tmp_path).finish()
    first = 0 if spider is RaisesInGenerator else len(ENDINGS)
    assert sorted(item["number"] for item in run.items()) == list(range(first, PAGES))
    assert run.stats["audit"] == ""
    assert run.stats["finish_reason"] == "finished"
    assert run.stats["frontier/failed"] == run.stats["spider_exceptions/count"] == len(ENDINGS)
    for error in ENDINGS:
        assert run.stats[f"spider_exceptions/{type(error).__name__}"] == 1


class ExitingStart(Numbers):
    async def start(self) -> AsyncIterator[Any]:
        async for request in super().start():
            yield request
        raise SystemExit(3)


class LoopingStart(ExitingStart):
    async def start(self) -> AsyncIterator[Any]:
        async for request in Numbers.start(self):
            yield request
        while True:
            pass


@pytest.mark.parametrize("spider", [ExitingStart, LoopingStart])
async def test_start_that_ends_badly_keeps_what_it_gave(spider: type[Spider], tmp_path: Path) -> None:
    spider.trouble = spider.parse  # type: ignore[attr-defined]
    run = await Run(spider, site_of(), tmp_path, settings={"SCRAPER_TIMEOUT": 0.5}).finish()
    assert len(run.items()) == PAGES
    assert run.stats["finish_reason"] == "finished"


class ExitingPipeline:
    def process_item(self, item: Any) -> Any:
        if item["url"].endswith("/7"):
            raise SystemExit(1)
        if item["url"].endswith("/8"):
            while True:
                pass
        return item


async def test_pipeline_that_exits_or_loops_costs_its_item(tmp_path: Path) -> None:
    Numbers.trouble, before = Numbers.parse, Numbers.trouble  # type: ignore[method-assign]
    try:
        settings = {"ITEM_PIPELINES": {ExitingPipeline: 1}, "SCRAPER_TIMEOUT": 0.5}
        run = await Run(Numbers, site_of(), tmp_path, settings=settings).finish()
    finally:
        Numbers.trouble = before  # type: ignore[method-assign]
    assert len(run.items()) == PAGES - 2
    assert run.stats["audit"] == ""


class Drips(Numbers):
    """Gives an item every now and then: slow, but it goes on, and others have their turn in between."""

    def trouble(self, response: Any) -> Any:
        for number in range(8):
            time.sleep(0.15)
            yield {"drop": number}


async def test_callback_that_goes_on_may_take_its_time(tmp_path: Path) -> None:
    run = await Run(Drips, site_of(), tmp_path, settings={"SCRAPER_TIMEOUT": 0.6}).finish()
    assert_others_are_whole(run)
    assert len([item for item in run.items() if "drop" in item]) == 8
    assert "scraper/timeout" not in run.stats


# The guard itself.


async def test_interrupt_strikes_the_step_that_took_too_long_and_nothing_after_it() -> None:
    guard = Guard(0.05, owns_process=False)
    works = [PageWork(b"%016d" % number, lambda _: None) for number in range(30)]
    interrupted: list[bytes] = []

    async def run(work: PageWork, seconds: float) -> None:
        try:
            end_s = time.monotonic() + seconds
            while time.monotonic() < end_s:
                pass
            await asyncio.sleep(0)
        except CallbackInterrupt:
            interrupted.append(work.page_id)

    # Around the limit an interrupt and the end of the step come at the same time.
    for work in works:
        await stepwise(guard, work, run, work, 0.045 + 0.002 * int(work.page_id) / 3)
    await stepwise(guard, works[0], run, works[0], 5.0)
    assert interrupted[-1] == works[0].page_id
    guard.close()


async def test_step_gives_what_its_function_gives() -> None:
    guard = Guard(10, owns_process=False)
    work = PageWork(b"x" * 16, lambda _: None)

    async def function(value: int) -> int:
        await asyncio.sleep(0)
        try:
            await asyncio.wait_for(asyncio.get_running_loop().create_future(), 0.001)
        except TimeoutError:
            return value + 1
        return 0

    assert await stepwise(guard, work, function, 4) == 5
    guard.close()
