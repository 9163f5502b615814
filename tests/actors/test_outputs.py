"""All that a callback may give, and what it may not."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from raycrawl import Field, Item, Request, Spider
from tests.actors.local import ROOT, FakeSite, Run


class One(Item):
    number = Field()


class Gives(Spider):
    """A callback for each kind of result; each leads to items that say which one it was."""

    name = "gives"

    async def start(self) -> AsyncIterator[Any]:
        for number, name in enumerate(RETURNED):
            yield Request(f"{ROOT}p/{number}", callback=self.returns, cb_kwargs={"name": name})
        yield Request(f"{ROOT}yields", callback=self.yields)
        yield Request(f"{ROOT}async", callback=self.yields_async)

    def returns(self, response: Any, name: str) -> Any:
        return RETURNED[name]

    def followed(self, response: Any) -> Any:
        return {"got": "followed"}

    def yields(self, response: Any) -> Any:
        yield None
        yield from WRONG
        yield {"got": "yielded"}

    async def yields_async(self, response: Any) -> Any:
        yield None
        for value in WRONG:
            yield value
        yield {"got": "yielded async"}


WRONG: list[Any] = ["text", 5, b"bytes", ["list"], ("tuple",), object(), True]
RETURNED: dict[str, Any] = {
    "none": None,
    "dict": {"got": "dict"},
    "item": One(number=1),
    "list": [{"got": "a"}, None, {"got": "b"}],
    "tuple": ({"got": "c"},),
    "text": "text",
    "number": 5,
}


async def test_results_are_taken_and_what_is_none_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = await Run(Gives, FakeSite(lambda path: b""), tmp_path).finish()
    items = sorted(str(item.get("got", item)) for item in run.items())
    assert items == ["a", "b", "c", "dict", "yielded", "yielded async", "{'number': 1}"]
    assert run.stats["audit"] == ""
    assert run.stats["frontier/failed"] == 0
    wrong = [*WRONG, *WRONG, "text", 5]
    said = [str(record.exc_info[1]) for record in caplog.records if record.exc_info and record.levelno == logging.ERROR]
    assert len(said) == run.stats["feedexport/items_dropped"] == len(wrong)
    for value in wrong:
        text = f"Spider must return request, item, or None, got {type(value).__name__!r} in <GET {ROOT}"
        assert any(line.startswith(text) for line in said), text
    assert run.stats["item_scraped_count"] == len(run.items())


class Forgetful:
    def process_item(self, item: Any) -> Any:
        return None


async def test_pipeline_that_returns_nothing_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = await Run(Single, FakeSite(lambda path: b""), tmp_path, settings={"ITEM_PIPELINES": {Forgetful: 1}}).finish()
    assert run.items() == []
    assert "An item pipeline must return an item, got 'NoneType'" in caplog.text
    assert run.stats["feedexport/items_dropped"] == 1


class Single(Spider):
    name = "single"
    start_urls = [f"{ROOT}p/0"]

    def parse(self, response: Any) -> Any:
        return {"a": 1}


class Many(Spider):
    """One page gives many requests and items, and notes how many wait at most."""

    name = "many"
    start_urls = [f"{ROOT}p/0"]
    count = 30_000
    most = 0

    def parse(self, response: Any) -> Any:
        scraper = RUNS[0].actor(f"scraper:{self.crawler.process_index}").plain
        for number in range(self.count):
            if number % 100 == 0:
                Many.most = max(Many.most, len(scraper.outbox))
            yield Request(f"http://other.test/{number}", callback=self.ignore)
            if number % 10 == 0:
                yield {"number": number}


    def ignore(self, response: Any) -> None:
        return None


RUNS: list[Run] = []


async def test_many_requests_of_one_page_stream_out(tmp_path: Path) -> None:
    run = Run(Many, FakeSite(lambda path: b""), tmp_path)
    RUNS[:] = [run]
    Many.most = 0

    def on_hit(path: str) -> None:
        if path != "p/0":  # nothing but the first page is of interest
            run.engine.tasks.spawn(run.engine.close("enough"))

    run.site.on_hit = on_hit
    await run.finish(60)
    assert 0 < Many.most <= 5000
    assert run.stats["frontier/enqueued"] == Many.count + 1
    assert sorted(item["number"] for item in run.items()) == list(range(0, Many.count, 10))
