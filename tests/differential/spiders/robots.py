import scrapy


class RobotsSpider(scrapy.Spider):
    name = "robots"
    custom_settings = {"ROBOTSTXT_USER_AGENT": "anybot"}
    start_urls = [
        "http://127.0.0.1:8000/private/secret",
        "http://127.0.0.1:8000/private/open",
        "http://127.0.0.2:8000/private/other",
        "http://127.0.0.1:8000/redirect/forbidden",
    ]

    async def start(self):
        for url in self.start_urls:
            yield scrapy.Request(url, errback=self.failed)
        yield scrapy.Request("http://127.0.0.1:8000/private/secret?anyway", meta={"dont_obey_robotstxt": True})

    def parse(self, response):
        return {"ok": response.url}

    def failed(self, failure):
        return {"failed": failure.request.url, "kind": failure.type.__name__}
