import asyncio

import scrapy


class AsyncSpider(scrapy.Spider):
    name = "asynccallbacks"
    start_urls = ["http://127.0.0.1:8000/quotes/page/1/"]

    async def parse(self, response):
        await asyncio.sleep(0)
        for href in response.css(".author + a::attr(href)").getall()[:2]:
            request = response.follow(href)
            page = await self.crawler.engine.download_async(request)
            yield {"status": page.status, "url": page.url, "asked": page.request.url}
        pages = await asyncio.gather(*(self.crawler.engine.download_async(scrapy.Request(f"http://127.0.0.1:8000/headers?n={i}")) for i in range(3)))
        yield {"targets": [page.json()["target"] for page in pages]}
        for link in response.css("li.next a"):
            yield response.follow(link, self.parse_second)

    async def parse_second(self, response):
        try:
            page = await self.crawler.engine.download_async(scrapy.Request("http://127.0.0.1:8000/flaky/reset/9", meta={"dont_retry": True}))
        except Exception as error:
            return [{"error": True, "name": type(error).__name__}, scrapy.Request("http://127.0.0.1:8000/headers?after", self.parse_third)]
        return {"page": page.url}

    def parse_third(self, response):
        return {"third": response.url}
