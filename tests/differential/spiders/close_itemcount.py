import scrapy


class ItemCountSpider(scrapy.Spider):
    name = "itemcount"
    start_urls = ["http://127.0.0.1:8000/calendar?m=0"]
    custom_settings = {"CLOSESPIDER_ITEMCOUNT": 7, "CONCURRENT_REQUESTS": 1}

    def parse(self, response):
        yield {"month": int(response.url.rpartition("=")[2])}
        yield response.follow(response.css("a[rel=next]")[0])
