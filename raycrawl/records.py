"""Requests and responses as bytes, on their way between actors and into the frontier.

A record is one msgpack array. Plain values (dicts with str, int or bytes keys, lists, tuples, sets, str, bytes, int,
float, bool, None, dates) travel as msgpack; any other importable object as a pickle inside a msgpack extension, which
only our own processes write: nothing that was read from the web can become one, because text and bytes stay text and
bytes. Callbacks travel by their name on the spider.

Request: ``[url, callback, meta, priority, errback, dont_filter, cb_kwargs]``, and for a request that says more,
``..., method, headers, body, cookies, encoding, flags, class, further attributes]``.
Response: ``[url, status, headers, body, flags, class, encoding, ip_address, protocol, certificate, attributes]``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from raycrawl.http import (
    FormRequest,
    Headers,
    HtmlResponse,
    JsonRequest,
    JsonResponse,
    Request,
    Response,
    TextResponse,
    XmlResponse,
    XmlRpcRequest,
)
from raycrawl.http.request import NO_CALLBACK
from raycrawl.travel import (
    class_reference,
    pack,
    pack_dict,
    resolve_class,
    unpack_extension,
    unpack_for_passage,
)
from raycrawl.urls import hostname_of
from raycrawl.utils.request import RequestFingerprinter

if TYPE_CHECKING:
    from raycrawl.utils.request import RequestFingerprinterProtocol

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ext_hook=unpack_extension).decode
_decode_for_passage = msgspec.msgpack.Decoder(ext_hook=unpack_for_passage).decode

# Callbacks: the name of a spider's method, None for ``parse``, False for NO_CALLBACK.
_CallbackName = str | bool | None
_SHORT = 7
_BASE_ATTRIBUTES = frozenset(Request.attributes)
_RESPONSE_ATTRIBUTES = frozenset(TextResponse.attributes)
_REQUEST_CLASSES: list[type[Request]] = [Request, FormRequest, JsonRequest, XmlRpcRequest]
_RESPONSE_CLASSES: list[type[Response]] = [Response, TextResponse, HtmlResponse, XmlResponse, JsonResponse]


class RemoteCallback(str):
    """The name of a callback, in a process that has no spider: it can travel on but not be called."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(f"callback {str(self)!r} runs where the spider is, not in this process")


# -- requests


def encode_request(request: Request, spider: Any = None) -> bytes:
    """``request`` as a record.

    Args:
        spider: whose methods the callback and errback must be. None: a method of any object is taken by its name.

    Raises:
        ValueError: when the callback or errback is not a method of the spider, or a value cannot travel; the message
            names it (``meta['page']``).
    """
    meta = request._meta
    cb_kwargs = request._cb_kwargs
    callback = request.callback
    errback = request.errback
    fields: list[Any] = [
        request._url,
        None if callback is None else _callback_name(callback, spider, request),
        pack_dict(meta, "meta") if meta else None,
        request.priority,
        None if errback is None else _callback_name(errback, spider, request),
        request.dont_filter,
        pack_dict(cb_kwargs, "cb_kwargs") if cb_kwargs else None,
    ]
    if (
        request.method != "GET"
        or request._headers
        or request._body
        or request._cookies
        or request._flags
        or request._encoding != "utf-8"
        or type(request) is not Request
    ):
        fields += _further_fields(request)
    try:
        return _encode(fields)
    except (TypeError, ValueError, OverflowError, UnicodeEncodeError) as error:
        raise ValueError(f"{request!r} cannot travel between processes: {error}") from error


def _further_fields(request: Request) -> list[Any]:
    cls = type(request)
    further = None
    if cls.attributes is not Request.attributes:
        further = {name: pack(getattr(request, name), name) for name in cls.attributes if name not in _BASE_ATTRIBUTES}
    return [
        request.method,
        dict(request._headers.items()) if request._headers else None,
        request._body,
        pack(request._cookies, "cookies") if request._cookies else None,
        request._encoding,
        pack(request._flags, "flags") if request._flags else None,
        _REQUEST_CLASSES.index(cls) if cls in _REQUEST_CLASSES else class_reference(cls),  # type: ignore[arg-type]
        further,
    ]


def decode_request(data: bytes, spider: Any = None) -> Request:
    """The request of a record.

    Args:
        spider: whose methods the callback and errback become. None, in a process that passes the request on: they
            become a `RemoteCallback`, and a value that cannot be made again there becomes an `Unloaded`.

    Raises:
        ValueError: when the spider has no such method, or the record is damaged or holds what cannot be made again.
    """
    try:
        fields = _decode_for_passage(data) if spider is None else _decode(data)
        url, callback, meta, priority, errback, dont_filter, cb_kwargs = fields[:_SHORT]
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise ValueError(f"unreadable request record: {error}") from error
    callback = None if callback is None else _callback_of(callback, spider)
    errback = None if errback is None else _callback_of(errback, spider)
    if len(fields) == _SHORT:
        # A plain request, whose values were checked when it was made.
        return _restore(Request, url, callback, meta, priority, errback, dont_filter, cb_kwargs)
    method, headers, body, cookies, encoding, flags, cls_code, further = fields[_SHORT:]
    cls = _REQUEST_CLASSES[cls_code] if isinstance(cls_code, int) else resolve_class(cls_code, Request)
    if cls is Request or cls is FormRequest or cls is XmlRpcRequest:
        request = _restore(cls, url, callback, meta, priority, errback, dont_filter, cb_kwargs)
        request.method = method
        request._encoding = encoding
        request._headers = _headers(headers, encoding) if headers else None
        request._body = body
        request._cookies = cookies
        request._flags = flags
        return request
    return cls(
        url=url, callback=callback, method=method, headers=_headers(headers, encoding), body=body, cookies=cookies,
        meta=meta, encoding=encoding, priority=priority, dont_filter=dont_filter, errback=errback, flags=flags,
        cb_kwargs=cb_kwargs, **(further or {}),
    )  # fmt: skip


def _restore(
    cls: type[Request],
    url: str,
    callback: Callable[..., Any] | None,
    meta: dict[str, Any] | None,
    priority: int,
    errback: Callable[..., Any] | None,
    dont_filter: bool,
    cb_kwargs: dict[str, Any] | None,
) -> Request:
    request = cls.__new__(cls)
    request._url = url
    request.callback = callback
    request._meta = meta
    request.priority = priority
    request.errback = errback
    request.dont_filter = dont_filter
    request._cb_kwargs = cb_kwargs
    request.method = "GET"
    request._encoding = "utf-8"
    request._headers = request._cookies = request._flags = request._hostname = request._fingerprint = None
    request._body = b""
    return request


def _headers(values: dict[bytes, list[bytes]] | None, encoding: str) -> Headers:
    headers = Headers(encoding=encoding)
    if values:
        dict.update(headers, values)  # their names and values are in normal form already
    return headers


# -- callbacks


def _callback_name(function: Any, spider: Any, request: Request) -> _CallbackName:
    owner = getattr(function, "__self__", None)
    if owner is not None and (spider is None or type(owner) is type(spider)):
        plain = getattr(function, "__func__", None)
        name = None if plain is None else _method_name(type(owner), plain)  # type: ignore[arg-type]
        if name is not None:
            return name
    if function is NO_CALLBACK:
        return False
    if isinstance(function, RemoteCallback):
        return str(function)
    if spider is not None:
        # static and class methods
        name = getattr(function, "__name__", "")
        if getattr(spider, name, None) == function and getattr(type(spider), name, None) is not None:
            return str(name)
    raise ValueError(
        f"{function!r} cannot be the callback or errback of {request!r}: callbacks travel between processes by name, "
        f"so they must be methods of the spider ({spider!r}) or raycrawl.http.request.NO_CALLBACK"
    )


@lru_cache(maxsize=4096)
def _method_name(cls: type, function: Callable[..., Any]) -> str | None:
    """The name under which instances of ``cls`` have ``function`` as a method, None when they do not."""
    own: str = getattr(function, "__name__", "")
    if getattr(cls, own, None) is function:
        return own
    # A private method (``__parse``), or one that a decorator renamed.
    return next((name for name in dir(cls) if getattr(cls, name, None) is function), None)


def _callback_of(name: str | bool, spider: Any) -> Callable[..., Any]:
    if name is False:
        return NO_CALLBACK
    if spider is None:
        return RemoteCallback(name)
    method = getattr(spider, str(name), None)
    if method is None or not callable(method):
        raise ValueError(f"Method {name!r} not found in: {spider!r}")
    return method  # type: ignore[no-any-return]


# -- responses


def encode_response(response: Response) -> bytes:
    """``response`` as a record, without its request (the receiver has that).

    Raises:
        ValueError: when a value cannot travel; the message names it.
    """
    cls = type(response)
    certificate = response.certificate
    address = response.ip_address
    further = None
    if cls not in _RESPONSE_CLASSES:
        further = {
            name: pack(getattr(response, name), name) for name in cls.attributes if name not in _RESPONSE_ATTRIBUTES
        }
    fields = [
        response._url,
        response.status,
        dict(response._headers.items()) if response._headers else None,
        response._body,
        pack(response._flags, "flags") if response._flags else None,
        _RESPONSE_CLASSES.index(cls) if further is None else class_reference(cls),  # type: ignore[arg-type]
        getattr(response, "_encoding", None),
        None if address is None else str(address),
        response.protocol,
        None if certificate is None else pack(certificate, "certificate"),
        further,
    ]
    try:
        return _encode(fields)
    except (TypeError, ValueError, OverflowError, UnicodeEncodeError) as error:
        raise ValueError(f"{response!r} cannot travel between processes: {error}") from error


def decode_response(data: bytes, request: Request | None) -> Response:
    """The response of a record, tied to ``request``.

    Raises:
        ValueError: when the record is damaged.
    """
    try:
        url, status, headers, body, flags, cls_code, encoding, address, protocol, certificate, further = _decode(data)
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise ValueError(f"unreadable response record: {error}") from error
    cls = _RESPONSE_CLASSES[cls_code] if isinstance(cls_code, int) else resolve_class(cls_code, Response)
    kwargs: dict[str, Any] = further or {}
    if encoding is not None:
        kwargs["encoding"] = encoding
    response = cls(
        url, status=status, body=body, flags=flags, request=request, certificate=certificate, protocol=protocol,
        ip_address=None if address is None else ip_address(address), **kwargs,
    )  # fmt: skip
    if headers:
        response._headers = _headers(headers, "utf-8")
    return response


# -- what the frontier needs to know of a request


def request_id(request: Request, fingerprinter: RequestFingerprinterProtocol, parent_id: bytes, ordinal: int) -> bytes:
    """The 16 bytes by which the frontier knows a request.

    Args:
        parent_id: the id of the page that yielded it (b"" for start requests).
        ordinal: its place among the requests of that page. Both count only for requests that must not be filtered: the
            same page scraped again after a fault gives the same ids.
    """
    digest = fingerprinter.fingerprint(request)
    if request.dont_filter:
        return blake2b(digest + ordinal.to_bytes(8, "big", signed=True) + parent_id, digest_size=16).digest()
    if type(fingerprinter) is RequestFingerprinter:
        return digest[:16]
    # Of somebody else's digest we do not know that its first bytes tell requests apart.
    return blake2b(digest, digest_size=16).digest()


def slot_key(request: Request) -> str:
    """The download slot of a request: ``meta["download_slot"]``, else the host name of its URL ("" without one)."""
    meta = request._meta
    if meta is not None:
        slot = meta.get("download_slot")
        if slot is not None:
            return str(slot)
    if request._hostname is None:
        request._hostname = hostname_of(request._url)
    return request._hostname
