import scrapy


class StartBothSpider(scrapy.Spider):
    name = "startboth"
    allowed_domains = ["127.0.0.1"]

    def start_requests(self):
        for number in range(1, 4):
            yield scrapy.Request(f"http://127.0.0.1:8000/quotes/page/{number}/", callback=self.parse_page, cb_kwargs={"number": number})

    async def start(self):
        for request in self.start_requests():
            yield request

    def parse_page(self, response, number):
        yield {"number": number, "count": len(response.css(".quote"))}
        yield scrapy.Request("http://127.0.0.2:8000/headers?away", callback=self.parse_page, cb_kwargs=dict(number=0))
        yield scrapy.Request("http://127.0.0.1:8000/redirect/away", callback=self.parse_away, errback=self.failed)
        yield scrapy.Request("http://127.0.0.3:8000/headers?allowed", callback=self.parse_away, meta={"allow_offsite": True})

    def parse_away(self, response):
        yield {"away": response.json()["target"], "referer": response.json()["referer"]}

    def failed(self, failure):
        yield {"failed": failure.request.url}
