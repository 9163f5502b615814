"""Item pipelines: order, hooks in every form, drops, and where single pipelines live."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from raycrawl.exceptions import DropItem, NotConfigured, ScrapyDeprecationWarning
from raycrawl.pipelines import ItemPipelineManager
from raycrawl.utils.test import get_crawler


class Base:
    name = "base"

    def process_item(self, item: Any) -> Any:
        item["by"] = [*item.get("by", []), self.name]
        return item


class Plain(Base):
    name = "plain"


class Asynchronous(Base):
    name = "async"

    async def process_item(self, item: Any) -> Any:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().process_item(item)


class WithSpider(Base):
    name = "spider"

    def process_item(self, item: Any, spider: Any = None) -> Any:
        assert spider.name == "default"
        return super().process_item(item)


class Dropping:
    def process_item(self, item: Any) -> Any:
        raise DropItem("not this one", log_level="DEBUG")


class Single(Base):
    name = "single"
    single = True


class Unconfigured:
    def __init__(self) -> None:
        raise NotConfigured("no database")


def manager(*classes: Any) -> ItemPipelineManager:
    settings = {"ITEM_PIPELINES": {one: order for order, one in enumerate(classes)}}
    return ItemPipelineManager.from_crawler(get_crawler(settings_dict=settings))


async def test_the_order_of_the_settings_and_hooks_in_every_form() -> None:
    chain = manager(Plain, Asynchronous, WithSpider)
    assert (await chain.process_item_async({}))["by"] == ["plain", "async", "spider"]
    assert (await chain.process_item({}))["by"] == ["plain", "async", "spider"]


async def test_without_a_coroutine_where_all_are_plain() -> None:
    chain = manager(Plain, WithSpider)
    assert chain.is_plain
    assert chain.process_item_now({})["by"] == ["plain", "spider"]
    assert not manager(Plain, Asynchronous).is_plain
    assert (await manager(Plain, Asynchronous, WithSpider).process_item_now({}))["by"] == ["plain", "async", "spider"]


async def test_a_dropped_item_stops_there() -> None:
    later = Plain()
    chain = ItemPipelineManager(Plain(), Dropping(), later, crawler=get_crawler())
    item: dict[str, Any] = {}
    with pytest.raises(DropItem, match="not this one") as caught:
        await chain.process_item_async(item)
    assert (item["by"], caught.value.log_level) == (["plain"], "DEBUG")


async def test_an_item_of_none_goes_on() -> None:
    class Forgetful:
        def process_item(self, item: Any) -> None:
            return None

    class Next:
        def process_item(self, item: Any) -> Any:
            return ("seen", item)

    assert await manager(Forgetful, Next).process_item_async({"a": 1}) == ("seen", None)


async def test_an_unconfigured_pipeline_is_left_out() -> None:
    assert [type(one) for one in manager(Unconfigured, Plain).middlewares] == [Plain]


async def test_no_pipelines() -> None:
    chain = manager()
    item = {"a": 1}
    assert await chain.process_item_async(item) is item
    assert chain.process_item_now(item) is item


async def test_open_and_close_in_every_form() -> None:
    calls: list[str] = []

    class First:
        def open_spider(self) -> None:
            calls.append("open first")

        async def close_spider(self) -> None:
            calls.append("close first")

        def process_item(self, item: Any) -> Any:
            return item

    class Second:
        async def open_spider(self, spider: Any) -> None:
            calls.append(f"open second {spider.name}")

        def close_spider(self, spider: Any) -> None:
            calls.append(f"close second {spider.name}")

    with pytest.warns(ScrapyDeprecationWarning, match="spider argument"):
        chain = manager(First, Second)
    await chain.open_spider_async()
    await chain.close_spider_async()
    assert calls == ["open first", "open second default", "close second default", "close first"]


async def test_a_failing_close_keeps_no_other_from_closing() -> None:
    closed: list[str] = []

    class Failing:
        def close_spider(self) -> None:
            raise OSError("disk full")

    class Closing:
        async def close_spider(self) -> None:
            closed.append("closed")

    with pytest.raises(OSError, match="disk full"):
        await manager(Closing, Failing).close_spider_async()
    assert closed == ["closed"]


def test_from_crawler_is_used() -> None:
    class WithCrawler(Base):
        crawler: Any = None

        @classmethod
        def from_crawler(cls, crawler: Any) -> Any:
            one = cls()
            one.crawler = crawler
            return one

    chain = manager(WithCrawler)
    assert chain.middlewares[0].crawler is chain.crawler


class TestSingle:
    def test_everything_from_the_first_single_one_on_lives_in_one_process(self) -> None:
        chain = manager(Plain, Single, Asynchronous)
        assert [type(one) for one in chain.local] == [Plain]
        assert [type(one) for one in chain.single] == [Single, Asynchronous]

    def test_without_a_single_one_all_are_local(self) -> None:
        chain = manager(Plain, Asynchronous)
        assert (len(chain.local), len(chain.single)) == (2, 0)

    async def test_the_two_parts_make_the_whole(self) -> None:
        settings = {"ITEM_PIPELINES": {Plain: 1, Single: 2, WithSpider: 3}}
        crawler = get_crawler(settings_dict=settings)
        assert ItemPipelineManager.split(crawler.settings) == ([Plain], [Single, WithSpider])
        first = ItemPipelineManager.local_from_crawler(crawler)
        second = ItemPipelineManager.single_from_crawler(crawler)
        item = await second.process_item_async(await first.process_item_async({}))
        assert item["by"] == ["plain", "single", "spider"]
        assert [type(one) for one in first.middlewares] == [Plain]
