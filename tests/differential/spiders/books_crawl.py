from scrapy.linkextractors import LinkExtractor
from scrapy.spiders import CrawlSpider, Rule


class BooksCrawlSpider(CrawlSpider):
    name = "bookscrawl"
    allowed_domains = ["127.0.0.1"]
    start_urls = ["http://127.0.0.1:8000/books/index.html"]

    rules = (
        Rule(LinkExtractor(restrict_css="ul.side"), follow=True),
        Rule(LinkExtractor(allow=r"page-\d+\.html"), callback="parse_listing", follow=True),
        Rule(LinkExtractor(allow=r"book_\d+\.html", restrict_xpaths="//article/h3"), callback="parse_book", cb_kwargs={"kind": "book"}, process_links="odd_links", process_request="tag_request"),
    )

    def odd_links(self, links):
        return [link for link in links if int(link.url[:-5].rpartition("_")[2]) % 2]

    def tag_request(self, request, response):
        request.meta["came_from"] = response.url
        return request

    def parse_start_url(self, response, **kwargs):
        return {"start": response.url}

    def parse_listing(self, response):
        yield {"listing": response.url, "title": response.css("title::text").get()}

    def parse_book(self, response, kind):
        return {
            "kind": kind,
            "name": response.css("h1::text").get(),
            "price": response.css(".price::text").re_first(r"£([\d.]+)"),
            "stock": response.css(".availability::text").re_first(r"\((\d+) available"),
            "upc": response.xpath("//th[text()='UPC']/following-sibling::td/text()").get(),
            "came_from": response.meta["came_from"],
            "link_text": response.meta["link_text"],
            "rule": response.meta["rule"],
            "depth": response.meta["depth"],
        }
