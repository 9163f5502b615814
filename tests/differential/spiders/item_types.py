import dataclasses
import datetime
import decimal
from typing import Optional

import attr
import scrapy


@dataclasses.dataclass
class DataQuote:
    text: str
    author: Optional[str] = None
    tags: list = dataclasses.field(default_factory=list)


@attr.s
class AttrsQuote:
    text = attr.ib()
    author = attr.ib(default=None)
    when = attr.ib(default=datetime.datetime(2026, 1, 2, 3, 4, 5))


class ItemQuote(scrapy.Item):
    text = scrapy.Field()
    author = scrapy.Field(serializer=str.upper)
    price = scrapy.Field()
    nested = scrapy.Field()


class TypesSpider(scrapy.Spider):
    name = "types"
    start_urls = ["http://127.0.0.1:8000/quotes/"]

    def parse(self, response):
        first, second, third = response.css(".quote")[:3]
        yield DataQuote(first.css(".text::text").get(), tags=first.css(".tag::text").getall())
        yield AttrsQuote(second.css(".text::text").get())
        item = ItemQuote(text=third.css(".text::text").get(), author="emile", price=decimal.Decimal("1.50"))
        item["nested"] = {"date": datetime.date(2026, 5, 6), "set": (1, 2), "item": ItemQuote(text="in")}
        yield item
        try:
            item["unknown"] = 1
        except KeyError as error:
            yield {"error": str(error), "float": 0.1, "none": None, "unicode": "ü\u2028"}
