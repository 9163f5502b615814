import scrapy


class ErrorsSpider(scrapy.Spider):
    name = "errors"
    start_urls = [f"http://127.0.0.1:8000/headers?{i}" for i in range(5)]

    def parse(self, response):
        number = int(response.url[-1])
        if number == 0:
            raise ValueError("zero")
        if number == 1:
            yield {"n": 1}
            raise TypeError("one")
        if number == 2:
            yield 42
            yield "text"
            yield None
            yield {"n": 2}
        if number == 3:
            return_value = {"n": 3}
            yield return_value
            yield scrapy.Request("http://127.0.0.1:8000/headers?lost", callback=self.parse_lost)
        if number == 4:
            yield scrapy.Request("relative/url")

    def parse_lost(self, response):
        return None
