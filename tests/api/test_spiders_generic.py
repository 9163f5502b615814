"""``CrawlSpider``, ``SitemapSpider``, ``XMLFeedSpider`` and ``CSVFeedSpider``."""

from __future__ import annotations

import gzip
import inspect
import logging
import pickle
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import pytest

from raycrawl.exceptions import NotSupported
from raycrawl.failure import Failure
from raycrawl.http import HtmlResponse, Request, Response, TextResponse, XmlResponse
from raycrawl.link import Link
from raycrawl.linkextractors import LinkExtractor
from raycrawl.selector import Selector
from raycrawl.spiders import CrawlSpider, CSVFeedSpider, Rule, SitemapSpider, XMLFeedSpider
from raycrawl.utils.test import get_crawler

BODY = b"""<a href="/item/1">One</a><a href="/cat/2">Two</a><a href="/item/1">again</a><a href="/x">Other</a>"""


def page(cls: type[Response] = HtmlResponse, body: bytes = BODY, **request: Any) -> Any:
    return cls("http://e.com/", body=body, request=Request("http://e.com/", **request))


async def collect(output: Any) -> list[Any]:
    if hasattr(output, "__aiter__"):
        return [entry async for entry in output]
    return list(output)


def paths(requests: Iterable[Request]) -> list[str]:
    return [request.url.removeprefix("http://e.com") for request in requests]


class Shop(CrawlSpider):
    name = "shop"
    rules: Any = (
        Rule(LinkExtractor(allow="/item/"), callback="parse_item", cb_kwargs={"x": 1}, errback="failed"),
        Rule(LinkExtractor(allow="/cat/"), process_links="choose", process_request="prefer"),
        Rule(),
    )

    def parse_item(self, response: Response, x: int, **kwargs: Any) -> Iterator[Any]:
        yield {"url": response.url, "x": x, **kwargs}

    def failed(self, failure: Failure) -> list[Any]:
        return [{"failed": failure.request.url}]  # type: ignore[union-attr]

    def choose(self, links: list[Link]) -> list[Link]:
        return links

    def prefer(self, request: Request, response: Response) -> Request | None:
        return request.replace(priority=5, meta={**request.meta, "from": response.url})


# -- rules


def test_rule_defaults() -> None:
    rule = Rule()
    assert (rule.callback, rule.errback, rule.cb_kwargs, rule.follow) == (None, None, {}, True)
    assert isinstance(rule.link_extractor, LinkExtractor)
    assert rule.process_links([1]) == [1]
    assert rule.process_request(1, 2) == 1
    assert Rule(callback="x").follow is False
    assert Rule(callback="x", follow=True).follow is True
    assert Rule(follow=False).follow is False


def test_the_first_rule_that_finds_a_link_gets_it() -> None:
    spider = Shop()
    requests = list(spider._parse(page()))
    assert paths(requests) == ["/item/1", "/cat/2", "/x"]
    assert [request.meta["rule"] for request in requests] == [0, 1, 2]
    assert [request.meta["link_text"] for request in requests] == ["One", "Two", "Other"]
    assert (requests[1].priority, requests[1].meta["from"]) == (5, "http://e.com/")
    assert all(request.callback == spider._callback for request in requests)
    assert all(request.errback == spider._errback for request in requests)


def test_callbacks_of_rules() -> None:
    spider = Shop()
    assert list(spider._callback(page(meta={"rule": 0}))) == [{"url": "http://e.com/", "x": 1}]
    assert list(spider._callback(page(meta={"rule": 0}), y=2)) == [{"url": "http://e.com/", "x": 1, "y": 2}]
    assert paths(spider._callback(page(meta={"rule": 1}))) == ["/item/1", "/cat/2", "/x"]


def test_errbacks_of_rules() -> None:
    spider = Shop()
    failure = Failure(OSError("x"), Request("http://e.com/a", meta={"rule": 0}))
    assert list(spider._errback(failure)) == [{"failed": "http://e.com/a"}]
    assert list(spider._errback(Failure(OSError("x"), Request("http://e.com/a", meta={"rule": 1})))) == []


def test_process_links_and_process_request_filter() -> None:
    class Picky(Shop):
        rules = (
            Rule(LinkExtractor(allow="/item/"), process_links=lambda links: []),
            Rule(LinkExtractor(allow="/cat/"), process_request=lambda request, response: None),
            Rule(LinkExtractor(allow="/item/|/cat/")),
        )

    assert [(request.url[-1], request.meta["rule"]) for request in Picky()._parse(page())] == [("1", 2)]


def test_process_links_may_change_links() -> None:
    class Changing(Shop):
        rules = (Rule(LinkExtractor(allow="/item/"), process_links="sign"), Rule(LinkExtractor(allow="/item/")))

        def sign(self, links: list[Link]) -> list[Link]:
            for link in links:
                link.url += "?signed"
            return links

    assert paths(Changing()._parse(page())) == ["/item/1?signed", "/item/1"]


def test_only_html_is_followed() -> None:
    assert list(Shop()._parse(page(TextResponse))) == list(Shop()._parse(page(XmlResponse))) == []
    assert list(Shop()._parse(page(Response))) == []


def test_follow_can_be_switched_off() -> None:
    spider = Shop.from_crawler(get_crawler(Shop, {"CRAWLSPIDER_FOLLOW_LINKS": False}))
    assert list(spider._parse(page())) == []
    assert len(list(Shop.from_crawler(get_crawler(Shop))._parse(page()))) == 3


def test_the_tree_is_searched_once_for_all_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    from raycrawl.linkextractors.scan import Scanner

    scans: list[Any] = []
    scan = Scanner.scan
    monkeypatch.setattr(Scanner, "scan", lambda self, root, response: scans.append(root) or scan(self, root, response))
    assert len(list(Shop()._parse(page()))) == 3
    assert len(scans) == 1


def test_extractors_of_ones_own() -> None:
    class Mine:
        def extract_links(self, response: Response) -> list[Link]:
            return [Link("http://e.com/mine")]

    class Sub(LinkExtractor):
        def extract_links(self, response: Any) -> list[Link]:
            return super().extract_links(response)[:1]

    class Own(Shop):
        rules = (Rule(Mine()), Rule(Sub()))

    assert paths(Own()._parse(page())) == ["/mine", "/item/1"]


def test_rules_of_an_instance() -> None:
    class Late(CrawlSpider):
        name = "late"

        def __init__(self, allow: str, **kwargs: Any) -> None:
            self.rules = (Rule(LinkExtractor(allow=allow), callback=self.found),)
            super().__init__(**kwargs)

        def found(self, response: Response) -> Any:
            return {"found": True}

    late = Late("/x")
    assert paths(late._parse(page())) == ["/x"]
    assert list(late._callback(page(meta={"rule": 0}))) == [{"found": True}]
    late.rules = ()
    late._compile_rules()
    assert list(late._parse(page())) == []


def test_a_missing_method_is_said(caplog: pytest.LogCaptureFixture) -> None:
    class Typo(Shop):
        rules = (Rule(callback="parse_itme", follow=True),)

    with caplog.at_level(logging.WARNING):
        spider = Typo()
    assert "callback='parse_itme'" in caplog.text
    assert len(list(spider._callback(page(meta={"rule": 0})))) == 3


def test_rules_travel() -> None:
    rule = pickle.loads(pickle.dumps(Shop.rules[0]))
    assert rule.callback == "parse_item"
    assert rule.link_extractor.allow_res == Shop.rules[0].link_extractor.allow_res


# -- what callbacks give


def test_parse_start_url_and_process_results() -> None:
    class Starts(Shop):
        rules = ()

        def parse_start_url(self, response: Response, **kwargs: Any) -> Any:
            return {"start": kwargs}

        def process_results(self, response: Response, results: Iterable[Any]) -> Iterable[Any]:
            return [*(results if isinstance(results, list) else [results]), {"last": response.url}]

    assert list(Starts()._parse(page(), q=1)) == [{"start": {"q": 1}}, {"last": "http://e.com/"}]


@pytest.mark.parametrize("kind", ["coroutine", "async generator"])
async def test_asynchronous_callbacks(kind: str) -> None:
    class Async(Shop):
        if kind == "coroutine":

            async def parse_start_url(self, response: Response, **kwargs: Any) -> Any:
                return [{"a": 1}]

        else:

            async def parse_start_url(self, response: Response, **kwargs: Any) -> Any:
                yield {"a": 1}

        def process_results(self, response: Response, results: Iterable[Any]) -> Iterable[Any]:
            return [{**result, "processed": True} for result in results]

    output = await collect(Async()._parse(page()))
    assert output[0] == {"a": 1, "processed": True}
    assert paths(output[1:]) == ["/item/1", "/cat/2", "/x"]


async def test_results_of_asynchronous_callbacks_come_one_by_one() -> None:
    class Failing(Shop):
        async def parse_start_url(self, response: Response, **kwargs: Any) -> Any:
            yield {"a": 1}
            raise ZeroDivisionError

    output = Failing()._parse(page())
    assert await anext(output) == {"a": 1}
    with pytest.raises(ZeroDivisionError):
        await anext(output)


async def _add_last(spider: Any, response: Response, results: Iterable[Any]) -> Any:
    return [*results, {"last": True}]


async def _yield_last(spider: Any, response: Response, results: Iterable[Any]) -> AsyncIterator[Any]:
    for result in results:
        yield result
    yield {"last": True}


@pytest.mark.parametrize("hook", [_add_last, _yield_last])
async def test_process_results_may_be_asynchronous(hook: Any) -> None:
    class Later(Shop):
        process_results = hook

        def parse_start_url(self, response: Response, **kwargs: Any) -> Any:
            return [{"a": 1}]

    output = await collect(Later()._parse(page()))
    assert output[:2] == [{"a": 1}, {"last": True}]
    assert paths(output[2:]) == ["/item/1", "/cat/2", "/x"]


def test_what_is_given_for_the_older_hooks() -> None:
    class Older(Shop):
        def _build_request(self, rule_index: int, link: Link) -> Request:
            return super()._build_request(rule_index, link).replace(priority=rule_index + 1)

        def _parse_response(self, response: Any, callback: Any, cb_kwargs: Any, follow: bool = True) -> Any:
            yield {"first": callback.__name__}
            yield from super()._parse_response(response, callback, cb_kwargs, follow)

    spider = Older()
    first, *requests = spider._parse(page())
    assert first == {"first": "parse_start_url"}
    assert [request.priority for request in requests] == [1, 5, 3]
    assert next(spider._callback(page(meta={"rule": 0}))) == {"first": "parse_item"}
    assert [request.priority for request in spider._requests_to_follow(page())] == [1, 5, 3]


async def test_parse_with_rules() -> None:
    spider = Shop()

    def callback(response: Response, **kwargs: Any) -> Any:
        return [kwargs]

    assert await collect(spider.parse_with_rules(page(), callback, {"z": 1}, follow=False)) == [{"z": 1}]
    assert list(spider.parse_with_rules(page(), callback, {"z": 1}, follow=False)) == [{"z": 1}]
    assert paths(await collect(spider.parse_with_rules(page(), None, {}))) == ["/item/1", "/cat/2", "/x"]
    assert [entry async for entry in spider.parse_with_rules(page(), None, {}, follow=False)] == []


async def test_overriding_parse_with_rules() -> None:
    class Over(Shop):
        async def parse_with_rules(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            yield {"over": True}
            async for entry in super().parse_with_rules(*args, **kwargs):
                yield entry

    output = await collect(Over()._parse(page()))
    assert (output[0], len(output)) == ({"over": True}, 4)


def test_plain_callbacks_give_plain_iterators() -> None:
    assert not hasattr(Shop()._parse(page()), "__aiter__")
    assert not inspect.isasyncgen(Shop()._callback(page(meta={"rule": 0})))


def test_callbacks_travel_by_name() -> None:
    from raycrawl.records import decode_request, encode_request

    spider = Shop()
    (request, *_) = spider._parse(page())
    there = decode_request(encode_request(request, spider), spider)
    assert (there.callback, there.errback, there.meta) == (spider._callback, spider._errback, request.meta)


# -- SitemapSpider

URLSET = b"""<urlset xmlns:x="http://www.w3.org/1999/xhtml"><url><loc>http://e.com/product/1</loc><lastmod>2005-01-01</lastmod>
<x:link rel="alternate" href="http://e.com/de/product/1"/></url><url><loc>http://e.com/cat/1</loc></url>
<url><loc>/product/2</loc></url><url><loc>http://e.com/x</loc></url><url><loc>http://[</loc></url></urlset>"""
INDEX = b"<sitemapindex><sitemap><loc>http://e.com/a.xml</loc></sitemap><sitemap><loc>/shop.xml</loc></sitemap></sitemapindex>"


class Maps(SitemapSpider):
    name = "maps"
    sitemap_urls: Any = ["http://e.com/robots.txt", "http://e.com/s.xml"]
    sitemap_rules: Any = [("/product/", "product"), ("/cat/", "category")]

    def product(self, response: Response) -> None: ...

    def category(self, response: Response) -> None: ...


def sitemap(url: str, body: bytes, cls: type[Response] = XmlResponse, **meta: Any) -> Any:
    return cls(url, body=body, request=Request(url, meta=meta))


async def test_sitemap_start() -> None:
    spider = Maps()
    requests = await collect(spider.start())
    assert [request.url for request in requests] == list(Maps.sitemap_urls)
    assert all(request.callback == spider._parse_sitemap and not request.dont_filter for request in requests)


def test_sitemap_rules() -> None:
    spider = Maps()
    requests = list(spider._parse_sitemap(sitemap("http://e.com/s.xml", URLSET)))
    assert paths(requests) == ["/product/1", "/cat/1", "/product/2"]
    assert [request.callback for request in requests] == [spider.product, spider.category, spider.product]


@pytest.mark.parametrize(
    "response",
    [
        sitemap("http://e.com/x.xml.gz", gzip.compress(URLSET), Response),
        sitemap("http://e.com/any", gzip.compress(URLSET), Response),
        sitemap("http://e.com/x.xml.gz", URLSET, Response),
        sitemap("http://e.com/x.xml", URLSET, TextResponse),
        sitemap("http://e.com/any", URLSET, XmlResponse),
    ],
)
def test_forms_of_sitemaps(response: Response) -> None:
    assert len(list(Maps()._parse_sitemap(response))) == 3


def test_sitemap_indexes_and_follow() -> None:
    class Some(Maps):
        sitemap_follow = ["shop"]

    assert paths(Maps()._parse_sitemap(sitemap("http://e.com/s.xml", INDEX))) == ["/a.xml", "/shop.xml"]
    spider = Some()
    (request,) = spider._parse_sitemap(sitemap("http://e.com/s.xml", INDEX))
    assert (request.url, request.callback) == ("http://e.com/shop.xml", spider._parse_sitemap)


def test_sitemaps_of_robots_txt() -> None:
    robots = b"Sitemap: /x.xml\nSitemap: http://e.com/y.xml\n"
    assert paths(Maps()._parse_sitemap(sitemap("http://e.com/robots.txt", robots, TextResponse))) == [
        "/x.xml",
        "/y.xml",
    ]


def test_alternate_links_and_filter() -> None:
    class Alternates(Maps):
        sitemap_alternate_links = True

        def sitemap_filter(self, entries: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
            return (entry for entry in entries if "lastmod" in entry)

    spider = Alternates()
    assert paths(spider._parse_sitemap(sitemap("http://e.com/s.xml", URLSET))) == ["/product/1", "/de/product/1"]


@pytest.mark.parametrize(
    "response",
    [
        sitemap("http://e.com/s.xml", b""),
        sitemap("http://e.com/s.xml", b"junk"),
        sitemap("http://e.com/page.html", URLSET, HtmlResponse),
        sitemap("http://e.com/s.xml.gz", b"\x1f\x8b\x08junk", Response),
        sitemap("http://e.com/s.xml.gz", gzip.compress(URLSET), Response, download_maxsize=100),
    ],
)
def test_what_is_no_sitemap_is_said(response: Response, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert list(Maps()._parse_sitemap(response)) == []
    assert "Ignoring" in caplog.text
    assert response.url in caplog.text


def test_the_limit_of_a_sitemap_is_a_setting() -> None:
    response = sitemap("http://e.com/s.xml.gz", gzip.compress(URLSET), Response)
    assert list(Maps.from_crawler(get_crawler(Maps, {"DOWNLOAD_MAXSIZE": 100}))._parse_sitemap(response)) == []
    assert len(list(Maps.from_crawler(get_crawler(Maps))._parse_sitemap(response))) == 3


def test_an_entry_that_is_no_url_is_said(caplog: pytest.LogCaptureFixture) -> None:
    class All(Maps):
        sitemap_rules = [("", "product")]

    with caplog.at_level(logging.WARNING):
        assert len(list(All()._parse_sitemap(sitemap("http://e.com/s.xml", URLSET)))) == 4
    assert "http://[" in caplog.text
    with pytest.raises(AttributeError, match="nope"):
        type("Typo", (Maps,), {"sitemap_rules": [("", "nope")]})()


# -- feeds

NAMESPACED = b"""<?xml version="1.0"?><urlset xmlns:x="http://loc" xmlns:y="http://extra">
<url><x:loc>1</x:loc><other value="bar" y:custom="fuu"/></url><url><x:loc>2</x:loc></url></urlset>"""


@pytest.mark.parametrize("kind", ["iternodes", "xml"])
def test_xml_feed(kind: str) -> None:
    class Feed(XMLFeedSpider):
        name = "feed"
        iterator = kind
        itertag = "url"
        namespaces = (("a", "http://loc"), ("b", "http://extra"))

        def parse_node(self, response: Response, selector: Selector) -> Any:
            yield {"loc": selector.xpath("a:loc/text()").get(), "custom": selector.xpath("other/@b:custom").getall()}

        def process_results(self, response: Response, results: Iterable[Any]) -> Iterable[Any]:
            return [{**result, "from": response.url} for result in results]

    assert list(Feed()._parse(page(XmlResponse, NAMESPACED))) == [
        {"loc": "1", "custom": ["fuu"], "from": "http://e.com/"},
        {"loc": "2", "custom": [], "from": "http://e.com/"},
    ]


@pytest.mark.parametrize("kind", ["iternodes", "xml"])
def test_xml_feed_whose_nodes_have_a_namespace(kind: str) -> None:
    class Feed(XMLFeedSpider):
        name = "feed"
        iterator = kind
        itertag = "n:url"
        namespaces = [("n", "http://sitemap")]

        def parse_node(self, response: Response, selector: Selector) -> Any:
            return {"loc": selector.xpath("n:loc/text()").get()}

    body = b'<urlset xmlns="http://sitemap"><url><loc>1</loc></url></urlset>'
    assert list(Feed()._parse(page(XmlResponse, body))) == [{"loc": "1"}]


def test_xml_feed_defaults_and_errors() -> None:
    class Feed(XMLFeedSpider):
        name = "feed"

        def parse_node(self, response: Response, selector: Selector) -> Any:
            return {"item": selector.get()}

        def adapt_response(self, response: Any) -> Any:
            return response.replace(body=response.body.replace(b"&", b"&amp;"))

    assert (XMLFeedSpider.iterator, XMLFeedSpider.itertag) == ("iternodes", "item")
    items = [{"item": "<item>a &amp; b</item>"}]
    assert list(Feed()._parse(page(XmlResponse, b"<rss><item>a & b</item></rss>"))) == items
    html = type("Html", (Feed,), {"iterator": "html", "itertag": "p"})()
    assert list(html._parse(page(HtmlResponse, b"<p>1<p>2"))) == [{"item": "<p>1</p>"}, {"item": "<p>2</p>"}]
    odd = type("Odd", (Feed,), {"iterator": "regex"})()
    with pytest.raises(NotSupported, match="regex"):
        odd._parse(page(XmlResponse, b"<rss/>"))
    with pytest.raises(NotImplementedError, match="parse_node"):
        list(XMLFeedSpider("bare")._parse(page(XmlResponse, b"<rss><item/></rss>")))


async def test_asynchronous_nodes_and_rows() -> None:
    class Feed(XMLFeedSpider):
        name = "feed"

        async def parse_node(self, response: Response, selector: Selector) -> Any:
            yield {"item": selector.xpath("text()").get()}

    class Rows(CSVFeedSpider):
        name = "rows"

        async def parse_row(self, response: Response, row: dict[str, str]) -> Any:
            return [row]

    body = b"<rss><item>1</item><item>2</item></rss>"
    assert await collect(Feed()._parse(page(XmlResponse, body))) == [{"item": "1"}, {"item": "2"}]
    assert await collect(Rows()._parse(page(TextResponse, b"a,b\n1,2\n"))) == [{"a": "1", "b": "2"}]


def test_csv_feed() -> None:
    class Rows(CSVFeedSpider):
        name = "rows"
        delimiter = ";"
        quotechar = "'"
        headers = ["a", "b"]

        def parse_row(self, response: Response, row: dict[str, str]) -> Any:
            yield row
            yield Request(f"http://e.com/{row['a']}")

    output = list(Rows()._parse(page(TextResponse, b"'1;1';2\n3\n")))
    assert output[0] == {"a": "1;1", "b": "2"}
    assert output[1].url == "http://e.com/1;1"
    assert len(output) == 2
    with pytest.raises(NotImplementedError, match="parse_row"):
        list(CSVFeedSpider("bare")._parse(page(TextResponse, b"a\n1\n")))
