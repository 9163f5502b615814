"""`JsonRequest`: a request whose body is JSON."""

from __future__ import annotations

import copy
import json
import warnings
from typing import Any, Self, TypeVar, overload

from raycrawl.http.request import Request

RequestTypeVar = TypeVar("RequestTypeVar", bound=Request)


class JsonRequest(Request):
    """A request whose body is JSON, with the headers that say so.

    Args:
        data: any JSON serializable object; with it (and without ``body``) the method is POST unless given.
        dumps_kwargs: arguments of ``json.dumps`` (``sort_keys`` is true unless given).
    """

    attributes: tuple[str, ...] = (*Request.attributes, "dumps_kwargs")
    __slots__ = ("_dumps_kwargs",)

    def __init__(self, *args: Any, dumps_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        self._dumps_kwargs: dict[str, Any] = {"sort_keys": True, **copy.deepcopy(dumps_kwargs or {})}
        data = kwargs.pop("data", None)
        if data is not None:
            if kwargs.get("body") is not None:
                warnings.warn("Both body and data passed. data will be ignored", stacklevel=2)
            else:
                kwargs["body"] = self._dumps(data)
                kwargs.setdefault("method", "POST")
        super().__init__(*args, **kwargs)
        self.headers.setdefault("Content-Type", "application/json")
        self.headers.setdefault("Accept", "application/json, text/javascript, */*; q=0.01")

    @property
    def dumps_kwargs(self) -> dict[str, Any]:
        """The arguments with which ``json.dumps`` is called."""
        return self._dumps_kwargs

    @overload
    def replace(self, *args: Any, cls: type[RequestTypeVar], **kwargs: Any) -> RequestTypeVar: ...
    @overload
    def replace(self, *args: Any, cls: None = None, **kwargs: Any) -> Self: ...
    def replace(self, *args: Any, cls: type[Request] | None = None, **kwargs: Any) -> Request:
        """A request with the same values, except those given; ``data`` gives it another body."""
        data = kwargs.pop("data", None)
        if data is not None:
            if kwargs.get("body") is not None:
                warnings.warn("Both body and data passed. data will be ignored", stacklevel=2)
            else:
                kwargs["body"] = self._dumps(data)
        return super().replace(*args, cls=cls, **kwargs)

    def _dumps(self, data: Any) -> str:
        return json.dumps(data, **self._dumps_kwargs)
