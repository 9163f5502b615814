import scrapy


class StatusSpider(scrapy.Spider):
    name = "statuses"
    handle_httpstatus_list = [404]
    custom_settings = {"HTTPERROR_ALLOWED_CODES": [410], "RETRY_ENABLED": False}

    async def start(self):
        for code in (200, 201, 204, 400, 403, 404, 410, 418, 500, 503, 599):
            yield scrapy.Request(f"http://127.0.0.1:8000/status/{code}")
        yield scrapy.Request("http://127.0.0.1:8000/status/403?meta", meta={"handle_httpstatus_list": [403]})
        yield scrapy.Request("http://127.0.0.1:8000/status/500?all", meta={"handle_httpstatus_all": True})
        yield scrapy.Request("http://127.0.0.1:8000/auth/")

    def parse(self, response):
        yield {"url": response.url, "status": response.status, "type": type(response).__name__, "length": len(response.body)}
