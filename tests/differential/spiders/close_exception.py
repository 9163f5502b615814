import scrapy
from scrapy.exceptions import CloseSpider


class CloseSpiderSpider(scrapy.Spider):
    name = "closing"
    start_urls = ["http://127.0.0.1:8000/calendar?m=0"]
    custom_settings = {"CONCURRENT_REQUESTS": 1}

    def parse(self, response):
        number = int(response.url.rpartition("=")[2])
        yield {"month": number}
        if number >= 5:
            raise CloseSpider("bandwidth_exceeded")
        yield response.follow(response.css("a[rel=next]")[0])

    def closed(self, reason):
        self.crawler.stats.set_value("custom/closed", reason)
