import scrapy
from scrapy.linkextractors import LinkExtractor
from scrapy.spiders import CrawlSpider, Rule


class LinksCrawlSpider(CrawlSpider):
    name = "linkscrawl"
    allowed_domains = ["127.0.0.1"]
    start_urls = ["http://127.0.0.1:8000/links/"]
    rules = [Rule(LinkExtractor(tags=("a", "area", "link"), attrs=("href",)), callback="parse_item", follow=False)]

    def parse_start_url(self, response):
        for link in LinkExtractor(canonicalize=True).extract_links(response):
            yield {"url": link.url, "text": link.text, "fragment": link.fragment, "nofollow": link.nofollow, "how": "canonical"}
        for link in LinkExtractor(unique=False, deny_extensions=[], deny=["up"]).extract_links(response):
            yield {"url": link.url, "text": link.text, "how": "all"}
        for link in LinkExtractor(restrict_text=r"m\d", restrict_css=".main").extract_links(response):
            yield {"url": link.url, "text": link.text, "how": "text"}
        for href in response.css("a::attr(href)").getall():
            if href.startswith(("mailto", "tel", "java")):
                continue
            yield {"join": response.urljoin(href), "href": href}

    def parse_item(self, response):
        self.logger.info("Hi, this is an item page! %s", response.url)
        yield {"leaf": response.url, "h1": response.css("h1::text").get(), "ref": response.request.headers.get("Referer", b"").decode()}
