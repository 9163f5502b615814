"""Contracts: reading them from docstrings, and what they check."""

from __future__ import annotations

import asyncio
import unittest
from dataclasses import dataclass
from typing import Any

import pytest

from raycrawl import Field, FormRequest, Item, Request
from raycrawl.contracts import Contract, ContractsManager
from raycrawl.contracts.default import (
    BodyContract,
    CallbackKeywordArgumentsContract,
    CookieContract,
    HeaderContract,
    MetadataContract,
    MethodContract,
    ReturnsContract,
    ScrapesContract,
    UrlContract,
)
from raycrawl.exceptions import ContractFail
from raycrawl.failure import Failure
from raycrawl.http import Response
from raycrawl.middleware import component_list
from raycrawl.settings import Settings
from raycrawl.spiders import Spider
from raycrawl.utils.misc import load_object

DEFAULT = [load_object(path) for path in component_list(Settings(), "SPIDER_CONTRACTS")]
RESPONSE = Response("http://a.example/")


class MyItem(Item):
    name = Field()
    url = Field()


@dataclass
class DataItem:
    name: str
    url: str


class FormContract(Contract):
    name = "form"
    request_cls = FormRequest

    def adjust_request_args(self, args: dict[str, Any]) -> dict[str, Any]:
        args["formdata"] = dict([self.args])
        return args


class StatusContract(Contract):
    name = "status"

    def pre_process(self, response: Response) -> None:
        if str(response.status) != self.args[0]:
            raise ContractFail(f"status {response.status}")


class BrokenContract(Contract):
    name = "broken"

    def post_process(self, output: list[Any]) -> None:
        raise ZeroDivisionError("broken contract")


def manager(*more: type[Contract]) -> ContractsManager:
    return ContractsManager([*DEFAULT, *more])


def spider_with(callback: Any, docstring: str) -> Spider:
    callback.__doc__ = docstring
    spider_class = type("Checked", (Spider,), {"name": "checked", "parse": callback})
    spider: Spider = spider_class()
    return spider


def prepared(
    docstring: str, output: Any = (), *more: type[Contract], callback: Any = None
) -> tuple[Request, unittest.TestResult]:
    def parse(self: Any, response: Any, **kwargs: Any) -> Any:
        return output

    results = unittest.TestResult()
    spider = spider_with(callback or parse, f"@url http://a.example/\n{docstring}")
    request = manager(*more).from_method(spider.parse, results)
    assert request is not None
    return request, results


def checked(docstring: str, output: Any = (), *more: type[Contract], callback: Any = None) -> unittest.TestResult:
    request, results = prepared(docstring, output, *more, callback=callback)
    assert request.callback is not None
    left = request.callback(RESPONSE, **request.cb_kwargs)
    if left is not None:
        asyncio.run(left)
    return results


def test_the_setting_has_all_of_them() -> None:
    assert set(DEFAULT) == {
        UrlContract, CallbackKeywordArgumentsContract, MetadataContract, MethodContract, BodyContract, HeaderContract,
        CookieContract, ReturnsContract, ScrapesContract,
    }  # fmt: skip
    assert DEFAULT[-2:] == [ReturnsContract, ScrapesContract]


class TestReading:
    def test_contracts_in_order_with_their_words(self) -> None:
        def parse(self: Any, response: Any) -> None:
            """A callback.

            Mail me @ home.
            @url http://a.example/
            @returns items 1 16
               @scrapes  name   url
            """

        contracts = manager().extract_contracts(parse)
        assert [type(contract) for contract in contracts] == [UrlContract, ReturnsContract, ScrapesContract]
        assert [contract.args for contract in contracts] == [
            ("http://a.example/",), ("items", "1", "16"), ("name", "url"),
        ]  # fmt: skip

    def test_no_docstring_no_contracts(self) -> None:
        assert manager().extract_contracts(lambda response: None) == []

    def test_other_at_lines_of_a_docstring_without_contracts(self) -> None:
        def parse(self: Any, response: Any) -> None:
            """@param response: epydoc"""

        assert manager().extract_contracts(parse) == []

    def test_misspelt_contract_is_named(self) -> None:
        with pytest.raises(KeyError, match="@retruns"):
            prepared("@retruns items 1")

    @pytest.mark.parametrize("words", ["", "foo", "items 1 2 3", "items x"])
    def test_wrong_returns(self, words: str) -> None:
        with pytest.raises(ValueError, match=r"returns|invalid literal"):
            prepared(f"@returns {words}")

    def test_tested_methods(self) -> None:
        class Base(Spider):
            name = "base"

            def inherited(self, response: Any) -> None:
                """@url http://a.example/"""

        class Derived(Base):
            def own(self, response: Any) -> None:
                """@returns items"""

            def documented(self, response: Any) -> None:
                """Nothing to check."""

        assert manager().tested_methods_from_spidercls(Derived) == ["inherited", "own"]

    def test_from_spider(self) -> None:
        class Checked(Spider):
            name = "checked"

            def fine(self, response: Any) -> None:
                """@url http://a.example/fine"""

            def misspelt(self, response: Any) -> None:
                """
                @url http://a.example/misspelt
                @nonsense
                """

            def without_url(self, response: Any) -> None:
                """@returns items"""

        results = unittest.TestResult()
        requests = manager().from_spider(Checked(), results)
        assert [request and request.url for request in requests] == ["http://a.example/fine", None]
        [(case, text)] = results.errors
        assert str(case) == "[checked] misspelt (contract)"
        assert "@nonsense" in text


class TestRequestContracts:
    def test_request_is_never_filtered(self) -> None:
        request, _ = prepared("")
        assert request.url == "http://a.example/"
        assert request.dont_filter

    @pytest.mark.parametrize(
        ("docstring", "attribute", "expected"),
        [
            ('@meta {"a": 1, "b": [2]}', "meta", {"a": 1, "b": [2]}),
            ('@cb_kwargs {"a": "x y"}', "cb_kwargs", {"a": "x y"}),
            ("@method POST", "method", "POST"),
            ("@body a=1 b", "body", b"a=1 b"),
            ("@cookie name value", "cookies", {"name": "value"}),
            ("@cookie name=value", "cookies", {"name": "value"}),
            ("@cookie a 1\n@cookie b 2", "cookies", {"a": "1", "b": "2"}),
        ],
    )
    def test_attribute(self, docstring: str, attribute: str, expected: Any) -> None:
        request, _ = prepared(docstring)
        assert getattr(request, attribute) == expected

    @pytest.mark.parametrize(
        ("docstring", "expected"),
        [
            ("@header X-Name some value", {b"X-Name": [b"some value"]}),
            ("@header X-Name: some value", {b"X-Name": [b"some value"]}),
            ("@header X-Name:value", {b"X-Name": [b"value"]}),
            ("@header X-Url http://b.example/", {b"X-Url": [b"http://b.example/"]}),
            ("@header A 1\n@header B 2", {b"A": [b"1"], b"B": [b"2"]}),
        ],
    )
    def test_header(self, docstring: str, expected: Any) -> None:
        request, _ = prepared(docstring)
        assert dict(request.headers) == expected

    def test_json_has_to_be_json(self) -> None:
        with pytest.raises(ValueError, match="Expecting"):
            prepared("@meta {oops")

    def test_callback_gets_cb_kwargs(self) -> None:
        seen: list[Any] = []

        def parse(self: Any, response: Any, a: int) -> None:
            seen.append(a)

        assert checked('@cb_kwargs {"a": 5}', callback=parse).errors == []
        assert seen == [5]

    def test_own_request_class(self) -> None:
        request, _ = prepared("@form field value", (), FormContract)
        assert type(request) is FormRequest
        assert request.body == b"field=value"


ITEM, DICT, DATA = MyItem(name="n", url="u"), {"name": "n", "url": "u"}, DataItem("n", "u")
REQUEST = Request("http://a.example/next")


class TestOutputContracts:
    @pytest.mark.parametrize(
        ("docstring", "output", "failures"),
        [
            ("@returns items", [ITEM, DICT, DATA], 0),
            ("@returns item", [REQUEST], 1),
            ("@returns items 1 3", [ITEM, DICT, DATA], 0),
            ("@returns items 1 2", [ITEM, DICT, DATA], 1),
            ("@returns items 4", [ITEM, DICT, DATA], 1),
            ("@returns requests", [REQUEST, ITEM], 0),
            ("@returns request 1 1", REQUEST, 0),
            ("@returns requests 0 0", [ITEM], 0),
            ("@returns requests 0 0", [REQUEST], 1),
            ("@returns requests 2", [REQUEST], 1),
            ("@returns items 0 0", None, 0),
            ("@returns items", None, 1),
            ("@scrapes name url", [ITEM, DICT, DATA, REQUEST], 0),
            ("@scrapes name", [{"url": "u"}], 1),
            ("@scrapes name price", [ITEM], 1),
            ("@returns items 2\n@scrapes price", [ITEM], 2),
        ],
    )
    def test_check(self, docstring: str, output: Any, failures: int) -> None:
        results = checked(docstring, output)
        assert len(results.failures) == failures
        assert results.errors == []
        assert results.testsRun == len(docstring.splitlines())

    def test_messages(self) -> None:
        [(case, text)] = checked("@returns items 2 3", [ITEM]).failures
        assert str(case) == "[checked] parse (@returns post-hook)"
        assert "returned 1 items, expected 2..3" in text
        assert "expected 0" in checked("@returns items 0 0", [ITEM]).failures[0][1]
        assert "missing fields: price, size" in checked("@scrapes name price size", [ITEM]).failures[0][1]

    def test_generator_callback(self) -> None:
        def parse(self: Any, response: Any) -> Any:
            yield ITEM
            yield REQUEST

        assert checked("@returns items 1 1\n@returns requests 1 1", callback=parse).wasSuccessful()

    def test_async_callbacks(self) -> None:
        async def coroutine(self: Any, response: Any) -> Any:
            await asyncio.sleep(0)
            return [ITEM]

        async def generator(self: Any, response: Any) -> Any:
            yield ITEM
            await asyncio.sleep(0)
            yield ITEM

        async def broken(self: Any, response: Any) -> Any:
            await asyncio.sleep(0)
            raise ZeroDivisionError

        assert checked("@returns items 1 1\n@scrapes name", callback=coroutine).wasSuccessful()
        assert checked("@returns items 2 2\n@scrapes name", callback=generator).wasSuccessful()
        assert len(checked("@returns items 1 1", callback=generator).failures) == 1
        assert len(checked("@returns items 1 1", callback=broken).errors) == 1


class TestOwnContracts:
    def test_pre_process(self) -> None:
        assert checked("@status 200", [], StatusContract).wasSuccessful()
        [(case, _)] = checked("@status 404", [], StatusContract).failures
        assert str(case) == "[checked] parse (@status pre-hook)"

    def test_error_in_a_contract_is_an_error(self) -> None:
        results = checked("@broken", [], BrokenContract)
        assert results.failures == []
        assert "broken contract" in results.errors[0][1]

    def test_error_in_the_callback_is_an_error(self) -> None:
        def parse(self: Any, response: Any) -> None:
            raise ZeroDivisionError("broken callback")

        results = checked("@returns items", callback=parse)
        [(case, text)] = results.errors
        assert str(case) == "[checked] parse (callback)"
        assert "broken callback" in text

    def test_failed_download_is_an_error(self) -> None:
        request, results = prepared("@returns items")
        assert request.errback is not None
        request.errback(Failure(TimeoutError("too slow")))
        [(case, text)] = results.errors
        assert str(case) == "[checked] parse (errback)"
        assert "too slow" in text

    def test_output_is_not_crawled(self) -> None:
        request, _ = prepared("@returns requests", [REQUEST])
        assert request.callback is not None
        assert request.callback(RESPONSE) is None

    def test_contract_without_hooks_changes_nothing(self) -> None:
        contract = UrlContract(lambda: None, "http://a.example/")
        request = Request("http://a.example/", callback=print)
        results = unittest.TestResult()
        assert contract.add_pre_hook(request, results) is request
        assert contract.add_post_hook(request, results).callback is print
