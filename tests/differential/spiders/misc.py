import logging
from urllib.parse import urlencode, urljoin

import scrapy
from scrapy.exceptions import NotSupported
from scrapy.http import HtmlResponse, JsonResponse, TextResponse
from scrapy.selector import Selector
from scrapy.utils.response import open_in_browser

logger = logging.getLogger(__name__)


class BaseSpider(scrapy.Spider):
    host = "http://127.0.0.1:8000"

    def url(self, path, **query):
        return urljoin(self.host, path) + ("?" + urlencode(query) if query else "")

    def make(self, *args, **kwargs):
        kwargs.setdefault("errback", self.on_error)
        return scrapy.Request(*args, **kwargs)

    def on_error(self, failure):
        self.logger.warning("failed: %s", failure.value)
        yield {"error": failure.type.__name__, "url": failure.request.url, "kwargs": failure.request.cb_kwargs}


class MiscSpider(BaseSpider):
    name = "misc"
    start_urls = ["http://127.0.0.1:8000/headers?same", "http://127.0.0.1:8000/headers?same", "http://127.0.0.1:8000/quotes/"]
    custom_settings = {"DEFAULT_REQUEST_HEADERS": {"Accept-Language": "de", "X-Token": "t"}, "USER_AGENT": "misc/1.0", "COOKIES_ENABLED": False, "REFERER_ENABLED": False}

    def __init__(self, category=None, pages="2", **kwargs):
        super().__init__(**kwargs)
        self.category, self.pages = category, int(pages)

    def parse(self, response):
        if isinstance(response, JsonResponse):
            yield {"json": response.json(), "types": [isinstance(response, cls) for cls in (TextResponse, HtmlResponse)], "path": response.jmespath("target").get()}
            return
        yield from self.parse_quotes(response)
        yield self.make(self.url("/headers", a=1, b="ü"), callback=self.parse_kwargs, cb_kwargs={"number": 1, "nested": {"list": [1, (2, 3)], "none": None}}, meta={"keep": {"x": 1}}, flags=["f"])
        yield self.make(self.url("/headers", a=2), callback=self.parse_kwargs, cb_kwargs={"wrong": 1})
        yield self.make(self.url("/headers", head=1), method="HEAD", callback=self.parse_head)
        yield self.make(self.url("/charset/octet"), callback=self.parse_binary)
        yield self.make(self.url("/headers", h=1), headers={"X-List": ["a", "b"], "Accept": "text/plain", "User-Agent": "own"}, callback=self.parse_headers)
        yield self.make("data:text/plain;charset=utf-8;base64,aGVsbG8=", callback=self.parse_data)
        yield response.follow("/quotes/page/2/", self.parse_page, meta={"level": 1}, priority=3)
        yield response.follow(response.css("li.next a")[0], self.parse_page, meta={"level": 1}, dont_filter=True)
        yield from response.follow_all(xpath="//a[@class='tag'][1]", callback=self.parse_page, meta={"level": 5})
        with_selector = Selector(text="<a href='/quotes/page/3/'>x</a>").css("a")
        yield from response.follow_all(with_selector, self.parse_page, meta={"level": 5})

    def parse_quotes(self, response):
        for quote in response.xpath("//div[@class='quote']")[:2]:
            yield {"text": quote.xpath("./span[@class='text']/text()").extract_first(), "tags": quote.css("a.tag").xpath("@href").re(r"tag/([\w-]+)"), "category": self.category, "pages": self.pages}

    def parse_kwargs(self, response, number, nested):
        response.meta["keep"]["x"] += 1
        yield {"number": number, "nested": nested, "keep": response.meta["keep"], "flags": response.request.flags, "name": response.request.callback.__name__}
        yield response.request.replace(url=self.url("/headers", replaced=1), callback=self.parse_replaced)

    def parse_replaced(self, response, **kwargs):
        yield {"kwargs": kwargs, "keep": response.meta["keep"], "depth": response.meta["depth"]}
        copied = response.request.copy()
        copied.meta["keep"] = "changed"
        yield copied.replace(dont_filter=True, callback=self.parse_copied)

    def parse_copied(self, response, number, nested):
        yield {"copied": response.meta["keep"], "of": number}

    def parse_head(self, response):
        yield {"head": response.status, "length": len(response.body), "type": response.headers["Content-Type"].decode()}

    def parse_binary(self, response):
        try:
            response.css("a")
        except (NotSupported, AttributeError) as error:
            yield {"binary": type(error).__name__, "length": len(response.body)}

    def parse_headers(self, response):
        yield {"sent": {key.decode(): [value.decode() for value in values] for key, values in response.request.headers.items()}}

    def parse_data(self, response):
        yield {"data": response.text}

    def parse_page(self, response):
        level = response.meta["level"]
        yield {"page": response.url, "level": level}
        if level < self.pages:
            for link in response.css("li.next a::attr(href)").getall():
                yield scrapy.Request(response.urljoin(link), self.parse_page, meta={"level": level + 1})


assert callable(open_in_browser)
