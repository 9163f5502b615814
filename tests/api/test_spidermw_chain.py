"""The chain of spider middlewares: order, exceptions, plain and asynchronous code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pydantic
import pytest

from raycrawl.core.spidermw import SpiderMiddlewareManager
from raycrawl.exceptions import ScrapyDeprecationWarning, _InvalidOutput
from raycrawl.failure import Failure
from raycrawl.http import Request, Response
from raycrawl.item import Field, Item
from raycrawl.spidermiddlewares.base import BaseSpiderMiddleware
from raycrawl.spiders import Spider
from raycrawl.utils.test import get_crawler

REQUEST = Request("http://a.example/")


def response() -> Response:
    return Response(REQUEST.url, request=REQUEST)


def chain(*middlewares: Any) -> SpiderMiddlewareManager:
    return SpiderMiddlewareManager(*middlewares, crawler=get_crawler())


async def scraped(manager: SpiderMiddlewareManager, callback: Any) -> tuple[list[Any], bool]:
    """The whole output, and whether it was plain."""
    output = await manager.scrape_response_async(callback, response(), REQUEST)
    if hasattr(output, "__iter__"):
        return list(output), True
    return [one async for one in output], False


class Tag:
    """Adds its name to everything: shows the order."""

    def __init__(self, name: str) -> None:
        self.name = name

    def process_spider_output(self, response: Response, result: Any) -> Iterator[Any]:
        for one in result:
            yield f"{one}{self.name}"


class AsyncTag(Tag):
    async def process_spider_output(self, response: Response, result: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        async for one in result:
            yield f"{one}{self.name}"


class UniversalTag(Tag):
    async def process_spider_output_async(self, response: Response, result: Any) -> AsyncIterator[Any]:
        async for one in result:
            yield f"{one}{self.name}*"


class Recover:
    def __init__(self, name: str, only: type[Exception] = Exception) -> None:
        self.name = name
        self.only = only
        self.seen: list[Exception] = []

    def process_spider_exception(self, response: Response, exception: Exception) -> Any:
        self.seen.append(exception)
        return [self.name] if isinstance(exception, self.only) else None


class FusedTag(BaseSpiderMiddleware):
    """Works on items through the fused loop."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get_processed_item(self, item: Any, response: Response | None) -> Any:
        if item == f"drop{self.name}":
            return None
        if item == f"raise{self.name}":
            raise LookupError(self.name)
        return f"{item}{self.name}"


def plain(*values: Any) -> Any:
    def callback(response: Any, request: Request) -> Iterator[Any]:
        for value in values:
            if isinstance(value, Exception):
                raise value
            yield value

    return callback


def asynchronous(*values: Any) -> Any:
    async def callback(response: Any, request: Request) -> AsyncIterator[Any]:
        for value in values:
            await asyncio.sleep(0)
            if isinstance(value, Exception):
                raise value
            yield value

    return callback


@pytest.mark.parametrize("callback", [plain("x", "y"), asynchronous("x", "y")])
async def test_outputs_run_from_the_spider_outwards(callback: Any) -> None:
    assert (await scraped(chain(Tag("a"), Tag("b"), Tag("c")), callback))[0] == ["xcba", "ycba"]


async def test_a_plain_callback_and_plain_middlewares_give_a_plain_iterable() -> None:
    assert (await scraped(chain(Tag("a"), FusedTag("b")), plain("x")))[1] is True


@pytest.mark.parametrize("middlewares", [[AsyncTag("a")], [Tag("b"), AsyncTag("a")], [AsyncTag("a"), FusedTag("b")]])
async def test_an_asynchronous_middleware_makes_the_output_asynchronous(middlewares: list[Any]) -> None:
    output, is_plain = await scraped(chain(*middlewares), plain("x"))
    expected = "x" + "".join(one.name for one in reversed(middlewares))
    assert (output, is_plain) == ([expected], False)


async def test_universal_middlewares_are_plain_where_they_can_be() -> None:
    assert await scraped(chain(UniversalTag("a")), plain("x")) == (["xa"], True)
    assert await scraped(chain(UniversalTag("a")), asynchronous("x")) == (["xa*"], False)


async def test_input_hooks_run_from_the_engine_inwards_before_the_callback() -> None:
    calls: list[str] = []

    class Input:
        def __init__(self, name: str) -> None:
            self.name = name

        def process_spider_input(self, response: Response) -> None:
            calls.append(self.name)

    def callback(response: Any, request: Request) -> list[Any]:
        calls.append("callback")
        return []

    await scraped(chain(Input("a"), Input("b")), callback)
    assert calls == ["a", "b", "callback"]


async def test_hooks_with_the_older_spider_argument_get_the_spider() -> None:
    seen: list[Any] = []

    class Older:
        def process_spider_input(self, response: Response, spider: Spider) -> None:
            seen.append(spider)

        def process_spider_output(self, response: Response, result: Any, spider: Spider) -> Iterator[Any]:
            seen.append(spider)
            yield from result

        def process_spider_exception(self, response: Response, exception: Exception, spider: Spider) -> Any:
            seen.append(spider)
            return []

    with pytest.warns(ScrapyDeprecationWarning, match="spider argument"):
        manager = chain(Older())
    assert (await scraped(manager, plain("x")))[0] == ["x"]
    with pytest.raises(ValueError, match="boom"):  # nobody comes after the last middleware's own output
        await scraped(chain(Tag("a")), plain(ValueError("boom")))
    spider = manager.get_spider()
    assert seen == [spider, spider]


async def test_plain_output_can_be_read_as_an_asynchronous_one() -> None:
    manager = chain(Tag("a"), Recover("r"))
    for callback, expected in ((plain("x", "y"), ["xa", "ya"]), (plain("x", ValueError()), ["xa", "ra"])):
        output: Any = await manager.scrape_response_async(callback, response(), REQUEST)
        assert [one async for one in output] == expected


async def test_a_callback_that_gives_nothing() -> None:
    async def coroutine(response: Any, request: Request) -> list[str]:
        return ["x"]

    assert await scraped(chain(Tag("a")), lambda response, request: None) == ([], True)
    assert await scraped(chain(Tag("a")), coroutine) == (["xa"], True)


# -- exceptions


@pytest.mark.parametrize("make", [plain, asynchronous])
async def test_what_came_before_an_exception_is_kept_and_the_recovery_follows(make: Any) -> None:
    manager = chain(Tag("a"), Recover("r"), Tag("b"))
    output, _ = await scraped(manager, make("x", ValueError("boom"), "never"))
    assert output == ["xba", "ra"]  # the recovery goes on behind its middleware: no "b"


async def test_a_callback_that_raises_at_once() -> None:
    def callback(response: Any, request: Request) -> Any:
        raise ValueError("boom")

    assert (await scraped(chain(Tag("a"), Recover("r")), callback))[0] == ["ra"]
    with pytest.raises(ValueError, match="boom"):
        await scraped(chain(Tag("a")), callback)


@pytest.mark.parametrize("make", [plain, asynchronous])
async def test_the_first_willing_handler_wins_and_none_is_asked_twice(make: Any) -> None:
    unwilling, willing, outer = Recover("u", KeyError), Recover("w"), Recover("o")
    manager = chain(outer, Tag("a"), willing, Tag("b"), unwilling, Tag("c"))
    assert (await scraped(manager, make(ValueError("boom"))))[0] == ["wa"]
    assert [len(one.seen) for one in (unwilling, willing, outer)] == [1, 1, 0]


@pytest.mark.parametrize("make", [plain, asynchronous])
async def test_an_unhandled_exception_is_offered_once_to_each_and_raised(make: Any) -> None:
    handlers = [Recover("a", KeyError), Recover("b", KeyError)]
    manager = chain(handlers[0], Tag("1"), handlers[1], Tag("2"))
    with pytest.raises(ValueError, match="boom"):
        await scraped(manager, make("x", ValueError("boom")))
    assert [len(one.seen) for one in handlers] == [1, 1]


@pytest.mark.parametrize("callback", [plain("x", "y"), asynchronous("x", "y")])
async def test_an_output_method_that_raises_is_handled_by_those_behind_it(callback: Any) -> None:
    class Failing:
        def process_spider_output(self, response: Response, result: Any) -> Iterator[Any]:
            for one in result:
                yield one
                raise ValueError("boom")

    inner, outer = Recover("i"), Recover("o")
    assert (await scraped(chain(outer, Failing(), inner), callback))[0] == ["x", "o"]
    assert (len(inner.seen), len(outer.seen)) == (0, 1)


async def test_an_output_method_that_raises_when_called() -> None:
    class Failing:
        def process_spider_output(self, response: Response, result: Any) -> list[Any]:
            raise ValueError("boom")

    assert (await scraped(chain(Tag("a"), Recover("o"), Failing()), plain("x")))[0] == ["oa"]
    with pytest.raises(ValueError, match="boom"):
        await scraped(chain(Failing(), Recover("i")), plain("x"))


@pytest.mark.parametrize("make", [plain, asynchronous])
async def test_fused_steps_drop_change_and_fail_like_methods(make: Any) -> None:
    inner, outer = Recover("i"), Recover("o")
    manager = chain(FusedTag("3"), outer, FusedTag("2"), inner, FusedTag("1"))
    assert (await scraped(manager, make("x", "drop1", "raise1", "y")))[0] == ["x123", "i23"]
    # The middle one fails: only handlers behind it are asked, and "x" is out already.
    inner.seen.clear()
    assert (await scraped(manager, make("x", "raise", "y")))[0] == ["x123", "raise123", "y123"]
    failing = chain(FusedTag("3"), outer, FusedTag("2"), inner)
    assert (await scraped(failing, make("x", "raise2", "y")))[0] == ["x23", "o3"]
    assert (len(inner.seen), len(outer.seen)) == (0, 1)


async def test_a_recovery_may_fail_and_be_recovered_behind() -> None:
    class FailingRecovery:
        def process_spider_exception(self, response: Response, exception: Exception) -> Iterator[Any]:
            yield "half"
            raise KeyError("again")

    outer = Recover("o")
    output, _ = await scraped(chain(outer, FailingRecovery()), plain("x", ValueError("boom")))
    assert output == ["x", "half", "o"]
    assert [type(one) for one in outer.seen] == [KeyError]


async def test_an_asynchronous_handler() -> None:
    class AsyncRecover:
        async def process_spider_exception(self, response: Response, exception: Exception) -> AsyncIterator[Any]:
            yield "r"

    assert await scraped(chain(Tag("a"), AsyncRecover()), plain("x", ValueError())) == (["xa", "ra"], False)

    def at_once(response: Any, request: Request) -> Any:
        raise ValueError

    assert await scraped(chain(Tag("a"), AsyncRecover()), at_once) == (["ra"], False)


async def test_input_that_raises_calls_the_errback_and_no_other_input() -> None:
    later: list[Any] = []

    class Refuse:
        def process_spider_input(self, response: Response) -> None:
            raise ValueError("refused")

    class Later:
        def process_spider_input(self, response: Response) -> None:
            later.append(response)

    def errback(result: Any, request: Request) -> Any:
        assert isinstance(result, Failure)
        assert result.check(ValueError)
        assert result.request is REQUEST
        return ["from errback"]

    assert (await scraped(chain(Tag("a"), Refuse(), Later()), errback))[0] == ["from errbacka"]
    assert later == []


async def test_input_that_raises_without_errback_goes_to_the_handlers() -> None:
    class Refuse:
        def process_spider_input(self, response: Response) -> None:
            raise ValueError("refused")

    def no_errback(result: Any, request: Request) -> Any:
        result.raiseException()

    inner = Recover("i")
    assert (await scraped(chain(Refuse(), Tag("a"), inner), no_errback))[0] == ["ia"]
    assert len(inner.seen) == 1


async def test_a_download_failure_passes_the_middlewares_by() -> None:
    failure = Failure(ValueError("lost"))
    output = await chain(Tag("a"), Recover("r")).scrape_response_async(lambda result, request: ["e"], failure, REQUEST)
    assert list(output) == ["e"]
    with pytest.raises(ValueError, match="lost"):
        await chain(Recover("r")).scrape_response_async(
            lambda result, request: result.raiseException(), failure, REQUEST
        )


# -- broken contracts


class BadInput:
    def process_spider_input(self, response: Response) -> Any:
        return 1


class BadOutput:
    def process_spider_output(self, response: Response, result: Any) -> Any:
        return 1


class BadException:
    def process_spider_exception(self, response: Response, exception: Exception) -> Any:
        return 1


@pytest.mark.parametrize("make", [plain, asynchronous])
@pytest.mark.parametrize(
    ("middleware", "hook"),
    [
        (BadInput(), "process_spider_input"),
        (BadOutput(), "process_spider_output"),
        (BadException(), "process_spider_exception"),
    ],
)
async def test_a_broken_contract_is_named_and_never_handled(make: Any, middleware: Any, hook: str) -> None:
    handler = Recover("r", KeyError)
    with pytest.raises(_InvalidOutput, match=rf"{type(middleware).__name__}\.{hook} must"):
        await scraped(chain(handler, middleware), make(ValueError() if hook.endswith("exception") else "x"))
    assert handler.seen == []


class SingleItem(Item):
    a = Field()


class IterableItem(pydantic.BaseModel):
    a: int = 1


@pytest.mark.parametrize("single", [{"a": 1}, Request("http://a.example/"), SingleItem(a=1), IterableItem(), 1, "text"])
async def test_a_callback_may_give_a_single_item_or_request(single: Any) -> None:
    assert await scraped(chain(), lambda response, request: single) == ([single], True)


async def test_a_coroutine_may_give_a_single_item() -> None:
    async def callback(response: Any, request: Any) -> Any:
        return {"a": 1}

    assert await scraped(chain(), callback) == ([{"a": 1}], True)


def test_a_coroutine_is_no_output_method() -> None:
    class Wrong:
        async def process_spider_output(self, response: Response, result: Any) -> list[Any]:
            return []

    with pytest.raises(TypeError, match=r"Wrong\.process_spider_output is a coroutine"):
        chain(Wrong())


# -- the base class


async def test_the_base_class_can_be_used_without_the_manager() -> None:
    class Double(BaseSpiderMiddleware):
        def get_processed_request(self, request: Request, response: Response | None) -> Request | None:
            return None if "drop" in request.url else request.replace(url=request.url + "x")

        def get_processed_item(self, item: Any, response: Response | None) -> Any:
            return item * 2 if item else None

    crawler = get_crawler()
    middleware = Double.from_crawler(crawler)
    assert middleware.crawler is crawler
    given = [Request("http://a.example/"), Request("http://a.example/drop"), 1, 0]

    async def source() -> AsyncIterator[Any]:
        for one in given:
            yield one

    for output in (
        list(middleware.process_spider_output(response(), given)),
        [one async for one in middleware.process_spider_output_async(response(), source())],
        [one async for one in middleware.process_start(source())],
        (await scraped(chain(middleware), lambda response, request: given))[0],
    ):
        assert [getattr(one, "url", one) for one in output] == ["http://a.example/x", 2]


async def test_a_subclass_of_a_default_middleware_is_obeyed() -> None:
    from raycrawl.spidermiddlewares.urllength import UrlLengthMiddleware

    class Stricter(UrlLengthMiddleware):
        def get_processed_request(self, request: Request, response: Response | None) -> Request | None:
            return None if "never" in request.url else super().get_processed_request(request, response)

    manager = chain(Stricter.from_crawler(get_crawler()))
    output, _ = await scraped(manager, plain(Request("http://a.example/never"), Request("http://a.example/b")))
    assert [one.url for one in output] == ["http://a.example/b"]


async def test_an_overridden_output_method_is_called() -> None:
    class Own(FusedTag):
        def process_spider_output(self, response: Any, result: Any, spider: Any = None) -> Iterator[Any]:
            yield "first"
            yield from super().process_spider_output(response, result, spider)

    assert (await scraped(chain(FusedTag("a"), Own("b")), plain("x")))[0] == ["firsta", "xba"]


# -- start


class StartSpider(Spider):
    name = "start"

    async def start(self) -> AsyncIterator[Any]:
        yield Request("http://a.example/1")
        yield {"item": 1}


async def test_start_runs_through_process_start_from_the_spider_outwards() -> None:
    class Count:
        def __init__(self, name: str) -> None:
            self.name = name

        async def process_start(self, start: Any) -> AsyncIterator[Any]:
            yield self.name
            async for one in start:
                yield one

    manager = SpiderMiddlewareManager(Count("outer"), Count("inner"), crawler=get_crawler(StartSpider))
    output = [one async for one in manager.process_start(manager.get_spider())]
    assert output[:2] == ["outer", "inner"]
    assert [type(one) for one in output[2:]] == [Request, dict]


async def test_the_older_process_start_requests_still_works_with_a_warning() -> None:
    class Older:
        def process_start_requests(self, start_requests: Any, spider: Spider) -> Iterator[Any]:
            for one in start_requests:
                yield one
                yield spider.name

    manager = SpiderMiddlewareManager(Older(), crawler=get_crawler(StartSpider))
    with pytest.warns(ScrapyDeprecationWarning) as said:
        output = [one async for one in manager.process_start()]
    assert any("define process_start" in str(one.message) for one in said)
    assert [type(one) for one in output] == [Request, str, dict, str]


async def test_the_older_start_hook_cannot_wait() -> None:
    class Waiting(Spider):
        name = "waiting"

        async def start(self) -> AsyncIterator[Any]:
            await asyncio.sleep(0)
            yield Request("http://a.example/1")

    class Older:
        def process_start_requests(self, start_requests: Any) -> Iterator[Any]:
            yield from start_requests

    manager = SpiderMiddlewareManager(Older(), crawler=get_crawler(Waiting))
    with pytest.warns(ScrapyDeprecationWarning), pytest.raises(RuntimeError, match="define process_start"):
        [one async for one in manager.process_start()]


def test_the_default_chain_in_its_order() -> None:
    manager = SpiderMiddlewareManager.from_crawler(get_crawler())
    assert [type(one).__name__ for one in manager.middlewares] == [
        "StartSpiderMiddleware",
        "HttpErrorMiddleware",
        "RefererMiddleware",
        "UrlLengthMiddleware",
        "DepthMiddleware",
        "MetaCopyDetectionMiddleware",
    ]
