"""The first spider: run it with ``raycrawl runspider examples/quotes.py -o quotes.jsonl``."""

import raycrawl


class QuotesSpider(raycrawl.Spider):
    name = "quotes"
    start_urls = ["https://quotes.toscrape.com/"]

    def parse(self, response):
        for quote in response.css("div.quote"):
            yield {"text": quote.css("span.text::text").get(), "author": quote.css("small.author::text").get()}
        yield from response.follow_all(css="li.next a")
