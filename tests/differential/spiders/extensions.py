import scrapy
from scrapy import logformatter, signals
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.dupefilters import RFPDupeFilter
from scrapy.exceptions import DropItem, IgnoreRequest, NotConfigured
from scrapy.http import Request
from scrapy.linkextractors import LinkExtractor
from scrapy.pipelines.files import FilesPipeline


class SpiderOpenCloseLogging:
    def __init__(self, crawler, item_count):
        self.stats = crawler.stats
        self.item_count = item_count

    @classmethod
    def from_crawler(cls, crawler):
        if not crawler.settings.getbool("MYEXT_ENABLED"):
            raise NotConfigured
        ext = cls(crawler, crawler.settings.getint("MYEXT_ITEMCOUNT", 1000))
        for name in ("spider_opened", "spider_closed", "item_scraped", "item_dropped", "item_error", "spider_error", "response_received", "request_scheduled"):
            crawler.signals.connect(getattr(ext, name), signal=getattr(signals, name))
        return ext

    def spider_opened(self, spider):
        self.stats.set_value("custom/opened", spider.name)

    def spider_closed(self, spider, reason):
        self.stats.set_value("custom/closed", reason)

    def item_scraped(self, item, response, spider):
        self.stats.inc_value("custom/items/" + response.url.rpartition("/")[0].rpartition("/")[2])

    def item_dropped(self, item, response, exception, spider):
        self.stats.inc_value("custom/dropped/" + str(exception))

    def item_error(self, item, response, spider, failure):
        self.stats.inc_value("custom/item_error/" + failure.type.__name__)

    def spider_error(self, failure, response, spider):
        self.stats.inc_value("custom/spider_error/" + failure.type.__name__)

    def response_received(self, response, request, spider):
        self.stats.inc_value(f"custom/received/{response.status}")

    def request_scheduled(self, request, spider):
        self.stats.inc_value("custom/scheduled")


class Disabled(SpiderOpenCloseLogging):
    @classmethod
    def from_crawler(cls, crawler):
        raise NotConfigured("not today")


class CustomRetry(RetryMiddleware):
    def process_response(self, request, response, spider=None):
        if b"page/4" in response.body and not request.meta.get("again"):
            request.meta["again"] = True
            return self._retry(request, "custom reason") or response
        return response


class PoliteFormatter(logformatter.LogFormatter):
    def dropped(self, item, exception, response, spider):
        return {"level": 10, "msg": "Dropped: %(item)s", "args": {"item": item}}


class Filter(RFPDupeFilter):
    pass


class Pipeline:
    def process_item(self, item, spider):
        if item["n"] == 3:
            raise DropItem("three")
        if item["n"] == 4:
            raise RuntimeError("four")
        return item


class ExtensionsSpider(scrapy.Spider):
    name = "extensions"
    start_urls = ["http://127.0.0.1:8000/quotes/page/1/"]
    custom_settings = {
        "EXTENSIONS": {SpiderOpenCloseLogging: 500, Disabled: 501, "scrapy.extensions.logstats.LogStats": None},
        "MYEXT_ENABLED": True,
        "DOWNLOADER_MIDDLEWARES": {"scrapy.downloadermiddlewares.retry.RetryMiddleware": None, CustomRetry: 550},
        "ITEM_PIPELINES": {Pipeline: 1},
        "LOG_FORMATTER": PoliteFormatter,
        "DUPEFILTER_CLASS": Filter,
        "STATS_DUMP": False,
    }

    @classmethod
    def from_crawler(cls, crawler, *args, **kwargs):
        spider = super().from_crawler(crawler, *args, **kwargs)
        crawler.signals.connect(spider.on_scheduled, signals.request_scheduled)
        return spider

    def on_scheduled(self, request, spider):
        if "/author/Blaise" in request.url:
            raise IgnoreRequest("not him")

    def parse(self, response):
        number = int(response.url.split("/")[-2])
        yield {"n": number}
        self.crawler.stats.max_value("custom/max", number)
        self.crawler.stats.min_value("custom/min", number)
        for link in LinkExtractor(allow=r"/page/\d", restrict_css="nav").extract_links(response):
            yield Request(link.url)
        yield from response.follow_all(css=".author + a", callback=self.parse_author)
        if number == 5:
            raise LookupError("five")

    def parse_author(self, response):
        yield {"n": 0, "url": response.url}


assert FilesPipeline
