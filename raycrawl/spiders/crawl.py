"""``CrawlSpider``, which finds its way by rules.

For each page the rules are asked in their order. They look at it together: extractors that search the same elements
share one walk through the tree, and only filter for themselves. A request carries the number of its rule
(``meta["rule"]``) rather than the rule's functions, so a response can be handled wherever the spider is.
"""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Self

from raycrawl.http import HtmlResponse, Request, Response
from raycrawl.linkextractors import LinkExtractor
from raycrawl.linkextractors.lxmlhtml import Scans
from raycrawl.spiders import Spider
from raycrawl.utils.spider import iterate_spider_output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raycrawl.crawler import Crawler
    from raycrawl.failure import Failure
    from raycrawl.link import Link

logger = logging.getLogger(__name__)


def _all_links(links: list[Link]) -> list[Link]:
    return links


def _unchanged(request: Request, response: Response) -> Request | None:
    return request


# What a rule does in a role when nothing, or nothing that exists, is named for it. (Functions, for rules are pickled.)
_STAND_INS: dict[str, Callable[..., Any] | None] = {
    "callback": None,
    "errback": None,
    "process_links": _all_links,
    "process_request": _unchanged,
}


class Rule:
    """One way on from a page: the links it takes, and what becomes of the pages that they lead to.

    Functions are given themselves, or by the name of a method of the spider.

    Args:
        link_extractor: has ``extract_links(response)``. Default: one that finds all links.
        callback: ``(response, **cb_kwargs)``, handles the pages.
        cb_kwargs: what ``callback`` is given besides the page.
        follow: go on from these pages, by all rules. Default: True without a ``callback``, False with one.
        process_links: ``(links)``, returns which links to take. Those that an earlier rule took are not among them.
        process_request: ``(request, response)``, where ``response`` has the link. Returns the request to make, or None
            for none; the link counts as taken.
        errback: ``(failure)``, for pages that do not come, or that ``callback`` fails on.
    """

    def __init__(
        self,
        link_extractor: Any = None,
        callback: Callable[..., Any] | str | None = None,
        cb_kwargs: dict[str, Any] | None = None,
        follow: bool | None = None,
        process_links: Callable[[list[Link]], Iterable[Link]] | str | None = None,
        process_request: Callable[[Request, Response], Request | None] | str | None = None,
        errback: Callable[[Failure], Any] | str | None = None,
    ) -> None:
        self.link_extractor: Any = LinkExtractor() if link_extractor is None else link_extractor
        self.callback: Any = callback
        self.errback: Any = errback
        self.cb_kwargs: dict[str, Any] = {} if cb_kwargs is None else cb_kwargs
        self.process_links: Any = process_links or _all_links
        self.process_request: Any = process_request or _unchanged
        self.follow = not callback if follow is None else follow

    def _for_spider(self, spider: Spider) -> Self:
        """This rule with functions in place of names. What ``spider`` does not have is logged, and stood in for."""
        bound = copy.copy(self)
        for role, stand_in in _STAND_INS.items():
            named = getattr(self, role)
            function = getattr(spider, named, None) if isinstance(named, str) else named
            if named and not callable(function):
                logger.warning("Spider %r has no method for %s=%r of one of its rules", spider.name, role, named)
            setattr(bound, role, function if callable(function) else stand_in)
        return bound


def _extract(extractor: Any, response: HtmlResponse, scans: Scans) -> list[Link]:
    """The links ``extractor`` finds; ``scans`` is what extractors asked before it found on the same page."""
    # Who has an extract_links of their own expects it to be called.
    if getattr(extractor.extract_links, "__func__", None) is LinkExtractor.extract_links:
        shared: list[Link] = extractor.extract_from(response, scans)
        return shared
    own: list[Link] = extractor.extract_links(response)
    return own


class RuleOutput:
    """What a page gives when nothing has to be awaited for it; once, by ``for`` or by ``async for``."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Iterator[Any]) -> None:
        self._entries = entries

    def __iter__(self) -> Iterator[Any]:
        return self._entries

    async def __aiter__(self) -> AsyncIterator[Any]:
        for entry in self._entries:
            yield entry


def _must_be_awaited(output: Any) -> bool:
    return hasattr(output, "__aiter__") or inspect.isawaitable(output)


async def _each(output: Any) -> AsyncIterator[Any]:
    """The entries of what code of any kind gave, as they come."""
    if inspect.isawaitable(output):
        output = await output
    if hasattr(output, "__aiter__"):
        async for entry in output:
            yield entry
    else:
        for entry in iterate_spider_output(output):
            yield entry


class CrawlSpider(Spider):
    """A spider that goes from page to page by ``rules``.

    When more than one rule finds a link, it is the first one's. ``parse_start_url`` handles the pages that the crawl
    starts from, the callbacks of the rules all others.

    Do not name ``parse`` as a callback, and leave ``_parse`` alone: it is where the rules come in.

    Attributes:
        rules: the rules, in the order in which they are asked. Read when the spider is made; who sets them later calls
            ``_compile_rules()``.
    """

    rules: Sequence[Rule] = ()
    _rules: list[Rule]
    _follow_links = True

    def __init__(self, *a: Any, **kw: Any) -> None:
        super().__init__(*a, **kw)
        self._compile_rules()

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        """Make the spider of ``crawler``. With ``CRAWLSPIDER_FOLLOW_LINKS`` off, the rules make no requests."""
        spider = super().from_crawler(crawler, *args, **kwargs)
        spider._follow_links = crawler.settings.getbool("CRAWLSPIDER_FOLLOW_LINKS", True)
        return spider

    def _compile_rules(self) -> None:
        self._rules = [rule._for_spider(self) for rule in self.rules]

    # What users define.

    def parse_start_url(self, response: Response, **kwargs: Any) -> Any:
        """Handle a page that the crawl starts from: returns items and requests, as any callback does. Here: none."""
        return ()

    def process_results(self, response: Response, results: Iterable[Any]) -> Iterable[Any]:
        """Returns what is to be made of ``results``, which the callback gave for ``response``. Here: the same.

        The results of asynchronous callbacks come as a list.
        """
        return results

    # Requests.

    def _requests_to_follow(self, response: Response) -> Iterator[Request]:
        """The requests that the rules make of a page. Only HTML pages have any."""
        if isinstance(response, HtmlResponse):
            for rule_index, link in self._taken_links(response):
                made = self._rules[rule_index].process_request(self._build_request(rule_index, link), response)
                if made is not None:
                    yield made

    def _taken_links(self, response: HtmlResponse) -> Iterator[tuple[int, Link]]:
        """(number of the rule, link) for every link that a rule takes."""
        taken: set[Link] = set()
        scans: Scans = {}
        last = len(self._rules) - 1
        for rule_index, rule in enumerate(self._rules):
            links = _extract(rule.link_extractor, response, scans)
            if taken:
                links = [link for link in links if link not in taken]
            for link in rule.process_links(links) or ():
                if rule_index != last:  # nobody asks for the last one's
                    taken.add(link)
                yield rule_index, link

    def _build_request(self, rule_index: int, link: Link) -> Request:
        meta = {"rule": rule_index, "link_text": link.text}
        return Request(link.url, callback=self._callback, errback=self._errback, meta=meta)

    # Responses. All take the way over _parse_response and parse_with_rules, whichever a subclass overrides.

    def _parse(self, response: Response, **kwargs: Any) -> Any:
        return self._handle(response, self.parse_start_url, kwargs, True)

    def _callback(self, response: Response, **cb_kwargs: Any) -> Any:
        rule = self._rules[response.meta["rule"]]
        return self._handle(response, rule.callback, rule.cb_kwargs | cb_kwargs, rule.follow)

    def _errback(self, failure: Failure) -> Any:
        errback = self._rules[failure.request.meta["rule"]].errback
        return () if errback is None else iterate_spider_output(errback(failure))

    def _handle(self, response: Response, callback: Any, cb_kwargs: dict[str, Any], follow: bool) -> Any:
        output = self._parse_response(response, callback, cb_kwargs, follow)
        # Without __aiter__, the spider middlewares do not have to go the slower, asynchronous way.
        return iter(output) if isinstance(output, RuleOutput) else output

    def _parse_response(
        self,
        response: Response,
        callback: Callable[..., Any] | None,
        cb_kwargs: dict[str, Any],
        follow: bool = True,
    ) -> Any:
        """``parse_with_rules``, by the name that subclasses knew it by."""
        return self.parse_with_rules(response, callback, cb_kwargs, follow)

    def parse_with_rules(
        self,
        response: Response,
        callback: Callable[..., Any] | None,
        cb_kwargs: dict[str, Any] | None = None,
        follow: bool = True,
    ) -> Any:
        """Handle a page as the rules' own pages are handled.

        Args:
            callback: is called with ``response`` and ``cb_kwargs``; ``process_results`` gets what it gives.
            follow: also make the requests that the rules find links for.

        Returns:
            What ``callback`` gives, then the requests, for ``async for``. ``for`` does as well while nothing
            asynchronous, ``callback`` or ``process_results``, takes part.
        """
        output = () if callback is None else callback(response, **(cb_kwargs or {})) or ()
        if _must_be_awaited(output):
            output = self._processed_later(response, output)
        else:
            output = self.process_results(response, output)
        if _must_be_awaited(output):
            return self._awaited_output(response, output, follow)
        return RuleOutput(chain(iterate_spider_output(output), self._followed(response, follow)))

    async def _processed_later(self, response: Response, output: Any) -> AsyncIterator[Any]:
        if getattr(self.process_results, "__func__", None) is not CrawlSpider.process_results:
            if inspect.isawaitable(output):
                output = await output
            results = [entry async for entry in output] if hasattr(output, "__aiter__") else output
            output = self.process_results(response, results or ())
        async for entry in _each(output):
            yield entry

    async def _awaited_output(self, response: Response, output: Any, follow: bool) -> AsyncIterator[Any]:
        async for entry in _each(output):
            yield entry
        for request in self._followed(response, follow):
            yield request

    def _followed(self, response: Response, follow: bool) -> Iterator[Request]:
        if follow and self._follow_links:
            yield from self._requests_to_follow(response)


__all__ = ["CrawlSpider", "Rule", "RuleOutput"]
