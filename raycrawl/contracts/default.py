"""The contracts that every project has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from itemadapter import ItemAdapter, is_item

from raycrawl.contracts import Contract
from raycrawl.exceptions import ContractFail
from raycrawl.http import Request

if TYPE_CHECKING:
    from collections.abc import Callable


class UrlContract(Contract):
    """``@url URL``: the page that the callback is checked on. Without it, a callback is not checked."""

    name = "url"

    def adjust_request_args(self, args: dict[str, Any]) -> dict[str, Any]:
        args["url"] = self.args[0]
        return args


class CallbackKeywordArgumentsContract(Contract):
    """``@cb_kwargs {"argument": "value"}``: keyword arguments for the callback, as a JSON object."""

    name = "cb_kwargs"

    def adjust_request_args(self, args: dict[str, Any]) -> dict[str, Any]:
        args["cb_kwargs"] = json.loads(" ".join(self.args))
        return args


class MetadataContract(Contract):
    """``@meta {"key": "value"}``: the request's meta, as a JSON object."""

    name = "meta"

    def adjust_request_args(self, args: dict[str, Any]) -> dict[str, Any]:
        args["meta"] = json.loads(" ".join(self.args))
        return args


class MethodContract(Contract):
    """``@method POST``: the request's HTTP method."""

    name = "method"

    def adjust_request_args(self, args: dict[str, Any]) -> dict[str, Any]:
        args["method"] = self.args[0]
        return args


class BodyContract(Contract):
    """``@body TEXT``: the request's body, the rest of the line."""

    name = "body"

    def adjust_request_args(self, args: dict[str, Any]) -> dict[str, Any]:
        args["body"] = " ".join(self.args)
        return args


class HeaderContract(Contract):
    """``@header Name value``: a header of the request; one line for each. There may be a colon after the name."""

    name = "header"

    def adjust_request_args(self, args: dict[str, Any]) -> dict[str, Any]:
        name, _, value = " ".join(self.args).partition(" ")
        if not name.endswith(":") and ":" in name:
            name, _, value = " ".join(self.args).partition(":")
        args.setdefault("headers", {})[name.rstrip(":")] = value.strip()
        return args


class CookieContract(Contract):
    """``@cookie name value``: a cookie of the request; one line for each. ``name=value`` is understood, too."""

    name = "cookie"

    def adjust_request_args(self, args: dict[str, Any]) -> dict[str, Any]:
        text = " ".join(self.args)
        separator = "=" if "=" in self.args[0] else " "
        name, _, value = text.partition(separator)
        args.setdefault("cookies", {})[name] = value
        return args


class ReturnsContract(Contract):
    """``@returns items|requests [min [max]]``: how many of them the callback gives; at least one without numbers.

    ``@returns requests 0 0`` says none.
    """

    name = "returns"
    object_type_verifiers: ClassVar[dict[str | None, Callable[[Any], bool]]] = {
        "request": lambda entry: isinstance(entry, Request),
        "requests": lambda entry: isinstance(entry, Request),
        "item": is_item,
        "items": is_item,
    }

    def __init__(self, method: Callable[..., Any], *args: Any) -> None:
        super().__init__(method, *args)
        if len(self.args) not in (1, 2, 3) or self.args[0] not in self.object_type_verifiers:
            raise ValueError(
                f"@returns {' '.join(map(str, self.args))}: expected 'items' or 'requests', and up to two numbers"
            )
        self.obj_name: str = self.args[0]
        self.obj_type_verifier = self.object_type_verifiers[self.obj_name]
        self.min_bound: float = int(self.args[1]) if len(self.args) > 1 else 1
        self.max_bound: float = int(self.args[2]) if len(self.args) > 2 else float("inf")

    def post_process(self, output: list[Any]) -> None:
        occurrences = sum(1 for entry in output if self.obj_type_verifier(entry))
        if self.min_bound <= occurrences <= self.max_bound:
            return
        exactly = self.min_bound == self.max_bound
        expected = f"{self.min_bound}" if exactly else f"{self.min_bound}..{self.max_bound}"
        raise ContractFail(f"the callback returned {occurrences} {self.obj_name}, expected {expected}")


class ScrapesContract(Contract):
    """``@scrapes field1 field2``: every item has these fields."""

    name = "scrapes"

    def post_process(self, output: list[Any]) -> None:
        for entry in output:
            if is_item(entry):
                missing = [field for field in self.args if field not in ItemAdapter(entry)]
                if missing:
                    raise ContractFail(f"missing fields: {', '.join(missing)}")
