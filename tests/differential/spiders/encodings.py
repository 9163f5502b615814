import scrapy


class EncodingSpider(scrapy.Spider):
    name = "encodings"

    async def start(self):
        for kind in ("gzip", "x-gzip", "br", "deflate", "rawdeflate", "identity", "lying", "unknown"):
            yield scrapy.Request("http://127.0.0.1:8000/enc/" + kind, callback=self.parse_body)
        for kind in ("latin1", "cp1251", "meta-sjis", "meta-gb", "bom8", "bom16", "none-utf8", "smart", "wrong", "broken", "xml", "sniff", "plain", "xhtml", "jsontype", "octet", "nul"):
            yield scrapy.Request("http://127.0.0.1:8000/charset/" + kind, callback=self.parse_text)

    def parse_body(self, response):
        yield {"url": response.url, "length": len(response.body), "left": response.headers.get("Content-Encoding", b"").decode(), "flags": response.flags, "type": type(response).__name__}

    def parse_text(self, response):
        item = {"url": response.url, "type": type(response).__name__}
        if hasattr(response, "text"):
            item["encoding"] = response.encoding
            item["text"] = response.text
            if "json" not in response.url:
                item["title"] = response.xpath("//*[local-name()='title']/text()").get()
        yield item
