import scrapy


class RefererSpider(scrapy.Spider):
    name = "referer"
    start_urls = ["http://127.0.0.1:8000/quotes/?q=1#frag"]

    def parse(self, response):
        there, away = "http://127.0.0.1:8000/headers?", "http://127.0.0.2:8000/headers?"
        policies = ("no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin", "origin-when-cross-origin", "strict-origin-when-cross-origin", "unsafe-url", "scrapy-default", "")
        for policy in policies:
            yield scrapy.Request(there + "p=" + policy, self.parse_echo, meta={"referrer_policy": policy})
            yield scrapy.Request(away + "p=" + policy, self.parse_echo, meta={"referrer_policy": policy})
        yield scrapy.Request(there + "own", self.parse_echo, headers={"Referer": "http://own.example/"})
        yield scrapy.Request("http://127.0.0.1:8000/redirect/away", self.parse_echo)
        yield scrapy.Request("http://127.0.0.1:8000/redirect/scheme", self.parse_echo)

    def parse_echo(self, response):
        yield {"url": response.url, "referer": response.json()["referer"]}
