"""A CrawlSpider with rules and an ItemLoader: ``raycrawl runspider examples/books.py -O books.csv``."""

from itemloaders.processors import MapCompose, TakeFirst

import raycrawl
from raycrawl.linkextractors import LinkExtractor
from raycrawl.loader import ItemLoader
from raycrawl.spiders import CrawlSpider, Rule


class Book(raycrawl.Item):
    title = raycrawl.Field()
    price = raycrawl.Field()
    url = raycrawl.Field()


class BookLoader(ItemLoader):
    default_item_class = Book
    default_output_processor = TakeFirst()
    price_in = MapCompose(lambda text: text.lstrip("£"), float)


class BooksSpider(CrawlSpider):
    name = "books"
    allowed_domains = ["books.toscrape.com"]
    start_urls = ["https://books.toscrape.com/"]
    custom_settings = {"DOWNLOAD_DELAY": 0.1}
    rules = (
        Rule(LinkExtractor(restrict_css="li.next, ul.nav-list")),
        Rule(LinkExtractor(restrict_css="article.product_pod h3"), callback="parse_book"),
    )

    def parse_book(self, response):
        loader = BookLoader(response=response)
        loader.add_css("title", "h1::text")
        loader.add_css("price", "p.price_color::text")
        loader.add_value("url", response.url)
        yield loader.load_item()
