import scrapy


class StartAsyncSpider(scrapy.Spider):
    name = "startasync"
    start_urls = ["http://127.0.0.1:8000/api/quotes?page=1"]

    async def start(self):
        yield {"item": "from start"}
        async for request in super().start():
            yield request.replace(cb_kwargs={"source": "super"})
        yield scrapy.Request("http://127.0.0.1:8000/api/quotes?page=2", cb_kwargs={"source": "own"})

    def parse(self, response, source):
        data = response.json()
        for quote in data["quotes"]:
            yield dict(quote, source=source, page=data["page"])
        if data["has_next"]:
            yield scrapy.Request(f"http://127.0.0.1:8000/api/quotes?page={data['page'] + 1}", self.parse, cb_kwargs={"source": "next"})
