import scrapy
from scrapy.spidermiddlewares.httperror import HttpError


class ErrbackSpider(scrapy.Spider):
    name = "errback_example"
    custom_settings = {"RETRY_TIMES": 1, "DOWNLOAD_TIMEOUT": 5, "ROBOTSTXT_OBEY": False}
    start_urls = [
        "http://127.0.0.1:8000/headers",
        "http://127.0.0.1:8000/status/404",
        "http://127.0.0.1:8000/status/500",
        "http://127.0.0.1:8000/status/403",
        "http://127.0.0.1:8000/status/204",
        "http://127.0.0.1:1/",
        "http://127.0.0.1:8000/flaky/reset/9",
        "http://127.0.0.1:8000/flaky/short/9",
        "http://127.0.0.1:8000/redirect/loop",
        "http://no-such-host.invalid/",
    ]

    async def start(self):
        for u in self.start_urls:
            yield scrapy.Request(u, callback=self.parse_httpbin, errback=self.errback_httpbin, dont_filter=True, meta={"redirect_ttl": 4})

    def parse_httpbin(self, response):
        self.logger.info(f"Got successful response from {response.url}")
        yield {"ok": response.url, "status": response.status}

    def errback_httpbin(self, failure):
        self.logger.error(repr(failure))
        if failure.check(HttpError):
            response = failure.value.response
            yield {"http": response.url, "status": response.status, "callback": response.request.callback.__name__}
        else:
            request = failure.request
            yield {"other": request.url, "kind": failure.type.__name__, "retry_times": request.meta.get("retry_times", 0)}
