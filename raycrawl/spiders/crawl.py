"""``CrawlSpider``: follow links by rules.

A page's links are searched for once, whatever the number of rules that look at the same elements; each rule filters
them. Requests name the rule by its index in ``meta["rule"]`` and have a method of the spider as callback, so that any
process that has the spider can handle the response.
"""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
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


def _same_links(links: list[Link]) -> list[Link]:
    return links


def _same_request(request: Request, response: Response) -> Request:
    return request


_default_link_extractor = LinkExtractor()


class Rule:
    """Which links of a page to follow, and what to do with the pages they lead to.

    Args:
        link_extractor: finds the links; by default every link.
        callback: a method's name or a callable, ``(response, **cb_kwargs)``, for the pages behind the links.
        cb_kwargs: keyword arguments for the callback.
        follow: whether the rules apply to those pages, too. Default: only when there is no callback.
        process_links: a method's name or a callable that is given the list of links and returns those to follow.
        process_request: a method's name or a callable, ``(request, response)``, that returns the request to send, or
            None to drop it.
        errback: a method's name or a callable, ``(failure)``, for pages that could not be fetched or processed.
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
        self.link_extractor: Any = link_extractor or _default_link_extractor
        self.callback: Any = callback
        self.errback: Any = errback
        self.cb_kwargs = cb_kwargs or {}
        self.process_links: Any = process_links or _same_links
        self.process_request: Any = process_request or _same_request
        self.follow = not callback if follow is None else follow

    def _compiled(self, spider: Spider) -> Self:
        """A copy of the rule in which names are methods of ``spider``."""
        rule = copy.copy(self)
        for role in ("callback", "errback", "process_links", "process_request"):
            setattr(rule, role, _method(getattr(self, role), spider, role))
        rule.process_links = rule.process_links or _same_links
        rule.process_request = rule.process_request or _same_request
        return rule

    def _links(self, response: Response, scans: Scans) -> list[Link]:
        extract = self.link_extractor.extract_links
        if getattr(extract, "__func__", None) is LinkExtractor.extract_links:
            return self.link_extractor.extract_from(response, scans)  # type: ignore[no-any-return]
        return list(extract(response))  # a class of the user's


def _method(value: Any, spider: Spider, role: str) -> Any:
    if not isinstance(value, str):
        return value
    method = getattr(spider, value, None)
    if method is None:
        logger.warning("A rule of spider %s has %s=%r, but there is no such method", spider.name, role, value)
    return method


class RuleOutput:
    """What a callback and the rules gave for a page, all of it plain: for ``for`` and for ``async for`` alike."""

    __slots__ = ("_output",)

    def __init__(self, output: Iterator[Any]) -> None:
        self._output = output

    def __iter__(self) -> Iterator[Any]:
        return self._output

    async def __aiter__(self) -> AsyncIterator[Any]:
        for entry in self._output:
            yield entry


def _is_async(results: Any) -> bool:
    return hasattr(results, "__aiter__") or inspect.isawaitable(results)


class CrawlSpider(Spider):
    """Follows links by ``rules``, the first rule that matches a link deciding what becomes of it.

    Do not use ``parse`` as a callback, and do not override ``_parse``: the rules start there. ``parse_start_url``
    handles the pages of ``start_urls``, ``process_results`` sees what every callback gives.
    """

    rules: Sequence[Rule] = ()
    _rules: list[Rule]
    _follow_links = True

    def __init__(self, *a: Any, **kw: Any) -> None:
        super().__init__(*a, **kw)
        self._compile_rules()

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        """Build the spider; ``CRAWLSPIDER_FOLLOW_LINKS = False`` keeps it from following any link."""
        spider = super().from_crawler(crawler, *args, **kwargs)
        spider._follow_links = crawler.settings.getbool("CRAWLSPIDER_FOLLOW_LINKS", True)
        return spider

    def _compile_rules(self) -> None:
        """Resolve the names in ``rules``. To be called again by who changes ``rules`` later on."""
        self._rules = [rule._compiled(self) for rule in self.rules]

    def parse_start_url(self, response: Response, **kwargs: Any) -> Any:
        """The callback for the pages of ``start_urls``: items, requests, or nothing."""
        return []

    def process_results(self, response: Response, results: Iterable[Any]) -> Iterable[Any]:
        """The last look at what a callback gives for a page, before it leaves the spider."""
        return results

    def parse_with_rules(
        self,
        response: Response,
        callback: Callable[..., Any] | None,
        cb_kwargs: dict[str, Any] | None = None,
        follow: bool = True,
    ) -> Any:
        """The results of ``callback`` for ``response``, then, when ``follow`` is set, the requests that the rules make.

        What it returns can be gone through with ``async for``, and with ``for`` unless the callback is asynchronous.
        """
        results = callback(response, **(cb_kwargs or {})) or () if callback else ()
        if _is_async(results):
            return self._async_output(response, results, follow)
        processed = self.process_results(response, results) if callback else ()
        if _is_async(processed):
            return self._processed_output(response, processed, follow)
        return RuleOutput(self._output(response, processed, follow))

    def _output(self, response: Response, results: Any, follow: bool) -> Iterator[Any]:
        yield from iterate_spider_output(results)
        if follow and self._follow_links:
            yield from self._requests_to_follow(response)

    async def _async_output(self, response: Response, results: Any, follow: bool) -> AsyncIterator[Any]:
        if not hasattr(results, "__aiter__"):
            results = await results or ()
        if hasattr(results, "__aiter__"):
            results = [entry async for entry in results]
        async for entry in self._processed_output(response, self.process_results(response, results), follow):
            yield entry

    async def _processed_output(self, response: Response, results: Any, follow: bool) -> AsyncIterator[Any]:
        if inspect.isawaitable(results):
            results = await results
        if hasattr(results, "__aiter__"):
            results = [entry async for entry in results]
        for entry in self._output(response, results, follow):
            yield entry

    def _parse_response(
        self, response: Response, callback: Callable[..., Any] | None, cb_kwargs: dict[str, Any], follow: bool = True
    ) -> Any:
        """The older name of ``parse_with_rules``; a subclass that overrides it is still asked."""
        return self.parse_with_rules(response, callback, cb_kwargs, follow)

    def _apply(self, response: Response, callback: Any, cb_kwargs: dict[str, Any], follow: bool) -> Any:
        output = self._parse_response(response, callback, cb_kwargs, follow)
        # Plain output stays plain: async iteration would cost every link an await.
        return iter(output) if isinstance(output, RuleOutput) else output

    def _parse(self, response: Response, **kwargs: Any) -> Any:
        return self._apply(response, self.parse_start_url, kwargs, True)

    def _callback(self, response: Response, **cb_kwargs: Any) -> Any:
        rule = self._rules[response.meta["rule"]]
        return self._apply(response, rule.callback, {**rule.cb_kwargs, **cb_kwargs}, rule.follow)

    def _errback(self, failure: Failure) -> Any:
        request = failure.request  # type: ignore[attr-defined,unused-ignore]
        errback = self._rules[request.meta["rule"]].errback
        return iterate_spider_output(errback(failure) or ()) if errback else ()

    def _build_request(self, rule_index: int, link: Link) -> Request:
        return Request(
            url=link.url,
            callback=self._callback,
            errback=self._errback,
            meta={"rule": rule_index, "link_text": link.text},
        )

    def _requests_to_follow(self, response: Response) -> Iterator[Request]:
        """The requests for the links of an HTML page; a link that several rules find belongs to the first."""
        if not isinstance(response, HtmlResponse):
            return
        seen: set[Link] = set()
        scans: Scans = {}
        for rule_index, rule in enumerate(self._rules):
            links = [link for link in rule._links(response, scans) if link not in seen]
            for link in rule.process_links(links) or ():
                seen.add(link)
                request = rule.process_request(self._build_request(rule_index, link), response)
                if request is not None:
                    yield request


__all__ = ["CrawlSpider", "Rule", "RuleOutput"]
