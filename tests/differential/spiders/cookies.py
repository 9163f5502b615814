import scrapy


class CookiesSpider(scrapy.Spider):
    name = "cookies"

    async def start(self):
        for i in range(3):
            yield scrapy.Request(f"http://127.0.0.1:8000/cookies/set?user={i}&x=y", meta={"cookiejar": i}, callback=self.parse_set)
        yield scrapy.Request("http://127.0.0.1:8000/cookies/echo?given", cookies={"currency": "USD", "n": 1}, meta={"cookiejar": "given"}, callback=self.parse_echo)
        yield scrapy.Request("http://127.0.0.1:8000/cookies/echo?list", cookies=[{"name": "a", "value": "b", "path": "/cookies"}, {"name": "other", "value": "c", "path": "/elsewhere"}], meta={"cookiejar": "list"}, callback=self.parse_echo)
        yield scrapy.Request("http://127.0.0.1:8000/cookies/echo?header", headers={"Cookie": "h=1; i=2"}, meta={"cookiejar": "h"}, callback=self.parse_echo)
        yield scrapy.Request("http://127.0.0.1:8000/cookies/echo?nomerge", cookies={"z": "1"}, meta={"dont_merge_cookies": True}, callback=self.parse_echo)
        yield scrapy.Request("http://127.0.0.1:8000/cookies/redirect?r=1", meta={"cookiejar": "r"}, callback=self.parse_echo)
        yield scrapy.Request("http://127.0.0.1:8000/cookies/echo?bytes", cookies={"b": b"raw", "e": "ü", "t": True}, meta={"cookiejar": "b"}, callback=self.parse_echo)

    def parse_set(self, response):
        yield {"set": [value.decode() for value in response.headers.getlist("Set-Cookie")]}
        jar = response.meta["cookiejar"]
        yield scrapy.Request("http://127.0.0.1:8000/cookies/echo?jar=" + str(jar), meta={"cookiejar": jar}, callback=self.parse_echo)
        yield scrapy.Request("http://127.0.0.1:8000/headers?jar=" + str(jar), meta={"cookiejar": jar}, callback=self.parse_other)

    def parse_echo(self, response):
        yield {"url": response.url, "cookies": response.json()}

    def parse_other(self, response):
        yield {"other": response.url}
