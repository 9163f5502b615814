import scrapy
from scrapy import signals
from scrapy.exceptions import DontCloseSpider


class IdleSpider(scrapy.Spider):
    name = "idle"
    start_urls = ["http://127.0.0.1:8000/headers?start"]
    queue = ["http://127.0.0.1:8000/headers?fed1", "http://127.0.0.1:8000/headers?fed2", "http://127.0.0.1:8000/headers?start"]

    @classmethod
    def from_crawler(cls, crawler, *args, **kwargs):
        spider = super().from_crawler(crawler, *args, **kwargs)
        crawler.signals.connect(spider.spider_idle, signal=signals.spider_idle)
        crawler.signals.connect(spider.item_scraped, signal=signals.item_scraped)
        crawler.signals.connect(spider.spider_closed, signal=signals.spider_closed)
        return spider

    def spider_idle(self, spider):
        if self.queue:
            url = self.queue.pop(0)
            self.crawler.engine.crawl(scrapy.Request(url, callback=self.parse_fed, dont_filter=url.endswith("start")))
            raise DontCloseSpider

    def item_scraped(self, item, response, spider):
        self.crawler.stats.inc_value("custom/item_scraped")

    def spider_closed(self, spider, reason):
        self.crawler.stats.set_value("custom/reason", reason)

    def parse(self, response):
        yield {"url": response.url}

    def parse_fed(self, response):
        yield {"fed": response.url}
