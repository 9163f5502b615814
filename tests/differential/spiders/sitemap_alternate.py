from scrapy.spiders import SitemapSpider


class AlternateSitemapSpider(SitemapSpider):
    name = "sitemapalt"
    sitemap_urls = ["http://127.0.0.1:8000/sitemap-quotes.xml", "http://127.0.0.1:8000/sitemap-missing.xml"]
    sitemap_alternate_links = True

    async def start(self):
        async for request in super().start():
            yield request.replace(priority=5)

    def parse(self, response):
        yield {"url": response.url}
