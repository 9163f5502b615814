import scrapy


class PrioritySpider(scrapy.Spider):
    name = "priority"
    custom_settings = {"CONCURRENT_REQUESTS": 1, "ROBOTSTXT_OBEY": False}

    async def start(self):
        yield scrapy.Request("http://127.0.0.1:8000/headers?first")

    def parse(self, response):
        for number in range(6):
            yield scrapy.Request(f"http://127.0.0.1:8000/headers?n={number}", self.parse_leaf, priority=number % 3)
        yield scrapy.Request("http://127.0.0.1:8000/redirect/scheme", self.parse_leaf, priority=-1)

    def parse_leaf(self, response):
        yield {"url": response.url, "priority": response.request.priority}
        if "n=2" in response.url:
            yield scrapy.Request("http://127.0.0.1:8000/headers?child", self.parse_leaf, priority=0)
