"""Contracts: checks of a callback that are written in its docstring, for ``raycrawl check``.

A callback with an ``@url`` line is run on that page; each further ``@name arguments`` line is a contract that sets up
the request or checks what the callback gives.
"""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from functools import wraps
from inspect import getmembers, isawaitable
from typing import TYPE_CHECKING, Any
from unittest import TestCase, TestResult

from raycrawl.http import Request
from raycrawl.utils.misc import arg_to_iter
from raycrawl.utils.spider import iterate_spider_output

if TYPE_CHECKING:
    from raycrawl.failure import Failure
    from raycrawl.http import Response
    from raycrawl.spiders import Spider

__all__ = ["Contract", "ContractsManager"]


class Contract:
    """One check. Subclasses define ``name`` and any of the hooks.

    Hooks: ``adjust_request_args(args)``, ``pre_process(response)`` before the callback, and ``post_process(output)``
    with the list of what it gave. They raise ContractFail when the check fails.

    Args:
        method: the callback that the docstring belongs to.
        args: the words after ``@name``.

    Attributes:
        request_cls: the request class that the contract needs, None for any.
    """

    request_cls: type[Request] | None = None
    name: str

    def __init__(self, method: Callable[..., Any], *args: Any) -> None:
        self.testcase_pre = _testcase(method, f"@{self.name} pre-hook")
        self.testcase_post = _testcase(method, f"@{self.name} post-hook")
        self.args: tuple[Any, ...] = args

    def adjust_request_args(self, args: dict[str, Any]) -> dict[str, Any]:
        """The keyword arguments for the request, changed or not."""
        return args

    def add_pre_hook(self, request: Request, results: TestResult) -> Request:
        """Let ``pre_process`` run before the request's callback, and tell ``results`` how it went."""
        if not hasattr(self, "pre_process"):
            return request
        callback = request.callback
        assert callback is not None

        @wraps(callback)
        def wrapper(response: Response, **cb_kwargs: Any) -> Any:
            self._judge(self.testcase_pre, results, self.pre_process, response)
            return _output_of(callback(response, **cb_kwargs))

        request.callback = wrapper
        return request

    def add_post_hook(self, request: Request, results: TestResult) -> Request:
        """Let ``post_process`` check what the request's callback gives, and tell ``results`` how it went."""
        if not hasattr(self, "post_process"):
            return request
        callback = request.callback
        assert callback is not None

        @wraps(callback)
        def wrapper(response: Response, **cb_kwargs: Any) -> Any:
            output = _output_of(callback(response, **cb_kwargs))
            if not isinstance(output, list):
                return self._later(output, results)
            self._judge(self.testcase_post, results, self.post_process, output)
            return output

        request.callback = wrapper
        return request

    async def _later(self, output: Any, results: TestResult) -> list[Any]:
        collected: list[Any] = await output
        self._judge(self.testcase_post, results, self.post_process, collected)
        return collected

    if TYPE_CHECKING:

        def pre_process(self, response: Response) -> None:
            """Checks the response that the callback is about to get."""

        def post_process(self, output: list[Any]) -> None:
            """Checks what the callback gave."""

    def _judge(self, case: TestCase, results: TestResult, check: Callable[[Any], None], value: Any) -> None:
        results.startTest(case)
        try:
            check(value)
        except AssertionError:
            results.addFailure(case, sys.exc_info())
        except Exception:
            results.addError(case, sys.exc_info())
        else:
            results.addSuccess(case)
        finally:
            results.stopTest(case)


def _output_of(result: Any) -> Any:
    """A callback's output as a list, or, when it is asynchronous, as a coroutine that gives the list."""
    output = iterate_spider_output(result)
    if isinstance(output, AsyncIterator) or isawaitable(output):
        return _collected(output)
    return list(output)


async def _collected(output: Any) -> list[Any]:
    if isinstance(output, AsyncIterator):
        return [entry async for entry in output]
    return list(arg_to_iter(await output))


_LINE = re.compile(r"@(\w+)\s*(.*)")


def _lines(docstring: str | None) -> list[tuple[str, str]]:
    """The names and arguments of all ``@name arguments`` lines."""
    found = (_LINE.match(line.strip()) for line in (docstring or "").split("\n"))
    return [(match[1], match[2]) for match in found if match is not None]


class ContractsManager:
    """Reads contracts from docstrings and turns them into requests whose callbacks check them.

    Args:
        contracts: the contract classes.

    Attributes:
        contracts: name -> class.
    """

    contracts: dict[str, type[Contract]] = {}

    def __init__(self, contracts: Iterable[type[Contract]]) -> None:
        self.contracts = {contract.name: contract for contract in contracts}

    def tested_methods_from_spidercls(self, spidercls: type[Spider]) -> list[str]:
        """The names of the callbacks that have contracts; those of base classes included."""
        return [
            name
            for name, value in getmembers(spidercls)
            if callable(value) and any(line in self.contracts for line, _ in _lines(value.__doc__))
        ]

    def extract_contracts(self, method: Callable[..., Any]) -> list[Contract]:
        """The contracts in the docstring of ``method``, in the order of its lines.

        Raises:
            KeyError: among contracts there is a line with the name of none.
        """
        lines = _lines(method.__doc__)
        if not any(name in self.contracts for name, _ in lines):
            return []
        return [self._contract(name)(method, *text.split()) for name, text in lines]

    def _contract(self, name: str) -> type[Contract]:
        try:
            return self.contracts[name]
        except KeyError:
            known = ", ".join(f"@{contract}" for contract in self.contracts)
            raise KeyError(f"there is no contract @{name}, but {known}") from None

    def from_spider(self, spider: Spider, results: TestResult) -> list[Request | None]:
        """The requests that check every callback of ``spider``."""
        requests: list[Request | None] = []
        for name in self.tested_methods_from_spidercls(type(spider)):
            method = getattr(spider, name)
            try:
                requests.append(self.from_method(method, results))
            except Exception:
                results.addError(_testcase(method, "contract"), sys.exc_info())
        return requests

    def from_method(self, method: Callable[..., Any], results: TestResult) -> Request | None:
        """The request that checks ``method``; None without an URL."""
        contracts = self.extract_contracts(method)
        if not contracts:
            return None
        request_class: type[Request] = Request
        for contract in contracts:
            if contract.request_cls is not None:
                request_class = contract.request_cls
        # dont_filter: two callbacks may be checked on the same page
        kwargs: dict[str, Any] = {"dont_filter": True, "callback": method}
        for contract in contracts:
            kwargs = contract.adjust_request_args(kwargs)
        if not kwargs.get("url"):
            return None
        request = request_class(**kwargs)
        for contract in reversed(contracts):
            request = contract.add_pre_hook(request, results)
        for contract in contracts:
            request = contract.add_post_hook(request, results)
        self._clean_req(request, method, results)
        return request

    def _clean_req(self, request: Request, method: Callable[..., Any], results: TestResult) -> None:
        """Report errors of the callback and of the download, and keep the output from being crawled."""
        callback = request.callback
        assert callback is not None

        @wraps(callback)
        def checked(response: Response, **cb_kwargs: Any) -> Any:
            try:
                output = _output_of(callback(response, **cb_kwargs))
            except Exception:
                results.addError(_testcase(method, "callback"), sys.exc_info())
                return None
            return None if isinstance(output, list) else finish(output)

        async def finish(output: Any) -> None:
            try:
                await output
            except Exception:
                results.addError(_testcase(method, "callback"), sys.exc_info())

        def failed(failure: Failure) -> None:
            error = failure.value
            results.addError(_testcase(method, "errback"), (type(error), error, error.__traceback__))

        request.callback = checked
        request.errback = failed


def _testcase(method: Any, description: str) -> TestCase:
    spider_name = getattr(getattr(method, "__self__", None), "name", "spider")

    class ContractTestCase(TestCase):
        def __str__(self) -> str:
            return f"[{spider_name}] {method.__name__} ({description})"

    ContractTestCase.__qualname__ = f"{spider_name}_{method.__name__}"
    setattr(ContractTestCase, f"{spider_name}_{method.__name__}", lambda self: None)
    return ContractTestCase(f"{spider_name}_{method.__name__}")


