from scrapy.spiders import XMLFeedSpider


class RssSpider(XMLFeedSpider):
    name = "rss"
    start_urls = ["http://127.0.0.1:8000/feed/rss.xml"]
    iterator = "iternodes"
    itertag = "item"
    namespaces = [("media", "http://m.example/ns")]

    def parse_node(self, response, node):
        yield {
            "title": node.xpath("title/text()").get(),
            "link": response.urljoin(node.xpath("link/text()").get()),
            "description": node.xpath("description/text()").get(),
            "thumb": node.xpath("media:thumb/@url").get(),
        }
        yield response.follow(node.xpath("link/text()").get(), self.parse_page)

    def parse_page(self, response):
        yield {"page": response.url, "first": response.css(".text::text").get()}

    def process_results(self, response, results):
        for result in results:
            if isinstance(result, dict):
                result["processed"] = True
            yield result
