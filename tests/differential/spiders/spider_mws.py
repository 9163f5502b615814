import scrapy


class OldSpiderMw:
    def process_spider_input(self, response, spider):
        if "page/3" in response.url:
            raise ValueError("no third page")
        return None

    def process_spider_output(self, response, result, spider):
        for i in result:
            yield self._marked(i, response, spider)

    async def process_spider_output_async(self, response, result, spider):
        async for i in result:
            yield self._marked(i, response, spider)

    def _marked(self, i, response, spider):
        if isinstance(i, dict):
            i["old"] = spider.name
        elif isinstance(i, scrapy.Request):
            i.headers["X-From"] = str(response.meta["depth"])
        return i

    def process_spider_exception(self, response, exception, spider):
        spider.crawler.stats.inc_value("custom/exceptions/" + type(exception).__name__)
        if isinstance(exception, KeyError):
            return [{"handled": str(exception)}]


class NewSpiderMw:
    def __init__(self, crawler):
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler):
        return cls(crawler)

    async def process_start(self, start):
        async for entry in start:
            if isinstance(entry, scrapy.Request):
                entry.meta["started"] = True
            yield entry

    async def process_spider_output(self, response, result):
        async for i in result:
            if isinstance(i, dict) and i.get("text", "").startswith("Saying number 1"):
                self.crawler.stats.inc_value("custom/skipped")
                continue
            yield i


class SpiderMwSpider(scrapy.Spider):
    name = "spidermws"
    start_urls = ["http://127.0.0.1:8000/quotes/page/1/"]
    custom_settings = {"SPIDER_MIDDLEWARES": {OldSpiderMw: 100, NewSpiderMw: 600}}

    def parse(self, response):
        for quote in response.css(".quote"):
            yield {"text": quote.css(".text::text").get(), "started": response.meta.get("started")}
        yield from response.follow_all(css="li.next a", errback=self.failed)
        yield response.follow("/quotes/page/4/", self.parse_key)
        yield response.follow("/quotes/page/5/", self.parse_zero)

    def failed(self, failure):
        yield {"errback": failure.type.__name__, "url": failure.request.url}

    def parse_key(self, response):
        yield {"before": 1}
        raise KeyError("the key")

    def parse_zero(self, response):
        yield {"before": 2}
        1 / 0
