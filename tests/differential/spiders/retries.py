import scrapy
from scrapy.downloadermiddlewares.retry import get_retry_request


class RetrySpider(scrapy.Spider):
    name = "retries"
    custom_settings = {"RETRY_TIMES": 2, "RETRY_HTTP_CODES": [500, 503, 429]}

    async def start(self):
        for path in ("500/2", "500/3", "503/1", "429/1", "502/1", "reset/1", "short/1"):
            yield scrapy.Request("http://127.0.0.1:8000/flaky/" + path, errback=self.failed)
        yield scrapy.Request("http://127.0.0.1:8000/flaky/500/1?dont", meta={"dont_retry": True}, errback=self.failed)
        yield scrapy.Request("http://127.0.0.1:8000/flaky/500/4?more", meta={"max_retry_times": 5}, errback=self.failed)
        yield scrapy.Request("http://127.0.0.1:8000/flaky/short/1?ok", meta={"download_fail_on_dataloss": False}, errback=self.failed)
        yield scrapy.Request("http://127.0.0.1:8000/headers?own", callback=self.parse_own)

    def parse(self, response):
        yield {"url": response.url, "status": response.status, "times": response.meta.get("retry_times"), "flags": response.flags}

    def parse_own(self, response):
        new = get_retry_request(response.request, spider=self, reason="empty")
        if new:
            yield new
        else:
            yield {"own": response.meta["retry_times"]}

    def failed(self, failure):
        response = getattr(failure.value, "response", None)
        yield {"failed": failure.request.url, "status": response and response.status}
