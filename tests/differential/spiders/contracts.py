import scrapy


class ContractSpider(scrapy.Spider):
    name = "contracts"
    start_urls = ["http://127.0.0.1:8000/headers"]

    def parse(self, response):
        """
        @url http://127.0.0.1:8000/quotes/page/1/
        @returns items 10 10
        @returns requests 1 1
        @scrapes text author
        """
        for quote in response.css(".quote"):
            yield {"text": quote.css(".text::text").get(), "author": quote.css(".author::text").get()}
        yield from response.follow_all(css="li.next a")

    def parse_few(self, response, more=None):
        """Fails.

        @url http://127.0.0.1:8000/quotes/page/5/
        @cb_kwargs {"more": 1}
        @returns items 10
        @scrapes nothing
        """
        yield {"text": 1, "more": more}

    def parse_meta(self, response):
        """
        @url http://127.0.0.1:8000/headers
        @meta {"a": 1}
        @returns items 1
        @scrapes a
        """
        return {"a": response.meta["a"]}
