"""`Response`: what came back for a request, before anybody knows whether it is text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar, overload

from raycrawl.exceptions import NotSupported
from raycrawl.http.headers import Headers
from raycrawl.http.request import CookiesT, Request
from raycrawl.link import Link
from raycrawl.urls import join_url, link_url, without_credentials

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

ResponseTypeVar = TypeVar("ResponseTypeVar", bound="Response")


class Response:
    """An HTTP response.

    Args:
        url: of the response (after redirects).
        status: the HTTP status.
        headers: a mapping or pairs; a value may be a list.
        body: bytes.
        flags: labels for logging.
        request: the request that it answers, with its meta and cb_kwargs.
        certificate: the server's certificate, when the transport gives it.
        ip_address: of the server.
        protocol: that was spoken, for example "HTTP/1.1".
    """

    attributes: tuple[str, ...] = (
        "url",
        "headers",
        "body",
        "flags",
        "status",
        "request",
        "certificate",
        "ip_address",
        "protocol",
    )

    __slots__ = (
        "__weakref__",
        "_body",
        "_flags",
        "_headers",
        "_url",
        "certificate",
        "ip_address",
        "protocol",
        "request",
        "status",
    )

    def __init__(
        self,
        url: str,
        status: int = 200,
        headers: Mapping[Any, Any] | Iterable[tuple[Any, Any]] | None = None,
        body: bytes = b"",
        flags: list[str] | None = None,
        request: Request | None = None,
        certificate: Any = None,
        ip_address: IPv4Address | IPv6Address | None = None,
        protocol: str | None = None,
    ) -> None:
        self._headers: Headers | None = Headers(headers) if headers else None
        self.status = int(status)
        self._set_body(body)
        self._set_url(url)
        self.request = request
        self._flags: list[str] | None = list(flags) if flags else None
        self.certificate = certificate
        self.ip_address = ip_address
        self.protocol = protocol

    @property
    def url(self) -> str:
        """The URL (read-only; see `replace`)."""
        return self._url

    def _set_url(self, url: str) -> None:
        if not isinstance(url, str):
            raise TypeError(f"{type(self).__name__} url must be str, got {type(url).__name__}")
        self._url = url

    @property
    def body(self) -> bytes:
        """The body (read-only; see `replace`)."""
        return self._body

    def _set_body(self, body: bytes | None) -> None:
        if body is None:
            self._body = b""
        elif isinstance(body, bytes):
            self._body = body
        else:
            raise TypeError(
                "Response body must be bytes. If you want to pass unicode body use TextResponse or HtmlResponse."
            )

    @property
    def headers(self) -> Headers:
        """The headers."""
        if self._headers is None:
            self._headers = Headers()
        return self._headers

    @headers.setter
    def headers(self, value: Mapping[Any, Any] | Iterable[tuple[Any, Any]] | None) -> None:
        self._headers = value if isinstance(value, Headers) else Headers(value)

    @property
    def flags(self) -> list[str]:
        """Labels for logging ("cached", "dataloss", ...)."""
        if self._flags is None:
            self._flags = []
        return self._flags

    @flags.setter
    def flags(self, value: list[str] | None) -> None:
        self._flags = value

    @property
    def meta(self) -> dict[str, Any]:
        """The meta of the request.

        Raises:
            AttributeError: when the response belongs to no request.
        """
        if self.request is None:
            raise AttributeError("Response.meta not available, this response is not tied to any request")
        return self.request.meta

    @property
    def cb_kwargs(self) -> dict[str, Any]:
        """The cb_kwargs of the request.

        Raises:
            AttributeError: when the response belongs to no request.
        """
        if self.request is None:
            raise AttributeError("Response.cb_kwargs not available, this response is not tied to any request")
        return self.request.cb_kwargs

    def __repr__(self) -> str:
        return f"<{self.status} {without_credentials(self._url)}>"

    def copy(self) -> Self:
        """A copy of this response."""
        return self.replace()

    @overload
    def replace(self, *args: Any, cls: type[ResponseTypeVar], **kwargs: Any) -> ResponseTypeVar: ...
    @overload
    def replace(self, *args: Any, cls: None = None, **kwargs: Any) -> Self: ...
    def replace(self, *args: Any, cls: type[Response] | None = None, **kwargs: Any) -> Response:
        """A response with the same values, except those given; of class ``cls`` when that is given."""
        target = cls or type(self)
        for name in self.attributes:
            if name not in kwargs and (cls is None or name in target.attributes):
                kwargs[name] = getattr(self, name)
        return target(*args, **kwargs)

    def urljoin(self, url: str) -> str:
        """The absolute URL of ``url`` as found in this response, as a browser resolves it."""
        return join_url(self._url, url)

    @property
    def text(self) -> str:
        """The body as text: `TextResponse` has it."""
        raise AttributeError("Response content isn't text")

    def css(self, *args: Any, **kwargs: Any) -> Any:
        """CSS selection: `TextResponse` has it."""
        self._not_text()

    def xpath(self, *args: Any, **kwargs: Any) -> Any:
        """XPath selection: `TextResponse` has it."""
        self._not_text()

    def jmespath(self, *args: Any, **kwargs: Any) -> Any:
        """JMESPath selection: `TextResponse` has it."""
        self._not_text()

    def _not_text(self) -> NoReturn:
        raise NotSupported("Response content isn't text")

    def follow(
        self,
        url: str | Link,
        callback: Callable[..., Any] | None = None,
        method: str = "GET",
        headers: Mapping[Any, Any] | Iterable[tuple[Any, Any]] | None = None,
        body: bytes | str | None = None,
        cookies: CookiesT | None = None,
        meta: dict[str, Any] | None = None,
        encoding: str | None = "utf-8",
        priority: int = 0,
        dont_filter: bool = False,
        errback: Callable[..., Any] | None = None,
        cb_kwargs: dict[str, Any] | None = None,
        flags: list[str] | None = None,
    ) -> Request:
        """A request for ``url``, which may be relative to this response, or a `Link`.

        The other arguments are those of `Request`.

        Raises:
            ValueError: when ``url`` is None, or a browser would not follow it.
            TypeError: when it is neither str nor `Link`.
        """
        if encoding is None:
            raise ValueError("encoding can't be None")
        if isinstance(url, Link):
            url = url.url
        elif url is None:
            raise ValueError("url can't be None")
        elif not isinstance(url, str):
            raise TypeError(f"url must be a str or Link, got {type(url).__name__}")
        return Request(
            link_url(self._url, url, encoding), callback, method, headers, body, cookies, meta, encoding, priority,
            dont_filter, errback, flags, cb_kwargs,
        )  # fmt: skip

    def follow_all(self, urls: Iterable[str | Link], *args: Any, **kwargs: Any) -> Iterator[Request]:
        """A request for each of ``urls``; the other arguments are those of `follow`.

        Raises:
            TypeError: when ``urls`` is not iterable.
        """
        if not hasattr(urls, "__iter__"):
            raise TypeError("'urls' argument must be an iterable")
        return (self.follow(url, *args, **kwargs) for url in urls)

    def to_dict(self) -> dict[str, Any]:
        """The response as a dict of its attributes, without its request and certificate; see `from_dict`."""
        result: dict[str, Any] = {"headers": dict(self.headers.items())}
        for name in self.attributes:
            if name not in ("request", "certificate"):
                result.setdefault(name, getattr(self, name))
        if type(self) is not Response:
            result["_class"] = f"{type(self).__module__}.{type(self).__qualname__}"
        return result

    @staticmethod
    def from_dict(d: dict[str, Any]) -> Response:
        """The response that `to_dict` was called on.

        Raises:
            ValueError: when its class is not a response class.
        """
        from raycrawl.utils.response import response_from_dict

        return response_from_dict(d)
