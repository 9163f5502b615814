"""Spiders that go through one feed, node by node or row by row."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from raycrawl.exceptions import NotConfigured, NotSupported
from raycrawl.selector import Selector
from raycrawl.spiders import Spider
from raycrawl.utils.iterators import csviter, xmliter_lxml
from raycrawl.utils.spider import iterate_spider_output

if TYPE_CHECKING:
    from raycrawl.http import Response


class _FeedSpider(Spider):
    """What both have in common: the parts go through a method of the spider's, and its results through another."""

    def process_results(self, response: Response, results: Iterable[Any]) -> Iterable[Any]:
        """The last look at what is given for a node or row, before it leaves the spider."""
        return results

    def adapt_response(self, response: Response) -> Response:
        """The response that is parsed; here the one that came."""
        return response

    def _each(self, response: Response, parts: Iterable[Any], parse: Callable[..., Any]) -> Any:
        if inspect.iscoroutinefunction(parse) or inspect.isasyncgenfunction(parse):
            return self._each_async(response, parts, parse)
        return self._each_plain(response, parts, parse)

    def _each_plain(self, response: Response, parts: Iterable[Any], parse: Callable[..., Any]) -> Iterator[Any]:
        for part in parts:
            yield from self.process_results(response, iterate_spider_output(parse(response, part)))

    async def _each_async(
        self, response: Response, parts: Iterable[Any], parse: Callable[..., Any]
    ) -> AsyncIterator[Any]:
        for part in parts:
            results = parse(response, part)
            results = [entry async for entry in results] if hasattr(results, "__aiter__") else await results
            for entry in self.process_results(response, iterate_spider_output(results)):
                yield entry


class XMLFeedSpider(_FeedSpider):
    """Goes through the nodes of an XML feed.

    Attributes:
        iterator: ``"iternodes"`` (the default; memory does not grow with the feed), or ``"xml"`` or ``"html"``, which
            build the whole document: ``"html"`` is for markup that no XML parser makes sense of.
        itertag: the name of the nodes, with the prefix of its namespace where it has one.
        namespaces: (prefix, URI) pairs for ``itertag`` and the selectors of ``parse_node``.
    """

    iterator: str = "iternodes"
    itertag: str = "item"
    namespaces: Sequence[tuple[str, str]] = ()

    def parse_node(self, response: Response, selector: Selector) -> Any:
        """Give the items and requests of a node; to be defined by the spider."""
        if hasattr(self, "parse_item"):  # its name in old versions
            return self.parse_item(response, selector)
        raise NotImplementedError(f"{type(self).__name__}.parse_node is not defined")

    def parse_nodes(self, response: Response, nodes: Iterable[Selector]) -> Any:
        """``parse_node`` and ``process_results`` for each of ``nodes``. Whoever overrides it calls ``parse_node``."""
        return self._each(response, nodes, self.parse_node)

    def _parse(self, response: Response, **kwargs: Any) -> Any:
        if not callable(getattr(self, "parse_node", None)):
            raise NotConfigured("An XMLFeedSpider has to define a parse_node method")
        response = self.adapt_response(response)
        return self.parse_nodes(response, self._nodes(response))

    def _nodes(self, response: Response) -> Iterable[Selector]:
        if self.iterator == "iternodes":
            return self._iternodes(response)
        if self.iterator not in ("xml", "html"):
            raise NotSupported(f"iterator = {self.iterator!r}: an XMLFeedSpider knows 'iternodes', 'xml' and 'html'")
        selector = Selector(response, type=self.iterator)  # type: ignore[arg-type]
        self._register_namespaces(selector)
        return selector.xpath(f"//{self.itertag}")

    def _iternodes(self, response: Response) -> Iterator[Selector]:
        prefix, colon, name = self.itertag.rpartition(":")
        uri = dict(self.namespaces).get(prefix) if colon else None
        nodes = xmliter_lxml(response, name, uri, prefix) if uri else xmliter_lxml(response, self.itertag)
        for node in nodes:
            self._register_namespaces(node)
            yield node

    def _register_namespaces(self, selector: Selector) -> None:
        for prefix, uri in self.namespaces:
            selector.register_namespace(prefix, uri)


class CSVFeedSpider(_FeedSpider):
    """Goes through the rows of a CSV feed.

    Attributes:
        delimiter: between fields; default a comma.
        quotechar: around fields; default a double quote.
        headers: the names of the columns; default the first row.
    """

    delimiter: str | None = None
    quotechar: str | None = None
    headers: list[str] | None = None

    def parse_row(self, response: Response, row: dict[str, str]) -> Any:
        """Give the items and requests of a row; to be defined by the spider."""
        raise NotImplementedError(f"{type(self).__name__}.parse_row is not defined")

    def parse_rows(self, response: Response) -> Any:
        """``parse_row`` and ``process_results`` for each row. Whoever overrides it calls ``parse_row``."""
        rows = csviter(response, self.delimiter, self.headers, quotechar=self.quotechar)
        return self._each(response, rows, self.parse_row)

    def _parse(self, response: Response, **kwargs: Any) -> Any:
        if not callable(getattr(self, "parse_row", None)):
            raise NotConfigured("A CSVFeedSpider has to define a parse_row method")
        return self.parse_rows(self.adapt_response(response))


__all__ = ["CSVFeedSpider", "XMLFeedSpider"]
