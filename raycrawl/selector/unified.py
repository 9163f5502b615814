"""``Selector`` and ``SelectorList``: parsel's, made from a response."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

from parsel import Selector as ParselSelector
from parsel import SelectorList as ParselSelectorList

from raycrawl.selector.deep import flattened, is_cut

if TYPE_CHECKING:
    from raycrawl.http import TextResponse

logger = logging.getLogger(__name__)
TRUNCATED = "parser_truncated"
"""The flag of a response that is nested deeper than the parser goes; also in the stats, as ``response/...``."""

SelectorType = Literal["html", "xml", "json", "text"]

_NOT_SET = object()


class SelectorList(ParselSelectorList["Selector"]):
    """A list of selectors; its ``css``, ``xpath``, ``jmespath`` and ``re`` ask each of them and flatten the results."""

    __slots__ = ()


class Selector(ParselSelector):
    """A part of a document, and the queries on it.

    Args:
        response: an ``HtmlResponse``, ``XmlResponse``, ``JsonResponse`` or other text response to select from.
        text: a document as ``str``, when there is no response. One of the two, not both.
        type: ``"html"``, ``"xml"``, ``"json"`` or ``"text"``. By default what the response's class says: ``"xml"`` for
            ``XmlResponse``, ``"json"`` for ``JsonResponse``, what the content looks like for ``TextResponse``,
            ``"html"`` for ``HtmlResponse`` and for ``text``.
        root: an lxml element, or a parsed JSON document, in place of both.
        kwargs: ``base_url``, ``namespaces``, ``huge_tree``, ``encoding``, ``body`` as parsel takes them.

    Raises:
        ValueError: both ``response`` and ``text`` were given, or nothing, or an unknown ``type``.
        AttributeError: the response is not a text response.
    """

    __slots__ = ("_response",)
    selectorlist_cls = SelectorList  # type: ignore[assignment]

    if TYPE_CHECKING:

        def css(self, query: str) -> SelectorList: ...

        def xpath(self, query: str, namespaces: Any = None, **kwargs: Any) -> SelectorList: ...

        def jmespath(self, query: str, **kwargs: Any) -> SelectorList: ...

    def __init__(
        self,
        response: TextResponse | None = None,
        text: str | None = None,
        type: SelectorType | None = None,
        root: Any = _NOT_SET,
        **kwargs: Any,
    ) -> None:
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        if response is not None:
            if text is not None:
                raise ValueError(f"{self.__class__.__name__}.__init__() received both response and text")
            text = response.text
            type = type or _type_of(response)
            kwargs.setdefault("base_url", _ascii_url(response.url))
        elif type is None and (text is not None or kwargs.get("body")):
            type = "html"
        if root is not _NOT_SET:
            kwargs["root"] = root
        self._response = response
        super().__init__(text=text, type=type, **kwargs)
        if text is not None and self.type in ("html", "xml") and is_cut(self.root, text):
            self._read_on(text, kwargs.get("base_url"))

    def _read_on(self, text: str, base_url: str | None) -> None:
        """The parser stopped at the limit of its depth."""
        what = "A text" if self._response is None else str(self._response)
        if self.type == "html":
            self.root = flattened(text, base_url)
            logger.warning("%s is nested deeper than the parser goes: the deepest elements are read as siblings", what)
        else:
            logger.warning("%s is nested deeper than the parser goes: what follows the deepest element is lost", what)
        if self._response is not None and TRUNCATED not in self._response.flags:
            self._response.flags.append(TRUNCATED)

    @property
    def response(self) -> TextResponse | None:
        """The response that the selector was made from; a made-up one for ``text``; None for a query's results."""
        if self._response is None and self._text is not None and self._expr is None:
            self._response = _blank_response(self._text, self.type)
        return self._response


def _type_of(response: TextResponse) -> SelectorType | None:
    """The selector type for a response's class; None lets parsel decide by the content."""
    from raycrawl.http import HtmlResponse, JsonResponse, XmlResponse

    if isinstance(response, HtmlResponse):
        return "html"
    if isinstance(response, XmlResponse):
        return "xml"
    return "json" if isinstance(response, JsonResponse) else None


def _ascii_url(url: str) -> str:
    """``url`` without what lxml refuses in a base URL."""
    return url if url.isascii() else url.encode("ascii", "ignore").decode("ascii")


def _blank_response(text: str, type_: str) -> TextResponse:
    from raycrawl.http import HtmlResponse, TextResponse, XmlResponse

    cls = {"xml": XmlResponse, "html": HtmlResponse}.get(type_, TextResponse)
    return cls("about:blank", body=text.encode("utf-8", "surrogatepass"), encoding="utf-8")


__all__ = ["Selector", "SelectorList"]
