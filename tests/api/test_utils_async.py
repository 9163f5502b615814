"""raycrawl.utils.asyncio, defer, asyncgen, reactor and reactorless."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from raycrawl.failure import Failure
from raycrawl.utils import reactor
from raycrawl.utils.asyncgen import as_async_generator, collect_asyncgen
from raycrawl.utils.asyncio import (
    AsyncioLoopingCall,
    call_later,
    create_looping_call,
    is_asyncio_available,
    run_in_thread,
    sleep,
)
from raycrawl.utils.defer import (
    aiter_errback,
    deferred_f_from_coro_f,
    deferred_from_coro,
    deferred_to_future,
    ensure_awaitable,
    iter_errback,
    maybe_deferred_to_future,
    parallel_async,
)
from raycrawl.utils.reactorless import is_reactorless


class Clock:
    """Lets the loop's timers run by hand: ``loop.time`` and ``call_at`` of a loop whose time is set by tests."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loop = asyncio.get_running_loop()
        self.now_s = 100.0
        self.timers: list[tuple[float, Any, asyncio.TimerHandle]] = []
        monkeypatch.setattr(self.loop, "time", lambda: self.now_s)
        monkeypatch.setattr(self.loop, "call_at", self.call_at)
        monkeypatch.setattr(self.loop, "call_later", lambda delay, call, *args: self.call_at(self.now_s + delay, call))

    def call_at(self, when: float, call: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, call, args, self.loop)
        self.timers.append((when, call, handle))
        return handle

    def advance(self, seconds: float) -> None:
        end = self.now_s + seconds
        while due := sorted(timer for timer in self.timers if timer[0] <= end and not timer[2].cancelled()):
            when, call, _ = timer = due[0]
            self.timers.remove(timer)
            self.now_s = max(self.now_s, when)
            call()
        self.now_s = max(self.now_s, end)


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clock]:
    made = Clock(monkeypatch)
    yield made
    monkeypatch.undo()


class TestAsyncio:
    def test_available(self) -> None:
        assert is_asyncio_available() is True
        assert is_reactorless() is True

    async def test_sleep(self) -> None:
        events: list[str] = []
        call_later(0, events.append, "called")
        await sleep(0.001)
        assert events == ["called"]

    async def test_run_in_thread(self) -> None:
        def work(a: int, b: int = 0) -> tuple[int, bool]:
            return a + b, threading.current_thread() is threading.main_thread()

        assert await run_in_thread(work, 1, b=2) == (3, False)
        with pytest.raises(ZeroDivisionError):
            await run_in_thread(divmod, 1, 0)

    async def test_call_later(self, clock: Clock) -> None:
        calls: list[Any] = []

        def call(*args: Any, **kwargs: Any) -> None:
            calls.append((args, kwargs))

        call_later(5, call, 1, a=2)
        clock.advance(4)
        assert calls == []
        clock.advance(1)
        assert calls == [((1,), {"a": 2})]

    async def test_cancelled_call(self, clock: Clock) -> None:
        calls: list[int] = []
        call = call_later(5, calls.append, 1)
        call.cancel()
        call.cancel()
        clock.advance(10)
        assert calls == []


class TestLoopingCall:
    async def test_calls_at_fixed_moments(self, clock: Clock) -> None:
        calls: list[float] = []

        def slow() -> None:
            calls.append(clock.now_s - 100)
            clock.now_s += 0.5

        looping = create_looping_call(slow)
        assert isinstance(looping, AsyncioLoopingCall)
        looping.start(2)
        assert looping.running
        assert looping.interval == 2
        clock.advance(6)
        assert calls == [0, 2, 4, 6]
        looping.stop()
        clock.advance(10)
        assert len(calls) == 4
        assert not looping.running

    async def test_moments_that_pass_during_a_call_are_left_out(self, clock: Clock) -> None:
        calls: list[float] = []

        def very_slow() -> None:
            calls.append(clock.now_s - 100)
            clock.now_s += 5

        looping = create_looping_call(very_slow)
        looping.start(2)
        clock.advance(7)
        assert calls == [0, 6, 12]
        looping.stop()

    async def test_not_now(self, clock: Clock) -> None:
        calls: list[str] = []
        looping = create_looping_call(calls.append, "x")
        looping.start(2, now=False)
        assert calls == []
        clock.advance(2)
        assert calls == ["x"]
        looping.stop()

    async def test_function_may_stop_it(self, clock: Clock) -> None:
        calls: list[int] = []

        def once() -> None:
            calls.append(1)
            looping.stop()

        looping = create_looping_call(once)
        looping.start(1)
        clock.advance(5)
        assert calls == [1]
        looping.start(1)
        assert calls == [1, 1]

    async def test_errors_end_it_and_are_logged(self, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
        def broken() -> None:
            raise ZeroDivisionError("oops")

        looping = create_looping_call(broken)
        looping.start(1)
        assert not looping.running
        assert "oops" in caplog.text
        assert clock.timers == []

    async def test_only_plain_functions(self, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
        async def coroutine() -> None:
            raise AssertionError("not reached")

        looping = create_looping_call(coroutine)
        looping.start(1)
        assert not looping.running
        assert "awaitable" in caplog.text

    async def test_misuse(self, clock: Clock) -> None:
        looping = create_looping_call(lambda: None)
        with pytest.raises(ValueError, match="-1"):
            looping.start(-1)
        looping.start(1)
        with pytest.raises(RuntimeError, match="running"):
            looping.start(1)
        looping.stop()
        looping.stop()

    async def test_interval_of_zero(self, clock: Clock) -> None:
        calls: list[int] = []

        def thrice() -> None:
            calls.append(1)
            if len(calls) == 3:
                looping.stop()

        looping = create_looping_call(thrice)
        looping.start(0)
        clock.advance(0)
        assert len(calls) == 3


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def broken_numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number
    raise ZeroDivisionError


class TestAsyncgen:
    async def test_collect(self) -> None:
        assert await collect_asyncgen(numbers(3)) == [0, 1, 2]

    async def test_from_both_kinds(self) -> None:
        assert await collect_asyncgen(as_async_generator(range(3))) == [0, 1, 2]
        assert await collect_asyncgen(as_async_generator(numbers(3))) == [0, 1, 2]


class Awaitable:
    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        return 5


class TestDefer:
    async def test_deferred_from_coro(self) -> None:
        async def give() -> int:
            return 1

        future = deferred_from_coro(give())
        assert isinstance(future, asyncio.Future)
        assert await future == 1
        assert deferred_from_coro(future) is future
        assert deferred_from_coro(5) == 5
        assert await deferred_from_coro(Awaitable()) == 5

    async def test_deferred_f_from_coro_f(self) -> None:
        @deferred_f_from_coro_f
        async def add(a: int, b: int = 0) -> int:
            """Documented."""
            return a + b

        future = add(1, b=2)
        assert isinstance(future, asyncio.Future)
        assert await future == 3
        assert add.__doc__ == "Documented."

    @pytest.mark.parametrize("function", [deferred_to_future, maybe_deferred_to_future])
    async def test_to_future(self, function: Any) -> None:
        async def give() -> int:
            return 1

        assert isinstance(future := function(give()), asyncio.Future)
        assert await future == 1
        assert function(future) is future
        with pytest.raises(TypeError):
            function(5)

    async def test_deferred_of_twisted(self) -> None:
        class Deferred:
            def asFuture(self, loop: Any) -> Any:
                future = loop.create_future()
                future.set_result("twisted")
                return future

        assert await deferred_to_future(Deferred()) == "twisted"
        assert await ensure_awaitable(Deferred()) == "twisted"

    async def test_ensure_awaitable(self) -> None:
        assert await ensure_awaitable(5) == 5
        assert await ensure_awaitable(None) is None
        awaitable = Awaitable()
        assert ensure_awaitable(awaitable) is awaitable
        assert await ensure_awaitable(Awaitable()) == 5

    async def test_aiter_errback(self) -> None:
        errors: list[Failure] = []
        assert await collect_asyncgen(aiter_errback(numbers(3), errors.append)) == [0, 1, 2]
        assert errors == []
        assert await collect_asyncgen(aiter_errback(broken_numbers(3), errors.append)) == [0, 1, 2]
        assert isinstance(errors[0].value, ZeroDivisionError)

    async def test_async_errback_with_arguments(self) -> None:
        seen: list[Any] = []

        async def errback(failure: Failure, *args: Any, **kwargs: Any) -> None:
            seen.append((failure.type, args, kwargs))

        await collect_asyncgen(aiter_errback(broken_numbers(1), errback, 1, a=2))
        assert seen == [(ZeroDivisionError, (1,), {"a": 2})]

    async def test_what_the_caller_raises_is_the_callers(self) -> None:
        errors: list[Failure] = []

        async def caller() -> None:
            async for _ in aiter_errback(numbers(3), errors.append):
                raise KeyError

        with pytest.raises(KeyError):
            await caller()
        assert errors == []

    def test_iter_errback(self) -> None:
        def broken() -> Any:
            yield 1
            raise ZeroDivisionError

        errors: list[Failure] = []
        assert list(iter_errback(range(3), errors.append)) == [0, 1, 2]
        assert list(iter_errback(broken(), errors.append)) == [1]
        assert errors[0].check(ZeroDivisionError)

    async def test_parallel(self) -> None:
        running = most = 0
        done: list[int] = []

        async def work(number: int, offset: int) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            done.append(number + offset)

        await parallel_async(numbers(10), 3, work, offset=5)
        assert sorted(done) == list(range(5, 15))
        assert most == 3

    async def test_parallel_with_plain_functions_and_errors(self) -> None:
        done: list[int] = []
        await parallel_async(numbers(3), 2, done.append)
        assert done == [0, 1, 2]

        def broken(number: int) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await parallel_async(numbers(1), 2, broken)
        with pytest.raises(ValueError, match="count"):
            await parallel_async(numbers(1), 0, broken)

    async def test_an_error_ends_what_runs_beside_it(self) -> None:
        ended: list[int] = []

        async def work(number: int) -> None:
            if number:
                raise ZeroDivisionError
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(number)

        source = numbers(9)
        with pytest.raises(ZeroDivisionError):
            await parallel_async(source, 2, work)
        assert ended == [0]
        assert await collect_asyncgen(source) == []
        with pytest.raises(ZeroDivisionError):
            await parallel_async(broken_numbers(2), 3, ended.append)
        assert ended == [0, 0, 1]

    async def test_generators_are_closed_by_those_who_stop_early(self) -> None:
        closed: list[bool] = []

        async def source() -> AsyncIterator[int]:
            try:
                yield 1
            finally:
                closed.append(True)

        entries: Any = aiter_errback(source(), closed.append)
        assert await anext(entries) == 1
        await entries.aclose()
        assert closed == [True]


class TestReactor:
    async def test_there_is_none(self) -> None:
        assert reactor.is_asyncio_reactor_installed() is True
        assert reactor.is_reactor_installed() is False
        path = "twisted.internet.asyncioreactor.AsyncioSelectorReactor"
        with pytest.warns(UserWarning, match="install_reactor"):
            reactor.install_reactor(path)
        with pytest.warns(UserWarning, match="does nothing"):
            reactor.set_asyncio_event_loop_policy()
        assert reactor.set_asyncio_event_loop(None) is asyncio.get_running_loop()
        with pytest.warns(UserWarning, match=r"uvloop\.Loop"):
            reactor.set_asyncio_event_loop("uvloop.Loop")
        reactor.verify_installed_reactor(path)
        reactor.verify_installed_asyncio_event_loop("uvloop.Loop")

    async def test_call_later_once(self, clock: Clock) -> None:
        calls: list[Any] = []
        once = reactor.CallLaterOnce(calls.append, "x")
        once.schedule(1)
        once.schedule()
        assert calls == []
        clock.advance(1)
        assert calls == ["x"]
        clock.advance(5)
        once.schedule()
        clock.advance(0)
        assert calls == ["x", "x"]
        once.schedule(1)
        once.cancel()
        once.cancel()
        clock.advance(5)
        assert calls == ["x", "x"]

    async def test_wait_for_the_call(self) -> None:
        calls: list[int] = []
        once = reactor.CallLaterOnce(calls.append, 1)
        once.schedule()
        await once.wait()
        assert calls == [1]
