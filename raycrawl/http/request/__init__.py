"""`Request`: a URL to fetch, how to fetch it, and what to do with the response.

A page yields 30 to 100 of these, so a request costs as little as a request can: values that are rarely given (meta,
headers, cookies, flags, cb_kwargs) are made when somebody first looks at them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeAlias, TypedDict, TypeVar, overload

from raycrawl.http.headers import Headers
from raycrawl.urls import has_scheme, safe_url_and_host, without_credentials

if TYPE_CHECKING:
    from typing import NotRequired

    from raycrawl.spiders import Spider


class VerboseCookie(TypedDict):
    """A cookie given with its attributes (``cookies=[{"name": ..., "value": ..., "domain": ...}]``)."""

    name: str | bytes
    value: str | bytes | bool | float | int
    domain: NotRequired[str | bytes]
    path: NotRequired[str | bytes]
    secure: NotRequired[bool]


CookiesT: TypeAlias = dict[str, str] | list[VerboseCookie]
RequestTypeVar = TypeVar("RequestTypeVar", bound="Request")


def NO_CALLBACK(*args: Any, **kwargs: Any) -> NoReturn:
    """The callback of requests whose response no callback will get (those that components download themselves).

    ``callback=None`` means the spider's ``parse`` method; this says that there is none.
    """
    raise RuntimeError(
        "The NO_CALLBACK callback has been called. This is a special callback value intended for requests whose "
        "callback is never meant to be called."
    )


class Request:
    """An HTTP request.

    Args:
        url: an absolute URL; it is stored as a browser would request it, unless ``meta["verbatim_url"]`` is true.
        callback: called with the response; None is the spider's ``parse`` method. It travels by its name, so it must be
            a method of the spider (or `NO_CALLBACK`).
        method: the HTTP method; stored in upper case.
        headers: a mapping or pairs; a value may be a list; a header of value None is not sent.
        body: str is encoded with ``encoding``.
        cookies: a dict, or a list of dicts with name, value and optional domain, path, secure.
        meta: data of components and yours for this request; copied shallowly.
        encoding: of ``body`` and of the URL's query.
        priority: higher goes first.
        dont_filter: schedule it even if the same request was seen before.
        errback: called with a failure when the download or its processing fails.
        flags: labels for logging.
        cb_kwargs: further keyword arguments of the callback; copied shallowly.

    Raises:
        TypeError: for a URL or encoding that is not str, a priority that is not int, a callback or
            errback that is not callable.
        ValueError: for a URL without scheme or that no browser would accept.
    """

    attributes: tuple[str, ...] = (
        "url",
        "headers",
        "body",
        "cookies",
        "meta",
        "encoding",
        "flags",
        "cb_kwargs",
        "callback",
        "dont_filter",
        "errback",
        "method",
        "priority",
    )

    # No __dict__: an attribute that would be lost on the way to another process is an error here, not a surprise there.
    __slots__ = (
        "__weakref__",
        "_body",
        "_cb_kwargs",
        "_cookies",
        "_encoding",
        "_fingerprint",
        "_flags",
        "_headers",
        "_hostname",
        "_meta",
        "_url",
        "callback",
        "dont_filter",
        "errback",
        "method",
        "priority",
    )

    def __init__(
        self,
        url: str,
        callback: Callable[..., Any] | None = None,
        method: str = "GET",
        headers: Mapping[Any, Any] | Iterable[tuple[Any, Any]] | None = None,
        body: bytes | str | None = None,
        cookies: CookiesT | None = None,
        meta: dict[str, Any] | None = None,
        encoding: str = "utf-8",
        priority: int = 0,
        dont_filter: bool = False,
        errback: Callable[..., Any] | None = None,
        flags: list[str] | None = None,
        cb_kwargs: dict[str, Any] | None = None,
    ) -> None:
        if encoding != "utf-8" and not isinstance(encoding, str):
            raise TypeError(f"Request encoding must be str, got {type(encoding).__name__}")
        self._encoding = encoding
        self.method = method if method == "GET" else str(method).upper()
        self._meta = dict(meta) if meta else None
        self._hostname: str | None
        self._fingerprint: tuple[str, bytes] | None  # of this method
        self._set_url(url)
        self._body = b""
        if body is not None:
            self._set_body(body)
        if not isinstance(priority, int):
            raise TypeError(f"Request priority not an integer: {priority!r}")
        self.priority = priority
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be a callable, got {type(callback).__name__}")
        if errback is not None and not callable(errback):
            raise TypeError(f"errback must be a callable, got {type(errback).__name__}")
        self.callback, self.errback = callback, errback
        self._cookies = cookies or None
        self._headers = Headers(headers, encoding) if headers else None
        self.dont_filter = dont_filter
        self._cb_kwargs = dict(cb_kwargs) if cb_kwargs else None
        self._flags = list(flags) if flags else None

    @property
    def url(self) -> str:
        """The URL (read-only; see `replace`)."""
        return self._url

    def _set_url(self, url: str) -> None:
        if not isinstance(url, str):
            raise TypeError(f"Request url must be str, got {type(url).__name__}")
        self._fingerprint = None
        if self._meta is not None and self._meta.get("verbatim_url"):
            if not has_scheme(url):
                raise ValueError(f"Missing scheme in request url: {url}")
            self._url = url
            self._hostname = None
        else:
            self._url, self._hostname = safe_url_and_host(url, self._encoding)

    @property
    def body(self) -> bytes:
        """The body (read-only; see `replace`)."""
        return self._body

    def _set_body(self, body: str | bytes | None) -> None:
        self._fingerprint = None
        if isinstance(body, bytes):
            self._body = body
        elif body is None:
            self._body = b""
        elif isinstance(body, str):
            self._body = body.encode(self._encoding)
        else:
            raise TypeError(f"Request body must be str or bytes, got {type(body).__name__}")

    @property
    def encoding(self) -> str:
        """The encoding of the body and of the URL's query (read-only)."""
        return self._encoding

    @property
    def meta(self) -> dict[str, Any]:
        """Data about this request, for components and callbacks; ``response.meta`` is the same dict."""
        if self._meta is None:
            self._meta = {}
        return self._meta

    @property
    def cb_kwargs(self) -> dict[str, Any]:
        """Further keyword arguments of the callback."""
        if self._cb_kwargs is None:
            self._cb_kwargs = {}
        return self._cb_kwargs

    @property
    def headers(self) -> Headers:
        """The headers."""
        if self._headers is None:
            self._headers = Headers(encoding=self._encoding)
        return self._headers

    @headers.setter
    def headers(self, value: Mapping[Any, Any] | Iterable[tuple[Any, Any]] | None) -> None:
        self._headers = value if isinstance(value, Headers) else Headers(value, self._encoding)

    @property
    def cookies(self) -> CookiesT:
        """The cookies as they were given."""
        if self._cookies is None:
            self._cookies = {}
        return self._cookies

    @cookies.setter
    def cookies(self, value: CookiesT | None) -> None:
        self._cookies = value

    @property
    def flags(self) -> list[str]:
        """Labels for logging."""
        if self._flags is None:
            self._flags = []
        return self._flags

    @flags.setter
    def flags(self, value: list[str] | None) -> None:
        self._flags = value

    def __repr__(self) -> str:
        return f"<{self.method} {without_credentials(self._url)}>"

    def copy(self) -> Self:
        """A copy of this request."""
        return self.replace()

    @overload
    def replace(self, *args: Any, cls: type[RequestTypeVar], **kwargs: Any) -> RequestTypeVar: ...
    @overload
    def replace(self, *args: Any, cls: None = None, **kwargs: Any) -> Self: ...
    def replace(self, *args: Any, cls: type[Request] | None = None, **kwargs: Any) -> Request:
        """A request with the same values, except those given; of class ``cls`` when that is given.

        meta and cb_kwargs are copied shallowly unless given.
        """
        target = cls or type(self)
        for name in self.attributes:
            if name not in kwargs and (cls is None or name in target.attributes):
                kwargs[name] = getattr(self, name)
        return target(*args, **kwargs)

    @classmethod
    def from_curl(cls, curl_command: str, ignore_unknown_options: bool = True, **kwargs: Any) -> Self:
        """The request that a cURL command makes: its method, URL, headers, cookies and body; ``kwargs`` win over it.

        Raises:
            ValueError: when the command is not a cURL command, or has an option that we do not know and
                ``ignore_unknown_options`` is false (else that warns).
        """
        from raycrawl.utils.curl import curl_to_request_kwargs

        return cls(**{**curl_to_request_kwargs(curl_command, ignore_unknown_options), **kwargs})

    def to_curl(self) -> str:
        """A cURL command that makes this request."""
        from raycrawl.utils.request import request_to_curl

        return request_to_curl(self)

    def to_dict(self, *, spider: Spider | None = None) -> dict[str, Any]:
        """The request as a dict of its attributes; `raycrawl.utils.request.request_from_dict` makes it a request again.

        Args:
            spider: whose methods the callback and errback are; they are given by name.

        Raises:
            ValueError: when the callback or errback is not a method of ``spider``.
        """
        result: dict[str, Any] = {
            "url": self.url,
            "callback": _method_name(spider, self.callback) if callable(self.callback) else self.callback,
            "errback": _method_name(spider, self.errback) if callable(self.errback) else self.errback,
            "headers": dict(self.headers.items()),
        }
        for name in self.attributes:
            result.setdefault(name, getattr(self, name))
        if type(self) is not Request:
            result["_class"] = f"{type(self).__module__}.{type(self).__qualname__}"
        return result


def _method_name(spider: Any, function: Callable[..., Any]) -> str:
    """The name under which ``function`` is found on ``spider``.

    Raises:
        ValueError: when it is not a method of the spider.
    """
    owner = getattr(function, "__self__", None)
    if spider is not None and owner is not None and type(owner) is type(spider):
        name: str = getattr(function, "__name__", "")
        found = getattr(type(owner), name, None)
        if found is not None and getattr(function, "__func__", None) is getattr(found, "__func__", found):
            return name
        for name in dir(owner):
            if getattr(getattr(owner, name, None), "__func__", None) is getattr(function, "__func__", function):
                return name
    raise ValueError(f"Function {function!r} is not an instance method in: {spider!r}")
