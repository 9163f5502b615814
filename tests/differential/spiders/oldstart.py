import scrapy


class OldStartSpider(scrapy.Spider):
    name = "oldstart"
    custom_settings = {"CONCURRENT_REQUESTS": 2, "DEPTH_PRIORITY": 1}

    def __init__(self, tag=None, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.tag = tag

    def start_requests(self):
        url = "http://127.0.0.1:8000/quotes/"
        if self.tag is not None:
            url = url + "tag/" + self.tag
        yield scrapy.Request(url, self.parse, meta={"first": True}, headers={"X-Start": "1"})
        yield scrapy.Request(url, self.parse, dont_filter=True)
        yield scrapy.Request(url, self.parse)

    async def start(self):
        for request in self.start_requests():
            yield request

    def parse(self, response):
        for quote in response.css("div.quote"):
            yield {"text": quote.css("span.text::text").get(), "first": response.meta.get("first"), "tag": self.tag}
        for a in response.css("ul li.next a"):
            yield response.follow(a, meta={"first": False})
