import scrapy


class BfoSpider(scrapy.Spider):
    name = "bfo"
    start_urls = ["http://127.0.0.1:8000/calendar?m=0"]
    custom_settings = {"CONCURRENT_REQUESTS": 1, "DEPTH_LIMIT": 3, "DEPTH_PRIORITY": 1, "SCHEDULER_DISK_QUEUE": "scrapy.squeues.PickleFifoDiskQueue", "SCHEDULER_MEMORY_QUEUE": "scrapy.squeues.FifoMemoryQueue", "ROBOTSTXT_OBEY": False}

    def parse(self, response):
        yield {"url": response.url}
        yield from response.follow_all(css="a[rel]")
        yield from response.follow_all(css="a.day", callback=self.parse_day)

    def parse_day(self, response):
        yield {"day": response.url}
