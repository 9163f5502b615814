"""The chain of spider middlewares around a spider's callbacks and its ``start()``.

On the path of every link, so the chain is compiled once: consecutive middlewares that only look at single requests and
items (``BaseSpiderMiddleware``) become one loop, and a crawl whose middlewares and callbacks are all plain generators
never touches asyncio between a link and the frontier. ``spiderchain`` has the semantics of exceptions.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from itemadapter import ItemAdapter

from raycrawl.core.spiderchain import FusedStage, Handler, MethodStage, OutputChain, PlainOutput, Stages, as_async
from raycrawl.exceptions import ScrapyDeprecationWarning, _InvalidOutput
from raycrawl.failure import Failure
from raycrawl.middleware import Hook, MiddlewareManager, bind_hook, component_list
from raycrawl.utils.misc import arg_to_iter

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response
    from raycrawl.settings import Settings
    from raycrawl.spiders import Spider

_T = TypeVar("_T")
Output = Iterable[Any] | AsyncIterable[Any]
# Calls the callback with a response, or the errback with a failure (or raises it when there is no errback).
ScrapeFunc = Callable[["Response | Failure", "Request"], "Output | Awaitable[Output | None] | None"]


class SpiderMiddlewareManager(MiddlewareManager):
    """Owns the enabled spider middlewares; the first is the closest to the engine, the last to the spider."""

    component_name = "spider middleware"

    def __init__(self, *middlewares: Any, crawler: Crawler | None = None) -> None:
        super().__init__(*middlewares, crawler=crawler)
        # Outputs and exceptions travel from the spider to the engine: position 0 is the closest to the spider.
        outward = tuple(reversed(middlewares))
        self._stages, self._handlers = self._compile(outward)
        self._stages_at: dict[int, Stages] = {0: self._stages}
        self._is_plain = all(isinstance(stage, FusedStage) or stage.run is not None for stage in self._stages) and not (
            any(_is_async(handler.handle) for handler in self._handlers)
        )
        self._inputs = tuple(self.methods["process_spider_input"])

    @classmethod
    def _get_mwlist_from_settings(cls, settings: Settings) -> list[Any]:
        return component_list(settings, "SPIDER_MIDDLEWARES")

    def _add_middleware(self, mw: Any) -> None:
        super()._add_middleware(mw)
        self._add_hook("process_spider_input", mw, 1)
        self._add_hook("process_spider_output", mw, 2, first=True)
        self._add_hook("process_spider_exception", mw, 2, first=True)
        self._add_hook("process_start", mw, 1, first=True)

    # -- responses -----------------------------------------------------------------------------------------------

    async def scrape_response_async(
        self, scrape_func: ScrapeFunc, response: Response | Failure, request: Request
    ) -> Iterable[Any] | AsyncIterable[Any]:
        """The requests and items that the callback or errback gives, after all middlewares.

        A download failure has no response for the middlewares to look at: its errback's output passes them by.

        Args:
            scrape_func: see ``ScrapeFunc``; it MUST NOT consume the output.

        Returns:
            A ``PlainOutput`` (for ``for``, or ``async for``) when the callback and all middlewares are plain, else an
            asynchronous iterator. Both raise what no middleware handled while they are consumed.

        Raises:
            Exception: what the callback (or an input hook, without errback) raised at once and nobody handled.
        """
        if isinstance(response, Failure):
            return _checked(await _awaited(scrape_func(response, request)))
        chain = OutputChain(self._stages_from, self._handlers, response)
        try:
            result = await self._scrape(scrape_func, response, request)
        except Exception as error:
            return PlainOutput(chain.recover(error)) if self._is_plain else await chain.recover_async(error)
        if self._is_plain and not isinstance(result, AsyncIterable):
            return PlainOutput(chain.run(result))
        return chain.run_async(result)

    async def scrape_response(
        self, scrape_func: ScrapeFunc, response: Response | Failure, request: Request, spider: Spider | None = None
    ) -> Iterable[Any] | AsyncIterable[Any]:
        """The older name of ``scrape_response_async``."""
        return await self.scrape_response_async(scrape_func, response, request)

    async def _scrape(self, scrape_func: ScrapeFunc, response: Response, request: Request) -> Output:
        for hook in self._inputs:
            try:
                answer = hook.call(response)
                if answer is not None:
                    answer = await answer if inspect.isawaitable(answer) else answer
            except Exception as error:
                return _checked(await _awaited(scrape_func(Failure(error, request), request)))
            if answer is not None:
                raise _InvalidOutput(
                    f"{_name(hook.owner, 'process_spider_input')} must return None or raise an exception, "
                    f"got {type(answer)}"
                )
        return _checked(await _awaited(scrape_func(response, request)))

    # -- start ---------------------------------------------------------------------------------------------------

    async def process_start(self, spider: Spider | None = None) -> AsyncIterator[Any]:
        """The requests and items of ``spider.start()``, after all middlewares."""
        spider = spider or self.get_spider()
        if spider is None:
            raise RuntimeError("process_start() needs a spider: none was given and the crawler has none yet")
        self._spider = spider
        start: Any = spider.start()
        for middleware in reversed(self.middlewares):
            start = self._start_through(middleware, start)
        async for one in start:
            yield one

    def _start_through(self, middleware: Any, start: AsyncIterator[Any]) -> AsyncIterator[Any]:
        hook = bind_hook(middleware, "process_start", 1, self.get_spider)
        if hook is not None:
            result = hook.call(start)
            if not isinstance(result, AsyncIterable):
                raise _InvalidOutput(
                    f"{_name(middleware, 'process_start')} must be an async generator, it returned {type(result)}"
                )
            return aiter(result)
        older = bind_hook(middleware, "process_start_requests", 1, self.get_spider)
        return start if older is None else self._older_start(older, start)

    async def _older_start(self, hook: Hook, start: AsyncIterator[Any]) -> AsyncIterator[Any]:
        name = _name(hook.owner, "process_start_requests")
        warnings.warn(
            f"{name}() is the older spelling: define process_start(), an async generator, as well",
            ScrapyDeprecationWarning,
            stacklevel=2,
        )
        for one in hook.call(_driven(start, name)):
            yield one

    # -- compilation ---------------------------------------------------------------------------------------------

    def _compile(self, outward: tuple[Any, ...]) -> tuple[Stages, tuple[Handler, ...]]:
        stages: list[FusedStage | MethodStage] = []
        handlers: list[Handler] = []
        fused: list[Any] = []
        source_at = after = 0
        for position, middleware in enumerate(outward):
            handle = bind_hook(middleware, "process_spider_exception", 2, self.get_spider)
            if handle is not None:
                handlers.append(Handler(position, _name(middleware, "process_spider_exception"), handle.call))
            if getattr(middleware, "is_fusible", None) is not None and middleware.is_fusible():
                binders = (position, middleware.request_binder(), middleware.item_binder())
                if binders[1:] != (None, None):
                    fused.append(binders)
                    after = position + 1
                continue
            stage = self._method_stage(middleware, position)
            if stage is None:
                continue
            if fused:
                stages.append(FusedStage(source_at, tuple(fused)))
                source_at, fused = after, []
            stages.append(stage._replace(source_at=source_at))
            source_at = position + 1
        if fused:
            stages.append(FusedStage(source_at, tuple(fused)))
        return tuple(stages), tuple(handlers)

    def _method_stage(self, middleware: Any, position: int) -> MethodStage | None:
        plain = bind_hook(middleware, "process_spider_output", 2, self.get_spider)
        asynchronous = bind_hook(middleware, "process_spider_output_async", 2, self.get_spider)
        if plain is None and asynchronous is None:
            return None
        name = _name(middleware, "process_spider_output")
        for hook in (plain, asynchronous):
            if hook is not None and hook.is_async:
                raise TypeError(f"{name} is a coroutine: it must be an async generator (yield its output)")
        if plain is not None and plain.is_asyncgen:
            plain, asynchronous = None, asynchronous or plain
        return MethodStage(
            position, position, name, plain.call if plain else None, asynchronous.call if asynchronous else None
        )

    def _stages_from(self, position: int) -> Stages:
        stages = self._stages_at.get(position)
        if stages is None:
            stages = self._stages_at[position] = tuple(_cut(self._stages, position))
        return stages


def _cut(stages: Stages, position: int) -> Iterator[FusedStage | MethodStage]:
    """What of ``stages`` is at ``position`` and beyond."""
    for stage in stages:
        source_at = max(stage.source_at, position)
        if isinstance(stage, FusedStage):
            steps = tuple(step for step in stage.steps if step[0] >= position)
            if steps:
                yield FusedStage(source_at, steps)
        elif stage.position >= position:
            yield stage._replace(source_at=source_at)


def _driven(start: AsyncIterator[Any], name: str) -> Iterator[Any]:
    """``start`` for a plain generator; works as long as it yields without waiting for anything."""
    while True:
        step = anext(start)
        try:
            step.__await__().send(None)
        except StopIteration as result:
            yield result.value
        except StopAsyncIteration:
            return
        else:
            raise RuntimeError(
                f"{name}() is plain code and cannot wait for the spider's asynchronous start(): define process_start()"
            )


async def _awaited(result: _T | Awaitable[_T]) -> _T:
    return await result if inspect.isawaitable(result) else result


def _checked(result: Any) -> Output:
    """What a callback gave, to go through: it may also be a single item or request."""
    if isinstance(result, Generator | list | AsyncIterable):
        return result
    if isinstance(result, Iterable) and ItemAdapter.is_item(result):
        return (result,)
    return arg_to_iter(result)


def _is_async(method: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method)


def _name(middleware: Any, hook: str) -> str:
    return f"{type(middleware).__module__}.{type(middleware).__qualname__}.{hook}"


__all__ = ["ScrapeFunc", "SpiderMiddlewareManager", "as_async"]
