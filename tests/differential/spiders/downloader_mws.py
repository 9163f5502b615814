import scrapy
from scrapy import signals
from scrapy.exceptions import IgnoreRequest
from scrapy.http import HtmlResponse


class OldStyle:
    @classmethod
    def from_crawler(cls, crawler):
        s = cls()
        crawler.signals.connect(s.spider_opened, signal=signals.spider_opened)
        return s

    def spider_opened(self, spider):
        spider.logger.info("Spider opened: %s" % spider.name)

    def process_request(self, request, spider):
        request.headers["X-Old"] = spider.name
        if "ignore" in request.url:
            raise IgnoreRequest("not wanted")
        if "made-up" in request.url:
            return HtmlResponse(request.url, body=b"<title>made up</title>", request=request, encoding="utf-8")
        if "before" in request.url:
            return request.replace(url=request.url.replace("before", "after"))
        return None

    def process_response(self, request, response, spider):
        if response.status == 404 and "second" not in request.url:
            return request.replace(url="http://127.0.0.1:8000/headers?second", dont_filter=True)
        response.headers["X-Seen"] = "old"
        return response

    def process_exception(self, request, exception, spider):
        spider.logger.warning("exception %s", type(exception).__name__)
        if "recover" in request.url:
            return HtmlResponse(request.url, body=b"<title>recovered</title>", request=request)


class NewStyle:
    def __init__(self, crawler):
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler):
        return cls(crawler)

    async def process_request(self, request):
        request.headers.setdefault("X-New", "n")
        request.meta["proxy_free"] = True

    def process_response(self, request, response):
        self.crawler.stats.inc_value("custom/responses")
        if b"broken" in response.body:
            raise IgnoreRequest("broken page")
        return response.replace(flags=["new"])


class MwSpider(scrapy.Spider):
    name = "mws"
    custom_settings = {
        "DOWNLOADER_MIDDLEWARES": {OldStyle: 543, NewStyle: 900, "scrapy.downloadermiddlewares.useragent.UserAgentMiddleware": None},
        "RETRY_ENABLED": False,
    }

    async def start(self):
        for path in ("headers?1", "ignore", "made-up", "headers?before", "status/404", "flaky/reset/9?recover", "flaky/reset/9", "status/broken", "author/Ada-Lovelace"):
            yield scrapy.Request("http://127.0.0.1:8000/" + path, errback=self.failed)

    def parse(self, response):
        yield {
            "url": response.url,
            "seen": response.headers.get("X-Seen", b"").decode(),
            "sent": response.request.headers.get("X-Old", b"").decode(),
            "flags": response.flags,
            "free": response.meta.get("proxy_free"),
            "redirected": response.meta.get("redirect_urls"),
        }

    def failed(self, failure):
        yield {"failed": failure.request.url, "ignored": bool(failure.check(IgnoreRequest)), "message": failure.getErrorMessage() if failure.check(IgnoreRequest) else ""}
