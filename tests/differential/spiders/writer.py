import json

import scrapy
from itemadapter import ItemAdapter


class JsonWriterPipeline:
    def open_spider(self, spider):
        self.file = open("out/items.jl", "w")

    def close_spider(self, spider):
        self.file.close()

    def process_item(self, item, spider):
        line = json.dumps(ItemAdapter(item).asdict()) + "\n"
        self.file.write(line)
        return item


class DuplicatesPipeline:
    def __init__(self):
        self.ids_seen = set()

    def process_item(self, item, spider):
        if item["author"] in self.ids_seen:
            raise scrapy.exceptions.DropItem(f"Item ID already seen: {item['author']}")
        self.ids_seen.add(item["author"])
        return item


class WriterSpider(scrapy.Spider):
    name = "writer"
    start_urls = ["http://127.0.0.1:8000/quotes/page/1/"]
    custom_settings = {"ITEM_PIPELINES": {DuplicatesPipeline: 1, JsonWriterPipeline: 2}, "CONCURRENT_REQUESTS": 1}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.pages = 0
        import os

        os.makedirs("out", exist_ok=True)

    def parse(self, response):
        self.pages += 1
        for quote in response.css(".quote"):
            yield {"author": quote.css(".author::text").get()}
        yield from response.follow_all(css="li.next a")

    def closed(self, reason):
        self.crawler.stats.set_value("custom/pages", self.pages)
