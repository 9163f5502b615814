from scrapy.spiders import XMLFeedSpider


class RssXmlSpider(XMLFeedSpider):
    name = "rssxml"
    start_urls = ["http://127.0.0.1:8000/feed/rss.xml"]
    iterator = "xml"
    itertag = "channel/item"

    def adapt_response(self, response):
        return response.replace(body=response.body.replace(b"News", b"Olds"))

    def parse_node(self, response, selector):
        return {"title": selector.xpath("title/text()").get(), "all": selector.xpath("string(.)").get()}
