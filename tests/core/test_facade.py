"""``crawler.engine`` as components see it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from raycrawl.core.engine import ExecutionEngine as FromEngine
from raycrawl.core.facade import EngineNotRunning, EngineStatus, ExecutionEngine
from raycrawl.http import Request


class Link:
    """Keeps what it is asked for."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []

    def schedule(self, request: Request) -> None:
        self.said.append(("schedule", request.url))

    async def download(self, request: Request) -> Any:
        self.said.append(("download", request.url))
        return "response"

    async def order(self, name: str, *args: Any) -> None:
        self.said.append((name, *args))

    def slot_notice(self, slot: str, *, delay_s: float | None = None, hold_s: float | None = None) -> None:
        self.said.append(("slot", slot, delay_s, hold_s))


def crawler() -> Any:
    return SimpleNamespace(settings={}, signals=None, logformatter=None, spider="the spider")


@pytest.mark.parametrize(
    ("status", "running", "paused", "backout", "reason"),
    [
        (EngineStatus(), False, False, True, None),
        (EngineStatus("running"), True, False, False, None),
        (EngineStatus("running", "sink_lag"), True, False, True, "sink_lag"),
        (EngineStatus("paused", "paused"), True, True, True, "paused"),
        (EngineStatus("closing", "closing"), True, False, True, "closing"),
        (EngineStatus("closed", "not_running"), False, False, True, "not_running"),
    ],
)
def test_questions_are_answered_from_the_last_status(
    status: EngineStatus, running: bool, paused: bool, backout: bool, reason: str | None
) -> None:
    engine = ExecutionEngine(crawler(), link=Link())
    engine.status = status
    assert engine.running is running
    assert engine.paused is paused
    assert engine.needs_backout() is backout
    assert engine.has_capacity() is not backout
    assert engine.backout_reason() == reason
    assert engine.open_spiders == (["the spider"] if running else [])


def test_idle_and_empty() -> None:
    engine = ExecutionEngine(crawler(), link=Link())
    engine.status = EngineStatus("running", "", True, True)
    assert engine.spider_is_idle()
    assert engine.scheduler_empty()


async def test_orders_go_to_the_link() -> None:
    link = Link()
    engine = ExecutionEngine(crawler(), link=link)
    request = Request("http://a.test/")
    engine.crawl(request)
    engine.schedule(request)
    assert await engine.download(request) == await engine.download_async(request) == "response"
    await engine.pause()
    await engine.unpause()
    await engine.close_spider(reason="enough")
    await engine.close_spider("a spider", "also enough")
    await engine.close_spider_async(reason="async")
    await engine.stop()
    await engine.stop_async()
    await engine.close()
    await engine.close_async(reason="bye")
    engine.set_slot_delay("a.test", 2.0)
    engine.pause_slot("a.test", 3.0)
    url = "http://a.test/"
    assert link.said == [
        ("schedule", url), ("schedule", url), ("download", url), ("download", url), ("pause",), ("unpause",),
        ("close", "enough"), ("close", "also enough"), ("close", "async"), ("close", "shutdown"), ("close", "shutdown"),
        ("close", "shutdown"), ("close", "bye"), ("slot", "a.test", 2.0, None), ("slot", "a.test", None, 3.0),
    ]  # fmt: skip


async def test_without_a_crawl_every_order_says_so() -> None:
    engine = ExecutionEngine(crawler())
    request = Request("http://a.test/")
    with pytest.raises(EngineNotRunning, match=r"cannot crawl <GET http://a\.test/>"):
        engine.crawl(request)
    with pytest.raises(EngineNotRunning, match="cannot download"):
        await engine.download_async(request)
    with pytest.raises(EngineNotRunning, match="cannot pause"):
        await engine.pause()
    with pytest.raises(EngineNotRunning, match=r"slot 'a\.test'"):
        engine.set_slot_delay("a.test", 1.0)


def test_scrapys_path() -> None:
    assert FromEngine is ExecutionEngine
