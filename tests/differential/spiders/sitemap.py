from scrapy.spiders import SitemapSpider


class MySitemapSpider(SitemapSpider):
    name = "sitemap"
    sitemap_urls = ["http://127.0.0.1:8000/robots.txt"]
    sitemap_rules = [("/books/", "parse_book"), ("/quotes/page/[1-4]", "parse_quotes"), (r"/author/", "parse_author")]
    sitemap_follow = ["books", "quotes", "list"]

    def sitemap_filter(self, entries):
        for entry in entries:
            if entry["loc"].endswith("book_5.html"):
                continue
            yield entry

    def parse_book(self, response):
        yield {"book": response.css("h1::text").get(), "url": response.url}

    def parse_quotes(self, response):
        yield {"quotes": len(response.css(".quote")), "url": response.url}

    def parse_author(self, response):
        yield {"author": response.url}
