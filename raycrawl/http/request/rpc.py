"""`XmlRpcRequest`: a request that calls an XML-RPC method."""

from __future__ import annotations

import xmlrpc.client
from typing import Any

from raycrawl.http.request import Request

_DUMPS_ARGS = ("params", "methodname", "methodresponse", "encoding", "allow_none")


class XmlRpcRequest(Request):
    """A POST request whose body is an XML-RPC call.

    Args:
        params, methodname, methodresponse, allow_none: as ``xmlrpc.client.dumps`` takes them.
    """

    __slots__ = ()

    def __init__(self, *args: Any, encoding: str | None = None, **kwargs: Any) -> None:
        if "body" not in kwargs and "params" in kwargs:
            dumps_kwargs = {name: kwargs.pop(name) for name in _DUMPS_ARGS if name in kwargs}
            kwargs["body"] = xmlrpc.client.dumps(encoding=encoding, **dumps_kwargs)
        # Repeating a call repeats its effect, which is what the caller asks for.
        kwargs.setdefault("method", "POST")
        kwargs.setdefault("dont_filter", True)
        if encoding is not None:
            kwargs["encoding"] = encoding
        super().__init__(*args, **kwargs)
        self.headers.setdefault("Content-Type", "text/xml")
