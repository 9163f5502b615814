import scrapy
from scrapy.dupefilters import RFPDupeFilter
from scrapy.extensions.closespider import CloseSpider
from scrapy.statscollectors import MemoryStatsCollector
from scrapy.utils.request import fingerprint


class Fingerprinter:
    def fingerprint(self, request):
        return fingerprint(request.replace(url=request.url.partition("?")[0] + "?" + request.url.rpartition("=")[2]))


class CustomSpider(scrapy.Spider):
    name = "custom"
    start_urls = ["http://127.0.0.1:8000/headers?a=1", "http://127.0.0.1:8000/headers?b=1", "http://127.0.0.1:8000/headers?b=2"]
    custom_settings = {"REQUEST_FINGERPRINTER_CLASS": Fingerprinter, "DOWNLOAD_DELAY": 0.05, "CONCURRENT_REQUESTS_PER_DOMAIN": 1, "LOG_LEVEL": "INFO", "AUTOTHROTTLE_ENABLED": True, "AUTOTHROTTLE_START_DELAY": 0.1, "AUTOTHROTTLE_MAX_DELAY": 0.2}

    @classmethod
    def update_settings(cls, settings):
        super().update_settings(settings)
        settings.set("MY_FLAG", "yes", priority="spider")

    def parse(self, response):
        yield {"status": response.status, "flag": self.settings.get("MY_FLAG"), "latency": response.meta["download_latency"] >= 0, "slot": response.meta["download_slot"], "ip": str(response.ip_address), "protocol": response.protocol, "timeout": response.meta["download_timeout"]}
        for again in ("x=1", "x=3", "y=3", "z=2"):
            yield scrapy.Request("http://127.0.0.1:8000/headers?" + again)


assert RFPDupeFilter and CloseSpider and MemoryStatsCollector
