import scrapy


class Rfc2616Spider(scrapy.Spider):
    name = "rfc2616"
    custom_settings = {"HTTPCACHE_ENABLED": True, "HTTPCACHE_DIR": "cachedir", "HTTPCACHE_POLICY": "scrapy.extensions.httpcache.RFC2616Policy"}

    async def start(self):
        for kind in ("fresh", "etag", "modified", "nostore", "plain", "error"):
            yield scrapy.Request("http://127.0.0.1:8000/cached/" + kind, meta={"handle_httpstatus_list": [404]}, cb_kwargs={"again": 2})
        yield scrapy.Request("http://127.0.0.1:8000/cached/plain?dont", meta={"dont_cache": True}, cb_kwargs={"again": 1})

    def parse(self, response, again):
        yield {"url": response.url, "body": response.css("p::text").get(), "flags": response.flags, "again": again}
        if again:
            yield response.request.replace(dont_filter=True, cb_kwargs={"again": again - 1})
