"""How a callback's output runs through the spider middlewares: the stages and the two ways to run them.

A *stage* is one middleware's output method, or a whole run of fused middlewares (``FusedStage``) whose steps are called
from one loop. Positions count middlewares from the spider outwards; an exception that arises at position ``p`` goes to
the ``process_spider_exception`` methods at ``p`` and beyond, and what one of them returns goes on at the next position.

Invariants:
- What was yielded before an exception has been delivered; what a handler returns follows after all of it.
- An exception that nobody handled is raised once and offered to every handler at most once.
- ``_InvalidOutput`` (a broken contract) is never offered to a handler.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from inspect import isawaitable
from typing import Any, NamedTuple

from raycrawl.exceptions import _InvalidOutput
from raycrawl.http import Request, Response

Step = Callable[[Any], Any]
Binder = Callable[[Response | None], Step | None]


class FusedStage(NamedTuple):
    """A run of middlewares without output methods of their own: ``steps`` is (position, request, item binder)."""

    source_at: int
    steps: tuple[tuple[int, Binder | None, Binder | None], ...]


class MethodStage(NamedTuple):
    """One middleware's output method, in its plain and its asynchronous form (either may be None)."""

    source_at: int
    position: int
    name: str
    run: Callable[..., Any] | None
    run_async: Callable[..., Any] | None


class Handler(NamedTuple):
    """One middleware's ``process_spider_exception``."""

    position: int
    name: str
    handle: Callable[..., Any]


Stages = tuple[FusedStage | MethodStage, ...]


def bind_steps(stage: FusedStage, response: Response | None) -> tuple[list[tuple[int, Step]], list[tuple[int, Step]]]:
    """The request steps and the item steps of one response, each with the position after it."""
    request_steps = []
    item_steps = []
    for position, request_binder, item_binder in stage.steps:
        if request_binder is not None and (step := request_binder(response)) is not None:
            request_steps.append((position + 1, step))
        if item_binder is not None and (step := item_binder(response)) is not None:
            item_steps.append((position + 1, step))
    return request_steps, item_steps


class OutputChain:
    """One response's way through the stages.

    Args:
        stages_from: position -> the stages at that position and beyond.
        handlers: in the order of their positions.
        response: the page.
    """

    __slots__ = ("_handlers", "_recovered", "_response", "_stages_from", "_unhandled")

    def __init__(self, stages_from: Callable[[int], Stages], handlers: tuple[Handler, ...], response: Response) -> None:
        self._stages_from = stages_from
        self._handlers = handlers
        self._response = response
        self._recovered: deque[Any] = deque()
        self._unhandled: BaseException | None = None

    # -- plain generators ----------------------------------------------------------------------------------------

    def run(self, result: Iterable[Any]) -> Iterable[Any]:
        """The whole output of a callback that returned ``result``."""
        stages = self._stages_from(0)
        if len(stages) == 1 and isinstance(stages[0], FusedStage):
            return self._fused(stages[0], result, is_last=True)
        return self._drain(self._stage_all(stages, result, 0))

    def recover(self, error: Exception) -> Iterable[Any]:
        """The output after the callback itself raised; raises ``error`` when nobody handles it."""
        return self._drain(self._handled(error, 0))

    def _drain(self, result: Iterable[Any]) -> Iterator[Any]:
        yield from result
        while self._recovered:
            yield from self._recovered.popleft()

    def _stage_all(self, stages: Stages, result: Iterable[Any], position: int) -> Iterable[Any]:
        for stage in stages:
            if isinstance(stage, FusedStage):
                result = self._fused(stage, result)
                position = stage.steps[-1][0] + 1
                continue
            assert stage.run is not None, "the caller chose run() although a stage is asynchronous"
            position = stage.position + 1
            try:
                result = stage.run(self._response, self._guard(result, stage.source_at))
            except Exception as error:
                return self._handled(error, position)
            if not hasattr(result, "__iter__"):
                raise _InvalidOutput(f"{stage.name} must return an iterable, got {type(result)}")
        return self._guard(result, position)

    def _guard(self, result: Iterable[Any], position: int) -> Iterable[Any]:
        if self._handlers and self._handlers[-1].position >= position:
            return self._guarded(result, position)
        return result

    def _guarded(self, result: Iterable[Any], position: int) -> Iterator[Any]:
        try:
            yield from result
        except Exception as error:
            self._recovered.append(self._handled(error, position))

    def _fused(self, stage: FusedStage, result: Iterable[Any], is_last: bool = False) -> Iterator[Any]:
        source_at = error_at = stage.source_at
        try:
            request_steps, item_steps = bind_steps(stage, self._response)
            for one in result:
                steps = request_steps if isinstance(one, Request) else item_steps
                for error_at, step in steps:  # noqa: B007 - where an exception of this step goes
                    one = step(one)
                    if one is None:
                        break
                error_at = source_at
                if one is not None:
                    yield one
        except Exception as error:
            handled = self._handled(error, error_at)
            if not is_last:
                self._recovered.append(handled)
                return
        else:
            return
        yield from self._drain(handled)

    def _handled(self, error: Exception, position: int) -> Iterable[Any]:
        """What the first willing handler at ``position`` or beyond makes of ``error``; raises it when there is none."""
        if error is not self._unhandled and not isinstance(error, _InvalidOutput):
            for handler in self._handlers:
                if handler.position < position:
                    continue
                result = handler.handle(self._response, error)
                if result is None:
                    continue
                if not hasattr(result, "__iter__"):
                    raise _InvalidOutput(f"{handler.name} must return None or an iterable, got {type(result)}")
                return self._stage_all(self._stages_from(handler.position + 1), result, handler.position + 1)
        self._unhandled = error
        raise error

    # -- asynchronous generators ---------------------------------------------------------------------------------

    def run_async(self, result: AsyncIterable[Any] | Iterable[Any]) -> AsyncIterator[Any]:
        """The same for an asynchronous callback or middleware."""
        return self._drain_async(self._stage_all_async(self._stages_from(0), as_async(result), 0))

    async def recover_async(self, error: Exception) -> AsyncIterator[Any]:
        """The same as ``recover`` when a stage or a handler is asynchronous."""
        return self._drain_async(await self._handled_async(error, 0))

    async def _drain_async(self, result: AsyncIterable[Any]) -> AsyncIterator[Any]:
        async for one in result:
            yield one
        while self._recovered:
            async for one in self._recovered.popleft():
                yield one

    def _stage_all_async(self, stages: Stages, result: AsyncIterable[Any], position: int) -> AsyncIterable[Any]:
        for stage in stages:
            if isinstance(stage, FusedStage):
                result = self._fused_async(stage, result)
                position = stage.steps[-1][0] + 1
            else:
                result = self._method_async(stage, self._guard_async(result, stage.source_at))
                position = stage.position + 1
        return self._guard_async(result, position)

    async def _method_async(self, stage: MethodStage, result: AsyncIterable[Any]) -> AsyncIterator[Any]:
        if stage.run_async is not None:
            output = stage.run_async(self._response, result)
            if not hasattr(output, "__aiter__"):
                raise _InvalidOutput(f"{stage.name} must be an async generator, it returned {type(output)}")
            async for one in output:
                yield one
            return
        assert stage.run is not None, "a stage has at least one form"
        # A plain method wants a plain iterable: everything is awaited first, as documented.
        output = stage.run(self._response, [one async for one in result])
        if not hasattr(output, "__iter__"):
            raise _InvalidOutput(f"{stage.name} must return an iterable, got {type(output)}")
        for one in output:
            yield one

    def _guard_async(self, result: AsyncIterable[Any], position: int) -> AsyncIterable[Any]:
        if self._handlers and self._handlers[-1].position >= position:
            return self._guarded_async(result, position)
        return result

    async def _guarded_async(self, result: AsyncIterable[Any], position: int) -> AsyncIterator[Any]:
        try:
            async for one in result:
                yield one
        except Exception as error:
            self._recovered.append(await self._handled_async(error, position))

    async def _fused_async(self, stage: FusedStage, result: AsyncIterable[Any]) -> AsyncIterator[Any]:
        source_at = error_at = stage.source_at
        try:
            request_steps, item_steps = bind_steps(stage, self._response)
            async for one in result:
                steps = request_steps if isinstance(one, Request) else item_steps
                for error_at, step in steps:  # noqa: B007 - where an exception of this step goes
                    one = step(one)
                    if one is None:
                        break
                error_at = source_at
                if one is not None:
                    yield one
        except Exception as error:
            self._recovered.append(await self._handled_async(error, error_at))

    async def _handled_async(self, error: Exception, position: int) -> AsyncIterable[Any]:
        if error is not self._unhandled and not isinstance(error, _InvalidOutput):
            for handler in self._handlers:
                if handler.position < position:
                    continue
                result = handler.handle(self._response, error)
                if isawaitable(result):
                    result = await result
                if result is None:
                    continue
                if not hasattr(result, "__iter__") and not hasattr(result, "__aiter__"):
                    raise _InvalidOutput(f"{handler.name} must return None or an iterable, got {type(result)}")
                after = handler.position + 1
                return self._stage_all_async(self._stages_from(after), as_async(result), after)
        self._unhandled = error
        raise error


class PlainOutput:
    """A plain iterator that code which expects an asynchronous one can read, too. ``for`` costs nothing more."""

    __slots__ = ("_output",)

    def __init__(self, output: Iterable[Any]) -> None:
        self._output = iter(output)

    def __iter__(self) -> Iterator[Any]:
        return self._output

    def __next__(self) -> Any:
        return next(self._output)

    def __aiter__(self) -> AsyncIterator[Any]:
        return _plain_as_async(self._output)


def as_async(result: AsyncIterable[Any] | Iterable[Any]) -> AsyncIterable[Any]:
    """``result`` for ``async for``."""
    if isinstance(result, AsyncIterable):
        return result
    return _plain_as_async(result)


async def _plain_as_async(result: Iterable[Any]) -> AsyncIterator[Any]:
    for one in result:
        yield one
