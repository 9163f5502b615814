import dataclasses

import scrapy


@dataclasses.dataclass
class Thing:
    name: str


class Single(scrapy.Item):
    name = scrapy.Field()


class ReturnsSpider(scrapy.Spider):
    name = "returns"
    start_urls = ["http://127.0.0.1:8000/headers?0"]

    def parse(self, response):
        return scrapy.Request("http://127.0.0.1:8000/headers?1", self.parse_dict)

    def parse_dict(self, response):
        callbacks = (self.parse_item, self.parse_dataclass, self.parse_list, self.parse_none, self.parse_async, self.parse_async_list, self.parse_tuple)
        return [response.follow(f"?n={number}", callback, errback=self.failed) for number, callback in enumerate(callbacks)]

    def parse_item(self, response):
        return Single(name="single")

    def parse_dataclass(self, response):
        return Thing("dataclass")

    def parse_list(self, response):
        return [{"name": "in a list"}, Thing("in a list too")]

    def parse_none(self, response):
        return response.follow("/status/404", errback=self.failed)

    async def parse_async(self, response):
        return {"name": "async"}

    async def parse_async_list(self, response):
        return [Single(name="async list")]

    def parse_tuple(self, response):
        return (Thing("tuple"),)

    def failed(self, failure):
        return {"name": failure.type.__name__}
