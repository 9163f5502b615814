"""Messages that are late, repeated and out of order, and actors that die: nothing is lost, no item comes twice."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from raycrawl import Request, Spider
from raycrawl.actors.engine import ExecutionEngine
from raycrawl.testing.localchannel import Faults
from tests.actors.local import ROOT, FakeSite, Run, linked
from tests.actors.test_crawl import Everything


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.ERROR)  # deaths are said aloud
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("seed", range(6))
async def test_late_repeated_and_reordered_messages_change_nothing(tmp_path: Path, seed: int) -> None:
    faults = Faults(rng=Random(seed), delay_s=0.01, repeat=0.2)
    run = Run(Everything, linked(60), tmp_path, faults=faults, shards=1 + seed % 3, downloaders=1 + seed % 2)
    await run.finish()
    run.assert_whole(60)
    assert set(run.site.hits.values()) == {1}


def kill_at(run: Run, names: tuple[str, ...], every: int) -> None:
    """Kills the named actors in turn, one each ``every`` hits of the site."""
    victims = list(names)

    def on_hit(path: str) -> None:
        if victims and not run.site.hits.total() % every:
            run.actor(victims.pop(0)).kill()

    run.site.on_hit = on_hit


@pytest.mark.parametrize(
    "victims",
    [
        ("downloader:0",),
        ("scraper:0",),
        ("scraper:1",),
        ("sink:0",),
        ("scheduler:0",),
        ("downloader:0", "scheduler:0", "downloader:0"),
        ("downloader:0",) * 5,
        ("scraper:0", "scraper:1", "scraper:0", "scraper:1"),
        ("scheduler:0", "sink:0", "scheduler:1", "downloader:1", "scraper:0"),
    ],
    ids=lambda victims: "+".join(name.replace(":", "") for name in victims),
)
async def test_killed_actors_cost_neither_pages_nor_items(tmp_path: Path, victims: tuple[str, ...]) -> None:
    site = linked(150, latency_s=0.005)
    several = len(set(victims)) > 2
    run = Run(
        Everything, site, tmp_path, settings={"HEARTBEAT_INTERVAL": 0.2},
        shards=1 + several, downloaders=1 + several,
    )  # fmt: skip
    kill_at(run, victims, 25)
    await run.finish()
    run.assert_whole(150)
    assert site.hits.total() <= 150 + 2 * run.boot.concurrency * len(victims)
    replaced = sum(value for key, value in run.stats.items() if key.startswith("engine/actors_replaced/"))
    assert replaced == len(victims)


@pytest.mark.parametrize("seed", range(4))
async def test_deaths_amid_late_and_repeated_messages(tmp_path: Path, seed: int) -> None:
    site = linked(100, latency_s=0.002)
    faults = Faults(rng=Random(seed), delay_s=0.01, repeat=0.1)
    run = Run(Everything, site, tmp_path, settings={"HEARTBEAT_INTERVAL": 0.3}, faults=faults, shards=2, downloaders=2)
    names = ["downloader:0", "downloader:1", "scraper:0", "scraper:1", "sink:0", "scheduler:0", "scheduler:1"]
    kill_at(run, tuple(Random(seed).sample(names, 4)), 20)
    await run.finish()
    run.assert_whole(100)


async def test_page_that_ends_its_scraper_is_given_up_and_costs_nobody_else(tmp_path: Path) -> None:
    site = linked(40)
    run = Run(Poisonous, site, tmp_path, scrapers=2)
    Poisonous.run = run
    await run.finish()
    assert run.stats["audit"] == ""
    assert run.stats["engine/poisoned"] == 1
    items = [item["url"] for item in run.items() if "url" in item]
    assert sorted(items) == sorted(f"http://site.test/p/{number}" for number in range(40) if number != 7)
    assert [item["given_up"] for item in run.items() if "given_up" in item] == ["http://site.test/p/7"]


class Poisonous(Everything):
    """Ends its own process at p/7."""

    name = "poisonous"
    run: Run

    def parse(self, response):  # type: ignore[no-untyped-def]
        if response.url.endswith("/p/7"):
            self.run.actor(f"scraper:{self.crawler.process_index}").kill()
            yield {"never": "seen"}
        yield {"url": response.url}
        yield from response.follow_all(css="a", callback=self.parse, errback=self.given_up)

    def given_up(self, failure):  # type: ignore[no-untyped-def]
        return [{"given_up": failure.request.url}]


def test_linked_site_reaches_every_page() -> None:
    site: FakeSite = linked(30)
    assert b'"/p/29"' in b"".join(site.page(f"p/{number}") for number in range(30))


class LongStart(Spider):
    """start() gives items and requests, some of them not to be filtered."""

    name = "long-start"

    async def start(self):  # type: ignore[no-untyped-def]
        for number in range(600):
            yield {"url": f"start/{number}"}
            yield Request(f"{ROOT}{number % 150}", dont_filter=number >= 150)

    def parse(self, response):  # type: ignore[no-untyped-def]
        yield {"url": response.url}


async def test_start_that_is_run_again_by_another_scraper_gives_nothing_twice(tmp_path: Path) -> None:
    site = FakeSite(lambda path: b"<html></html>", latency_s=0.001)
    run = Run(LongStart, site, tmp_path, settings={"HEARTBEAT_INTERVAL": 0.2})
    kill_at(run, ("scraper:0", "scraper:1"), 40)
    await run.finish()
    items = Counter(item["url"] for item in run.items())
    assert {url: count for url, count in items.items() if url.startswith("start/")} == {
        f"start/{number}": 1 for number in range(600)
    }
    pages = {url: count for url, count in items.items() if not url.startswith("start/")}
    assert pages == {f"{ROOT}{number}": 4 for number in range(150)}  # 1 filtered, 3 not
    assert run.stats["audit"] == ""


async def test_sink_that_dies_when_all_is_done_still_finishes_its_feed(tmp_path: Path) -> None:
    feed = tmp_path / "items.json"
    run = Run(Everything, linked(20), tmp_path, feeds={str(feed): {"format": "json", "overwrite": True}})
    finish = ExecutionEngine._finish

    async def after_a_death(self: ExecutionEngine, reason: str) -> None:
        run.actor("sink:0").kill()
        await finish(self, reason)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ExecutionEngine, "_finish", after_a_death)
        await run.finish()
    assert len(json.loads(feed.read_text("utf-8"))) == 20
    assert run.engine.record.failed_feeds == []
