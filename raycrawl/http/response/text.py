"""`TextResponse`: a response whose body is text in some encoding, with links to follow and parts to select."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from w3lib.encoding import html_body_declared_encoding, http_content_type_encoding, read_bom, resolve_encoding

from raycrawl.http.encodings import infer_encoding
from raycrawl.http.request import CookiesT, Request
from raycrawl.http.response import Response
from raycrawl.http.response.base_url import find_base_href
from raycrawl.link import Link
from raycrawl.urls import URL, join_url, link_url, parse_url

if TYPE_CHECKING:
    from raycrawl.selector import Selector, SelectorList

_NONE = object()
_HTML_SPACE = " \t\n\r\f"


class TextResponse(Response):
    """A response whose body is text.

    Args:
        encoding: of the body; when it is not given it is, in this order, that of the byte order mark, of the
            Content-Type header, of the document's declaration (HTML and XML), or what the body looks like.

    A str ``body`` is encoded with ``encoding``, which must then be given. The other arguments are those of `Response`.
    """

    attributes: tuple[str, ...] = (*Response.attributes, "encoding")
    __slots__ = ("_base", "_detected", "_encoding", "_json", "_selector", "_text")
    _declares_encoding = False

    def __init__(self, *args: Any, encoding: str | None = None, **kwargs: Any) -> None:
        self._encoding = encoding
        self._detected: str | None = None
        self._text: str | None = None
        self._json: Any = _NONE
        self._selector: Selector | None = None
        self._base: URL | str | None = None
        super().__init__(*args, **kwargs)

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        # What was computed from the body is computed again: parsed trees and URLs are not data.
        state = {name: getattr(self, name) for cls in type(self).__mro__ for name in getattr(cls, "__slots__", ())
                 if name != "__weakref__" and hasattr(self, name)}  # fmt: skip
        state.update(getattr(self, "__dict__", {}))
        state.update(_text=None, _selector=None, _base=None)
        state["_json"] = None
        return None, state

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        for name, value in state[1].items():
            setattr(self, name, value)
        self._json = _NONE

    def _set_body(self, body: str | bytes | None) -> None:
        if isinstance(body, str):
            if self._encoding is None:
                raise TypeError(f"Cannot convert unicode body - {type(self).__name__} has no encoding")
            body = body.encode(self._encoding)
        super()._set_body(body)

    @property
    def encoding(self) -> str:
        """The encoding of the body: given, declared or inferred."""
        if self._encoding is not None:
            return self._encoding
        if self._detected is None:
            self._detected = self._declared_encoding() or infer_encoding(self._body)
        return self._detected

    def _declared_encoding(self) -> str | None:
        if self._encoding is not None:
            return self._encoding
        bom = read_bom(self._body[:4])[0]
        if bom is not None:
            return str(bom)
        if self._headers:
            content_type = self._headers.get(b"Content-Type")
            if content_type:
                named = http_content_type_encoding(content_type.decode("latin-1"))
                if named:
                    return str(named)
        if self._declares_encoding:
            declared = html_body_declared_encoding(self._body)
            return str(declared) if declared else None
        return None

    @property
    def text(self) -> str:
        """The body as str; bytes that the encoding does not have become U+FFFD."""
        if self._text is None:
            encoding = resolve_encoding(self.encoding) or "utf-8"
            body = self._body
            bom, mark = read_bom(body[:4])
            if bom is not None and codecs.lookup(bom) == codecs.lookup(encoding):
                body = body[len(mark or b"") :]
            self._text = body.decode(encoding, "replace")
        return self._text

    def json(self) -> Any:
        """The body as JSON, decoded once: later calls give the same object.

        Raises:
            ValueError: when the body is not JSON.
        """
        if self._json is _NONE:
            try:
                self._json = json.loads(self._body)
            except UnicodeDecodeError:
                self._json = json.loads(self.text)
        return self._json

    @property
    def selector(self) -> Selector:
        """A `Selector` of the whole document."""
        if self._selector is None:
            from raycrawl.selector import Selector

            self._selector = Selector(self)
        return self._selector

    def jmespath(self, query: str, **kwargs: Any) -> SelectorList:
        """``selector.jmespath(query)``."""
        return self.selector.jmespath(query, **kwargs)

    def xpath(self, query: str, **kwargs: Any) -> SelectorList:
        """``selector.xpath(query)``."""
        return self.selector.xpath(query, **kwargs)

    def css(self, query: str) -> SelectorList:
        """``selector.css(query)``."""
        return self.selector.css(query)

    def base(self) -> URL | str:
        """What relative URLs of this document are relative to, found and parsed once."""
        if self._base is None:
            href = find_base_href(self.text)
            url = self._url
            if href is not None:
                try:
                    url = join_url(url, href)
                except ValueError:
                    href = None  # a browser ignores a <base> that it cannot parse
            try:
                self._base = parse_url(url)
            except ValueError:
                self._base = url
        return self._base

    def urljoin(self, url: str) -> str:
        """The absolute URL of ``url`` as found in this document, as a browser resolves it (``<base href>`` counts)."""
        return join_url(self._base or self.base(), url)

    def follow(
        self,
        url: Any,
        callback: Callable[..., Any] | None = None,
        method: str = "GET",
        headers: Mapping[Any, Any] | Iterable[tuple[Any, Any]] | None = None,
        body: bytes | str | None = None,
        cookies: CookiesT | None = None,
        meta: dict[str, Any] | None = None,
        encoding: str | None = None,
        priority: int = 0,
        dont_filter: bool = False,
        errback: Callable[..., Any] | None = None,
        cb_kwargs: dict[str, Any] | None = None,
        flags: list[str] | None = None,
    ) -> Request:
        """A request for ``url``; the other arguments are those of `Request`.

        Args:
            url: a URL, absolute or relative to this document; a `Link`; a `Selector` of an ``<a>`` or ``<link>``
                element (its href is followed) or of an attribute or text.
            encoding: of the URL's query; that of this response when not given.

        Raises:
            ValueError: when ``url`` is None, a `SelectorList` or a `Selector` without a URL, or a URL that a browser
                would not follow.
            TypeError: for any other type.
        """
        encoding = encoding or self._encoding or self._detected or self.encoding
        href = url if type(url) is str else _url_of(url)
        return Request(
            link_url(self._base or self.base(), href, encoding), callback, method, headers, body, cookies, meta,
            encoding, priority, dont_filter, errback, flags, cb_kwargs,
        )  # fmt: skip

    def follow_all(
        self,
        urls: Iterable[Any] | None = None,
        callback: Callable[..., Any] | None = None,
        *args: Any,
        css: str | None = None,
        xpath: str | None = None,
        **kwargs: Any,
    ) -> Iterator[Request]:
        """A request for each URL of ``urls``, or of what ``css`` or ``xpath`` selects (give exactly one of the three).

        Selected elements without a URL to follow are left out. The other arguments are those of `follow`.

        Raises:
            ValueError: when not exactly one of ``urls``, ``css``, ``xpath`` is given.
            TypeError: when ``urls`` is not iterable.
        """
        if [urls is None, css is None, xpath is None].count(False) > 1 or not (css or xpath or urls is not None):
            raise ValueError("Please supply exactly one of the following arguments: urls, css, xpath")
        if urls is None:
            found = self.css(css) if css else self.xpath(xpath or "")
            urls = [href for href in map(_url_or_none, found) if href is not None]
        elif not hasattr(urls, "__iter__"):
            raise TypeError("'urls' argument must be an iterable")
        elif _is_selector_list(urls):
            urls = [href for href in map(_url_or_none, urls) if href is not None]
        return (self.follow(url, callback, *args, **kwargs) for url in urls)


class _InvalidSelector(ValueError):
    """A selector that has no URL to follow."""


def _url_of(url: Any) -> str:
    if isinstance(url, str):
        return url
    if isinstance(url, Link):
        return url.url
    if url is None:
        raise ValueError("url can't be None")
    # Nobody can have a selector before parsel was imported.
    parsel = sys.modules.get("parsel")
    if parsel is not None:
        if isinstance(url, parsel.Selector):
            return _url_from_selector(url)
        if isinstance(url, parsel.SelectorList):
            raise ValueError("SelectorList is not supported")
    raise TypeError(f"url must be a str, Link or Selector, got {type(url).__name__}")


def _url_from_selector(selector: Any) -> str:
    root = selector.root
    if isinstance(root, str):  # an attribute or text
        return root.strip(_HTML_SPACE)
    if not hasattr(root, "tag"):
        raise _InvalidSelector(f"Unsupported selector: {selector}")
    if root.tag not in ("a", "link"):
        raise _InvalidSelector(f"Only <a> and <link> elements are supported; got <{root.tag}>")
    href = root.get("href")
    if href is None:
        raise _InvalidSelector(f"<{root.tag}> element has no href attribute: {selector.get()}")
    return str(href).strip(_HTML_SPACE)


def _url_or_none(selector: Any) -> str | None:
    try:
        return _url_of(selector)
    except _InvalidSelector:
        return None


def _is_selector_list(value: Any) -> bool:
    parsel = sys.modules.get("parsel")
    return parsel is not None and isinstance(value, parsel.SelectorList)
