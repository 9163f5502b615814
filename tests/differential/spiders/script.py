import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.utils.project import get_project_settings


class ScriptSpider(scrapy.Spider):
    name = "script"

    def __init__(self, start, **kwargs):
        super().__init__(**kwargs)
        self.start_urls = [start]

    def parse(self, response):
        for quote in response.css(".quote"):
            yield {"text": quote.css(".text::text").get()}
        yield from response.follow_all(css=".next a")


if __name__ == "__main__":
    settings = get_project_settings()
    settings.set("FEEDS", {"items.jsonl": {"format": "jsonlines"}})
    settings.set("LOG_FILE", "log.txt")
    settings.set("USER_AGENT", "script/1.0")
    settings.set("ROBOTSTXT_OBEY", False)
    process = CrawlerProcess(settings)
    process.crawl(ScriptSpider, start="http://127.0.0.1:8000/quotes/")
    process.start()
