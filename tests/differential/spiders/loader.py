import scrapy
from itemloaders.processors import Compose, Identity, Join, MapCompose, SelectJmes, TakeFirst
from scrapy.loader import ItemLoader


def to_price(text):
    return float(text.replace("£", ""))


class Book(scrapy.Item):
    name = scrapy.Field()
    price = scrapy.Field(input_processor=MapCompose(str.strip, to_price), output_processor=TakeFirst(), serializer=str)
    facts = scrapy.Field(output_processor=Identity())
    stock = scrapy.Field(output_processor=Compose(lambda values: values[0], str.strip))
    url = scrapy.Field()
    extra = scrapy.Field()


class BookLoader(ItemLoader):
    default_output_processor = TakeFirst()
    name_in = MapCompose(str.title)
    name_out = Join(" / ")


class LoaderSpider(scrapy.Spider):
    name = "loader"
    start_urls = [f"http://127.0.0.1:8000/books/travel/book_{i}.html" for i in range(0, 6, 2)]

    def parse(self, response):
        loader = BookLoader(item=Book(), response=response)
        loader.add_css("name", "h1::text")
        loader.add_xpath("name", "//title/text()")
        loader.add_css("price", "p.price::text")
        loader.add_css("stock", ".availability::text", re=r"In stock.*")
        table = loader.nested_css("table")
        table.add_xpath("facts", ".//td/text()")
        loader.add_value("url", response.url)
        loader.add_value("extra", {"a": [1, 2]}, SelectJmes("a"))
        loader.replace_value("extra", None)
        yield loader.load_item()
