"""Chains of components: how they are built and how their hooks are called."""

from __future__ import annotations

import asyncio
import logging
import warnings
from typing import Any

import pytest

from raycrawl.exceptions import NotConfigured, ScrapyDeprecationWarning
from raycrawl.middleware import MiddlewareManager, bind_hook, component_list, run_hooks, wants_spider
from raycrawl.spiders import Spider
from raycrawl.utils.test import get_crawler


class First:
    calls: list[str] = []

    def open_spider(self) -> None:
        self.calls.append("first opens")

    def close_spider(self) -> None:
        self.calls.append("first closes")

    def process(self, response: Any) -> None:
        self.calls.append("first")


class Second:
    def open_spider(self, spider: Any) -> None:
        First.calls.append(f"second opens {spider.name}")

    async def close_spider(self, spider: Any) -> None:
        await asyncio.sleep(0)
        First.calls.append(f"second closes {spider.name}")

    def process(self, response: Any) -> None:
        First.calls.append("second")


class Off:
    def __init__(self) -> None:
        raise NotConfigured("not today")


class SilentlyOff:
    @classmethod
    def from_crawler(cls, crawler: Any) -> SilentlyOff:
        raise NotConfigured


class Broken:
    def __init__(self) -> None:
        raise ZeroDivisionError


class WithSettings:
    @classmethod
    def from_crawler(cls, crawler: Any) -> WithSettings:
        made = cls()
        made.crawler = crawler
        return made

    crawler: Any = None


class Manager(MiddlewareManager):
    component_name = "test part"

    @classmethod
    def _get_mwlist_from_settings(cls, settings: Any) -> list[Any]:
        return component_list(settings, "PARTS")

    def _add_middleware(self, mw: Any) -> None:
        super()._add_middleware(mw)
        self._add_hook("open_spider", mw, 0)
        self._add_hook("process", mw, 1)
        self._add_hook("close_spider", mw, 0, first=True)


@pytest.fixture(autouse=True)
def no_calls() -> None:
    First.calls.clear()


def build(parts: dict[Any, Any], base: dict[Any, Any] | None = None) -> Manager:
    return Manager.from_crawler(get_crawler(settings_dict={"PARTS": parts, "PARTS_BASE": base or {}}))


@pytest.mark.filterwarnings("ignore::raycrawl.exceptions.ScrapyDeprecationWarning")
class TestBuilding:
    def test_order(self) -> None:
        manager = build({Second: 2, First: 1})
        assert [type(part) for part in manager.middlewares] == [First, Second]

    def test_paths_classes_and_none(self) -> None:
        manager = build({First: None, f"{__name__}.WithSettings": 3}, {f"{__name__}.First": 1, Second: 9})
        assert [type(part) for part in manager.middlewares] == [WithSettings, Second]

    def test_from_crawler_is_used(self) -> None:
        manager = build({WithSettings: 1})
        assert manager.middlewares[0].crawler is manager.crawler

    def test_not_configured_is_left_out(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        manager = build({Off: 1, SilentlyOff: 2, First: 3})
        assert [type(part) for part in manager.middlewares] == [First]
        warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(warned) == 1
        assert "Off" in warned[0]
        assert "not today" in warned[0]
        assert any("Enabled test parts" in record.getMessage() and "First" in record.getMessage()
                   for record in caplog.records)  # fmt: skip

    def test_other_errors_are_errors(self) -> None:
        with pytest.raises(ZeroDivisionError):
            build({Broken: 1})

    def test_unknown_path(self) -> None:
        with pytest.raises(ImportError):
            build({"no.such.Thing": 1})

    def test_base_class_has_no_list(self) -> None:
        with pytest.raises(NotImplementedError):
            MiddlewareManager.from_crawler(get_crawler())

    def test_base_class_has_no_hooks(self) -> None:
        assert MiddlewareManager(First(), Second()).methods == {}

    def test_by_hand(self) -> None:
        first, second = First(), Second()
        manager = Manager(first, second)
        assert manager.middlewares == (first, second)
        assert [hook.owner for hook in manager.methods["process"]] == [first, second]


@pytest.mark.filterwarnings("ignore::raycrawl.exceptions.ScrapyDeprecationWarning")
class TestOpenAndClose:
    async def test_in_order_and_in_reverse(self) -> None:
        manager = build({First: 1, Second: 2})
        await manager.open_spider()
        await manager.close_spider()
        assert First.calls == ["first opens", "second opens default", "second closes default", "first closes"]

    async def test_a_given_spider_goes_first(self) -> None:
        class Named(Spider):
            name = "given"

        manager = build({Second: 2})
        await manager.open_spider(Named())
        assert First.calls == ["second opens given"]


class Component:
    """One hook in every spelling."""

    def modern(self, request: Any) -> Any:
        return ("modern", request)

    def older(self, request: Any, spider: Any) -> Any:
        return ("older", request, spider)

    def both(self, request: Any, spider: Any = None) -> Any:
        return ("both", request, spider)

    def keyword(self, request: Any, *, spider: Any) -> Any:
        return ("keyword", request, spider)

    def unnamed(self, request: Any, whatever: Any) -> Any:
        return ("unnamed", request, whatever)

    def optional(self, request: Any, more: int = 5) -> Any:
        return ("optional", request, more)

    def everything(self, *args: Any, **kwargs: Any) -> Any:
        return ("everything", args, kwargs)

    async def coroutine(self, request: Any, spider: Any) -> Any:
        return ("coroutine", request, spider)

    async def generator(self, request: Any) -> Any:
        yield request


class TestHooks:
    @pytest.mark.parametrize(
        ("name", "wanted"),
        [
            ("modern", False),
            ("older", True),
            ("both", None),
            ("keyword", True),
            ("unnamed", True),
            ("optional", False),
            ("everything", False),
            ("coroutine", True),
        ],
    )
    def test_wants_spider(self, name: str, wanted: bool | None) -> None:
        assert wants_spider(getattr(Component(), name), 1) is wanted

    @pytest.mark.filterwarnings("ignore::raycrawl.exceptions.ScrapyDeprecationWarning")
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("modern", ("modern", 1)),
            ("older", ("older", 1, "S")),
            ("both", ("both", 1, "S")),
            ("keyword", ("keyword", 1, "S")),
            ("unnamed", ("unnamed", 1, "S")),
            ("optional", ("optional", 1, 5)),
            ("everything", ("everything", (1,), {})),
        ],
    )
    def test_call(self, name: str, expected: Any) -> None:
        hook = bind_hook(Component(), name, 1, lambda: "S")
        assert hook is not None
        assert hook.call(1) == expected
        assert not hook.is_async
        assert not hook.is_asyncgen

    @pytest.mark.filterwarnings("ignore::raycrawl.exceptions.ScrapyDeprecationWarning")
    async def test_async(self) -> None:
        hook = bind_hook(Component(), "coroutine", 1, lambda: "S")
        assert hook is not None
        assert hook.is_async
        assert await hook.call(1) == ("coroutine", 1, "S")
        generator = bind_hook(Component(), "generator", 1, lambda: "S")
        assert generator is not None
        assert generator.is_asyncgen
        assert [entry async for entry in generator.call(1)] == [1]

    def test_missing(self) -> None:
        assert bind_hook(Component(), "no_such_hook", 1, lambda: None) is None

    def test_older_spelling_warns_once_per_class(self) -> None:
        class Older:
            def process(self, request: Any, spider: Any) -> None:
                pass

            def other(self, request: Any, spider: Any) -> None:
                pass

        with pytest.warns(ScrapyDeprecationWarning, match=r"Older\.process\(\) takes a spider") as caught:
            bind_hook(Older(), "process", 1, lambda: None)
        assert len(caught) == 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            bind_hook(Older(), "process", 1, lambda: None)
            bind_hook(Older(), "other", 1, lambda: None)

    def test_the_spider_may_come_later(self) -> None:
        spiders: list[str] = []
        hook = bind_hook(Component(), "both", 1, lambda: spiders[-1])
        spiders.append("late")
        assert hook is not None
        assert hook.call(1) == ("both", 1, "late")

    async def test_run_hooks_waits_for_awaitables(self) -> None:
        class FutureMaker:
            def process(self) -> asyncio.Future[int]:
                future = asyncio.get_running_loop().create_future()
                future.set_result(5)
                return future

            def plain(self) -> int:
                return 6

        maker = FutureMaker()
        hooks = [bind_hook(maker, name, 0, lambda: None) for name in ("process", "plain")]
        assert await run_hooks([hook for hook in hooks if hook]) == [5, 6]
