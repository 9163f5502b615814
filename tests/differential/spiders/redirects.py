import scrapy


class RedirectSpider(scrapy.Spider):
    name = "redirects"
    handle_httpstatus_list = [304]
    custom_settings = {"REDIRECT_MAX_TIMES": 6, "METAREFRESH_MAXDELAY": 10}

    async def start(self):
        for path in ("chain/5", "chain/9", "away", "bad", "space", "utf8", "fragment", "scheme", "empty", "code/300"):
            yield scrapy.Request(f"http://127.0.0.1:8000/redirect/{path}", errback=self.failed)
        for code in (301, 302, 303, 307, 308):
            yield scrapy.Request(f"http://127.0.0.1:8000/redirect/code/{code}?post", method="POST", body=b"a=1", headers={"Content-Type": "text/x-own"}, errback=self.failed, dont_filter=True)
        for kind in ("zero", "quoted", "late", "self", "loop"):
            yield scrapy.Request(f"http://127.0.0.1:8000/refresh/{kind}", errback=self.failed)
        yield scrapy.Request("http://127.0.0.1:8000/redirect/code/302?handled", meta={"handle_httpstatus_list": [302]})
        yield scrapy.Request("http://127.0.0.1:8000/redirect/code/302?dont", meta={"dont_redirect": True, "handle_httpstatus_all": True})
        yield scrapy.Request("http://127.0.0.1:8000/redirect/code/302?head", method="HEAD")
        yield scrapy.Request("http://127.0.0.1:8000/redirect/code/302?secret", headers={"Authorization": "Basic c2VjcmV0", "X-Kept": "k"})

    def parse(self, response):
        yield {
            "url": response.url,
            "status": response.status,
            "method": response.request.method,
            "times": response.meta.get("redirect_times"),
            "urls": response.meta.get("redirect_urls"),
            "reasons": response.meta.get("redirect_reasons"),
            "text": response.text[:200],
        }

    def failed(self, failure):
        yield {"failed": failure.request.url, "kind": failure.type.__name__}
