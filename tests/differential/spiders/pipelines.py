import scrapy
from itemadapter import ItemAdapter
from scrapy.exceptions import DropItem


class PricePipeline:
    vat_factor = 1.15

    def process_item(self, item, spider):
        adapter = ItemAdapter(item)
        if adapter.get("tags"):
            adapter["n_tags"] = len(adapter["tags"])
            return item
        raise DropItem("Missing tags")


class AuthorPipeline:
    def __init__(self, banned):
        self.banned = banned

    @classmethod
    def from_crawler(cls, crawler):
        return cls(crawler.settings.getlist("BANNED"))

    def open_spider(self, spider):
        spider.crawler.stats.inc_value("custom/opened", 0)

    def process_item(self, item, spider):
        if item["author"] in self.banned:
            raise DropItem(f"{item['author']} is banned")
        if item["author"].startswith("Carl"):
            raise ValueError("no Carl")
        spider.crawler.stats.inc_value("custom/passed")
        return dict(item, author=item["author"].lower())

    def close_spider(self, spider):
        pass


class AsyncPipeline:
    def __init__(self, crawler):
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler):
        return cls(crawler)

    async def process_item(self, item):
        request = scrapy.Request("http://127.0.0.1:8000/headers?item=" + item["author"][:3], dont_filter=True)
        response = await self.crawler.engine.download_async(request)
        item["checked"] = response.json()["target"]
        return item


class PipelinesSpider(scrapy.Spider):
    name = "pipelines"
    start_urls = ["http://127.0.0.1:8000/quotes/page/4/", "http://127.0.0.1:8000/quotes/page/5/"]
    custom_settings = {
        "ITEM_PIPELINES": {PricePipeline: 100, AuthorPipeline: 300, AsyncPipeline: 400},
        "BANNED": ["Ada Lovelace"],
    }

    def parse(self, response):
        for number, quote in enumerate(response.css(".quote")):
            tags = quote.css(".tag::text").getall()
            yield {"text": quote.css(".text::text").get(), "author": quote.css(".author::text").get(), "tags": tags if number != 2 else []}
