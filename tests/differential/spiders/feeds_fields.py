import scrapy


class Product(scrapy.Item):
    name = scrapy.Field()
    price = scrapy.Field(serializer=lambda value: f"$ {value}")
    last_updated = scrapy.Field(serializer=str)


class FieldsSpider(scrapy.Spider):
    name = "fields"
    start_urls = ["http://127.0.0.1:8000/headers"]
    custom_settings = {
        "FEED_EXPORT_FIELDS": ["price", "name"],
        "FEED_EXPORT_ENCODING": "utf-8",
        "FEED_EXPORT_INDENT": 2,
        "FEEDS": {"out/p.json": {}, "out/p.csv": {}, "out/p.xml": {}, "out/over.csv": {"fields": None, "overwrite": True}, "out/uri-%(name)s.jsonl": {}},
    }

    def parse(self, response):
        yield Product(name="Café", price=3)
        yield Product(name="line\nbreak \"q\"", price=None)
        yield Product(price=[1, 2])
